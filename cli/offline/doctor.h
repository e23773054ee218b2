// `swaptrail doctor`: can this host be watched, and what would be missing?
#pragma once

#include <string>

namespace CLI {
class App;
}  // namespace CLI

namespace swaptrail::offline {

struct DoctorOptions {
  bool json = false;    // one JSON object a line
  std::string btf;      // another kernel's BTF; empty: the running kernel
  std::string symbols;  // its symbol names
};

// Prints the host's facts and the attach plan. Returns the exit code: 0 every hook is served,
// 1 some are not (named in the output), 2 a file can't be used, 4 no mode at all.
int doctor(const DoctorOptions& options);

// Adds the subcommand. `code` gets the exit code and must outlive `app`.
void add_doctor(CLI::App& app, int& code);

}  // namespace swaptrail::offline
