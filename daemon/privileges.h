// What the daemon gives up, and what it takes for itself.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace swaptrail {

// Raises RLIMIT_MEMLOCK (BPF memory counts against it before Linux 5.11) as far as allowed.
void raise_memlock();

// Keeps the daemon's own pages out of swap: it must never wait for what it watches. Pages are
// locked as they are touched. Errors: PermissionDenied; the daemon can go on without.
absl::Status lock_memory();

// Drops every capability but two. CAP_BPF: reading the totals needs it before Linux 5.19 (kernel/
// bpf/syscall.c __sys_bpf). CAP_IPC_LOCK: what lock_memory() promised for memory to come would else
// count against RLIMIT_MEMLOCK. Call once everything is attached; there is no way back.
absl::Status drop_capabilities();

// Holds a lock file for the life of the process, so that one daemon runs at a time.
// Errors: AlreadyExists (with the other's pid), PermissionDenied.
absl::Status take_lock(const std::string& run_dir);

}  // namespace swaptrail
