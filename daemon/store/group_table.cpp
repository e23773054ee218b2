#include "daemon/store/group_table.h"

#include <algorithm>
#include <numeric>

#include "trace/decode.h"

namespace swaptrail::store {

uint64_t group_value(GroupBy by, const RecordView& record, const AreaOf& area_of) {
  const Hot& hot = record.hot();
  switch (by) {
    case GroupBy::kVictimCgroup:
      return hot.cgroup;
    case GroupBy::kVictimProcess:
      return hot.victim;
    case GroupBy::kReclaimer:
      return hot.reclaimer;
    case GroupBy::kOrigin:
      return hot.last_origin;
    case GroupBy::kArea:
      if (hot.entry == 0) return kNoArea;
      return area_of ? area_of(entry_type(hot.entry), record.slot_ns()) : entry_type(hot.entry);
    case GroupBy::kOutcome:
      return static_cast<uint64_t>(hot.outcome);
    case GroupBy::kBackend:
      return hot.backend;
    case GroupBy::kCount:
      break;
  }
  return 0;
}

Comm group_comm(GroupBy by, const RecordView& record) {
  if (by == GroupBy::kReclaimer) return record.reclaimer_comm();
  if (by != GroupBy::kVictimProcess || record.hot().mappings == 0) return Comm{};
  return record.mappings()[0].comm;
}

void add_to(StatsCounts& counts, const RecordView& record, const Back& back) {
  const Hot& hot = record.hot();
  const uint64_t weight = hot.weight(), pages = hot.nr_pages * weight;
  counts.lifecycles += weight;
  counts.pages += pages;
  if (is_freed(hot.outcome)) counts.freed_pages += pages;
  if (hot.outcome == Outcome::kAborted) {
    counts.aborted_pages += pages;
    if (record.abort_reason() == AbortReason::kSlotGone) counts.unneeded_pages += pages;
  }
  counts.returned_pages += back.swapped_in_pages * weight;
  counts.regretted_pages += back.regretted_pages * weight;
}

void add_to(StatsCounts& sum, const StatsCounts& more) {
  sum.lifecycles += more.lifecycles;
  sum.pages += more.pages;
  sum.freed_pages += more.freed_pages;
  sum.aborted_pages += more.aborted_pages;
  sum.unneeded_pages += more.unneeded_pages;
  sum.returned_pages += more.returned_pages;
  sum.regretted_pages += more.regretted_pages;
}

uint32_t GroupTable::number_of(const GroupKey& key) {
  const auto found = numbers_.find(key);
  if (found != numbers_.end()) return found->second;
  if (groups_.size() >= most_) return kOther;
  groups_.emplace_back().key = key;
  return numbers_.emplace(key, static_cast<uint32_t>(groups_.size() - 1)).first->second;
}

uint32_t GroupTable::group_of(const RecordView& record, const Return& fault) {
  GroupKey key{};
  for (size_t at = 0; at < columns_.size(); ++at) {
    const GroupBy by = columns_[at];
    key[at] = by == GroupBy::kVictimProcess  ? fault.tgid
              : by == GroupBy::kVictimCgroup ? fault.reader_cgroup
                                             : group_value(by, record, area_of_);
  }
  const uint32_t number = number_of(key);
  if (number == kOther || groups_[number].named_in != 0) return number;
  for (size_t at = 0; at < columns_.size(); ++at) {
    groups_[number].comms[at] =
        columns_[at] == GroupBy::kVictimProcess ? fault.comm : group_comm(columns_[at], record);
  }
  return number;
}

uint32_t GroupTable::add(uint64_t segment, const RecordView& record, const Back& back) {
  GroupKey key{};
  for (size_t at = 0; at < columns_.size(); ++at)
    key[at] = group_value(columns_[at], record, area_of_);
  const uint32_t number = number_of(key);
  if (number == kOther) {
    add_to(unplaced_, record, back);
    return kOther;
  }
  Group& group = groups_[number];
  if (group.named_in != segment) {
    group.named_in = segment;
    for (size_t at = 0; at < columns_.size(); ++at) {
      group.comms[at] = group_comm(columns_[at], record);
    }
  }
  add_to(group.counts, record, back);
  return number;
}

std::vector<uint32_t> GroupTable::largest(uint64_t StatsCounts::*weight) const {
  std::vector<uint32_t> order(groups_.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::sort(order, [&](uint32_t a, uint32_t b) {
    const uint64_t weight_a = groups_[a].counts.*weight;
    const uint64_t weight_b = groups_[b].counts.*weight;
    return weight_a != weight_b ? weight_a > weight_b : groups_[a].key < groups_[b].key;
  });
  return order;
}

}  // namespace swaptrail::store
