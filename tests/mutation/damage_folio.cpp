// Folios: which one, how large, and where it was mapped.
#include <cstring>

#include "tests/mutation/damage.h"

namespace swaptrail::mutation {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kUserEnd = uint64_t{1}
                              << 47;  // four levels of page tables; five are not used here

// Another folio that is in the swap cache just before `at` and not under writeback; kNone if
// there is none near. Its last event says so.
size_t other_cached_folio(const Original& original, size_t at) {
  const size_t first = at > kLookBack ? at - kLookBack : 0;
  for (size_t i = at; i-- > first;) {
    const swaptrail_event& event = original.event(i);
    if (event.folio == 0 || event.folio == original.event(at).folio) continue;
    const size_t next = original.next_of_folio(i);
    const bool last = next == kNone || next > at;
    const bool idle = event.kind == SWAPTRAIL_WRITE_COMPLETED || event.kind == SWAPTRAIL_UNMAPPED;
    if (last && idle && (event.state & SWAPTRAIL_STATE_SWAPCACHE)) return i;
  }
  return kNone;
}

bool beside_other(const Original& original, size_t at) {
  return in_the_middle(original, at) && other_cached_folio(original, at) != kNone;
}

bool completed_beside_other(const Original& original, size_t at) {
  return other_cached_folio(original, at) != kNone;
}

void complete_other(Change& change, size_t at) {
  const swaptrail_event other = change.before(other_cached_folio(change.original(), at));
  swaptrail_event& event = change.edit(at);
  event.folio = other.folio;
  event.entry = other.entry;
  event.nr_pages = other.nr_pages;
}

void change_pages(Change& change, size_t at) {
  swaptrail_event& event = change.edit(at);
  event.nr_pages = event.nr_pages > 1 ? event.nr_pages / 2 : 1 << change.random().between(1, 9);
}

// The owner existed before (the batch's thread or an earlier mapping belongs to it), so it did not
// get the page from its parent; the slot is new, so nobody had an entry; and the owner faults on
// it.
size_t fault_of_owner(const Original& original, size_t at) {
  const swaptrail_event& event = original.event(at);
  const size_t previous = original.prev_in_pass(at);
  if (previous == kNone || original.event(previous).kind != SWAPTRAIL_SLOT_ALLOCATED) return kNone;
  if (event.u.map.owner != event.tgid) return kNone;
  const size_t back = original.next_of_entry(
      at, event.entry, kinds(SWAPTRAIL_SWAP_IN, SWAPTRAIL_SLOT_FREED, SWAPTRAIL_UNMAPPED_ONE));
  if (back == kNone || original.event(back).kind != SWAPTRAIL_SWAP_IN) return kNone;
  const bool same = original.event(back).u.map.owner == event.u.map.owner &&
                    original.event(back).u.map.address == event.u.map.address;
  return same ? back : kNone;
}

bool owner_faults(const Original& original, size_t at) {
  return fault_of_owner(original, at) != kNone;
}

// One page only: a large folio that is elsewhere as a whole may have been moved by mremap.
bool owner_of_page_faults(const Original& original, size_t at) {
  return original.event(at).nr_pages == 1 && owner_faults(original, at);
}

void change_owner(swaptrail_event& event, uint32_t owner) {
  event.u.map.owner = owner;
  std::memset(event.u.map.comm, 0, sizeof(event.u.map.comm));
  std::memcpy(event.u.map.comm, "stranger", 8);
}

void move_address(Change& change, size_t at) {
  const uint64_t pages = change.random().between(1, 1 << 12) + change.before(at).nr_pages;
  change.edit(at).u.map.address += pages * kPage;
}

void leave_user_space(Change& change, size_t at) {
  auto& address = change.edit(at).u.map.address;
  if (change.random().below(2))
    address += change.random().between(1, kPage - 1);
  else
    address += ~uint64_t{0} - kUserEnd + 1;
}

// As a process it is known to have been unmapped from: its slot was new in that pass. A fault
// that is to be tried again has mapped nothing.
bool faulted_by_owner(const Original& original, size_t at) {
  if (original.event(at).result & SWAPTRAIL_FAULT_RETRY) return false;
  const uint64_t entry = original.event(at).entry;
  const size_t unmapped = original.prev_of_entry(
      at, entry, kinds(SWAPTRAIL_UNMAPPED_ONE, SWAPTRAIL_SLOT_FREED, SWAPTRAIL_SWAP_IN));
  return unmapped != kNone && original.event(unmapped).kind == SWAPTRAIL_UNMAPPED_ONE &&
         original.event(unmapped).nr_pages == 1 && fault_of_owner(original, unmapped) == at;
}

constexpr uint32_t kPassAfterSlot =
    kinds(SWAPTRAIL_UNMAPPED_ONE, SWAPTRAIL_UNMAPPED, SWAPTRAIL_WRITE_BEGIN, SWAPTRAIL_ZSWAP_STORED,
          SWAPTRAIL_WRITE_ISSUED, SWAPTRAIL_WRITE_END);
constexpr uint32_t kUnmappedOne = kinds(SWAPTRAIL_UNMAPPED_ONE);
constexpr RuleSet kOtherFolio(Rule::kUnknownFolio, Rule::kStageMissing, Rule::kStageOrder,
                              Rule::kEntryChanged, Rule::kSlotInUse, Rule::kSlotTwice,
                              Rule::kStateWrong, Rule::kReadWhileCached, Rule::kWriteBeforeSlot,
                              Rule::kBackendWrong);

// In event ABI 1 that of a small folio was wrong on some kernels, and means nothing.
bool tells_page(const Original& original, size_t at) {
  return original.header().event_abi >= 2 || original.event(at).nr_pages > 1;
}

constexpr Damage kFolioDamages[] = {
    // the folio misses it, and the other one had nothing before it
    {"folio_to_unheard", "an event of a pass is of a folio that nobody knows", kPassAfterSlot,
     in_the_middle, [](Change& change, size_t at) { change.edit(at).folio = new_folio(change); },
     Shape::kEdited, kFolio, kOtherFolio, false},
    {"folio_to_other", "an event of a pass is of another folio in the cache", kPassAfterSlot,
     beside_other,
     [](Change& change, size_t at) {
       change.edit(at).folio = change.before(other_cached_folio(change.original(), at)).folio;
     },
     Shape::kEdited, kFolio, kOtherFolio, false},
    {"folio_misaligned", "an address at which no struct page can be", kPassKinds, anywhere,
     [](Change& change, size_t at) {
       const uint64_t page = change.original().header().reconstruction.page_struct_size;
       change.edit(at).folio += change.random().between(1, page - 1);
     },
     Shape::kEdited, kFolio, RuleSet(Rule::kBadEvent), false},
    {"completion_of_other", "the device is done with a folio it does not write",
     kinds(SWAPTRAIL_WRITE_COMPLETED), completed_beside_other, complete_other, Shape::kEdited,
     kFolio | kEntry | kPages, RuleSet(Rule::kCompletedWithoutWrite), false},
    // a folio has the same size from one event of a pass to the next, if it was not split
    {"pages_changed", "an event has a folio of another size", kPassAfterSlot, in_the_middle,
     change_pages, Shape::kEdited, kPages, RuleSet(Rule::kPagesChanged), false},
    {"owner_changed", "a mapping of a process that never faults, while its owner does",
     kUnmappedOne, owner_faults,
     [](Change& change, size_t at) { change_owner(change.edit(at), kStranger); }, Shape::kEdited,
     kUnion, RuleSet(Rule::kStrangerFaults), false},
    // mremap of one page in the middle of others could do it, but that is so rare that a finding is
    // justified
    {"address_moved", "a mapping elsewhere than where its owner faults", kUnmappedOne,
     owner_of_page_faults, move_address, Shape::kEdited, kUnion, RuleSet(Rule::kMappingMisplaced),
     false},
    {"address_impossible", "a mapping at no page, or in the kernel's half", kUnmappedOne, anywhere,
     leave_user_space, Shape::kEdited, kUnion, RuleSet(Rule::kBadEvent), false},
    {"fault_by_stranger", "a process faults on a page that it never had", kinds(SWAPTRAIL_SWAP_IN),
     faulted_by_owner,
     // 1 is older than any process of a recording, and so did not get the page from its parent
     [](Change& change, size_t at) { change_owner(change.edit(at), 1); }, Shape::kEdited, kUnion,
     RuleSet(Rule::kStrangerFaults), false},
    {"fault_elsewhere", "a process faults on its page at another address", kinds(SWAPTRAIL_SWAP_IN),
     faulted_by_owner, move_address, Shape::kEdited, kUnion, RuleSet(Rule::kMappingMisplaced),
     false},
    {"ptes_beyond", "more page table entries of one mapping than the folio has pages", kUnmappedOne,
     anywhere,
     [](Change& change, size_t at) {
       change.edit(at).u.map.ptes = change.before(at).nr_pages + change.random().between(1, 1000);
     },
     Shape::kEdited, kUnion, RuleSet(Rule::kUnmapBeyondFolio), false},
    // the hook reports only mappings of which it counted something
    {"ptes_none", "a mapping of which nothing was replaced", kUnmappedOne, anywhere,
     [](Change& change, size_t at) { change.edit(at).u.map.ptes = 0; }, Shape::kEdited, kUnion,
     RuleSet(Rule::kUnmapBeyondFolio, Rule::kBadEvent), false},
    {"first_page_beyond", "a mapping of a page behind the folio's last", kUnmappedOne, tells_page,
     [](Change& change, size_t at) {
       const uint16_t pages = change.before(at).nr_pages;
       change.edit(at).u.map.first_page = pages + change.random().below(1000);
     },
     Shape::kEdited, kUnion, RuleSet(Rule::kUnmapBeyondFolio), false},
};

}  // namespace

std::span<const Damage> folio_damages() { return kFolioDamages; }

}  // namespace swaptrail::mutation
