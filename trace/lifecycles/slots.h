// What is known of each swap slot. Internal to trace/.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace swaptrail::lifecycles {

inline constexpr uint32_t kNoIndex = 0xffffffff;

struct Slot {
  uint32_t generation : 26 = 0;  // times freed, as far as seen
  uint32_t used : 1 = 0;         // allocated, as far as seen
  uint32_t read : 1 = 0;         // filled a folio since its page was removed
  uint32_t returned : 1 = 0;     // the page of `swapped` was faulted in again
  uint32_t freeing : 1 = 0;      // freed in a batch: perhaps by the removal that is reported next
  uint32_t moved : 1 = 0;        // in the swap cache because zswap moves it to the device
  uint32_t mapped : 1 = 0;       // with `read`: that folio, by a fault; not unmapped since
  uint32_t attempt = kNoIndex;   // the folio on its way that owns it
  uint32_t swapped = kNoIndex;   // the freed folio whose page it holds
  uint32_t cached = 0;  // by a folio of the swap cache: 1 + losses reported before; 0 = not
};
static_assert(sizeof(Slot) == 16);

// Slots by swap entry, in blocks of 512 (a swap cluster) that are made when first used and kept,
// so that generations survive.
class SlotTable {
 public:
  explicit SlotTable(size_t max_slots);

  Slot* find(uint64_t entry);    // null: never obtained
  Slot* obtain(uint64_t entry);  // null: no room (the caller counts)
  size_t tracked() const { return blocks_.size() * kBlockSlots; }
  // Visits each slot that has room, with its entry, in no order.
  template <typename Visit>
  void for_each(const Visit& visit) const {
    for (const auto& [key, number] : index_)
      for (size_t at = 0; at < kBlockSlots; ++at)
        visit(key << kBlockShift | at, (*blocks_[number])[at]);
  }

 private:
  static constexpr int kBlockShift = 9;
  static constexpr size_t kBlockSlots = size_t{1} << kBlockShift;
  using Block = std::array<Slot, kBlockSlots>;

  size_t max_blocks_;
  absl::flat_hash_map<uint64_t, uint32_t> index_;
  std::vector<std::unique_ptr<Block>> blocks_;
  uint64_t last_key_ = ~uint64_t{0};  // neighbours come together: save the lookup
  Block* last_block_ = nullptr;
};

}  // namespace swaptrail::lifecycles
