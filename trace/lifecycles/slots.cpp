#include "trace/lifecycles/slots.h"

#include <algorithm>

namespace swaptrail::lifecycles {

SlotTable::SlotTable(size_t max_slots)
    : max_blocks_(std::max<size_t>(1, max_slots >> kBlockShift)) {}

Slot* SlotTable::find(uint64_t entry) {
  const uint64_t key = entry >> kBlockShift;
  if (key != last_key_) {
    const auto found = index_.find(key);
    if (found == index_.end()) return nullptr;
    last_key_ = key;
    last_block_ = blocks_[found->second].get();
  }
  return &(*last_block_)[entry & (kBlockSlots - 1)];
}

Slot* SlotTable::obtain(uint64_t entry) {
  if (Slot* slot = find(entry)) return slot;
  if (blocks_.size() >= max_blocks_) return nullptr;
  index_.emplace(entry >> kBlockShift, static_cast<uint32_t>(blocks_.size()));
  blocks_.push_back(std::make_unique<Block>());
  return find(entry);
}

}  // namespace swaptrail::lifecycles
