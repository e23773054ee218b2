// What the daemon gives up, and what it takes for itself.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace swaptrail {

// No core dump, which would hold keys and passwords; files that are made are nobody else's, whatever umask was
// inherited; memory that can't be had, and an error that nobody catches, end the process with one line and
// code 7 or 1, not with SIGABRT. First of all.
void begin_safely();

// Raises RLIMIT_NOFILE as far as allowed, to what the daemon needs at most.
void raise_descriptors();
// That many: all connections, rings, programs.
uint64_t descriptors_needed();

// Raises RLIMIT_MEMLOCK (BPF memory counts against it before Linux 5.11) as far as allowed.
void raise_memlock();

// Drops every capability but these, as far as the process has them, also from the bounding and ambient sets
// (from the former only with CAP_SETPCAP). There is no way back. Errors: of capset(2), with its reason.
absl::Status keep_capabilities(const std::vector<int>& kept);

// Drops every capability but two. CAP_BPF: reading the totals needs it before Linux 5.19 (kernel/bpf/syscall.c
// __sys_bpf). CAP_IPC_LOCK: what lock_memory() promised for memory to come would else count against
// RLIMIT_MEMLOCK. Call once everything is attached.
absl::Status drop_capabilities();

// What is left: no program that is started can get more than this process has (no_new_privs), system calls are
// limited (allow_calls_of_daemon()), other processes of its user can't look into its memory. After
// drop_capabilities(). Errors: Internal.
absl::Status confine();

// Holds a lock file for the life of the process, so that one daemon runs at a time. It is 0600: who can open
// it can lock it. Nothing in it changes before the lock is held. Errors: AlreadyExists (with the other's pid),
// InvalidArgument (`run_dir`: as open_folder(); what is at the file's path is none of ours), Internal.
absl::Status take_lock(const std::string& run_dir);

}  // namespace swaptrail
