// Whose pages are in the swap areas, and for how long.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "daemon/store/snapshot.h"

namespace swaptrail::store {

// Upper bounds of ages in nanoseconds; older pages go to one more bucket.
inline constexpr std::array<uint64_t, 7> kAgeBounds = {1'000'000'000,
                                                       10'000'000'000,
                                                       60'000'000'000,
                                                       600'000'000'000,
                                                       uint64_t{3600} * 1'000'000'000,
                                                       uint64_t{6} * 3600 * 1'000'000'000,
                                                       uint64_t{24} * 3600 * 1'000'000'000};

// Base pages everywhere.
struct AreaOwner {
  uint64_t cgroup = 0;
  uint64_t pages = 0;
};

struct AreaUse {
  uint32_t area = 0;
  uint64_t pages = 0;
  std::vector<AreaOwner> owners;                       // most pages first, ties by cgroup
  uint64_t other_pages = 0;                            // of cgroups that found no place in `owners`
  std::array<uint64_t, kAgeBounds.size() + 1> ages{};  // since they were freed
};

// Pages that were swapped out, and have neither come back nor lost their slot, as far as the store
// knows: evicted lifecycles are not counted. By number of area. `now_ns` is monotonic. At most
// `max_owners` for each area; at most `max_table` pairs of area and cgroup are distinguished while
// counting. `is_of_now`: whether entries of a type belonged, at that time, to the area that has the
// type now; others are left out. Releases the snapshot piece by piece. Any thread.
std::vector<AreaUse> query_areas(Snapshot snapshot, uint64_t now_ns, size_t max_owners = 100,
                                 size_t max_table = 65536, const Stop& stop = {},
                                 const std::function<bool(uint32_t, uint64_t)>& is_of_now = {});

}  // namespace swaptrail::store
