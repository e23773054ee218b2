#include "engine/steps/area.h"

#include <algorithm>

#include "absl/strings/str_format.h"

namespace swaptrail::engine {
namespace {

constexpr int32_t kFirstDefault[] = {-1, -2, -1};  // by DefaultPriority
constexpr int32_t kBestDefaultRank = 1;            // for an area on the node itself

// Takes `type` out of the first `count` places; true if it was there.
bool take_out(std::array<uint8_t, kMostAreaTypes>& list, size_t& count, uint32_t type) {
  const auto end = list.begin() + count;
  const auto at = std::find(list.begin(), end, type);
  if (at == end) return false;
  std::copy(at + 1, end, at);
  --count;
  return true;
}

void put_in(std::array<uint8_t, kMostAreaTypes>& list, size_t& count, size_t place, uint32_t type) {
  std::copy_backward(list.begin() + place, list.begin() + count, list.begin() + count + 1);
  list[place] = static_cast<uint8_t>(type);
  ++count;
}

}  // namespace

int32_t AreaOrder::rank_of(const Place& place) const {
  const bool best =
      rule_ == DefaultPriority::kFallingFrom2 && place.priority < 0 && place.local_node;
  return best ? kBestDefaultRank : -place.priority;
}

absl::StatusOr<int32_t> AreaOrder::add(const Area& area) {
  if (area.type >= kMostAreaTypes) {
    return absl::InvalidArgumentError(absl::StrFormat("no swap area has type %u", area.type));
  }
  if (area.priority > kMaxPriority ||
      (area.priority < -kMaxPriority && area.priority != kDefaultPriority)) {
    return absl::InvalidArgumentError(absl::StrFormat("no area has priority %d", area.priority));
  }
  Place& place = places_[area.type];
  if (place.active) {
    return absl::AlreadyExistsError(absl::StrFormat("swap area %u is in use", area.type));
  }
  place = {area.priority, 0, true, false, area.local_node};
  if (area.priority == kDefaultPriority) {
    place.priority = kFirstDefault[static_cast<size_t>(rule_)] - least_;
    if (rule_ != DefaultPriority::kEqual) ++least_;
  }
  place.rank = rank_of(place);
  size_t at = 0;
  while (at < active_count_ && places_[active_[at]].priority >= place.priority) ++at;
  put_in(active_, active_count_, at, area.type);
  enter(area.type);
  return place.priority;
}

absl::Status AreaOrder::remove(uint32_t type) {
  if (type >= kMostAreaTypes || !places_[type].active) {
    return absl::NotFoundError(absl::StrFormat("there is no swap area %u", type));
  }
  leave(type);
  const size_t at =
      std::find(active_.begin(), active_.begin() + active_count_, type) - active_.begin();
  take_out(active_, active_count_, type);
  places_[type].active = false;
  if (places_[type].priority >= 0 || rule_ == DefaultPriority::kEqual) return absl::OkStatus();
  for (size_t below = at; below < active_count_; ++below) {
    Place& place = places_[active_[below]];
    ++place.priority;
    place.rank = rank_of(place);
  }
  if (least_ > 0) --least_;
  return absl::OkStatus();
}

void AreaOrder::leave(uint32_t type) {
  if (!places_[type].available) return;
  places_[type].available = false;
  take_out(available_, available_count_, type);
}

void AreaOrder::enter(uint32_t type) {
  if (!places_[type].active || places_[type].available) return;
  places_[type].available = true;
  size_t at = 0;
  while (at < available_count_ && places_[available_[at]].rank <= places_[type].rank) ++at;
  put_in(available_, available_count_, at, type);
}

void AreaOrder::reinsert(uint32_t type) {
  if (!places_[type].available) return;
  leave(type);
  enter(type);
}

}  // namespace swaptrail::engine
