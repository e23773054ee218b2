// Which slots' pages are in memory, and when the others left it.
//
// Up to 6.17 an area is divided into address spaces of 64 MiB, each with a tree; from 6.18 every
// cluster of 512 slots has a table (mm/swap_state.c, mm/swap_table.h). Here both are arrays, created
// on first use; only their size differs.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "engine/machine/frames.h"
#include "engine/steps/area.h"

namespace swaptrail::engine {

inline constexpr uint32_t kTableSlots = 512;  // SWAPFILE_CLUSTER

class SwapCache {
 public:
  explicit SwapCache(bool swap_table)
      : part_slots_(swap_table ? kTableSlots : kAddressSpaceSlots) {}

  void add_area(uint32_t type, uint64_t pages);
  void remove_area(uint32_t type);

  // The frame of the slot's page; kNoFrame: not in the cache.
  uint32_t find(uint64_t entry) const {
    const uint64_t word = load(entry);
    return (word & kFrame) != 0 ? static_cast<uint32_t>(word >> kTagBits) : kNoFrame;
  }
  // Frame `frame` + i is in slot `entry` + i.
  void add(uint64_t entry, uint32_t nr_pages, uint32_t frame);
  // Reclaim leaves a shadow: the age at which it left (mm/workingset.c: workingset_eviction).
  void remove(uint64_t entry, uint32_t nr_pages, std::optional<uint64_t> age);
  std::optional<uint64_t> shadow(uint64_t entry) const;
  void forget(uint64_t entry);  // the slot was freed: its shadow is dropped

  uint64_t parts() const { return parts_; }  // created so far

 private:
  static constexpr uint64_t kFrame = 1;  // the word is frame << 2 | 1, or age << 2 | 2, or 0
  static constexpr uint64_t kShadow = 2;
  static constexpr int kTagBits = 2;
  using Part = std::unique_ptr<uint64_t[]>;

  uint64_t load(uint64_t entry) const;
  uint64_t& store(uint64_t entry);

  uint32_t part_slots_;
  uint64_t parts_ = 0;
  std::vector<std::vector<Part>> areas_;  // by type
};

}  // namespace swaptrail::engine
