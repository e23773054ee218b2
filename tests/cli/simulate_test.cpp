// swaptrail simulate: the same output for the same flags, contents that come back, and recordings that
// replay and validate as any other.
#include "cli/offline/simulate.h"

#include <gmock/gmock.h>

#include "daemon/probe/hook_catalogue.h"
#include "engine/steps/features.h"
#include "tests/scene/cli_scene.h"
#include "validate/in_step.h"

namespace swaptrail::offline {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string line_of(const std::string& text, const std::string& type) {
  const size_t at = text.find("{\"type\":\"" + type + "\"");
  return at == std::string::npos ? "" : text.substr(at, text.find('\n', at) - at);
}

// A small machine that swaps.
std::vector<std::string> small(std::vector<std::string> more = {}) {
  std::vector<std::string> flags{"simulate", "--mib=2", "--limit=1", "--accesses=2000",
                                 "--print=jsonl"};
  flags.insert(flags.end(), more.begin(), more.end());
  return flags;
}

class Simulate : public CliTest {};

TEST_F(Simulate, SwapsOutAndInAndEveryContentComesBack) {
  for (const char* device : {"ssd", "hdd", "zram", "zswap"}) {
    const Ran ran = run_cli(small({"--device=" + std::string(device)}));
    EXPECT_EQ(ran.code, 0) << device << ran.err;
    const std::string end = line_of(ran.out, "simulation");
    EXPECT_GT(number_in(end, "swapped_out_pages"), 256u) << device;
    EXPECT_GT(number_in(end, "swapped_in_pages"), 0u) << device;
    EXPECT_GT(number_in(end, "contents_checked"), 0u) << device;
    EXPECT_EQ(number_in(end, "contents_wrong"), 0u) << device;
    EXPECT_EQ(number_in(line_of(ran.out, "summary"), "violations"), 0u) << device;
    EXPECT_THAT(ran.out, HasSubstr("{\"type\":\"lifecycle\""));
  }
}

TEST_F(Simulate, SameFlagsSameBytesAnotherSeedAnotherStory) {
  const std::string once = run_cli(small({"--pattern=mixed"})).out;
  EXPECT_EQ(run_cli(small({"--pattern=mixed"})).out, once);
  EXPECT_NE(run_cli(small({"--pattern=mixed", "--seed=2"})).out, once);
}

TEST_F(Simulate, HoldsAgainstItsOwnModel) {
  for (const std::string_view kernel : engine::observable_set_names()) {
    for (const char* pattern : {"sequential", "uniform", "hotcold", "mixed"}) {
      const Ran ran = run_cli(small(
          {"--kernel=" + std::string(kernel), "--pattern=" + std::string(pattern), "--validate"}));
      EXPECT_EQ(ran.code, 0) << kernel << " " << pattern << line_of(ran.out, "finding");
      const std::string end = line_of(ran.out, "validation");
      EXPECT_GT(number_in(end, "agreed"), 0u);
      EXPECT_EQ(number_in(end, "agreed"), number_in(end, "lifecycles"));
    }
  }
}

TEST_F(Simulate, ItsRecordingReplaysToTheSameLinesAndValidates) {
  const std::string file = path("sim.swaptrail");
  const Ran told = run_cli(small({"--record=" + file, "--devices=2"}));
  ASSERT_EQ(told.code, 0) << told.err;
  EXPECT_EQ(files(), std::vector<std::string>{"sim.swaptrail"});
  EXPECT_EQ(run_cli({"verify", file}).code, 0);
  const Ran replayed = run_cli({"replay", file, "--print=jsonl"});
  EXPECT_EQ(replayed.code, 0);
  EXPECT_EQ(replayed.out, told.out.substr(0, told.out.find("{\"type\":\"simulation\"")));
  EXPECT_EQ(run_cli({"validate", file}).code, 0);

  EXPECT_EQ(run_cli(small({"--record=" + file})).code, 2) << "it is there already";
  EXPECT_EQ(run_cli(small({"--record=" + file, "--force"})).code, 0);
}

TEST_F(Simulate, TextAndNothing) {
  auto flags = small();
  flags.back() = "--print=text";
  EXPECT_THAT(run_cli(flags).out, AllOf(HasSubstr("Outcome"), HasSubstr("contents_checked")));
  flags.back() = "--print=none";
  EXPECT_EQ(run_cli(flags).out, "");
}

TEST_F(Simulate, RefusesWhatMakesNoMachine) {
  for (const char* bad :
       {"--kernel=2.6", "--kernel=4.4", "--pattern=odd", "--device=tape", "--devices=0", "--mib=0",
        "--cpus=0", "--print=xml", "--page-cluster=9", "surplus"}) {
    const Ran ran = run_cli(small({bad}));
    EXPECT_EQ(ran.code, 2) << bad;
    EXPECT_EQ(std::count(ran.err.begin(), ran.err.end(), '\n'), 1) << bad;
  }
  EXPECT_THAT(run_cli(small({"--kernel=2.6"})).err, HasSubstr("5.10"));
  EXPECT_THAT(run_cli(small({"--device=tape"})).err, HasSubstr("zram"));
  EXPECT_EQ(run_cli({"simulate", "--force"}).code, 2);
  EXPECT_EQ(run_cli({"simulate", "--help"}).code, 0);
}

// What is recorded of a simulated kernel must be taken for that kernel again.
TEST(SimulatedHost, ItsHooksAreThoseOfItsFeatures) {
  for (const std::string_view kernel : engine::observable_set_names()) {
    SimulateOptions options;
    options.kernel = std::string(kernel);
    const recording::RecordingHeader header = simulated_header(options);
    EXPECT_EQ(header.hooks.size(), probe::hooks_of(probe::Mode::kFull).size());
    for (const recording::RecordedHook& hook : header.hooks) {
      const bool before_5_10 = kernel == "4.4" || kernel == "4.19";
      const bool new_in_5_10 = hook.hook == "pageout_request" || hook.hook == "swap_ptes";
      const bool new_in_6_1 = hook.hook == "lru_gen_request" || hook.hook == "entries_dropped";
      const bool none =
          (before_5_10 && new_in_5_10) || ((before_5_10 || kernel == "5.10") && new_in_6_1);
      EXPECT_EQ(hook.target.empty(), none) << kernel << hook.hook;
      EXPECT_EQ(hook.state, hook.target.empty() ? "absent" : "chosen") << hook.hook;
    }
    const auto lockstep = validate::lockstep_options(header);
    ASSERT_TRUE(lockstep.ok()) << kernel << lockstep.status();
    EXPECT_EQ(lockstep->features.allocator, engine::features_named(kernel)->allocator) << kernel;
  }
}

}  // namespace
}  // namespace swaptrail::offline
