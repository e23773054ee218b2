// The way back: faults and reads, what they bring back, and what happens to pages that stay in swap.
#include <algorithm>

#include "trace/lifecycles/reconstructor_impl.h"

namespace swaptrail::lifecycles {
namespace {

constexpr int kEio = -5, kEnomem = -12;  // include/uapi/asm-generic/errno-base.h

ReturnHow how_of(const Fault& fault) {
  const auto bits = static_cast<uint32_t>(fault.result);
  if (fault.filled != 0 || !fault.ended()) return ReturnHow::kSwappedIn;
  if (fault.shmem) {
    if (fault.result == kEio) return ReturnHow::kReadError;
    return fault.result == kEnomem ? ReturnHow::kNoMemory : ReturnHow::kSwappedIn;
  }
  if (bits & SWAPTRAIL_FAULT_UNREADABLE) return ReturnHow::kReadError;
  return bits & SWAPTRAIL_FAULT_OOM ? ReturnHow::kNoMemory : ReturnHow::kSwappedIn;
}

// What is known of a fault, whatever it brought back.
Return return_of(const Fault& fault) {
  Return back;
  back.entry = fault.entry;
  back.time_ns = fault.end_ns;
  back.fault_ns = span_ns(fault.begin_ns, fault.end_ns);
  back.address = fault.address;
  back.reader_cgroup = fault.cgroup;
  back.tgid = fault.tgid;
  back.tid = fault.tid;
  back.owner_tgid = fault.owner_tgid;
  back.nr_pages = 0;
  back.passes = fault.passes;
  back.how = how_of(fault);
  back.major = fault.major();
  back.shmem = fault.shmem;
  back.sample_shift = sample_shift_of(fault.state);
  back.comm = fault.comm;
  return back;
}

void set_lifecycle(const Swapped& record, Return& back) {
  back.lifecycle_id = record.lifecycle_id;
  back.generation = record.generation;
  back.backend = record.backend;
  back.sample_shift = record.sample_shift;
  back.eviction = record.eviction();
}

// `next` continues the pages of `whole`.
bool joins(const Return& whole, const Return& next) {
  const bool both = (whole.nr_pages != 0) == (next.nr_pages != 0);
  return both && whole.lifecycle_id == next.lifecycle_id && whole.backend == next.backend;
}

}  // namespace

void Reconstructor::Impl::on_swap_in(const Event& event) {
  if (!is_swap_entry(event.entry)) return ignore(event);
  faults_.add(event, [this](const Fault& fault) { on_fault(fault); });
  note_due();
}

void Reconstructor::Impl::on_shmem_swap_in(const Event& event) {
  if (!is_swap_entry(event.entry)) return ignore(event);
  on_fault(shmem_fault_of(event));
}

void Reconstructor::Impl::settle_faults(uint64_t now_ns) {
  faults_.settle(now_ns, [this](const Fault& fault) { on_fault(fault); });
}

// All that a fault brought back: mostly pages of one lifecycle. If there are several returns, the first
// has the wait.
void Reconstructor::Impl::on_fault(const Fault& fault) {
  Return whole = return_of(fault);
  if (whole.how != ReturnHow::kSwappedIn) ++counters.failed_swap_ins;
  if (whole.how == ReturnHow::kReadError) ++counters.read_errors;
  if (fault.filled == 0) {
    name_lifecycle(whole);
    return sink_.on_return(whole);
  }
  const uint64_t first = fault.entry - fault.first_page;
  whole.entry = first;
  uint32_t page = return_run(fault, whole, fault.filled);
  while (page < fault.filled) {
    Return next = return_of(fault);
    next.entry = first + page;
    next.fault_ns = 0;
    next.passes = 0;
    next.major = false;
    page += return_run(fault, next, fault.filled - page);
    if (joins(whole, next)) {
      whole.nr_pages += next.nr_pages;
      whole.mapped_pages += next.mapped_pages;
    } else {
      sink_.on_return(whole);
      whole = next;
    }
  }
  sink_.on_return(whole);
}

// A fault that brings back nothing, or what is back already: which lifecycle's page it wanted.
void Reconstructor::Impl::name_lifecycle(Return& back) {
  const Slot* slot = slots.find(back.entry);
  if (slot == nullptr || slot->swapped == kNoIndex) return;
  set_lifecycle(swapped.at(slot->swapped), back);
}

// Pages from back.entry on that came back together. Returns how many, at most `limit`.
uint32_t Reconstructor::Impl::return_run(const Fault& fault, Return& back, uint32_t limit) {
  Slot* slot = slots.find(back.entry);
  const bool on_its_way = slot != nullptr && slot->attempt != kNoIndex;
  if (on_its_way) {
    const uint32_t run = return_cached(fault, back, slot->attempt, limit);
    if (run != 0) return run;
  }
  slot = slots.find(back.entry);
  if (slot != nullptr && slot->swapped != kNoIndex && !slot->returned) {
    return return_away(back, slot->swapped, limit);
  }
  if (const uint32_t run = return_pending(fault, back, limit)) return run;
  back.mapped_pages = 1;
  if (on_its_way) {
    name_lifecycle(back);
  } else if (slot != nullptr && slot->returned) {
    ++counters.shared_swap_ins;
    slot->mapped = 1;
    name_lifecycle(back);
  } else if (slot != nullptr && slot->cached != 0 && !slot->read) {
    ++counters.cache_refaults;
    name_lifecycle(back);
  } else {
    return_unknown(back, slot);
  }
  return 1;
}

// Pages that are in swap. A page has returned even if its slot is kept.
uint32_t Reconstructor::Impl::return_away(Return& back, uint32_t record, uint32_t limit) {
  uint32_t run = 0;
  for (; run < limit; ++run) {
    Slot* slot = slots.find(back.entry + run);
    if (slot == nullptr || slot->swapped != record || slot->returned) break;
    slot->returned = slot->mapped = 1;
  }
  back.nr_pages = back.mapped_pages = static_cast<uint16_t>(run);
  counters.away_pages -= run;
  credit(swapped.at(record), back);
  return run;
}

// Swapped out before we looked.
void Reconstructor::Impl::return_unknown(Return& back, Slot* slot) {
  back.nr_pages = 1;
  counters.unknown_returned_pages += 1;
  if (slot == nullptr) slot = slots.obtain(back.entry);
  if (slot == nullptr) {
    ++counters.slots_full;
    return;
  }
  slot->returned = slot->mapped = 1;
}

// The fault freed the slots before it returned.
uint32_t Reconstructor::Impl::return_pending(const Fault& fault, Return& back, uint32_t limit) {
  PendingFree* free = pending_frees_.find(back.entry, fault.last_begin_ns);
  if (free == nullptr) return 0;
  const uint32_t before = static_cast<uint32_t>(back.entry - free->entry);
  const uint32_t run = std::min<uint32_t>(limit, free->nr_pages - before);
  const uint32_t after = free->nr_pages - before - run;
  back.nr_pages = back.mapped_pages = static_cast<uint16_t>(run);
  counters.away_pages -= run;
  credit(swapped.at(free->swapped), back);
  unref(free->swapped, run);
  PendingFree rest = *free;
  rest.entry = back.entry + run;
  rest.nr_pages = static_cast<uint16_t>(after);
  free->nr_pages = static_cast<uint16_t>(before);
  if (after == 0) return run;
  if (before == 0) {
    *free = rest;
  } else {
    push_pending(rest);
  }
  return run;
}

// A fault found the pages in the swap cache before they were freed. 0: the slot belongs to another
// by now.
uint32_t Reconstructor::Impl::return_cached(const Fault& fault, Return& back, uint32_t index,
                                            uint32_t limit) {
  Attempt& attempt = attempts.at(index);
  // The slot was freed in that fault, and belongs to somebody else by now.
  if (attempt.life.at(Stage::kSlotAllocated) > fault.last_begin_ns) return 0;
  const uint32_t page = static_cast<uint32_t>(back.entry - attempt.life.entry);
  const uint32_t run = std::min<uint32_t>(limit, attempt.life.nr_pages - page);
  back.lifecycle_id = attempt.life.id;
  back.generation = attempt.life.generation;
  back.eviction = eviction_of(attempt.life);
  back.sample_shift = attempt.life.sample_shift;
  back.mapped_pages = static_cast<uint16_t>(run);
  for (uint32_t at = page; at < page + run; ++at)
    if (Slot* slot = slots.find(attempt.life.entry + at)) slot->mapped = 1;
  if (attempt.batch != kNoIndex) {
    attempt.refaulted = true;  // events of the pass may follow: the end of the pass closes it
  } else {
    close(index, stayed(attempt, AbortReason::kReferenced, sight_), fault.end_ns);
  }
  return run;
}

void Reconstructor::Impl::on_swap_read(const Event& event) {
  for (uint32_t page = 0; page < pages_of(event) && event.entry != 0; ++page) {
    Slot* slot = slots.obtain(event.entry + page);
    if (slot == nullptr) {
      ++counters.slots_full;
      continue;
    }
    const bool elsewhere =
        slot->attempt != kNoIndex && attempts.at(slot->attempt).life.folio != event.folio;
    if (elsewhere) supersede(slot->attempt, Rule::kReadWhileCached, event);
    take_slot(*slot, false);
    slot->read = 1;
    slot->freeing = slot->moved = slot->mapped = 0;
    if (event.state & SWAPTRAIL_STATE_SWAPCACHE) slot->cached = cached_mark();
  }
}

// --- pages that stay in swap ---

// zswap_writeback_entry (mm/zswap.c) moves an old page to the device, through a folio of its own.
void Reconstructor::Impl::on_zswap_writeback(const Event& event) {
  counters.zswap_writeback_pages += pages_of(event);
  for (uint32_t page = 0; page < pages_of(event) && event.entry != 0; ++page) {
    Slot* slot = slots.obtain(event.entry + page);
    if (slot == nullptr) continue;
    if (slot->swapped != kNoIndex) swapped.at(slot->swapped).backend = SWAPTRAIL_BACKEND_DEVICE;
    take_slot(*slot, false);
    slot->read = slot->moved = 1;
    slot->cached = cached_mark();
  }
  emit_stays(event, StayChange::kZswapWriteback);
}

// Reclaim meets a folio that nobody maps: a page that was read ahead or moved by zswap, or one that came
// back and was copied since. Its removal is no swap-out. False: it may be one.
bool Reconstructor::Impl::on_unused_copy(const Event& event) {
  if (event.entry == 0) return false;
  // An attempt for an older folio at this address, which left the cache, may still wait for its
  // end.
  const uint32_t index = attempts.find(event.folio);
  if (index != kNoIndex && attempts.at(index).life.entry == event.entry) return false;
  const Slot* slot = slots.find(event.entry);
  if (slot == nullptr || slot->attempt != kNoIndex) return false;
  const bool copied = was_copied(event);
  if (!copied && (!slot->read || slot->mapped)) return false;
  if (event.result != 1) return true;
  const bool read_ahead = !copied && !slot->moved;
  if (copied) counters.old_copies_dropped_pages += pages_of(event);
  if (read_ahead) counters.readahead_dropped_pages += pages_of(event);
  if (read_ahead && !slot->freeing) emit_stays(event, StayChange::kReadaheadDropped);
  for (uint32_t page = 0; page < pages_of(event); ++page) {
    Slot* dropped = slots.find(event.entry + page);
    if (dropped == nullptr) continue;
    dropped->read = dropped->moved = dropped->mapped = 0;
    dropped->cached = 0;
  }
  return true;
}

// The folio was filled from swap, faults mapped each of its pages, and no loss hides anything since. If anybody
// still mapped it, this pass of reclaim would have unmapped it before. Each process that had mapped it has a
// copy (do_wp_page in mm/memory.c copies a page of the swap cache at its first write from Linux 5.9 to 5.17),
// or has ended and left its slot to others.
bool Reconstructor::Impl::was_copied(const Event& event) {
  for (uint32_t page = 0; page < pages_of(event); ++page) {
    const Slot* slot = slots.find(event.entry + page);
    if (slot == nullptr || !slot->read || !slot->mapped) return false;
    if (slot->cached != cached_mark()) return false;
  }
  return sight_.sees(SWAPTRAIL_UNMAPPED);
}

// Since Linux 6.12 a page that was read ahead out of zswap is the only copy (mm/zswap.c: zswap_load). If
// nobody maps it, reclaim writes it again before it drops it: that is no swap-out either. When it is
// written it belongs to no file and no process, so it is recognised even if its read was not seen.
bool Reconstructor::Impl::rewrites_unused_copy(const Event& event) {
  constexpr uint64_t kWrites = kind_bit(SWAPTRAIL_WRITE_BEGIN) | kind_bit(SWAPTRAIL_WRITE_END);
  const bool writes = kind_bit(event.kind) & kWrites;
  if (!writes || event.entry == 0 || (event.state & SWAPTRAIL_STATE_ANON)) return false;
  Slot* slot = slots.find(event.entry);
  if (slot != nullptr && slot->attempt != kNoIndex) return false;
  if (event.kind == SWAPTRAIL_WRITE_BEGIN && options_.event_abi >= 2) {
    if (event.u.page.inode != 0) return false;
    note_unused_copy(event);
    return true;
  }
  if (slot == nullptr || !slot->read || slot->returned) return false;
  const bool written = event.kind == SWAPTRAIL_WRITE_END && event.result == 0 &&
                       event.u.page.backend > SWAPTRAIL_BACKEND_NONE;
  if (written && slot->swapped != kNoIndex)
    swapped.at(slot->swapped).backend = event.u.page.backend & 0xf;
  return true;
}

void Reconstructor::Impl::note_unused_copy(const Event& event) {
  for (uint32_t page = 0; page < pages_of(event); ++page) {
    Slot* slot = slots.obtain(event.entry + page);
    if (slot == nullptr) {
      ++counters.slots_full;
      continue;
    }
    take_slot(*slot, false);
    slot->read = 1;
    slot->returned = slot->freeing = slot->mapped = 0;
    slot->cached = cached_mark();
  }
}

// One stay for each lifecycle that the pages belong to.
void Reconstructor::Impl::emit_stays(const Event& event, StayChange change) {
  const auto record_at = [&](uint32_t page) {
    const Slot* slot = slots.find(event.entry + page);
    return slot == nullptr ? kNoIndex : slot->swapped;
  };
  for (uint32_t page = 0; page < pages_of(event) && event.entry != 0;) {
    const uint32_t record = record_at(page);
    Stay stay;
    stay.lifecycle_id = record == kNoIndex ? 0 : swapped.at(record).lifecycle_id;
    stay.entry = event.entry + page;
    stay.time_ns = event.time_ns;
    stay.change = change;
    stay.sample_shift =
        record == kNoIndex ? sample_shift_of(event.state) : swapped.at(record).sample_shift;
    uint32_t run = 1;
    while (page + run < pages_of(event) && record_at(page + run) == record) ++run;
    stay.nr_pages = static_cast<uint16_t>(run);
    page += run;
    sink_.on_stay(stay);
  }
}

// The pages of `back` belong to the record, and have returned.
void Reconstructor::Impl::credit(const Swapped& record, Return& back) {
  set_lifecycle(record, back);
  back.after_ns = span_ns(record.removed_ns, back.time_ns);
  counters.returned_pages += back.nr_pages;
}

void Reconstructor::Impl::emit_return(const Swapped& record, Return back) {
  credit(record, back);
  sink_.on_return(back);
}

}  // namespace swaptrail::lifecycles
