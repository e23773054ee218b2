// The privileges that the daemon gives up, and the limits that it raises for itself.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace swaptrail::host {

// No core dump, which would hold keys and passwords. Files are private to the daemon, whatever umask was
// inherited. Failed allocations and uncaught errors end the process with one line and code 7 or 1, not with
// SIGABRT. Call it first of all.
void begin_safely();

// Raises RLIMIT_NOFILE as far as allowed, to what the daemon needs at most.
void raise_descriptors();
// How many that is: all connections, rings, programs.
uint64_t descriptors_needed();

// Raises RLIMIT_MEMLOCK (BPF memory counts against it before Linux 5.11) as far as allowed.
void raise_memlock();

// Drops every capability except these, as far as the process has them, also from the bounding and ambient
// sets (from the former only with CAP_SETPCAP). It can't be undone. Errors: of capset(2), with its reason.
absl::Status keep_capabilities(const std::vector<int>& kept);

// Drops every capability except two. CAP_BPF: reading the totals needs it before Linux 5.19
// (kernel/bpf/syscall.c __sys_bpf). CAP_IPC_LOCK: without it, memory that lock_memory() locks later would
// count against RLIMIT_MEMLOCK. Call it once everything is attached.
absl::Status drop_capabilities();

// Confines what is left: no program that is started can get more than this process has (no_new_privs), system
// calls are limited (allow_calls_of_daemon()), other processes of its user can't read its memory. Call it
// after drop_capabilities(). Errors: Internal.
absl::Status confine();

// Holds a lock file for the life of the process, so that only one daemon runs at a time. Its mode is 0600:
// whoever can open it can lock it. It is not changed before the lock is held. Errors: AlreadyExists (with the
// other's pid), InvalidArgument (`run_dir`: as open_folder(); what is at the file's path is not ours),
// Internal.
absl::Status take_lock(const std::string& run_dir);

}  // namespace swaptrail::host
