// The slot allocator: against first slots that were measured on real kernels, and against a bitmap.
#include "engine/slots/slots.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/scene/slot_scene.h"
#include "trace/decode.h"

namespace swaptrail::engine {
namespace {

constexpr uint64_t k256MiB = 65536;

Area rotational(uint32_t type, uint64_t pages) {
  Area area = area_of(type, pages);
  area.rotational = true;
  return area;
}

SlotAllocator machine(Allocator generation, const std::vector<Area>& areas, uint32_t cpus = 2) {
  SlotOptions options;
  options.generation = generation;
  options.default_priority = DefaultPriority::kFallingFrom2;
  options.cpus = cpus;
  SlotAllocator slots(options);
  for (const Area& area : areas) EXPECT_TRUE(slots.swapon(area).ok());
  return slots;
}

// "0:16384+64 1:16384+64": the runs that `count` allocations on the CPU give.
std::string runs(SlotAllocator& slots, uint32_t count, uint32_t cpu = 0, uint32_t nr_pages = 1) {
  std::string text;
  uint64_t first = 0, next = 0;
  const auto end_run = [&] {
    if (next == 0) return;
    text += (text.empty() ? "" : " ") + std::to_string(entry_type(first)) + ":" +
            std::to_string(entry_offset(first)) + "+" + std::to_string(next - first);
  };
  for (uint32_t at = 0; at < count; ++at) {
    const uint64_t entry = slots.allocate(cpu, nr_pages).value_or(0);
    if (entry != next) {
      end_run();
      first = entry;
    }
    next = entry + nr_pages;
  }
  end_run();
  return text;
}

// ---- measured on real kernels

TEST(EngineSlots, FirstSlotsOfAFreshArea) {
  const struct {
    Allocator generation;
    const char* first;
    const char* second_cpu;
    const char* small_area;
  } cases[] = {
      {Allocator::kSlotCaches, "0:16384+200", "0:32768+100", "0:512+200"},
      {Allocator::kClusterLists, "0:16384+200", "0:32768+100", "0:512+200"},
      {Allocator::kClusterListsNoReturn, "0:16384+200", "0:32768+100", "0:512+200"},
      {Allocator::kGlobalCluster, "0:16384+200", "0:32768+100", "0:512+200"},
      {Allocator::kSwapTable, "0:1+200", "0:512+100", "0:1+200"},
  };
  for (const auto& expected : cases) {
    SlotAllocator slots = machine(expected.generation, {area_of(0, k256MiB)});
    EXPECT_EQ(runs(slots, 200), expected.first);
    EXPECT_EQ(runs(slots, 100, 1), expected.second_cpu);
    SlotAllocator small = machine(expected.generation, {area_of(0, k64MiB)});
    EXPECT_EQ(runs(small, 200), expected.small_area);
  }
}

TEST(EngineSlots, ClustersFollowInColumns) {
  SlotAllocator slots = machine(Allocator::kSlotCaches, {area_of(0, k256MiB)});
  EXPECT_EQ(runs(slots, 512 * 5), "0:16384+512 0:32768+512 0:49152+512 0:512+512 0:16896+512");
}

TEST(EngineSlots, RotationalAreas) {
  for (const Allocator generation : {Allocator::kSlotCaches, Allocator::kClusterLists}) {
    SlotAllocator slots = machine(generation, {rotational(0, k256MiB)});
    EXPECT_EQ(runs(slots, 200), "0:1+200");
    EXPECT_EQ(runs(slots, 100), "0:201+100");
    EXPECT_EQ(slots.allocate(0, 512), std::nullopt) << "large folios are split for them";
  }
  SlotAllocator global = machine(Allocator::kGlobalCluster, {rotational(0, k256MiB)});
  EXPECT_EQ(runs(global, 200), "0:16384+200");
  EXPECT_EQ(runs(global, 100, 1), "0:16584+100") << "one cluster for all CPUs";
  SlotAllocator table = machine(Allocator::kSwapTable, {rotational(0, k256MiB)});
  EXPECT_EQ(runs(table, 200), "0:1+200");
}

TEST(EngineSlots, TwoEqualAreasTakeTurns) {
  const auto two = [](Allocator generation) {
    return machine(generation, {area_of(0, k256MiB, 5), area_of(1, k256MiB, 5)});
  };
  for (const Allocator generation : {Allocator::kSlotCaches, Allocator::kClusterLists}) {
    SlotAllocator slots = two(generation);
    EXPECT_EQ(runs(slots, 192), "0:16384+64 1:16384+64 0:16448+64");
  }
  SlotAllocator global = two(Allocator::kGlobalCluster);
  EXPECT_EQ(runs(global, 700), "0:16384+512 1:16384+188");
  SlotAllocator table = two(Allocator::kSwapTable);
  EXPECT_EQ(runs(table, 1000), "0:1+511 1:1+489");
  SlotAllocator linear = two(Allocator::kLinearScan);
  for (uint32_t at = 0; at < 10; ++at) {
    EXPECT_EQ(entry_type(linear.allocate(0, 1).value()), at % 2) << "page by page";
  }
}

TEST(EngineSlots, ABetterAreaIsUsedOnlyWhenTheKernelTurnsToIt) {
  SlotAllocator caches = machine(Allocator::kClusterLists, {area_of(0, k256MiB, 1)});
  runs(caches, 100);
  ASSERT_TRUE(caches.swapon(area_of(1, k256MiB, 9)).ok());
  EXPECT_EQ(runs(caches, 60), "0:16484+28 1:16384+32");
  SlotAllocator global = machine(Allocator::kGlobalCluster, {area_of(0, k256MiB, 1)});
  runs(global, 100);
  ASSERT_TRUE(global.swapon(area_of(1, k256MiB, 9)).ok());
  EXPECT_EQ(runs(global, 500), "0:16484+412 1:16384+88");
}

TEST(EngineSlots, LargeFolios) {
  for (const Allocator generation :
       {Allocator::kSlotCaches, Allocator::kClusterLists, Allocator::kGlobalCluster}) {
    SlotAllocator slots = machine(generation, {area_of(0, k256MiB)});
    runs(slots, 600);
    EXPECT_EQ(runs(slots, 2, 0, 512), "0:49152+512 0:512+512");
  }
  SlotAllocator table = machine(Allocator::kSwapTable, {area_of(0, k256MiB)});
  runs(table, 200);
  EXPECT_EQ(runs(table, 2, 0, 512), "0:512+1024");
  SlotAllocator fresh = machine(Allocator::kSwapTable, {area_of(0, k256MiB)});
  EXPECT_EQ(runs(fresh, 3, 0, 16), "0:512+48") << "a cluster has one order";
  Area file = area_of(0, k256MiB);
  file.block_device = false;
  SlotAllocator no_large = machine(Allocator::kSwapTable, {file});
  EXPECT_EQ(no_large.allocate(0, 512), std::nullopt);
}

TEST(EngineSlots, AnEmptiedClusterBeginsAgain) {
  for (const Allocator generation : {Allocator::kGlobalCluster, Allocator::kClusterListsNoReturn}) {
    SlotAllocator slots = machine(generation, {area_of(0, k256MiB)});
    if (generation == Allocator::kClusterListsNoReturn) runs(slots, 128);
    const uint64_t first = generation == Allocator::kGlobalCluster ? slots.allocate(0, 1).value()
                                                                   : make_entry(0, 16384);
    for (uint64_t at = 0; slots.in_use(first + at); ++at) {
      ASSERT_TRUE(slots.free(0, first + at, 1).ok());
    }
    EXPECT_EQ(entry_offset(slots.allocate(0, 1).value()), 16384u);
  }
}

TEST(EngineSlots, SwapTableSharesAClusterAsSoonAsASlotOfItIsFree) {
  SlotAllocator slots = machine(Allocator::kSwapTable, {area_of(0, k256MiB)});
  runs(slots, 100);
  ASSERT_TRUE(slots.free(0, make_entry(0, 50), 1).ok());
  EXPECT_EQ(runs(slots, 2, 1), "0:50+1 0:101+1");
  EXPECT_EQ(runs(slots, 1, 0), "0:102+1");
}

// ---- return cache

TEST(EngineSlots, ReturnedSlotsAreFreeWhen64AreTogether) {
  SlotAllocator slots = machine(Allocator::kSlotCaches, {area_of(0, k256MiB)}, 1);
  runs(slots, 128);
  for (uint64_t at = 0; at < 64; ++at) {
    ASSERT_TRUE(slots.put(0, make_entry(0, 16384 + at), 1).ok());
  }
  EXPECT_EQ(slots.usage().returning, 64u);
  EXPECT_EQ(slots.usage().in_use, 128u);
  ASSERT_TRUE(slots.put(0, make_entry(0, 16448), 1).ok());
  EXPECT_EQ(slots.usage().in_use, 64u);
  EXPECT_EQ(slots.usage().returning, 1u);
  ASSERT_TRUE(slots.put(0, make_entry(0, 16448), 1).ok()) << "a second time: then it is free";
  EXPECT_EQ(slots.usage().returning, 0u);
  EXPECT_EQ(slots.usage().in_use, 63u);
  EXPECT_EQ(slots.put(0, make_entry(0, 16448), 1).code(), absl::StatusCode::kFailedPrecondition);
  SlotAllocator direct = machine(Allocator::kClusterListsNoReturn, {area_of(0, k256MiB)}, 1);
  runs(direct, 64);
  ASSERT_TRUE(direct.put(0, make_entry(0, 16384), 1).ok());
  EXPECT_EQ(direct.usage().in_use, 63u);
}

// ---- errors

TEST(EngineSlots, RefusesWhatIsImpossible) {
  SlotAllocator slots = machine(Allocator::kSwapTable, {area_of(0, 1000)});
  EXPECT_EQ(slots.swapon(area_of(0, 1000)).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(slots.swapon(area_of(1, 1)).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(slots.swapon(area_of(kMostAreaTypes, 9)).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(slots.swapon(area_of(1, 9, 32768)).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(slots.allocate(2, 1), std::nullopt);
  EXPECT_EQ(slots.allocate(0, 3), std::nullopt);
  EXPECT_EQ(slots.allocate(0, 1024), std::nullopt);
  EXPECT_EQ(slots.free(0, make_entry(1, 1), 1).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(slots.free(0, make_entry(0, 0), 1).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(slots.free(0, make_entry(0, 1000), 1).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(slots.free(0, make_entry(0, 510), 4).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(slots.free(0, make_entry(0, 5), 1).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(slots.swapoff(7).code(), absl::StatusCode::kNotFound);
}

TEST(EngineSlots, SwapoffForgetsTheAreaAndUsesTheOthers) {
  for (const Allocator generation : kAllocators) {
    SlotAllocator slots = machine(generation, {area_of(0, k64MiB, 9), area_of(1, k64MiB, 1)});
    for (int at = 0; at < 100; ++at) EXPECT_EQ(entry_type(slots.allocate(0, 1).value()), 0u);
    ASSERT_TRUE(slots.retire(0).ok());
    EXPECT_EQ(entry_type(slots.allocate(0, 1).value()), 1u);
    ASSERT_TRUE(slots.swapoff(0).ok());
    EXPECT_EQ(entry_type(slots.allocate(1, 1).value()), 1u);
    EXPECT_EQ(slots.usage().slots, k64MiB - 1);
    ASSERT_TRUE(slots.swapon(area_of(0, k64MiB, 9)).ok());
  }
}

// ---- priorities

TEST(EngineArea, DefaultPriorities) {
  const struct {
    DefaultPriority rule;
    int32_t first, second;
  } cases[] = {{DefaultPriority::kFallingFrom1, -1, -2},
               {DefaultPriority::kFallingFrom2, -2, -3},
               {DefaultPriority::kEqual, -1, -1}};
  for (const auto& expected : cases) {
    AreaOrder order(expected.rule);
    EXPECT_EQ(order.add(area_of(0, 9)).value(), expected.first);
    EXPECT_EQ(order.add(area_of(1, 9)).value(), expected.second);
    EXPECT_EQ(order.add(area_of(2, 9, 0)).value(), 0);
    EXPECT_EQ(order.available()[0], 2u);
    ASSERT_TRUE(order.remove(0).ok());
    EXPECT_EQ(order.priority(1), expected.first) << "it moves up, or was equal";
    EXPECT_EQ(order.remove(0).code(), absl::StatusCode::kNotFound);
  }
}

TEST(EngineArea, OnTheNodeIsBestOfTheDefaults) {
  AreaOrder order(DefaultPriority::kFallingFrom2);
  Area local = area_of(1, 9);
  local.local_node = true;
  ASSERT_TRUE(order.add(area_of(0, 9)).ok());
  ASSERT_TRUE(order.add(local).ok());
  EXPECT_EQ(order.available()[0], 1u);
}

TEST(EngineArea, EqualsTakeTurnsAndFullOnesLeave) {
  AreaOrder order(DefaultPriority::kEqual);
  for (uint32_t type = 0; type < 3; ++type) ASSERT_TRUE(order.add(area_of(type, 9)).ok());
  for (uint32_t turn = 0; turn < 7; ++turn) {
    EXPECT_EQ(order.available()[0], turn % 3);
    order.requeue(order.available()[0]);
  }
  order.leave(1);
  order.leave(1);
  EXPECT_EQ(order.available().size(), 2u);
  order.enter(1);
  EXPECT_EQ(order.available()[2], 1u);
}

// ---- against a bitmap

// What is certain of every allocator: written anew, without looking at how it is done.
class Ledger {
 public:
  Ledger(const std::vector<Area>& areas) {
    for (const Area& area : areas) {
      taken_.emplace_back(area.pages, false);
      taken_.back()[0] = true;
      for (const uint64_t bad : area.bad_pages) taken_.back()[bad] = true;
    }
    for (const auto& area : taken_) {
      for (const bool taken : area) left_ += taken ? 0 : 1;
    }
  }
  void allocated(uint64_t entry, uint32_t nr_pages) {
    ASSERT_LT(entry_type(entry), taken_.size());
    std::vector<bool>& area = taken_[entry_type(entry)];
    const uint64_t first = entry_offset(entry);
    ASSERT_EQ(first % nr_pages, 0u);
    ASSERT_LE(first + nr_pages, area.size());
    for (uint64_t slot = first; slot < first + nr_pages; ++slot) {
      ASSERT_FALSE(area[slot]) << "slot " << slot << " is bad or was handed out twice";
      area[slot] = true;
    }
    left_ -= nr_pages;
  }
  void freed(uint64_t entry, uint32_t nr_pages) {
    const uint64_t first = entry_offset(entry);
    for (uint64_t slot = first; slot < first + nr_pages; ++slot) {
      taken_[entry_type(entry)][slot] = false;
    }
    left_ += nr_pages;
  }
  uint64_t left() const { return left_; }

 private:
  std::vector<std::vector<bool>> taken_;
  uint64_t left_ = 0;
};

std::vector<Area> odd_areas(bool with_rotational) {
  Area bad = area_of(0, 3000, 5);
  bad.bad_pages = {1, 700, 701, 2999};
  Area second = area_of(1, 5000, 5);
  second.rotational = with_rotational;
  return {bad, second, area_of(2, 4096, 1)};
}

struct Held {
  uint64_t entry;
  uint32_t nr_pages;
};

void random_run(Allocator generation, bool with_rotational, uint64_t seed) {
  SCOPED_TRACE(testing::Message() << "generation " << static_cast<int>(generation) << " seed "
                                  << seed << (with_rotational ? " rotational" : ""));
  const std::vector<Area> areas = odd_areas(with_rotational);
  SlotAllocator slots = machine(generation, areas, 3);
  Ledger ledger(areas);
  std::mt19937_64 random(seed);
  std::vector<Held> held;
  for (int step = 0; step < 60000 && !testing::Test::HasFatalFailure(); ++step) {
    const auto cpu = static_cast<uint32_t>(random() % 3);
    const bool fill = (step / 12000) % 2 == 0;
    if (held.empty() || random() % 100 < (fill ? 65u : 35u)) {
      const uint32_t nr_pages = random() % 8 == 0 ? 1u << (random() % 10) : 1;
      const auto predicted = slots.predict(cpu, nr_pages);
      const auto entry = slots.allocate(cpu, nr_pages);
      if (slots.usage().cached == 0) {
        ASSERT_EQ(predicted, entry);
      }
      if (!entry) continue;
      ledger.allocated(*entry, nr_pages);
      held.push_back({*entry, nr_pages});
    } else {
      std::swap(held[random() % held.size()], held.back());
      const Held gone = held.back();
      held.pop_back();
      ASSERT_TRUE(slots.free(cpu, gone.entry, gone.nr_pages).ok());
      ledger.freed(gone.entry, gone.nr_pages);
    }
    ASSERT_EQ(slots.usage().slots - slots.usage().in_use + slots.usage().cached, ledger.left());
  }
  while (const auto entry = slots.allocate(static_cast<uint32_t>(random() % 3), 1)) {
    ASSERT_NO_FATAL_FAILURE(ledger.allocated(*entry, 1));
  }
  EXPECT_EQ(ledger.left(), 0u) << "every slot can be had";
}

TEST(EngineSlots, NoSlotTwiceAndEverySlotOnce) {
  for (const Allocator generation : kAllocators) {
    for (uint64_t seed = 1; seed <= 3; ++seed) {
      random_run(generation, false, seed);
      random_run(generation, true, seed);
    }
  }
}

TEST(EngineSlots, PutGivesEverythingBack) {
  for (const Allocator generation : kAllocators) {
    const std::vector<Area> areas = odd_areas(false);
    SlotAllocator slots = machine(generation, areas, 2);
    Ledger ledger(areas);
    std::mt19937_64 random(5);
    std::vector<uint64_t> held;
    for (int step = 0; step < 50000; ++step) {
      const auto cpu = static_cast<uint32_t>(random() % 2);
      if (held.empty() || random() % 2 == 0) {
        if (const auto entry = slots.allocate(cpu, 1)) {
          ASSERT_NO_FATAL_FAILURE(ledger.allocated(*entry, 1));
          held.push_back(*entry);
        }
      } else {
        ASSERT_TRUE(slots.put(cpu, held.back(), 1).ok());
        ledger.freed(held.back(), 1);
        held.pop_back();
      }
    }
    const SlotUsage usage = slots.usage();
    EXPECT_EQ(usage.in_use, held.size() + usage.cached + usage.returning);
    EXPECT_LE(usage.returning, 2 * 64u);
  }
}

// A full machine asks for slots that only the cache needs.
TEST(EngineSlots, ReclaimsFullClustersWhenHalfFull) {
  SlotAllocator slots = machine(Allocator::kSwapTable, {area_of(0, 4096)}, 1);
  std::set<uint64_t> asked;
  slots.set_reclaim([&](uint64_t entry) {
    asked.insert(entry);
    return entry_offset(entry) % 2 == 0;
  });
  for (int at = 0; at < 9000; ++at) ASSERT_TRUE(slots.allocate(0, 1)) << at;
  EXPECT_EQ(asked.size(), 4095u);
}

TEST(EngineSlots, EqualAreasAreFilledEqually) {
  for (const Allocator generation : kAllocators) {
    SlotAllocator slots = machine(
        generation, {area_of(0, k64MiB, 3), area_of(1, k64MiB, 3), area_of(2, k64MiB, 3)}, 2);
    std::array<int64_t, 3> count{};
    for (uint32_t at = 0; at < 30000; ++at) {
      ++count[entry_type(slots.allocate(at % 2, 1).value())];
    }
    const auto [least, most] = std::minmax_element(count.begin(), count.end());
    // In turns of a page, a batch or a cluster, by each of two CPUs.
    const int64_t turn = slot_rules(generation).global_cluster ? 512 : 64;
    EXPECT_LE(*most - *least, 2 * 2 * turn) << static_cast<int>(generation);
  }
}

TEST(EngineSlots, TheSameSeedGivesTheSameSlots) {
  for (const Allocator generation : kAllocators) {
    SlotAllocator one = machine(generation, odd_areas(true));
    SlotAllocator other = machine(generation, odd_areas(true));
    for (uint32_t at = 0; at < 9000; ++at) {
      const auto entry = one.allocate(at % 2, 1);
      ASSERT_EQ(entry, other.allocate(at % 2, 1));
      if (!entry || at % 3 != 0) continue;
      ASSERT_TRUE(one.free(0, *entry, 1).ok());
      ASSERT_TRUE(other.free(0, *entry, 1).ok());
    }
  }
}

}  // namespace
}  // namespace swaptrail::engine
