// Who has a swap slot, and when it becomes free.
#include <algorithm>

#include "trace/lifecycles/reconstructor_impl.h"

namespace swaptrail::lifecycles {
namespace {

// How long a fault may take from freeing the slot to its return. After that nobody will report it
// any more.
constexpr uint64_t kFaultGraceNs = 1'000'000'000;

uint64_t end_of_grace(uint64_t begin_ns) {
  return std::min(begin_ns, ~uint64_t{0} - kFaultGraceNs) + kFaultGraceNs;
}

}  // namespace

// --- ownership of slots ---

// shmem up to Linux 6.14: its slot is first seen when it is written. Otherwise the allocation was
// lost.
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
      slot->read = slot->returned = slot->moved = slot->mapped = 0;
      slot->cached = 0;
    }
    if (claim != Claim::kRemoved) slot->freeing = 0;
    if (!slot->freeing) take_slot(*slot, allocated);
    slot->attempt = index;
    if (page == 0) attempts.at(index).life.generation = slot->generation - slot->freeing;
  }
}

// In use from now on: taken just now, or before we looked.
void Reconstructor::Impl::take_slot(Slot& slot, bool allocated) {
  if (slot.used) return;
  slot.used = 1;
  ++counters.used_slots;
  counters.older_slots += !allocated;
}

void Reconstructor::Impl::count_free(const Slot* slot) {
  const bool known = slot != nullptr && slot->used;
  counters.used_slots -= known;
  counters.older_slots += !known;
}

// Whoever else was thought to have the slot has lost it.
void Reconstructor::Impl::evict_owner(Slot& slot, uint32_t index, uint64_t entry, bool allocated) {
  const Attempt& claimer = attempts.at(index);
  if (slot.attempt != kNoIndex && slot.attempt != index) {
    // An owner that was seen to lose it inside its write or its removal: the end of that is still
    // to come.
    const Attempt& owner = attempts.at(slot.attempt);
    const bool goes_on = owner.leaving_ns != 0 && (owner.batch != kNoIndex || owner.removing);
    Event event{};
    event.time_ns = claimer.last_event_ns;
    if (!goes_on) supersede(slot.attempt, Rule::kSlotReusedWithoutFree, event);
  }
  if (!allocated || slot.swapped == kNoIndex) return;
  ++counters.superseded_slots;
  const Swapped& record = swapped.at(slot.swapped);
  const bool all_seen = sight_.sees(SWAPTRAIL_SLOT_FREED) && sight_.sees(SWAPTRAIL_SWAP_READ) &&
                        sight_.loss_until_ns < record.removed_ns;
  if (all_seen) {
    Attempt blamed;
    blamed.life.id = record.lifecycle_id;
    blamed.life.folio = claimer.life.folio;
    blamed.life.entry = entry;
    violate(Rule::kSlotReusedWithoutFree, blamed, claimer.last_event_ns);
  }
  forget_page(slot);
}

// The page that was thought to be in the slot is not there any more, and its return was not seen.
void Reconstructor::Impl::forget_page(Slot& slot) {
  if (slot.swapped == kNoIndex) return;
  if (!slot.returned) {
    --counters.away_pages;
    ++counters.superseded_pages;
  }
  unref(slot.swapped, 1);
  slot.swapped = kNoIndex;
}

// The attempt ends: its slots hold the freed page, or still back a folio in the swap cache.
void Reconstructor::Impl::hand_slots(uint32_t index, const Judgement& judgement) {
  const Attempt& attempt = attempts.at(index);
  const Lifecycle& life = attempt.life;
  if (life.entry == 0) return;
  const bool freed = life.at(Stage::kRemoved) != 0;
  const bool cached = attempt.leaving_ns == 0 && judgement.outcome != Outcome::kUnknown;
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
      if (attempt.unmapped) slot->read = slot->mapped = 0;
      slot->cached = cached && slot->used ? cached_mark() : 0;
      continue;
    }
    forget_page(*slot);
    slot->cached = 0;
    slot->read = slot->returned = slot->moved = slot->mapped = 0;
    if (record == kNoIndex) continue;
    ++counters.freed_pages;
    if (slot->freeing) {  // nothing is left in it
      gone_.push_back(life.entry + page);
      continue;
    }
    slot->swapped = record;
    ++counters.away_pages;
    ++references;
  }
  if (record == kNoIndex) return;
  swapped.at(record) = Swapped(life);
  swapped.at(record).references = references;
  if (references == 0) swapped.release(record);
}

// Pages whose owners let go of them during the write: their slots are free already.
void Reconstructor::Impl::return_gone(const Lifecycle& life) {
  const Swapped record(life);
  for (size_t index = 0; index < gone_.size();) {
    Return back;
    back.entry = gone_[index];
    back.time_ns = record.removed_ns;
    back.how = ReturnHow::kSlotFreed;
    back.shmem = life.shmem;
    size_t next = index + 1;
    while (next < gone_.size() && gone_[next] == gone_[next - 1] + 1) ++next;
    back.nr_pages = static_cast<uint16_t>(next - index);
    index = next;
    emit_return(record, back);
  }
  gone_.clear();
}

void Reconstructor::Impl::unref(uint32_t record, uint32_t references) {
  Swapped& swapped_folio = swapped.at(record);
  swapped_folio.references -= static_cast<uint16_t>(references);
  if (swapped_folio.references == 0) swapped.release(record);
}

// --- leaving the swap cache ---

