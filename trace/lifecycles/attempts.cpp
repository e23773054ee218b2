#include "trace/lifecycles/attempts.h"

#include "trace/check.h"

namespace swaptrail::lifecycles {
namespace {
constexpr size_t kFirstReserve = 1 << 14;
}  // namespace

AttemptTable::AttemptTable(size_t max) : pool_(max) {
  by_folio_.reserve(std::min(max, kFirstReserve));
}

uint32_t AttemptTable::find(uint64_t folio) const {
  if (folio == found_folio_) return found_;
  const auto found = by_folio_.find(folio);
  found_folio_ = folio;
  return found_ = found == by_folio_.end() ? kNoIndex : found->second;
}

uint32_t AttemptTable::add(uint64_t folio) {
  SWAPTRAIL_DCHECK(find(folio) == kNoIndex);
  const uint32_t index = pool_.acquire();
  if (index == kNoIndex) return kNoIndex;
  Attempt& attempt = pool_.at(index);
  attempt.live = true;
  attempt.keyed = true;
  attempt.life.folio = folio;
  set(folio, index);
  return index;
}

void AttemptTable::rekey(uint32_t index, uint64_t folio) {
  detach(index);
  Attempt& attempt = pool_.at(index);
  attempt.life.folio = folio;
  attempt.keyed = true;
  set(folio, index);
}

void AttemptTable::detach(uint32_t index) {
  Attempt& attempt = pool_.at(index);
  if (attempt.keyed) by_folio_.erase(attempt.life.folio);
  attempt.keyed = false;
  if (found_ == index) found_ = kNoIndex;
}

void AttemptTable::set(uint64_t folio, uint32_t index) {
  by_folio_[folio] = index;
  found_folio_ = folio;
  found_ = index;
}

void AttemptTable::remove(uint32_t index) {
  detach(index);
  SWAPTRAIL_DCHECK(pool_.at(index).live);
  pool_.at(index).live = false;
  pool_.release(index);
}

}  // namespace swaptrail::lifecycles
