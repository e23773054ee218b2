// What happens to swap slots and to the pages in them, during reclaim and after it.
#include <algorithm>
#include <cstring>

#include "trace/reconstructor_impl.h"

namespace swaptrail {
namespace {

// How long a fault may take from freeing the slot to its return: then nobody will tell any more.
constexpr uint64_t kFaultGraceNs = 1'000'000'000;

// vm_fault_t, include/linux/mm_types.h.
constexpr uint32_t kFaultMajor = 0x4;
constexpr uint32_t kFaultNotDone = 0x1 | 0x2 | 0x10 | 0x40 | 0x400;  // OOM, SIGBUS, ..., RETRY

uint32_t pages_of(const Event& event) { return std::max<uint16_t>(1, event.nr_pages); }

uint64_t span_ns(uint64_t from_ns, uint64_t to_ns) { return to_ns > from_ns ? to_ns - from_ns : 0; }

uint64_t fault_begin_ns(const Event& event) {
  return event.time_ns - std::min<uint64_t>(event.time_ns, event.u.map.value);
}

Return swapped_in(const Event& event, uint64_t entry, uint32_t nr_pages) {
  Return back;
  back.entry = entry;
  back.time_ns = event.time_ns;
  back.fault_ns = event.u.map.value;
  back.address = event.u.map.address;
  back.tgid = event.tgid;
  back.nr_pages = static_cast<uint16_t>(nr_pages);
  back.major = event.result & kFaultMajor;
  std::memcpy(back.comm.data(), event.u.map.comm, SWAPTRAIL_COMM_LEN);
  return back;
}

}  // namespace

// --- ownership of slots ---

// shmem up to Linux 6.14 has its slot first seen when it is written; or the allocation was lost.
void Reconstructor::Impl::infer_slot(uint32_t index, const Event& event) {
  Attempt& attempt = attempts.at(index);
  if (attempt.life.entry != 0 || event.entry == 0) return;
  attempt.slot = SlotOrigin::kInferred;
  attempt.slot_failed = false;
  attempt.life.entry = event.entry;
  attempt.life.nr_pages = static_cast<uint16_t>(pages_of(event));  // it may be a piece by now
  claim_slots(index, Claim::kAllocated);
}

void Reconstructor::Impl::claim_slots(uint32_t index, Claim claim) {
  const bool allocated = claim == Claim::kAllocated;
  const uint64_t entry = attempts.at(index).life.entry;
  const uint32_t nr_pages = attempts.at(index).life.nr_pages;
  for (uint32_t page = 0; page < nr_pages; ++page) {
    Slot* slot = slots.obtain(entry + page);
    if (slot == nullptr) {
      ++counters.slots_full;
      continue;
    }
    evict_owner(*slot, index, entry + page, allocated);
    if (allocated) {
      slot->generation += slot->used;  // freed in between, and we did not see it
      slot->read = slot->returned = 0;
      slot->cached = 0;
    }
    if (claim != Claim::kRemoved) slot->freeing = 0;
    slot->used = !slot->freeing;
    slot->attempt = index;
    if (page == 0) attempts.at(index).life.generation = slot->generation - slot->freeing;
  }
}

// Who else is held to have the slot has lost it.
void Reconstructor::Impl::evict_owner(Slot& slot, uint32_t index, uint64_t entry, bool allocated) {
  const Attempt& claimer = attempts.at(index);
  if (slot.attempt != kNoIndex && slot.attempt != index) {
    // One that was seen to lose it inside its write or its removal: the end of that is to come.
    const Attempt& owner = attempts.at(slot.attempt);
    const bool goes_on = owner.leaving_ns != 0 && (owner.batch != kNoIndex || owner.removing);
    Event event{};
    event.time_ns = claimer.last_event_ns;
    if (!goes_on) supersede(slot.attempt, Rule::kSlotReusedWithoutFree, event);
  }
  if (!allocated || slot.swapped == kNoIndex) return;
  ++counters.superseded_slots;
  const Swapped& record = swapped.at(slot.swapped);
  const bool all_told = sight_.sees(SWAPTRAIL_SLOT_FREED) && sight_.sees(SWAPTRAIL_SWAP_READ) &&
                        sight_.loss_until_ns < record.removed_ns;
  if (all_told) {
    Attempt blamed;
    blamed.life.id = record.lifecycle_id;
    blamed.life.folio = claimer.life.folio;
    blamed.life.entry = entry;
    violate(Rule::kSlotReusedWithoutFree, blamed, claimer.last_event_ns);
  }
  unref(slot.swapped, 1);
  slot.swapped = kNoIndex;
}

// The attempt ends: its slots hold the freed page, or still back a folio in the swap cache.
void Reconstructor::Impl::hand_slots(uint32_t index, const Verdict& verdict) {
  const Attempt& attempt = attempts.at(index);
  const Lifecycle& life = attempt.life;
  if (life.entry == 0) return;
  const bool freed = life.at(Stage::kRemoved) != 0;
  const bool cached = attempt.leaving_ns == 0 && verdict.outcome != Outcome::kUnknown;
  uint32_t record = kNoIndex;
  if (freed) {
    record = swapped.acquire();
    if (record == kNoIndex) ++counters.swapped_full;
  }
  uint16_t references = 0;
  for (uint32_t page = 0; page < life.nr_pages; ++page) {
    Slot* slot = slots.find(life.entry + page);
    if (slot == nullptr || slot->attempt != index) continue;
    slot->attempt = kNoIndex;
    if (!freed) {
      slot->cached = cached && slot->used ? cached_mark() : 0;
      continue;
    }
    if (slot->swapped != kNoIndex) unref(slot->swapped, 1);
    slot->swapped = kNoIndex;
    slot->cached = 0;
    slot->read = slot->returned = 0;
    if (slot->freeing) continue;  // nothing is left in it
    slot->swapped = record;
    ++references;
  }
  if (record == kNoIndex) return;
  swapped.at(record) = {
      life.id, life.at(Stage::kRemoved), life.generation, references, life.backend, life.shmem};
  if (references == 0) swapped.release(record);
}

void Reconstructor::Impl::unref(uint32_t record, uint32_t references) {
  Swapped& swapped_folio = swapped.at(record);
  swapped_folio.references -= static_cast<uint16_t>(references);
  if (swapped_folio.references == 0) swapped.release(record);
}

// --- leaving the swap cache ---

// A folio leaves the cache inside do_swap_page (mm/memory.c), which tells SWAP_IN only when it
// returns, or because nobody needs the slot any more. Which of them, the next moment tells.
void Reconstructor::Impl::mark_leaving(uint32_t index, const Event& event) {
  Attempt& attempt = attempts.at(index);
  attempt.removing |= event.kind == SWAPTRAIL_SLOT_FREED && event.batch_ns != 0;
  if (attempt.leaving_ns != 0) return;
  attempt.leaving_ns = event.time_ns;
  leaving_.append(attempts.pool(), index);
}

void Reconstructor::Impl::settle_leaving(uint64_t now_ns) {
  while (leaving_.head() != kNoIndex) {
    const Attempt& attempt = attempts.at(leaving_.head());
    if (span_ns(attempt.leaving_ns, now_ns) <= kFaultGraceNs) return;
    close(leaving_.head(), judge_left(attempt, sight_), attempt.leaving_ns);
  }
}

void Reconstructor::Impl::on_cache_deleted(const Event& event) {
  for (uint32_t page = 0; page < pages_of(event) && event.entry != 0; ++page) {
    if (Slot* slot = slots.find(event.entry + page)) slot->cached = 0;
  }
  const uint32_t index = attempts.find(event.folio);
  if (index == kNoIndex) return;
  Attempt& attempt = attempts.at(index);
  if (event.entry != 0 && event.entry != attempt.life.entry) return;
  if (attempt.in_write() && event.tid == attempt.writer_tid) attempt.no_user = true;
  attempt.cache_left = true;
  mark_leaving(index, event);
}

// --- the end of a slot's use ---

void Reconstructor::Impl::on_slot_freed(const Event& event) {
  struct Run {
    uint64_t entry = 0;
    uint32_t nr_pages = 0;
    uint32_t record = kNoIndex;
    bool read = false;
  } run;
  const auto end_run = [&] {
    if (run.nr_pages != 0) free_run(event, run.entry, run.nr_pages, run.read, run.record);
    run = Run{};
  };
  for (uint32_t page = 0; page < pages_of(event); ++page) {
    const bool in_batch = event.batch_ns != 0;
    Slot* slot = in_batch ? slots.obtain(event.entry + page) : slots.find(event.entry + page);
    if (slot == nullptr) {
      end_run();
      continue;
    }
    if (slot->attempt != kNoIndex) mark_leaving(slot->attempt, event);
    if (slot->returned && slot->swapped != kNoIndex) {
      unref(slot->swapped, 1);
      slot->swapped = kNoIndex;
    }
    if (slot->swapped != run.record || slot->read != run.read) end_run();
    if (slot->swapped != kNoIndex) {
      if (run.nr_pages++ == 0) run.entry = event.entry + page;
      run.record = slot->swapped;
      run.read = slot->read;
    }
    const uint32_t owner = slot->attempt;  // kept until it is known why it left
    // The fault that freed it may be telling soon: it brings nothing back that was away.
    const bool was_here = slot->returned || (slot->cached != 0 && !slot->read);
    Slot after;
    after.generation = slot->generation + 1;
    after.returned = was_here;
    after.attempt = owner;
    // __remove_mapping frees a slot that nobody needs, and only then REMOVED is told.
    if (in_batch) {
      after.freeing = 1;
      after.cached = slot->cached;
      after.read = slot->read;
    }
    *slot = after;
  }
  end_run();
}

// Slots of one freed folio, not returned yet, were freed together.
void Reconstructor::Impl::free_run(const Event& event, uint64_t entry, uint32_t nr_pages, bool read,
                                   uint32_t record) {
  const Swapped& held = swapped.at(record);
  const bool swapoff = event.state & SWAPTRAIL_STATE_SWAPOFF;
  const bool may_be_fault =
      read || !sight_.sees(SWAPTRAIL_SWAP_READ) || sight_.loss_until_ns > held.removed_ns;
  if (!swapoff && !held.shmem && may_be_fault && sight_.sees(SWAPTRAIL_SWAP_IN)) {
    if (pending_frees_.full()) {
      settle_free(pending_frees_.front());
      pending_frees_.pop();
    }
    pending_frees_.push({entry, event.time_ns, record, static_cast<uint16_t>(nr_pages)});
    return;
  }
  Return back;
  back.entry = entry;
  back.time_ns = event.time_ns;
  back.nr_pages = static_cast<uint16_t>(nr_pages);
  // shmem_swapin_folio (mm/shmem.c) is not do_swap_page: that the slot was read must do.
  const bool shmem_read = held.shmem && read;
  back.how = swapoff      ? ReturnHow::kSwapoff
             : shmem_read ? ReturnHow::kSwappedIn
                          : ReturnHow::kSlotFreed;
  emit_return(held, back);
  unref(record, nr_pages);
}

void Reconstructor::Impl::settle_free(const PendingFree& free) {
  if (free.nr_pages == 0) return;
  Return back;
  back.entry = free.entry;
  back.time_ns = free.time_ns;
  back.nr_pages = free.nr_pages;
  back.how = ReturnHow::kSlotFreed;
  emit_return(swapped.at(free.swapped), back);
  unref(free.swapped, free.nr_pages);
}

void Reconstructor::Impl::settle_frees(uint64_t now_ns) {
  while (!pending_frees_.empty()) {
    const PendingFree free = pending_frees_.front();
    if (span_ns(free.time_ns, now_ns) <= kFaultGraceNs) return;
    settle_free(free);
    pending_frees_.pop();
  }
}

// --- swap-in ---

void Reconstructor::Impl::on_swap_in(const Event& event) {
  if (!is_swap_entry(event.entry)) return ignore(event);
  if (static_cast<uint32_t>(event.result) & kFaultNotDone) {
    ++counters.failed_swap_ins;
    return;
  }
  for (uint32_t page = 0; page < pages_of(event);) {
    page += return_run(event, event.entry + page, pages_of(event) - page);
  }
}

// Pages from `entry` on that came back together, at most `limit`; how many.
uint32_t Reconstructor::Impl::return_run(const Event& event, uint64_t entry, uint32_t limit) {
  Slot* slot = slots.find(entry);
  const bool on_its_way = slot != nullptr && slot->attempt != kNoIndex;
  if (on_its_way) refault(slot->attempt, event);
  if (slot != nullptr && slot->swapped != kNoIndex && !slot->returned) {
    const uint32_t record = slot->swapped;
    uint32_t run = 0;
    while (run < limit && slot != nullptr && slot->swapped == record && !slot->returned) {
      slot->returned = 1;
      slot = slots.find(entry + ++run);
    }
    emit_return(swapped.at(record), swapped_in(event, entry, run));
    return run;
  }
  if (return_pending(event, entry) || on_its_way) return 1;
  if (slot != nullptr && slot->returned) {
    ++counters.shared_swap_ins;
  } else if (slot != nullptr && slot->cached != 0 && !slot->read) {
    ++counters.cache_refaults;
  } else {
    return_unknown(event, entry, slot);
  }
  return 1;
}

// Swapped out before we looked.
void Reconstructor::Impl::return_unknown(const Event& event, uint64_t entry, Slot* slot) {
  sink_.on_return(swapped_in(event, entry, 1));
  if (slot == nullptr) slot = slots.obtain(entry);
  if (slot == nullptr) {
    ++counters.slots_full;
    return;
  }
  slot->returned = 1;
}

// The fault freed the slot before it returned.
bool Reconstructor::Impl::return_pending(const Event& event, uint64_t entry) {
  PendingFree* free = pending_frees_.find(entry, fault_begin_ns(event));
  if (free == nullptr) return false;
  const uint32_t before = static_cast<uint32_t>(entry - free->entry);
  const uint32_t after = free->nr_pages - before - 1;
  emit_return(swapped.at(free->swapped), swapped_in(event, entry, 1));
  unref(free->swapped, 1);
  PendingFree rest = *free;
  free->nr_pages = static_cast<uint16_t>(before);
  if (after == 0) return true;
  rest.entry = entry + 1;
  rest.nr_pages = static_cast<uint16_t>(after);
  if (before == 0) {
    *free = rest;
  } else if (pending_frees_.full()) {
    settle_free(rest);
  } else {
    pending_frees_.push(rest);
  }
  return true;
}

// A fault found the page in the swap cache, before it was freed.
void Reconstructor::Impl::refault(uint32_t index, const Event& event) {
  Attempt& attempt = attempts.at(index);
  // The slot was freed in that fault, and is somebody else's by now.
  if (attempt.life.at(Stage::kSlotAllocated) > fault_begin_ns(event)) return;
  if (attempt.batch != kNoIndex) {
    attempt.refaulted = true;  // events of the pass may follow: its end closes it
    return;
  }
  close(index, stayed(attempt, AbortReason::kReferenced, sight_), event.time_ns);
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
    slot->read = 1;
    slot->used = 1;
    slot->freeing = 0;
    if (event.state & SWAPTRAIL_STATE_SWAPCACHE) slot->cached = cached_mark();
  }
}

void Reconstructor::Impl::emit_return(const Swapped& record, Return entry_return) {
  entry_return.lifecycle_id = record.lifecycle_id;
  entry_return.generation = record.generation;
  entry_return.backend = record.backend;
  entry_return.after_ns = span_ns(record.removed_ns, entry_return.time_ns);
  sink_.on_return(entry_return);
}

}  // namespace swaptrail
