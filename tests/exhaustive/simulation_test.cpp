// Free runs of the engine: what trace/ rebuilds from their events must be what really happened.
#include "engine/machine/simulation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/exhaustive/stride.h"
#include "tests/scene/engine_drawn.h"
#include "tests/scene/engine_replay.h"

namespace swaptrail::engine {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint64_t kSeeds = 200 / kStride;

SimulationOptions one_process(Pattern pattern, Device device, uint64_t seed = 1) {
  SimulationOptions options;
  options.features = features_of_set("6.12");
  options.workload = single_process(pattern, 512, 3000, 50, seed);
  options.areas.push_back(simulated_area(0, 4096, device));
  options.seed = seed;
  options.cpus = 1;
  options.limit_pages = 128;
  return options;
}

class FeatureSet : public ::testing::TestWithParam<std::string_view> {};
INSTANTIATE_TEST_SUITE_P(Sets, FeatureSet,
                         ::testing::ValuesIn(feature_set_names().begin(),
                                             feature_set_names().end()),
                         set_label);

// What the runs of all seeds did, together.
struct Seen {
  std::array<uint64_t, SWAPTRAIL_KIND_END> kinds{};
  std::set<Outcome> outcomes;
  std::set<AbortReason> reasons;
  uint64_t large = 0, second_passes = 0, shmem = 0, shared = 0, out_of_memory = 0;

  void add(const Replay& replay) {
    for (size_t kind = 0; kind < kinds.size(); ++kind) kinds[kind] += replay.kinds[kind];
    for (const Lifecycle& life : replay.kept.lifecycles) {
      outcomes.insert(life.outcome);
      reasons.insert(life.abort_reason);
      large += life.nr_pages > 1;
      second_passes += life.passes > 1;
      shmem += life.shmem;
      shared += life.mapping_count > 1;
    }
  }
};

void expect_equal(const SimulationResult& result, const Replay& replay) {
  ASSERT_FALSE(result.truncated);
  ASSERT_TRUE(replay.in_order);
  ASSERT_TRUE(replay.valid);
  ASSERT_THAT(differences(result, replay.kept), IsEmpty());
  ASSERT_THAT(replay.kept.violations, IsEmpty());
  ASSERT_EQ(replay.counters().unexplained_gaps, 0u);
  ASSERT_EQ(replay.counters().superseded_slots, 0u);
  ASSERT_EQ(result.contents_wrong, 0u);
}

// Without this the test could pass by doing nothing.
void expect_all_there_is(const Seen& seen, const Features& features) {
  for (int kind = SWAPTRAIL_RECLAIM_BEGIN; kind < SWAPTRAIL_SPLIT; ++kind) {
    EXPECT_GT(seen.kinds[kind], 0u) << kind_name(static_cast<uint8_t>(kind));
  }
  for (Outcome outcome : {Outcome::kFreedDevice, Outcome::kFreedZswap, Outcome::kFreedClean,
                          Outcome::kAborted, Outcome::kInFlight}) {
    EXPECT_TRUE(seen.outcomes.contains(outcome)) << outcome_name(outcome);
  }
  EXPECT_EQ(seen.outcomes.contains(Outcome::kFreedZero), features.zero_map);
  EXPECT_FALSE(seen.outcomes.contains(Outcome::kUnknown));
  for (AbortReason reason :
       {AbortReason::kNoSlot, AbortReason::kStillMapped, AbortReason::kReferenced,
        AbortReason::kWriteError, AbortReason::kExtraReference, AbortReason::kSlotGone}) {
    EXPECT_TRUE(seen.reasons.contains(reason)) << abort_reason_name(reason);
  }
  EXPECT_EQ(seen.large != 0, features.whole_huge_pages);
  EXPECT_GT(seen.second_passes, 0u);
  EXPECT_GT(seen.shmem, 0u);
  EXPECT_GT(seen.shared, 0u);
  EXPECT_LT(seen.out_of_memory, kSeeds / 10);  // some mixtures need more than there is
}

TEST_P(FeatureSet, TraceRebuildsWhatReallyHappened) {
  Seen seen;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Replay replay;
    const auto result = simulate(drawn(GetParam(), seed), replay);
    if (result.status().code() == absl::StatusCode::kResourceExhausted) {
      ++seen.out_of_memory;
      continue;
    }
    ASSERT_TRUE(result.ok()) << result.status();
    replay.finish(result->end_ns + 1000);
    ASSERT_NO_FATAL_FAILURE(expect_equal(*result, replay));
    seen.add(replay);
  }
  if (kStride == 1) expect_all_there_is(seen, features_of_set(GetParam()));
}

