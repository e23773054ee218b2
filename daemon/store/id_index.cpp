#include "daemon/store/id_index.h"

#include <bit>

#include "daemon/store/record.h"
#include "trace/check.h"

namespace swaptrail::store {

// At most 4 in 5 slots are taken, so that runs stay short.
size_t IdIndex::slots_for(size_t most) { return std::bit_ceil(most + most / 4 + 2); }

size_t IdIndex::home(uint32_t tag) const { return base::mixed(tag) & (slots_.size() - 1); }

void IdIndex::add(uint64_t id, uint32_t place) {
  SWAPTRAIL_DCHECK(place != kNowhere);
  const auto tag = static_cast<uint32_t>(id);
  size_t at = home(tag);
  while (slots_[at].place != kNowhere) at = next(at);
  slots_[at] = {.tag = tag, .place = place};
}

void IdIndex::erase(uint64_t id, uint32_t place) {
  size_t hole = home(static_cast<uint32_t>(id));
  while (slots_[hole].place != place) {
    if (slots_[hole].place == kNowhere) return;
    hole = next(hole);
  }
  // Moves up each entry that was kept from its home by the erased one.
  const size_t mask = slots_.size() - 1;
  for (size_t at = next(hole); slots_[at].place != kNowhere; at = next(at)) {
    const size_t way = (at - home(slots_[at].tag)) & mask;
    if (way < ((at - hole) & mask)) continue;
    slots_[hole] = slots_[at];
    hole = at;
  }
  slots_[hole] = Slot{};
}

}  // namespace swaptrail::store
