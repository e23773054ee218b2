// What is known of each used swap slot. Internal to trace/.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "trace/ledger/ledger.h"

namespace swaptrail::ledger {

// There may be millions of them, so each byte counts.
struct HeldSlot {
  static constexpr int kPlaceBits = 45;  // an address of 57 bits, in pages
  static constexpr int kTickShift = 27;  // of `since`: 0.13 s

  uint32_t holding : 20 = 0;        // number of its row; 0 = the slot is free
  uint32_t actor : 12 = 0;          // number of who put it there; 0 = not known
  uint32_t since = 0;               // ticks
  uint64_t place : kPlaceBits = 0;  // page of the address space, or of the file; 0 = not known
  uint64_t state : 5 = 0;           // SlotState
  uint64_t origin : 4 = 0;          // enum swaptrail_origin
  uint64_t owned : 1 = 0;           // its owner is known since it was last mapped
  uint64_t leaving : 1 = 0;         // and it has not left memory since
  uint64_t shared : 1 = 0;          // several mappings were replaced
  uint64_t found : 1 = 0;           // by an inventory: no event has said who owns it
  uint64_t sample_shift : 4 = 0;    // log2 of how many slots it stands for

  bool used() const { return holding != 0; }
};
static_assert(sizeof(HeldSlot) == 16);

// Slots by swap entry, in blocks of 512 (a swap cluster) that are made when first used, and given back when all of
// their slots are free.
class HeldSlots {
 public:
  static constexpr int kBlockShift = 9;
  static constexpr size_t kBlockSlots = size_t{1} << kBlockShift;

  explicit HeldSlots(size_t max_slots) : max_blocks_(max_slots / kBlockSlots) {}

  // Null: it is free.
  HeldSlot* find(uint64_t entry) {
    if (!reach(entry >> kBlockShift)) return nullptr;
    HeldSlot& slot = last_->slots[entry & (kBlockSlots - 1)];
    return slot.used() ? &slot : nullptr;
  }
  // Null: no room. A free one counts as used from now on, and the caller uses it.
  HeldSlot* obtain(uint64_t entry) {
    if (!reach(entry >> kBlockShift) && !add(entry >> kBlockShift)) return nullptr;
    HeldSlot& slot = last_->slots[entry & (kBlockSlots - 1)];
    last_->used += !slot.used();
    return &slot;
  }
  // Makes a used one free. Pointers into its block may become invalid.
  void release(uint64_t entry);
  size_t room() const { return index_.size() * kBlockSlots; }  // that takes memory now

  // Visits each used slot, with its entry, in no order.
  template <typename Visit>
  void for_each(const Visit& visit) const {
    for (const auto& [key, number] : index_)
      for (size_t at = 0; at < kBlockSlots; ++at)
        if (const HeldSlot& slot = blocks_[number]->slots[at]; slot.used())
          visit(key << kBlockShift | at, slot);
  }

 private:
  struct Block {
    std::array<HeldSlot, kBlockSlots> slots;
    uint32_t used = 0;
  };
  // Neighbours come together: the last block saves the lookup. False: there is no such block.
  bool reach(uint64_t key) { return key == last_key_ || look_up(key); }
  bool look_up(uint64_t key);
  bool add(uint64_t key);

  size_t max_blocks_;
  absl::flat_hash_map<uint64_t, uint32_t> index_;
  std::vector<std::unique_ptr<Block>> blocks_;  // null: given back
  std::vector<uint32_t> free_;
  uint64_t last_key_ = ~uint64_t{0};
  Block* last_ = nullptr;
};

}  // namespace swaptrail::ledger