// A folio leaves the cache either inside do_swap_page (mm/memory.c), which reports SWAP_IN only
// when it returns, or because nobody needs the slot any more. The next moment shows which.
void Reconstructor::Impl::mark_leaving(uint32_t index, const Event& event) {
  Attempt& attempt = attempts.at(index);
  attempt.removing |= event.kind == SWAPTRAIL_SLOT_FREED && event.batch_ns != 0;
  if (attempt.leaving_ns != 0) return;
  attempt.leaving_ns = event.time_ns;
  leaving_.append(attempts.pool(), index);
  note_due();
}

void Reconstructor::Impl::end_leaving(uint32_t index) {
  leaving_.remove(attempts.pool(), index);
  note_due();
}

uint64_t Reconstructor::Impl::leaving_due_ns() const {
  if (leaving_.head() == kNoIndex) return ~uint64_t{0};
  return end_of_grace(attempts.at(leaving_.head()).leaving_ns);
}

void Reconstructor::Impl::settle_leaving(uint64_t now_ns) {
  while (now_ns > leaving_due_ns()) {
    const Attempt& attempt = attempts.at(leaving_.head());
    close(leaving_.head(), judge_left(attempt, sight_), attempt.leaving_ns);
  }
}

void Reconstructor::Impl::on_cache_deleted(const Event& event) {
  for (uint32_t page = 0; page < pages_of(event) && event.entry != 0; ++page) {
    Slot* slot = slots.find(event.entry + page);
    if (slot == nullptr) continue;
    // It never left memory: a fault that ends later brings nothing back.
    if (slot->cached != 0 && slot->swapped == kNoIndex) slot->returned = 1;
    slot->cached = 0;
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
  counters.slot_changes += pages_of(event);
  const auto end_run = [&] {
    if (run.nr_pages != 0) free_run(event, run.entry, run.nr_pages, run.read, run.record);
    run = Run{};
  };
  for (uint32_t page = 0; page < pages_of(event); ++page) {
    const bool in_batch = event.batch_ns != 0;
    Slot* slot = in_batch ? slots.obtain(event.entry + page) : slots.find(event.entry + page);
    count_free(slot);
    if (slot == nullptr) {
      end_run();
      continue;
    }
    if (slot->attempt != kNoIndex) mark_leaving(slot->attempt, event);
    if (slot->returned) forget_page(*slot);
    if (slot->swapped != run.record || slot->read != run.read) end_run();
    if (slot->swapped != kNoIndex) {
      if (run.nr_pages++ == 0) run.entry = event.entry + page;
      run.record = slot->swapped;
      run.read = slot->read;
    }
    const uint32_t owner = slot->attempt;  // kept until it is known why it left
    // The fault that freed it may report soon: then it brings back nothing that was away.
    const bool was_here = slot->returned || (slot->cached != 0 && !slot->read);
    Slot after;
    after.generation = slot->generation + 1;
    after.returned = was_here;
    after.attempt = owner;
    // __remove_mapping frees a slot that nobody needs, and only then REMOVED is reported.
    if (in_batch) {
      after.freeing = 1;
      after.cached = slot->cached;
      after.read = slot->read;
      after.mapped = slot->mapped;
    }
    *slot = after;
  }
  end_run();
}

// Slots of one freed folio that has not returned were freed together. Their pages count as away until it
// is known how they returned.
void Reconstructor::Impl::free_run(const Event& event, uint64_t entry, uint32_t nr_pages, bool read,
                                   uint32_t record) {
  const Swapped& held = swapped.at(record);
  const bool swapoff = event.state & SWAPTRAIL_STATE_SWAPOFF;
  const bool may_be_read =
      read || !sight_.sees(SWAPTRAIL_SWAP_READ) || sight_.loss_until_ns > held.removed_ns;
  const bool reader_visible = sight_.sees(held.shmem ? SWAPTRAIL_SHMEM_SWAP_IN : SWAPTRAIL_SWAP_IN);
  if (!swapoff && may_be_read && reader_visible) {
    return push_pending({entry, event.time_ns, record, static_cast<uint16_t>(nr_pages)});
  }
  Return back;
  back.entry = entry;
  back.time_ns = event.time_ns;
  back.nr_pages = static_cast<uint16_t>(nr_pages);
  back.shmem = held.shmem;
  // Without a hook in shmem_swapin_folio (mm/shmem.c), the read of the slot has to serve as proof.
  const bool shmem_read = held.shmem && read;
  back.how = swapoff      ? ReturnHow::kSwapoff
             : shmem_read ? ReturnHow::kSwappedIn
                          : ReturnHow::kSlotFreed;
  counters.away_pages -= nr_pages;
  emit_return(held, back);
  unref(record, nr_pages);
}

void Reconstructor::Impl::push_pending(const PendingFree& free) {
  if (pending_frees_.full()) {
    settle_free(pending_frees_.front());
    pending_frees_.pop();
  }
  pending_frees_.push(free);
  note_due();
}

void Reconstructor::Impl::settle_free(const PendingFree& free) {
  if (free.nr_pages == 0) return;
  Return back;
  back.entry = free.entry;
  back.time_ns = free.time_ns;
  back.nr_pages = free.nr_pages;
  back.how = ReturnHow::kSlotFreed;
  back.shmem = swapped.at(free.swapped).shmem;
  counters.away_pages -= free.nr_pages;
  emit_return(swapped.at(free.swapped), back);
  unref(free.swapped, free.nr_pages);
}

uint64_t Reconstructor::Impl::frees_due_ns() const {
  if (pending_frees_.empty()) return ~uint64_t{0};
  return end_of_grace(pending_frees_.front().time_ns);
}

void Reconstructor::Impl::settle_frees(uint64_t now_ns) {
  while (now_ns > frees_due_ns()) {
    settle_free(pending_frees_.front());
    pending_frees_.pop();
  }
}

}  // namespace swaptrail::lifecycles
