// Shell completions of a command line with subcommands, made from its definitions. Needs only
// CLI11.
#pragma once

#include <string>

namespace CLI {
class App;
}  // namespace CLI

namespace swaptrail::manual {

// Scripts for the shell to load. They complete commands, options, and the values of options that
// have a list; everything else is completed as files. Hidden commands are left out.
std::string bash_completion(const CLI::App& app);
std::string zsh_completion(const CLI::App& app);
std::string fish_completion(const CLI::App& app);

}  // namespace swaptrail::manual
