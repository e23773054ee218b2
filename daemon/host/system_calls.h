// Limits the system calls that a process may still make (seccomp(2)).
#pragma once

#include <initializer_list>

#include "absl/status/status.h"

namespace swaptrail::host {

// The calls that swaptraild needs once hooks are attached and sockets bound: threads, files, sockets, BPF
// maps and links. It can't load programs, start another, or reach other processes and mounts. The rest
// fails with EPERM; calls that only an intruder makes (execve, ptrace, mount, module loading, keys, other
// users ...) end the process. Holds for all threads, for ever. Errors: Internal, with the reason.
absl::Status allow_calls_of_daemon();

// Allows only `calls`, by number (SYS_read), and opening files for reading; anything else ends the process.
// For a process with one thread. Errors: Internal.
absl::Status allow_only(std::initializer_list<int> calls);

}  // namespace swaptrail::host
