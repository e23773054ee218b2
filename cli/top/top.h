// `swaptrail top`: who swaps now, refreshed.
#pragma once

namespace CLI {
class App;
}  // namespace CLI

namespace swaptrail::online {

// Adds the subcommand. `code` gets the exit code and must outlive `app`.
void add_top(CLI::App& app, int& code);

}  // namespace swaptrail::online
