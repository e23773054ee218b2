// Selects from the counters what a request asks for. Internal to daemon/api/: counters_answer.cpp
// and stats_answer.cpp.
#pragma once

#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "daemon/api/group_texts.h"
#include "daemon/counters/counters.h"
#include "daemon/store/stats.h"
#include "swaptrail/v1/trace.pb.h"

namespace swaptrail::api {

// The first field of the filter that rows of this grouping can't answer, such as "outcomes"; empty:
// there is none. Times are ignored.
std::string_view unanswerable(const store::Filter& filter, counters::Grouping grouping);

// The AreaKeys value for the area of a row.
uint64_t area_key_of(const AreaKeys& areas, const counters::Row& row);

// Does the filter let all rows pass? Times are ignored.
bool lets_all_pass(const store::Filter& filter);
// For a filter that these rows can answer.
bool lets_pass(const store::Filter& filter, counters::Grouping grouping, const counters::Row& row);

void put_waits(const counters::Counts& counts, v1::Waits& out);

// Adds to the groups of an answer about lifecycles how long each has waited since the start, if
// that is known: StatsRow::waits. Groups that only waited follow after the others.
class GroupWaits {
 public:
  GroupWaits(const counters::Counters& counters, const store::StatsQuery& query,
             const AreaKeys& areas);

  bool are_known() const { return known_; }
  // Of the group with this key; returns it only once.
  counters::Counts take(uint64_t key);
  // Groups that waited and were not taken, the longest wait first.
  std::vector<counters::Row> rest() const;
  // Of groups that have no row.
  const counters::Counts& other() const { return other_; }

 private:
  std::map<uint64_t, counters::Row> groups_;  // by the keys of store::GroupBy
  counters::Counts other_;
  bool known_ = false;
};

}  // namespace swaptrail::api
