// Folios in the swap cache: how they become known, and what happens to them outside their passes.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "engine/lockstep/lockstep_impl.h"

namespace swaptrail::engine {
namespace {

bool was_removed(const Event& event) {
  return event.kind == SWAPTRAIL_REMOVED && event.result == 1;
}

// Derives the state before the event from the state in the event.
void set_entry_state(Folio& folio, const Event& event) {
  folio = Folio{};
  folio.address = event.folio;
  folio.nr_pages = pages_of(event);
  folio.anon = event.state & SWAPTRAIL_STATE_ANON;
  folio.ksm = event.state & SWAPTRAIL_STATE_KSM;
  folio.swapbacked = event.state & SWAPTRAIL_STATE_SWAPBACKED;
  folio.dirty = event.state & SWAPTRAIL_STATE_DIRTY;
  folio.writeback = event.state & SWAPTRAIL_STATE_WRITEBACK;
  const bool allocated = event.kind == SWAPTRAIL_SLOT_ALLOCATED;
  folio.swapcache = !allocated && ((event.state & SWAPTRAIL_STATE_SWAPCACHE) || was_removed(event));
  folio.entry = folio.swapcache ? event.entry : 0;
  // pageout has just cleared it (shmem gets its slot in there).
  if (event.kind == SWAPTRAIL_WRITE_BEGIN || (allocated && !folio.anon)) folio.dirty = true;
}

// The event's state matches the model: in the swap cache, `more`, and no other flag that the model
// knows.
bool state_matches(const FolioRecord& record, const Event& event, uint16_t more) {
  constexpr uint16_t kKnown = SWAPTRAIL_STATE_SWAPCACHE | SWAPTRAIL_STATE_WRITEBACK |
                              SWAPTRAIL_STATE_SWAPBACKED | SWAPTRAIL_STATE_ANON |
                              SWAPTRAIL_STATE_KSM;
  uint16_t expected = SWAPTRAIL_STATE_SWAPCACHE | more;
  const bool completed = event.kind == SWAPTRAIL_WRITE_COMPLETED;  // D there: it failed
  if (record.model.dirty && !completed) expected |= SWAPTRAIL_STATE_DIRTY;
  if (record.model.swapbacked) expected |= SWAPTRAIL_STATE_SWAPBACKED;
  if (record.model.anon) expected |= SWAPTRAIL_STATE_ANON;
  if (record.model.ksm) expected |= SWAPTRAIL_STATE_KSM;
  uint16_t observed = event.state & kKnown;
  // Somebody may have written to it; but a dirty folio stays dirty until it is written.
  const bool dirty = record.model.dirty && (event.state & SWAPTRAIL_STATE_DIRTY);
  if (dirty && !completed) observed |= SWAPTRAIL_STATE_DIRTY;
  // It was read in and mapped since: by then it has become anonymous.
  if (!record.kind_known) observed &= ~(SWAPTRAIL_STATE_ANON | SWAPTRAIL_STATE_KSM);
  return observed == expected;
}

}  // namespace

void Lockstep::Impl::remember(FolioRecord& record, const Event& event) {
  record.last_ns = event.time_ns;
  record.history[record.history_next++ % record.history.size()] = {event.time_ns, event.kind};
}

// The record of the folio that the event names, if it is still the same folio with the same entry.
FolioRecord* Lockstep::Impl::record_of(const Event& event) {
  const auto found = folios_.find(event.folio);
  if (found == folios_.end()) return nullptr;
  FolioRecord& record = found->second;
  if (record.in_pass || record.model.entry == event.entry) return &record;
  // Another folio at the same place: the old one was moved (mm/migrate.c: folio_migrate_mapping).
  orphan(record);
  folios_.erase(found);
  return nullptr;
}

// It is still in the swap cache, but no longer at this address. Nothing is certain about its
// attempt.
void Lockstep::Impl::orphan(FolioRecord& record) {
  record.account.unsure = true;
  if (record.account.began()) close_account(record);
  if (!record.model.swapcache) return;
  for (uint32_t page = 0; page < record.model.nr_pages; ++page) {
    const auto slot = slots_.find(record.model.entry + page);
    if (slot != slots_.end() && slot->second.cached == record.model.address) {
      slot->second.cached = kElsewhere;
    }
  }
}

// It is written or moved in a way that the model does not follow: its slots may be any.
void Lockstep::Impl::forget(FolioRecord& record) {
  record.account.unsure = true;
  if (record.account.began()) close_account(record);
  for (uint32_t page = 0; page < record.model.nr_pages && record.model.entry != 0; ++page) {
    slots_.erase(record.model.entry + page);
    way_back_.forget(record.model.entry + page, 1);
  }
  folios_.erase(record.model.address);
}

// A folio enters a pass: determines its state, and whether it continues an older account.
FolioRecord* Lockstep::Impl::enter(const Event& first, const Batch& batch) {
  const auto found = folios_.find(first.folio);
  FolioRecord* record = found == folios_.end() ? nullptr : &found->second;
  const bool slotless = first.entry == 0 || first.kind == SWAPTRAIL_SLOT_ALLOCATED;
  if (record != nullptr) {
    const bool gone = slotless ? record->model.swapcache : record->model.entry != first.entry;
    const bool same_batch = record->last_batch_ns == batch.begin_ns;
    if (gone && same_batch && !hidden(record->last_ns)) {
      const Rule rule = slotless ? Rule::kSlotTwice : Rule::kEntryChanged;
      find(FindingKind::kViolation, rule, first, describe(*record), record);
    }
    if (gone) {
      orphan(*record);
      folios_.erase(found);
      record = nullptr;
    }
  }
  if (record == nullptr) {
    record = adopt(first, &batch);
    if (record == nullptr) return nullptr;
    // A folio under writeback is skipped, and waits for another pass.
    const bool begins = first.kind != SWAPTRAIL_WRITE_END && first.kind != SWAPTRAIL_REMOVED;
    if (record->model.writeback && begins) {
      if (!hidden(batch.begin_ns)) {
        find(FindingKind::kViolation, Rule::kStateWrong, first, "under writeback", record);
      }
      record->model.writeback = false;
    }
  }
  if (!record->kind_known && (first.state & SWAPTRAIL_STATE_ANON)) {
    record->model.anon = record->kind_known = true;
    record->model.ksm = first.state & SWAPTRAIL_STATE_KSM;
  }
  begin_account(*record, first);
  return record;
}

FolioRecord* Lockstep::Impl::adopt(const Event& event, const Batch* batch) {
  if (folios_.size() >= options_.max_folios) return nullptr;
  Folio state;
  set_entry_state(state, event);
  // shmem has just got its slot there, and no hook reports that.
  const auto slot = slots_.find(event.entry);
  const bool used = slot != slots_.end() && slot->second.used;
  if (event.kind == SWAPTRAIL_WRITE_BEGIN && !state.anon && !used &&
      options_.features.shmem_slot_hidden) {
    state.swapcache = false;
    state.entry = 0;
  }
  if (state.swapcache) {
    if (FolioRecord* moved = claim_from(event, batch)) return moved;
  }
  FolioRecord& record = folios_[event.folio];
  record = FolioRecord{};
  record.model = state;
  record.in_pass = batch != nullptr;
  record.last_ns = event.time_ns;
  return &record;
}

// A folio that zswap made in order to write an older page to the device (mm/zswap.c:
// zswap_writeback_entry).
FolioRecord* Lockstep::Impl::adopt_zswap(const Event& event) {
  if (folios_.size() >= options_.max_folios) return nullptr;
  const auto found = slots_.find(event.entry);
  const bool known = found != slots_.end() && !hidden(found->second.last_ns);
  if (known && found->second.freed && options_.sample == 1) {
    find(FindingKind::kViolation, Rule::kUnknownFolio, event, "zswap writes, and its slot is free");
  }
  FolioRecord& record = folios_[event.folio];
  record = FolioRecord{};
  set_entry_state(record.model, event);
  record.last_ns = event.time_ns;
  const bool away = known && found->second.used && found->second.cached == 0;
  record.from_swap = record.read_in = record.by_zswap = away;
  record.kind_known = record.model.anon;
  record.lost_track = !away;  // a driver's shrinker may write shared memory
  for (uint32_t page = 0; page < pages_of(event) && known; ++page) {
    if (SlotRecord* slot = slot_of(event.entry + page)) slot->cached = event.folio;
  }
  return &record;
}

// A folio in the swap cache that is not known at this address: was it moved, or is it unknown?
FolioRecord* Lockstep::Impl::claim_from(const Event& event, const Batch* batch) {
  const auto found = slots_.find(event.entry);
  if (found == slots_.end()) {
    // shmem gets its slot inside its write; on some kernels no hook shows it.
    const bool shmem = event.kind == SWAPTRAIL_WRITE_BEGIN && !(event.state & SWAPTRAIL_STATE_ANON);
    if (!shmem && was_free(event.entry)) {
      find(FindingKind::kLoss, Rule::kUnknownFolio, event,
           "its slot was never seen to be allocated");
    }
    take(Taken::kAdopted);
    // From before the observation. A fault on its slots will mean this folio.
    for (uint32_t page = 0; page < pages_of(event) && !shmem; ++page) {
      SlotRecord* one = slot_of(event.entry + page);
      if (one == nullptr) break;
      one->cached = event.folio;
      one->last_ns = event.time_ns;
    }
    return nullptr;
  }
  SlotRecord& slot = found->second;
  const bool sure = !hidden(slot.last_ns) && options_.sample == 1;
  const auto owner = folios_.find(slot.cached);
  if (owner != folios_.end() && owner->first != event.folio) {
    FolioRecord& held = owner->second;
    const bool isolated =
        held.in_pass || (batch != nullptr && held.last_batch_ns == batch->begin_ns);
    if (isolated && sure) {
      find(FindingKind::kViolation, Rule::kEntryChanged, event, describe(held), &held);
    }
    auto node = folios_.extract(owner);
    node.mapped().model.address = event.folio;
    node.key() = event.folio;
    const auto placed = folios_.insert(std::move(node));
    for (uint32_t page = 0; page < pages_of(event); ++page) {
      if (SlotRecord* one = slot_of(event.entry + page)) one->cached = event.folio;
    }
    return &placed.position->second;
  }
  const bool shmem_slot = event.kind == SWAPTRAIL_WRITE_BEGIN &&
                          options_.features.shmem_slot_hidden &&
                          !(event.state & SWAPTRAIL_STATE_ANON);
  const bool free = slot.freed && sure && !shmem_slot;
  const bool away = slot.used && slot.from_begin && slot.cached == 0 && sure;
  if (free || away) {
    const Rule rule = was_removed(event) ? Rule::kRemovedTwice : Rule::kUnknownFolio;
    find(FindingKind::kViolation, rule, event,
         free ? "its slot is free" : "its slot holds a page that was freed and not read since");
  }
  take(Taken::kAdopted);
  for (uint32_t page = 0; page < pages_of(event); ++page) {
    if (SlotRecord* one = slot_of(event.entry + page)) one->cached = event.folio;
  }
  return nullptr;
}

// ---- accounts ----------------------------------------------------------------------------------

void Lockstep::Impl::begin_account(FolioRecord& record, const Event& first) {
  Account& account = record.account;
  const bool new_pass = account.last_batch_ns != first.batch_ns;
  const bool unmaps = first.kind == SWAPTRAIL_UNMAPPED_ONE || first.kind == SWAPTRAIL_UNMAPPED;
  // It was unmapped, and is mapped again: the old attempt has failed.
  if (account.began() && new_pass && (account.refaulted || (unmaps && account.unmapped))) {
    account.refaulted = true;
    close_account(record);
  }
  if (!account.began()) {
    account = Account{};
    account.folio = record.model.address;
    account.entry = record.model.entry;
    account.nr_pages = record.model.nr_pages;
    account.begin_ns = first.time_ns;
    account.first_batch_ns = first.batch_ns;
    account.shmem = !record.model.anon;
    // Nobody maps it, though reclaim did not unmap it: whoever mapped it has copied it (mm/memory.c: do_wp_page,
    // Linux 5.9 to 5.17), or has ended and left the slot to others.
    const bool came_back = record.from_swap && record.mapped.count() == record.model.nr_pages;
    const bool old_copy = came_back && first.kind == SWAPTRAIL_REMOVED;
    account.dropped = record.read_in || old_copy;
    // Apparently a fault mapped a copy of it (mm/ksm.c: ksm_might_need_to_copy).
    const bool copied = record.mapped_once && !record.kind_known;
    account.unsure = hidden(first.batch_ns) || record.lost_track || copied;
  }
  if (account.last_batch_ns != first.batch_ns) ++account.passes;
  account.last_batch_ns = first.batch_ns;
}

// The model is done with it; trace/ will be too, at the latest when its batch ends.
void Lockstep::Impl::close_account(FolioRecord& record) {
  Account& account = record.account;
  if (account.began() && !account.dropped) {
    account.unsure |= loss_until_ns_ > account.begin_ns;
    closed_[account.folio].push_back(account);
    ++closed_count_;
    closing_.push_back({account.folio, account.first_batch_ns, now_ns_});
    age_closed();
  }
  account = Account{};
}

// An account that trace/ has not reported for long will not be reported: a finding, and it makes
// room.
void Lockstep::Impl::age_closed() {
  constexpr uint64_t kLongNs = 60'000'000'000;
  while (!closing_.empty()) {
    const Closing oldest = closing_.front();
    const bool full =
        closed_count_ > options_.max_folios || closing_.size() > 2 * options_.max_folios;
    if (!full && now_ns_ - oldest.closed_ns < kLongNs) return;
    closing_.pop_front();
    const auto found = closed_.find(oldest.folio);
    if (found == closed_.end()) continue;
    std::deque<Account>& accounts = found->second;
    const auto same = std::find_if(accounts.begin(), accounts.end(), [&](const Account& account) {
      return account.first_batch_ns == oldest.first_batch_ns;
    });
    if (same == accounts.end()) continue;
    if (!full) report_missing(*same);
    counters.folios_full += full;
    accounts.erase(same);
    --closed_count_;
    if (accounts.empty()) closed_.erase(found);
  }
}

void Lockstep::Impl::settle(FolioRecord& record, const PassEnd& end) {
  Account& account = record.account;
  // Its write had failed before the end of the pass was seen.
  const bool failed = account.write_failed && end.exit == Exit::kInFlight;
  account.end = failed ? PassEnd{Exit::kKept, Why::kWriteError, end.steps} : end;
  if (record.model.entry != 0) account.entry = record.model.entry;
  if (end.exit == Exit::kFreed) {
    close_account(record);
    folios_.erase(record.model.address);
    return;
  }
  if (account.dropped && !record.read_in) account = Account{};  // nobody's, or mapped just now
  if (account.left_ns != 0 || end.why == Why::kNoUser) {
    const uint64_t address = record.model.address;
    close_account(record);
    folios_.erase(address);
    return;
  }
  if (!goes_on(account)) close_account(record);  // if refaulted, when its batch ends
  if (!record.model.swapcache) folios_.erase(record.model.address);
}

// ---- what befalls a folio -----------------------------------------------------------------------

void Lockstep::Impl::apply(FolioRecord& record, const Event& event) {
  switch (event.kind) {
    case SWAPTRAIL_WRITE_COMPLETED:
      return apply_completed(record, event);
    case SWAPTRAIL_CACHE_DELETED:
      return apply_left(record, event);
    case SWAPTRAIL_SWAP_IN:
      take(Taken::kSwapIn);
      if (record.account.dropped && !record.in_pass) record.account = Account{};
      record.account.refaulted |= !record.account.dropped && record.account.began();
      // It is open whether what reclaim did to it before is an attempt.
      record.account.unsure |= record.account.dropped;
      record.account.dropped = record.read_in = false;
      record.mapped_once = true;
      note_mapped(record, event);
      return;
    default:
      return;
  }
}

// The pages that a pass of a fault mapped.
void Lockstep::Impl::note_mapped(FolioRecord& record, const Event& event) {
  const uint64_t first = event.entry - record.model.entry;
  const bool counted = options_.event_abi >= 2 && event.u.map.ptes != SWAPTRAIL_NOT_COUNTED;
  const bool done = (static_cast<uint32_t>(event.result) & SWAPTRAIL_FAULT_NOT_DONE) == 0;
  const uint32_t pages = counted ? event.u.map.ptes : done;
  const uint32_t before = counted && pages != 0 ? event.u.map.first_page : 0;
  for (uint32_t page = 0; page < pages; ++page) {
    const uint64_t at = first - before + page;
    if (at < record.mapped.size()) record.mapped.set(at);
  }
}

// Checks an event that is no step against its folio's model, which then has the state `more`.
void Lockstep::Impl::check_state(FolioRecord& record, const Event& event, uint16_t more) {
  Rule rule = Rule::kCount;
  if (event.entry != record.model.entry) {
    rule = Rule::kEntryChanged;
  } else if (event.nr_pages != record.model.nr_pages) {
    rule = Rule::kPagesChanged;
  } else if (!state_matches(record, event, more)) {
    rule = Rule::kStateWrong;
  }
  if (rule == Rule::kCount) return;
  find(FindingKind::kViolation, rule, event, describe(record), &record);
}

void Lockstep::Impl::apply_completed(FolioRecord& record, const Event& event) {
  take(Taken::kCompletion);
  Folio& folio = record.model;
  const bool sure = !hidden(record.last_ns) && !record.lost_track;
  const bool came_late = record.lost_completion && !hidden(record.last_ns);  // so it was not lost
  if (!folio.writeback && (sure || came_late)) {
    find(FindingKind::kViolation, Rule::kCompletedWithoutWrite, event, describe(record), &record);
  } else if (sure) {
    check_state(record, event, SWAPTRAIL_STATE_WRITEBACK);
  }
  remember(record, event);
  folio.writeback = false;
  folio.reclaim = false;
  const bool failed = event.state & SWAPTRAIL_STATE_DIRTY;
  if (failed) take(Taken::kWriteFailed);
  folio.dirty = failed;
  store_slots(record, !failed);
  if (!record.account.began()) return;
  record.account.note(SWAPTRAIL_WRITE_COMPLETED, event);
  if (!failed) return;
  record.account.end = {Exit::kKept, Why::kWriteError, 0};
  record.account.write_failed = true;
  if (!record.in_pass) close_account(record);
}

// Its batch still runs, and may have given it up already. True if it has.
bool Lockstep::Impl::leave_closed(const FolioRecord& record, const Event& event) {
  const auto batch = batches_.find(record.last_tid);
  const auto closed = closed_.find(record.model.address);
  if (batch == batches_.end() || closed == closed_.end()) return false;
  Account& last = closed->second.back();
  const bool runs = batch->second->begin_ns == record.last_batch_ns;
  if (!runs || last.last_batch_ns != record.last_batch_ns || last.left_ns != 0) return false;
  last.left_ns = event.time_ns;
  last.refaulted |= last.shmem;  // that is how it comes back
  return true;
}

void Lockstep::Impl::apply_left(FolioRecord& record, const Event& event) {
  take(Taken::kLeftCache);
  Folio& folio = record.model;
  const bool sure = !hidden(record.last_ns) && !record.lost_track;
  if (folio.writeback && sure) {
    find(FindingKind::kLoss, Rule::kCompletionLost, event, describe(record), &record);
  } else if (sure) {
    check_state(record, event, 0);
  }
  uncache_slots(event.entry, pages_of(event), event.folio);
  record.account.left_ns = event.time_ns;
  const bool leaves = record.account.began() || leave_closed(record, event);
  for (uint32_t page = 0; page < pages_of(event) && leaves; ++page) {
    leaving_[event.entry + page] = record.model.address;
  }
  folio.swapcache = false;
  folio.entry = 0;
  if (record.in_pass) return;
  close_account(record);
  folios_.erase(event.folio);
}

// Its pieces are folios of their own, at the place of the whole.
void Lockstep::Impl::apply_split(const Event& event) {
  const auto found = folios_.find(event.folio);
  if (found == folios_.end()) return;
  take(Taken::kSplit);
  const FolioRecord whole = found->second;
  const uint32_t pages = pages_of(event);
  if (whole.model.entry != event.entry || pages >= whole.model.nr_pages) return;
  found->second.account.split = true;
  close_account(found->second);
  folios_.erase(found);
  for (uint32_t page = 0; page < whole.model.nr_pages; page += pages) {
    if (folios_.size() >= options_.max_folios) {
      ++counters.folios_full;
      return;
    }
    const uint64_t address = whole.model.address + uint64_t{page} * options_.page_struct_size;
    FolioRecord& piece = folios_[address];
    piece = whole;
    piece.model.address = address;
    piece.model.entry = whole.model.entry + page;
    piece.model.nr_pages = pages;
    piece.account.folio = address;
    piece.account.entry = piece.model.entry;
    piece.account.nr_pages = pages;
    piece.account.piece = true;
    for (uint32_t one = 0; one < pages; ++one) {
      if (SlotRecord* slot = slot_of(piece.model.entry + one)) slot->cached = address;
    }
  }
}

}  // namespace swaptrail::engine
