// The commands that ask a running swaptraild, except `top`. docs/CLI.md lists them all.
//
// Each adds its subcommand. `code` gets the exit code and must outlive `app`.
#pragma once

namespace CLI {
class App;
}  // namespace CLI

namespace swaptrail::online {

void add_status(CLI::App& app, int& code);
void add_trace(CLI::App& app, int& code);
void add_list(CLI::App& app, int& code);
void add_page(CLI::App& app, int& code);
void add_stats(CLI::App& app, int& code);
void add_matrix(CLI::App& app, int& code);
void add_areas(CLI::App& app, int& code);
void add_violations(CLI::App& app, int& code);
void add_pageout(CLI::App& app, int& code);
void add_flight(CLI::App& app, int& code);

}  // namespace swaptrail::online
