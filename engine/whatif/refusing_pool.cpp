#include "engine/whatif/refusing_pool.h"

#include "trace/decode.h"

namespace swaptrail::engine {

void RefusingPool::on_event(const swaptrail_event& event) {
  if (event.entry == 0) return;
  for (uint32_t page = 0; page < pages_of(event); ++page) {
    const uint64_t entry = event.entry + page;
    if (event.kind == SWAPTRAIL_SLOT_ALLOCATED && event.result == 0) forget(entry);
    if (event.kind != SWAPTRAIL_SWAP_READ) continue;
    const auto found = slots_.find(entry);
    const bool in_pool = found != slots_.end() && found->second == Copy::kPool;
    ++(in_pool ? counters_.loaded : counters_.read);
  }
}

void RefusingPool::on_lifecycle(const Lifecycle& lifecycle) {
  if (!is_freed(lifecycle.outcome) || lifecycle.backend == SWAPTRAIL_BACKEND_ZERO) return;
  for (uint32_t page = 0; page < lifecycle.nr_pages; ++page)
    leave(lifecycle, lifecycle.entry + page);
}

void RefusingPool::leave(const Lifecycle& lifecycle, uint64_t entry) {
  const auto found = slots_.find(entry);
  const bool was_loaded = found != slots_.end() && found->second == Copy::kLoaded;
  const bool is_clean = lifecycle.outcome == Outcome::kFreedClean && !was_loaded;
  if (is_clean) return;
  forget(entry);
  if (slots_.size() < kMostSlots && used_ < room_) {
    slots_[entry] = Copy::kPool;
    ++used_;
    return;
  }
  if (slots_.size() < kMostSlots) slots_[entry] = Copy::kDevice;
  ++counters_.written;
}

void RefusingPool::on_return(const Return& back) {
  if (back.nr_pages == 0 || is_failed(back.how)) return;
  bool all_in_pool = true;
  for (uint32_t page = 0; page < back.nr_pages; ++page) {
    const uint64_t entry = back.entry + page;
    const auto found = slots_.find(entry);
    const bool in_pool = found != slots_.end() && found->second == Copy::kPool;
    all_in_pool = all_in_pool && in_pool;
    if (in_pool) --used_;
    if (back.how != ReturnHow::kSwappedIn) {
      if (found != slots_.end()) slots_.erase(found);
    } else if (in_pool) {
      found->second = Copy::kLoaded;
    }
  }
  if (back.how != ReturnHow::kSwappedIn) return;
  if (!all_in_pool) counters_.wait_ns += back.fault_ns;
  counters_.load_faults += all_in_pool && back.major;
}

void RefusingPool::on_loss(const Loss& loss) {
  if (loss.is_time_mark()) return;
  slots_.clear();
  used_ = 0;
}

void RefusingPool::forget(uint64_t entry) {
  const auto found = slots_.find(entry);
  if (found == slots_.end()) return;
  used_ -= found->second == Copy::kPool;
  slots_.erase(found);
}

}  // namespace swaptrail::engine
