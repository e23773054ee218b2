// The six generations that are one machine: what holds of each under any workload, and how they differ.
#include "engine/generations/machine_generation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

namespace swaptrail::engine {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kOurs[] = {"4.4", "4.19", "6.12", "6.12-mglru", "7.3", "7.3-mglru"};

std::unique_ptr<Generation> made(std::string_view name, const GenerationOptions& options) {
  auto generation = make_generation(name, options);
  EXPECT_TRUE(generation.ok()) << generation.status();
  return *std::move(generation);
}

GenerationOptions options_of(uint64_t frames, std::vector<uint64_t> slots, uint64_t seed = 1) {
  GenerationOptions options;
  options.frames = frames;
  options.seed = seed;
  for (const uint64_t one : slots) {
    GenerationArea& area = options.areas.emplace_back();
    area.area.type = static_cast<uint32_t>(options.areas.size() - 1);
    area.area.pages = one + 1;
  }
  return options;
}

// Any workload that a source may give: processes that appear, touch pages here and there, fork and end.
std::vector<WorkloadStep> drawn_steps(uint64_t seed, uint64_t count) {
  uint64_t state = seed;
  std::vector<WorkloadStep> steps;
  std::vector<uint32_t> alive = {0};
  uint32_t born = 1;
  const uint64_t spread = below(state, 2) == 0 ? 1 : 700;  // pages between those that are used
  const uint64_t pages = 50 + below(state, spread == 1 ? 900 : 300);
  const uint64_t hot = 1 + below(state, pages);
  while (steps.size() < count && !alive.empty()) {
    const size_t who = below(state, alive.size());
    WorkloadStep step;
    step.process = alive[who];
    const uint64_t kind = below(state, 400);
    if (kind == 0 && born < kMostWorkloadProcesses) {
      step.kind = StepKind::kFork;
      step.child = born++;
      alive.push_back(step.child);
    } else if (kind == 1 && born < kMostWorkloadProcesses) {
      alive.push_back(born);
      step.process = born++;
    } else if (kind == 2 && alive.size() > 1) {
      step.kind = StepKind::kExit;
      alive.erase(alive.begin() + static_cast<ptrdiff_t>(who));
    }
    if (step.kind == StepKind::kTouch) {
      step.write = below(state, 2) == 0;
      step.page = below(state, below(state, 4) == 0 ? pages : hot) * spread;
    }
    steps.push_back(step);
  }
  return steps;
}

GenerationOptions drawn_options(uint64_t seed) {
  uint64_t state = seed * 77;
  std::vector<uint64_t> slots;
  for (uint64_t areas = below(state, 4); slots.size() < areas;)
    slots.push_back(below(state, 3) == 0 ? 1 + below(state, 60) : 1000 + below(state, 3000));
  GenerationOptions options = options_of(128 + below(state, 200), slots, seed);
  for (GenerationArea& area : options.areas) {
    if (below(state, 3) == 0) area.area.priority = static_cast<int32_t>(below(state, 3));
    if (below(state, 3) == 0) area.error_rate = 0.1;
    area.area.rotational = below(state, 4) == 0;
  }
  options.page_cluster = static_cast<uint32_t>(below(state, 6));
  return options;
}

std::vector<uint64_t> values(const GenerationCounters& c) {
  return {c.steps,         c.first_touches, c.minor_faults, c.major_faults,   c.copies,
          c.swapped_out,   c.swapped_in,    c.readahead,    c.readahead_hits, c.writes_saved,
          c.discarded,     c.scanned,       c.unmapped,     c.tlb_flushes,    c.write_runs,
          c.seek_slots,    c.no_slot,       c.write_errors, c.killed,         c.contents_checked,
          c.contents_wrong};
}

class MachineGenerations : public ::testing::TestWithParam<std::string_view> {};
std::string label(const ::testing::TestParamInfo<std::string_view>& generation) {
  std::string name = "linux_" + std::string(generation.param);
  std::ranges::replace_if(
      name, [](char c) { return c == '.' || c == '-'; }, '_');
  return name;
}
INSTANTIATE_TEST_SUITE_P(All, MachineGenerations, ::testing::ValuesIn(kOurs), label);

// Runs it, and holds after every step what must hold then.
void run(Generation& generation, const std::vector<WorkloadStep>& steps, uint64_t frames) {
  std::vector<uint64_t> before = values(generation.counters());
  uint64_t at = 0;
  for (const WorkloadStep& step : steps) {
    ASSERT_TRUE(generation.step(step).ok());
    ASSERT_LE(generation.resident(), frames);
    if (++at % 64 != 0) continue;
    const std::vector<uint64_t> now = values(generation.counters());
    for (size_t one = 0; one < now.size(); ++one) ASSERT_GE(now[one], before[one]) << one;
    before = now;
  }
  const GenerationCounters& counters = generation.counters();
  ASSERT_EQ(counters.contents_wrong, 0u);
  ASSERT_EQ(counters.steps, steps.size());
  ASSERT_GE(counters.contents_checked, counters.major_faults + counters.minor_faults);
  ASSERT_GE(counters.swapped_in, counters.major_faults);
  ASSERT_LE(counters.readahead_hits, counters.readahead);
  ASSERT_LE(counters.readahead, counters.swapped_in);
  ASSERT_LE(counters.tlb_flushes, counters.unmapped);
  ASSERT_LE(counters.write_runs, counters.swapped_out + counters.write_errors);
}

TEST_P(MachineGenerations, KeepEveryContentInNoMoreFramesThanTheyHave) {
  GenerationCounters all;
  for (uint64_t seed = 1; seed <= 25; ++seed) {
    SCOPED_TRACE(seed);
    const GenerationOptions options = drawn_options(seed);
    const auto generation = made(GetParam(), options);
    ASSERT_NO_FATAL_FAILURE(run(*generation, drawn_steps(seed, 6000), options.frames));
    const GenerationCounters& counters = generation->counters();
    all.contents_checked += counters.contents_checked, all.killed += counters.killed;
    all.write_errors += counters.write_errors, all.copies += counters.copies;
    all.minor_faults += counters.minor_faults, all.writes_saved += counters.writes_saved;
    all.readahead_hits += counters.readahead_hits, all.no_slot += counters.no_slot;
  }
  // Without these the test could pass by doing nothing.
  EXPECT_GT(all.contents_checked, 5000u);
  EXPECT_GT(all.killed, 5u);
  EXPECT_GT(all.write_errors, 100u);
  EXPECT_GT(all.copies, 500u);
  EXPECT_GT(all.minor_faults, 50u);
  EXPECT_GT(all.writes_saved, 500u);
  EXPECT_GT(all.readahead_hits, 20u);
  EXPECT_GT(all.no_slot, 100u);
}

TEST_P(MachineGenerations, DoTheSameWithTheSameSeed) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    const std::vector<WorkloadStep> steps = drawn_steps(seed, 5000);
    std::set<std::vector<uint64_t>> different;
    for (int time = 0; time < 2; ++time) {
      const auto generation = made(GetParam(), drawn_options(seed));
      for (const WorkloadStep& step : steps) ASSERT_TRUE(generation->step(step).ok());
      different.insert(values(generation->counters()));
    }
    EXPECT_EQ(different.size(), 1u) << seed;
  }
}

