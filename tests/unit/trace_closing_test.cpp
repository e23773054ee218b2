// What the report says of two readings that were not of one moment, and of pages that left and returned.
#include "trace/closing.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace swaptrail {
namespace {

Reading reading_of(Reading::Moment moment, uint64_t written, uint64_t kernel) {
  Reading reading;
  reading.moment = moment;
  reading.totals.pages[SWAPTRAIL_WRITE_ISSUED] = written;
  reading.vmstat = {{"pswpin", 0}, {"pswpout", kernel}};
  return reading;
}

const ReconcileRow* row_of(const std::vector<ReconcileRow>& rows, std::string_view counter) {
  const auto found = std::ranges::find(rows, counter, &ReconcileRow::counter);
  return found == rows.end() ? nullptr : &*found;
}

TEST(Closing, WhatMovedWhileBothWereReadIsTheAllowance) {
  Reading begin = reading_of(Reading::Moment::kBegin, 100, 1000);
  swaptrail_totals before = begin.totals;
  before.pages[SWAPTRAIL_WRITE_ISSUED] = 88;
  put_read_widths(before, begin);
  Reading end = reading_of(Reading::Moment::kEnd, 600, 1507);
  before = end.totals;
  put_read_widths(before, end);
  Reading last = end;
  last.moment = Reading::Moment::kLast;
  const auto rows = reconcile_readings({begin, end, last}, kAllKinds);
  const ReconcileRow* row = row_of(rows, "pswpout");
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(row->difference, -7);
  EXPECT_EQ(row->allowance, 12u);
  ASSERT_NE(row_of(rows, "pswpin"), nullptr);
  EXPECT_EQ(row_of(rows, "pswpin")->allowance, 0u) << "nothing of it moved";
}

TEST(Closing, FreedPagesAreBackOrAway) {
  ReconstructorCounters counters;
  counters.freed_pages = 100;
  counters.returned_pages = 60;
  counters.away_pages = 35;
  counters.superseded_pages = 5;
  std::vector<ReconcileRow> rows;
  add_balance(counters, kAllKinds, rows);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].difference, 0);
  counters.away_pages = 30;
  rows.clear();
  add_balance(counters, kAllKinds, rows);
  EXPECT_EQ(rows[0].difference, -5);
  rows.clear();
  add_balance(counters, kTracepointKinds, rows);
  EXPECT_TRUE(rows.empty()) << "without returns there is nothing to compare";
}

}  // namespace
}  // namespace swaptrail
