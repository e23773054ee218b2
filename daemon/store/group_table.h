// Counts by key in a table of bounded size. Internal to daemon/store/.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "daemon/store/stats.h"

namespace swaptrail::store {

using GroupKey = std::array<uint64_t, kMaxGroupBy>;

// The value of a record in a column, and its process' name if it is a column of processes.
uint64_t group_value(GroupBy by, const RecordView& record, const AreaOf& area_of);
Comm group_comm(GroupBy by, const RecordView& record);

// Adds one lifecycle.
void add_to(StatsCounts& counts, const RecordView& record, const Back& back);
void add_to(StatsCounts& sum, const StatsCounts& more);

class GroupTable {
 public:
  static constexpr uint32_t kOther = ~uint32_t{0};
  struct Group {
    GroupKey key{};
    std::array<Comm, kMaxGroupBy> comms{};
    StatsCounts counts;
    uint64_t named_in = 0;  // the segment that its comms come from
  };

  GroupTable(std::vector<GroupBy> columns, size_t most, AreaOf area_of = {})
      : columns_(std::move(columns)), most_(most), area_of_(std::move(area_of)) {}

  // The number of its group, or kOther if there was no room. Feed it in the order of
  // visit_and_release, with the segment's number: then a process has its last known name.
  uint32_t add(uint64_t segment, const RecordView& record, const Back& back);
  // The number of the reader's group, for a fault on one of its pages; counts nothing.
  uint32_t group_of(const RecordView& record, const Return& fault);
  std::span<const Group> groups() const { return groups_; }
  const StatsCounts& unplaced() const { return unplaced_; }
  // Numbers of groups, those with the largest `weight` first, ties by key.
  std::vector<uint32_t> largest(uint64_t StatsCounts::*weight) const;

 private:
  uint32_t number_of(const GroupKey& key);

  std::vector<GroupBy> columns_;
  size_t most_;
  AreaOf area_of_;
  absl::flat_hash_map<GroupKey, uint32_t> numbers_;
  std::vector<Group> groups_;
  StatsCounts unplaced_;
};

}  // namespace swaptrail::store
