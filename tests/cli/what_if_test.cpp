// swaptrail what-if: its answers against the engine's machine that really has what was asked for, and what it says of
// recordings that can't answer.
#include "cli/offline/what_if.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cli/offline/what_if_questions.h"
#include "tests/scene/cli_scene.h"

namespace swaptrail::offline {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class WhatIf : public CliTest {
 protected:
  // Runs the machine and records it; the line with its totals.
  std::string simulated(const std::string& file, std::vector<std::string> flags) {
    flags.insert(flags.begin(), {"simulate", "--print=jsonl", "--record=" + path(file), "--force"});
    const Ran ran = run_cli(flags);
    EXPECT_EQ(ran.code, 0) << ran.err;
    const size_t at = ran.out.find("{\"type\":\"simulation\"");
    return at == std::string::npos ? "" : ran.out.substr(at);
  }
  // The lines of one type, of one section.
  std::vector<json> ask(const std::string& file, std::vector<std::string> flags,
                        const std::string& type = "what_if", const std::string& of = "memory") {
    flags.insert(flags.begin(), {"what-if", path(file), "--print=jsonl"});
    const Ran ran = run_cli(flags);
    EXPECT_EQ(ran.code, 0) << ran.err;
    std::vector<json> lines;
    std::istringstream text(ran.out);
    for (std::string line; std::getline(text, line);) {
      json one = json::parse(line);
      if (one["type"] == type && one["of"] == of) lines.push_back(std::move(one));
    }
    return lines;
  }
};

// How far the truth lies outside of the estimate, as a share of the truth.
double error_of(const json& estimate, uint64_t truth) {
  const auto low = estimate["low"].get<double>(), high = estimate["high"].get<double>();
  const auto real = static_cast<double>(truth);
  if (real < low) return (low - real) / std::max(real, 1.0);
  return real > high ? (real - high) / std::max(real, 1.0) : 0;
}

// 40,000 accesses to 16 MiB, two patterns on two devices, three sizes: what is written and read.
TEST_F(WhatIf, MoreMemoryIsWhatTheMachineDoesWithIt) {
  for (const char* pattern : {"uniform", "hotcold"}) {
    for (const char* device : {"ssd", "zram"}) {
      const auto machine = [&](int limit) {
        return simulated(std::to_string(limit),
                         {"--mib=16", "--accesses=40000", "--page-cluster=0",
                          "--pattern=" + std::string(pattern), "--device=" + std::string(device),
                          "--limit=" + std::to_string(limit)});
      };
      machine(8);
      const auto lines = ask("8", {"--memory=2M,4M", "--memory=6M"});
      ASSERT_EQ(lines.size(), 4u);
      for (size_t more = 1; more < lines.size(); ++more) {
        const std::string truth = machine(8 + 2 * static_cast<int>(more));
        EXPECT_LT(error_of(lines[more]["written_pages"], number_in(truth, "swapped_out_pages")),
                  0.06)
            << pattern << device << lines[more] << truth;
        EXPECT_LT(error_of(lines[more]["read_pages"], number_in(truth, "swapped_in_pages")), 0.06)
            << pattern << device << lines[more] << truth;
      }
    }
  }
}

TEST_F(WhatIf, AsRecordedIsWhatWasCounted) {
  const std::string truth = simulated("a", {"--mib=4", "--accesses=20000", "--devices=2"});
  const auto lines = ask("a", {"--memory=100%"});
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_FALSE(lines[0]["estimate"].get<bool>());
  EXPECT_TRUE(lines[1]["estimate"].get<bool>());
  const uint64_t read = lines[0]["read_pages"]["high"].get<uint64_t>();
  EXPECT_EQ(read, number_in(truth, "swapped_in_pages"));
}

TEST_F(WhatIf, WithRoomForAllThatWasSwappedNothingIs) {
  simulated("a", {"--mib=4", "--accesses=10000"});
  const json with = ask("a", {"--memory=100%"}).back();
  EXPECT_EQ(with["left_pages"]["high"], 0);
  EXPECT_EQ(with["read_pages"]["high"], 0);
  EXPECT_EQ(with["wait_ns"]["high"], 0);
}

TEST_F(WhatIf, ASmallerRangeLeavesMoreUnknown) {
  simulated("a", {"--mib=4", "--accesses=10000"});
  EXPECT_THAT(ask("a", {"--memory=1M"}, "not_known"), testing::IsEmpty());
  const auto unknown = ask("a", {"--memory=1M", "--from=1003ms"}, "not_known");
  ASSERT_FALSE(unknown.empty());
  EXPECT_THAT(unknown.front()["text"].get<std::string>(), HasSubstr("came back"));
  const json late = ask("a", {"--memory=100%", "--from=1003ms"}).back();
  EXPECT_EQ(late["returned_pages"]["low"], 0);
  EXPECT_GT(late["returned_pages"]["high"], 0) << "what is not known may not have been avoided";
}

TEST_F(WhatIf, EverySectionSaysThatItIsAnEstimateAndWhatItAssumes) {
  simulated("a", {"--mib=2", "--limit=1", "--accesses=3000"});
  const std::string text = run_cli({"what-if", path("a")}).out;
  size_t sections = 0;
  for (size_t at = text.find("ESTIMATE: "); at != std::string::npos;
       at = text.find("ESTIMATE: ", at + 1)) {
    ++sections;
    const std::string section = text.substr(at, text.find("ESTIMATE: ", at + 1) - at);
    EXPECT_THAT(section, AllOf(HasSubstr("  Assumes\n  - "), HasSubstr("as recorded")));
  }
  EXPECT_GE(sections, 2u);
  EXPECT_EQ(text.find("ESTIMATE: "), 0u);
}

TEST_F(WhatIf, OnlyWhatIsAskedIsAnswered) {
  simulated("a", {"--mib=2", "--limit=1", "--accesses=3000"});
  EXPECT_THAT(run_cli({"what-if", path("a"), "--memory=1M"}).out,
              AllOf(HasSubstr("with more memory"), Not(HasSubstr("zswap in front"))));
  EXPECT_THAT(run_cli({"what-if", path("a"), "--zswap=1M/2"}).out,
              AllOf(Not(HasSubstr("with more memory")), HasSubstr("zswap in front")));
}

TEST_F(WhatIf, APoolHoldsItsSizeTimesTheRatio) {
  simulated("a", {"--mib=4", "--accesses=10000", "--page-cluster=0"});
  const json pool = ask("a", {"--zswap=256K/4", "--zswap-load=1us"}, "what_if", "zswap").back();
  const json memory = ask("a", {"--memory=1M"}).back();
  EXPECT_EQ(pool["pool_pages"]["high"], 256);
  // The upper bounds are those of a pool whose oldest page makes room: LRU again.
  EXPECT_EQ(pool["read_pages"]["high"], memory["read_pages"]["high"]);
  EXPECT_EQ(pool["written_pages"]["high"], memory["written_pages"]["low"]);
  EXPECT_LE(pool["written_pages"]["low"], pool["written_pages"]["high"]);
}

// The machine reads ahead by address. A loop over the pages is what readahead is for; with hot and cold pages it hardly helps,
// and is taken to help a little: 7 % of the faults are the most that the bounds are off.
TEST_F(WhatIf, AnotherPageClusterIsWhatTheMachineDoesWithIt) {
  for (const char* pattern : {"sequential", "hotcold"}) {
    const auto machine = [&](const std::string& page_cluster) {
      return simulated(page_cluster,
                       {"--mib=8", "--limit=4", "--accesses=15000",
                        "--pattern=" + std::string(pattern), "--page-cluster=" + page_cluster});
    };
    machine("0");
    for (const char* page_cluster : {"1", "3", "5"}) {
      const std::string truth = machine(page_cluster);
      const json asked =
          ask("0", {"--page-cluster=" + std::string(page_cluster)}, "what_if", "page_cluster")
              .back();
      const json seen = ask(page_cluster, {"--page-cluster=0"}, "what_if", "page_cluster").front();
      EXPECT_EQ(asked["way"], "by address");
      EXPECT_LT(error_of(asked["read_pages"], number_in(truth, "swapped_in_pages")), 0.03)
          << pattern << page_cluster << asked << truth;
      EXPECT_LT(error_of(asked["major_faults"], seen["major_faults"]["low"].get<uint64_t>()), 0.1)
          << pattern << page_cluster << asked << seen;
    }
  }
}

TEST_F(WhatIf, AnotherPriorityMovesThePages) {
  simulated("a", {"--mib=4", "--accesses=10000", "--devices=2"});
  const auto rows = ask("a", {"--priority=/dev/simulated1=99"}, "what_if", "priority");
  ASSERT_EQ(rows.size(), 6u);  // two areas and both together; as recorded, and as asked
  EXPECT_EQ(rows[3]["slots_given"]["high"], 0);
  EXPECT_EQ(rows[4]["slots_given"], rows[5]["slots_given"]);
  EXPECT_EQ(rows[2]["slots_given"], rows[5]["slots_given"]);
  const Ran wrong = run_cli({"what-if", path("a"), "--priority=/dev/none=1"});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("no swap area /dev/none"));
}

