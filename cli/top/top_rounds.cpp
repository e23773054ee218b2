#include "cli/top/top_rounds.h"

#include <algorithm>
#include <map>

namespace swaptrail::top {
namespace {

// The increase of a count that never falls. If it falls all the same, the increase is 0.
uint64_t more(uint64_t newer, uint64_t older) { return newer > older ? newer - older : 0; }

void subtract(const v1::CounterRow& older, v1::CounterRow& row) {
  row.set_lifecycles(more(row.lifecycles(), older.lifecycles()));
  row.set_pages(more(row.pages(), older.pages()));
  row.set_freed_pages(more(row.freed_pages(), older.freed_pages()));
  row.set_aborted_pages(more(row.aborted_pages(), older.aborted_pages()));
  row.set_unneeded_pages(more(row.unneeded_pages(), older.unneeded_pages()));
  row.set_returned_pages(more(row.returned_pages(), older.returned_pages()));
  row.set_regretted_pages(more(row.regretted_pages(), older.regretted_pages()));
  v1::Waits& waits = *row.mutable_waits();
  waits.set_faults(more(waits.faults(), older.waits().faults()));
  waits.set_major_faults(more(waits.major_faults(), older.waits().major_faults()));
  waits.set_wait_ns(more(waits.wait_ns(), older.waits().wait_ns()));
}

// Each event that is counted raises one of these.
bool is_quiet(const v1::CounterRow& row) {
  return row.lifecycles() + row.returned_pages() + row.waits().faults() == 0;
}

void add(const v1::CounterRow& row, TopRow& sum) {
  sum.freed_pages += row.freed_pages();
  sum.stayed_pages += more(row.aborted_pages(), row.unneeded_pages());
  sum.returned_pages += row.returned_pages();
  sum.regretted_pages += row.regretted_pages();
  sum.wait_ns += row.waits().wait_ns();
}

uint64_t weight(const TopRow& row, SortBy sort) {
  const uint64_t weights[] = {row.freed_pages + row.returned_pages, row.wait_ns,
                              row.regretted_pages};
  return weights[static_cast<size_t>(sort)];
}

}  // namespace

v1::GetCountersResponse difference(const v1::GetCountersResponse& older,
                                   const v1::GetCountersResponse& newer) {
  std::map<uint64_t, const v1::CounterRow*> before;
  for (const v1::CounterRow& row : older.rows()) before.emplace(row.id(), &row);
  v1::GetCountersResponse window;
  *window.mutable_since() = older.read();
  *window.mutable_read() = newer.read();
  window.set_since_monotonic_ns(older.read_monotonic_ns());
  window.set_read_monotonic_ns(newer.read_monotonic_ns());
  window.set_estimated(newer.estimated());
  window.set_rows_made(more(newer.rows_made(), older.rows_made()));
  window.set_rows_given_up(more(newer.rows_given_up(), older.rows_given_up()));
  for (const v1::CounterRow& row : newer.rows()) {
    v1::CounterRow changed = row;
    const auto found = before.find(row.id());
    // The row existed, and passes the filter only now because its name has changed: it counts from
    // the next round on.
    if (found == before.end() && row.id() <= older.rows_made()) continue;
    if (found != before.end()) {
      subtract(*found->second, changed);
      before.erase(found);
    }
    if (!is_quiet(changed)) *window.add_rows() = std::move(changed);
  }
  if (!newer.has_other()) return window;
  v1::CounterRow other = newer.other();
  subtract(older.other(), other);
  for (const auto& [id, row] : before) subtract(*row, other);  // their counts went there
  if (!is_quiet(other)) *window.mutable_other() = std::move(other);
  return window;
}

std::vector<TopRow> top_rows(const v1::GetCountersResponse& window, SortBy sort) {
  std::map<std::string, TopRow> by_name;
  for (const v1::CounterRow& row : window.rows()) add(row, by_name[row.name()]);
  std::vector<TopRow> rows;
  for (auto& [name, row] : by_name) {
    row.name = name;
    rows.push_back(std::move(row));
  }
  std::sort(rows.begin(), rows.end(), [&](const TopRow& a, const TopRow& b) {
    const uint64_t of_a = weight(a, sort), of_b = weight(b, sort);
    return of_a != of_b ? of_a > of_b : a.name < b.name;
  });
  if (!window.has_other()) return rows;
  add(window.other(), rows.emplace_back());
  rows.back().name = "(other)";
  return rows;
}

void TopRounds::set_group(v1::CounterGroup group) {
  group_ = group;
  base_.reset();
  window_.reset();
}

v1::GetCountersRequest TopRounds::request() const {
  v1::GetCountersRequest request;
  request.set_group_by(group_);
  *request.mutable_filter() = filter_;
  return request;
}

void TopRounds::on_answer(const v1::GetCountersResponse& answer) {
  window_.reset();
  if (base_ && base_->since_monotonic_ns() == answer.since_monotonic_ns()) {
    window_ = difference(*base_, answer);
    const uint64_t length_ns = more(answer.read_monotonic_ns(), base_->read_monotonic_ns());
    length_ = absl::Nanoseconds(static_cast<int64_t>(length_ns));
  }
  base_ = answer;
}

}  // namespace swaptrail::top
