// All generations side by side: what holds for every one of them, and what is known to differ.
#include "engine/generations/comparison.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "engine/workloads/synthetic.h"

namespace swaptrail::engine {
namespace {

constexpr uint64_t kComparedFrames = 256;

std::vector<std::string> all() {
  const auto names = generation_names();
  return {names.begin(), names.end()};
}

GenerationOptions small_machine() {
  GenerationOptions options;
  options.frames = kComparedFrames;
  GenerationArea area;
  area.area.pages = 8 * kComparedFrames;
  options.areas.push_back(area);
  return options;
}

std::unique_ptr<WorkloadSource> workload(std::string_view name) {
  WorkloadParameters parameters;
  parameters.pages = 2 * kComparedFrames;
  parameters.accesses = 20'000;
  parameters.frames = kComparedFrames;
  return *make_workload(name, parameters);
}

Comparison compared(std::string_view name) {
  auto comparison = Comparison::make(all(), small_machine());
  EXPECT_TRUE(comparison.ok()) << comparison.status();
  const auto source = workload(name);
  EXPECT_TRUE(comparison->run(*source, [](uint64_t) { return true; }).ok());
  return *std::move(comparison);
}

class EveryWorkload : public ::testing::TestWithParam<std::string_view> {};

TEST_P(EveryWorkload, ComesBackAsItWentAndIsReadNoLessOftenThanTheOptimumMust) {
  const Comparison comparison = compared(GetParam());
  const uint64_t best = comparison.optimum().counters().reads;
  EXPECT_GT(best, 0u);
  for (const Comparison::Column& column : comparison.columns()) {
    const GenerationCounters& counters = column.generation->counters();
    EXPECT_EQ(counters.steps, comparison.steps()) << column.name;
    EXPECT_GT(counters.contents_checked, 0u) << column.name;
    EXPECT_EQ(counters.contents_wrong, 0u) << column.name;
    EXPECT_EQ(counters.killed, 0u) << column.name;
    EXPECT_GE(counters.swapped_in, best) << column.name;
    EXPECT_LE(column.generation->resident(), kComparedFrames) << column.name;
  }
}

TEST_P(EveryWorkload, IsTheSameEachTime) {
  const Comparison once = compared(GetParam()), again = compared(GetParam());
  for (size_t at = 0; at < once.columns().size(); ++at) {
    const GenerationCounters& first = once.columns()[at].generation->counters();
    const GenerationCounters& second = again.columns()[at].generation->counters();
    EXPECT_EQ(first.swapped_in, second.swapped_in) << once.columns()[at].name;
    EXPECT_EQ(first.scanned, second.scanned) << once.columns()[at].name;
    EXPECT_EQ(first.seek_slots, second.seek_slots) << once.columns()[at].name;
  }
}

// run() fetches memory ahead, and does nothing else than step() would.
TEST_P(EveryWorkload, DoesTheSameInBlocksAsStepByStep) {
  std::vector<WorkloadStep> steps;
  const auto source = workload(GetParam());
  for (WorkloadStep step; source->next(step);) steps.push_back(step);
  for (const std::string& name : all()) {
    const auto whole = *make_generation(name, small_machine());
    const auto single = *make_generation(name, small_machine());
    size_t at = 0;
    for (size_t size = 1; at < steps.size(); size = size % 97 + 1) {
      const size_t count = std::min(size, steps.size() - at);
      ASSERT_TRUE(whole->run(std::span(steps).subspan(at, count)).ok());
      at += count;
    }
    for (const WorkloadStep& step : steps) ASSERT_TRUE(single->step(step).ok());
    const GenerationCounters &one = whole->counters(), &other = single->counters();
    EXPECT_EQ(std::memcmp(&one, &other, sizeof one), 0) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(All, EveryWorkload,
                         ::testing::ValuesIn(workload_names().begin(), workload_names().end()),
                         [](const auto& tested) { return std::string(tested.param); });

// What is needed soonest is what was used longest ago: lists in order of use throw away just that.
TEST(Comparison, ALoopThatIsJustOverTheMemoryIsTheWorstForEveryGeneration) {
  const Comparison comparison = compared("loop");
  const uint64_t best = comparison.optimum().counters().reads;
  for (const Comparison::Column& column : comparison.columns())
    EXPECT_GT(column.generation->counters().swapped_in, 4 * best) << column.name;
}

TEST(Comparison, CurvesEndWithTheTotalsAndAreBounded) {
  const Comparison comparison = compared("random");
  for (const Comparison::Column& column : comparison.columns()) {
    ASSERT_FALSE(column.samples.empty());
    EXPECT_LE(column.samples.size(), kMostSamples);
    EXPECT_EQ(column.samples.back().steps, comparison.steps());
    EXPECT_EQ(column.samples.back().swapped_in, column.generation->counters().swapped_in);
  }
}

TEST(Comparison, AStepThatNoWorkloadHasEndsTheBlockThere) {
  const WorkloadStep good{StepKind::kTouch, true, 0, 0, 1};
  const WorkloadStep far{StepKind::kTouch, true, 0, 0, kMostWorkloadPages};
  const WorkloadStep nobody{StepKind::kTouch, true, ~uint32_t{0}, 0, 1};
  for (const std::string& name : all()) {
    for (const WorkloadStep& bad : {far, nobody}) {
      const auto generation = *make_generation(name, small_machine());
      const std::vector<WorkloadStep> steps = {good, good, bad, good, bad};
      EXPECT_FALSE(generation->run(steps).ok()) << name;
      EXPECT_LE(generation->counters().steps, 3u) << name;
    }
    EXPECT_TRUE((*make_generation(name, small_machine()))->run({}).ok()) << name;
  }
}

// The same for all nine, whatever else their own tests look at.
TEST(Comparison, NoAreaAFullOneOrFailedWritesLoseNothingInAnyGeneration) {
  struct Trouble {
    const char* what;
    uint64_t slots;
    double error_rate;
  };
  constexpr Trouble kTroubles[] = {
      {"no area", 0, 0}, {"a full one", 60, 0}, {"some fail", 2048, 0.3}, {"all fail", 2048, 1}};
  for (const Trouble& trouble : kTroubles) {
    for (const std::string& name : all()) {
      GenerationOptions options = small_machine();
      options.areas.front().area.pages = trouble.slots;
      options.areas.front().error_rate = trouble.error_rate;
      if (trouble.slots == 0) options.areas.clear();
      const auto generation = *make_generation(name, options);
      const auto source = workload("random");
      for (WorkloadStep step; source->next(step);)
        ASSERT_TRUE(generation->step(step).ok()) << name << ", " << trouble.what;
      const GenerationCounters& counters = generation->counters();
      EXPECT_EQ(counters.contents_wrong, 0u) << name << ", " << trouble.what;
      EXPECT_LE(generation->resident(), kComparedFrames) << name << ", " << trouble.what;
      const bool has_room = trouble.slots == 2048 && trouble.error_rate < 1;
      EXPECT_EQ(counters.killed, has_room ? 0u : 1u) << name << ", " << trouble.what;
      EXPECT_EQ(counters.write_errors > 0, trouble.error_rate > 0) << name << ", " << trouble.what;
    }
  }
}

TEST(Comparison, StopsWhenItIsAskedTo) {
  auto comparison = Comparison::make({"2.0"}, small_machine());
  const auto source = workload("scan");
  ASSERT_TRUE(comparison->run(*source, [](uint64_t) { return false; }).ok());
  EXPECT_LT(comparison->steps(), 20'000u);
}

TEST(Comparison, NamesTheGenerationsThatThereAre) {
  const absl::Status status = Comparison::make({"2.0", "3.14"}, small_machine()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(std::string(status.message()).find("2.0, 2.4, 2.6, 4.4"), std::string::npos) << status;
}

}  // namespace
}  // namespace swaptrail::engine
