// Swap areas, and the order in which the kernel uses them.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "trace/decode.h"

namespace swaptrail::engine {

// Slots whose folios the swap cache keeps in one address space (SWAP_ADDRESS_SPACE_SHIFT, _PAGES).
inline constexpr uint32_t kAddressSpaceShift = 14;
inline constexpr uint32_t kAddressSpaceSlots = 1 << kAddressSpaceShift;
inline constexpr int32_t kDefaultPriority = std::numeric_limits<int32_t>::min();
inline constexpr int32_t kMaxPriority = 32767;

struct Area {
  uint32_t type = 0;                    // below kMostAreaTypes
  uint64_t pages = 0;                   // slots with the header: 1 .. pages - 1 are real (si->max)
  int32_t priority = kDefaultPriority;  // else as /proc/swaps shows it
  bool rotational = false;              // not SWP_SOLIDSTATE
  bool block_device = true;             // a partition; a file gets no large slots
  bool local_node = false;              // its device is on the NUMA node of the CPUs
  std::vector<uint64_t> bad_pages;      // slots that mkswap found broken
};

// The size of an area in /proc/swaps does not include the header page.
inline constexpr uint64_t pages_of_size(uint64_t bytes, uint64_t page_bytes = 4096) {
  return bytes / page_bytes + 1;
}

// The priority of an area for which none was given (mm/swapfile.c: enable_swap_info).
enum class DefaultPriority : uint8_t {
  kFallingFrom1,  // -1, -2, ... in order of swapon; one list of areas for all nodes (4.4)
  kFallingFrom2,  // -2, -3, ...; one list per node, best: areas on that node (avail_lists[], to 6.18)
  kEqual,         // -1 for all, so that they take turns (avail_list, 6.19 and later)
};

// swap_active_head and swap_avail_head(s) of one node: areas by priority, equals in turn.
// A plain value of bounded size: copying it is cheap.
class AreaOrder {
 public:
  explicit AreaOrder(DefaultPriority rule = DefaultPriority::kEqual) : rule_(rule) {}

  // Adds an area as available, behind its equals. Returns its priority.
  // Errors: InvalidArgument for a type or priority out of range; AlreadyExists.
  absl::StatusOr<int32_t> add(const Area& area);
  // swapoff: lower default priorities move up by one, if they are falling ones. Errors: NotFound.
  absl::Status remove(uint32_t type);

  // Types of the areas that may have room, best first.
  std::span<const uint8_t> available() const { return {available_.data(), available_count_}; }
  // plist_requeue: puts it behind its equals, as whenever the kernel uses an area.
  void requeue(uint32_t type) {
    if (available_count_ > 1) reinsert(type);
  }
  void leave(uint32_t type);  // it is full (del_from_avail_list); no effect if it left before
  void enter(uint32_t type);  // it has room again (add_to_avail_list), behind its equals

  int32_t priority(uint32_t type) const { return places_[type].priority; }

 private:
  struct Place {
    int32_t priority = 0;
    int32_t rank = 0;  // plist_node.prio: lowest first
    bool active = false;
    bool available = false;
    bool local_node = false;
  };
  void reinsert(uint32_t type);
  int32_t rank_of(const Place& place) const;

  DefaultPriority rule_;
  int32_t least_ = 0;  // last default priority given, as a distance from the first
  std::array<Place, kMostAreaTypes> places_{};
  std::array<uint8_t, kMostAreaTypes> active_{};  // by priority, highest first
  size_t active_count_ = 0;
  std::array<uint8_t, kMostAreaTypes> available_{};  // by rank
  size_t available_count_ = 0;
};

}  // namespace swaptrail::engine
