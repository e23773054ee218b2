// One event less, without a gap in the sequences: only the other events show it.
#include "tests/mutation/damage.h"

namespace swaptrail::mutation {
namespace {

constexpr uint32_t kOwnEntry = kFolioKinds | kinds(SWAPTRAIL_SLOT_FREED);

// Without the event the folio is in the swap cache, though it is known that it was not: it has left
// it before, or an event of the same pass shows it outside (shmem), or its slot was free. A folio
// and a slot that were never seen before may have come together before we looked: no site.
bool cannot_be_adopted(const Original& original, size_t at) {
  const swaptrail_event& event = original.event(at);
  if (event.result != 0 || !goes_on(original, at)) return false;
  const size_t previous = original.prev_in_pass(at);
  if (previous != kNone && !(original.event(previous).state & SWAPTRAIL_STATE_SWAPCACHE))
    return true;
  return original.is_out_of_cache(at, event.folio) || original.is_free(at, event.entry);
}

// The next event of the pass needs it: the page tables must be done with before the write.
bool was_mapped_and_goes_on(const Original& original, size_t at) {
  const size_t previous = original.prev_in_pass(at);
  return previous != kNone && original.event(previous).kind == SWAPTRAIL_UNMAPPED_ONE &&
         goes_on(original, at);
}

// The slot is new, so nobody had an entry for it; and a process that existed by then faults on it:
// so a page table entry was replaced.
bool owner_comes_back(const Original& original, size_t at) {
  const swaptrail_event& event = original.event(at);
  const size_t previous = original.prev_in_pass(at);
  if (previous == kNone || original.event(previous).kind != SWAPTRAIL_SLOT_ALLOCATED) return false;
  const size_t next = original.next_in_pass(at);
  if (next == kNone || original.event(next).kind != SWAPTRAIL_UNMAPPED) return false;
  const size_t back = original.next_of_entry(
      at, event.entry, kinds(SWAPTRAIL_SWAP_IN, SWAPTRAIL_SLOT_FREED, SWAPTRAIL_UNMAPPED_ONE));
  return back != kNone && original.event(back).kind == SWAPTRAIL_SWAP_IN &&
         original.event(back).u.map.owner == event.tgid;
}

template <int kFirst, int kOr = kFirst>
bool followed_by(const Original& original, size_t at) {
  return original.find_in_pass(at, kinds(kFirst, kOr)) != kNone;
}

bool batch_ends(const Original& original, size_t at) { return original.batch_end(at) != kNone; }

// The folio is seen again, and not under writeback.
bool seen_without_writeback(const Original& original, size_t at) {
  const size_t next = original.next_of_folio(at);
  return next != kNone && !(original.event(next).state & SWAPTRAIL_STATE_WRITEBACK);
}

// It left the swap cache: its slot is read or freed next, or it is seen to be something else.
bool seen_outside(const Original& original, size_t at) {
  const swaptrail_event& event = original.event(at);
  const size_t next = original.next_of_entry(at, event.entry, kOwnEntry);
  if (next != kNone &&
      is_kind(original.event(next), kinds(SWAPTRAIL_SLOT_FREED, SWAPTRAIL_SWAP_READ)))
    return true;
  const size_t again = original.next_of_folio(at);
  return again != kNone && original.event(again).entry != event.entry;
}

// Its slot is read or freed later, which is impossible while the folio is in the cache. (That
// another folio is at the same address proves nothing: the old one may have been moved.)
bool removed_and_missed(const Original& original, size_t at) {
  const swaptrail_event& event = original.event(at);
  if (event.result != 1) return false;
  const size_t next = original.next_of_entry(at, event.entry, kOwnEntry);
  return next != kNone &&
         is_kind(original.event(next), kinds(SWAPTRAIL_SWAP_READ, SWAPTRAIL_SLOT_FREED));
}

// The slot is given to somebody else later.
bool slot_is_used_again(const Original& original, size_t at) {
  const swaptrail_event& event = original.event(at);
  const size_t next = original.next_of_entry(at, event.entry, kOwnEntry);
  return next != kNone &&
         is_kind(original.event(next), kinds(SWAPTRAIL_SLOT_ALLOCATED, SWAPTRAIL_WRITE_BEGIN));
}

// It is in the swap cache afterwards, although the slot had nobody there, or the folio had left it.
bool must_have_been_read(const Original& original, size_t at) {
  const swaptrail_event& event = original.event(at);
  const size_t next = original.next_of_folio(at);
  if (!(event.state & SWAPTRAIL_STATE_SWAPCACHE) || next == kNone) return false;
  const swaptrail_event& after = original.event(next);
  if (after.entry != event.entry || !(after.state & SWAPTRAIL_STATE_SWAPCACHE)) return false;
  const size_t last = original.prev_of_entry(at, event.entry, kOwnEntry);
  const bool was_removed = last != kNone && original.event(last).kind == SWAPTRAIL_REMOVED &&
                           original.event(last).result == 1;
  return was_removed || original.is_out_of_cache(at, event.folio);
}

// A batch that began before the hooks were there has no begin.
bool begun_before_our_eyes(const Original& original, size_t at) {
  return original.event(at).batch_ns > original.header().reconstruction.start_ns &&
         original.next_of_thread(at) != kNone;
}

// The thread begins another batch, or works outside of any. (A completion may be an interrupt's.)
bool thread_goes_on(const Original& original, size_t at) {
  for (at = original.next_of_thread(at); at != kNone; at = original.next_of_thread(at)) {
    if (original.event(at).kind != SWAPTRAIL_WRITE_COMPLETED) return true;
  }
  return false;
}

void take(Change& change, size_t at) { change.take(at); }

// A row of this file: they differ in what is taken, in where, and in what shows it.
constexpr Damage missing(std::string_view name, std::string_view meaning, int kind,
                         bool (*eligible)(const Original&, size_t), RuleSet right) {
  return {name, meaning, kind_mask(kind), eligible, take, Shape::kTaken, 0, right, true};
}

constexpr Damage kMissingDamages[] = {
    missing("no_slot_allocated", "a folio has a slot and was not seen to get it",
            SWAPTRAIL_SLOT_ALLOCATED, cannot_be_adopted,
            RuleSet(Rule::kStageMissing, Rule::kSlotInUse, Rule::kEntryChanged, Rule::kStateWrong,
                    Rule::kUnknownFolio, Rule::kWriteBeforeSlot)),
    missing("no_unmapped_one", "a mapping is gone and was not seen to be replaced",
            SWAPTRAIL_UNMAPPED_ONE, owner_comes_back,
            RuleSet(Rule::kStageMissing, Rule::kStrangerFaults, Rule::kStageOrder,
                    Rule::kLifecycleMappings)),
    missing("no_unmapped", "a folio is written or removed without an end of unmapping",
            SWAPTRAIL_UNMAPPED, was_mapped_and_goes_on,
            RuleSet(Rule::kStageMissing, Rule::kWriteWhileMapped, Rule::kRemovedWhileMapped,
                    Rule::kStageOrder)),
    missing("no_write_begin", "a write that did not begin", SWAPTRAIL_WRITE_BEGIN,
            followed_by<SWAPTRAIL_WRITE_END>,
            RuleSet(Rule::kStageMissing, Rule::kStageOrder, Rule::kStateWrong)),
    missing("no_write_issued", "written to a device that was not told", SWAPTRAIL_WRITE_ISSUED,
            followed_by<SWAPTRAIL_WRITE_END>,
            RuleSet(Rule::kStageMissing, Rule::kBackendWrong, Rule::kStageOrder,
                    Rule::kCompletedWithoutWrite)),
    missing("no_zswap_stored", "in zswap, which did not take it", SWAPTRAIL_ZSWAP_STORED,
            followed_by<SWAPTRAIL_WRITE_END>,
            RuleSet(Rule::kStageMissing, Rule::kBackendWrong, Rule::kStageOrder,
                    Rule::kCompletedWithoutWrite)),
    // a thread does not leave its batch, or take the next folio, inside swap_writepage
    missing("no_write_end", "a write that did not return", SWAPTRAIL_WRITE_END, batch_ends,
            RuleSet(Rule::kStageMissing, Rule::kStageOrder)),
    missing("no_write_completed", "a write that ended unseen", SWAPTRAIL_WRITE_COMPLETED,
            seen_without_writeback,
            RuleSet(Rule::kStageMissing, Rule::kStateWrong, Rule::kRemovedUnderWriteback,
                    Rule::kCompletionLost)),
    missing("no_removed", "a folio that left the swap cache unseen, by reclaim", SWAPTRAIL_REMOVED,
            removed_and_missed,
            RuleSet(Rule::kStageMissing, Rule::kReadWhileCached, Rule::kSlotFreedWhileCached,
                    Rule::kEntryChanged, Rule::kStateWrong, Rule::kSlotTwice, Rule::kUnknownFolio)),
    missing("no_cache_deleted", "a folio that left the swap cache unseen", SWAPTRAIL_CACHE_DELETED,
            seen_outside,
            RuleSet(Rule::kStageMissing, Rule::kReadWhileCached, Rule::kSlotFreedWhileCached,
                    Rule::kEntryChanged, Rule::kStateWrong, Rule::kSlotTwice)),
    missing("no_slot_freed", "a slot is used anew and was not seen to be freed",
            SWAPTRAIL_SLOT_FREED, slot_is_used_again,
            RuleSet(Rule::kSlotInUse, Rule::kStageMissing)),
    missing("no_swap_read", "a folio is back in the swap cache and was not read",
            SWAPTRAIL_SWAP_READ, must_have_been_read,
            RuleSet(Rule::kStageMissing, Rule::kUnknownFolio, Rule::kStateWrong,
                    Rule::kEntryChanged, Rule::kSlotInUse)),
    missing("no_reclaim_begin", "a batch that did not begin", SWAPTRAIL_RECLAIM_BEGIN,
            begun_before_our_eyes, RuleSet(Rule::kBatchNotBegun)),
    missing("no_reclaim_end", "a batch that did not end", SWAPTRAIL_RECLAIM_END, thread_goes_on,
            RuleSet(Rule::kBatchNotEnded)),
};

}  // namespace

std::span<const Damage> missing_damages() { return kMissingDamages; }

}  // namespace swaptrail::mutation
