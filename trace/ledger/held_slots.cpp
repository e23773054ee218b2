#include "trace/ledger/held_slots.h"

#include "trace/check.h"

namespace swaptrail::ledger {

bool HeldSlots::look_up(uint64_t key) {
  const auto found = index_.find(key);
  if (found == index_.end()) return false;
  last_key_ = key;
  last_ = blocks_[found->second].get();
  return true;
}

bool HeldSlots::add(uint64_t key) {
  if (index_.size() >= max_blocks_) return false;
  if (free_.empty()) {
    free_.push_back(static_cast<uint32_t>(blocks_.size()));
    blocks_.emplace_back();
  }
  const uint32_t number = free_.back();
  free_.pop_back();
  blocks_[number] = std::make_unique<Block>();
  index_.emplace(key, number);
  return look_up(key);
}

void HeldSlots::release(uint64_t entry) {
  const uint64_t key = entry >> kBlockShift;
  const bool reached = reach(key);
  SWAPTRAIL_DCHECK(reached && last_->used != 0);
  static_cast<void>(reached);
  last_->slots[entry & (kBlockSlots - 1)] = HeldSlot{};
  if (--last_->used != 0) return;
  const auto found = index_.find(key);
  blocks_[found->second].reset();
  free_.push_back(found->second);
  index_.erase(found);
  last_key_ = ~uint64_t{0};
  last_ = nullptr;
}

}  // namespace swaptrail::ledger
