// In which order pages are looked at by reclaim: two lists with a second chance, or generations.
//
// mm/vmscan.c: shrink_inactive_list, shrink_active_list; lru_gen_add_folio, scan_folios, sort_folio.
// Sizes are in base pages. All folios are swap-backed: there is no list of files.
#ifndef SWAPTRAIL_ENGINE_LRU_H_
#define SWAPTRAIL_ENGINE_LRU_H_

#include <array>
#include <cstdint>
#include <vector>

#include "engine/frames.h"

namespace swaptrail::engine {

inline constexpr uint32_t kInactive = 0;  // of the two lists
inline constexpr uint32_t kActive = 1;
inline constexpr uint32_t kGenerations = 4;       // MAX_NR_GENS
inline constexpr uint32_t kMinGenerations = 2;    // MIN_NR_GENS: these are not reclaimed
inline constexpr uint32_t kBatch = 32;            // SWAP_CLUSTER_MAX
inline constexpr uint32_t kGenerationBatch = 64;  // MAX_LRU_BATCH

class Lru {
 public:
  // The frames must outlive it.
  Lru(FrameTable& frames, bool generations);

  // By the folio's flags. `faulted`: a page fault brought it in (lru_gen_in_fault).
  void add(uint32_t frame, bool faulted);
  void remove(uint32_t frame);
  bool has(uint32_t frame) const { return links_[frame].list != kNone; }
  // folio_rotate_reclaimable: it was written, and goes to the end where reclaim looks first.
  void rotate(uint32_t frame);
  // Takes off what reclaim is to look at next: folios of at most `max` pages together, at least one
  // if there is any that may go; `scanned` counts the pages it passed over, too.
  void isolate(uint32_t max, std::vector<uint32_t>& out, uint32_t& scanned);

  uint64_t size() const { return sizes_[0] + sizes_[1] + sizes_[2] + sizes_[3]; }

  // ---- two lists
  uint64_t inactive() const { return sizes_[kInactive]; }
  uint64_t active() const { return sizes_[kActive]; }
  // inactive_is_low, for less than a gigabyte: the lists are to be of one size.
  bool inactive_is_low() const { return inactive() < active(); }
  // The oldest active folio becomes inactive; kNoFrame: there is none.
  uint32_t deactivate();
  // What has left or was activated so far: ages of shadows (lruvec->nonresident_age).
  uint64_t age() const { return age_; }
  void grow_older(uint32_t pages) { age_ += pages; }

  // ---- generations
  // Few are left: the page tables must be walked before more is evicted (should_run_aging).
  bool wants_generation() const { return newest_ - oldest_ < kMinGenerations; }
  void begin_generation() { ++newest_; }
  // It was found young in that walk: it is moved when reclaim comes to it.
  void promote(uint32_t frame) { links_[frame].sequence = newest_; }

 private:
  static constexpr uint8_t kNone = 0xff;
  struct Link {
    uint32_t previous = kNoFrame;
    uint32_t next = kNoFrame;
    uint64_t sequence = 0;  // generation it belongs to; its list may still be an older one
    uint32_t pages = 1;
    uint8_t list = kNone;
  };
  struct List {
    uint32_t head = kNoFrame;
    uint32_t tail = kNoFrame;
  };

  void insert(uint32_t frame, uint32_t list, bool at_tail);
  uint64_t generation_for(const Folio& folio) const;
  void isolate_inactive(uint32_t max, std::vector<uint32_t>& out, uint32_t& scanned);
  void isolate_oldest(uint32_t max, std::vector<uint32_t>& out, uint32_t& scanned);
  bool sort(uint32_t frame);
  void retire_empty();

  FrameTable& frames_;
  bool generations_;
  std::vector<Link> links_;
  std::array<List, kGenerations> lists_{};
  std::array<uint64_t, kGenerations> sizes_{};
  uint64_t age_ = 0;
  uint64_t oldest_ = 0;                    // min_seq
  uint64_t newest_ = kMinGenerations + 1;  // max_seq
};

}  // namespace swaptrail::engine

#endif  // SWAPTRAIL_ENGINE_LRU_H_
