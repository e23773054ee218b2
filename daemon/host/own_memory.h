// The daemon's own memory: out of swap, and given back when it is not used.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "daemon/host/proc.h"

namespace swaptrail::host {

// Makes all threads share two heaps of malloc(). glibc would make up to eight for each CPU (malloc/arena.c
// arena_get2), each with its own holes between live blocks: the more CPUs, the more a burst of clients would cost.
// Call it once, before the first thread.
void share_heaps();

// Keeps the daemon's own pages out of swap: it must never wait for what it watches. Pages are locked as
// they are touched. Free memory is given back first: a start needs more than the rest of a run. Any
// thread. Errors: PermissionDenied; the daemon can continue without the lock.
absl::Status lock_memory();

// Gives free memory of malloc() back to the kernel. glibc uses MADV_DONTNEED for that, which the kernel refuses
// for locked memory (mm/madvise.c madvise_dontneed_free_valid_vma): what a burst of clients took would stay for
// good. So memory is unlocked meanwhile, for some milliseconds. One thread.
class UnusedMemory {
 public:
  static constexpr uint64_t kWorthIt_bytes = 8 << 20;
  static constexpr uint64_t kEvery_ns = 20'000'000'000;

  // Does it if more than kWorthIt_bytes became resident since the last time, or since this was made; and in any case
  // kEvery_ns after the last time, because what was in use then may be free now. Call it every few seconds, with the
  // monotonic time. Errors: of lock_memory(), if memory was locked and is no longer.
  absl::Status give_back(uint64_t now_ns);

 private:
  uint64_t resident_before_bytes_ = resident_bytes();
  uint64_t done_ns_ = 0;
};

}  // namespace swaptrail::host
