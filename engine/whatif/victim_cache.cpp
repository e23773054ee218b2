#include "engine/whatif/victim_cache.h"

#include <algorithm>

#include "trace/check.h"
#include "trace/decode.h"

namespace swaptrail::engine {
namespace {

Quantity written_to(uint8_t backend) {
  switch (backend) {
    case SWAPTRAIL_BACKEND_DEVICE:
      return Quantity::kWritten;
    case SWAPTRAIL_BACKEND_ZSWAP:
      return Quantity::kStored;
    default:
      return Quantity::kCount;
  }
}

bool is_write(uint8_t backend) {
  return backend == SWAPTRAIL_BACKEND_DEVICE || backend == SWAPTRAIL_BACKEND_ZSWAP ||
         backend == SWAPTRAIL_BACKEND_ZERO;
}

void deepen(Depth& depth, Depth other) {
  depth.now = std::max(depth.now, other.now);
  depth.most = std::max(depth.most, other.most);
}

}  // namespace

VictimCache::VictimCache() : VictimCache(Options()) {}
VictimCache::VictimCache(const Options& options) : options_(options) {}

void VictimCache::on_event(const swaptrail_event& event) {
  if (event.kind == SWAPTRAIL_SWAP_READ) on_read(event);
  if (event.kind == SWAPTRAIL_SLOT_FREED) on_slot_freed(event);
}

void VictimCache::on_lifecycle(const Lifecycle& lifecycle) {
  if (lifecycle.entry == 0) return;
  if (lifecycle.outcome == Outcome::kUnknown) counters_.doubtful_pages += lifecycle.nr_pages;
  const bool left = is_freed(lifecycle.outcome);
  if (!left && !is_write(lifecycle.backend)) return;
  for (uint32_t page = 0; page < lifecycle.nr_pages; ++page)
    left ? leave(lifecycle, lifecycle.entry + page)
         : stay_after_write(lifecycle, lifecycle.entry + page);
  counters_.most_pages = std::max<uint64_t>(counters_.most_pages, stack_.size());
}

void VictimCache::leave(const Lifecycle& lifecycle, uint64_t entry) {
  if (stack_.size() >= options_.most_pages) forget_deepest();
  auto found = slots_.find(entry);
  if (found == slots_.end() && slots_.size() >= size_t{2} * options_.most_pages) {
    ++counters_.full;
    add_unknown(Quantity::kLeft, 1);
    if (written_to(lifecycle.backend) != Quantity::kCount)
      add_unknown(written_to(lifecycle.backend), 1);
    return;
  }
  Slot& slot = found == slots_.end() ? slots_[entry] : found->second;
  if (slot.page != DepthStack::kNone) {
    ++counters_.superseded;
    end_stay(slot);
  }
  if (is_write(lifecycle.backend)) {
    slot = {.backend = lifecycle.backend, .written_to = written_to(lifecycle.backend)};
  }
  slot.freed = false;
  if (options_.pool && slot.backend == SWAPTRAIL_BACKEND_ZERO) return;
  slot.page = stack_.push();
  if (slot.page >= entries_.size()) entries_.resize(size_t{slot.page} + 1);
  entries_[slot.page] = entry;
}

// A later pass may find the page unchanged, and need no write.
void VictimCache::stay_after_write(const Lifecycle& lifecycle, uint64_t entry) {
  const Quantity quantity = written_to(lifecycle.backend);
  if (quantity == Quantity::kCount) return;
  auto found = slots_.find(entry);
  if (found == slots_.end() && slots_.size() >= size_t{2} * options_.most_pages) {
    ++counters_.full;
    add_unknown(quantity, 1);
    return;
  }
  Slot& slot = slots_[entry];
  if (slot.page != DepthStack::kNone) {
    ++counters_.superseded;
    end_stay(slot);
  }
  slot = {.backend = lifecycle.backend, .written_to = quantity, .counted = true, .raced = true};
  add(quantity, {}, 1);
  if (!options_.pool) ++of(quantity).raced;
}

void VictimCache::on_return(const Return& back) {
  if (back.nr_pages == 0 || is_failed(back.how)) return;
  Depth deepest;
  bool known = true;
  for (uint32_t page = 0; page < back.nr_pages; ++page)
    return_page(back, back.entry + page, deepest, known);
  if (back.how != ReturnHow::kSwappedIn || back.fault_ns == 0) return;
  if (known) {
    add(Quantity::kWaitNs, deepest, back.fault_ns);
    if (back.major) add(Quantity::kMajorFaults, deepest, 1);
  } else {
    add_unknown(Quantity::kWaitNs, back.fault_ns);
    if (back.major) add_unknown(Quantity::kMajorFaults, 1);
  }
}

// A fault that brings back several pages waits unless all of them are there.
void VictimCache::return_page(const Return& back, uint64_t entry, Depth& deepest, bool& known) {
  const auto found = slots_.find(entry);
  const bool is_needed = back.how == ReturnHow::kSwappedIn;
  if (found == slots_.end() || found->second.page == DepthStack::kNone) {
    const bool needs_no_room =
        found != slots_.end() && options_.pool && found->second.backend == SWAPTRAIL_BACKEND_ZERO;
    if (needs_no_room) return;
    known = false;
    if (!is_needed) return;
    ++counters_.unknown_pages;
    add_unknown(Quantity::kReturned, 1);
    return;
  }
  const Depth depth = end_stay(found->second);
  deepen(deepest, depth);
  if (is_needed) add(Quantity::kReturned, depth, 1);
  if (found->second.freed || back.how != ReturnHow::kSwappedIn) slots_.erase(found);
}

void VictimCache::on_stay(const Stay& stay) {
  if (stay.change != StayChange::kZswapWriteback) return;
  for (uint32_t page = 0; page < stay.nr_pages; ++page) {
    const auto found = slots_.find(stay.entry + page);
    if (found == slots_.end() || found->second.page == DepthStack::kNone) {
      add_unknown(Quantity::kWritten, 1);
      continue;
    }
    found->second.backend = SWAPTRAIL_BACKEND_DEVICE;
    add(Quantity::kWritten, stack_.depth(found->second.page), 1);
  }
}

void VictimCache::on_read(const swaptrail_event& event) {
  for (uint32_t page = 0; page < pages_of(event) && event.entry != 0; ++page) {
    const auto found = slots_.find(event.entry + page);
    const bool known = found != slots_.end();
    const uint8_t backend = known ? found->second.backend : uint8_t{SWAPTRAIL_BACKEND_UNKNOWN};
    if (backend == SWAPTRAIL_BACKEND_ZERO) continue;
    const Quantity quantity =
        backend == SWAPTRAIL_BACKEND_ZSWAP ? Quantity::kLoaded : Quantity::kRead;
    if (known && found->second.page != DepthStack::kNone) {
      add(quantity, stack_.depth(found->second.page), 1);
    } else {
      add_unknown(quantity, 1);
    }
  }
}

void VictimCache::on_slot_freed(const swaptrail_event& event) {
  for (uint32_t page = 0; page < pages_of(event) && event.entry != 0; ++page) {
    const auto found = slots_.find(event.entry + page);
    if (found == slots_.end()) continue;
    if (found->second.page == DepthStack::kNone) {
      slots_.erase(found);
    } else {
      found->second.freed = true;
    }
  }
}

// What was in swap then has no depth any more: who left or came meanwhile is not known.
void VictimCache::on_loss(const Loss& loss) {
  if (loss.is_time_mark()) return;
  counters_.lost_pages += stack_.size();
  for (auto& [entry, slot] : slots_) {
    if (slot.page == DepthStack::kNone) continue;
    add_unknown(Quantity::kLeft, 1);
    if (slot.written_to != Quantity::kCount && !slot.counted) add_unknown(slot.written_to, 1);
  }
  slots_.clear();
  stack_.clear();
}

void VictimCache::finish() {
  for (auto& [entry, slot] : slots_)
    if (slot.page != DepthStack::kNone) {
      const Depth depth = stack_.depth(slot.page);
      add(Quantity::kLeft, depth, 1);
      count_write(slot, depth);
    }
  slots_.clear();
  stack_.clear();
}

Depth VictimCache::end_stay(Slot& slot) {
  const Depth depth = stack_.remove(slot.page);
  slot.page = DepthStack::kNone;
  add(Quantity::kLeft, depth, 1);
  count_write(slot, depth);
  return depth;
}

void VictimCache::forget_deepest() {
  const auto found = slots_.find(entries_[stack_.deepest()]);
  SWAPTRAIL_CHECK(found != slots_.end());
  ++counters_.full;
  end_stay(found->second);
  slots_.erase(found);
}

// One write serves all stays of a page that comes back and leaves unchanged: the deepest counts.
void VictimCache::count_write(Slot& slot, Depth depth) {
  if (slot.written_to == Quantity::kCount) return;
  if (!slot.counted) {
    add(slot.written_to, depth, 1);
    slot.write = depth;
    slot.counted = true;
    return;
  }
  if (slot.raced && !options_.pool) --of(slot.written_to).raced;
  slot.raced = false;
  Depth deeper = slot.write;
  deepen(deeper, depth);
  of(slot.written_to).now.move(slot.write.now, deeper.now, 1);
  of(slot.written_to).most.move(slot.write.most, deeper.most, 1);
  slot.write = deeper;
}

void VictimCache::add(Quantity quantity, Depth depth, uint64_t amount) {
  of(quantity).now.add(depth.now, amount);
  of(quantity).most.add(depth.most, amount);
}

// Whether a page leaves does not depend on what becomes of it later: only LRU itself counts.
Estimate VictimCache::estimate(Quantity quantity, uint64_t pages) const {
  const Curves& curves = curves_[static_cast<size_t>(quantity)];
  const bool leaves = quantity == Quantity::kLeft || quantity == Quantity::kWritten ||
                      quantity == Quantity::kStored;
  const uint64_t high = curves.most.deeper_than(pages);
  const uint64_t low = leaves ? high : std::min(high, curves.now.deeper_than(pages));
  return {.seen = curves.most.total() + curves.unknown,
          .low = low,
          .high = high + curves.unknown + curves.raced};
}

}  // namespace swaptrail::engine
