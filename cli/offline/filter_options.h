// --pid, --cgroup, --outcome, --from and --to, which several commands share.
#pragma once

#include <string>

#include "trace/report/printer.h"

namespace CLI {
class App;
}  // namespace CLI

namespace swaptrail::offline {

// The same as those of swaptraild. `filter` must live as long as `command`.
void add_filter_options(CLI::App& command, report::PrintFilter& filter);

// For parse_range() of cli/offline/time_range.h. Both must live as long as `command`.
void add_range_options(CLI::App& command, std::string& from, std::string& to);

}  // namespace swaptrail::offline
