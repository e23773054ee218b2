#include "cli/offline/filter_options.h"

#include <CLI/CLI.hpp>

#include "cli/offline/time_range.h"
#include "trace/decode.h"

namespace swaptrail::offline {

void add_filter_options(CLI::App& command, report::PrintFilter& filter) {
  command.add_option("--pid", filter.pids, "only pages of these processes");
  command.add_option("--cgroup", filter.cgroup,
                     "only pages charged to this cgroup or below, e.g. /system.slice");
  std::string outcomes = "only lifecycles with these outcomes:";
  for (const auto& [name, outcome] : outcomes_by_name()) outcomes += " " + name;
  command.add_option("--outcome", filter.outcomes, outcomes)
      ->transform(CLI::CheckedTransformer(outcomes_by_name()).description(""))
      ->type_name("OUTCOME");
}

void add_range_options(CLI::App& command, std::string& from, std::string& to) {
  command.add_option("--from", from, std::string("begin here: ") + kMomentSyntax);
  command.add_option("--to", to, "end before this, in the same form");
}

}  // namespace swaptrail::offline
