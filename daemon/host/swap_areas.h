// The swap areas of this host.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "daemon/host/area_types.h"

namespace swaptrail::host {

// The areas of /proc/swaps, with the properties of their devices in sysfs: rotational, synchronous
// (SWP_SYNCHRONOUS_IO: for the drivers that have it), and whether zswap is in front of them. Their
// types are not known (daemon/host/area_watch has them). None if it can't be read. Any thread.
std::vector<SeenArea> host_swap_areas();

// The same for a text like /proc/swaps; other lines are skipped. `now_ns` is monotonic. Types,
// files and devices are not known.
std::vector<SeenArea> parse_swap_areas(std::string_view proc_swaps, uint64_t now_ns);
// Fills in the file and the device's properties from its path. What can't be found stays unknown.
void describe(SeenArea& seen);

}  // namespace swaptrail::host
