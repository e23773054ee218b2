#include "trace/report/summary.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "tests/scene/reconcile_rows.h"
#include "tests/scene/trace_scene.h"
#include "trace/report/reconcile.h"

namespace swaptrail::report {
namespace {

TEST(TraceHistogram, PercentilesAgainstAnExactModel) {
  for (uint32_t seed = 0; seed < 30; ++seed) {
    std::mt19937_64 random(seed);
    Histogram histogram;
    std::vector<uint64_t> model;
    for (size_t left = 1 + random() % 2000; left > 0; --left) {
      const uint64_t value = random() >> (random() % 64);
      histogram.add(value);
      model.push_back(value);
    }
    std::sort(model.begin(), model.end());
    EXPECT_EQ(histogram.max(), model.back());
    EXPECT_EQ(histogram.count(), model.size());
    for (const double share : {0.001, 0.5, 0.9, 0.99, 1.0}) {
      const auto rank = static_cast<size_t>(std::ceil(share * static_cast<double>(model.size())));
      const uint64_t exact = model[std::max<size_t>(rank, 1) - 1];
      const uint64_t told = histogram.percentile(share);
      EXPECT_GE(told, exact);
      EXPECT_LE(told - exact, exact / 16) << share;
    }
  }
}

TEST(TraceHistogram, Edges) {
  Histogram histogram;
  EXPECT_EQ(histogram.percentile(0.5), 0u);
  histogram.add(~uint64_t{0});
  EXPECT_EQ(histogram.percentile(0.5), ~uint64_t{0});
  for (uint64_t value = 0; value < 40; ++value) {
    Histogram one;
    one.add(value);
    one.add(1000);
    const uint64_t told = one.percentile(0.5);
    EXPECT_GE(told, value);
    EXPECT_LE(told, value + value / 16);
  }
}

Lifecycle freed(uint32_t tgid, uint8_t origin, uint16_t pages = 1) {
  Lifecycle life;
  life.outcome = Outcome::kFreedDevice;
  life.backend = SWAPTRAIL_BACKEND_DEVICE;
  life.nr_pages = pages;
  life.last.origin = origin;
  life.mappings[0].tgid = tgid;
  life.mapping_count = 1;
  for (size_t stage = 0; stage < kStageCount; ++stage) life.stage_ns[stage] = 100 + 10 * stage;
  return life;
}

TEST(TraceSummary, Totals) {
  Summary summary;
  summary.on_lifecycle(freed(1, SWAPTRAIL_ORIGIN_KSWAPD, 4));
  Lifecycle other = freed(1, SWAPTRAIL_ORIGIN_DIRECT);
  other.outcome = Outcome::kAborted;
  other.abort_reason = AbortReason::kNoSlot;
  other.incomplete = IncompleteReason::kDropped;
  other.overlapped_loss = true;
  summary.on_lifecycle(other);
  EXPECT_EQ(summary.total().pages, 5u);
  EXPECT_EQ(summary.complete().pages, 4u);
  EXPECT_DOUBLE_EQ(summary.complete_share(0), 0.5);
  EXPECT_DOUBLE_EQ(summary.complete_share(summary.total().lifecycles), 0.25);
  EXPECT_EQ(summary.by(Outcome::kFreedDevice).pages, 4u);
  EXPECT_EQ(summary.by(AbortReason::kNoSlot).lifecycles, 1u);
  EXPECT_EQ(summary.by(AbortReason::kNone).lifecycles, 0u);
  EXPECT_EQ(summary.by(IncompleteReason::kDropped).lifecycles, 1u);
  EXPECT_EQ(summary.by_origin(SWAPTRAIL_ORIGIN_KSWAPD).pages, 4u);
  EXPECT_EQ(summary.by_origin(SWAPTRAIL_ORIGIN_DIRECT).pages, 0u);
  EXPECT_EQ(summary.by_backend(SWAPTRAIL_BACKEND_DEVICE).pages, 4u);
  EXPECT_EQ(summary.overlapped().lifecycles, 1u);
  EXPECT_EQ(summary.latency(Latency::kIsolatedToSlot).max(), 10u);
  EXPECT_EQ(summary.latency(Latency::kDeviceWrite).max(), 20u);
  EXPECT_EQ(summary.latency(Latency::kIsolatedToRemoved).max(), 70u);
}

TEST(TraceSummary, DeviceWriteIsOfDevicesOnly) {
  Summary summary;
  Lifecycle life = freed(1, SWAPTRAIL_ORIGIN_KSWAPD);
  life.outcome = Outcome::kFreedZswap;  // whose completion is a fake, up to Linux 6.10
  life.backend = SWAPTRAIL_BACKEND_ZSWAP;
  summary.on_lifecycle(life);
  EXPECT_EQ(summary.latency(Latency::kDeviceWrite).count(), 0u);
  EXPECT_EQ(summary.latency(Latency::kCompletedToRemoved).count(), 1u);
}

TEST(TraceSummary, RegrettedReturns) {
  Summary summary({.regret_ns = 1000, .max_victims = 8});
  Return back;
  back.after_ns = 999;
  back.fault_ns = 7;
  back.passes = 2;
  back.major = true;
  summary.on_return(back);
  back.major = false;
  back.after_ns = 1000;
  summary.on_return(back);
  back.how = ReturnHow::kSlotFreed;
  back.after_ns = 1;
  back.passes = 0;
  summary.on_return(back);
  back.how = ReturnHow::kSwappedIn;
  back.passes = 1;
  back.after_ns = 0;  // not known
  summary.on_return(back);
  EXPECT_EQ(summary.regretted().lifecycles, 1u);
  EXPECT_EQ(summary.by(ReturnHow::kSwappedIn).lifecycles, 3u);
  EXPECT_EQ(summary.latency(Latency::kTimeInSwap).count(), 2u);
  EXPECT_EQ(summary.latency(Latency::kFault).count(), 3u);
  EXPECT_EQ(summary.faults().faults, 3u);
  EXPECT_EQ(summary.faults().major, 1u);
  EXPECT_EQ(summary.faults().wait_ns, 21u);
}

// A fault that brings nothing back has waited all the same.
TEST(TraceSummary, FaultsWithoutPages) {
  Summary summary;
  Return back;
  back.nr_pages = 0;
  back.passes = 1;
  back.fault_ns = 7;
  summary.on_return(back);
  back.how = ReturnHow::kReadError;
  summary.on_return(back);
  EXPECT_EQ(summary.by(ReturnHow::kSwappedIn).lifecycles, 0u);
  EXPECT_EQ(summary.by(ReturnHow::kReadError).lifecycles, 1u);
  EXPECT_EQ(summary.by(ReturnHow::kReadError).pages, 0u);
  EXPECT_EQ(summary.faults().faults, 2u);
  EXPECT_EQ(summary.faults().wait_ns, 14u);
}

TEST(TraceSummary, VictimsAreBounded) {
  Summary summary({.regret_ns = 1, .max_victims = 2});
  summary.on_lifecycle(freed(1, SWAPTRAIL_ORIGIN_KSWAPD, 2));
  summary.on_lifecycle(freed(2, SWAPTRAIL_ORIGIN_DIRECT, 9));
  summary.on_lifecycle(freed(3, SWAPTRAIL_ORIGIN_DIRECT, 5));
  summary.on_lifecycle(freed(1, SWAPTRAIL_ORIGIN_DIRECT, 1));
  const std::vector<VictimRow> rows = summary.victims(10);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].tgid, 2u);
  EXPECT_EQ(rows[1].total(), 3u);
  EXPECT_EQ(rows[1].pages[SWAPTRAIL_ORIGIN_KSWAPD], 2u);
  EXPECT_EQ(summary.other_victims().total(), 5u);
  EXPECT_EQ(summary.victims(1).size(), 1u);
}

