// What the store keeps of the way back: page by page, fault by fault, and who waited.
#include <gtest/gtest.h>

#include "daemon/store/list.h"
#include "daemon/store/lookup.h"
#include "daemon/store/stats.h"
#include "tests/unit/store_scene.h"

namespace swaptrail::store {
namespace {

constexpr uint64_t kEntry = make_entry(1, 5632);

// A folio of 16 pages of process 42, from 0x10000 on.
Lifecycle large(uint64_t id) {
  Lifecycle life;
  life.id = id;
  life.entry = kEntry;
  life.nr_pages = 16;
  life.cgroup = 7;
  life.outcome = Outcome::kFreedDevice;
  life.mappings[0] = {0x10000, 42, 0, 16, comm_of("victim")};
  life.mapping_count = 1;
  return life;
}

Return back_of(uint64_t id, uint16_t page, uint16_t pages = 1) {
  Return back;
  back.lifecycle_id = id;
  back.entry = kEntry + page;
  back.nr_pages = pages;
  back.mapped_pages = 1;
  back.time_ns = 1000 + page;
  back.fault_ns = 100 + page;
  back.address = 0x10000 + page * uint64_t{4096};
  back.tgid = back.tid = back.owner_tgid = 42;
  back.reader_cgroup = 7;
  back.comm = comm_of("victim");
  return back;
}

StoredLifecycle only(const Store& store) {
  auto page = list_lifecycles(store.snapshot(), ListQuery{});
  EXPECT_EQ(page.lifecycles.size(), 1u);
  return page.lifecycles.at(0);
}

TEST(StoreReturn, ALargeFolioComesBackPageByPage) {
  const auto store = store_of(small_options());
  store->add(large(9));
  EXPECT_EQ(only(*store).is_gone(0), false);
  store->note_return(back_of(9, 0));
  store->note_return(back_of(9, 5, 3));
  const StoredLifecycle told = only(*store);
  for (uint32_t page = 0; page < 16; ++page) {
    const bool gone = page == 0 || (page >= 5 && page < 8);
    EXPECT_EQ(told.is_gone(page), gone) << page;
    ASSERT_EQ(told.return_of(page) != nullptr, gone) << page;
    if (gone) {
      EXPECT_TRUE(same(*told.return_of(page), page == 0 ? back_of(9, 0) : back_of(9, 5, 3)));
    }
  }
}

TEST(StoreReturn, AFaultWithoutPagesIsNoReturn) {
  const auto store = store_of(small_options());
  store->add(large(9));
  Return failed = back_of(9, 3, 0);
  failed.how = ReturnHow::kReadError;
  store->note_return(failed);
  StoredLifecycle told = only(*store);
  EXPECT_FALSE(told.back.any);
  EXPECT_FALSE(told.first_return.has_value());
  EXPECT_EQ(told.is_gone(3), false);
  ASSERT_EQ(told.notes.notes.size(), 1u);
  EXPECT_TRUE(same(*told.notes.notes[0].back, failed));
  store->note_return(back_of(9, 3));
  told = only(*store);
  EXPECT_TRUE(same(*told.first_return, back_of(9, 3)));
  EXPECT_EQ(told.back.gone_pages, 1u);
}

TEST(StoreReturn, AStayIsNoted) {
  const auto store = store_of(small_options());
  store->add(large(9));
  const Stay stay{9, kEntry + 2, 77, 3, StayChange::kReadaheadDropped};
  store->note_stay(stay);
  store->note_stay({8, kEntry, 77, 1, StayChange::kZswapWriteback});  // of none that is there
  const StoredLifecycle told = only(*store);
  ASSERT_EQ(told.notes.notes.size(), 1u);
  ASSERT_TRUE(told.notes.notes[0].stay.has_value());
  EXPECT_EQ(told.notes.notes[0].stay->entry, kEntry + 2);
  EXPECT_EQ(told.notes.notes[0].stay->time_ns, 77u);
  EXPECT_EQ(told.notes.notes[0].stay->nr_pages, 3u);
  EXPECT_EQ(told.notes.notes[0].stay->change, StayChange::kReadaheadDropped);
  EXPECT_FALSE(told.back.any);
}

TEST(StoreReturn, WhatIsForgottenIsSaid) {
  auto options = small_options();
  options.max_notes = 10;
  const auto store = store_of(options);
  store->add(large(9));
  for (uint16_t page = 0; page < 14; ++page) store->note_return(back_of(9, page));
  const StoredLifecycle told = only(*store);
  EXPECT_EQ(told.notes.notes.size(), 10u);
  EXPECT_TRUE(told.notes.more);
  for (uint32_t page = 0; page < 16; ++page) EXPECT_EQ(told.is_gone(page), page < 14);
  EXPECT_EQ(told.return_of(2), nullptr);  // gone, and it is not kept how
  EXPECT_NE(told.return_of(12), nullptr);
  EXPECT_EQ(store->status().notes, 13u);
}

TEST(StoreReturn, FoundByWhereItCameBackTo) {
  const auto store = store_of(small_options());
  Lifecycle life = large(9);
  EXPECT_FALSE(has_unkept_mappings(store->snapshot()));
  life.mapping_count = 8;
  store->add(life);
  EXPECT_TRUE(has_unkept_mappings(store->snapshot()));
  store->note_return(back_of(9, 0));
  Return stranger = back_of(9, 0, 0);
  stranger.owner_tgid = 50;  // read by 42, in the memory of 50
  stranger.address = 0x77000;
  store->note_return(stranger);
  const auto found = [&](uint32_t tgid, uint64_t address) {
    return lifecycles_returned_to(store->snapshot(), tgid, address, 5).size();
  };
  EXPECT_EQ(found(50, 0x77123), 1u);
  EXPECT_EQ(found(42, 0x77123), 0u);
  EXPECT_EQ(found(42, 0x10000), 1u);
  EXPECT_EQ(found(42, 0x11000), 0u);
}

TEST(StoreWaiters, EachFaultIsOfWhoWaited) {
  const auto store = store_of(small_options());
  store->add(large(9));
  Return fault = back_of(9, 0);
  fault.tgid = 99;
  fault.comm = comm_of("gdb");
  fault.reader_cgroup = 8;
  fault.major = true;
  store->note_return(fault);
  fault.nr_pages = 0;
  store->note_return(fault);
  fault.lifecycle_id = 0;  // swapped out before we looked
  store->note_return(fault);
  fault.fault_ns = 0;  // nobody waited
  store->note_return(fault);
  const WaiterCopy copy = store->waiters().copy();
  ASSERT_EQ(copy.rows.size(), 1u);
  EXPECT_EQ(copy.rows[0].tgid, 99u);
  EXPECT_EQ(copy.rows[0].area, 1u);
  EXPECT_EQ(copy.rows[0].cgroup, 8u);
  EXPECT_EQ(comm_text(copy.rows[0].comm), "gdb");
  EXPECT_EQ(copy.rows[0].waits.faults, 3u);
  EXPECT_EQ(copy.rows[0].waits.major, 3u);
  EXPECT_EQ(copy.rows[0].waits.wait_ns, 300u);
}

// The number of an area goes to another device after swapoff.
TEST(StoreWaiters, AnAreaWithTheSameTypeIsAnother) {
  const auto store = store_of(small_options());
  store->note_area(1, 4);
  store->note_return(back_of(0, 0));
  store->note_return(back_of(0, 0));
  store->note_area(1, 5);
  Return fault = back_of(0, 0);
  fault.time_ns = 9000;
  store->note_return(fault);
  StatsQuery query;
  query.group_by = {GroupBy::kArea};
  query.waiters = &store->waiters();
  query.area_of = [](uint32_t type, uint64_t at_ns) { return type * 100 + (at_ns < 9000 ? 4 : 5); };
  const auto stats = query_stats(store->snapshot(), query);
  ASSERT_EQ(stats->rows.size(), 2u);
  for (const StatsRow& row : stats->rows) {
    EXPECT_EQ(row.waits.faults, row.key[0] == 104 ? 2u : 1u) << row.key[0];
  }
}

TEST(StoreWaiters, TheSumIsExactWhenTheTableIsFull) {
  Waiters waiters(100);
  Waits sum;
  for (uint32_t at = 1; at <= 5000; ++at) {
    Return fault = back_of(1, 0);
    fault.tgid = at % 1500;
    fault.time_ns = at < 4000 ? 1000 : 1000 + 2 * Waiters::kIdle_ns;
    fault.fault_ns = at;
    waiters.add(fault);
    sum.add({1, 0, at});
  }
  const WaiterCopy copy = waiters.copy();
  EXPECT_LE(copy.rows.size(), 100u);
  EXPECT_GT(copy.other.faults, 0u);
  EXPECT_GT(copy.departed.faults, 0u);
  Waits told = copy.other;
  told.add(copy.departed);
  for (const Waiter& row : copy.rows) told.add(row.waits);
  EXPECT_EQ(told.faults, sum.faults);
  EXPECT_EQ(told.wait_ns, sum.wait_ns);
}

StatsQuery by_process(const Store& store) {
  StatsQuery query;
  query.group_by = {GroupBy::kVictimProcess};
  query.spans = {Latency::kFault};
  query.waiters = &store.waiters();
  return query;
}

const StatsRow* row_of(const Stats& stats, uint64_t key) {
  const auto found =
      std::ranges::find(stats.rows, key, [](const StatsRow& row) { return row.key[0]; });
  return found == stats.rows.end() ? nullptr : &*found;
}

TEST(StoreStats, WaitsAreChargedToWhoWaited) {
  const auto store = store_of(small_options());
  store->add(large(9));
  Return by_gdb = back_of(9, 0);
  by_gdb.tgid = 99;
  by_gdb.comm = comm_of("gdb");
  by_gdb.reader_cgroup = 8;
  store->note_return(by_gdb);
  store->note_return(back_of(9, 1));
  Return of_none = by_gdb;  // no lifecycle of it is known, and this reader has none either
  of_none.lifecycle_id = 0;
  of_none.tgid = 100;
  store->note_return(of_none);
  auto stats = query_stats(store->snapshot(), by_process(*store));
  ASSERT_TRUE(stats.ok() && stats->has_waits);
  ASSERT_NE(row_of(*stats, 42), nullptr);
  EXPECT_EQ(row_of(*stats, 42)->counts.pages, 16u);
  EXPECT_EQ(row_of(*stats, 42)->latencies[0].sum, 101u);
  EXPECT_EQ(row_of(*stats, 42)->waits.wait_ns, 101u);
  ASSERT_NE(row_of(*stats, 99), nullptr);
  EXPECT_EQ(row_of(*stats, 99)->counts.lifecycles, 0u);
  EXPECT_EQ(row_of(*stats, 99)->latencies[0].sum, 100u);
  EXPECT_EQ(comm_text(row_of(*stats, 99)->comms[0]), "gdb");
  ASSERT_NE(row_of(*stats, 100), nullptr);
  EXPECT_EQ(row_of(*stats, 100)->latencies[0].count, 0u);
  EXPECT_EQ(row_of(*stats, 100)->waits.faults, 1u);

  StatsQuery query = by_process(*store);
  query.group_by = {GroupBy::kVictimCgroup};
  stats = query_stats(store->snapshot(), query);
  EXPECT_EQ(row_of(*stats, 7)->waits.wait_ns, 101u);
  EXPECT_EQ(row_of(*stats, 8)->waits.wait_ns, 200u);
  query.filter.pids = {100};
  stats = query_stats(store->snapshot(), query);
  ASSERT_EQ(stats->rows.size(), 1u);
  EXPECT_EQ(row_of(*stats, 8)->waits.wait_ns, 100u);
  query.filter.outcomes = {Outcome::kFreedDevice};  // a wait has none
  EXPECT_FALSE(query_stats(store->snapshot(), query)->has_waits);
}

TEST(StoreStats, APageThatNobodyNeedsDidNotStay) {
  const auto store = store_of(small_options());
  Lifecycle life = large(9);
  life.outcome = Outcome::kAborted;
  life.abort_reason = AbortReason::kSlotGone;
  store->add(life);
  life.id = 10;
  life.abort_reason = AbortReason::kStillMapped;
  store->add(life);
  const auto stats = query_stats(store->snapshot(), StatsQuery{});
  EXPECT_EQ(stats->rows.at(0).counts.aborted_pages, 32u);
  EXPECT_EQ(stats->rows.at(0).counts.unneeded_pages, 16u);
}

}  // namespace
}  // namespace swaptrail::store
