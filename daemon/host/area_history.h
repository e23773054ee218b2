// Which swap area had which type at which time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "daemon/host/area_types.h"

namespace swaptrail::host {

inline constexpr uint64_t kStillOn = ~uint64_t{0};

// An area from swapon to swapoff. Times are CLOCK_MONOTONIC nanoseconds.
struct AreaInstance {
  uint32_t number = 0;           // 1, 2, ... in the order in which they were seen
  uint64_t since_ns = 0;         // 0 = from before the start
  uint64_t until_ns = kStillOn;  // when it was seen to be gone
  SeenArea seen;                 // as first seen; its type may be learnt later
};

// An immutable snapshot of the areas. Any thread.
struct AreaTimeline {
  std::vector<AreaInstance> instances;  // by number
  uint64_t forgotten = 0;               // the oldest that were off, for lack of room

  // The area that an entry of this type belonged to at that time; null if not known. Entries may be
  // mentioned after their area is gone: until another area takes the type, it stays that area's.
  const AreaInstance* find(uint32_t type, uint64_t at_ns) const;
  // The area that is on and looks like this line of /proc/swaps; null if none.
  const AreaInstance* find(const SeenArea& line) const;
};

// Makes the snapshots. One thread.
class AreaHistory {
 public:
  explicit AreaHistory(size_t most = 256) : most_(most) {}

  // The areas that are on now. `lines` have their types as far as known. `before_ns` is the last time
  // at which the previous list was known to be right: new areas may have existed since then. Returns
  // the numbers of areas that are new, gone, or have another type than before.
  std::vector<uint32_t> update(std::span<const SeenArea> lines, uint64_t before_ns,
                               uint64_t now_ns);

  // Never null.
  std::shared_ptr<const AreaTimeline> newest() const { return newest_; }

 private:
  const size_t most_;  // areas that are on are never forgotten
  uint32_t last_number_ = 0;
  std::shared_ptr<const AreaTimeline> newest_ = std::make_shared<AreaTimeline>();
};

}  // namespace swaptrail::host
