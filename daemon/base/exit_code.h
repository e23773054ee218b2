// The exit codes of swaptraild.
#pragma once

namespace swaptrail::base {

// Exit codes; the manual and README list them.
enum ExitCode : int {
  kExitOk = 0,
  kExitFailure = 1,      // something broke while running
  kExitUsage = 2,        // bad flag or bad input file
  kExitPermission = 3,   // not allowed to load BPF programs
  kExitUnsupported = 4,  // no BTF, or no mode that this kernel permits
  kExitAlreadyRunning = 5,
  kExitNoSwap = 6,    // no swap area is on
  kExitNoMemory = 7,  // a ring or a table can't be allocated, no thread started
};

}  // namespace swaptrail::base