TEST_F(WhatIf, RefusesWhatIsNoQuestion) {
  simulated("a", {"--mib=1", "--accesses=300"});
  for (const char* bad : {"--memory=0", "--memory=1X", "--memory=-1M", "--memory=5000%",
                          "--memory=", "--zswap=1M/0.5", "--zswap=1M/x", "--zswap=/3",
                          "--zswap-load=-1s", "--zswap-load=1h", "--page-cluster=6", "--priority=0",
                          "--priority=0=x", "--page-cluster=x", "--print=none", "--from=9s"}) {
    const Ran ran = run_cli({"what-if", path("a"), bad, "--to=5s"});
    EXPECT_EQ(ran.code, 2) << bad;
    EXPECT_EQ(std::count(ran.err.begin(), ran.err.end(), '\n'), 1) << bad << ran.err;
  }
  EXPECT_EQ(run_cli({"what-if"}).code, 2);
  EXPECT_EQ(run_cli({"what-if", path("nothing")}).code, 2);
  EXPECT_EQ(run_cli({"what-if", put("text", "no recording")}).code, 2);
}

TEST_F(WhatIf, RefusesARecordingThatShowsNoReturns) {
  recording::RecordingHeader header = scene_header();
  header.mode = "tracepoint";
  const Ran traced = run_cli({"what-if", put("t", record_scene(small_scene(), header))});
  EXPECT_EQ(traced.code, 2);
  EXPECT_THAT(traced.err, HasSubstr("mode tracepoint"));
  header = scene_header();
  header.reconstruction.visible_kinds &= ~lifecycles::kind_bit(SWAPTRAIL_SLOT_FREED);
  const Ran lacking = run_cli({"what-if", put("l", record_scene(small_scene(), header))});
  EXPECT_EQ(lacking.code, 2);
  EXPECT_THAT(lacking.err, HasSubstr("slot_freed"));
  header = scene_header();
  header.reconstruction.visible_kinds &= ~lifecycles::kind_bit(SWAPTRAIL_SWAP_READ);
  const Ran blind = run_cli({"what-if", put("b", record_scene(small_scene(), header))});
  EXPECT_EQ(blind.code, 0);
  EXPECT_THAT(blind.out, HasSubstr("The hook swap_read is missing: not known is what was read."));
}

