// Lockstep with a kernel: here another allocator of the same or of another history plays it.
#include "engine/slots/slot_prediction.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "tests/scene/slot_scene.h"
#include "trace/decode.h"

namespace swaptrail::engine {
namespace {

SlotOptions options_of(Allocator generation) {
  SlotOptions options;
  options.generation = generation;
  options.cpus = 2;
  return options;
}

// `steps` of a kernel that is watched from `watch_from` on; up to `most` slots in use.
PredictionCounts watch(Allocator generation, int steps, int watch_from, size_t most) {
  SlotAllocator kernel(options_of(generation));
  SlotPrediction prediction(options_of(generation));
  EXPECT_TRUE(kernel.swapon(area_of(0, k64MiB)).ok());
  EXPECT_TRUE(prediction.add_area(area_of(0, k64MiB), watch_from == 0).ok());
  std::mt19937_64 random(3);
  std::vector<uint64_t> held;
  for (int step = 0; step < steps; ++step) {
    const auto cpu = static_cast<uint32_t>(random() % 2);
    if (held.size() < most && (held.empty() || random() % 5 < 3)) {
      held.push_back(kernel.allocate(cpu, 1).value());
      if (step >= watch_from) prediction.take(cpu, 1, held.back());
    } else {
      std::swap(held[random() % held.size()], held.back());
      EXPECT_TRUE(kernel.free(cpu, held.back(), 1).ok());
      if (step >= watch_from) prediction.free(cpu, held.back(), 1, false);
      held.pop_back();
    }
  }
  return prediction.counts();
}

TEST(EngineSlotPrediction, AFreshAreaIsForetoldExactly) {
  for (const Allocator generation : kAllocators) {
    const PredictionCounts counts = watch(generation, 60000, 0, 12000);
    EXPECT_EQ(counts.exact, counts.allocations) << static_cast<int>(generation);
    EXPECT_GT(counts.turns, 50u);
    EXPECT_EQ(counts.exact_turns, counts.turns);
    EXPECT_EQ(counts.unknown_frees, 0u);
  }
}

TEST(EngineSlotPrediction, AnUnknownHistoryIsNamedAndNeverAViolation) {
  for (const Allocator generation : kAllocators) {
    const PredictionCounts counts = watch(generation, 60000, 5000, 12000);
    EXPECT_LT(counts.exact, counts.allocations);
    EXPECT_EQ(counts.allocations - counts.exact,
              counts.misses[static_cast<size_t>(SlotMiss::kUnknownHistory)]);
    for (size_t at = 1; at < counts.violations.size(); ++at) EXPECT_EQ(counts.violations[at], 0u);
  }
}

TEST(EngineSlotPrediction, OneMissDoesNotSpoilWhatFollows) {
  for (const Allocator generation : kAllocators) {
    SlotPrediction prediction(options_of(generation));
    ASSERT_TRUE(prediction.add_area(area_of(0, k64MiB), true).ok());
    const uint64_t first = make_entry(0, 512 * 7 + 3);
    EXPECT_FALSE(prediction.take(0, 1, first).exact());
    for (uint64_t at = 1; at < 500; ++at) {
      EXPECT_TRUE(prediction.take(0, 1, first + at).exact()) << static_cast<int>(generation);
    }
    EXPECT_EQ(prediction.slots().usage().in_use - prediction.slots().usage().cached, 500u);
  }
}

TEST(EngineSlotPrediction, PredictChangesNothing) {
  for (const Allocator generation : kAllocators) {
    SlotPrediction prediction(options_of(generation));
    ASSERT_TRUE(prediction.add_area(area_of(0, k64MiB), true).ok());
    for (int at = 0; at < 2000; ++at) {
      const auto predicted = prediction.predict(at % 2, 1);
      ASSERT_TRUE(predicted);
      EXPECT_EQ(prediction.predict(at % 2, 1), predicted);
      EXPECT_TRUE(prediction.take(at % 2, 1, *predicted).exact());
    }
  }
}

TEST(EngineSlotPrediction, Violations) {
  SlotPrediction prediction(options_of(Allocator::kSwapTable));
  Area area = area_of(0, 10000);
  area.bad_pages = {700};
  ASSERT_TRUE(prediction.add_area(area, true).ok());
  const auto take = [&](uint32_t nr_pages, uint64_t entry) {
    return prediction.take(0, nr_pages, entry).violation;
  };
  EXPECT_EQ(take(1, make_entry(0, 1)), SlotViolation::kNone);
  EXPECT_EQ(take(1, make_entry(0, 1)), SlotViolation::kInUse);
  EXPECT_EQ(take(1, make_entry(0, 0)), SlotViolation::kOutOfRange);
  EXPECT_EQ(take(1, make_entry(0, 10000)), SlotViolation::kOutOfRange);
  EXPECT_EQ(take(16, make_entry(0, 9999)), SlotViolation::kOutOfRange);
  EXPECT_EQ(take(1, make_entry(3, 1)), SlotViolation::kOutOfRange);
  EXPECT_EQ(take(512, make_entry(0, 513)), SlotViolation::kMisaligned);
  EXPECT_EQ(take(1, make_entry(0, 700)), SlotViolation::kBadPage);
  EXPECT_EQ(take(512, make_entry(0, 512)), SlotViolation::kBadPage);
  EXPECT_EQ(take(512, make_entry(0, 1024)), SlotViolation::kNone);
  EXPECT_EQ(take(1, make_entry(0, 1024 + 511)), SlotViolation::kInUse);
  prediction.free(0, make_entry(0, 1), 1, false);
  EXPECT_EQ(take(1, make_entry(0, 1)), SlotViolation::kNone);
  EXPECT_EQ(slot_violation_name(SlotViolation::kInUse), "slot_in_use");
  prediction.lose();
  EXPECT_EQ(take(1, make_entry(0, 1)), SlotViolation::kNone) << "its free may have been lost";
}

TEST(EngineSlotPrediction, AnotherCpuInTheSameClusterIsNamed) {
  SlotPrediction prediction(options_of(Allocator::kSwapTable));
  ASSERT_TRUE(prediction.add_area(area_of(0, k64MiB), true).ok());
  for (uint64_t at = 1; at <= 10; ++at) prediction.take(0, 1, make_entry(0, at));
  EXPECT_EQ(prediction.take(1, 1, make_entry(0, 11)).miss, SlotMiss::kOtherCpu);
  EXPECT_TRUE(prediction.take(0, 1, make_entry(0, 12)).exact());
}

TEST(EngineSlotPrediction, ASlotOfTheCacheThatComesOutOfTurn) {
  SlotPrediction prediction(options_of(Allocator::kClusterLists));
  ASSERT_TRUE(prediction.add_area(area_of(0, k64MiB), true).ok());
  EXPECT_TRUE(prediction.take(0, 1, make_entry(0, 512)).exact());
  EXPECT_EQ(prediction.take(0, 1, make_entry(0, 514)).miss, SlotMiss::kCachedBatch);
  EXPECT_TRUE(prediction.take(0, 1, make_entry(0, 515)).exact());
  // The one between was taken on this CPU, and is reported by the next.
  const SlotCheck late = prediction.take(1, 1, make_entry(0, 513));
  EXPECT_EQ(late.violation, SlotViolation::kNone);
  EXPECT_TRUE(prediction.take(0, 1, make_entry(0, 516)).exact());
}

TEST(EngineSlotPrediction, SlotsFreedBySwapoffRetireTheArea) {
  SlotPrediction prediction(options_of(Allocator::kSlotCaches));
  Area better = area_of(1, k64MiB);
  better.priority = 9;
  ASSERT_TRUE(prediction.add_area(area_of(0, k64MiB), true).ok());
  ASSERT_TRUE(prediction.add_area(better, true).ok());
  EXPECT_TRUE(prediction.take(0, 1, make_entry(1, 512)).exact());
  EXPECT_TRUE(prediction.take(0, 1, make_entry(1, 513)).exact());
  prediction.free(1, make_entry(1, 512), 1, true);
  EXPECT_EQ(entry_type(prediction.predict(0, 1).value()), 0u);
  EXPECT_TRUE(prediction.add_area(better, true).ok()) << "swapped on again before its end was seen";
}

TEST(EngineSlotPrediction, FreesOverClustersAndUnknownOnes) {
  SlotPrediction prediction(options_of(Allocator::kSwapTable));
  ASSERT_TRUE(prediction.add_area(area_of(0, k64MiB), true).ok());
  prediction.take(0, 512, make_entry(0, 512));
  prediction.take(0, 512, make_entry(0, 1024));
  prediction.free(0, make_entry(0, 600), 800, false);
  EXPECT_EQ(prediction.slots().usage().in_use, 224u);
  prediction.free(0, make_entry(0, 599), 2, false);
  EXPECT_EQ(prediction.counts().unknown_frees, 1u);
}

}  // namespace
}  // namespace swaptrail::engine
