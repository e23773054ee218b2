// What trace/ makes of the way back, reported to the lockstep with changes.
#include <type_traits>

#include "tests/mutation/damage.h"

namespace swaptrail::mutation {
namespace {

constexpr uint32_t kFreed = kinds(SWAPTRAIL_SLOT_FREED);
constexpr int32_t kNotDone = 0x400 | 0x1 | 0x2 | 0x10 | 0x20 | 0x40;  // vm_fault_t
constexpr uint64_t kGrace_ns = 2'000'000'000;

// A folio that was read in, and that reclaim removes without unmapping it: a copy that nobody uses.
bool drops_copy(const Original& original, size_t removed, uint64_t entry) {
  const size_t read = original.prev_of_entry(removed, entry, kinds(SWAPTRAIL_SWAP_READ));
  const size_t unmapped =
      original.prev_of_entry(removed, entry, kinds(SWAPTRAIL_UNMAPPED, SWAPTRAIL_SLOT_ALLOCATED));
  return read != kNone && (unmapped == kNone || unmapped < read);
}

// The last that happened to the slot's page before `at`, but for what a fault does to bring it back, is
// that reclaim removed it; and its slot was got before our eyes.
bool is_away(const Original& original, size_t at, uint64_t entry) {
  const uint32_t inside = kinds(SWAPTRAIL_SWAP_READ, SWAPTRAIL_ZSWAP_LOADED,
                                SWAPTRAIL_CACHE_DELETED, SWAPTRAIL_SLOT_FREED);
  const uint32_t all = kFolioKinds | kFreed | kSwapIn | kinds(SWAPTRAIL_SHMEM_SWAP_IN);
  size_t last = original.prev_of_entry(at, entry, all);
  while (last != kNone && is_kind(original.event(last), inside))
    last = original.prev_of_entry(last, entry, all);
  return last != kNone && original.event(last).kind == SWAPTRAIL_REMOVED &&
         original.event(last).result == 1 && !drops_copy(original, last, entry) &&
         original.prev_of_entry(last, entry, kinds(SWAPTRAIL_SLOT_ALLOCATED)) != kNone;
}

// A fault that brings one page back, all in one pass.
bool brings_back(const Original& original, size_t at) {
  const swaptrail_event& event = original.event(at);
  if (original.header().event_abi < 2 || event.result < 0 || (event.result & kNotDone))
    return false;
  return event.u.map.ptes == 1 && event.u.map.value > 1 && is_away(original, at, event.entry);
}

// A slot that is freed, whose page no fault wants.
bool ends_unread(const Original& original, size_t at) {
  const swaptrail_event& event = original.event(at);
  if (original.header().event_abi < 2 || event.nr_pages != 1 || event.batch_ns != 0) return false;
  if (event.state != 0 || !is_away(original, at, event.entry)) return false;
  const uint32_t reads = kinds(SWAPTRAIL_SWAP_READ, SWAPTRAIL_SWAP_IN, SWAPTRAIL_SHMEM_SWAP_IN);
  const size_t out = original.prev_of_entry(at, event.entry, kinds(SWAPTRAIL_REMOVED));
  const size_t read = original.prev_of_entry(at, event.entry, reads);
  const size_t fault = original.next_of_entry(at, event.entry, reads);
  const bool later = fault == kNone || original.event(fault).time_ns > event.time_ns + kGrace_ns;
  return (read == kNone || read < out) && later;
}

// A return that is changed in one field.
template <auto kField, auto kChange>
Return with(const Return& was, uint64_t choice) {
  Return back = was;
  back.*kField =
      static_cast<std::remove_reference_t<decltype(back.*kField)>>(kChange(was.*kField, choice));
  return back;
}
constexpr auto kMore = [](uint64_t value, uint64_t choice) { return value + 1 + choice % 1000; };
constexpr auto kHalf = [](uint64_t value, uint64_t) { return value / 2; };
constexpr auto kNothing = [](uint64_t, uint64_t) { return uint64_t{0}; };
constexpr auto kOther = [](uint64_t value, uint64_t) { return value ^ 1; };

Return as_failed(const Return& was, uint64_t choice) {
  Return back = was;
  back.how = choice % 2 == 0 ? ReturnHow::kReadError : ReturnHow::kNoMemory;
  return back;
}
Return as_swapoff(const Return& was, uint64_t) {
  Return back = was;
  back.how = ReturnHow::kSwapoff;
  return back;
}

template <Return (*kAs)(const Return&, uint64_t)>
void tell_as(Change& change, size_t at) {
  change.tell_return(at, 1, kAs);
}
template <size_t kTimes>
void tell_times(Change& change, size_t at) {
  change.tell_return(at, kTimes, nullptr);
}

constexpr Damage fault(std::string_view name, std::string_view meaning,
                       void (*tell)(Change&, size_t), RuleSet right) {
  return {name, meaning, kSwapIn, brings_back, tell, Shape::kNone, 0, right, false};
}
constexpr Damage freed(std::string_view name, std::string_view meaning,
                       void (*tell)(Change&, size_t), RuleSet right) {
  return {name, meaning, kFreed, ends_unread, tell, Shape::kNone, 0, right, false};
}

constexpr RuleSet kReader(Rule::kReturnReader), kWait(Rule::kReturnWait);
constexpr RuleSet kReturnedPages(Rule::kReturnPages), kLife(Rule::kReturnLifecycle);
constexpr RuleSet kUntold(Rule::kReturnMissing), kTwice(Rule::kReturnTwice);

constexpr Damage kReturnDamages[] = {
    fault("return_half_wait", "half the time that its reader waited",
          tell_as<with<&Return::fault_ns, kHalf>>, kWait),
    fault("return_longer_wait", "more time than its reader waited",
          tell_as<with<&Return::fault_ns, kMore>>, kWait),
    fault("return_passes", "in more passes", tell_as<with<&Return::passes, kMore>>, kWait),
    fault("return_major", "major for minor, or the other way round",
          tell_as<with<&Return::major, kOther>>, RuleSet(Rule::kReturnMajor)),
    fault("return_reader", "another process read it", tell_as<with<&Return::tgid, kMore>>, kReader),
    fault("return_thread", "another thread read it", tell_as<with<&Return::tid, kMore>>,
          RuleSet(Rule::kReturnReader, Rule::kReturnUnseen)),
    fault("return_owner", "it is another process's memory",
          tell_as<with<&Return::owner_tgid, kMore>>, kReader),
    fault("return_cgroup", "its reader is of another cgroup",
          tell_as<with<&Return::reader_cgroup, kMore>>, kReader),
    fault("return_slot", "another slot's page", tell_as<with<&Return::entry, kOther>>,
          RuleSet(Rule::kReturnUnseen, Rule::kReturnTwice, Rule::kReturnLifecycle,
                  Rule::kReturnMissing)),
    fault("return_pages_more", "more pages", tell_as<with<&Return::nr_pages, kMore>>,
          kReturnedPages),
    fault("return_pages_none", "nothing came back", tell_as<with<&Return::nr_pages, kNothing>>,
          RuleSet(Rule::kReturnPages, Rule::kReturnMissing)),
    fault("return_mapped", "more entries were filled", tell_as<with<&Return::mapped_pages, kMore>>,
          kReturnedPages),
    fault("return_lifecycle", "another swap-out's", tell_as<with<&Return::lifecycle_id, kMore>>,
          kLife),
    fault("return_after", "after a longer stay", tell_as<with<&Return::after_ns, kMore>>, kLife),
    fault("return_failed", "told as a fault that failed", tell_as<as_failed>,
          RuleSet(Rule::kReturnHow)),
    fault("return_untold", "a fault that is not told", tell_times<0>, kUntold),
    fault("return_doubled", "a fault that is told twice", tell_times<2>, kTwice),
    freed("freed_untold", "a slot that is freed, and not told", tell_times<0>, kUntold),
    freed("freed_doubled", "a slot that is freed, told twice", tell_times<2>, kTwice),
    freed("freed_as_swapoff", "a slot that is freed, told as swapoff", tell_as<as_swapoff>,
          RuleSet(Rule::kReturnHow)),
};

}  // namespace

std::span<const Damage> return_damages() { return kReturnDamages; }

}  // namespace swaptrail::mutation
