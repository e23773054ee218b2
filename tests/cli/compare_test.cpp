// swaptrail simulate --generation: a row for each generation, lines for tools, and a page that needs nothing else.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "engine/generations/generation.h"
#include "tests/scene/cli_scene.h"

namespace swaptrail::compare {
namespace {

using testing::HasSubstr;
using testing::Not;

std::vector<std::string> compared(std::vector<std::string> more = {}) {
  std::vector<std::string> flags{"simulate", "--generation=all", "--workload=zipf", "--mib=2",
                                 "--accesses=20000"};
  flags.insert(flags.end(), more.begin(), more.end());
  return flags;
}

class Compare : public CliTest {};

TEST_F(Compare, HasARowForEachGenerationAndTheOptimum) {
  const Ran ran = run_cli(compared());
  EXPECT_EQ(ran.code, 0) << ran.err;
  for (const std::string_view name : engine::generation_names())
    EXPECT_THAT(ran.out, HasSubstr("\n" + std::string(name) + " "));
  EXPECT_THAT(ran.out, HasSubstr("\noptimum "));
  EXPECT_THAT(ran.out, HasSubstr("zipf: 20000 steps, 256 pages of memory"));
}

TEST_F(Compare, WhatStandsOutIsInTheTextAndOnThePage) {
  std::vector<std::string> flags = compared({"--report=" + path("report.html")});
  flags[2] = "--workload=loop";
  const Ran ran = run_cli(flags);
  ASSERT_EQ(ran.code, 0) << ran.err;
  const std::string page = get("report.html");
  EXPECT_THAT(page, HasSubstr("<h2>What stands out</h2>"));
  for (const std::string& text : {ran.out, page}) {
    EXPECT_THAT(text, HasSubstr("Nearest to the optimum: "));
    EXPECT_THAT(text, testing::ContainsRegex("2\\.0: [0-9.]+ times the optimum"));
    EXPECT_THAT(text, HasSubstr("what is needed next, at nearly every access: 2.0, "));
  }
}

TEST_F(Compare, LinesForToolsHaveEveryCounterAndNoneIsBelowTheOptimum) {
  const Ran ran = run_cli(compared({"--print=jsonl", "--limit=1"}));
  EXPECT_EQ(ran.code, 0) << ran.err;
  std::vector<nlohmann::json> lines;
  std::istringstream text(ran.out);
  for (std::string line; std::getline(text, line);) lines.push_back(nlohmann::json::parse(line));
  ASSERT_EQ(lines.size(), engine::generation_names().size() + 1);
  const auto& optimum = lines.back();
  EXPECT_EQ(optimum["type"], "optimum");
  EXPECT_GT(optimum["swapped_in"], 0);
  for (size_t at = 0; at + 1 < lines.size(); ++at) {
    EXPECT_EQ(lines[at]["generation"], engine::generation_names()[at]);
    EXPECT_EQ(lines[at]["contents_wrong"], 0);
    EXPECT_GT(lines[at]["contents_checked"], 0);
    EXPECT_GE(lines[at]["swapped_in"], optimum["swapped_in"]);
  }
}

TEST_F(Compare, ThePageHasItsNumbersInItAndAsksNobody) {
  const Ran ran = run_cli(compared({"--print=none", "--report=" + path("report.html")}));
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out, "");
  const std::string page = get("report.html");
  const std::string opening = "<script type=\"application/json\" id=\"data\">";
  const size_t begin = page.find(opening) + opening.size(), end = page.find("</script>", begin);
  const auto data = nlohmann::json::parse(page.substr(begin, end - begin));
  EXPECT_EQ(data["generations"].size(), engine::generation_names().size());
  EXPECT_GT(data["optimum"]["swapped_in"], 0);
  EXPECT_EQ(data["steps"].size(), data["generations"][0]["curves"]["swapped_in"].size());
  EXPECT_THAT(page, HasSubstr("uPlot"));
  EXPECT_THAT(page, HasSubstr("prefers-color-scheme: dark"));
  EXPECT_THAT(page, Not(HasSubstr("<link")));
  EXPECT_THAT(page, Not(HasSubstr("<script src")));
}

TEST_F(Compare, ThePageIsThereAsAWholeAndReplacesNothingUnasked) {
  const std::string there = put("report.html", "mine");
  EXPECT_EQ(run_cli(compared({"--report=" + there})).code, 2);
  EXPECT_EQ(get("report.html"), "mine");
  EXPECT_EQ(run_cli(compared({"--report=" + there, "--force"})).code, 0);
  EXPECT_THAT(get("report.html"), HasSubstr("<!DOCTYPE html>"));
}

TEST_F(Compare, ATraceOfARealProgramIsAWorkload) {
  const std::string trace = SWAPTRAIL_TEST_DATA "/traces/sqlite.lackey.zst";
  const Ran ran = run_cli({"simulate", "--generation=2.6,6.12", "--workload=" + trace});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("\n2.6 "));
  EXPECT_THAT(ran.out, Not(HasSubstr("\n2.4 ")));
}

TEST_F(Compare, HostileNamesStayInTheirPlace) {
  const std::string trace = put("<img src=x onerror=alert(1)>&.lackey", " L 1000,8\n S 2000,8\n");
  const Ran ran = run_cli(
      {"simulate", "--generation=2.0", "--workload=" + trace, "--report=" + path("report.html")});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(get("report.html"), Not(HasSubstr("<img")));
}

TEST_F(Compare, WhatThereIsNotIsRefusedByName) {
  EXPECT_THAT(run_cli({"simulate", "--generation=3.14"}).err, HasSubstr("2.0, 2.4, 2.6"));
  for (const char* bad : {"--generation=", "--workload=/no/such/file", "--limit=0"})
    EXPECT_EQ(run_cli(compared({bad})).code, 2) << bad;
  EXPECT_EQ(run_cli({"simulate", "--report=x.html"}).code, 2)
      << "of one machine there is no report";
  EXPECT_EQ(run_cli(compared({"--kernel=6.12"})).code, 2) << "either one kernel or generations";
}

}  // namespace
}  // namespace swaptrail::compare
