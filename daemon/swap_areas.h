// The swap areas of this host.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "trace/recording/contents.h"

namespace swaptrail {

// Those of /proc/swaps, with what sysfs tells of their devices: rotational, synchronous
// (SWP_SYNCHRONOUS_IO: by the drivers that have it), and whether zswap stands before them. None if
// it can't be read. Any thread.
std::vector<SwapArea> host_swap_areas();

// The lines of a text like /proc/swaps; others are passed over. `now_ns` is monotonic.
std::vector<SwapArea> parse_swap_areas(std::string_view proc_swaps, uint64_t now_ns);

}  // namespace swaptrail
