// The commands and options that are shown to people: all except hidden ones.
#pragma once

#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace swaptrail::manual {

std::vector<const CLI::App*> visible_commands(const CLI::App& app);
// Without positional arguments.
std::vector<const CLI::Option*> visible_options(const CLI::App& app);
bool takes_value(const CLI::Option& option);

}  // namespace swaptrail::manual
