// `swaptrail validate`: checks a recording against the engine's model of the kernel, step by step.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "trace/report/printer.h"

namespace CLI {
class App;
}  // namespace CLI

namespace swaptrail::offline {

struct ValidateOptions {
  std::vector<std::string> files;
  report::PrintFormat print = report::PrintFormat::kText;
  size_t max_findings = 1000;  // printed; the rest is only counted
  uint32_t sample = 1;         // one folio in this many is checked
  bool rules = false;          // print only the rules
  std::string from, to;        // see cli/offline/time_range.h
};

// Prints to standard output. Returns the exit code; damage, findings, violations: kFound. What the
// recording cannot show, and so is not checked, is reported on stderr.
int validate(const ValidateOptions& options);

// Adds the subcommand. `code` gets the exit code and must outlive `app`.
void add_validate(CLI::App& app, int& code);

}  // namespace swaptrail::offline
