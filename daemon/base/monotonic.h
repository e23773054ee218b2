// The clock of everything that is observed: bpf_ktime_get_ns() is this one.
#pragma once

#include <time.h>

#include <cstdint>

namespace swaptrail::base {

// CLOCK_MONOTONIC. Any thread.
inline uint64_t monotonic_ns() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

}  // namespace swaptrail::base
