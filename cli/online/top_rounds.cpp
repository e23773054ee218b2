#include "cli/online/top_rounds.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/online/quantities.h"

namespace swaptrail::online {
namespace {

constexpr int32_t kMostGroups = 1000;  // of the contract

uint64_t more(uint64_t newer, uint64_t older) { return newer > older ? newer - older : 0; }

void subtract(const v1::StatsRow& older, v1::StatsRow& row) {
  row.set_lifecycles(more(row.lifecycles(), older.lifecycles()));
  row.set_pages(more(row.pages(), older.pages()));
  row.set_freed_pages(more(row.freed_pages(), older.freed_pages()));
  row.set_aborted_pages(more(row.aborted_pages(), older.aborted_pages()));
  row.set_unneeded_pages(more(row.unneeded_pages(), older.unneeded_pages()));
  row.set_returned_pages(more(row.returned_pages(), older.returned_pages()));
  row.set_regretted_pages(more(row.regretted_pages(), older.regretted_pages()));
  for (int index = 0; index < std::min(row.latencies_size(), older.latencies_size()); ++index) {
    v1::LatencyQuantiles& spread = *row.mutable_latencies(index);
    spread.set_count(more(spread.count(), older.latencies(index).count()));
    spread.set_sum_ns(more(spread.sum_ns(), older.latencies(index).sum_ns()));
  }
  if (!row.has_waits()) return;
  v1::Waits& waits = *row.mutable_waits();
  waits.set_faults(more(waits.faults(), older.waits().faults()));
  waits.set_major_faults(more(waits.major_faults(), older.waits().major_faults()));
  waits.set_wait_ns(more(waits.wait_ns(), older.waits().wait_ns()));
}

// Who waits has a row even if its lifecycles are among those of the others.
v1::StatsRow waits_of(const v1::StatsRow& row) {
  v1::StatsRow result;
  *result.mutable_key() = row.key();
  if (row.has_waits()) *result.mutable_waits() = row.waits();
  return result;
}

bool is_quiet(const v1::StatsRow& row) {
  uint64_t sum = row.lifecycles() + row.pages() + row.returned_pages() + row.regretted_pages();
  for (const v1::LatencyQuantiles& spread : row.latencies()) sum += spread.count();
  return sum + row.waits().faults() == 0;
}

TopRow top_row(const v1::StatsRow& row) {
  TopRow result{.name = absl::StrJoin(row.key(), " | "),
                .freed_pages = row.freed_pages(),
                .stayed_pages = more(row.aborted_pages(), row.unneeded_pages()),
                .returned_pages = row.returned_pages(),
                .regretted_pages = row.regretted_pages()};
  for (const v1::LatencyQuantiles& spread : row.latencies())
    if (spread.span() == v1::LATENCY_SPAN_FAULT) result.wait_ns = spread.sum_ns();
  if (row.has_waits()) result.wait_ns = row.waits().wait_ns();
  if (result.name.empty()) result.name.assign(1, '-');
  return result;
}

uint64_t weight(const TopRow& row, SortBy sort) {
  const uint64_t weights[] = {row.freed_pages + row.returned_pages, row.wait_ns,
                              row.regretted_pages};
  return weights[static_cast<size_t>(sort)];
}

}  // namespace

v1::QueryStatsResponse difference(const v1::QueryStatsResponse& older,
                                  const v1::QueryStatsResponse& newer) {
  std::map<std::vector<std::string>, const v1::StatsRow*> before;
  for (const v1::StatsRow& row : older.rows())
    before.emplace(std::vector<std::string>(row.key().begin(), row.key().end()), &row);
  v1::QueryStatsResponse window;
  window.set_other_groups(newer.other_groups());
  *window.mutable_other() = newer.other();
  subtract(older.other(), *window.mutable_other());
  for (const v1::StatsRow& row : newer.rows()) {
    const auto found = before.find(std::vector<std::string>(row.key().begin(), row.key().end()));
    // Its earlier count is somewhere in the sum of the others, and so can't be told.
    v1::StatsRow changed = row;
    if (found == before.end() && older.other_groups() != 0) changed = waits_of(row);
    if (found != before.end()) subtract(*found->second, changed);
    if (!is_quiet(changed)) *window.add_rows() = std::move(changed);
  }
  return window;
}

std::vector<TopRow> top_rows(const v1::QueryStatsResponse& window, SortBy sort) {
  std::vector<TopRow> rows;
  for (const v1::StatsRow& row : window.rows()) rows.push_back(top_row(row));
  std::sort(rows.begin(), rows.end(), [&](const TopRow& a, const TopRow& b) {
    const uint64_t of_a = weight(a, sort), of_b = weight(b, sort);
    return of_a != of_b ? of_a > of_b : a.name < b.name;
  });
  if (!is_quiet(window.other())) {
    rows.push_back(top_row(window.other()));
    rows.back().name = absl::StrCat("(", window.other_groups(), " others)");
  }
  return rows;
}

TopRounds::TopRounds(v1::StatsGroup group, v1::LifecycleFilter filter, absl::Duration lookback)
    : group_(group), filter_(std::move(filter)), lookback_(lookback) {}

void TopRounds::set_group(v1::StatsGroup group) {
  group_ = group;
  base_.reset();
  window_.reset();
}

v1::QueryStatsRequest TopRounds::request(absl::Time now) {
  if (!anchor_) anchor_ = now - lookback_;
  v1::QueryStatsRequest request;
  *request.mutable_filter() = filter_;
  *request.mutable_filter()->mutable_since() = timestamp_of(*anchor_);
  request.add_group_by(group_);
  request.add_spans(v1::LATENCY_SPAN_FAULT);
  request.set_max_groups(kMostGroups);
  return request;
}

bool TopRounds::on_answer(const v1::QueryStatsResponse& answer, absl::Time now) {
  if (base_) {
    window_ = difference(*base_, answer);
    *window_->mutable_from() = timestamp_of(base_time_);
    *window_->mutable_to() = timestamp_of(now);
    length_ = now - base_time_;
  }
  base_ = answer;
  base_time_ = now;
  if (now - *anchor_ <= 2 * lookback_) return false;
  anchor_.reset();
  base_.reset();
  return true;
}

}  // namespace swaptrail::online
