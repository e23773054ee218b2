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

// One of the lists, as a ring of frames in their order: a page that leaves from the middle leaves a hole. So reclaim, which
// takes from the tail, reads what lies together, where the kernel follows links.
class LruRing {
 public:
  explicit LruRing(uint32_t frames);  // at most so many pages
  // To the head; its place. `moved(frame, place)` for pages that get another place.
  template <typename Moved>
  uint32_t add(uint32_t frame, Moved moved) {
    if (head_ - tail_ == ring_.size()) close_holes(moved);
    ring_[head_ & mask_] = frame;
    ++size_;
    return static_cast<uint32_t>(head_++ & mask_);
  }
  void del(uint32_t place);
  uint64_t size() const { return size_; }
  // Up to `count` pages from the tail on.
  void oldest(uint64_t count, std::vector<uint32_t>& frames) const;
  uint32_t tail() const { return size_ == 0 ? kNoPage : ring_[tail_ & mask_]; }
  uint32_t towards_head(uint32_t place) const;

 private:
  template <typename Moved>
  void close_holes(Moved moved) {
    uint64_t to = tail_;
    for (uint64_t from = tail_; from != head_; ++from) {
      const uint32_t frame = ring_[from & mask_];
      if (frame == kNoPage) continue;
      ring_[to & mask_] = frame;
      moved(frame, static_cast<uint32_t>(to++ & mask_));
    }
    head_ = to;
  }

  std::vector<uint32_t> ring_;  // kNoPage: a hole. Twice as large as need be
  uint64_t mask_;
  uint64_t tail_ = 0, head_ = 0;  // [tail_, head_); no hole is at the tail
  uint64_t size_ = 0;
};

class Zone {
 public:
  explicit Zone(uint32_t frames);

  uint32_t frames() const { return frames_; }
  uint64_t nr_free() const { return free_.size(); }
  // NR_ACTIVE, NR_INACTIVE.
  uint64_t nr_list(LruList list) const { return lists_[index(list)].size(); }
  uint64_t nr_lru() const { return lists_[0].size() + lists_[1].size(); }

  Page& page(uint32_t frame) { return pages_[frame]; }
  const Page& page(uint32_t frame) const { return pages_[frame]; }
  uint64_t& content(uint32_t frame) { return contents_[frame]; }
  const uint64_t& content(uint32_t frame) const { return contents_[frame]; }

  // zone_watermark_ok for one page: more than `mark` are free.
  bool watermark_ok(uint64_t mark) const { return free_.size() > mark; }
  // A frame with the count 1 and no flags; there must be one.
  uint32_t take_free();
  // A hint: so many frames will be taken soon.
  void prefetch_free(uint64_t count) const;
  // free_page: count 0, on no list. The zone may be reclaimable again.
  void give_free(uint32_t frame);

  // add_page_to_active_list, add_page_to_inactive_list: to the head, with PG_lru and PG_active as the list has them.
  void add(uint32_t frame, LruList list);
  // Off its list, and no PG_lru: isolate_lru_pages, del_page_from_lru. PG_active stays.
  void del(uint32_t frame);
  // The page that is longest on the list; kNoPage: it is empty.
  uint32_t tail(LruList list) const { return lists_[index(list)].tail(); }
  // Up to `count` pages of the list, from the tail on.
  void oldest(LruList list, uint64_t count, std::vector<uint32_t>& frames) const;
  // Which list the frame is on; only with PG_lru.
  LruList list_of(uint32_t frame) const {
    return pages_[frame].has(kPageActive) ? LruList::kActive : LruList::kInactive;
  }
  // The next one towards the head; kNoPage: it is the head.
  uint32_t towards_head(uint32_t frame) const {
    return lists_[index(list_of(frame))].towards_head(pages_[frame].place);
  }

  uint64_t pages_min = 0, pages_low = 0, pages_high = 0;  // in frames that are free
  uint64_t pages_scanned = 0;                             // since a page was freed
  uint64_t nr_scan_active = 0, nr_scan_inactive = 0;      // looks that are due
  uint64_t nr_anon_pages = 0;                             // mapped (NR_ANON_PAGES)
  int prev_priority = kDefPriority;                       // of the last reclaim: how hard it was
  bool all_unreclaimable = false;                         // kswapd gave up

 private:
  static uint32_t index(LruList list) { return static_cast<uint32_t>(list); }

  uint32_t frames_;
  std::vector<Page> pages_;
  std::vector<uint64_t> contents_;
  std::vector<uint32_t> free_;
  LruRing lists_[2];
};

}  // namespace swaptrail::engine::linux_2_6
