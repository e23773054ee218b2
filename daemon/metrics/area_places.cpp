#include "daemon/metrics/area_places.h"

#include <algorithm>

#include "trace/decode.h"

namespace swaptrail::metrics {

size_t AreaPlaces::find_or_add(uint32_t type, std::string_view path) {
  const size_t named = named_.load(std::memory_order_relaxed);
  for (size_t place = 0; place < named; ++place)
    if (names_[place].type == type && names_[place].path == path) return place;
  if (named == kAreas) return kOtherArea;
  names_[named] = {type, std::string(path)};
  named_.store(named + 1, std::memory_order_release);
  return named;
}

void AreaPlaces::on_area(const host::AreaInstance& area) {
  const uint32_t type = area.seen.area.type;
  if (type >= kAreas || area.until_ns != host::kStillOn) return;
  std::vector<Since>& known = of_type_[type];
  if (std::ranges::find(known, area.number, &Since::number) != known.end()) return;
  if (known.size() == kKept) known.erase(known.begin());
  known.push_back({area.number, area.since_ns, find_or_add(type, area.seen.area.path)});
}

size_t AreaPlaces::place_of(uint64_t entry, uint64_t at_ns) {
  if (entry == 0) return kNoArea;
  const uint32_t type = entry_type(entry);
  if (type >= kAreas) return kOtherArea;
  const std::vector<Since>& known = of_type_[type];
  for (auto one = known.rbegin(); one != known.rend(); ++one)
    if (one->since_ns <= at_ns) return one->place;
  return find_or_add(type, "");
}

}  // namespace swaptrail::metrics
