// The questions of shrink_folio(), answered by the machine.
#include <algorithm>
#include <cstring>

#include "engine/machine/machine.h"

namespace swaptrail::engine {
namespace {

constexpr uint64_t kFastestWriteNs = 4'000;
constexpr uint64_t kWriteSpreadNs = 150'000;
constexpr uint64_t kDoneAtOnce = 8;     // one write in this many ends before its submission returns
constexpr uint32_t kQueuedFolios = 32;  // SWAP_CLUSTER_MAX: one bio (mm/page_io.c, 7.3)
constexpr uint32_t kHugePages = 512;    // HPAGE_PMD_NR
constexpr int32_t kNoMemory = -12;      // -ENOMEM

}  // namespace

bool Machine::lock(Folio& folio) {
  pause();
  Frame& frame = frames_[FrameTable::of(folio)];
  if (frame.locked || disturbed()) return false;
  frame.locked = true;
  return true;
}

bool Machine::relock(Folio& folio) { return lock(folio); }

// Test-and-clear of the accessed bits (mm/rmap.c: folio_referenced).
uint32_t Machine::take_young(uint32_t head) {
  uint32_t young = 0;
  const Folio& folio = frames_[head].folio;
  for (uint32_t at = frames_[head].mappings; at != kNoFrame; at = mappings_.at(at).next) {
    const MappingNode& node = mappings_.at(at);
    PageTable& table = processes_[node.process]->table;
    for (uint32_t i = 0; i < folio.nr_pages; ++i) {
      Pte& pte = table[static_cast<uint64_t>(node.first_page + i)];
      if (!pte.present() || pte.frame() != head + i) continue;
      young += pte.young;
      pte.young = 0;
    }
    result_.counters.scanned += folio.nr_pages;
  }
  return young;
}

References Machine::references(Folio& folio) {
  pause();
  const bool pageout =
      current_ != nullptr && current_->reclaim.control.origin == SWAPTRAIL_ORIGIN_PAGEOUT;
  if (pageout && features_.pageout_ignores_references) return References::kReclaim;
  const uint32_t head = FrameTable::of(folio);
  // "folio_update_gen() tried to promote this page?": while it was isolated.
  const bool promoted = features_.multi_gen_lru && !features_.promotes_referenced;
  if (promoted && folio.mapped != 0 && folio.referenced) return References::kKeep;
  const uint32_t young = features_.multi_gen_lru ? look_around(head) : take_young(head);
  if (features_.promotes_referenced) {
    if (young == 0) return References::kReclaim;
    return lru_.take_second_reference(folio) ? References::kActivate : References::kKeep;
  }
  if (!features_.second_chance) return young != 0 ? References::kActivate : References::kReclaim;
  const bool before = folio.referenced;
  folio.referenced = young != 0;
  if (young == 0) return References::kReclaim;
  return before || young > 1 ? References::kActivate : References::kKeep;
}

bool Machine::split_first(Folio& folio) {
  if (folio.partially_mapped || !features_.whole_huge_pages) return true;
  return !features_.any_order && folio.nr_pages != kHugePages;
}

bool Machine::split(Folio& folio) {
  pause();
  if (folio.nr_pages == 1 || folio.swapcache || folio.extra_references != 0 || disturbed()) {
    return false;
  }
  const uint32_t head = FrameTable::of(folio);
  const uint32_t nr_pages = folio.nr_pages;
  for (uint32_t i = nr_pages; i-- > 0;) split_off(head, i);
  return true;
}

// Page `index` of the folio becomes a folio of its own; the first one last. The rest is processed
// next.
void Machine::split_off(uint32_t head, uint32_t index) {
  Frame& whole = frames_[head];
  Frame& piece = frames_[head + index];
  std::vector<MappingNode>& mapped = scratch_nodes_;
  mapped.clear();
  for (uint32_t at = whole.mappings; at != kNoFrame; at = mappings_.at(at).next) {
    const MappingNode node = mappings_.at(at);
    const Pte& pte =
        processes_[node.process]->table[static_cast<uint64_t>(node.first_page + index)];
    if (pte.present() && pte.frame() == head + index) mapped.push_back(node);
  }
  if (index == 0) {
    while (whole.mappings != kNoFrame) {
      mappings_.remove(whole, mappings_.at(whole.mappings).process);
    }
  } else {
    piece = Frame{};
    piece.folio = whole.folio;
    piece.folio.address = FrameTable::address(head + index);
    piece.isolated = true;
  }
  piece.head = head + index;
  piece.folio.nr_pages = 1;
  piece.folio.partially_mapped = false;
  piece.folio.mapped = static_cast<uint32_t>(mapped.size());
  for (const MappingNode& node : mapped) {
    mappings_.add(piece, node.process, node.first_page + index);
  }
  if (index == 0) return;
  Reclaim& reclaim = current_->reclaim;
  reclaim.list.insert(reclaim.list.begin() + static_cast<ptrdiff_t>(reclaim.next), head + index);
}

SlotAnswer Machine::allocate(Folio& folio) {
  pause();
  SlotAnswer answer;
  std::optional<uint64_t> entry = slots_.allocate(cpu_, folio.nr_pages);
  // deactivate_swap_slots_cache (mm/swap_slots.c): with few slots left, none waits to be free.
  if (!entry.has_value() && driven_ && !cpus_[cpu_].returned.empty()) {
    flush_returned(cpu_);
    entry = slots_.allocate(cpu_, folio.nr_pages);
  }
  if (!entry.has_value()) {
    result_.counters.no_slot += folio.nr_pages;
    answer.error = features_.dirties_in_add_to_swap ? -1 : kNoMemory;
    return answer;
  }
  answer.entry = *entry;
  const uint32_t head = FrameTable::of(folio);
  AreaRun& area = area_of(*entry);
  area.used += folio.nr_pages;
  cache_.add(*entry, folio.nr_pages, head);
  for (uint32_t i = 0; i < folio.nr_pages; ++i) {
    area.store.set_cached(entry_offset(*entry) + i, true);
  }
  const uint32_t shared = frames_[head].shared_page;
  if (shared == kNoFrame) return answer;
  // shmem_writeout: the page cache now holds the swap entry.
  shared_[shared].frame = kNoFrame;
  shared_[shared].entry = *entry;
  frames_[head].shared_page = kNoFrame;
  ++count_of(*entry);
  return answer;
}

// ---- unmapping ---------------------------------------------------------------------------------

UnmapAnswer Machine::unmap(Folio& folio) {
  pause();
  UnmapAnswer answer;
  Frame& frame = frames_[FrameTable::of(folio)];
  while (frame.mappings != kNoFrame && !disturbed()) {
    const MappingNode node = mappings_.at(frame.mappings);
    folio.mapped -= unmap_from(folio, node);
    mappings_.remove(frame, node.process);
  }
  answer.still_mapped = folio.mapped;
  return answer;
}

// try_to_unmap_one: how many page table entries it replaced.
uint32_t Machine::unmap_from(Folio& folio, const MappingNode& node) {
  const uint32_t head = FrameTable::of(folio);
  PageTable& table = processes_[node.process]->table;
  const bool shared = !folio.anon;
  uint32_t replaced = 0;
  uint32_t first = folio.nr_pages;
  for (uint32_t i = 0; i < folio.nr_pages; ++i) {
    Pte& pte = table[static_cast<uint64_t>(node.first_page + i)];
    if (!pte.gone) first = std::min(first, i);
    if (!pte.present() || pte.frame() != head + i) continue;
    folio.dirty |= pte.dirty;
    defer_flush(pte.dirty);
    pte = shared ? empty_pte() : swap_pte(folio.entry + i);
    if (!shared) ++count_of(folio.entry + i);
    ++replaced;
  }
  result_.counters.unmapped += replaced;
  if (replaced != 0) report_unmapped_one(folio, node, first, replaced);
  return replaced;
}

// set_tlb_ubc_flush_pending. Whoever is not in a batch flushes at once.
void Machine::defer_flush(bool dirty) {
  if (current_ == nullptr || !current_->reclaim.in_batch) {
    ++result_.counters.tlb_flushes;
    return;
  }
  current_->reclaim.tlb_pending = true;
  current_->reclaim.tlb_writable |= dirty;
}

// try_to_unmap_flush
void Machine::flush_deferred(Reclaim& reclaim) {
  result_.counters.tlb_flushes += reclaim.tlb_pending;
  reclaim.tlb_pending = reclaim.tlb_writable = false;
}

void Machine::report_unmapped_one(const Folio& folio, const MappingNode& node, uint32_t first,
                                  uint32_t ptes) {
  const Process& owner = *processes_[node.process];
  swaptrail_event& event = begin_folio_event(SWAPTRAIL_UNMAPPED_ONE, folio, true);
  event.result = 1;
  event.u.map.address = address_of(owner, static_cast<uint64_t>(node.first_page + first));
  event.u.map.value = kCgroup;
  event.u.map.owner = owner.tgid;
  event.u.map.first_page = static_cast<uint16_t>(first);
  event.u.map.ptes = static_cast<uint16_t>(ptes);
  std::memcpy(event.u.map.comm, owner.comm.data(), SWAPTRAIL_COMM_LEN);
  frames_[FrameTable::of(folio)].read_in = false;
  note(SWAPTRAIL_UNMAPPED_ONE, folio, 1, 0);
  send(event);
}

// ---- writing -----------------------------------------------------------------------------------

bool Machine::extra_reference(Folio& folio) {
  flush_dirty_entries();  // what is written now must not change any more
  pause();
  return folio.extra_references != 0 || folio.mapped != 0 || disturbed();
}

bool Machine::has_user(Folio& folio) {
  pause();
  if (any_count(folio)) return true;
  frames_[FrameTable::of(folio)].locked = false;
  return false;
}

bool Machine::zero_filled(Folio& folio) {
  const uint32_t head = FrameTable::of(folio);
  for (uint32_t i = 0; i < folio.nr_pages; ++i) {
    if (frames_.content(head + i) != Block{}) return false;
  }
  Store& store = area_of(folio.entry).store;
  for (uint32_t i = 0; i < folio.nr_pages; ++i) store.write_zero(entry_offset(folio.entry) + i);
  result_.swapped_out_pages += folio.nr_pages;
  result_.counters.zero_filled += folio.nr_pages;
  frames_[head].locked = false;
  frames_[head].written = true;
  return true;
}

bool Machine::zswap_stores(Folio& folio) {
  AreaRun& area = area_of(folio.entry);
  if (!area.options.zswap || (folio.nr_pages > 1 && !features_.large_zswap)) return false;
  if (chance(area.options.zswap_refuses)) return false;
  const uint32_t head = FrameTable::of(folio);
  for (uint32_t i = 0; i < folio.nr_pages; ++i) {
    area.store.write_zswap(entry_offset(folio.entry) + i, frames_.content(head + i));
  }
  result_.swapped_out_pages += folio.nr_pages;
  report(SWAPTRAIL_ZSWAP_STORED, folio, 0, 0);
  frames_[head].locked = false;
  frames_[head].written = true;
  return true;
}

void Machine::device_write(Folio& folio) {
  const uint32_t head = FrameTable::of(folio);
  AreaRun& area = area_of(folio.entry);
  Flight flight;
  flight.frame = head;
  flight.failed = chance(area.options.error_rate);
  for (uint32_t i = 0; i < folio.nr_pages && !flight.failed; ++i) {
    area.store.write_device(entry_offset(folio.entry) + i, frames_.content(head + i));
  }
  result_.swapped_out_pages += folio.nr_pages;
  if (flight.failed) result_.counters.write_errors += folio.nr_pages;
  move_head(folio);
  folio.writeback = true;
  frames_[head].locked = false;
  frames_[head].written = true;
  if (area.options.device == Device::kSynchronous) {
    flight.cpu = cpu_;
    complete(flight);
    return;
  }
  if (features_.queued_writes) {
    cpus_[cpu_].queued.push_back(flight);
    if (cpus_[cpu_].queued.size() >= kQueuedFolios) submit_queued(cpu_);
    return;
  }
  if (below(random_, kDoneAtOnce) != 0) {
    submit(flight);
    return;
  }
  flight.cpu = static_cast<uint32_t>(below(random_, options_.cpus));
  complete(flight);
}

// Of all devices together, as one that seeks would see it.
void Machine::move_head(const Folio& folio) {
  const uint64_t from = entry_offset(next_write_), to = entry_offset(folio.entry);
  if (next_write_ != 0 && next_write_ != folio.entry) {
    ++result_.counters.write_runs;
    const bool same = entry_type(next_write_) == entry_type(folio.entry);
    if (same) result_.counters.seek_slots += from < to ? to - from : from - to;
  }
  next_write_ = folio.entry + folio.nr_pages;
}

void Machine::submit(Flight flight) {
  flight.cpu = static_cast<uint32_t>(below(random_, options_.cpus));
  flight.done_ns = now_ + kFastestWriteNs + below(random_, kWriteSpreadNs);
  flights_.add(flight);
}

void Machine::submit_queued(uint32_t cpu) {
  for (const Flight& flight : cpus_[cpu].queued) submit(flight);
  cpus_[cpu].queued.clear();
}

// ---- leaving -----------------------------------------------------------------------------------

bool Machine::freeze(Folio& folio) {
  pause();
  return folio.mapped == 0 && folio.extra_references == 0 && !disturbed();
}

void Machine::note(swaptrail_kind kind, const Folio& folio, int32_t result, uint8_t backend) {
  if (!observed_) return;
  const bool in_batch =
      kind != SWAPTRAIL_WRITE_COMPLETED && current_ != nullptr && current_->reclaim.in_batch;
  LogBatch* const batch = in_batch ? &current_->reclaim.log : nullptr;
  log_.note(kind, folio, result, backend, now_, batch);
}

void Machine::report(swaptrail_kind kind, const Folio& folio, int32_t result, uint8_t backend) {
  // The hook sees only folios of the swap cache (bpf/stages.bpf.h: on_remove_begin).
  if (kind == SWAPTRAIL_REMOVED && result == 0 && !folio.swapcache) return;
  swaptrail_event& event = begin_folio_event(kind, folio, kind != SWAPTRAIL_WRITE_COMPLETED);
  event.result = result;
  if (kind == SWAPTRAIL_REMOVED) event.entry = folio.entry;
  if (kind == SWAPTRAIL_REMOVED && result == 1) go_away(folio);
  if (kind == SWAPTRAIL_WRITE_ISSUED) event.u.page.backend = SWAPTRAIL_BACKEND_DEVICE;
  if (kind == SWAPTRAIL_UNMAPPED && folio.mapped != 0) event.state |= SWAPTRAIL_STATE_MAPPED;
  if (kind == SWAPTRAIL_WRITE_END) event.u.page.backend = backend;
  if (kind == SWAPTRAIL_SLOT_ALLOCATED || kind == SWAPTRAIL_WRITE_BEGIN) {
    event.u.page.cgroup = kCgroup;
  }
  if (kind == SWAPTRAIL_WRITE_BEGIN && !folio.anon && !frames_[FrameTable::of(folio)].read_in) {
    event.u.page.inode = kSharedInode;
  }
  if (kind == SWAPTRAIL_UNMAPPED) forget_mapping(folio);
  note(kind, folio, result, backend);
  send(event);
}

void Machine::forget_mapping(const Folio& folio) {
  Frame& frame = frames_[FrameTable::of(folio)];
  frame.read_in = false;
  if (folio.mapped == 0) frame.from_swap = false;
}

// Its pages are now in swap and nowhere else; those of an unused copy have been there all the time.
void Machine::go_away(const Folio& folio) {
  if (!observed_) return;
  const Frame& frame = frames_[FrameTable::of(folio)];
  if (frame.read_in || (frame.log == kNoFrame && frames_.came_back(folio))) return;
  // A slot that nobody refers to is free by now, or waits to be.
  const std::vector<uint64_t>& waiting = cpus_[cpu_].returned;
  for (uint32_t page = 0; page < folio.nr_pages; ++page) {
    const bool free = area_of(folio.entry).store.count(entry_offset(folio.entry) + page) == 0 &&
                      std::ranges::find(waiting, folio.entry + page) == waiting.end();
    if (!free)
      away_.insert(folio.entry + page);
    else
      result_.returns.push_back({folio.entry + page, now_, ReturnHow::kSlotFreed, 0, 0, false});
  }
}

void Machine::leave_cache(Folio& folio, bool reclaimed) {
  std::optional<uint64_t> shadow;
  if (reclaimed) shadow = lru_.shadow_of(folio);
  Frame& frame = frames_[FrameTable::of(folio)];
  if (!reclaimed) frame.read_in = frame.from_swap = false;
  Store& store = area_of(folio.entry).store;
  const uint64_t offset = entry_offset(folio.entry);
  cache_.remove(folio.entry, folio.nr_pages, shadow);
  for (uint32_t i = 0; i < folio.nr_pages; ++i) store.set_cached(offset + i, false);
  uint32_t run = 0;
  for (uint32_t i = 0; i <= folio.nr_pages; ++i) {
    if (i < folio.nr_pages && store.count(offset + i) == 0) {
      ++run;
    } else if (run != 0) {
      release_slots(folio.entry + i - run, run);
      run = 0;
    }
  }
}

}  // namespace swaptrail::engine
