#include "daemon/host/own_memory.h"

#include <malloc.h>
#include <sys/mman.h>

#include <atomic>
#include <cerrno>

namespace swaptrail::host {
namespace {

std::atomic<bool> is_locked{false};

}  // namespace

void share_heaps() { mallopt(M_ARENA_MAX, 2); }

absl::Status lock_memory() {
  malloc_trim(0);
  is_locked = mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0;
  if (is_locked) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, "can't lock the daemon's memory");
}

absl::Status UnusedMemory::give_back(uint64_t now_ns) {
  const bool grown = resident_bytes() >= resident_before_bytes_ + kWorthIt_bytes;
  if (!grown && now_ns - done_ns_ < kEvery_ns) return absl::OkStatus();
  done_ns_ = now_ns;
  absl::Status status;
  if (is_locked) {
    munlockall();
    status = lock_memory();
  } else {
    malloc_trim(0);
  }
  resident_before_bytes_ = resident_bytes();
  return status;
}

}  // namespace swaptrail::host
