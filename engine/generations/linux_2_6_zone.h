// The memory of Linux 2.6: one zone with its frames, free ones, watermarks and the two LRU lists (include/linux/mmzone.h,
// include/linux/mm_inline.h).
#pragma once

#include <cstdint>
#include <vector>

#include "engine/generations/linux_2_6_pages.h"

namespace swaptrail::engine::linux_2_6 {

inline constexpr int kDefPriority = 12;          // DEF_PRIORITY
inline constexpr uint32_t kSwapClusterMax = 32;  // SWAP_CLUSTER_MAX
inline constexpr uint32_t kSwappiness = 60;      // vm_swappiness
enum class LruList : uint8_t { kActive, kInactive };

class Zone {
 public:
  explicit Zone(uint32_t frames);

  uint32_t frames() const { return frames_; }
  uint64_t nr_free() const { return free_.size(); }
  uint64_t nr_list(LruList list) const { return nr_[index(list)]; }  // NR_ACTIVE, NR_INACTIVE
  uint64_t nr_lru() const { return nr_[0] + nr_[1]; }

  Page& page(uint32_t frame) { return pages_[frame]; }
  const Page& page(uint32_t frame) const { return pages_[frame]; }
  uint64_t& content(uint32_t frame) { return contents_[frame]; }
  uint64_t content(uint32_t frame) const { return contents_[frame]; }

  // zone_watermark_ok for one page: more than `mark` are free.
  bool watermark_ok(uint64_t mark) const { return free_.size() > mark; }
  // A frame with the count 1 and no flags; there must be one.
  uint32_t take_free();
  // free_page: count 0, on no list. The zone may be reclaimable again.
  void give_free(uint32_t frame);

  // add_page_to_active_list, add_page_to_inactive_list: to the head, with PG_lru and PG_active as the list has them.
  void add(uint32_t frame, LruList list);
  // Off its list, and no PG_lru: isolate_lru_pages, del_page_from_lru. PG_active stays.
  void del(uint32_t frame);
  // The page that is longest on the list; kNoPage: it is empty.
  uint32_t tail(LruList list) const;
  // Which list the frame is on; only with PG_lru.
  LruList list_of(uint32_t frame) const {
    return pages_[frame].has(kPageActive) ? LruList::kActive : LruList::kInactive;
  }
  // The next one towards the head; kNoPage: it is the head.
  uint32_t towards_head(uint32_t frame) const;

  uint64_t pages_min = 0, pages_low = 0, pages_high = 0;  // in frames that are free
  uint64_t pages_scanned = 0;                             // since a page was freed
  uint64_t nr_scan_active = 0, nr_scan_inactive = 0;      // looks that are due
  uint64_t nr_anon_pages = 0;                             // mapped (NR_ANON_PAGES)
  int prev_priority = kDefPriority;                       // of the last reclaim: how hard it was
  bool all_unreclaimable = false;                         // kswapd gave up

 private:
  static uint32_t index(LruList list) { return static_cast<uint32_t>(list); }
  uint32_t head(LruList list) const { return frames_ + index(list); }

  uint32_t frames_;
  std::vector<Page> pages_;  // and the heads of the two lists
  std::vector<uint64_t> contents_;
  std::vector<uint32_t> free_;
  uint64_t nr_[2] = {0, 0};
};

}  // namespace swaptrail::engine::linux_2_6
