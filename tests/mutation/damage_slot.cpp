// Swap slots: which one, whose it is, and when it is free.
#include <algorithm>

#include "tests/mutation/damage.h"
#include "trace/decode.h"

namespace swaptrail::mutation {
namespace {

const recording::SwapArea* area_of(const Original& original, uint64_t entry) {
  for (const recording::SwapArea& area : original.areas()) {
    if (area.type == entry_type(entry)) return &area;
  }
  return nullptr;
}

// A slot of the same area that no event mentions; for a single page, not one of a large folio.
uint64_t unheard_slot(Change& change, uint64_t entry) {
  const recording::SwapArea* area = area_of(change.original(), entry);
  const uint64_t slots = area ? area->bytes / 4096 : 1 << 16;
  uint64_t other = 0;
  do {
    other = make_entry(entry_type(entry), change.random().between(1, slots - 512));
  } while (change.original().names_entry(other));
  return other;
}

using Judgement = bool (Original::*)(size_t at, uint64_t entry) const;

// A slot that another folio has just before `at`, looking back from `from`; 0 if there is none.
uint64_t slot_of_other(const Original& original, size_t at, size_t from,
                       Judgement has = &Original::is_in_use) {
  const size_t first = from > kLookBack ? from - kLookBack : 0;
  for (size_t i = from; i-- > first;) {
    const swaptrail_event& event = original.event(i);
    const bool other = event.folio != original.event(at).folio && event.entry != 0 &&
                       event.entry != original.event(at).entry;
    if (other && is_kind(event, kFolioKinds) && (original.*has)(at, event.entry))
      return event.entry;
  }
  return 0;
}

uint64_t some_slot_of_other(Change& change, size_t at) {
  const size_t back = change.random().below(at < 256 ? at : 256);
  const uint64_t slot = slot_of_other(change.original(), at, at - back);
  return slot != 0 ? slot : slot_of_other(change.original(), at, at);
}

bool has_entry(const Original& original, size_t at) {
  return original.event(at).entry != 0 && in_the_middle(original, at) &&
         original.event(original.prev_in_pass(at)).entry == original.event(at).entry;
}

bool got_slot(const Original& original, size_t at) {
  return original.event(at).result == 0 && goes_on(original, at);
}

bool got_slot_beside_other(const Original& original, size_t at) {
  return got_slot(original, at) && slot_of_other(original, at, at) != 0;
}

// Shmem whose slot is allocated unseen: the first event that has it.
bool got_slot_unseen(const Original& original, size_t at) {
  const size_t previous = original.prev_in_pass(at);
  return previous != kNone && original.event(previous).entry == 0 && goes_on(original, at) &&
         slot_of_other(original, at, at) != 0;
}

// Every event about the slot, until it is freed, names another one: the two folios share it.
void share_slot(Change& change, size_t at) {
  const Original& original = change.original();
  const uint64_t own = change.before(at).entry;
  const uint64_t other = some_slot_of_other(change, at);
  for (size_t i = at; i != kNone; i = original.next_of_entry(i, own, ~uint32_t{0})) {
    if (i != at && is_kind(original.event(i), kinds(SWAPTRAIL_SLOT_ALLOCATED))) break;
    if (original.event(i).entry == own) change.edit(i).entry = other;
    if (original.event(i).kind == SWAPTRAIL_SLOT_FREED) break;
  }
}

void leave_area(Change& change, size_t at) {
  swaptrail_event& event = change.edit(at);
  const recording::SwapArea* area = area_of(change.original(), event.entry);
  const uint64_t pages = area->bytes / 4096 + 1;  // with the header, which is no slot
  event.entry = make_entry(area->type, pages + change.random().below(1 << 20));
}

bool in_known_area(const Original& original, size_t at) {
  return original.event(at).entry != 0 && area_of(original, original.event(at).entry);
}

bool got_slot_in_known_area(const Original& original, size_t at) {
  return got_slot(original, at) && in_known_area(original, at);
}

void name_other_area(Change& change, size_t at) {
  swaptrail_event& event = change.edit(at);
  do {
    event.entry = make_entry(change.random().below(23), entry_offset(event.entry));
  } while (area_of(change.original(), event.entry));
}

bool is_large(const Original& original, size_t at) {
  return original.event(at).nr_pages > 1 && got_slot(original, at);
}

swaptrail_event freed_by_somebody(const swaptrail_event& like, uint64_t entry, uint16_t pages) {
  swaptrail_event event{};
  event.kind = SWAPTRAIL_SLOT_FREED;
  event.cpu = like.cpu;
  event.lost = like.lost;
  event.tid = event.tgid = 4'100'000;  // beyond every thread of a recording
  event.entry = entry;
  event.nr_pages = pages;
  return event;
}

void add_freeing(Change& change, size_t at) {
  const swaptrail_event& event = change.before(at);
  change.add(at + 1, freed_by_somebody(event, event.entry, event.nr_pages));
}

// Where nobody has got the slot yet, at most this many events later.
size_t later_and_still_free(const Original& original, size_t at) {
  const size_t next = original.next_of_entry(at, original.event(at).entry, ~uint32_t{0});
  const size_t end = next == kNone ? original.size() : next;
  return std::min(end, at + 200);
}

bool stays_free(const Original& original, size_t at) {
  return later_and_still_free(original, at) > at + 1;
}

void add_late_freeing(Change& change, size_t at) {
  const size_t before =
      change.random().between(at + 2, later_and_still_free(change.original(), at));
  swaptrail_event event = change.before(at);
  event.cpu = change.before(before - 1).cpu;
  change.add(before, freed_by_somebody(event, event.entry, event.nr_pages));
}

// The slot behind it is not one that can be freed: it is free, or a folio in the cache has it.
bool next_slot_is_not_to_free(const Original& original, size_t at) {
  const swaptrail_event& event = original.event(at);
  const uint64_t next = event.entry + event.nr_pages;
  return original.is_free(at, next) || original.is_cached(at, next);
}

uint64_t cached_slot_of_other(const Original& original, size_t at) {
  return slot_of_other(original, at, at, &Original::is_cached);
}

bool other_slot_is_cached(const Original& original, size_t at) {
  return cached_slot_of_other(original, at) != 0;
}

constexpr uint32_t kWithEntry =
    kinds(SWAPTRAIL_UNMAPPED_ONE, SWAPTRAIL_UNMAPPED, SWAPTRAIL_WRITE_BEGIN, SWAPTRAIL_ZSWAP_STORED,
          SWAPTRAIL_WRITE_ISSUED, SWAPTRAIL_WRITE_END);
constexpr uint32_t kAllocated = kinds(SWAPTRAIL_SLOT_ALLOCATED);
constexpr RuleSet kOtherSlot(Rule::kEntryChanged, Rule::kSlotTwice, Rule::kWriteBeforeSlot);

constexpr Damage kSlotDamages[] = {
    // the events around it in the pass have the old entry
    {"entry_to_unheard", "an event has another slot, of which nothing is known", kWithEntry,
     has_entry,
     [](Change& change, size_t at) {
       change.edit(at).entry = unheard_slot(change, change.before(at).entry);
     },
     Shape::kEdited, kEntry, kOtherSlot, false},
    {"entry_to_used", "an event has the slot of another folio", kWithEntry,
     [](const Original& original, size_t at) {
       return has_entry(original, at) && slot_of_other(original, at, at) != 0;
     },
     [](Change& change, size_t at) { change.edit(at).entry = some_slot_of_other(change, at); },
     Shape::kEdited, kEntry,
     RuleSet(Rule::kEntryChanged, Rule::kSlotInUse, Rule::kSlotTwice, Rule::kWriteBeforeSlot),
     false},
    {"slot_to_unheard", "the slot allocated is not the one that the pass goes on with", kAllocated,
     got_slot,
     [](Change& change, size_t at) {
       change.edit(at).entry = unheard_slot(change, change.before(at).entry);
     },
     Shape::kEdited, kEntry, kOtherSlot, false},
    {"slot_to_used", "the slot allocated is another folio's", kAllocated, got_slot_beside_other,
     [](Change& change, size_t at) { change.edit(at).entry = some_slot_of_other(change, at); },
     Shape::kEdited, kEntry, RuleSet(Rule::kSlotInUse), false},
    {"double_allocation", "a folio lives in the slot of another one, in all its events", kAllocated,
     got_slot_beside_other, share_slot, Shape::kEdited, kEntry, RuleSet(Rule::kSlotInUse), false},
    {"double_allocation_unseen", "the same, of shmem whose allocation has no hook",
     kinds(SWAPTRAIL_WRITE_BEGIN), got_slot_unseen, share_slot, Shape::kEdited, kEntry,
     RuleSet(Rule::kSlotInUse), false},
    {"slot_out_of_range", "a slot behind the end of its area", kAllocated, got_slot_in_known_area,
     leave_area, Shape::kEdited, kEntry, RuleSet(Rule::kSlotOutOfRange), false},
    {"slot_of_unknown_area", "a slot of an area that there is not", kAllocated,
     got_slot_in_known_area, name_other_area, Shape::kEdited, kEntry,
     // areas can be added while we look: the slot is another one in the next event
     RuleSet(Rule::kEntryUnknownArea, Rule::kEntryChanged), false},
    // mm/swapfile.c: large orders are allocated at multiples of their size
    {"slot_misaligned", "a large folio's slots begin at no multiple of its size", kAllocated,
     is_large,
     [](Change& change, size_t at) {
       change.edit(at).entry += change.random().between(1, change.before(at).nr_pages - 1);
     },
     Shape::kEdited, kEntry, RuleSet(Rule::kSlotMisaligned, Rule::kEntryChanged), false},
    {"freed_under_writeback", "a slot is freed while the device writes to it",
     kinds(SWAPTRAIL_WRITE_END), under_writeback, add_freeing, Shape::kAdded, 0,
     RuleSet(Rule::kSlotFreedWhileCached), false},
    {"freed_while_cached", "a slot is freed while its folio is in the cache",
     kinds(SWAPTRAIL_SLOT_ALLOCATED, SWAPTRAIL_UNMAPPED, SWAPTRAIL_WRITE_BEGIN), cached_and_goes_on,
     // just before REMOVED it may be inside that, and only what comes later says that it was not
     add_freeing, Shape::kAdded, 0,
     RuleSet(Rule::kSlotFreedWhileCached, Rule::kReadUnwritten, Rule::kSlotFreedTwice), false},
    {"freed_later_again", "a free slot is freed, some time later", kinds(SWAPTRAIL_SLOT_FREED),
     stays_free, add_late_freeing, Shape::kAdded, 0, RuleSet(Rule::kSlotFreedTwice), false},
    {"freed_one_more", "the slot behind is freed as well, and cannot be",
     kinds(SWAPTRAIL_SLOT_FREED), next_slot_is_not_to_free,
     [](Change& change, size_t at) { ++change.edit(at).nr_pages; }, Shape::kEdited, kPages,
     RuleSet(Rule::kSlotFreedWhileCached, Rule::kSlotFreedTwice), false},
    {"freed_other", "the slot of a folio in the cache is freed in place of another",
     kinds(SWAPTRAIL_SLOT_FREED), other_slot_is_cached,
     [](Change& change, size_t at) {
       change.edit(at).entry = cached_slot_of_other(change.original(), at);
     },
     Shape::kEdited, kEntry, RuleSet(Rule::kSlotFreedWhileCached), false},
};

}  // namespace

std::span<const Damage> slot_damages() { return kSlotDamages; }

}  // namespace swaptrail::mutation
