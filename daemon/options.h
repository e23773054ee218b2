// The command line of swaptraild.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "daemon/hook_catalogue.h"
#include "trace/lifecycle.h"

namespace swaptrail {

// Exit codes; the manual and README list them.
enum ExitCode : int {
  kExitOk = 0,
  kExitFailure = 1,      // something broke while running
  kExitUsage = 2,        // bad flag or bad input file
  kExitPermission = 3,   // not allowed to load BPF programs
  kExitUnsupported = 4,  // no BTF, or no mode that this kernel permits
  kExitAlreadyRunning = 5,
  kExitNoSwap = 6,    // no swap area is on
  kExitNoMemory = 7,  // a ring or a table can't be allocated
};

enum class PrintFormat : uint8_t { kText, kJsonl, kNone };

struct Options {
  std::optional<Mode> mode;  // none: the best that the kernel permits
  PrintFormat print = PrintFormat::kText;
  size_t ring_mib = 8;  // per CPU, a power of two
  size_t max_folios = 1 << 20;
  bool allow_no_swap = false;
  std::string run_dir = "/run/swaptrail";

  // filters on what is printed; empty = all
  std::vector<uint32_t> pids;
  std::string cgroup;
  std::vector<Outcome> outcomes;

  bool explain_attach = false;
  std::string btf;      // of another kernel
  std::string symbols;  // of another kernel
};

// The options, or the code with which to exit at once (help, version, or an error that has been
// printed to stderr).
std::variant<Options, ExitCode> parse_options(int argc, char** argv);

}  // namespace swaptrail
