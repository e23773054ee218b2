#include "engine/whatif/priority_estimate.h"

#include <algorithm>
#include <numeric>

#include "trace/check.h"
#include "trace/decode.h"

namespace swaptrail::engine {

PriorityEstimate::PriorityEstimate(const std::vector<PriorityArea>& areas) : order_(areas.size()) {
  SWAPTRAIL_CHECK(areas.size() <= kMostAreaTypes);
  for (const PriorityArea& area : areas) {
    Area& one = areas_.emplace_back();
    one.about = area;
    one.used_seen = one.used_other = one.seen.most_used = one.other.most_used = area.used;
  }
  std::iota(order_.begin(), order_.end(), size_t{0});
  std::ranges::stable_sort(order_, [&](size_t a, size_t b) {
    return areas_[a].about.priority > areas_[b].about.priority;
  });
}

size_t PriorityEstimate::area_of(uint64_t entry) const {
  for (size_t at = 0; at < areas_.size(); ++at)
    if (areas_[at].about.type == entry_type(entry)) return at;
  return kNoArea;
}

// kNoArea: none has room.
size_t PriorityEstimate::choose(uint64_t pages) {
  for (size_t at = 0; at < order_.size(); ++at) {
    const size_t chosen = order_[at];
    const Area& area = areas_[chosen];
    if (area.used_other + pages > area.about.pages) continue;
    size_t end = at;
    while (end + 1 < order_.size() && areas_[order_[end + 1]].about.priority == area.about.priority)
      ++end;
    std::rotate(order_.begin() + static_cast<ptrdiff_t>(at),
                order_.begin() + static_cast<ptrdiff_t>(at) + 1,
                order_.begin() + static_cast<ptrdiff_t>(end) + 1);
    return chosen;
  }
  return kNoArea;
}

void PriorityEstimate::on_event(const swaptrail_event& event) {
  if (event.kind == SWAPTRAIL_SLOT_ALLOCATED && event.result == 0) on_allocated(event);
  if (event.kind == SWAPTRAIL_SLOT_FREED) on_freed(event);
}

void PriorityEstimate::on_allocated(const swaptrail_event& event) {
  const uint32_t pages = pages_of(event);
  const size_t seen = area_of(event.entry);
  if (event.entry == 0 || seen == kNoArea || slots_.size() + pages > kMostSlots) {
    not_followed_ += pages;
    return;
  }
  Area& was = areas_[seen];
  was.seen.given += pages;
  was.used_seen += pages;
  was.seen.most_used = std::max(was.seen.most_used, was.used_seen);
  const size_t other = give(seen, pages);
  for (uint32_t page = 0; page < pages; ++page)
    slots_[event.entry + page] = {static_cast<uint8_t>(other), false};
}

// The area that has slots for them now.
size_t PriorityEstimate::give(size_t seen, uint64_t pages) {
  size_t other = choose(pages);
  if (other == kNoArea) {
    without_room_ += pages;
    other = seen;
  }
  Area& area = areas_[other];
  area.other.given += pages;
  area.used_other += pages;
  area.other.most_used = std::max(area.other.most_used, area.used_other);
  return other;
}

void PriorityEstimate::on_freed(const swaptrail_event& event) {
  const size_t seen = area_of(event.entry);
  if (seen == kNoArea) return;
  for (uint32_t page = 0; page < pages_of(event); ++page) {
    const auto found = slots_.find(event.entry + page);
    if (found == slots_.end() || found->second.area != kNoSlot) {
      // One from before the recording is in the same area in both.
      Area& other = areas_[found == slots_.end() ? seen : found->second.area];
      other.used_other -= std::min<uint64_t>(other.used_other, 1);
    }
    areas_[seen].used_seen -= std::min<uint64_t>(areas_[seen].used_seen, 1);
    if (found == slots_.end()) continue;
    areas_[seen].freed += found->second.back;
    slots_.erase(found);
  }
}

void PriorityEstimate::on_lifecycle(const Lifecycle& lifecycle) {
  if (!is_freed(lifecycle.outcome)) return;
  for (uint32_t page = 0; page < lifecycle.nr_pages; ++page) {
    const auto found = slots_.find(lifecycle.entry + page);
    if (found == slots_.end() || away_.size() >= kMostSlots) continue;
    Slot& slot = found->second;
    const size_t seen = area_of(lifecycle.entry);
    areas_[seen].kept += slot.back;
    slot.back = false;
    if (slot.area == kNoSlot) slot.area = static_cast<uint8_t>(give(seen, 1));
    away_[lifecycle.entry + page] = slot.area;
  }
}

void PriorityEstimate::on_return(const Return& back) {
  if (back.nr_pages == 0 || is_failed(back.how)) return;
  const size_t seen = area_of(back.entry);
  const auto found = away_.find(back.entry);
  const size_t other = found == away_.end() ? seen : found->second;
  for (uint32_t page = 0; page < back.nr_pages; ++page) {
    away_.erase(back.entry + page);
    if (back.how == ReturnHow::kSwappedIn) come_back(back.entry + page);
  }
  const bool waits = back.how == ReturnHow::kSwappedIn && back.major && back.fault_ns != 0;
  if (!waits || seen == kNoArea) return;
  Area& was = areas_[seen];
  Area& is = areas_[other];
  ++was.seen.faults;
  was.seen.low_wait_ns += back.fault_ns;
  ++is.other.faults;
  const bool elsewhere = other != seen && back.backend != SWAPTRAIL_BACKEND_ZSWAP &&
                         back.backend != SWAPTRAIL_BACKEND_ZERO;
  if (back.backend != SWAPTRAIL_BACKEND_ZSWAP && back.backend != SWAPTRAIL_BACKEND_ZERO)
    was.waits.add(back.fault_ns);
  if (elsewhere) {
    ++is.moved_faults;
  } else {
    is.own_wait_ns += back.fault_ns;
  }
}

// The kernel may free slots some time later (mm/swap_slots.c), so what counts is whether a page had its slot when it left again.
bool PriorityEstimate::frees_returned(const Area& area) {
  constexpr uint64_t kFewest = 100;
  const uint64_t seen = area.kept + area.freed;
  // Any area frees slots of pages that change. One that hardly ever keeps one does so when they come back.
  return seen < kFewest ? area.about.synchronous : 20 * area.kept < seen;
}

void PriorityEstimate::come_back(uint64_t entry) {
  const auto found = slots_.find(entry);
  if (found == slots_.end()) return;
  Slot& slot = found->second;
  slot.back = true;
  const bool moved = slot.area != kNoSlot && areas_[slot.area].about.type != entry_type(entry);
  if (!moved || !frees_returned(areas_[slot.area])) return;
  areas_[slot.area].used_other -= std::min<uint64_t>(areas_[slot.area].used_other, 1);
  slot.area = kNoSlot;
}

std::vector<AreaLoad> PriorityEstimate::seen() const {
  std::vector<AreaLoad> loads;
  for (const Area& area : areas_) {
    loads.push_back(area.seen);
    loads.back().high_wait_ns = area.seen.low_wait_ns;
  }
  return loads;
}

std::vector<AreaLoad> PriorityEstimate::estimated() const {
  constexpr uint32_t kMedian = 5;
  std::vector<AreaLoad> loads;
  for (const Area& area : areas_) {
    AreaLoad load = area.other;
    const uint64_t measured = area.waits.count();
    load.wait_known = measured != 0 || area.moved_faults == 0;
    const uint64_t mean_ns = measured == 0 ? 0 : area.waits.sum() / measured;
    const uint64_t median_ns = area.waits.percentile(kMedian);
    load.low_wait_ns = area.own_wait_ns + area.moved_faults * std::min(mean_ns, median_ns);
    load.high_wait_ns = area.own_wait_ns + area.moved_faults * std::max(mean_ns, median_ns);
    loads.push_back(load);
  }
  return loads;
}

}  // namespace swaptrail::engine
