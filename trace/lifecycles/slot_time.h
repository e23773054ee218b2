// A time at which a lifecycle owned its swap entry.
#pragma once

#include <cstdint>

#include "trace/lifecycle.h"

namespace swaptrail::lifecycles {

// A moment at which the lifecycle owned `entry`, CLOCK_MONOTONIC nanoseconds. After swapoff the number
// of a swap area goes to another device, so an entry needs a time to be named. For an open lifecycle
// whose allocation was not seen: the largest possible time, for now.
inline uint64_t slot_time_ns(const Lifecycle& lifecycle) {
  const uint64_t allocated_ns = lifecycle.at(Stage::kSlotAllocated);
  if (allocated_ns != 0) return allocated_ns;
  return lifecycle.closed_ns != 0 ? lifecycle.closed_ns : ~uint64_t{0};
}

}  // namespace swaptrail::lifecycles
