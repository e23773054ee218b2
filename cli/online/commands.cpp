#include "cli/online/commands.h"

#include <CLI/CLI.hpp>

namespace swaptrail::online {

void add_online_commands(CLI::App& app, int& code) {
  for (const auto add : {add_status, add_trace, add_list, add_page, add_top, add_stats, add_matrix,
                         add_areas, add_violations, add_pageout, add_flight})
    add(app, code);
}

}  // namespace swaptrail::online
