// The swap areas of Linux 2.6 and their slots (mm/swapfile.c of 2.6.24).
//
// How a slot is chosen. The areas are a list by priority, linked by `next` from swap_list.head. swap_list.next is the area
// in use: there the search begins. After each slot it moves on to the next area of the same priority, or back to the first
// of them, so that equals take turns. An area that is full is passed over, in order of priorities. In the area, slots are
// given out in clusters: 256 in a row from an empty run of 256, so that pages that leave memory together lie together.
// Where there is no such run, the next free slot is taken.
//
// Each slot has a count, swap_map: one for the swap cache, one for each page table entry that names the slot. 0 is free.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "engine/generations/generation.h"
#include "engine/steps/area.h"

namespace swaptrail::engine::linux_2_6 {

inline constexpr uint64_t kSwapfileCluster = 256;  // SWAPFILE_CLUSTER
inline constexpr uint16_t kSwapMapMax =
    0x7fff;  // SWAP_MAP_MAX: the count is lost, the slot stays taken
inline constexpr uint16_t kSwapMapBad = 0x8000;  // SWAP_MAP_BAD: the header, or a broken slot

// Which slots of an area are free. The kernel looks at swap_map slot by slot; this finds the same slots faster. A set of
// bits, one for each word that is not 0, and one for each block of 256 slots in which a run of 256 free ones begins.
class FreeSlots {
 public:
  explicit FreeSlots(uint64_t slots = 0);  // all taken
  void take(uint64_t slot);
  void put(uint64_t slot);
  // The first free slot in [from, end), or `end`.
  uint64_t first_free(uint64_t from, uint64_t end) const;
  // Where the first run of 256 free slots begins, if there is one.
  std::optional<uint64_t> first_run() const;

 private:
  uint64_t free_at_begin(uint64_t block) const;
  uint64_t free_at_end(uint64_t block) const;
  void note_run(uint64_t block);
  void changed(uint64_t slot);

  std::vector<uint64_t> words_;  // 1: free
  std::vector<uint64_t> some_;   // a bit for each word that is not 0
  std::vector<uint64_t> runs_;   // a bit for each block in which a run begins
};

// struct swap_info_struct.
struct SwapInfo {
  bool used = false;  // SWP_USED and SWP_WRITEOK
  int32_t prio = 0;
  int32_t next = -1;          // the area behind it in the list, -1: none
  uint64_t max = 0;           // slots with the header
  uint64_t pages = 0;         // without the header and bad slots
  uint64_t inuse_pages = 0;   // of `pages`: taken
  uint64_t lowest_bit = 0;    // no slot below it is free
  uint64_t highest_bit = 0;   // no slot above it is free; 0: none is
  uint64_t cluster_next = 0;  // the slot to try next
  uint64_t cluster_nr = 0;    // slots left of the cluster
  std::vector<uint16_t> swap_map;
  FreeSlots free;
};

// struct swap_list_t.
struct SwapList {
  int32_t head = -1;  // the area of the highest priority
  int32_t next = -1;  // the area in use
};

class SwapAreas {
 public:
  // sys_swapon: behind all areas of higher priority, before its equals. Without a priority of its own it gets one less than
  // the last that was given so: -1, -2, ... False: the type is in use or out of range, or there is no slot.
  bool swapon(const Area& area);

  // The entry of a free slot, whose count is 1 then; 0: swap is full, or there is none.
  uint64_t get_swap_page();
  // A free slot of the area, whose count is 1 then; 0: there is none. Leaves nr_swap_pages and the list alone.
  uint64_t scan_swap_map(SwapInfo& area);
  // Counts one more user of a slot that has some. False: it is free, bad, or there is no such slot (ENOENT).
  bool swap_duplicate(uint64_t entry);
  // One user less; the slot is free when none is left. What is left. `entry` must have users.
  uint16_t swap_free(uint64_t entry);

  // More than half of all slots are taken: then the cache gives back slots early (include/linux/swap.h).
  bool vm_swap_full() const { return nr_swap_pages_ * 2 < total_swap_pages_; }
  // How many slots in a row, from `first` on, are worth reading together with `entry`: those in its aligned block of
  // 2^page_cluster, up to the first that is free or bad. 0 if page_cluster is 0.
  uint32_t valid_swaphandles(uint64_t entry, uint32_t page_cluster, uint64_t& first) const;

  // A hint: the count of the slot, which there must be, will be needed.
  void prefetch(uint64_t entry) const {
    __builtin_prefetch(&swap_info_[entry_type(entry)].swap_map[entry_offset(entry)], 1);
  }
  uint16_t swap_map(uint64_t entry) const;  // 0 also if there is no such slot
  uint64_t nr_swap_pages() const { return nr_swap_pages_; }
  uint64_t total_swap_pages() const { return total_swap_pages_; }
  const SwapList& swap_list() const { return swap_list_; }
  SwapInfo& swap_info(uint32_t type) { return swap_info_[type]; }
  const SwapInfo& swap_info(uint32_t type) const { return swap_info_[type]; }

 private:
  void insert(uint32_t type);
  int32_t next_of_equals(int32_t type) const;  // or the first of them
  uint64_t take(SwapInfo& area, uint64_t offset);

  std::array<SwapInfo, kMostAreaTypes> swap_info_;
  SwapList swap_list_;
  uint64_t nr_swap_pages_ = 0;     // free slots of all areas
  uint64_t total_swap_pages_ = 0;  // slots of all areas
  int32_t least_priority_ = 0;
};

}  // namespace swaptrail::engine::linux_2_6
