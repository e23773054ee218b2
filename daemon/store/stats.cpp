#include "daemon/store/stats.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "daemon/store/group_table.h"
#include "trace/report/histogram.h"

namespace swaptrail::store {
namespace {

absl::Status check(const StatsQuery& query) {
  if (query.group_by.size() > kMaxGroupBy) {
    return absl::InvalidArgumentError("at most 3 groups");
  }
  for (size_t at = 0; at < query.group_by.size(); ++at) {
    const auto rest = query.group_by.begin() + static_cast<ptrdiff_t>(at) + 1;
    if (query.group_by[at] >= GroupBy::kCount ||
        std::find(rest, query.group_by.end(), query.group_by[at]) != query.group_by.end()) {
      return absl::InvalidArgumentError("a group is unknown, or named twice");
    }
  }
  const auto unknown = [](Latency span) { return span >= Latency::kCount; };
  if (query.spans.size() > kLatencyCount || std::ranges::any_of(query.spans, unknown)) {
    return absl::InvalidArgumentError("at most 8 spans, each a known one");
  }
  return absl::OkStatus();
}

// Times of one span, and the group of each. Kept, because only at the end is it known which groups have
// a row, and histograms for all groups would be too many.
struct Times {
  std::vector<uint32_t> groups;
  std::vector<uint64_t> times;
  std::vector<uint8_t> shifts;  // each counts 1 << shift times

