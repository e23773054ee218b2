// Which system calls a process may still make (seccomp(2)).
#pragma once

#include <initializer_list>

#include "absl/status/status.h"

namespace swaptrail {

// What swaptraild needs once hooks are attached and sockets bound: threads, files, sockets, BPF maps and
// links; it can't load programs, start another, or reach other processes and mounts. The rest fails with
// EPERM; what only an intruder asks for (execve, ptrace, mount, module loading, keys, other users ...) ends
// the process. Holds for all threads, for ever. Errors: Internal, with the reason.
absl::Status allow_calls_of_daemon();

// Only `calls`, by their numbers (SYS_read), and opening files for reading; anything else ends the process.
// For a process that has one thread. Errors: Internal.
absl::Status allow_only(std::initializer_list<int> calls);

}  // namespace swaptrail