TEST_P(MachineGenerations, WithoutASwapAreaKillWhoNeedsMoreThanThereIs) {
  const auto generation = made(GetParam(), options_of(128, {}));
  for (uint64_t page = 0; page < 128; ++page)
    ASSERT_TRUE(generation->step({StepKind::kTouch, true, 0, 0, page}).ok());
  EXPECT_EQ(generation->counters().killed, 0u) << "as much as there is, it may have";
  ASSERT_TRUE(generation->step({StepKind::kTouch, true, 0, 0, 128}).ok());
  EXPECT_EQ(generation->counters().killed, 1u);
  EXPECT_GT(generation->counters().no_slot, 0u);
  EXPECT_EQ(generation->counters().swapped_out, 0u);
  EXPECT_EQ(generation->resident(), 0u);
  const uint64_t touched = generation->counters().first_touches;
  for (uint64_t page = 0; page < 300; ++page)
    ASSERT_TRUE(generation->step({StepKind::kTouch, true, 0, 0, page}).ok());
  EXPECT_EQ(generation->counters().first_touches, touched) << "the dead touch nothing";
  EXPECT_EQ(generation->counters().steps, 429u);
  ASSERT_TRUE(generation->step({StepKind::kFork, false, 0, 1, 0}).ok());
  ASSERT_TRUE(generation->step({StepKind::kTouch, true, 1, 0, 0}).ok());
  EXPECT_EQ(generation->resident(), 0u) << "nor have they children";
}

TEST_P(MachineGenerations, WhenTheAreaIsFullGoOnWithWhatTheyHave) {
  const auto generation = made(GetParam(), options_of(128, {300}));
  for (int round = 0; round < 3; ++round)
    for (uint64_t page = 0; page < 380; ++page)
      ASSERT_TRUE(generation->step({StepKind::kTouch, round != 1, 0, 0, page}).ok());
  EXPECT_EQ(generation->counters().killed, 0u);
  for (uint64_t page = 380; page < 600; ++page)
    ASSERT_TRUE(generation->step({StepKind::kTouch, true, 0, 0, page}).ok());
  EXPECT_EQ(generation->counters().killed, 1u);
  EXPECT_GT(generation->counters().no_slot, 0u);
  EXPECT_EQ(generation->counters().contents_wrong, 0u);
}

