// The swap areas of Linux 2.0 and 2.4 (mm/swapfile.c): a count for each slot, and which slot is taken next.
//
// Areas are taken by priority, equals in turn. In an area slots are taken in clusters, one behind the other, then from the
// lowest that is free. Beside swap_map there is a bit for each slot in use, so that a search takes 64 slots at a time: what
// it finds is what the kernel's scan of swap_map finds. Memory: 17 bits a slot.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/generations/generation.h"

namespace swaptrail::engine {

class SwapMap {
 public:
  struct Style {
    uint32_t cluster;     // slots in a row before the search begins anew
    bool empty_clusters;  // looks for that many free slots in a row first
  };
  static constexpr Style kLinux20 = {32, false};  // SWAP_CLUSTER_MAX
  static constexpr Style kLinux24 = {256, true};  // SWAPFILE_CLUSTER
  static constexpr uint16_t kMost = 0x7fff;       // SWAP_MAP_MAX
  static constexpr uint16_t kBad = 0x8000;        // SWAP_MAP_BAD

  SwapMap(const GenerationOptions& options, Style style);

  // A slot with count 1, as an entry (trace/decode.h); 0: there is none.
  uint64_t get_swap_page();
  // One more user. False: nobody uses the slot, or too many do; nothing is changed.
  bool swap_duplicate(uint64_t entry);
  // One user less; how many there are still. The slot must be in use.
  uint16_t swap_free(uint64_t entry);

  uint16_t swap_count(uint64_t entry) const;  // 0: free
  bool is_usable(uint64_t entry) const;       // in use, and neither bad nor behind the end
  uint64_t nr_swap_pages() const { return nr_swap_pages_; }  // free slots of all areas
  uint64_t total() const { return total_; }                  // slots of all areas
  // Counts of all slots of the area, the header's too; empty: there is no such area.
  const std::vector<uint16_t>& counts(uint32_t type) const { return swap_info_[type].swap_map; }
  uint32_t types() const { return static_cast<uint32_t>(swap_info_.size()); }

 private:
  static constexpr int kNone = -1;
  struct SwapInfo {  // swap_info_struct
    uint64_t max = 0;
    uint64_t lowest_bit = 0, highest_bit = 0;  // no slot outside is free
    uint64_t cluster_next = 0;
    uint32_t cluster_nr = 0;
    int32_t prio = 0;
    int next = kNone;  // type of the next area on swap_list
    std::vector<uint16_t> swap_map;
    std::vector<uint64_t> used;  // bits: swap_map is not 0
  };
  void swapon(const Area& area, int32_t& least_priority);
  uint64_t scan_swap_map(SwapInfo& si);
  uint64_t find_empty_cluster(const SwapInfo& si) const;
  static uint64_t next_free(const SwapInfo& si, uint64_t from);
  static uint64_t last_used(const SwapInfo& si, uint64_t from, uint64_t to);

  Style style_;
  std::vector<SwapInfo> swap_info_;  // by type
  int head_ = kNone, next_ = kNone;  // swap_list
  uint64_t nr_swap_pages_ = 0;
  uint64_t total_ = 0;
};

}  // namespace swaptrail::engine
