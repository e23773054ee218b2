// Readahead: what is read beside the page of a fault (mm/swap_state.c: swap_vma_readahead, __swapin_nr_pages).
#include <algorithm>
#include <bit>

#include "engine/machine/machine.h"

namespace swaptrail::engine {

uint64_t Machine::readahead_room() const {
  return std::min<uint64_t>(uint64_t{1} << options_.page_cluster, options_.limit_pages / 4);
}

void Machine::hit_readahead(Process& process, uint64_t page, uint32_t frame) {
  Frame& head = frames_[frames_[frame].head];
  constexpr uint32_t kMostHits = 63;
  if (options_.page_cluster == 0) return;
  ReadaheadWindow& window = features_.vma_readahead ? process.readahead : slot_readahead_;
  if (head.readahead) window.hits = std::min(window.hits + 1, kMostHits);
  result_.counters.readahead_hits += head.readahead;
  head.readahead = false;
  if (features_.vma_readahead) window.page = page;
}

uint32_t Machine::readahead_window(ReadaheadWindow& before, uint64_t page) const {
  uint32_t pages = before.hits + 2;
  if (pages == 2) {
    if (page != before.page + 1 && page + 1 != before.page) pages = 1;
  } else {
    uint32_t rounded = 4;
    while (rounded < pages) rounded <<= 1;
    pages = rounded;
  }
  pages = std::min(pages, static_cast<uint32_t>(readahead_room()));
  return std::max(pages, std::min(before.window / 2, static_cast<uint32_t>(readahead_room())));
}

void Machine::read_ahead(Process& process, uint64_t page) {
  const ReadaheadWindow before = process.readahead;
  const uint32_t window = readahead_window(process.readahead, page);
  process.readahead = {page, window, 0};
  if (window <= 1) return;
  int64_t from = static_cast<int64_t>(page) - (window - 1) / 2;
  if (page == before.page + 1) from = static_cast<int64_t>(page);
  if (page + 1 == before.page) from = static_cast<int64_t>(page) - window + 1;
  constexpr int64_t kTable = 512;  // not beyond the page table
  const int64_t table = static_cast<int64_t>(page) / kTable * kTable;
  const int64_t end =
      std::min({from + window, static_cast<int64_t>(process.plan.anon_pages), table + kTable});
  for (int64_t at = std::max(from, table); at < end; ++at) {
    const Pte& pte = process.table[static_cast<uint64_t>(at)];
    if (pte.kind() != PteKind::kSwap || cache_.find(pte.entry()) != kNoFrame) continue;
    read_into_cache(pte.entry(), static_cast<uint64_t>(at) != page);
  }
}

// swapin_readahead, swapin_nr_pages up to 4.13: the slots beside this one, whoever's pages they have. There is one window
// for all, and only a fault without hits moves it.
void Machine::read_ahead_slots(uint64_t entry) {
  const uint64_t offset = entry_offset(entry);
  const ReadaheadWindow before = slot_readahead_;
  const uint32_t window = std::bit_floor(readahead_window(slot_readahead_, offset));
  slot_readahead_ = {before.hits == 0 ? offset : before.page, window, 0};
  if (window <= 1) return;
  AreaRun& area = area_of(entry);
  const uint64_t first = offset / window * window;
  const uint64_t end = std::min(first + window, area.store.pages());
  for (uint64_t at = std::max<uint64_t>(first, 1); at < end; ++at) {
    const uint64_t neighbour = make_entry(entry_type(entry), at);
    if (area.store.count(at) == 0 || cache_.find(neighbour) != kNoFrame) continue;
    read_into_cache(neighbour, at != offset);
  }
}

}  // namespace swaptrail::engine