TEST_P(MachineGenerations, AWriteErrorLosesNothing) {
  GenerationOptions options = options_of(128, {4000});
  options.areas[0].error_rate = 0.5;
  const auto generation = made(GetParam(), options);
  for (int round = 0; round < 3; ++round)
    for (uint64_t page = 0; page < 500; ++page)
      ASSERT_TRUE(generation->step({StepKind::kTouch, round == 0, 0, 0, page}).ok());
  const GenerationCounters& counters = generation->counters();
  EXPECT_EQ(counters.killed, 0u);
  EXPECT_EQ(counters.contents_wrong, 0u);
  EXPECT_GT(counters.write_errors, 100u);
  const double share = static_cast<double>(counters.write_errors) /
                       static_cast<double>(counters.write_errors + counters.swapped_out);
  EXPECT_NEAR(share, 0.5, 0.1);
}

TEST_P(MachineGenerations, WithADeviceThatWritesNothingKillWhoNeedsMore) {
  GenerationOptions options = options_of(128, {4000});
  options.areas[0].error_rate = 1;
  const auto generation = made(GetParam(), options);
  for (uint64_t page = 0; page < 200; ++page)
    ASSERT_TRUE(generation->step({StepKind::kTouch, true, 0, 0, page}).ok());
  EXPECT_EQ(generation->counters().killed, 1u);
  EXPECT_EQ(generation->counters().swapped_out, 0u);
}

TEST_P(MachineGenerations, RefuseStepsThatNoSourceGives) {
  const auto generation = made(GetParam(), options_of(128, {100}));
  const WorkloadStep bad[] = {{StepKind::kTouch, true, kMostWorkloadProcesses, 0, 0},
                              {StepKind::kTouch, true, 0, 0, kMostWorkloadPages},
                              {StepKind::kFork, false, 0, kMostWorkloadProcesses, 0}};
  for (const WorkloadStep& step : bad)
    EXPECT_EQ(generation->step(step).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(generation->counters().steps, 0u);
  ASSERT_TRUE(generation->step({StepKind::kFork, false, 0, 1, 0}).ok());
  EXPECT_EQ(generation->step({StepKind::kFork, false, 0, 1, 0}).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_P(MachineGenerations, RefuseAreasThatCanNotBeTogether) {
  GenerationOptions options = options_of(128, {100, 100});
  options.areas[1].area.type = 0;
  EXPECT_EQ(make_generation(GetParam(), options).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_P(MachineGenerations, ReadAheadWhereOneReadsInOrder) {
  for (const uint32_t cluster : {0, 3}) {
    GenerationOptions options = options_of(256, {4000});
    options.page_cluster = cluster;
    const auto generation = made(GetParam(), options);
    for (int round = 0; round < 3; ++round)
      for (uint64_t page = 0; page < 1000; ++page)
        ASSERT_TRUE(generation->step({StepKind::kTouch, round == 0, 0, 0, page}).ok());
    const GenerationCounters& counters = generation->counters();
    EXPECT_EQ(counters.readahead != 0, cluster != 0);
    if (cluster == 0) continue;
    EXPECT_GT(counters.readahead_hits, counters.readahead / 2);
    EXPECT_LT(counters.major_faults, counters.swapped_in / 2);
  }
}

// ---- the names ---------------------------------------------------------------------------------

TEST(Generations, AreFoundByName) {
  for (const std::string_view name : kOurs) {
    EXPECT_TRUE(make_generation(name, options_of(128, {100})).ok()) << name;
    EXPECT_TRUE(std::ranges::count(generation_names(), name) == 1) << name;
  }
  const auto none = make_generation("3.0", options_of(128, {100}));
  EXPECT_THAT(std::string(none.status().message()), HasSubstr("6.12-mglru"));
}

// ---- how they differ ---------------------------------------------------------------------------

// A fifth of the pages is used four times out of five: who keeps it misses less.
uint64_t majors(std::string_view name) {
  const auto generation = made(name, options_of(512, {8000}));
  uint64_t state = 5;
  for (int i = 0; i < 60'000; ++i) {
    const uint64_t page = below(state, 5) != 0 ? below(state, 300) : 300 + below(state, 1700);
    EXPECT_TRUE(generation->step({StepKind::kTouch, below(state, 2) == 0, 0, 0, page}).ok());
  }
  EXPECT_EQ(generation->counters().contents_wrong, 0u);
  return generation->counters().major_faults;
}

TEST(Generations, KeepTheHotPagesBetterThanChance) {
  constexpr uint64_t kOfChance = 60'000 * 3 / 4;  // of 2000 pages 512 are in memory
  for (const std::string_view name : kOurs) {
    EXPECT_LT(majors(name), kOfChance / 2) << name;
    EXPECT_GT(majors(name), 60'000u / 5 / 2) << name << ": the cold ones must miss";
  }
}

TEST(Generations, AreSixDifferentOnes) {
  std::set<uint64_t> different;
  for (const std::string_view name : kOurs) different.insert(majors(name));
  EXPECT_EQ(different.size(), std::size(kOurs));
}

}  // namespace
}  // namespace swaptrail::engine