TEST(TraceReconcile, Rows) {
  ReconcileInput input;
  input.visible_kinds = lifecycles::kAllKinds;
  input.totals.pages[SWAPTRAIL_WRITE_ISSUED] = 90;
  input.totals.backend_pages[SWAPTRAIL_BACKEND_ZERO] = 5;
  input.totals.pages[SWAPTRAIL_SWAP_READ] = 30;
  input.totals.pages[SWAPTRAIL_ZSWAP_LOADED] = 10;
  input.totals.emitted[SWAPTRAIL_REMOVED] = 7;
  input.totals.emitted[SWAPTRAIL_SPLIT] = 5;
  input.totals.dropped[SWAPTRAIL_DROP_RING_FULL] = 2;
  input.totals.dropped[SWAPTRAIL_DROP_NO_RING] = 1;
  input.consumed = 9;
  const Vmstat before = {{"pswpout", 1000}, {"pswpin", 5}, {"swpin_zero", 0}, {"zswpin", 1}};
  const Vmstat after = {{"pswpout", 1100}, {"pswpin", 20}, {"swpin_zero", 5}, {"zswpin", 11}};
  const std::vector<ReconcileRow> rows = reconcile(input, before, after);
  ASSERT_EQ(rows.size(), 4u);  // no swpout_zero, no zswpout on this kernel
  EXPECT_EQ(row_of(rows, "pswpout")->difference, -10);
  EXPECT_EQ(row_of(rows, "pswpin")->difference, 0);
  EXPECT_EQ(row_of(rows, "pswpin")->kernel_delta, 20);
  EXPECT_EQ(row_of(rows, "zswpin")->difference, 0);
  EXPECT_EQ(row_of(rows, "emitted")->kernel_delta, 12);
  EXPECT_EQ(row_of(rows, "emitted")->difference, 0);
}

TEST(TraceReconcile, OnlyWhatIsHooked) {
  ReconcileInput input;
  input.visible_kinds = lifecycles::kTracepointKinds;
  const Vmstat some = {{"pswpout", 0}, {"pswpin", 0}, {"zswpin", 0}, {"zswpout", 0}};
  const std::vector<ReconcileRow> rows = reconcile(input, some, some);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].counter, "pswpout");
  input.visible_kinds = lifecycles::kind_bit(SWAPTRAIL_SWAP_READ);
  Vmstat loaded = some;
  loaded["zswpin"] = 3;
  EXPECT_EQ(row_of(reconcile(input, some, loaded), "pswpin"), nullptr);
  EXPECT_NE(row_of(reconcile(input, some, some), "pswpin"), nullptr);
}

TEST(TraceReconcile, AddTotals) {
  swaptrail_totals sum{}, one{};
  one.emitted[3] = 1;
  one.backend_pages[2] = 2;
  one.context_full = 3;
  one.dropped[1] = 4;
  add_totals(one, sum);
  add_totals(one, sum);
  EXPECT_EQ(sum.emitted[3], 2u);
  EXPECT_EQ(sum.backend_pages[2], 4u);
  EXPECT_EQ(sum.context_full, 6u);
  EXPECT_EQ(sum.dropped[1], 8u);
}

}  // namespace
}  // namespace swaptrail::report
