// Swap slots: their owners, their contents, their readers.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "engine/lockstep/lockstep_impl.h"

namespace swaptrail::engine {
SlotRecord* Lockstep::Impl::slot_of(uint64_t entry) {
  const auto found = slots_.find(entry);
  if (found != slots_.end()) {
    if (hidden(found->second.last_ns)) found->second = SlotRecord{};
    return &found->second;
  }
  if (slots_.size() >= options_.max_slots) {
    ++counters.slots_full;
    return nullptr;
  }
  return &slots_[entry];
}

// The area had no slot in use, and this slot was not seen since.
bool Lockstep::Impl::was_free(uint64_t entry) const {
  const uint32_t type = entry_type(entry);
  const uint64_t empty_ns = type < area_empty_ns_.size() ? area_empty_ns_[type] : 0;
  return empty_ns != 0 && !hidden(empty_ns) && options_.sample == 1 && counters.slots_full == 0 &&
         !slots_.contains(entry);
}

// A folio got slots: were they free, and are they slots of an area?
void Lockstep::Impl::claim_slots(FolioRecord& record, const Event& event) {
  if (event.kind != SWAPTRAIL_SLOT_ALLOCATED) {
    way_back_.on_allocated(event.entry, record.model.nr_pages, event.time_ns);
  }
  record.account.entry = event.entry;
  record.from_begin = true;
  const uint64_t offset = entry_offset(event.entry);
  const uint32_t nr_pages = record.model.nr_pages;
  const uint32_t type = entry_type(event.entry);
  const uint64_t area = type < area_pages_.size() ? area_pages_[type] : 0;
  if (type >= options_.max_swapfiles) {
    find(FindingKind::kViolation, Rule::kEntryUnknownArea, event, "", &record);
  } else if (offset == 0 || (area != 0 && offset + nr_pages > area)) {
    find(FindingKind::kViolation, Rule::kSlotOutOfRange, event, absl::StrCat("the area has ", area),
         &record);
  } else if (nr_pages > 1 && offset % nr_pages != 0) {
    find(FindingKind::kViolation, Rule::kSlotMisaligned, event, "", &record);
  }
  bool reported = false;
  for (uint32_t page = 0; page < nr_pages; ++page) {
    SlotRecord* slot = slot_of(event.entry + page);
    // Its pass is checked after it has ended: the slot may have been freed and taken again.
    if (slot == nullptr || slot->last_ns > event.time_ns) continue;
    if (slot->used && !reported && !hidden(slot->last_ns)) {
      reported = true;
      find(FindingKind::kViolation, Rule::kSlotInUse, event,
           slot->cached != 0 ? "a folio in the swap cache has it" : "it holds a page", &record);
    }
    *slot = SlotRecord{};
    slot->cached = record.model.address;
    slot->last_ns = event.time_ns;
    slot->used = slot->from_begin = true;
    slot->shmem = !record.model.anon;
    leaving_.erase(event.entry + page);
  }
}

// A folio that is not in the sample: nothing is known of its slots from now on, whoever had them before.
void Lockstep::Impl::not_followed(const Event& event) {
  if (!gets_slot(event) || event.result < 0 || event.entry == 0) return;
  for (uint32_t page = 0; page < pages_of(event); ++page) {
    const auto slot = slots_.find(event.entry + page);
    if (slot == slots_.end() || slot->second.last_ns > event.time_ns) continue;
    slot->second = SlotRecord{};
    slot->second.last_ns = event.time_ns;
  }
  way_back_.on_reused(event);
}

void Lockstep::Impl::store_slots(const FolioRecord& record, bool stored) {
  store_slots(record.model.entry, record.model.nr_pages, stored);
}

void Lockstep::Impl::store_slots(uint64_t entry, uint32_t nr_pages, bool stored) {
  for (uint32_t page = 0; page < nr_pages && entry != 0; ++page) {
    const auto slot = slots_.find(entry + page);
    if (slot != slots_.end()) slot->second.stored = stored;
  }
}

// Another folio may have been filled from the slot by now.
void Lockstep::Impl::uncache_slots(uint64_t entry, uint32_t nr_pages, uint64_t folio) {
  for (uint32_t page = 0; page < std::max(1u, nr_pages) && entry != 0; ++page) {
    const auto found = slots_.find(entry + page);
    if (found == slots_.end()) continue;
    SlotRecord& slot = found->second;
    if (slot.cached == folio || slot.cached == kElsewhere) slot.cached = 0;
  }
}

// Whether the process did something before that time.
bool Lockstep::Impl::was_there(uint32_t process, uint64_t time_ns) const {
  const auto seen = first_of_process_.find(process);
  return seen != first_of_process_.end() && seen->second < time_ns;
}

// Notes where each page was unmapped from: that is where it should come back.
void Lockstep::Impl::map_slots(const FolioRecord& record, const Event& event) {
  if (record.model.ksm || !record.model.anon) return;
  const uint32_t first = first_page_of(event, record.model.nr_pages);
  if (first == SWAPTRAIL_PAGE_UNKNOWN) return;
  const uint32_t ptes =
      event.u.map.ptes == SWAPTRAIL_NOT_COUNTED ? record.model.nr_pages : event.u.map.ptes;
  for (uint32_t i = 0; i < ptes; ++i) {
    const uint32_t page = first + i;
    const auto found = slots_.find(record.model.entry + page);
    if (page >= record.model.nr_pages || found == slots_.end()) continue;
    SlotRecord& slot = found->second;
    // Another mapping, now or in an earlier pass: any of them may bring it back.
    const uint64_t address = event.u.map.address + uint64_t{i} * 4096;
    const bool same = slot.owner == event.u.map.owner && slot.address == address;
    const bool several = slot.unmapped_ns != 0 && !same;
    slot.owner = several ? 0 : event.u.map.owner;
    slot.address = several ? 0 : address;
    if (slot.unmapped_ns == 0) slot.unmapped_ns = event.time_ns;  // a fork may copy it from then on
  }
}

void Lockstep::Impl::check_removed(const FolioRecord& record, const Event& event) {
  if (hidden(record.last_ns) || record.lost_track || !record.from_begin) return;
  for (uint32_t page = 0; page < record.model.nr_pages; ++page) {
    const auto slot = slots_.find(record.model.entry + page);
    if (slot == slots_.end() || !slot->second.from_begin || slot->second.stored) continue;
    find(FindingKind::kViolation, Rule::kRemovedUnwritten, event, describe(record));
    return;
  }
}

// ---- the end of a slot's use ---------------------------------------------------------------------

// Inside __remove_mapping it is reported before REMOVED is: then the folio's pass shows whether it has
// left.
void Lockstep::Impl::on_slot_freed(const Event& event) {
  check_batch(event);
  if (Batch* pass = pass_of(event.entry, pages_of(event))) {
    pass->events.push_back(event);
    return free_slots(event, false);
  }
  if (is_tried_only(event)) return free_slots(event, false);
  const auto open = batches_.find(event.tid);
  const auto slot = slots_.find(event.entry);
  const uint64_t holder = slot == slots_.end() ? 0 : slot->second.cached;
  const bool may_follow = event.batch_ns != 0 && open != batches_.end() && holder != 0;
  if (may_follow) open->second->freed_early.push_back({event, holder});
  free_slots(event, !may_follow);
}

// The next event of its thread shows whether it was inside a removal.
void Lockstep::Impl::judge_freed_early(Batch& batch, const Event& next) {
  for (const Batch::FreedEarly& early : std::exchange(batch.freed_early, {})) {
    if (early.holder == 0) {
      const bool tried = next.kind == SWAPTRAIL_SLOT_ALLOCATED && next.result < 0;
      if (tried || !early.was_free || hidden(early.event.time_ns)) continue;
      const bool freed = early.event.kind == SWAPTRAIL_SLOT_FREED;
      find(FindingKind::kViolation, freed ? Rule::kSlotFreedTwice : Rule::kUnknownFolio,
           early.event, "its slot is free, and no allocation has failed there");
      continue;
    }
    const bool removes = next.kind == SWAPTRAIL_REMOVED && next.result == 1 &&
                         (early.holder == next.folio || early.holder == kElsewhere);
    if (removes || hidden(early.event.time_ns)) continue;
    find(FindingKind::kViolation, Rule::kSlotFreedWhileCached, early.event, "");
  }
}

void Lockstep::Impl::free_slots(const Event& event, bool must_have_left) {
  take(Taken::kSlotFreed);
  bool reported = false;
  const bool partial = options_.sample > 1;
  for (uint32_t page = 0; page < pages_of(event); ++page) {
    const auto found = slots_.find(event.entry + page);
    if (found == slots_.end() && partial) continue;
    SlotRecord* slot = slot_of(event.entry + page);
    if (slot == nullptr || slot->last_ns > event.time_ns) continue;  // another folio has it by now
    const bool sure = !reported && must_have_left && !hidden(slot->last_ns);
    if (slot->cached != 0 && sure) {
      reported = true;
      find(FindingKind::kViolation, Rule::kSlotFreedWhileCached, event, "");
    } else if (slot->freed && sure) {
      reported = true;
      find(FindingKind::kViolation, Rule::kSlotFreedTwice, event, "");
    }
    // The owner stays: a fault that frees a slot is reported only when it returns.
    SlotRecord free;
    free.address = slot->address;
    free.owner = slot->owner;
    free.unmapped_ns = slot->unmapped_ns;
    free.shmem = slot->shmem;
    free.last_ns = event.time_ns;
    free.freed = true;
    *slot = free;
  }
}

// ---- swap-in ------------------------------------------------------------------------------------

void Lockstep::Impl::on_swap_in(const Event& event) {
  leave_reclaim(event);
  if (!is_slot(event.entry)) return;
  if (static_cast<uint32_t>(event.result) & SWAPTRAIL_FAULT_NOT_DONE) return;
  if (options_.event_abi >= 2 && event.u.map.ptes == 0) return;  // another fault was quicker
  const auto leaving = leaving_.find(event.entry);
  if (leaving != leaving_.end()) {
    const auto closed = closed_.find(leaving->second);
    if (closed != closed_.end()) {
      for (Account& account : closed->second) {
        const bool ours = account.left_ns != 0 && account.left_ns >= fault_begin_ns(event);
        if (ours && event.entry - account.entry < account.nr_pages) account.refaulted = true;
      }
    }
    leaving_.erase(leaving);
  }
  if (Batch* pass = pass_of(event.entry, 1)) {
    const auto allocated = std::find_if(
        pass->events.begin(), pass->events.end(),
        [](const Event& one) { return one.kind == SWAPTRAIL_SLOT_ALLOCATED && one.result == 0; });
    const bool older =
        allocated != pass->events.end() && allocated->time_ns > fault_begin_ns(event);
    if (!older) pass->events.push_back(event);
    return;
  }
  const auto found = slots_.find(event.entry);
  if (found == slots_.end()) return;
  check_fault(found->second, event);
  const auto folio = folios_.find(found->second.cached);
  if (folio == folios_.end()) return;
  FolioRecord& record = folio->second;
  const uint64_t allocated_ns = record.account.stage_ns[static_cast<size_t>(Stage::kSlotAllocated)];
  if (allocated_ns > fault_begin_ns(event)) return;  // the slot had another page then
  apply(record, event);
  // Its batch still runs, and closes it.
  const auto batch = batches_.find(record.last_tid);
  const bool isolated = batch != batches_.end() && batch->second->begin_ns == record.last_batch_ns;
  if (isolated) return refault_closed(record);
  if (record.account.began()) close_account(record);
  record.account = Account{};
}

// Its batch still runs, and may have given it up already: the fault is the stronger reason.
void Lockstep::Impl::refault_closed(const FolioRecord& record) {
  const auto closed = closed_.find(record.model.address);
  if (closed == closed_.end()) return;
  for (Account& account : closed->second) {
    if (account.last_batch_ns == record.last_batch_ns) account.refaulted = true;
  }
}

// The slot is mostly free by now: that is reported before shmem_swapin_folio returns.
void Lockstep::Impl::on_shmem_swap_in(const Event& event) {
  leave_reclaim(event);
  if (!is_slot(event.entry) || event.result < 0 || event.u.map.ptes == 0) return;
  const auto found = slots_.find(event.entry);
  if (found == slots_.end() || hidden(found->second.last_ns)) return;
  const SlotRecord& slot = found->second;
  if (slot.used && !slot.shmem && slot.unmapped_ns != 0) {
    find(FindingKind::kViolation, Rule::kStrangerFaults, event, "it is a page of private memory");
  } else if (slot.freed && read_later(slot, event)) {
    find(FindingKind::kViolation, Rule::kFaultOnFreeSlot, event, "");
  }
}

// Between the end of the slot's use and this fault the thread did something else, so it found the
// entry after that.
bool Lockstep::Impl::read_later(const SlotRecord& slot, const Event& event) const {
  const auto last = last_of_thread_.find(event.tid);
  return last != last_of_thread_.end() && last->second > slot.last_ns &&
         last->second < fault_begin_ns(event);
}

void Lockstep::Impl::check_fault(const SlotRecord& slot, const Event& event) {
  if (slot.freed && read_later(slot, event) && !hidden(slot.last_ns)) {
    find(FindingKind::kViolation, Rule::kFaultOnFreeSlot, event, "");
    return;
  }
  if (hidden(slot.last_ns)) return;
  if (slot.shmem) {  // it comes back by shmem_swapin_folio
    find(FindingKind::kViolation, Rule::kStrangerFaults, event, "it is a page of shared memory");
    return;
  }
  if (slot.address == 0 || slot.owner == 0) return;
  const uint32_t owner = event.u.map.owner;
  const bool stranger = owner != slot.owner && owner != 0;
  const uint64_t moved = event.u.map.address - slot.address;
  if (!stranger && moved == 0) return;
  if (stranger && owner > slot.owner && !was_there(owner, slot.unmapped_ns)) return;  // its child
  if (stranger && was_there(owner, slot.unmapped_ns)) {
    find(FindingKind::kViolation, Rule::kStrangerFaults, event,
         absl::StrCat("unmapped from process ", slot.owner, ", came back to ", owner,
                      ", which is no child of it that came later"));
    return;
  }
  const std::pair<uint64_t, uint64_t> key{uint64_t{slot.owner} << 32 | owner, moved};
  if (strays_.size() >= kMaxStrays && !strays_.contains(key)) return;
  Stray& stray = strays_[key];
  if (stray.unmapped_ns == slot.unmapped_ns) return;  // another page of the same folio
  stray.unmapped_ns = slot.unmapped_ns;
  if (stray.count++ != 0) return;
  stray.first.kind = FindingKind::kLoss;
  stray.first.rule = stranger ? Rule::kStrangerFaults : Rule::kMappingMisplaced;
  stray.first.entry = event.entry;
  stray.first.time_ns = event.time_ns;
  stray.first.text = absl::StrCat("unmapped from process ", slot.owner, ", came back to ", owner,
                                  moved == 0 ? "" : ", at another address",
                                  "; no other page did: not by fork or mremap");
}

void Lockstep::Impl::on_swap_read(const Event& event) {
  leave_reclaim(event);
  if (!is_slot(event.entry)) return;
  if (Batch* pass = pass_of(event.entry, pages_of(event))) pass->events.push_back(event);
  if (event.state & (SWAPTRAIL_STATE_DIRTY | SWAPTRAIL_STATE_WRITEBACK)) {
    find(FindingKind::kViolation, Rule::kStateWrong, event, "a folio that is yet to be filled");
  }
  const bool cached = event.state & SWAPTRAIL_STATE_SWAPCACHE;
  for (uint32_t page = 0; page < pages_of(event); ++page) {
    if (was_free(event.entry + page)) {
      find(FindingKind::kLoss, Rule::kReadUnwritten, event, "it was never seen to be allocated");
    }
    const auto found = slots_.find(event.entry + page);
    if (found == slots_.end()) continue;
    read_slot(found->second, event.entry + page, event);
    found->second.cached = cached ? event.folio : 0;
    found->second.last_ns = event.time_ns;
    if (!sampled(event.folio)) slots_.erase(found);
  }
  if (!sampled(event.folio)) return;
  const auto old = folios_.find(event.folio);
  if (old != folios_.end()) {
    if (old->second.in_pass) return;  // it works on another page: its pass will show this
    orphan(old->second);
    folios_.erase(old);
  }
  if (!cached || folios_.size() >= options_.max_folios) return;
  FolioRecord& record = folios_[event.folio];
  record = FolioRecord{};
  record.model.address = event.folio;
  record.model.entry = event.entry;
  record.model.nr_pages = pages_of(event);
  record.model.swapcache = true;
  record.model.anon = event.state & SWAPTRAIL_STATE_ANON;
  record.model.swapbacked = event.state & SWAPTRAIL_STATE_SWAPBACKED;
  record.model.dirty = event.state & SWAPTRAIL_STATE_DIRTY;
  record.from_begin = true;
  record.kind_known = record.model.anon;
  record.read_in = !record.model.anon;
  record.from_swap = true;
  remember(record, event);
  for (uint32_t page = 0; page < pages_of(event); ++page) {
    if (SlotRecord* slot = slot_of(event.entry + page)) slot->cached = event.folio;
  }
}

void Lockstep::Impl::read_slot(SlotRecord& slot, uint64_t entry, const Event& event) {
  if (hidden(slot.last_ns)) {
    slot = SlotRecord{};
    return;
  }
  const bool unwritten = slot.freed || (slot.from_begin && !slot.stored && slot.cached == 0);
  if (unwritten) {
    find(FindingKind::kViolation, Rule::kReadUnwritten, event,
         slot.freed ? "it is free" : "nothing was written to it");
    return;
  }
  if (slot.cached == 0 || pass_of(entry, 1) != nullptr) return;
  if (slot.cached == event.folio || slot.cached == kElsewhere) {
    find(FindingKind::kViolation, Rule::kReadWhileCached, event,
         slot.cached == kElsewhere ? "it was not seen to leave" : "by itself");
    return;
  }
  const auto holder = folios_.find(slot.cached);
  // Its removal is reported when __remove_mapping returns: a fault may be quicker.
  if (holder == folios_.end() || holder->second.in_pass) return;
  if (entry - holder->second.model.entry >= holder->second.model.nr_pages) return;
  find(FindingKind::kViolation, Rule::kReadWhileCached, event, describe(holder->second),
       &holder->second);
}

// Until about Linux 6.12 a page that zswap gives back is dirty: zswap keeps no copy.
void Lockstep::Impl::on_zswap_loaded(const Event& event) {
  const auto found = folios_.find(event.folio);
  if (found == folios_.end() || found->second.model.entry != event.entry) return;
  take(Taken::kDirtied, (event.state & SWAPTRAIL_STATE_DIRTY) ? 1 : 0);
  found->second.model.dirty = event.state & SWAPTRAIL_STATE_DIRTY;
}

}  // namespace swaptrail::engine
