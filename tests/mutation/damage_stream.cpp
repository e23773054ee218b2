// The stream itself: sequences, times, CPUs, the event ABI.
#include <algorithm>

#include "tests/mutation/damage.h"

namespace swaptrail::mutation {
namespace {

constexpr size_t kLongGap = 50;
// The next event of the CPU shows that something is missing. Not before its first: a stream may
// begin at any sequence.
bool cpu_goes_on(const Original& original, size_t at) {
  return original.prev_of_cpu(at) != kNone && original.next_of_cpu(at) != kNone;
}

bool cpu_goes_on_for_long(const Original& original, size_t at) {
  if (original.prev_of_cpu(at) == kNone) return false;
  for (size_t i = 0; i < kLongGap && at != kNone; ++i) at = original.next_of_cpu(at);
  return at != kNone;
}

// The event before it on its CPU is older, so that its new time can be older than that.
bool can_be_older(const Original& original, size_t at) {
  const size_t previous = original.prev_of_cpu(at);
  return previous != kNone && original.event(previous).time_ns < original.event(at).time_ns;
}

void set_time_backwards(Change& change, size_t at) {
  const uint64_t previous = change.before(change.original().prev_of_cpu(at)).time_ns;
  change.edit(at).time_ns = previous - change.random().between(1, 100'000);
}

// Its CPU goes on, and so misses the sequence.
bool can_change_cpu(const Original& original, size_t at) {
  return original.header().cpus > 1 && cpu_goes_on(original, at);
}

void change_cpu(Change& change, size_t at) {
  const uint32_t cpus = change.original().header().cpus;
  const uint64_t step = change.random().between(1, cpus - 1);
  change.edit(at).cpu = (change.before(at).cpu + step) % cpus;
}

void leave_abi(Change& change, size_t at) {
  swaptrail_event& event = change.edit(at);
  const bool has_backend = event.kind == SWAPTRAIL_WRITE_END;
  switch (change.random().below(has_backend ? 4 : 3)) {
    case 0:
      event.kind = change.random().below(2) ? 0 : change.random().between(SWAPTRAIL_KIND_END, 255);
      break;
    case 1:
      event.origin = change.random().between(SWAPTRAIL_ORIGIN_END, 255);
      break;
    case 2:
      event.state |= 1 << change.random().between(12, 15);
      break;
    default:
      event.u.page.backend = change.random().between(SWAPTRAIL_BACKEND_END, 255);
  }
}

void change_kind(Change& change, size_t at) {
  swaptrail_event& event = change.edit(at);
  const uint32_t others = kFolioKinds & ~kind_mask(event.kind) & ~kind_mask(SWAPTRAIL_ZSWAP_LOADED);
  do {
    event.kind = change.random().below(SWAPTRAIL_KIND_END);
  } while (!is_kind(event, others));
}

constexpr Damage kStreamDamages[] = {
    {"gap", "an event is missing, and its sequence", kAnyKind, cpu_goes_on,
     [](Change& change, size_t at) { change.take_leaving_gap(at, 1); }, Shape::kGap, 0,
     RuleSet(Rule::kSequenceGap), true},
    {"long_gap", "2 to 50 events of a CPU are missing, and their sequences", kAnyKind,
     cpu_goes_on_for_long,
     [](Change& change, size_t at) {
       change.take_leaving_gap(at, change.random().between(2, kLongGap));
     },
     Shape::kGap, 0, RuleSet(Rule::kSequenceGap), true},
    {"repeated", "an event is there twice, with its sequence", kAnyKind, anywhere,
     [](Change& change, size_t at) { change.repeat_with_sequence(at); }, Shape::kRepeated, 0,
     RuleSet(Rule::kSequenceRepeated), false},
    {"time_backwards", "an event is older than the one before it on its CPU", kAnyKind,
     can_be_older, set_time_backwards, Shape::kEdited, kTime, RuleSet(Rule::kTimeBackwards), false},
    {"cpu_changed", "an event says it is of another CPU, with the sequence it had", kAnyKind,
     can_change_cpu, change_cpu, Shape::kEdited, kCpu,
     RuleSet(Rule::kSequenceGap, Rule::kSequenceRepeated), true},
    // there is no such CPU, whatever follows
    {"cpu_beyond", "an event is of a CPU that the host does not have", kAnyKind, anywhere,
     [](Change& change, size_t at) {
       change.move_to_cpu(at, change.original().header().cpus + change.random().below(100));
     },
     Shape::kEdited, kCpu | kSequence, RuleSet(Rule::kBadEvent), false},
    // the sequences say that none is missing
    {"lost_raised", "an event tells of lost ones, and neither its sequence nor the next event do",
     kAnyKind, cpu_goes_on,
     [](Change& change, size_t at) { change.edit(at).lost += change.random().between(1, 100); },
     Shape::kEdited, kLost, RuleSet(Rule::kSequenceGap, Rule::kBadEvent), true},
    {"outside_abi", "a kind, origin, backend or state bit that does not exist", kAnyKind, anywhere,
     leave_abi, Shape::kEdited, kKind | kOrigin | kState | kUnion, RuleSet(Rule::kBadEvent), false},
    // an event of the pass is missing and another is too many; what follows in the pass shows both
    {"kind_changed", "an event of a pass is of another kind", kPassKinds, in_the_middle,
     change_kind, Shape::kEdited, kKind,
     RuleSet(Rule::kStageOrder, Rule::kStageMissing, Rule::kStateWrong, Rule::kBadEvent,
             Rule::kUnknownFolio, Rule::kSlotTwice, Rule::kSlotInUse, Rule::kReadWhileCached,
             Rule::kReadUnwritten, Rule::kCompletedWithoutWrite, Rule::kUnmapBeyondFolio,
             Rule::kWriteBeforeSlot, Rule::kWriteWhileMapped, Rule::kWriteTwice,
             Rule::kBackendWrong, Rule::kRemovedWhileMapped, Rule::kRemovedUnderWriteback,
             Rule::kRemovedDirty, Rule::kRemovedUnwritten, Rule::kRemovedTwice, Rule::kEntryChanged,
             Rule::kMappingMisplaced, Rule::kZeroWithIo),
     false},
};

}  // namespace

std::span<const Damage> stream_damages() { return kStreamDamages; }

}  // namespace swaptrail::mutation
