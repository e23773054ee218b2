// What the report says of two readings that were not taken at the same moment, and of pages that left
// and returned.
#include "trace/report/readings.h"

#include <gtest/gtest.h>

#include "tests/scene/reconcile_rows.h"

namespace swaptrail::report {
namespace {

recording::Reading reading_of(recording::Reading::Moment moment, uint64_t written,
                              uint64_t kernel) {
  recording::Reading reading;
  reading.moment = moment;
  reading.totals.pages[SWAPTRAIL_WRITE_ISSUED] = written;
  reading.vmstat = {{"pswpin", 0}, {"pswpout", kernel}};
  return reading;
}

TEST(Readings, WhatMovedWhileBothWereReadIsTheAllowance) {
  recording::Reading begin = reading_of(recording::Reading::Moment::kBegin, 100, 1000);
  swaptrail_totals before = begin.totals;
  before.pages[SWAPTRAIL_WRITE_ISSUED] = 88;
  put_read_widths(before, begin);
  recording::Reading end = reading_of(recording::Reading::Moment::kEnd, 600, 1507);
  before = end.totals;
  put_read_widths(before, end);
  recording::Reading last = end;
  last.moment = recording::Reading::Moment::kLast;
  const auto rows = reconcile_readings({begin, end, last}, lifecycles::kAllKinds);
  const ReconcileRow* row = row_of(rows, "pswpout");
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(row->difference, -7);
  EXPECT_EQ(row->allowance, 12u);
  ASSERT_NE(row_of(rows, "pswpin"), nullptr);
  EXPECT_EQ(row_of(rows, "pswpin")->allowance, 0u) << "nothing of it moved";
}

TEST(Readings, WhatMovesMayBeBetweenAHookAndTheKernelsCounting) {
  recording::Reading begin = reading_of(recording::Reading::Moment::kBegin, 100, 1000);
  swaptrail_totals earlier = begin.totals;
  put_in_flight(earlier, 4, begin);
  recording::Reading end = reading_of(recording::Reading::Moment::kEnd, 600, 1501);
  earlier = end.totals;
  earlier.pages[SWAPTRAIL_WRITE_ISSUED] = 590;
  put_read_widths(earlier, end);
  put_in_flight(earlier, 4, end);
  recording::Reading last = end;
  last.moment = recording::Reading::Moment::kLast;
  const auto rows = reconcile_readings({begin, end, last}, lifecycles::kAllKinds);
  ASSERT_NE(row_of(rows, "pswpout"), nullptr);
  EXPECT_EQ(row_of(rows, "pswpout")->allowance, 10u + 4) << "nothing moved at the begin";
  EXPECT_EQ(row_of(rows, "pswpin")->allowance, 0u);
}

// Each was about a folio, of the size that is usual there: 700 pages in 100 records.
TEST(Readings, WhatSkippedRunsWereAboutIsNotCounted) {
  const recording::Reading begin = reading_of(recording::Reading::Moment::kBegin, 0, 0);
  recording::Reading end = reading_of(recording::Reading::Moment::kEnd, 700, 721);
  end.totals.emitted[SWAPTRAIL_WRITE_ISSUED] = 100;
  recording::Reading last = end;
  last.moment = recording::Reading::Moment::kLast;
  StreamCounters stream;
  stream.skipped_runs = 4;
  put_stream_counters(stream, last);
  const auto rows = reconcile_readings({begin, end, last}, lifecycles::kAllKinds);
  ASSERT_NE(row_of(rows, "pswpout"), nullptr);
  EXPECT_EQ(row_of(rows, "pswpout")->allowance, 28u);
}

TEST(Readings, AReadThatFailedMayBeCounted) {
  lifecycles::ReconstructorCounters counters;
  counters.read_errors = 16;
  std::vector<ReconcileRow> rows(1);
  rows[0].counter = "pswpin";
  add_balance({}, counters, lifecycles::kAllKinds, rows);
  EXPECT_EQ(rows[0].allowance, 16u);
}

TEST(Readings, FreedPagesAreBackOrAway) {
  lifecycles::ReconstructorCounters counters;
  counters.freed_pages = 100;
  counters.returned_pages = 60;
  counters.away_pages = 35;
  counters.superseded_pages = 5;
  std::vector<ReconcileRow> rows;
  add_balance({}, counters, lifecycles::kAllKinds, rows);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].difference, 0);
  counters.away_pages = 30;
  rows.clear();
  add_balance({}, counters, lifecycles::kAllKinds, rows);
  EXPECT_EQ(rows[0].difference, -5);
  rows.clear();
  add_balance({}, counters, lifecycles::kTracepointKinds, rows);
  EXPECT_TRUE(rows.empty()) << "without returns there is nothing to compare";
}

recording::Reading used_at(recording::Reading::Moment moment, const UsedSlots& used) {
  recording::Reading reading;
  reading.moment = moment;
  put_used_slots(used, reading);
  return reading;
}

// The row `slots` of these counters, where 40 slots were in use at the start and `now` are at the end.
ReconcileRow slots_row(const lifecycles::ReconstructorCounters& counters, const UsedSlots& now,
                       uint64_t refused = 0) {
  recording::Reading end = used_at(recording::Reading::Moment::kEnd, now);
  end.totals.failed_pages[SWAPTRAIL_SLOT_ALLOCATED] = refused;
  std::vector<ReconcileRow> rows;
  add_balance({used_at(recording::Reading::Moment::kBegin, {40, 3, 0}), end}, counters,
              lifecycles::kAllKinds, rows);
  const ReconcileRow* row = row_of(rows, "slots");
  return row == nullptr ? ReconcileRow() : *row;
}

TEST(Readings, UsedSlotsAreThoseThatAreKnownAndThoseFromBefore) {
  lifecycles::ReconstructorCounters counters;
  counters.used_slots = 70;
  counters.older_slots = 15;
  counters.slot_changes = 200;
  ReconcileRow row = slots_row(counters, {95, 200, 0});
  EXPECT_EQ(row.kernel_delta, 95);
  EXPECT_EQ(row.difference, 0) << "70 that were seen to be taken, and 25 of the 40";
  EXPECT_EQ(row.allowance, 3u) << "what changed until the first reading";
  row = slots_row(counters, {100, 207, 128});
  EXPECT_EQ(row.difference, -5);
  EXPECT_EQ(row.allowance, 3u + 7 + 128) << "not told yet, and in reserve";
  counters.used_slots = 90;
  EXPECT_EQ(slots_row(counters, {95, 200, 0}).difference, 20) << "pages said to be in swap are not";
  counters.older_slots = 60;
  row = slots_row(counters, {90, 200, 0}, 20);
  EXPECT_EQ(row.difference, 0) << "not more can have gone than there were";
  EXPECT_EQ(row.allowance, 3u + 20) << "the slots of refused allocations are freed as well";
}

TEST(Readings, WithoutUsedSlotsThereIsNoRowOfThem) {
  std::vector<ReconcileRow> rows;
  recording::Reading begin, end;
  begin.moment = recording::Reading::Moment::kBegin;
  end.moment = recording::Reading::Moment::kEnd;
  add_balance({begin, end}, lifecycles::ReconstructorCounters(), lifecycles::kAllKinds, rows);
  EXPECT_EQ(row_of(rows, "slots"), nullptr) << "a recording from before there was one";
}

}  // namespace
}  // namespace swaptrail::report