TEST_P(FeatureSet, IsDeterministic) {
  Replay first(true), second(true);
  const SimulationOptions options = drawn(GetParam(), 11);
  const auto one = simulate(options, first);
  const auto other = simulate(options, second);
  ASSERT_TRUE(one.ok() && other.ok());
  ASSERT_EQ(first.events.size(), second.events.size());
  const size_t bytes = first.events.size() * sizeof(swaptrail_event);
  EXPECT_EQ(std::memcmp(first.events.data(), second.events.data(), bytes), 0);
  EXPECT_EQ(one->steps, other->steps);
}

// The comparison must be able to fail: a removal or a write that trace/ does not see.
TEST(EngineSimulation, TheComparisonNoticesALostEvent) {
  Replay replay(true);
  const auto result = simulate(one_process(Pattern::kUniform, Device::kAsynchronous), replay);
  ASSERT_TRUE(result.ok());
  for (int kind : {SWAPTRAIL_REMOVED, SWAPTRAIL_WRITE_END, SWAPTRAIL_UNMAPPED_ONE}) {
    Replay without;
    bool lost = false;
    for (const swaptrail_event& event : replay.events) {
      if (!lost && event.kind == kind) {
        lost = true;
        continue;
      }
      without.on_event(event, 0);
    }
    without.finish(result->end_ns + 1000);
    EXPECT_FALSE(differences(*result, without.kept).empty()) << kind;
  }
}

TEST(EngineSimulation, ASynchronousDeviceFreesInTheSamePass) {
  Replay replay;
  const auto result = simulate(one_process(Pattern::kUniform, Device::kSynchronous), replay);
  ASSERT_TRUE(result.ok());
  ASSERT_GT(result->swap_outs.size(), 100u);
  for (const TrueSwapOut& one : result->swap_outs) {
    EXPECT_EQ(one.outcome, Outcome::kFreedDevice);
    EXPECT_EQ(one.passes, 1u);
    EXPECT_LT(one.stage_ns[6], one.stage_ns[5]);  // completed before the write returned
  }
}

TEST(EngineSimulation, AnAsynchronousDeviceFreesInALaterOne) {
  Replay replay;
  const auto result = simulate(one_process(Pattern::kSequential, Device::kAsynchronous), replay);
  ASSERT_TRUE(result.ok());
  uint64_t later = 0, at_once = 0;
  for (const TrueSwapOut& one : result->swap_outs) {
    if (one.outcome != Outcome::kFreedDevice) continue;
    ++(one.passes > 1 ? later : at_once);
    EXPECT_GT(one.stage_ns[7], one.stage_ns[6]);  // removed after the write had ended
  }
  EXPECT_GT(later, at_once);
  EXPECT_GT(at_once, 0u);  // some writes end before they return
}

TEST(EngineSimulation, BatchesOfTwoCpusInterleave) {
  SimulationOptions options = one_process(Pattern::kUniform, Device::kAsynchronous);
  options.cpus = 2;
  options.workload.processes.push_back(options.workload.processes[0]);
  Replay replay(true);
  ASSERT_TRUE(simulate(options, replay).ok());
  uint64_t switches = 0;
  std::set<uint32_t> reclaiming;
  uint64_t both = 0, previous = 0;
  for (const swaptrail_event& event : replay.events) {
    if (event.kind == SWAPTRAIL_RECLAIM_BEGIN) reclaiming.insert(event.tid);
    if (event.kind == SWAPTRAIL_RECLAIM_END) reclaiming.erase(event.tid);
    both += reclaiming.size() == 2;
    if (event.batch_ns == 0) continue;
    switches += reclaiming.size() == 2 && event.batch_ns != previous;
    previous = event.batch_ns;
  }
  EXPECT_GT(both, 100u);
  EXPECT_GT(switches, 100u);
}

