// The order in which reclaim looks at pages: two lists with a second chance, or generations.
//
// mm/vmscan.c: shrink_inactive_list, shrink_active_list; scan_folios, sort_folio, folio_update_gen.
// Sizes are in base pages. All folios are swap-backed: there is no list of files.
// lru.cpp: the common part and the two lists; lru_generations.cpp: generations.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "engine/machine/frames.h"
#include "engine/steps/features.h"

namespace swaptrail::engine {

inline constexpr uint32_t kInactive = 0;  // of the two lists
inline constexpr uint32_t kActive = 1;
inline constexpr uint32_t kMostGenerations = 4;   // MAX_NR_GENS
inline constexpr uint32_t kMinGenerations = 2;    // MIN_NR_GENS: these are not reclaimed
inline constexpr uint32_t kTiers = 4;             // MAX_NR_TIERS
inline constexpr uint32_t kBatch = 32;            // SWAP_CLUSTER_MAX
inline constexpr uint32_t kGenerationBatch = 64;  // MIN_LRU_BATCH: folios isolated at once
inline constexpr uint32_t kMostScanned = 4096;    // MAX_LRU_BATCH: folios looked at for them

// How many folios of each tier left and came back. A tier that does worse than the first is spared
// (mm/vmscan.c: get_tier_idx, positive_ctrl_err).
class Tiers {
 public:
  void evicted(uint32_t tier) { ++evicted_[tier]; }
  void refaulted(uint32_t tier) { ++refaulted_[tier]; }
  void spared(uint32_t tier) { ++evicted_[tier]; }  // lrugen->protected: part of the same total
  void carry_over();                                // reset_ctrl_pos
  uint32_t highest_evicted() const;

 private:
  std::array<uint64_t, kTiers> evicted_{};
  std::array<uint64_t, kTiers> refaulted_{};
  std::array<uint64_t, kTiers> average_total_{};
  std::array<uint64_t, kTiers> average_refaulted_{};
};

class Lru {
 public:
  // The frames must outlive it.
  Lru(FrameTable& frames, const Features& features);

  void renew(uint32_t frame) { links_[frame] = Link{}; }  // it was just allocated
  // A page fault brought it in: it goes on a list once there are kFaultBatch such folios
  // (folio_add_lru).
  void add_faulted(uint32_t frame);
  void drain();  // lru_add_drain: afterwards they are on their lists
  // Reclaim is done with it (move_folios_to_lru). Where it goes depends on the folio's flags.
  void put_back(uint32_t frame);
  void remove(uint32_t frame);
  bool has(uint32_t frame) const { return links_[frame].list < kPending; }
  // Of two lists: to the active one, now or when it gets to its list (mm/swap.c: activate_page).
  void activate_page(uint32_t frame);
  // folio_rotate_reclaimable: it was written, and goes to the end where reclaim looks first.
  void rotate(uint32_t frame);
  // Takes off the folios that reclaim looks at next: up to kBatch or kGenerationBatch pages, but at
  // most `most`. Returns how many pages it looked at.
  uint32_t isolate(uint32_t most, std::vector<uint32_t>& out);

  uint64_t size() const { return sizes_[0] + sizes_[1] + sizes_[2] + sizes_[3]; }
  // What is remembered of a folio that leaves (workingset_eviction).
  uint64_t shadow_of(const Folio& folio);
  // It comes back (workingset_refault).
  void refault(uint32_t frame, uint64_t shadow);

  // ---- two lists
  uint64_t inactive() const { return sizes_[kInactive]; }
  uint64_t active() const { return sizes_[kActive]; }
  // inactive_is_low, for less than a gigabyte: both lists should have the same size.
  bool inactive_is_low() const { return inactive() < active(); }
  // The oldest active folio becomes inactive; kNoFrame: there is none.
  uint32_t deactivate();
  // lru_note_cost: pages were written. It determines the share of a list that is scanned.
  void note_cost(uint64_t pages);
  uint64_t scan_share(uint64_t pages) const;
  uint64_t activated() const { return activated_; }  // WORKINGSET_ACTIVATE_ANON

  // ---- generations
  bool wants_generation(int8_t priority) const;  // should_run_aging
  bool only_generation() const { return oldest_ + kMinGenerations > newest_; }
  void begin_generation();  // inc_max_seq
  uint64_t newest() const { return newest_; }
  // It was found young: it is moved when reclaim reaches it (folio_update_gen).
  void promote(uint32_t frame);
  // The same, found by a reclaim that did not walk page tables: it is moved at once (folio_activate).
  void activate(uint32_t frame);
  bool take_second_reference(Folio& folio);  // lru_gen_set_refs; true: activate
  // Reclaim rejects it, and it must not be among the oldest (evict_folios).
  void keep_from_oldest(Folio& folio);

 private:
  static constexpr uint8_t kPending = 0xfe;
  static constexpr uint8_t kNone = 0xff;
  struct Link {
    uint32_t previous = kNoFrame;
    uint32_t next = kNoFrame;
    uint32_t sequence = 0;  // generation it belongs to; its list may still be an older one
    uint16_t pages = 1;
    uint8_t list = kNone;
    uint8_t references : 7 = 0;   // LRU_REFS_MASK: beyond PG_referenced
    bool workingset : 1 = false;  // PG_workingset
  };
  static_assert(sizeof(Link) == 16);
  struct List {
    uint32_t head = kNoFrame;
    uint32_t tail = kNoFrame;
  };

  Link& link_of(const Folio& folio) { return links_[FrameTable::of(folio)]; }
  void add(uint32_t frame);
  void insert(uint32_t frame, uint32_t list, bool at_tail);
  uint64_t& size_of(const Link& link);
  void change_generation(Link& link, uint64_t sequence);
  void clear_references(Folio& folio, Link& link);
  void mark_accessed(Folio& folio, Link& link);
  uint32_t references_of(const Folio& folio, const Link& link) const;
  uint32_t tier_of(const Folio& folio, const Link& link) const;
  uint64_t generation_for(const Folio& folio) const;
  uint64_t generation_by_references(const Folio& folio) const;
  uint32_t isolate_inactive(uint32_t most, std::vector<uint32_t>& out);
  uint32_t isolate_oldest(uint32_t most, std::vector<uint32_t>& out);
  bool sort(uint32_t frame, uint32_t highest_tier);
  void retire_empty();
  void retire_oldest();

  FrameTable& frames_;
  const Features& features_;
  std::vector<Link> links_;
  std::vector<uint32_t> pending_;
  std::array<List, kMostGenerations> lists_{};
  std::array<uint64_t, kMostGenerations> sizes_{};  // of lists, or of generations
  uint64_t age_ = 0;  // lruvec->nonresident_age: what has left or was activated so far
  uint64_t activated_ = 0;
  uint64_t cost_ = 0;                      // lruvec->anon_cost
  uint64_t oldest_ = 0;                    // min_seq
  uint64_t newest_ = kMinGenerations + 1;  // max_seq
  Tiers tiers_;
};

}  // namespace swaptrail::engine
