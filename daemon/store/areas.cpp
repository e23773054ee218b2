#include "daemon/store/areas.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "trace/decode.h"

namespace swaptrail::store {
namespace {

using Owners = absl::flat_hash_map<std::pair<uint32_t, uint64_t>, uint64_t>;  // area, cgroup: pages

// Its pages that are still in swap, and those that it stands for.
uint64_t pages_away(const RecordView& record) {
  const Hot& hot = record.hot();
  if (hot.entry == 0 || !is_freed(hot.outcome)) return 0;
  const uint32_t gone = record.back().gone_pages;
  return hot.nr_pages > gone ? (hot.nr_pages - gone) * hot.weight() : 0;
}

size_t age_bucket(uint64_t age_ns) {
  const auto bound = std::ranges::lower_bound(kAgeBounds, age_ns);
  return static_cast<size_t>(bound - kAgeBounds.begin());
}

void cut(size_t max_owners, AreaUse& area) {
  std::ranges::sort(area.owners, [](const AreaOwner& a, const AreaOwner& b) {
    return a.pages != b.pages ? a.pages > b.pages : a.cgroup < b.cgroup;
  });
  for (size_t at = max_owners; at < area.owners.size(); ++at) {
    area.other_pages += area.owners[at].pages;
  }
  if (area.owners.size() > max_owners) area.owners.resize(max_owners);
}

}  // namespace

std::vector<AreaUse> query_areas(Snapshot snapshot, uint64_t now_ns, size_t max_owners,
                                 size_t max_table, const Stop& stop,
                                 const std::function<bool(uint32_t, uint64_t)>& is_of_now) {
  std::map<uint32_t, AreaUse> areas;  // at most 64: 6 bits of an entry
  Owners owners;
  const auto wanted = [](const SegmentSummary& summary) { return summary.areas != 0; };
  Patience patience(stop);
  const auto visit = [&](uint64_t, const RecordView& record) {
    if (patience.is_over()) return false;
    const uint64_t pages = pages_away(record);
    if (pages == 0) return true;
    const Hot& hot = record.hot();
    const uint32_t number = entry_type(hot.entry);
    if (is_of_now && !is_of_now(number, record.slot_ns())) return true;
    AreaUse& area = areas[number];
    area.pages += pages;
    area.ages[age_bucket(now_ns - std::min(now_ns, hot.closed_ns))] += pages;
    const std::pair key(number, hot.cgroup);
    const auto found = owners.find(key);
    if (found != owners.end()) {
      found->second += pages;
    } else if (owners.size() < max_table) {
      owners.emplace(key, pages);
    } else {
      area.other_pages += pages;
    }
    return true;
  };
  visit_and_release(std::move(snapshot), wanted, visit);
  for (const auto& [key, pages] : owners) {
    areas[key.first].owners.push_back({.cgroup = key.second, .pages = pages});
  }
  std::vector<AreaUse> out;
  for (auto& [number, area] : areas) {
    area.area = number;
    cut(max_owners, area);
    out.push_back(std::move(area));
  }
  return out;
}

}  // namespace swaptrail::store
