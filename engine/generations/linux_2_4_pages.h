// Linux 2.4: frames, and the lists that they are on (mm/swap.c, mm/page_alloc.c).
//
// A frame is free, or on one of three lists, or on none: anonymous memory gets on a list with its swap entry, when swap_out()
// takes it from a process. New pages go to the head of a list, and scans take from its tail.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/generations/frame_ring.h"

namespace swaptrail::engine::linux_2_4 {

// Of an allocation, include/linux/mm.h.
inline constexpr unsigned kGfpWait = 1;  // __GFP_WAIT: may sleep
inline constexpr unsigned kGfpIo = 2;    // __GFP_IO: may write, and wait for kswapd, which may
inline constexpr unsigned kGfpUser = kGfpWait | kGfpIo;
inline constexpr unsigned kGfpKswapd = kGfpIo;
inline constexpr unsigned kDefPriority = 6;  // DEF_PRIORITY, of the first try; 0 is the hardest

// What the generation does beside GenerationCounters.
struct Counters24 {
  uint64_t kswapd_runs = 0;
  uint64_t kreclaimd_runs = 0;
  uint64_t bdflush_wakeups = 0;
  uint64_t slab_reaps = 0;      // kmem_cache_reap: there is no slab here, nor the next two
  uint64_t dcache_shrinks = 0;  // shrink_dcache_memory
  uint64_t icache_shrinks = 0;  // shrink_icache_memory
  uint64_t oom_kills = 0;
  uint64_t image_reads = 0;
  uint64_t dead_pages = 0;   // dirty pages of the swap cache that nobody uses: not written
  uint64_t file_writes = 0;  // by a region's own method
};

enum class List24 : uint8_t { kNone, kFree, kActive, kInactiveDirty, kInactiveClean };

struct Page24 {         // struct page
  uint64_t index = 0;   // in_swap_cache: the entry; in_file: the page of the file
  uint32_t place = 0;   // on its list
  uint32_t object = 0;  // in_file: which
  uint32_t count = 0;   // page_count: entries that map it, and one for the cache that it is in
  uint8_t age = 0;
  List24 list = List24::kFree;
  uint8_t zone = 0;
  bool referenced : 1 = false;     // PG_referenced
  bool dirty : 1 = false;          // PG_dirty
  bool locked : 1 = false;         // PG_locked
  bool in_swap_cache : 1 = false;  // PG_swap_cache
  bool in_file : 1 = false;        // page->mapping of a file or segment
  bool readahead : 1 = false;      // read from swap, and not used yet
  bool written : 1 = false;        // to its slot, since it came to memory
  bool mapping() const { return in_swap_cache || in_file; }
};

inline constexpr uint8_t kPageAgeStart = 2;  // PAGE_AGE_START, include/linux/swap.h
inline constexpr uint8_t kPageAgeAdv = 3;    // PAGE_AGE_ADV
inline constexpr uint8_t kPageAgeMax = 64;   // PAGE_AGE_MAX

class Pages24 {
 public:
  struct Zone {  // zone_t
    uint64_t size = 0;
    std::vector<uint32_t> free;  // free_area
    FrameRing inactive_clean_list;
    uint64_t pages_min = 0, pages_low = 0, pages_high = 0;
    uint64_t free_pages() const { return free.size(); }
    uint64_t inactive_clean_pages() const { return inactive_clean_list.count(); }
  };
  static constexpr uint32_t kEnd = FrameRing::kNone;

  // One zone behind the other, with so many frames each: the first is the last that is taken from.
  explicit Pages24(std::span<const uint64_t> zones);

  Page24& operator[](uint32_t frame) { return mem_map_[frame]; }
  const Page24& operator[](uint32_t frame) const { return mem_map_[frame]; }
  std::span<Zone> zones() { return zones_; }
  std::span<const Zone> zones() const { return zones_; }
  uint64_t nr_free_pages() const { return nr_free_pages_; }
  uint64_t nr_active_pages() const { return active_list_.count(); }
  uint64_t nr_inactive_dirty_pages() const { return inactive_dirty_list_.count(); }
  uint64_t nr_inactive_clean_pages() const { return nr_inactive_clean_pages_; }
  const FrameRing& active_list() const { return active_list_; }
  const FrameRing& inactive_dirty_list() const { return inactive_dirty_list_; }
  // The frame that is longest on the list; kEnd: it is empty.
  uint32_t oldest_active() { return tail(active_list_); }
  uint32_t oldest_inactive_dirty() { return tail(inactive_dirty_list_); }
  uint32_t oldest_inactive_clean(Zone& zone) { return tail(zone.inactive_clean_list); }
  // freepages: sums of the zones' watermarks.
  uint64_t freepages_min() const { return min_; }
  uint64_t freepages_low() const { return low_; }
  uint64_t freepages_high() const { return high_; }

  // mm/page_alloc.c. rmqueue: a free frame of the zone, with one user and age 2; kEnd: none. free: its last user is gone.
  uint32_t rmqueue(Zone& zone);
  void free(uint32_t frame);

  // include/linux/swap.h: add_page_to_active_list and so on, del_page_from_*_list. The frame is on no other list.
  void add(uint32_t frame, List24 list);
  void remove(uint32_t frame);  // from the list it is on, if it is on one
  void move(uint32_t frame, List24 list) { remove(frame), add(frame, list); }
  void requeue(uint32_t frame) { move(frame, mem_map_[frame].list); }  // to the head of its list

  // mm/swap.c
  void age_page_up(uint32_t frame);
  void age_page_down_ageonly(uint32_t frame);
  void activate_page(uint32_t frame);
  // `users`: who holds it beside the cache, such as the caller.
  void deactivate_page(uint32_t frame, uint32_t users = 1);
  void lru_cache_add(uint32_t frame);

 private:
  FrameRing& chain(uint32_t frame, List24 list);
  uint32_t tail(FrameRing& list) {
    return list.tail([this](uint32_t soon) { __builtin_prefetch(&mem_map_[soon], 1); });
  }

  std::vector<Page24> mem_map_;
  std::vector<Zone> zones_;
  FrameRing active_list_, inactive_dirty_list_;
  uint64_t nr_free_pages_ = 0, nr_inactive_clean_pages_ = 0;
  uint64_t min_ = 0, low_ = 0, high_ = 0;
};

}  // namespace swaptrail::engine::linux_2_4
