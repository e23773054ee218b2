#include "engine/workloads/recorded.h"

#include <algorithm>

#include "trace/decode.h"

namespace swaptrail::engine {
namespace {

// Does the pass of a fault bring its page, or find that it is there?
bool is_done(const swaptrail_event& pass) {
  return pass.result >= 0 && !(static_cast<uint32_t>(pass.result) & SWAPTRAIL_FAULT_NOT_DONE);
}

WorkloadStep touch_of(uint32_t process, uint64_t page, bool write) {
  return {StepKind::kTouch, write, process, 0, page};
}

}  // namespace

void RecordedAccesses::on_event(const swaptrail_event& event, std::vector<WorkloadStep>& steps) {
  switch (event.kind) {
    case SWAPTRAIL_UNMAPPED_ONE:
      if (!(event.state & SWAPTRAIL_STATE_ANON)) {
        ++counters_.shared_memory;
      } else {
        on_unmapped_one(event, steps);
      }
      break;
    case SWAPTRAIL_SWAP_IN:
      if (is_done(event)) on_swap_in(event, steps);
      break;
    case SWAPTRAIL_SHMEM_SWAP_IN:
      ++counters_.shared_memory;
      break;
    default:
      break;
  }
}

// Of a large folio, all of its pages in this mapping. Where their number was not counted: one is certain.
void RecordedAccesses::on_unmapped_one(const swaptrail_event& event,
                                       std::vector<WorkloadStep>& steps) {
  const auto& map = event.u.map;
  const bool placed = map.first_page != SWAPTRAIL_PAGE_UNKNOWN;
  if (map.owner == 0 || map.address == 0 || event.entry == 0 || !placed) {
    ++counters_.no_place;
    return;
  }
  const uint32_t counted = map.ptes == SWAPTRAIL_NOT_COUNTED ? 1 : map.ptes;
  const uint32_t pages = std::min(counted, pages_of(event));
  const uint64_t first = map.address / kWorkloadPageBytes;
  uint32_t process = 0;
  if (pages == 0 || first + pages > kMostWorkloadPages) {
    ++counters_.no_place;
  } else if (!find_process(map.owner, process)) {
    counters_.processes_full += pages;
  } else {
    for (uint32_t at = 0; at < pages; ++at)
      leave(event, {process, first + at}, event.entry + map.first_page + at, steps);
  }
}

void RecordedAccesses::leave(const swaptrail_event& event, Place place, uint64_t entry,
                             std::vector<WorkloadStep>& steps) {
  ++counters_.left;
  bool is_new = false;
  Page* const page = find_page(place, is_new);
  if (page == nullptr) return;
  if (is_new) {
    ++counters_.first_seen;
    steps.push_back(touch_of(place.process, place.page, true));
  } else if (!page->back) {
    ++counters_.returns_unseen;
  } else if (page->entry != entry) {
    ++counters_.writes_unknown;
  } else if (event.state & SWAPTRAIL_STATE_DIRTY) {
    ++counters_.writes_seen;
    steps.push_back(touch_of(place.process, place.page, true));
  }
  *page = {.entry = entry, .back = false};
}

// `entry` and `address` are those that faulted; `ptes` pages were mapped, from `first_page` pages before it on.
void RecordedAccesses::on_swap_in(const swaptrail_event& event, std::vector<WorkloadStep>& steps) {
  const auto& map = event.u.map;
  const uint64_t wanted = map.address / kWorkloadPageBytes;
  uint32_t process = 0;
  if (map.owner == 0 || map.address == 0 || wanted >= kMostWorkloadPages) {
    ++counters_.no_place;
    return;
  }
  if (!find_process(map.owner, process)) {
    ++counters_.processes_full;
    return;
  }
  ++counters_.faults;
  bool is_new = false;
  if (Page* const page = find_page({process, wanted}, is_new)) {
    if (is_new) ++counters_.first_seen;
    steps.push_back(touch_of(process, wanted, is_new));
    *page = {.entry = event.entry, .back = true};
  }
  if (map.ptes <= 1 || map.ptes == SWAPTRAIL_NOT_COUNTED) return;
  // Its neighbours are back too, and nobody has touched them.
  for (uint32_t at = 0; at < map.ptes; ++at) {
    const auto found = pages_.find({process, wanted - map.first_page + at});
    if (found != pages_.end()) found->second.back = true;
  }
}

bool RecordedAccesses::find_process(uint32_t tgid, uint32_t& process) {
  const auto found = processes_.find(tgid);
  if (found != processes_.end()) {
    process = found->second;
    return true;
  }
  // Numbers go in order of first steps, so one that would have no step gets none.
  if (processes_.size() == kMostWorkloadProcesses || pages_.size() == most_pages_) return false;
  process = static_cast<uint32_t>(processes_.size());
  processes_.emplace(tgid, process);
  return true;
}

// Null, and counted: it is new, and there is no room.
RecordedAccesses::Page* RecordedAccesses::find_page(Place place, bool& is_new) {
  const auto found = pages_.find(place);
  is_new = found == pages_.end();
  if (!is_new) return &found->second;
  if (pages_.size() == most_pages_) {
    ++counters_.pages_full;
    return nullptr;
  }
  return &pages_[place];
}

}  // namespace swaptrail::engine