TEST(EngineSimulation, TotalsAreThoseOfTheEvents) {
  for (Device device : {Device::kSynchronous, Device::kAsynchronous}) {
    Replay replay(true);
    const auto result = simulate(one_process(Pattern::kHotCold, device), replay);
    ASSERT_TRUE(result.ok());
    uint64_t written = 0, read = 0, removed = 0, reclaimed = 0;
    for (const swaptrail_event& event : replay.events) {
      const bool taken = event.kind == SWAPTRAIL_WRITE_END && event.u.page.backend >= 2;
      written += taken ? event.nr_pages : 0;
      read += event.kind == SWAPTRAIL_SWAP_READ ? event.nr_pages : 0;
      removed += event.kind == SWAPTRAIL_REMOVED && event.result == 1 ? event.nr_pages : 0;
      reclaimed += event.kind == SWAPTRAIL_RECLAIM_END ? event.result : 0;
    }
    EXPECT_EQ(written, result->swapped_out_pages);
    EXPECT_EQ(read, result->swapped_in_pages);
    EXPECT_EQ(removed, reclaimed);
    EXPECT_EQ(result->accesses, 512u + 3000u);
    EXPECT_EQ(result->fault_passes, replay.kinds[SWAPTRAIL_SWAP_IN]);
    EXPECT_GE(result->fault_passes, result->swap_faults);
    EXPECT_GE(result->contents_checked, result->swap_faults);
    EXPECT_GT(result->steps, result->events + result->accesses);
  }
}

// More than the limit in a circle: whoever evicts in order of use misses every time.
TEST(EngineSimulation, SequentialMissesAlways) {
  SimulationOptions options = one_process(Pattern::kSequential, Device::kSynchronous);
  options.features = features_of_set("5.10");
  Replay replay;
  const auto result = simulate(options, replay);
  ASSERT_TRUE(result.ok());
  EXPECT_GT(result->swapped_in_pages, 2500u);
}

TEST(EngineSimulation, UniformMissesByTheShareThatIsOut) {
  for (std::string_view set : feature_set_names()) {
    SimulationOptions options = one_process(Pattern::kUniform, Device::kSynchronous);
    options.features = features_of_set(set);
    Replay replay;
    const auto result = simulate(options, replay);
    ASSERT_TRUE(result.ok());
    EXPECT_NEAR(static_cast<double>(result->swapped_in_pages), 3000 * 0.78, 3000 * 0.08) << set;
  }
}

TEST(EngineSimulation, StopsAtTheMostEvents) {
  for (uint64_t most : {1, 100, 1003}) {
    SimulationOptions options = one_process(Pattern::kUniform, Device::kAsynchronous);
    options.max_events = most;
    Replay replay(true);
    const auto result = simulate(options, replay);
    ASSERT_TRUE(result.ok());
    replay.finish(result->end_ns + 1000);
    EXPECT_TRUE(result->truncated);
    EXPECT_EQ(replay.events.size(), most);
    EXPECT_THAT(differences(*result, replay.kept), IsEmpty());
  }
}

TEST(EngineSimulation, RunsOutOfMemory) {
  SimulationOptions options = one_process(Pattern::kUniform, Device::kAsynchronous);
  options.areas[0].area.pages = 100;
  Replay replay;
  const auto result = simulate(options, replay);
  ASSERT_EQ(result.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("128"));
}

TEST(EngineSimulation, RefusesWhatMakesNoMachine) {
  struct Case {
    void (*break_it)(SimulationOptions&);
    const char* word;
  };
  const Case cases[] = {
      {[](SimulationOptions& o) { o.cpus = 0; }, "CPUs"},
      {[](SimulationOptions& o) { o.cpus = kMaxCpus + 1; }, "CPUs"},
      {[](SimulationOptions& o) { o.limit_pages = 8; }, "memory"},
      {[](SimulationOptions& o) { o.areas.clear(); }, "no swap area"},
      {[](SimulationOptions& o) { o.areas[0].area.type = kMostAreaTypes; }, "area"},
      {[](SimulationOptions& o) { o.areas[0].area.pages = 1; }, ""},
      {[](SimulationOptions& o) { o.areas.push_back(o.areas[0]); }, ""},
      {[](SimulationOptions& o) { o.page_cluster = 6; }, "readahead"},
      {[](SimulationOptions& o) { o.disturbance = 1.5; }, "share"},
      {[](SimulationOptions& o) { o.areas[0].error_rate = -1; }, "share"},
      {[](SimulationOptions& o) { o.workload.processes.clear(); }, "processes"},
      {[](SimulationOptions& o) { o.workload.processes[0].anon_pages = 0; }, "pages"},
      {[](SimulationOptions& o) { o.workload.processes[0].folio_order = 10; }, "order"},
      {[](SimulationOptions& o) { o.workload.processes[0].write_percent = 101; }, "writes"},
      {[](SimulationOptions& o) { o.workload.actions.push_back({.process = 1}); }, "process"},
      {[](SimulationOptions& o) {
         o.workload.actions.push_back({.kind = ActionKind::kSwapoff, .area = 1});
       },
       "swapoff"},
  };
  for (const Case& one : cases) {
    SimulationOptions options = one_process(Pattern::kUniform, Device::kSynchronous);
    one.break_it(options);
    Replay replay;
    const auto result = simulate(options, replay);
    EXPECT_FALSE(result.ok()) << one.word;
    EXPECT_THAT(std::string(result.status().message()), HasSubstr(one.word));
  }
}

