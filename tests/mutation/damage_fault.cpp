// Passes of faults, and what they say that they mapped (event ABI 2).
#include "tests/mutation/damage.h"

namespace swaptrail::mutation {
namespace {

constexpr uint32_t kFaults = kinds(SWAPTRAIL_SWAP_IN, SWAPTRAIL_SHMEM_SWAP_IN);
constexpr uint32_t kInFault = kinds(SWAPTRAIL_SWAP_READ, SWAPTRAIL_ZSWAP_LOADED,
                                    SWAPTRAIL_CACHE_DELETED, SWAPTRAIL_SLOT_FREED);
constexpr size_t kNear = 3000;  // events

bool of_abi2(const Original& original) { return original.header().event_abi >= 2; }

// The last event of the thread before `at`, of these kinds and near; kNone: there is none.
size_t prev_of_thread(const Original& original, size_t at, uint32_t kinds) {
  const uint32_t tid = original.event(at).tid;
  const size_t first = at > kNear ? at - kNear : 0;
  for (size_t i = at; i-- > first;) {
    if (original.event(i).tid == tid && is_kind(original.event(i), kinds)) return i;
  }
  return kNone;
}

// The thread's next pass after this one, if nothing else stands in between except what a fault
// does.
size_t next_pass(const Original& original, size_t at) {
  const uint32_t between = kInFault | kinds(SWAPTRAIL_WRITE_COMPLETED);
  size_t next = original.next_of_thread(at);
  while (next != kNone && is_kind(original.event(next), between))
    next = original.next_of_thread(next);
  return next != kNone && original.event(next).kind == SWAPTRAIL_SWAP_IN ? next : kNone;
}

// It must be tried again, and is: the second pass says that it is one.
bool is_tried_again(const Original& original, size_t at) {
  const swaptrail_event& event = original.event(at);
  if (!of_abi2(original) || event.result < 0 || !(event.result & SWAPTRAIL_FAULT_RETRY))
    return false;
  if (event.state & SWAPTRAIL_STATE_TRIED) return false;
  const size_t next = next_pass(original, at);
  return next != kNone && (original.event(next).state & SWAPTRAIL_STATE_TRIED) &&
         original.event(next).u.map.address == event.u.map.address;
}

bool maps(const swaptrail_event& event) {
  return event.result >= 0 && !(event.result & SWAPTRAIL_FAULT_NOT_DONE) && event.u.map.ptes != 0 &&
         event.u.map.ptes != SWAPTRAIL_NOT_COUNTED;
}

// The first pass of a fault that the thread has not tried before.
bool is_only_pass(const Original& original, size_t at) {
  const swaptrail_event& event = original.event(at);
  if (!of_abi2(original) || !maps(event) || (event.state & SWAPTRAIL_STATE_TRIED)) return false;
  const size_t before = prev_of_thread(original, at, kSwapIn);
  return before != kNone && !(original.event(before).result & SWAPTRAIL_FAULT_RETRY);
}

// In this fault the thread has read the page, past the swap cache; and it was seen to go out.
size_t read_for(const Original& original, size_t at) {
  const swaptrail_event& event = original.event(at);
  const size_t before = prev_of_thread(original, at, kFaults);
  const size_t read = prev_of_thread(original, at, kinds(SWAPTRAIL_SWAP_READ));
  if (read == kNone || (before != kNone && before > read)) return kNone;
  const swaptrail_event& what = original.event(read);
  const bool past = !(what.state & SWAPTRAIL_STATE_SWAPCACHE);
  if (!past || event.entry - what.entry >= what.nr_pages) return kNone;
  const size_t out = original.prev_of_entry(read, what.entry, kFolioKinds);
  const bool seen = out != kNone && original.event(out).kind == SWAPTRAIL_REMOVED;
  return seen && original.event(out).result == 1 ? read : kNone;
}

bool is_read_for(const Original& original, size_t at) {
  return of_abi2(original) && maps(original.event(at)) && read_for(original, at) != kNone;
}

// ... and the thread reads another page, or ends another fault, after it.
bool is_read_for_and_goes_on(const Original& original, size_t at) {
  if (!is_read_for(original, at)) return false;
  const size_t next = original.next_of_thread(at);
  if (next == kNone) return false;
  const swaptrail_event& event = original.event(next);
  const bool other = event.entry != original.event(at).entry;
  return other &&
         (event.kind == SWAPTRAIL_SWAP_READ || (event.kind == SWAPTRAIL_SWAP_IN && maps(event)));
}

// The slot was freed by the thread in its fault.
bool is_freed_in_fault(const Original& original, size_t at) {
  const swaptrail_event& event = original.event(at);
  if (!of_abi2(original) || event.batch_ns != 0 || event.state != 0) return false;
  const size_t next = original.next_of_thread(at);
  if (next == kNone || original.event(next).kind != SWAPTRAIL_SWAP_IN) return false;
  const swaptrail_event& fault = original.event(next);
  const bool inside = fault.time_ns - fault.u.map.value < event.time_ns;
  const size_t out = original.prev_of_entry(at, fault.entry, kinds(SWAPTRAIL_REMOVED));
  return inside && maps(fault) && fault.entry - event.entry < event.nr_pages && out != kNone;
}

constexpr Damage taken(std::string_view name, std::string_view meaning,
                       bool (*eligible)(const Original&, size_t), RuleSet right) {
  return {
      name,          meaning, kSwapIn, eligible, [](Change& change, size_t at) { change.take(at); },
      Shape::kTaken, 0,       right,   true};
}

constexpr Damage edited(std::string_view name, std::string_view meaning,
                        bool (*eligible)(const Original&, size_t), void (*apply)(Change&, size_t),
                        uint32_t fields, RuleSet right, bool loss_is_right = false) {
  return {name, meaning, kSwapIn, eligible, apply, Shape::kEdited, fields, right, loss_is_right};
}

void say_done(Change& change, size_t at) { change.edit(at).result &= ~SWAPTRAIL_FAULT_RETRY; }
void say_tried(Change& change, size_t at) { change.edit(at).state = SWAPTRAIL_STATE_TRIED; }
void fill_more(Change& change, size_t at) {
  change.edit(at).u.map.ptes += 1 + change.random().below(100);
}
void fill_elsewhere(Change& change, size_t at) {
  swaptrail_event& event = change.edit(at);
  event.u.map.first_page = event.u.map.ptes;
}
void fill_one(Change& change, size_t at) { change.edit(at).u.map.ptes = 1; }
void change_area(Change& change, size_t at) { change.edit(at).entry ^= uint64_t{1} << 58; }
void say_swapoff(Change& change, size_t at) { change.edit(at).state = SWAPTRAIL_STATE_SWAPOFF; }

constexpr RuleSet kNotBegun(Rule::kFaultNotBegun);
constexpr RuleSet kPagesWrong(Rule::kFaultPages);

constexpr Damage kFaultDamages[] = {
    taken("fault_first_pass_missing", "the first pass of a fault is not there", is_tried_again,
          kNotBegun),
    edited("fault_retry_dropped", "a pass that is to be tried again says that it is done",
           is_tried_again, say_done, kResult, kNotBegun, true),
    edited("fault_tried_gained", "the only pass of a fault says that it is the second",
           is_only_pass, say_tried, kState, kNotBegun, true),
    taken("fault_missing", "a page was read past the swap cache, and its fault is not there",
          is_read_for_and_goes_on, RuleSet(Rule::kFaultMissing)),
    edited("fault_pages_more", "more page table entries than the folio has that was read",
           is_read_for, fill_more, kUnion, kPagesWrong),
    edited("fault_pages_elsewhere", "the entry that faulted is not among those that were filled",
           is_read_for, fill_elsewhere, kUnion, kPagesWrong),
    edited("fault_pages_of_retry", "a pass that is to be tried again has filled an entry",
           is_tried_again, fill_one, kUnion, kPagesWrong),
    edited("fault_area", "an entry of another swap area", is_read_for_and_goes_on, change_area,
           kEntry, RuleSet(Rule::kFaultMissing, Rule::kFaultPages, Rule::kFaultOnFreeSlot), true),
    {"swapoff_in_fault", "a slot that a fault freed is said to be freed by swapoff",
     kinds(SWAPTRAIL_SLOT_FREED), is_freed_in_fault, say_swapoff, Shape::kEdited, kState,
     RuleSet(Rule::kBadEvent, Rule::kReturnHow), false},
};

}  // namespace

std::span<const Damage> fault_damages() { return kFaultDamages; }

}  // namespace swaptrail::mutation
