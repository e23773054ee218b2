#include "daemon/api/counted.h"

#include <algorithm>
#include <optional>
#include <string>

namespace swaptrail::api {
namespace {

using counters::Grouping;

constexpr uint32_t bit(Grouping grouping) { return 1u << static_cast<unsigned>(grouping); }

struct Field {
  std::string_view name;
  bool (*is_given)(const store::Filter&);
  uint32_t groupings;  // whose rows know it
};
constexpr uint32_t kProcesses = bit(Grouping::kProcess) | bit(Grouping::kReclaimer);
constexpr Field kFields[] = {
    {"pids", [](const store::Filter& filter) { return !filter.pids.empty(); }, kProcesses},
    {"comms", [](const store::Filter& filter) { return !filter.comms.empty(); }, kProcesses},
    {"cgroup", [](const store::Filter& filter) { return filter.cgroups.has_value(); },
     bit(Grouping::kProcess) | bit(Grouping::kCgroup)},
    {"areas", [](const store::Filter& filter) { return !filter.areas.empty(); },
     bit(Grouping::kArea)},
    {"origins", [](const store::Filter& filter) { return !filter.origins.empty(); },
     bit(Grouping::kOrigin)},
    {"outcomes", [](const store::Filter& filter) { return !filter.outcomes.empty(); }, 0},
    {"slower_than", [](const store::Filter& filter) { return filter.slower_than.has_value(); }, 0},
    {"regretted", [](const store::Filter& filter) { return filter.regretted; }, 0},
    {"incomplete", [](const store::Filter& filter) { return filter.incomplete; }, 0},
};

// The table whose rows have the waits of such groups; nothing: no table has.
std::optional<Grouping> grouping_of(const store::StatsQuery& query) {
  std::vector<Grouping> possible;
  if (query.group_by.empty()) {
    possible = {Grouping::kArea, Grouping::kProcess, Grouping::kCgroup};
  } else if (query.group_by.size() == 1) {
    if (query.group_by[0] == store::GroupBy::kVictimProcess) possible = {Grouping::kProcess};
    if (query.group_by[0] == store::GroupBy::kVictimCgroup) possible = {Grouping::kCgroup};
    if (query.group_by[0] == store::GroupBy::kArea) possible = {Grouping::kArea};
  }
  const auto found = std::ranges::find_if(
      possible, [&](Grouping grouping) { return unanswerable(query.filter, grouping).empty(); });
  return found == possible.end() ? std::nullopt : std::optional(*found);
}

}  // namespace

std::string_view unanswerable(const store::Filter& filter, Grouping grouping) {
  const auto found = std::ranges::find_if(kFields, [&](const Field& field) {
    return field.is_given(filter) && (field.groupings & bit(grouping)) == 0;
  });
  return found == std::end(kFields) ? std::string_view() : found->name;
}

uint64_t area_key_of(const AreaKeys& areas, const counters::Row& row) {
  const uint64_t key = row.key[0];
  if (key == counters::kNoArea) return store::kNoArea;
  return areas.key_of(counters::area_number_of(key), counters::area_type_of(key), row.used_ns);
}

bool lets_all_pass(const store::Filter& filter) {
  return std::ranges::none_of(kFields, [&](const Field& field) { return field.is_given(filter); });
}

bool lets_pass(const store::Filter& filter, Grouping grouping, const counters::Row& row) {
  const auto has = [](const auto& values, const auto& value) {
    return std::ranges::find(values, value) != values.end();
  };
  const uint64_t cgroup = row.key[grouping == Grouping::kProcess ? 1 : 0];
  const bool has_area = row.key[0] != counters::kNoArea;
  return (filter.pids.empty() || has(filter.pids, row.key[0])) &&
         (filter.comms.empty() || has(filter.comms, std::string(comm_text(row.comm)))) &&
         (!filter.cgroups || has(*filter.cgroups, cgroup)) &&
         (filter.areas.empty() ||
          (has_area && has(filter.areas, counters::area_type_of(row.key[0])))) &&
         (filter.origins.empty() || has(filter.origins, row.key[0]));
}

void put_waits(const counters::Counts& counts, v1::Waits& out) {
  out.set_faults(counts.faults);
  out.set_major_faults(counts.major_faults);
  out.set_wait_ns(counts.wait_ns);
}

GroupWaits::GroupWaits(const counters::Counters& counters, const store::StatsQuery& query,
                       const AreaKeys& areas) {
  const std::optional<Grouping> grouping = grouping_of(query);
  if (!grouping) return;
  known_ = true;
  const counters::TableCopy copy = counters.copy(*grouping);
  for (const counters::Row& row : copy.rows) {
    if (row.counts.faults == 0 || !lets_pass(query.filter, *grouping, row)) continue;
    uint64_t key = 0;
    if (!query.group_by.empty()) {
      key = *grouping == Grouping::kArea ? area_key_of(areas, row) : row.key[0];
    }
    counters::Row& sum = groups_.try_emplace(key).first->second;
    sum.key[0] = key;
    sum.comm = row.comm;
    counters::add_to(sum.counts, row.counts);
  }
  if (lets_all_pass(query.filter)) other_ = copy.other;
}

counters::Counts GroupWaits::take(uint64_t key) {
  const auto found = groups_.find(key);
  if (found == groups_.end()) return {};
  const counters::Counts counts = found->second.counts;
  groups_.erase(found);
  return counts;
}

std::vector<counters::Row> GroupWaits::rest() const {
  std::vector<counters::Row> rest;
  for (const auto& [key, group] : groups_) rest.push_back(group);
  std::ranges::stable_sort(rest, std::ranges::greater(),
                           [](const counters::Row& row) { return row.counts.wait_ns; });
  return rest;
}

}  // namespace swaptrail::api
