// What the store keeps of the way back: page by page, fault by fault.
#include <gtest/gtest.h>

#include "daemon/store/list.h"
#include "daemon/store/lookup.h"
#include "daemon/store/stats.h"
#include "tests/scene/store_scene.h"

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
  EXPECT_EQ(told.return_of(2), nullptr);  // gone, but how is not kept
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

StatsQuery by_process() {
  StatsQuery query;
  query.group_by = {GroupBy::kVictimProcess};
  query.spans = {Latency::kFault};
  return query;
}

const StatsRow* row_of(const Stats& stats, uint64_t key) {
  const auto found =
      std::ranges::find(stats.rows, key, [](const StatsRow& row) { return row.key[0]; });
  return found == stats.rows.end() ? nullptr : &*found;
}

TEST(StoreStats, FaultTimesAreChargedToWhoWaited) {
  const auto store = store_of(small_options());
  store->add(large(9));
  Return by_gdb = back_of(9, 0);
  by_gdb.tgid = 99;
  by_gdb.comm = comm_of("gdb");
  by_gdb.reader_cgroup = 8;
  store->note_return(by_gdb);
  store->note_return(back_of(9, 1));
  const auto stats = query_stats(store->snapshot(), by_process());
  ASSERT_TRUE(stats.ok());
  ASSERT_NE(row_of(*stats, 42), nullptr);
  EXPECT_EQ(row_of(*stats, 42)->counts.pages, 16u);
  EXPECT_EQ(row_of(*stats, 42)->latencies[0].sum, 101u);
  ASSERT_NE(row_of(*stats, 99), nullptr);
  EXPECT_EQ(row_of(*stats, 99)->counts.lifecycles, 0u);
  EXPECT_EQ(row_of(*stats, 99)->latencies[0].sum, 100u);
  EXPECT_EQ(comm_text(row_of(*stats, 99)->comms[0]), "gdb");
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
