// One event more that the kernel cannot have made at that point.
#include "tests/mutation/damage.h"

namespace swaptrail::mutation {
namespace {

constexpr uint32_t kOutside =
    SWAPTRAIL_STATE_SWAPCACHE | SWAPTRAIL_STATE_DIRTY | SWAPTRAIL_STATE_WRITEBACK;
constexpr uint64_t kSecond = 1'000'000'000;

// By a thread of its own, outside reclaim.
swaptrail_event by_stranger(int kind, const swaptrail_event& like) {
  swaptrail_event event{};
  event.kind = kind;
  event.cpu = like.cpu;
  event.lost = like.lost;
  event.tid = event.tgid = kStranger;
  event.entry = like.entry;
  event.nr_pages = like.nr_pages;
  return event;
}

// By the thread that does this pass.
swaptrail_event in_pass(int kind, const swaptrail_event& like) {
  swaptrail_event event = like;
  event.kind = kind;
  event.result = 0;
  event.u = {};
  return event;
}

void add_removal(Change& change, size_t at) {
  swaptrail_event event = in_pass(SWAPTRAIL_REMOVED, change.before(at));
  event.state &= ~kOutside;
  event.result = 1;
  change.add(at + 1, event);
}

bool removed(const Original& original, size_t at) { return original.event(at).result == 1; }

// Not at once: some events later in the same batch, before the folio or its slot is seen again.
void add_late_removal(Change& change, size_t at) {
  const Original& original = change.original();
  const size_t end = original.batch_end(at);
  size_t last = at + 1;
  while (last < end && last < at + 20 && last != original.next_of_folio(at)) ++last;
  swaptrail_event event = change.before(at);
  event.cpu = change.before(last - 1).cpu;
  change.add(last, event);
}

bool removed_in_batch(const Original& original, size_t at) {
  return removed(original, at) && original.batch_end(at) != kNone;
}

bool is_dirty(const Original& original, size_t at) {
  const uint32_t both = SWAPTRAIL_STATE_DIRTY | SWAPTRAIL_STATE_SWAPCACHE;
  return (original.event(at).state & both) == both && goes_on(original, at);
}

bool allocated(const Original& original, size_t at) {
  return original.event(at).result == 0 && goes_on(original, at) &&
         (original.event(at).state & SWAPTRAIL_STATE_ANON);
}

// The slot has been freed, and nobody has got it.
bool is_free_next(const Original& original, size_t at) {
  const swaptrail_event& event = original.event(at);
  const size_t next = original.next_of_entry(at, event.entry, ~uint32_t{0});
  return (next == kNone || next > at + 1) && at + 1 < original.size();
}

// ... for long enough that no fault can still be on its way.
size_t long_after(const Original& original, size_t at) {
  const uint64_t until = original.event(at).time_ns + kSecond / 1000;
  const size_t next = original.next_of_entry(at, original.event(at).entry, ~uint32_t{0});
  for (size_t i = at + 1; i < original.size() && i < next; ++i) {
    // Its thread has just done something else: so it read its page table after the slot was freed.
    const swaptrail_event& near = original.event(i - 1);
    const bool own = near.batch_ns == 0 && near.kind != SWAPTRAIL_WRITE_COMPLETED;
    if (near.time_ns > until && own && near.kind != SWAPTRAIL_RECLAIM_END) return i;
  }
  return kNone;
}

bool stays_free_for_long(const Original& original, size_t at) {
  return long_after(original, at) != kNone;
}

void add_read(Change& change, size_t at) {
  swaptrail_event event = by_stranger(SWAPTRAIL_SWAP_READ, change.before(at));
  event.folio = new_folio(change);
  event.nr_pages = 1;
  event.state = SWAPTRAIL_STATE_SWAPBACKED | SWAPTRAIL_STATE_SWAPCACHE;
  change.add(at + 1, event);
}

void add_fault(Change& change, size_t before, size_t like) {
  const swaptrail_event near = change.before(before - 1);
  swaptrail_event event = by_stranger(SWAPTRAIL_SWAP_IN, change.before(like));
  event.cpu = near.cpu;
  event.nr_pages = 1;
  event.u.map.address = 0x7f0000000000 + (change.random().below(1 << 20) << 12);
  event.tid = near.tid;
  event.tgid = near.tgid;
  event.u.map.value = 1;
  event.u.map.owner = kStranger;
  event.u.map.ptes = 1;
  change.add(before, event);
}

void add_write(Change& change, size_t at) {
  swaptrail_event event = by_stranger(SWAPTRAIL_WRITE_BEGIN, change.before(at));
  event.folio = new_folio(change);
  event.nr_pages = 1;
  event.state = SWAPTRAIL_STATE_ANON | SWAPTRAIL_STATE_SWAPBACKED | SWAPTRAIL_STATE_SWAPCACHE;
  change.add(at + 1, event);
}

void add_other_slot(Change& change, size_t at) {
  swaptrail_event event = change.before(at);
  do {
    event.entry += event.nr_pages;
  } while (change.original().names_entry(event.entry));
  change.add(at + 1, event);
}

void add_inner(Change& change, size_t at, int kind) {
  change.add(at + 1, in_pass(kind, change.before(at)));
}

// The events that follow are then of a folio that is gone: kUnknownFolio.
constexpr RuleSet kEarlyRemoval(Rule::kRemovedWhileMapped, Rule::kRemovedDirty, Rule::kStageOrder,
                                Rule::kRemovedUnwritten, Rule::kUnknownFolio);

constexpr Damage invented(std::string_view name, std::string_view meaning, int kind,
                          bool (*eligible)(const Original&, size_t), void (*add)(Change&, size_t),
                          RuleSet right) {
  return {name, meaning, kind_mask(kind), eligible, add, Shape::kAdded, 0, right, false};
}

constexpr Damage kInventedDamages[] = {
    invented(
        "removed_under_writeback", "removed while the device writes it", SWAPTRAIL_WRITE_END,
        under_writeback, add_removal,
        // its completion, which comes later, finds that it is gone
        RuleSet(Rule::kRemovedUnderWriteback, Rule::kStageOrder, Rule::kCompletedWithoutWrite)),
    invented("removed_dirty", "removed when it is unmapped, and not written", SWAPTRAIL_UNMAPPED,
             is_dirty, add_removal, kEarlyRemoval),
    invented("removed_mapped", "removed before it is unmapped", SWAPTRAIL_SLOT_ALLOCATED, allocated,
             add_removal, kEarlyRemoval),
    invented("removed_later_again", "removed again, later in the batch", SWAPTRAIL_REMOVED,
             removed_in_batch, add_late_removal, RuleSet(Rule::kRemovedTwice, Rule::kStageOrder)),
    // the slot was seen to be freed, and nothing was written to it since
    invented("read_unwritten", "a free slot is read", SWAPTRAIL_SLOT_FREED, is_free_next, add_read,
             RuleSet(Rule::kReadUnwritten, Rule::kFaultOnFreeSlot)),
    invented("read_while_cached", "another folio is filled from the slot of one in the cache",
             SWAPTRAIL_UNMAPPED, cached_and_goes_on, add_read,
             RuleSet(Rule::kReadWhileCached, Rule::kReadUnwritten)),
    invented(
        "fault_on_free_slot", "a process faults on a slot freed long ago", SWAPTRAIL_SLOT_FREED,
        stays_free_for_long,
        [](Change& change, size_t at) { add_fault(change, long_after(change.original(), at), at); },
        RuleSet(Rule::kFaultOnFreeSlot, Rule::kStrangerFaults)),
    invented(
        "write_begin_inside", "a write begins under writeback", SWAPTRAIL_WRITE_END,
        under_writeback,
        [](Change& change, size_t at) { add_inner(change, at, SWAPTRAIL_WRITE_BEGIN); },
        RuleSet(Rule::kWriteTwice, Rule::kStageOrder)),
    invented("write_to_free_slot", "a folio nobody knows is written to a free slot",
             SWAPTRAIL_SLOT_FREED, is_free_next, add_write,
             RuleSet(Rule::kWriteBeforeSlot, Rule::kUnknownFolio, Rule::kStageMissing,
                     Rule::kStageOrder)),
    invented("slot_for_cached", "a folio that has a slot gets another", SWAPTRAIL_SLOT_ALLOCATED,
             allocated, add_other_slot, RuleSet(Rule::kSlotTwice, Rule::kStageOrder)),
    invented(
        "issued_for_zswap", "the device is told of what zswap took", SWAPTRAIL_ZSWAP_STORED,
        goes_on, [](Change& change, size_t at) { add_inner(change, at, SWAPTRAIL_WRITE_ISSUED); },
        RuleSet(Rule::kBackendWrong, Rule::kStageOrder, Rule::kWriteTwice)),
    invented(
        "zswap_for_issued", "zswap took what the device is told of", SWAPTRAIL_WRITE_ISSUED,
        goes_on, [](Change& change, size_t at) { add_inner(change, at, SWAPTRAIL_ZSWAP_STORED); },
        RuleSet(Rule::kBackendWrong, Rule::kStageOrder, Rule::kWriteTwice)),
};

}  // namespace

std::span<const Damage> invented_damages() { return kInventedDamages; }

}  // namespace swaptrail::mutation
