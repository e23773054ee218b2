// Belady's optimum, against one that follows the definition, and one that tries all there is.
#include "engine/workloads/optimum.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "engine/workloads/synthetic.h"
#include "tests/scene/naive_optimum.h"
#include "tests/scene/workload_steps.h"

namespace swaptrail::engine {
namespace {

OptimumCounters optimum_of(const std::vector<WorkloadStep>& steps, uint64_t frames) {
  Optimum optimum(frames);
  for (const WorkloadStep& step : steps) EXPECT_TRUE(optimum.step(step).ok());
  return optimum.counters();
}

WorkloadStep read_of(uint64_t page, uint32_t process = 0) {
  return {StepKind::kTouch, false, process, 0, page};
}
WorkloadStep write_of(uint64_t page, uint32_t process = 0) {
  return {StepKind::kTouch, true, process, 0, page};
}
WorkloadStep fork_of(uint32_t parent, uint32_t child) {
  return {.kind = StepKind::kFork, .process = parent, .child = child};
}
WorkloadStep exit_of(uint32_t process) { return {.kind = StepKind::kExit, .process = process}; }

// What a workload is drawn from.
struct Shape {
  size_t steps;
  uint64_t pages;
  uint32_t most_processes;
  int percent_written;
  int percent_of_processes;  // forks and exits
  int percent_hot;           // to the first fifth of the pages
};

std::vector<WorkloadStep> drawn_steps(const Shape& shape, uint32_t seed) {
  std::mt19937 random(seed);
  const auto chance = [&](int percent) { return static_cast<int>(random() % 100) < percent; };
  std::vector<uint32_t> alive = {0};
  uint32_t processes = 1;
  std::vector<WorkloadStep> steps;
  while (steps.size() < shape.steps && !alive.empty()) {
    const size_t who = random() % alive.size();
    if (chance(shape.percent_of_processes)) {
      if (processes < shape.most_processes && chance(60)) {
        steps.push_back(fork_of(alive[who], processes));
        alive.push_back(processes++);
      } else if (alive.size() > 1) {
        steps.push_back(exit_of(alive[who]));
        alive.erase(alive.begin() + static_cast<ptrdiff_t>(who));
      }
      continue;
    }
    const uint64_t pages = chance(shape.percent_hot) ? shape.pages / 5 + 1 : shape.pages;
    steps.push_back(
        {StepKind::kTouch, chance(shape.percent_written), alive[who], 0, random() % pages});
  }
  return steps;
}

Shape small_shape(uint32_t seed) {
  return {8 + seed % 70,          2 + seed % 9,
          1 + seed / 3 % 5,       static_cast<int>(seed * 7 % 101),
          seed % 3 == 0 ? 0 : 10, seed % 2 == 0 ? 0 : 60};
}

TEST(Optimum, IsThatOfTheDefinition) {
  for (uint32_t seed = 0; seed < 6000; ++seed) {
    const std::vector<WorkloadStep> steps = drawn_steps(small_shape(seed), seed);
    ASSERT_EQ(broken_promise(steps), "");
    const ObjectUses uses(steps);
    uint64_t before = UINT64_MAX;
    for (uint64_t frames = 1; frames <= 14; ++frames) {
      const uint64_t reads = optimum_of(steps, frames).reads;
      ASSERT_EQ(reads, naive_optimum(uses.uses(), frames))
          << "seed " << seed << ", " << frames << " frames: " << text_of(steps);
      ASSERT_LE(reads, before) << "more memory, more reads";
      before = reads;
    }
  }
}

// Here points are renumbered again and again.
TEST(Optimum, IsThatOfTheDefinitionOverALongTime) {
  for (uint32_t seed = 0; seed < 30; ++seed) {
    const Shape shape = {6000, 20 + seed * 7, 1 + seed % 6, 50, seed % 2 == 0 ? 0 : 1, 50};
    const std::vector<WorkloadStep> steps = drawn_steps(shape, seed);
    const ObjectUses uses(steps);
    ASSERT_GT(uses.uses().size(), 3000u);
    for (const uint64_t frames : {1, 2, 3, 7, 16, 40, 100}) {
      ASSERT_EQ(optimum_of(steps, frames).reads, naive_optimum(uses.uses(), frames))
          << "seed " << seed << ", " << frames << " frames";
    }
  }
}

TEST(Optimum, NoWayToChooseIsBetter) {
  for (uint32_t seed = 0; seed < 600; ++seed) {
    const std::vector<WorkloadStep> steps = drawn_steps({24, 5, 3, 60, 8, 0}, seed);
    const ObjectUses uses(steps);
    for (uint64_t frames = 1; frames <= 5; ++frames)
      ASSERT_EQ(optimum_of(steps, frames).reads, tried_optimum(uses.uses(), frames))
          << "seed " << seed << ", " << frames << " frames: " << text_of(steps);
  }
}

TEST(Optimum, IsNotBeatenByPoliciesThatDoNotKnowTheFuture) {
  for (const std::string_view name : workload_names()) {
    auto source = make_workload(name, {.pages = 200, .accesses = 4000, .frames = 60}).value();
    const std::vector<WorkloadStep> steps = steps_of(*source);
    const ObjectUses uses(steps);
    const uint64_t reads = optimum_of(steps, 60).reads;
    const auto oldest = [](const std::map<int, size_t>& resident) {
      return std::min_element(
                 resident.begin(), resident.end(),
                 [](const auto& one, const auto& other) { return one.second < other.second; })
          ->first;
    };
    const auto newest = [](const std::map<int, size_t>& resident) {
      return std::max_element(
                 resident.begin(), resident.end(),
                 [](const auto& one, const auto& other) { return one.second < other.second; })
          ->first;
    };
    EXPECT_GT(reads, 0u) << name;
    EXPECT_LE(reads, reads_under(uses.uses(), 60, oldest)) << name;
    EXPECT_LE(reads, reads_under(uses.uses(), 60, newest)) << name;
  }
}

TEST(Optimum, NothingIsKeptAcrossAWall) {
  Retention retention(1);
  retention.begin(0);
  retention.begin(1);
  retention.begin(2);
  EXPECT_TRUE(retention.reuse(0));   // across the uses of 1 and 2, where there is no room any more
  EXPECT_FALSE(retention.reuse(1));  // would be kept across that of 2
  EXPECT_TRUE(retention.reuse(2));   // its use is that point: it is kept from there on only
  EXPECT_TRUE(retention.reuse(2));   // at once again
  EXPECT_TRUE(retention.reuse(1));   // only 2 was used since, after its stay
  EXPECT_FALSE(retention.reuse(0));
}

TEST(Optimum, OneFrameKeepsWhatIsUsedAtOnce) {
  const OptimumCounters counters =
      optimum_of({write_of(1), read_of(1), write_of(2), read_of(1), read_of(1)}, 1);
  EXPECT_EQ(counters.reads, 1u);
  EXPECT_EQ(counters.kept, 2u);
  EXPECT_EQ(counters.first_writes, 2u);
}

TEST(Optimum, WhatNobodyHasWrittenNeedsNoMemory) {
  const OptimumCounters counters =
      optimum_of({write_of(1), read_of(2), read_of(3), read_of(1), read_of(2)}, 1);
  EXPECT_EQ(counters.zero_reads, 3u);
  EXPECT_EQ(counters.reads, 0u);
}

TEST(Optimum, AForkSharesUntilAWrite) {
  // The child's read is one of the parent's page; its write leaves that to the parent.
  std::vector<WorkloadStep> steps = {write_of(1), fork_of(0, 1), read_of(1, 1)};
  EXPECT_EQ(optimum_of(steps, 1).kept, 1u);
  steps.push_back(write_of(1, 1));
  EXPECT_EQ(optimum_of(steps, 1).copies, 1u);
  steps.push_back(read_of(1));
  EXPECT_EQ(optimum_of(steps, 1).reads, 1u);
  EXPECT_EQ(optimum_of(steps, 2).reads, 0u);
}

TEST(Optimum, TheLastOneWritesWithoutACopy) {
  const OptimumCounters counters =
      optimum_of({write_of(1), fork_of(0, 1), exit_of(0), write_of(1, 1)}, 1);
  EXPECT_EQ(counters.copies, 0u);
  EXPECT_EQ(counters.kept, 1u);
}

TEST(Optimum, RefusesWhatIsNoWorkload) {
  Optimum optimum(4, 2);
  ASSERT_TRUE(optimum.step(write_of(1)).ok());
  ASSERT_TRUE(optimum.step(fork_of(0, 1)).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(optimum.step(fork_of(0, 1))));
  EXPECT_TRUE(absl::IsInvalidArgument(optimum.step(fork_of(0, 0))));
  EXPECT_TRUE(absl::IsInvalidArgument(optimum.step(fork_of(0, kMostWorkloadProcesses))));
  EXPECT_TRUE(absl::IsInvalidArgument(optimum.step(read_of(1, kMostWorkloadProcesses))));
  EXPECT_TRUE(absl::IsInvalidArgument(optimum.step(read_of(kMostWorkloadPages))));
  EXPECT_TRUE(absl::IsResourceExhausted(optimum.step(write_of(2))));
  EXPECT_TRUE(absl::IsResourceExhausted(optimum.step(fork_of(0, 2))));
  ASSERT_TRUE(optimum.step(exit_of(0)).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(optimum.step(read_of(1))));
  EXPECT_EQ(optimum.pages(), 1u);
  EXPECT_TRUE(optimum.step(write_of(2, 1)).ok());
  EXPECT_EQ(optimum.counters().steps, 4u);
}

TEST(Optimum, RemembersNoMoreThanThePagesNeed) {
  constexpr uint64_t kPages = 20'000;
  auto source = make_workload("random", {.pages = kPages, .accesses = 40 * kPages}).value();
  for (const uint64_t frames : {uint64_t{1}, kPages / 2, 2 * kPages}) {
    Optimum optimum(frames);
    uint64_t most = 0;
    source->rewind();
    for (WorkloadStep step; source->next(step);) {
      ASSERT_TRUE(optimum.step(step).ok());
      most = std::max(most, optimum.points());
    }
    EXPECT_LE(optimum.pages(), kPages);
    EXPECT_LE(most, 2 * kPages + 1100);
    EXPECT_EQ(optimum.counters().reads == 0, frames > kPages);
  }
}

}  // namespace
}  // namespace swaptrail::engine
