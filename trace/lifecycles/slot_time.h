// When a lifecycle's swap entry was its own.
#pragma once

#include <cstdint>

#include "trace/lifecycle.h"

namespace swaptrail {

// A moment at which `entry` was its own, CLOCK_MONOTONIC nanoseconds: the number of a swap area goes to
// another device after swapoff, so an entry needs a time to be named. While it is open and the
// allocation was not seen, the largest time there is, for now.
inline uint64_t slot_time_ns(const Lifecycle& lifecycle) {
  const uint64_t allocated_ns = lifecycle.at(Stage::kSlotAllocated);
  if (allocated_ns != 0) return allocated_ns;
  return lifecycle.closed_ns != 0 ? lifecycle.closed_ns : ~uint64_t{0};
}

}  // namespace swaptrail
