// Which pages reclaim looks at, and how it learns which are in use (mm/vmscan.c).
#include <algorithm>

#include "engine/machine/machine.h"

namespace swaptrail::engine {
namespace {

constexpr uint64_t kLookAround = 64;   // MIN_LRU_BATCH
constexpr uint32_t kYoungPerLine = 8;  // suitable_to_scan: one of a cache line of entries

}  // namespace

// get_scan_count, get_nr_to_scan: how much is scanned with this much pressure.
void Machine::begin_scan(Reclaim& reclaim) {
  reclaim.scanned = 0;
  reclaim.walked = false;
  reclaim.in_round = false;
  if (features_.multi_gen_lru) {
    lru_.drain();
    reclaim.to_scan = features_.bounded_eviction ? lru_.size() >> reclaim.priority : 1;
    return;
  }
  const auto share = [&](uint64_t pages) {
    pages >>= reclaim.priority;
    return reclaim.priority == 0 ? pages : lru_.scan_share(pages);
  };
  reclaim.to_scan = share(lru_.inactive());
  reclaim.to_scan_active = share(lru_.active());
  reclaim.may_deactivate = lru_.activated() != activated_before_ || lru_.inactive_is_low();
}

// shrink_lruvec: after each part of the inactive list comes one of the active list.
void Machine::end_round(Reclaim& reclaim) {
  reclaim.in_round = false;
  if (!features_.multi_gen_lru) {
    const uint64_t most = std::min<uint64_t>(kBatch, reclaim.to_scan_active);
    reclaim.to_scan_active -= most;
    if (reclaim.may_deactivate) balance_lists(most);
  } else if (!features_.bounded_eviction) {
    return;  // should_abort_scan: not for a cgroup
  }
  if (reclaim.reclaimed >= reclaim.target) reclaim.to_scan = 0;
}

void Machine::fill_batch(Reclaim& reclaim) {
  if (!features_.multi_gen_lru) {
    const uint64_t most = std::min<uint64_t>(kBatch, reclaim.to_scan);
    reclaim.to_scan -= most;
    result_.counters.scanned += lru_.isolate(static_cast<uint32_t>(most), reclaim.list);
    reclaim.in_round = true;
  } else if (features_.bounded_eviction) {
    scan_bounded(reclaim);
  } else {
    scan_generations(reclaim);
  }
  prefetch(reclaim.list);
  for (uint32_t frame : reclaim.list) frames_[frame].isolated = true;
}

// try_to_shrink_lruvec up to 6.16: a priority that makes a new generation scans nothing.
void Machine::scan_generations(Reclaim& reclaim) {
  uint64_t enough = lru_.only_generation() ? 0 : lru_.size();
  if (lru_.wants_generation(reclaim.priority) && reclaim.priority != kDefPriority) {
    walk_page_tables();
    reclaim.walked = true;
    enough = 0;
  }
  enough >>= reclaim.priority;
  const uint32_t scanned = enough == 0 ? 0 : lru_.isolate(kGenerationBatch, reclaim.list);
  reclaim.scanned += scanned;
  result_.counters.scanned += scanned;
  if (scanned == 0 || reclaim.scanned >= enough) reclaim.to_scan = 0;
}

// try_to_shrink_lruvec since then: it scans anyway, no more than asked for, and until there is room.
void Machine::scan_bounded(Reclaim& reclaim) {
  if (lru_.wants_generation(reclaim.priority)) {
    walk_page_tables();
    reclaim.walked = true;
  }
  const uint64_t most = std::min<uint64_t>(kGenerationBatch, reclaim.to_scan);
  const uint32_t scanned = lru_.isolate(static_cast<uint32_t>(most), reclaim.list);
  result_.counters.scanned += scanned;
  reclaim.to_scan -= scanned == 0 ? reclaim.to_scan : std::min<uint64_t>(scanned, reclaim.to_scan);
  reclaim.in_round = true;
}

// shrink_active_list: the oldest active folios become inactive, and must be used again.
void Machine::balance_lists(uint64_t most) {
  lru_.drain();
  SWAPTRAIL_DCHECK(most <= kBatch);
  std::array<uint32_t, kBatch> frames;
  uint64_t count = 0;
  for (; count < most; ++count) {
    frames[count] = lru_.deactivate();
    if (frames[count] == kNoFrame) break;
  }
  result_.counters.scanned += count;
  prefetch({frames.data(), count});
  for (uint64_t i = 0; i < count; ++i) take_young(frames[i]);
}

// The frames, then who maps them, then the page table entries: each is found by the one before, and what is asked for
// together comes together.
void Machine::prefetch(std::span<const uint32_t> heads) {
  for (const uint32_t head : heads) frames_.prefetch(head);
  for (const uint32_t head : heads) {
    frames_.prefetch_content(head);
    if (frames_[head].mappings != kNoFrame) mappings_.prefetch(frames_[head].mappings);
  }
  for (const uint32_t head : heads) {
    if (frames_[head].mappings == kNoFrame) continue;
    const MappingNode& node = mappings_.at(frames_[head].mappings);
    if (node.first_page < 0) continue;  // the folio begins before the memory of the process
    processes_[node.process]->table.prefetch(static_cast<uint64_t>(node.first_page));
  }
}

// ---- generations -------------------------------------------------------------------------------

// try_to_inc_max_seq: what was used since the last generation began joins the youngest, then a new
// one begins. The next walk looks only at page tables with enough young entries.
void Machine::walk_page_tables() {
  const uint64_t sequence = lru_.newest();
  for (const auto& process : processes_) {
    if (!process->alive) continue;
    const uint64_t tables = (process->table.pages() + kPagesPerTable - 1) / kPagesPerTable;
    const std::vector<bool>& wanted = process->walk_filters[sequence % 2];
    std::vector<bool>& next = process->walk_filters[(sequence + 1) % 2];
    next.assign(tables, false);
    for (uint64_t table = 0; table < tables; ++table) {
      if (!process->young_tables[table]) continue;
      process->young_tables[table] = false;
      if (!wanted.empty() && !wanted[table]) continue;
      next[table] = walk_page_table(*process, table * kPagesPerTable);
    }
  }
  lru_.begin_generation();
}

// get_pte_pfn, get_pfn_folio: for a folio that is isolated, only up to 6.13.
bool Machine::may_clear_young(const Pte& pte) const {
  if (!pte.present() || !pte.young) return false;
  return !features_.promotes_referenced || lru_.has(frames_[pte.frame()].head);
}

// walk_pte_range; true: look at it again.
bool Machine::walk_page_table(Process& process, uint64_t first) {
  const uint64_t end = std::min(first + kPagesPerTable, process.table.pages());
  uint64_t young = 0;
  result_.counters.scanned += end - first;
  for (uint64_t page = first; page < end; ++page) {
    Pte& pte = process.table[page];
    if (!may_clear_young(pte)) continue;
    pte.young = 0;
    ++young;
    lru_.promote(frames_[pte.frame()].head);
  }
  return young * kYoungPerLine >= end - first;
}

// folio_referenced with generations: test-and-clear, and a look at the neighbours of young entries.
uint32_t Machine::look_around(uint32_t head) {
  uint32_t young = 0;
  const Folio& folio = frames_[head].folio;
  for (uint32_t at = frames_[head].mappings; at != kNoFrame; at = mappings_.at(at).next) {
    const MappingNode& node = mappings_.at(at);
    Process& process = *processes_[node.process];
    for (uint32_t i = 0; i < folio.nr_pages; ++i) {
      const uint64_t page = static_cast<uint64_t>(node.first_page + i);
      ++result_.counters.scanned;
      Pte& pte = process.table[page];
      if (!pte.present() || pte.frame() != head + i || !pte.young) continue;
      pte.young = 0;
      young += 1;
      look_around(process, page);
    }
  }
  return young;
}

// lru_gen_look_around
void Machine::look_around(Process& process, uint64_t page) {
  const uint64_t table = page / kPagesPerTable;
  const uint64_t table_begin = table * kPagesPerTable;
  const uint64_t table_end = std::min(table_begin + kPagesPerTable, process.table.pages());
  uint64_t begin = std::max(table_begin, page - std::min(page, kLookAround / 2));
  uint64_t end = std::min(table_end, begin + kLookAround);
  begin = std::max(table_begin, end - std::min(end, kLookAround));
  const bool walked = current_->reclaim.walked;
  uint64_t young = 1;
  result_.counters.scanned += end - begin;
  for (uint64_t at = begin; at < end; ++at) {
    Pte& pte = process.table[at];
    if (!may_clear_young(pte)) continue;
    pte.young = 0;
    ++young;
    const uint32_t head = frames_[pte.frame()].head;
    walked ? lru_.promote(head) : lru_.activate(head);
  }
  std::vector<bool>& filter = process.walk_filters[lru_.newest() % 2];
  if (!filter.empty() && young * kYoungPerLine >= end - begin) filter[table] = true;
}

}  // namespace swaptrail::engine
