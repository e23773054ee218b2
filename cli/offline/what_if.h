// `swaptrail what-if`: estimates, from a recording, what would have happened with more memory, with zswap, with another
// readahead, or with other priorities of the swap areas.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/offline/what_if_questions.h"
#include "trace/report/printer.h"

namespace CLI {
class App;
}  // namespace CLI

namespace swaptrail::offline {

struct WhatIfOptions {
  std::vector<std::string> files;
  report::PrintFormat print = report::PrintFormat::kText;
  WhatIfQuestions questions;  // none at all: some of each
  std::string from, to;       // see cli/offline/time_range.h
};

// Prints to standard output. Returns the exit code; damage: kFound.
int what_if(const WhatIfOptions& options);

// Adds the subcommand. `code` gets the exit code and must outlive `app`.
void add_what_if(CLI::App& app, int& code);

}  // namespace swaptrail::offline