TEST_F(WhatIf, ADamagedRecordingIsAnsweredUpToTheDamage) {
  std::string bytes = record_scene(small_scene());
  bytes[bytes.size() / 2] ^= 1;
  const Ran ran = run_cli({"what-if", put("d", bytes)});
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.out, HasSubstr("ESTIMATE"));
}

TEST(WhatIfQuestions, SizesAndPoolsAndPriorities) {
  EXPECT_EQ(parse_asked_size("+64M")->bytes, uint64_t{64} << 20);
  EXPECT_EQ(parse_asked_size("4k")->bytes, 4096u);
  EXPECT_EQ(parse_asked_size("50%")->pages(1000, 4096), 500u);
  EXPECT_EQ(parse_asked_pool("1G/2.5")->ratio_percent, 250u);
  EXPECT_EQ(parse_asked_pool("1G")->ratio_percent, 300u);
  EXPECT_EQ(parse_asked_priority("/dev/a=b=-2")->area, "/dev/a=b");
  EXPECT_EQ(parse_asked_priority("/dev/a=b=-2")->priority, -2);
  EXPECT_FALSE(parse_asked_priority("=1").ok());
  EXPECT_FALSE(parse_asked_priority("/dev/a").ok());
  EXPECT_FALSE(parse_asked_priority("/dev/a=40000").ok());
  EXPECT_FALSE(parse_asked_size("2000000000G").ok());
  EXPECT_FALSE(parse_asked_size("4095").ok());
}

}  // namespace
}  // namespace swaptrail::offline
