// `swaptrail verify`, `repair`, `cut` and `merge`.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}  // namespace CLI

namespace swaptrail::offline {

struct EditOptions {
  std::vector<std::string> files;  // repair and cut: one
  std::string output;
  bool force = false;    // replace what is at `output`
  std::string from, to;  // cut; see cli/offline/time_range.h
};

// Each returns the exit code and prints a line about each recording to standard output. Damage is
// kFound, except for repair, whose purpose it is.
int verify(const std::vector<std::string>& files);
int repair(const EditOptions& options);
int cut(const EditOptions& options);
int merge(const EditOptions& options);

// Adds the four subcommands. `code` gets the exit code and must outlive `app`.
void add_edits(CLI::App& app, int& code);

}  // namespace swaptrail::offline
