// The file of --config, as arguments of a command line. Pure; any thread.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace CLI {
class App;
}  // namespace CLI

namespace swaptrail::options {

struct ConfigFile {
  std::vector<std::string> arguments;   // "--NAME=VALUE", in the order of the file
  std::map<std::string, size_t> lines;  // option, such as "--store" -> its line, from 1
  std::vector<std::string> problems;    // each begins with the file and its line; at most 20
};

// `text` has NAME = VALUE lines, with the options of `app` as names; `path` is for messages. Options in
// `given` (with their "--") are left out, since the command line has precedence. Reports everything that is
// wrong, except values that the options themselves refuse: not a text, unknown names, no value, a name that
// is there twice.
ConfigFile parse_config_file(const CLI::App& app, const std::string& text, const std::string& path,
                             const std::set<std::string>& given);

}  // namespace swaptrail::options
