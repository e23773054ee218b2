// What was counted, as requests ask for it. Internal to daemon/api/: counters_answer.cpp and
// stats_answer.cpp.
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
// there is none. Times are not looked at.
std::string_view unanswerable(const store::Filter& filter, counters::Grouping grouping);

// What AreaKeys call the area of a row.
uint64_t area_key_of(const AreaKeys& areas, const counters::Row& row);

// Does it let all rows pass? Times are not looked at.
bool lets_all_pass(const store::Filter& filter);
// For a filter that they can answer.
bool lets_pass(const store::Filter& filter, counters::Grouping grouping, const counters::Row& row);

void put_waits(const counters::Counts& counts, v1::Waits& out);

// Adds to the groups of an answer about lifecycles how long each has waited since the start, where
// that can be told: StatsRow::waits. Groups of who only waited follow behind the others.
class GroupWaits {
 public:
  GroupWaits(const counters::Counters& counters, const store::StatsQuery& query,
             const AreaKeys& areas);

  bool can_be_told() const { return told_; }
  // Of the group with this key; gives it back once.
  counters::Counts take(uint64_t key);
  // Who waited and was not taken, who waited longest first.
  std::vector<counters::Row> rest() const;
  // Of who has no row.
  const counters::Counts& other() const { return other_; }

 private:
  std::map<uint64_t, counters::Row> groups_;  // by the keys of store::GroupBy
  counters::Counts other_;
  bool told_ = false;
};

}  // namespace swaptrail::api