  void add(uint32_t group, uint64_t time, uint8_t shift) {
    groups.push_back(group);
    times.push_back(time);
    shifts.push_back(shift);
  }
};
using Matches = std::vector<Times>;  // for each of spans, in its order

// Faults on pages of a record, each counted for its reader. Of further faults, the newest that are
// kept.
void add_faults(const Notes* notes, const RecordView& record, const Back& back, GroupTable& table,
                Times& out) {
  constexpr size_t kMostNotes = 2 * kMostPagesKept;
  const auto add = [&](const Return& fault) {
    if (fault.fault_ns != 0)
      out.add(table.group_of(record, fault), fault.fault_ns, record.hot().sample_shift);
  };
  if (back.any) add(record.first_return(back));
  const uint64_t last = record.last_note();
  if (last == 0 || notes == nullptr) return;
  for (const Note& note : notes->chain(last, kMostNotes).notes) {
    if (note.back) add(*note.back);
  }
}

Matches collect(Snapshot snapshot, const StatsQuery& query, GroupTable& table, Stats& stats) {
  const Matcher matcher(query.filter);
  Matches matches(query.spans.size());
  Patience patience(query.stop);
  const Notes* notes = snapshot.notes();
  const std::shared_ptr<const SegmentRing> keeps_notes = snapshot.ring();
  const auto wanted = [&](const SegmentSummary& summary) { return matcher.may_match(summary); };
  const auto visit = [&](uint64_t segment, const RecordView& record) {
    if (patience.is_over()) return false;
    if (!matcher.matches(record)) return true;
    const Back back = record.back();
    const uint32_t group = table.add(segment, record, back);
    const uint64_t closed = record.hot().closed_ns;
    stats.from_ns = stats.from_ns == 0 ? closed : std::min(stats.from_ns, closed);
    stats.to_ns = std::max(stats.to_ns, closed);
    for (size_t span = 0; span < query.spans.size(); ++span) {
      if (query.spans[span] == Latency::kFault) {
        add_faults(notes, record, back, table, matches[span]);
      } else if (const auto took = record.span_ns(query.spans[span], back)) {
        matches[span].add(group, *took, record.hot().sample_shift);
      }
    }
    return true;
  };
  visit_and_release(std::move(snapshot), wanted, visit);
  return matches;
}

Quantiles quantiles_of(const report::Histogram& histogram) {
  return {.count = histogram.count(),
          .p50 = histogram.percentile(0.5),
          .p90 = histogram.percentile(0.9),
          .p99 = histogram.percentile(0.99),
          .max = histogram.max(),
          .sum = histogram.sum()};
}

// Times sorted by row: begins[row] .. begins[row + 1] in `order`. The last row is `other`.
struct ByRow {
  std::vector<uint32_t> order, begins;
};

ByRow sort_by_row(const Times& times, const std::vector<uint32_t>& row_of, uint32_t rows) {
  const auto row = [&](uint32_t group) {
    return group == GroupTable::kOther ? rows - 1 : std::min(row_of[group], rows - 1);
  };
  ByRow out;
  out.begins.assign(rows + size_t{1}, 0);
  for (const uint32_t group : times.groups) ++out.begins[row(group) + 1];
  for (uint32_t at = 0; at < rows; ++at) out.begins[at + 1] += out.begins[at];
  out.order.resize(times.groups.size());
  std::vector<uint32_t> next(out.begins.begin(), out.begins.end() - 1);
  for (uint32_t at = 0; at < times.groups.size(); ++at) {
    out.order[next[row(times.groups[at])]++] = at;
  }
  return out;
}

// Makes one histogram at a time.
void add_latencies(const Matches& matches, const std::vector<uint32_t>& row_of, Stats& stats) {
  const auto rows = static_cast<uint32_t>(stats.rows.size() + 1);
  for (const Times& times : matches) {
    const ByRow sorted = sort_by_row(times, row_of, rows);
    for (uint32_t row = 0; row < rows; ++row) {
      report::Histogram histogram;
      for (uint32_t at = sorted.begins[row]; at < sorted.begins[row + 1]; ++at) {
        const uint32_t time = sorted.order[at];
        histogram.add(times.times[time], uint64_t{1} << times.shifts[time]);
      }
      auto& latencies = row + 1 < rows ? stats.rows[row].latencies : stats.other.latencies;
      latencies.push_back(quantiles_of(histogram));
    }
  }
}

}  // namespace

absl::StatusOr<Stats> query_stats(Snapshot snapshot, const StatsQuery& query) {
  if (const absl::Status checked = check(query); !checked.ok()) return checked;
  Stats stats;
  GroupTable table(query.group_by, query.max_table, query.area_of);
  const Matches matches = collect(std::move(snapshot), query, table, stats);
  const std::vector<uint32_t> order = table.largest(&StatsCounts::pages);
  std::vector<uint32_t> row_of(order.size());
  stats.other.counts = table.unplaced();
  stats.unplaced = table.unplaced().lifecycles;
  for (uint32_t at = 0; at < order.size(); ++at) {
    const GroupTable::Group& group = table.groups()[order[at]];
    row_of[order[at]] = at;
    if (at < query.max_groups) {
      stats.rows.push_back(
          {.key = group.key, .comms = group.comms, .counts = group.counts, .latencies = {}});
    } else {
      add_to(stats.other.counts, group.counts);
      ++stats.other_groups;
    }
  }
  add_latencies(matches, row_of, stats);
  return stats;
}

Matrix query_matrix(Snapshot snapshot, const Filter& filter, size_t max_cells, size_t max_table,
                    const Stop& stop) {
  const Matcher matcher(filter);
  GroupTable table({GroupBy::kVictimCgroup, GroupBy::kReclaimer, GroupBy::kOrigin}, max_table);
  const auto wanted = [&](const SegmentSummary& summary) { return matcher.may_match(summary); };
  Patience patience(stop);
  const auto visit = [&](uint64_t segment, const RecordView& record) {
    if (patience.is_over()) return false;
    if (!is_freed(record.hot().outcome) || !matcher.matches(record)) return true;
    table.add(segment, record, record.back());
    return true;
  };
  visit_and_release(std::move(snapshot), wanted, visit);
  Matrix matrix;
  matrix.other_pages = table.unplaced().freed_pages;
  for (const uint32_t number : table.largest(&StatsCounts::freed_pages)) {
    const GroupTable::Group& group = table.groups()[number];
    if (matrix.cells.size() == max_cells) {
      matrix.other_pages += group.counts.freed_pages;
      continue;
    }
    matrix.cells.push_back({.victim_cgroup = group.key[0],
                            .reclaimer = static_cast<uint32_t>(group.key[1]),
                            .reclaimer_comm = group.comms[1],
                            .origin = static_cast<uint8_t>(group.key[2]),
                            .pages = group.counts.freed_pages,
                            .regretted_pages = group.counts.regretted_pages});
  }
  return matrix;
}

}  // namespace swaptrail::store
