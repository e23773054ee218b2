#include "tests/mutation/damage.h"

namespace swaptrail::mutation {

bool anywhere(const Original&, size_t) { return true; }

bool goes_on(const Original& original, size_t at) { return original.next_in_pass(at) != kNone; }

bool cached_and_goes_on(const Original& original, size_t at) {
  return (original.event(at).state & SWAPTRAIL_STATE_SWAPCACHE) && goes_on(original, at);
}

bool under_writeback(const Original& original, size_t at) {
  const size_t next = original.next_of_folio(at);
  return (original.event(at).state & SWAPTRAIL_STATE_WRITEBACK) && next != kNone &&
         original.event(next).kind == SWAPTRAIL_WRITE_COMPLETED;
}

bool in_the_middle(const Original& original, size_t at) {
  return goes_on(original, at) && original.prev_in_pass(at) != kNone;
}

std::vector<const Damage*> all_damages() {
  std::vector<const Damage*> all;
  for (const auto group :
       {stream_damages, batch_damages, missing_damages, repeated_damages, invented_damages,
        order_damages, slot_damages, folio_damages, state_damages, lifecycle_damages, fault_damages,
        return_damages, controls}) {
    for (const Damage& damage : group()) all.push_back(&damage);
  }
  return all;
}

const Damage* damage_named(std::string_view name) {
  for (const Damage* damage : all_damages()) {
    if (damage->name == name) return damage;
  }
  return nullptr;
}

}  // namespace swaptrail::mutation
