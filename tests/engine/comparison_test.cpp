// All generations side by side: what holds for every one of them, and what is known to differ.
#include "engine/generations/comparison.h"

#include <gtest/gtest.h>

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
