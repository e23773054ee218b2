// Makes a manual page from the definitions of a command line. Needs only CLI11: swaptraild's page is
// made with it too.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace CLI {
class App;
}  // namespace CLI

namespace swaptrail::manual {

// What the definitions do not contain. Empty: no such section.
struct ManualTexts {
  int section = 1;
  std::string version;
  std::vector<std::pair<std::string, std::string>> exit_codes;   // code, meaning
  std::vector<std::pair<std::string, std::string>> environment;  // variable, meaning
  std::vector<std::string> overhead;                             // paragraphs
  std::vector<std::string> see_also;                             // "swaptraild(8)"
};

// "swaptrail" or "swaptrail-trace": the name of the page of an app or of one of its subcommands.
std::string manual_name(const CLI::App& app);

// The page as troff with the man macros. From a footer it takes "Exit codes: 0 ok; 1 ..."
// (overrides texts.exit_codes) and all lines after "Example:" or "Examples:"; the rest goes to the
// description. Hidden options and subcommands are left out.
std::string manual_page(const CLI::App& app, const ManualTexts& texts);

}  // namespace swaptrail::manual
