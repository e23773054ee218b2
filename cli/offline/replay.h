// `swaptrail replay`: what swaptraild printed, again.
#pragma once

#include <string>
#include <vector>

#include "trace/report/printer.h"

namespace CLI {
class App;
}  // namespace CLI

namespace swaptrail::offline {

struct ReplayOptions {
  std::vector<std::string> files;
  report::PrintFormat print = report::PrintFormat::kText;
  report::PrintFilter filter;
  std::string from, to;  // see cli/offline/time_range.h
};

// Prints to standard output. Returns the exit code; damage, violations: kFound.
int replay(const ReplayOptions& options);

// Adds the subcommand. `code` gets the exit code and must outlive `app`.
void add_replay(CLI::App& app, int& code);

}  // namespace swaptrail::offline
