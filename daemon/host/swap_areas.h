// The swap areas of this host.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "daemon/host/area_types.h"

namespace swaptrail {

// Those of /proc/swaps, with what sysfs says of their devices: rotational, synchronous
// (SWP_SYNCHRONOUS_IO: by the drivers that have it), and whether zswap stands before them. Their types
// are not known (daemon/host/area_watch has them). None if it can't be read. Any thread.
std::vector<SeenArea> host_swap_areas();

// The same of a text like /proc/swaps; other lines are passed over. `now_ns` is monotonic. Types,
// files and devices are not known.
std::vector<SeenArea> parse_swap_areas(std::string_view proc_swaps, uint64_t now_ns);
// Looks at its path: the file, and the device's properties. What can't be found stays unknown.
void describe(SeenArea& seen);

}  // namespace swaptrail
