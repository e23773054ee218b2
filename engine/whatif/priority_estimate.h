// Where pages would have gone if the swap areas had other priorities, and how long it would have taken to get them back.
//
// Every slot that the kernel gave, and every one that was freed, is replayed on the same areas: a page gets a slot in the area of
// the highest priority that has room, and areas of the same priority take turns, as in get_swap_pages (mm/swapfile.c). A page
// that waits for another area than it did is given what was measured of waits for that area: by the median, and by the
// mean, which are the two bounds.
//
// Some areas free a page's slot when it comes back, such as zram, which the kernel reads without the swap cache; others keep it,
// so that the page need not be written again. Which an area does is learnt from the recording. A page that would have been in
// an area of the first kind needs a new slot when it leaves again.
//
// It assumes that areas are as fast with more work as they were with less, that they were there all the time, and that
// what was in swap before the recording began stays where it is. A page behind zswap waits as it did.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "bpf/event.h"
#include "engine/whatif/rough_histogram.h"
#include "trace/lifecycle.h"

namespace swaptrail::engine {

// One swap area: how it was, and the priority that it would have.
struct PriorityArea {
  uint32_t type = 0;
  uint64_t pages = 0;  // that it has room for
  uint64_t used = 0;   // when the recording began
  int32_t priority = 0;
  bool synchronous = false;  // taken to free slots of pages that come back, until that was seen
};

// Of one area, or of all.
struct AreaLoad {
  uint64_t given = 0;      // pages that got a slot there
  uint64_t most_used = 0;  // pages at a time
  uint64_t faults = 0;     // major ones, on its pages
  uint64_t low_wait_ns = 0, high_wait_ns = 0;
  bool wait_known =
      true;  // false: pages would have come from an area of which no wait was measured
};

// Not thread-safe. About 100 bytes for each slot in use, 8 Mi of them at most.
class PriorityEstimate {
 public:
  explicit PriorityEstimate(const std::vector<PriorityArea>& areas);

  void on_event(const swaptrail_event& event);
  void on_lifecycle(const Lifecycle& lifecycle);
  void on_return(const Return& back);

  // In the order of the areas. `seen`: as it was, by the areas that pages really had.
  std::vector<AreaLoad> seen() const;
  std::vector<AreaLoad> estimated() const;
  uint64_t without_room() const {
    return without_room_;
  }  // pages for which no area had room: left where they were
  uint64_t not_followed() const { return not_followed_; }  // pages whose slot or area is not known

 private:
  static constexpr size_t kMostSlots = size_t{1} << 23;
  static constexpr size_t kNoArea = ~size_t{0};
  static constexpr uint8_t kNoSlot = 0xff;  // in the recording it has one
  struct Area {
    PriorityArea about;
    AreaLoad seen, other;
    uint64_t used_seen = 0, used_other = 0;
    RoughHistogram waits;          // measured
    uint64_t own_wait_ns = 0;      // of faults on pages that are there in both
    uint64_t kept = 0, freed = 0;  // slots of pages that had come back, as these left again
    uint64_t moved_faults = 0;     // on pages that would have been here, and were elsewhere
  };

  struct Slot {
    uint8_t area = kNoSlot;  // it would be in
    bool back = false;       // its page came back
  };

  size_t area_of(uint64_t entry) const;  // kNoArea: it is none of ours
  size_t choose(uint64_t pages);
  size_t give(size_t seen, uint64_t pages);
  static bool frees_returned(const Area& area);
  void come_back(uint64_t entry);
  void on_allocated(const swaptrail_event& event);
  void on_freed(const swaptrail_event& event);

  std::vector<Area> areas_;
  std::vector<size_t>
      order_;  // by priority, the highest first; who had a turn goes behind its equals
  absl::flat_hash_map<uint64_t, Slot> slots_;  // by entry: the area that it would be in
  absl::flat_hash_map<uint64_t, uint8_t>
      away_;  // the same, of pages in swap: the slot is freed before the fault is over
  uint64_t without_room_ = 0, not_followed_ = 0;
};

}  // namespace swaptrail::engine
