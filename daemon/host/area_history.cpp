#include "daemon/host/area_history.h"

#include <algorithm>
#include <utility>

namespace swaptrail::host {
namespace {

bool may_be(const AreaInstance& instance, const SeenArea& line) {
  const uint32_t known = instance.seen.area.type, now = line.area.type;
  return instance.until_ns == kStillOn && is_same_area(instance.seen, line) &&
         (known == now || known == kTypeNotKnown || now == kTypeNotKnown);
}

}  // namespace

const AreaInstance* AreaTimeline::find(uint32_t type, uint64_t at_ns) const {
  const AreaInstance* found = nullptr;
  if (type == kTypeNotKnown) return nullptr;
  for (const AreaInstance& one : instances)
    if (one.seen.area.type == type && one.since_ns <= at_ns) found = &one;
  return found;
}

const AreaInstance* AreaTimeline::find(const SeenArea& line) const {
  const auto found =
      std::ranges::find_if(instances, [&](const AreaInstance& one) { return may_be(one, line); });
  return found == instances.end() ? nullptr : &*found;
}

std::vector<uint32_t> AreaHistory::update(std::span<const SeenArea> lines, uint64_t before_ns,
                                          uint64_t now_ns) {
  auto next = std::make_shared<AreaTimeline>(*newest_);
  std::vector<uint32_t> changed;
  std::vector<bool> is_new(lines.size(), true);
  const auto is_taken = [&](uint32_t type) {
    return type != kTypeNotKnown &&
           std::ranges::any_of(lines, [&](const SeenArea& line) { return line.area.type == type; });
  };
  for (AreaInstance& one : next->instances) {
    if (one.until_ns != kStillOn) continue;
    size_t at = 0;
    while (at < lines.size() && !(is_new[at] && may_be(one, lines[at]))) ++at;
    if (at == lines.size()) {
      // another area has its type by now: one moment between the two
      one.until_ns = is_taken(one.seen.area.type) ? before_ns : now_ns;
      changed.push_back(one.number);
      continue;
    }
    is_new[at] = false;
    if (std::exchange(one.seen.area.type, lines[at].area.type) != lines[at].area.type)
      changed.push_back(one.number);
  }
  for (size_t at = 0; at < lines.size(); ++at) {
    if (!is_new[at]) continue;
    AreaInstance& made = next->instances.emplace_back();
    made.number = ++last_number_;
    made.since_ns = before_ns == 0 ? 0 : before_ns + 1;
    made.seen = lines[at];
    if (before_ns != 0) {  // it was not on then, so nothing was in it
      made.seen.area.at_ns = made.since_ns;
      made.seen.area.used_bytes = 0;
    }
    changed.push_back(made.number);
  }
  while (next->instances.size() > most_) {
    const auto oldest = std::ranges::find_if(
        next->instances, [](const AreaInstance& one) { return one.until_ns != kStillOn; });
    if (oldest == next->instances.end()) break;
    next->instances.erase(oldest);
    ++next->forgotten;
  }
  newest_ = std::move(next);
  return changed;
}

}  // namespace swaptrail::host
