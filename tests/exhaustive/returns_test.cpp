// Free runs of the engine, the way back: what trace/ reports each page's return is what really
// happened, and the lockstep agrees with it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "tests/exhaustive/stride.h"
#include "tests/scene/engine_drawn.h"
#include "tests/scene/engine_story.h"

namespace swaptrail::engine {
namespace {

using ::testing::IsEmpty;

constexpr uint64_t kReturnSeeds = 60 / kStride;

// A machine's stream through trace/ and the lockstep.
class InStepRun : public EventOutput {
 public:
  explicit InStepRun(const SimulationOptions& options)
      : lockstep_(lockstep_options(options), kept_),
        reconstructor_(lifecycles::ReconstructorOptions(), kept_) {
    for (const SimulatedArea& one : options.areas) lockstep_.on_area(one.area, 1000);
  }

  void on_event(const swaptrail_event& event, uint64_t sequence) override {
    ++kinds[event.kind];
    retries += event.kind == SWAPTRAIL_SWAP_IN && (event.result & 0x400);
    reconstructor_.on_event(event, sequence);
    lockstep_.on_event(event, sequence);
    hand_on();
  }
  void finish(uint64_t now_ns) {
    reconstructor_.finish(now_ns);
    hand_on();
    lockstep_.finish(now_ns);
  }
  const std::vector<Finding>& findings() const { return kept_.findings; }
  const LockstepCounters& counters() const { return lockstep_.counters(); }

  std::vector<Return> returns;
  std::array<uint64_t, SWAPTRAIL_KIND_END> kinds{};
  uint64_t retries = 0;

 private:
  static LockstepOptions lockstep_options(const SimulationOptions& options) {
    LockstepOptions lockstep;
    lockstep.features = options.features;
    lockstep.cpus = options.cpus;
    return lockstep;
  }
  void hand_on() {
    for (const auto& one : kept_.told) {
      if (const auto* back = std::get_if<Return>(&one)) returns.push_back(*back);
    }
    engine::hand_on(kept_, lockstep_, {});
  }

  KeptFindings kept_;
  Lockstep lockstep_;
  lifecycles::Reconstructor reconstructor_;
};

std::string line(uint64_t entry, ReturnHow how, uint32_t reader, uint32_t passes, bool major) {
  std::ostringstream text;
  text << "slot " << entry_type(entry) << ":" << entry_offset(entry) << " " << return_name(how)
       << " reader " << reader << " passes " << passes << (major ? " major" : "");
  return text.str();
}

// Lines that only one of them has; empty: they are equal.
std::vector<std::string> differences(const SimulationResult& result,
                                     const std::vector<Return>& returns) {
  std::vector<std::string> truth, told, only;
  for (const TrueReturn& one : result.returns) {
    truth.push_back(line(one.entry, one.how, one.reader, one.passes, one.major));
  }
  for (const Return& one : returns) {
    for (uint32_t page = 0; page < one.nr_pages; ++page) {
      told.push_back(line(one.entry + page, one.how, one.tgid, one.passes, one.major));
    }
  }
  std::sort(truth.begin(), truth.end());
  std::sort(told.begin(), told.end());
  std::set_difference(truth.begin(), truth.end(), told.begin(), told.end(),
                      std::back_inserter(only));
  for (std::string& one : only) one.insert(0, "machine: ");
  const size_t count = only.size();
  std::set_difference(told.begin(), told.end(), truth.begin(), truth.end(),
                      std::back_inserter(only));
  for (size_t i = count; i < only.size(); ++i) only[i].insert(0, "trace:   ");
  return only;
}

class Returns : public ::testing::TestWithParam<std::string_view> {};
INSTANTIATE_TEST_SUITE_P(Sets, Returns,
                         ::testing::ValuesIn(feature_set_names().begin(),
                                             feature_set_names().end()),
                         set_label);

TEST_P(Returns, AreTheTrueOnesAndTheModelAgrees) {
  uint64_t retries = 0, shared = 0, swapoffs = 0;
  for (uint64_t seed = 1; seed <= kReturnSeeds; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    const SimulationOptions options = drawn(GetParam(), seed);
    InStepRun run(options);
    const auto result = simulate(options, run);
    if (!result.ok()) continue;  // memory and swap are full
    run.finish(result->end_ns + 1000);
    for (const Finding& one : run.findings()) {
      ADD_FAILURE() << rule_text(one.rule).name << " slot " << entry_type(one.entry) << ":"
                    << entry_offset(one.entry) << " at " << one.time_ns << ": " << one.text;
    }
    ASSERT_THAT(run.findings(), IsEmpty());
    ASSERT_THAT(differences(*result, run.returns), IsEmpty());
    EXPECT_EQ(run.counters().returns_agreed, run.counters().returns);
    retries += run.retries;
    shared += run.kinds[SWAPTRAIL_SHMEM_SWAP_IN];
    swapoffs += std::count_if(run.returns.begin(), run.returns.end(),
                              [](const Return& back) { return back.how == ReturnHow::kSwapoff; });
  }
  if (kStride != 1) return;
  // Without these the test could pass by doing nothing.
  EXPECT_GT(retries, 0u);
  EXPECT_GT(shared, 0u);
  EXPECT_GT(swapoffs, 0u);
}

}  // namespace
}  // namespace swaptrail::engine
