// --help, manual pages and completions: all from the same definitions, and all usable.
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "cli/base/errors.h"
#include "manual/manual.h"
#include "tests/online/daemon_scene.h"

namespace swaptrail::online {
namespace {

using testing::HasSubstr;

const std::vector<std::string> kOffline = {"doctor",   "replay",   "info",   "verify",
                                           "repair",   "cut",      "merge",  "export",
                                           "validate", "simulate", "what-if"};
std::vector<std::string> online_names() {
  std::vector<std::string> names;
  for (const Command& command : kCommands) names.emplace_back(command.name);
  return names;
}
std::vector<std::string> all_names() {
  std::vector<std::string> names = online_names();
  names.insert(names.end(), kOffline.begin(), kOffline.end());
  return names;
}

class SelfDescriptionTest : public OnlineTest {
 protected:
  std::string put(const std::string& name, const std::string& text) const {
    std::ofstream(directory_ + "/" + name) << text;
    return directory_ + "/" + name;
  }
  // The exit code; what it printed is in the file "said".
  int shell(const std::string& line) const {
    return WEXITSTATUS(std::system((line + " >" + directory_ + "/said 2>&1").c_str()));
  }
  bool there_is(const std::string& tool) const { return shell("command -v " + tool) == 0; }
  std::string said() const {
    std::ifstream file(directory_ + "/said");
    return {std::istreambuf_iterator<char>(file), {}};
  }
};

TEST_F(SelfDescriptionTest, HelpHasExamplesAndExitCodes) {
  const std::string help = run({"--help"}).out;
  for (const cli::ExitCodeMeaning& row : cli::kExitCodeTable)
    EXPECT_THAT(help, HasSubstr(row.meaning));
  for (const std::string& command : all_names()) EXPECT_THAT(help, HasSubstr("  " + command + " "));
  EXPECT_EQ(help.find("manpage"), std::string::npos);
  for (const std::string& command : online_names()) {
    const std::string text = run({command, "--help"}).out;
    EXPECT_THAT(text, HasSubstr("Exit codes: 0 ok")) << command;
    EXPECT_THAT(text, HasSubstr("Examples:\n  swaptrail " + command));
    EXPECT_THAT(text, HasSubstr("--tls-ca"));
  }
}

TEST_F(SelfDescriptionTest, EveryPageHasItsSectionsAndIsCleanTroff) {
  const std::string pages = directory_ + "/man1";
  ASSERT_EQ(run({"manpage", "--directory=" + pages}).code, 0);
  size_t count = 0;
  for (const auto& file : std::filesystem::directory_iterator(pages)) {
    ++count;
    std::ifstream stream(file.path());
    const std::string text(std::istreambuf_iterator<char>(stream), {});
    for (const char* section :
         {"NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "OVERHEAD", "SEE ALSO"})
      EXPECT_THAT(text, HasSubstr(std::string(".SH ") + section + "\n")) << file.path();
    if (there_is("groff")) {
      EXPECT_EQ(shell("groff -man -Tutf8 -ww -z " + file.path().string()), 0);
      EXPECT_EQ(said(), "") << file.path();
    }
    if (there_is("mandoc")) {
      EXPECT_EQ(shell("mandoc -W error -T ascii " + file.path().string()), 0) << said();
    }
  }
  EXPECT_EQ(count, all_names().size() + 1);
  EXPECT_EQ(run({"manpage", "nothing"}).code, 2);
}

TEST_F(SelfDescriptionTest, ManualTellsOptionsValuesAndExamples) {
  const std::string page = run({"manpage", "trace"}).out;
  for (const char* fact :
       {"swaptrail\\-trace \\- lifecycles as they end", "\\fB\\-\\-slower\\-than\\fR",
        "freed_device, freed_zswap", ".SS Connection", "\\fB10\\fR\nswaptraild was not started",
        "swaptrail trace \\-\\-cgroup=/system.slice \\-\\-block", "SWAPTRAIL_SOCKET",
        ".BR swaptraild (8)"})
    EXPECT_THAT(page, HasSubstr(fact));
  EXPECT_EQ(run({"manpage", "cut"}).out.find("SWAPTRAIL_SOCKET"), std::string::npos);
  EXPECT_THAT(run({"manpage"}).out, HasSubstr("\\fBswaptrail\\-flight\\fR(1)"));
}

TEST(Manual, TextIsEscaped) {
  CLI::App app("it's -x\\y.", "made");
  app.footer("Exit codes: 0 fine; 3 broken; really.\n.dot\nExamples:\n  'quote\n");
  app.add_option("FILE", "what to read")->required();
  manual::ManualTexts texts;
  texts.section = 8;
  const std::string page = manual::manual_page(app, texts);
  EXPECT_THAT(page, HasSubstr(".TH MADE 8"));
  EXPECT_THAT(page, HasSubstr("made \\- it's \\-x\\ey\n"));
  EXPECT_THAT(page, HasSubstr("\n\\&.dot\n"));
  EXPECT_THAT(page, HasSubstr("\n\\&'quote\n"));
  EXPECT_THAT(page, HasSubstr("\\fB3\\fR\nbroken; really.\n"));
  EXPECT_THAT(page, HasSubstr(" \\fIFILE\\fR"));
  EXPECT_EQ(page.find("OVERHEAD"), std::string::npos);
}

TEST_F(SelfDescriptionTest, BashCompletes) {
  const std::string script = put("bash", run({"completion", "bash"}).out);
  ASSERT_EQ(shell("bash -n " + script), 0) << said();
  const auto complete = [&](const std::string& words, int index) {
    shell("bash -c 'compopt() { echo FILES; }; . " + script + "; COMP_WORDS=(" + words +
          "); COMP_CWORD=" + std::to_string(index) + "; _swaptrail; echo ${COMPREPLY[@]}'");
    return said();
  };
  EXPECT_EQ(complete("swaptrail sta", 1), "status stats\n");
  EXPECT_EQ(complete("swaptrail trace --blo", 2), "--block\n");
  EXPECT_EQ(complete("swaptrail list --outcome freed_z", 3), "freed_zswap freed_zero\n");
  EXPECT_EQ(complete("swaptrail status -o = js", 4), "json jsonl\n");
  EXPECT_EQ(complete("swaptrail top --by = \"\"", 4), "process cgroup device origin reclaimer\n");
  EXPECT_EQ(complete("swaptrail replay x", 2), "FILES\n\n");
  EXPECT_EQ(complete("swaptrail comp", 1), "\n");  // hidden
  if (there_is("shellcheck")) {
    EXPECT_EQ(shell("shellcheck -s bash " + script), 0) << said();
  }
}

TEST_F(SelfDescriptionTest, ZshAndFishTakeTheirs) {
  const std::string zsh = put("zsh", run({"completion", "zsh"}).out);
  EXPECT_THAT(run({"completion", "zsh"}).out, HasSubstr("'pageout:swap out a range"));
  const std::string fish = put("fish", run({"completion", "fish"}).out);
  EXPECT_THAT(run({"completion", "fish"}).out,
              HasSubstr("-n '__fish_seen_subcommand_from top' -l sort -x -a 'rate wait regret'"));
  EXPECT_EQ(run({"completion", "tcsh"}).code, 2);
  if (there_is("zsh")) {
    EXPECT_EQ(shell("zsh -n " + zsh), 0) << said();
  }
  if (!there_is("fish")) return;
  EXPECT_EQ(shell("fish -n " + fish), 0) << said();
  EXPECT_EQ(
      shell("fish --no-config -c 'source " + fish + "; complete -C \"swaptrail top --sort \"'"), 0);
  EXPECT_THAT(said(), HasSubstr("regret"));
}

TEST_F(SelfDescriptionTest, DocumentationHasEveryExitCodeAndCommand) {
  std::ifstream file(SWAPTRAIL_SOURCE_DIR "/docs/CLI.md");
  const std::string text(std::istreambuf_iterator<char>(file), {});
  for (const cli::ExitCodeMeaning& row : cli::kExitCodeTable)
    EXPECT_THAT(text, HasSubstr("| " + std::to_string(row.code) + " | " + row.meaning + " |"));
  for (const std::string& command : all_names())
    EXPECT_THAT(text, HasSubstr("`" + command + "`")) << command;
}

}  // namespace
}  // namespace swaptrail::online
