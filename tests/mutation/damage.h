// The damages: what each means, where it is possible, and what a validator must report.
//
// A site is eligible if the rest of the recording contradicts the damaged event by what the kernel
// can and cannot do: never because some validator happens to find it. If nothing follows that could
// contradict it (the end of the recording), or if the kernel could have done it all the same, there
// is no site. Each damage says which events contradict it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "engine/lockstep/rules.h"
#include "tests/mutation/change.h"
#include "tests/mutation/original.h"

namespace swaptrail::mutation {

using engine::Rule;

class RuleSet {
 public:
  constexpr RuleSet() = default;
  template <typename... Rules>
  constexpr explicit RuleSet(Rules... rules) : bits_((bit(rules) | ...)) {}
  constexpr bool has(Rule rule) const { return bits_ & bit(rule); }
  constexpr bool empty() const { return bits_ == 0; }

 private:
  static constexpr uint64_t bit(Rule rule) { return uint64_t{1} << static_cast<unsigned>(rule); }
  uint64_t bits_ = 0;
};
static_assert(static_cast<unsigned>(Rule::kCount) <= 64);

// What a damage does to the stream, for the check of the damages themselves.
enum class Shape : uint8_t {
  kTaken,     // one event less, sequences without a gap
  kGap,       // events less, the other sequences as they were
  kAdded,     // one event more, sequences without a gap
  kRepeated,  // one event twice, with its sequence
  kMoved,     // the same events in another order, time and sequences of the stream in order
  kEdited,    // `fields` of some events, and nothing else
  kCut,       // a begin or an end of the original
  kNone,      // the stream is as it was: a lifecycle is not
};

enum Field : uint32_t {
  kTime = 1 << 0,
  kFolio = 1 << 1,
  kEntry = 1 << 2,
  kBatch = 1 << 3,
  kThread = 1 << 4,
  kLost = 1 << 5,
  kResult = 1 << 6,
  kPages = 1 << 7,
  kCpu = 1 << 8,
  kState = 1 << 9,
  kKind = 1 << 10,
  kOrigin = 1 << 11,
  kUnion = 1 << 12,
  kSequence = 1 << 13,
};

struct Damage {
  std::string_view name;
  std::string_view meaning;
  uint32_t kinds;  // of the event at a site
  bool (*eligible)(const Original&, size_t site);
  void (*apply)(Change&, size_t site);
  Shape shape;
  uint32_t fields;     // of Field, if kEdited
  RuleSet right;       // empty: nothing is wrong, and any finding is a false alarm
  bool loss_is_right;  // it looks like an event that was lost
};

// In groups, one file each.
std::span<const Damage> stream_damages();    // sequences, times, the event ABI
std::span<const Damage> batch_damages();     // whose reclaim it was
std::span<const Damage> missing_damages();   // one event less
std::span<const Damage> repeated_damages();  // one event twice
std::span<const Damage> invented_damages();  // one event more
std::span<const Damage> order_damages();     // two events in the wrong order
std::span<const Damage> slot_damages();
std::span<const Damage> folio_damages();      // identity, size and mappings
std::span<const Damage> state_damages();      // state bits, backends and results
std::span<const Damage> lifecycle_damages();  // what trace/ made of it
std::span<const Damage> fault_damages();      // passes of faults, and what they map
std::span<const Damage> return_damages();     // what trace/ made of them
std::span<const Damage> controls();           // not damages: nothing may be found

std::vector<const Damage*> all_damages();
const Damage* damage_named(std::string_view name);  // null: there is none

// How far back sites look for another event that fits, in events.
inline constexpr size_t kLookBack = 3000;

// Eligibility conditions that several groups share.
bool anywhere(const Original& original, size_t at);
bool goes_on(const Original& original, size_t at);  // an event of the same pass follows
bool cached_and_goes_on(const Original& original, size_t at);
bool under_writeback(const Original& original, size_t at);  // its completion is still to come
bool in_the_middle(const Original& original, size_t at);    // one comes before as well

}  // namespace swaptrail::mutation