TEST(EngineSimulation, SwapoffBringsEverythingBack) {
  for (std::string_view set : feature_set_names()) {
    SimulationOptions options = one_process(Pattern::kUniform, Device::kAsynchronous);
    options.features = features_of_set(set);
    options.areas[0].area.priority = 5;
    options.areas.push_back(simulated_area(1, 4096, Device::kAsynchronous));
    options.workload.shmem_pages = 32;
    options.workload.processes[0].shared = true;
    Action action;
    action.kind = ActionKind::kSwapoff;
    action.at_access = 1000;
    options.workload.actions.push_back(action);
    Replay replay(true);
    const auto result = simulate(options, replay);
    ASSERT_TRUE(result.ok()) << set << result.status();
    EXPECT_EQ(result->contents_wrong, 0u);
    uint64_t from = 0, freed = 0, after = 0;
    for (const swaptrail_event& event : replay.events) {
      if (event.kind == SWAPTRAIL_SLOT_FREED && event.state & SWAPTRAIL_STATE_SWAPOFF) {
        from = event.time_ns;
        ++freed;
      }
    }
    for (const swaptrail_event& event : replay.events) {
      const bool uses = event.entry != 0 && entry_type(event.entry) == 0;
      after += uses && event.time_ns > from;
    }
    EXPECT_GT(freed, 100u) << set;
    EXPECT_EQ(after, 0u) << set;
  }
}

TEST(EngineWorkload, TheGeneratorIsTheOneThatIsDescribed) {
  uint64_t state = 0;
  EXPECT_EQ(splitmix64(state), 0xe220a8397b1dcdafu);  // the published first values of splitmix64
  EXPECT_EQ(splitmix64(state), 0x6e789e6aa1b965f4u);
  state = 0;
  EXPECT_EQ(below(state, 1000), (uint64_t{0xe220a839} * 1000) >> 32);
  state = 7;
  const Access access = next_access(Pattern::kUniform, 0, 100, 30, state);
  uint64_t again = 7;
  EXPECT_EQ(access.page, below(again, 100));
  EXPECT_EQ(access.write, below(again, 100) < 30);
  EXPECT_EQ(state, again);
}

TEST(EngineWorkload, PatternsHaveTheirShape) {
  constexpr uint64_t kPages = 1000, kAccesses = 20000;
  uint64_t state = 3, hot = 0, writes = 0;
  std::set<uint64_t> uniform;
  for (uint64_t i = 0; i < kAccesses; ++i) {
    EXPECT_EQ(next_access(Pattern::kSequential, i, kPages, 50, state).page, i % kPages);
    const Access access = next_access(Pattern::kHotCold, i, kPages, 50, state);
    ASSERT_LT(access.page, kPages);
    hot += access.page < kPages / 5;
    writes += access.write;
    uniform.insert(next_access(Pattern::kUniform, i, kPages, 50, state).page);
  }
  EXPECT_NEAR(static_cast<double>(hot), kAccesses * 0.8, kAccesses * 0.02);
  EXPECT_NEAR(static_cast<double>(writes), kAccesses * 0.5, kAccesses * 0.02);
  EXPECT_EQ(uniform.size(), kPages);
  EXPECT_EQ(next_access(Pattern::kHotCold, 0, 1, 50, state).page, 0u);
}

TEST(EngineWorkload, PatternsHaveNames) {
  for (Pattern pattern : {Pattern::kSequential, Pattern::kUniform, Pattern::kHotCold}) {
    EXPECT_EQ(*pattern_named(pattern_name(pattern)), pattern);
  }
  EXPECT_EQ(pattern_name(Pattern::kCount), "unknown");
  EXPECT_THAT(std::string(pattern_named("zipf").status().message()), HasSubstr("hotcold"));
}

TEST(EngineWorkload, EveryMixtureCanRun) {
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    const Workload workload = mixture(MixtureSize{512, 4000, 3}, seed);
    EXPECT_TRUE(check_workload(workload).ok()) << seed;
  }
}

}  // namespace
}  // namespace swaptrail::engine
