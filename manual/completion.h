// Completions of a command line with subcommands, from its definitions. Needs nothing but CLI11.
#pragma once

#include <string>

namespace CLI {
class App;
}  // namespace CLI

namespace swaptrail {

// Scripts for the shell to load. Commands, options, and the values of options that have a list of
// them; all else is completed as files. Hidden commands are left out.
std::string bash_completion(const CLI::App& app);
std::string zsh_completion(const CLI::App& app);
std::string fish_completion(const CLI::App& app);

}  // namespace swaptrail
