// What trace/ makes of an undamaged stream, reported to the lockstep with changes: the lockstep has
// an account of its own.
#include <iterator>

#include "tests/mutation/damage.h"

namespace swaptrail::mutation {
namespace {

// A removal closes its folio's lifecycle, and nothing hides a part of it: the folio got its slot,
// or was read in, before our eyes.
bool closes_whole(const Original& original, size_t at) {
  const swaptrail_event& event = original.event(at);
  if (event.result != 1) return false;
  for (size_t i = at; i != kNone; i = original.prev_of_folio(i)) {
    if (is_kind(original.event(i), kinds(SWAPTRAIL_SLOT_ALLOCATED, SWAPTRAIL_SWAP_READ)))
      return true;
    if (original.event(i).entry != 0 && original.event(i).entry != event.entry) return false;
  }
  return false;
}

// ... and it was mapped in this pass.
bool closes_mapped(const Original& original, size_t at) {
  const size_t previous = original.prev_in_pass(at);
  return closes_whole(original, at) && previous != kNone &&
         original.event(previous).kind == SWAPTRAIL_UNMAPPED;
}

Lifecycle with_other_outcome(const Lifecycle& was, uint64_t choice) {
  constexpr Outcome kOutcomes[] = {Outcome::kFreedDevice, Outcome::kFreedZswap, Outcome::kFreedZero,
                                   Outcome::kFreedClean, Outcome::kAborted};
  Lifecycle life = was;
  size_t at = choice % std::size(kOutcomes);
  if (kOutcomes[at] == was.outcome) at = (at + 1) % std::size(kOutcomes);
  life.outcome = kOutcomes[at];
  return life;
}

// A stage behind the first that was seen; there are several.
uint64_t& seen_stage(Lifecycle& life, uint64_t choice) {
  size_t at = 1 + choice % (kStageCount - 1);
  while (life.stage_ns[at] == 0) at = at + 1 == kStageCount ? 1 : at + 1;
  return life.stage_ns[at];
}

Lifecycle with_other_time(const Lifecycle& was, uint64_t choice) {
  Lifecycle life = was;
  seen_stage(life, choice) += 1 + choice % 1000;
  return life;
}

Lifecycle without_stage(const Lifecycle& was, uint64_t choice) {
  Lifecycle life = was;
  seen_stage(life, choice) = 0;
  return life;
}

Lifecycle with_other_slot(const Lifecycle& was, uint64_t choice) {
  Lifecycle life = was;
  life.entry += 1 + choice % 1000;
  return life;
}

Lifecycle with_more_mappings(const Lifecycle& was, uint64_t choice) {
  Lifecycle life = was;
  life.mapping_count += 1 + choice % 100;
  return life;
}

Lifecycle with_other_owner(const Lifecycle& was, uint64_t choice) {
  Lifecycle life = was;
  life.mappings[0].tgid += 1 + choice % 1000;
  return life;
}

Lifecycle with_other_address(const Lifecycle& was, uint64_t choice) {
  Lifecycle life = was;
  life.mappings[0].address += (1 + choice % 1000) << 12;
  return life;
}

Lifecycle with_more_passes(const Lifecycle& was, uint64_t choice) {
  Lifecycle life = was;
  life.passes += 1 + choice % 100;
  return life;
}

Lifecycle of_other_folio(const Lifecycle& was, uint64_t choice) {
  Lifecycle life = was;
  life.folio += (1 + choice) << 6;
  return life;
}

template <Lifecycle (*kAs)(const Lifecycle&, uint64_t)>
void tell_as(Change& change, size_t at) {
  change.tell_lifecycle(at, 1, kAs);
}

constexpr Damage lifecycle(std::string_view name, std::string_view meaning,
                           bool (*eligible)(const Original&, size_t), void (*tell)(Change&, size_t),
                           RuleSet right) {
  return {name, meaning, kinds(SWAPTRAIL_REMOVED), eligible, tell, Shape::kNone, 0, right, false};
}

constexpr RuleSet kUnknown(Rule::kLifecycleUnknown);

constexpr Damage kLifecycleDamages[] = {
    lifecycle("life_outcome", "another outcome", closes_whole, tell_as<with_other_outcome>,
              RuleSet(Rule::kLifecycleOutcome)),
    lifecycle("life_time", "a stage at another time", closes_whole, tell_as<with_other_time>,
              RuleSet(Rule::kLifecycleStages)),
    lifecycle("life_stage", "without a stage", closes_whole, tell_as<without_stage>,
              RuleSet(Rule::kLifecycleStages)),
    lifecycle("life_passes", "in more passes", closes_whole, tell_as<with_more_passes>,
              RuleSet(Rule::kLifecycleStages, Rule::kLifecycleOutcome)),
    lifecycle("life_slot", "in another slot", closes_whole, tell_as<with_other_slot>,
              RuleSet(Rule::kLifecycleSlot)),
    lifecycle("life_mappings", "with more mappings", closes_mapped, tell_as<with_more_mappings>,
              RuleSet(Rule::kLifecycleMappings)),
    lifecycle("life_owner", "of another process", closes_mapped, tell_as<with_other_owner>,
              RuleSet(Rule::kLifecycleMappings)),
    lifecycle("life_address", "at another address", closes_mapped, tell_as<with_other_address>,
              RuleSet(Rule::kLifecycleMappings)),
    lifecycle("life_other_folio", "of another folio", closes_whole, tell_as<of_other_folio>,
              RuleSet(Rule::kLifecycleUnknown, Rule::kLifecycleSlot)),
    lifecycle(
        "life_untold", "none, although the folio was removed", closes_whole,
        [](Change& change, size_t at) { change.tell_lifecycle(at, 0, nullptr); }, kUnknown),
    lifecycle(
        "life_twice", "told twice", closes_whole,
        [](Change& change, size_t at) { change.tell_lifecycle(at, 2, nullptr); }, kUnknown),
};

}  // namespace

std::span<const Damage> lifecycle_damages() { return kLifecycleDamages; }

}  // namespace swaptrail::mutation
