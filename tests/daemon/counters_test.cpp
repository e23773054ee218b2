// What is counted by what: lifecycles, what came back of them, and who waited.
#include "daemon/counters/counters.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "daemon/store/stats.h"
#include "tests/scene/store_scene.h"

namespace swaptrail::counters {
namespace {

using store::comm_of;

constexpr Grouping kAll[] = {Grouping::kProcess, Grouping::kCgroup, Grouping::kArea,
                             Grouping::kOrigin, Grouping::kReclaimer};

Lifecycle usual() {
  Lifecycle life;
  life.id = 1;
  life.entry = make_entry(1, 10);
  life.cgroup = 7;
  life.nr_pages = 16;
  life.closed_ns = 1000;
  life.outcome = Outcome::kFreedDevice;
  life.mappings[0].tgid = 42;
  life.mappings[0].comm = comm_of("victim");
  life.mapping_count = 1;
  life.first.tgid = 60;
  life.last.tgid = 61;
  life.last.origin = SWAPTRAIL_ORIGIN_DIRECT;
  life.last.comm = comm_of("eater");
  return life;
}

Return back_of(const Lifecycle& life, uint32_t reader, uint64_t cgroup) {
  Return back;
  back.lifecycle_id = life.id;
  back.entry = life.entry;
  back.time_ns = 2000;
  back.after_ns = 1000;
  back.fault_ns = 100;
  back.tgid = reader;
  back.reader_cgroup = cgroup;
  back.comm = comm_of("reader");
  back.major = true;
  back.eviction = eviction_of(life);
  return back;
}

Counts counts_of(const Counters& counters, Grouping grouping, const Key& key) {
  Counts sum;
  for (const Row& row : counters.copy(grouping).rows) {
    if (row.key == key) add_to(sum, row.counts);
  }
  return sum;
}

Counts all_of(const Counters& counters, Grouping grouping) {
  const TableCopy copy = counters.copy(grouping);
  Counts sum = copy.other;
  for (const Row& row : copy.rows) add_to(sum, row.counts);
  return sum;
}

const Key kVictim{42, 7}, kReader{99, 8};

TEST(Counters, EachCountsWithItsWeight) {
  Counters counters{Counters::Options{}};
  Lifecycle life = usual();
  life.sample_shift = 4;
  counters.on_lifecycle(life);
  Return back = back_of(life, 42, 7);
  back.nr_pages = 2;
  back.sample_shift = 4;
  counters.on_return(back);
  const Counts counts = counts_of(counters, Grouping::kCgroup, {7, 0});
  EXPECT_EQ(counts.lifecycles, 16u);
  EXPECT_EQ(counts.freed_pages, 16u * 16);
  EXPECT_EQ(counts.returned_pages, 2u * 16);
  EXPECT_EQ(counts.faults, 16u);
  EXPECT_EQ(counts.major_faults, 16u);
  EXPECT_EQ(counts.wait_ns, 1600u);
}

TEST(Counters, ALifecycleCountsOnceByEach) {
  Counters counters({});
  counters.note_area(1, 4);
  counters.on_lifecycle(usual());
  const Counts once{.lifecycles = 1, .pages = 16, .freed_pages = 16};
  EXPECT_EQ(counts_of(counters, Grouping::kProcess, kVictim), once);
  EXPECT_EQ(counts_of(counters, Grouping::kCgroup, {7, 0}), once);
  EXPECT_EQ(counts_of(counters, Grouping::kArea, {area_key(1, 4), 0}), once);
  EXPECT_EQ(counts_of(counters, Grouping::kOrigin, {SWAPTRAIL_ORIGIN_DIRECT, 0}), once);
  EXPECT_EQ(counts_of(counters, Grouping::kReclaimer, {61, 0}), once);
  EXPECT_EQ(comm_text(counters.copy(Grouping::kProcess).rows[0].comm), "victim");
  EXPECT_EQ(comm_text(counters.copy(Grouping::kReclaimer).rows[0].comm), "eater");
  for (const Grouping grouping : kAll) EXPECT_EQ(all_of(counters, grouping), once);
}

TEST(Counters, PagesThatStayedAndThoseThatNobodyNeeds) {
  Counters counters({});
  Lifecycle life = usual();
  life.entry = 0;
  life.outcome = Outcome::kAborted;
  life.abort_reason = AbortReason::kSlotGone;
  counters.on_lifecycle(life);
  life.abort_reason = AbortReason::kReferenced;
  counters.on_lifecycle(life);
  const Counts both{.lifecycles = 2, .pages = 32, .aborted_pages = 32, .unneeded_pages = 16};
  EXPECT_EQ(counts_of(counters, Grouping::kArea, {kNoArea, 0}), both);
}

// Pages count for their owner; waits, by process and cgroup, for the reader.
TEST(Counters, AReturnIsOfTheOwnerAndItsWaitOfTheReader) {
  Counters counters({});
  counters.on_return(back_of(usual(), 99, 8));
  const Counts pages{.returned_pages = 1, .regretted_pages = 1};
  const Counts wait{.faults = 1, .major_faults = 1, .wait_ns = 100};
  Counts both = pages;
  add_to(both, wait);
  EXPECT_EQ(counts_of(counters, Grouping::kProcess, kVictim), pages);
  EXPECT_EQ(counts_of(counters, Grouping::kProcess, kReader), wait);
  EXPECT_EQ(counts_of(counters, Grouping::kCgroup, {7, 0}), pages);
  EXPECT_EQ(counts_of(counters, Grouping::kCgroup, {8, 0}), wait);
  EXPECT_EQ(counts_of(counters, Grouping::kArea, {area_key(1, 0), 0}), both);
  EXPECT_EQ(counts_of(counters, Grouping::kOrigin, {SWAPTRAIL_ORIGIN_DIRECT, 0}), both);
  EXPECT_EQ(counts_of(counters, Grouping::kReclaimer, {61, 0}), both);
  counters.on_return(back_of(usual(), 42, 7));  // of both, if they are one
  EXPECT_EQ(counts_of(counters, Grouping::kProcess, kVictim), (Counts{.returned_pages = 2,
                                                                      .regretted_pages = 2,
                                                                      .faults = 1,
                                                                      .major_faults = 1,
                                                                      .wait_ns = 100}));
}

TEST(Counters, OfWhatLeftBeforeTheStartTheOwnerIsUnknown) {
  Counters counters({});
  Return back = back_of(usual(), 99, 8);
  back.lifecycle_id = 0;
  back.eviction = {};
  counters.on_return(back);
  EXPECT_EQ(counts_of(counters, Grouping::kProcess, {0, 0}).returned_pages, 1u);
  EXPECT_EQ(counts_of(counters, Grouping::kCgroup, {0, 0}).returned_pages, 1u);
  EXPECT_EQ(counts_of(counters, Grouping::kReclaimer, {0, 0}).faults, 1u);
  EXPECT_EQ(counts_of(counters, Grouping::kOrigin, {SWAPTRAIL_ORIGIN_UNKNOWN, 0}).faults, 1u);
  EXPECT_EQ(counts_of(counters, Grouping::kProcess, kReader).faults, 1u);
}

TEST(Counters, WhatIsNoReturnIsNotCounted) {
  Counters counters({.regret_ns = 1000});
  Return back = back_of(usual(), 42, 7);
  back.after_ns = 1000;  // not sooner
  counters.on_return(back);
  back.nr_pages = 0;  // a fault that brought nothing back
  counters.on_return(back);
  back.how = ReturnHow::kSlotFreed;
  back.nr_pages = 5;
  back.fault_ns = 0;
  counters.on_return(back);
  EXPECT_EQ(counts_of(counters, Grouping::kProcess, kVictim),
            (Counts{.returned_pages = 1, .faults = 2, .major_faults = 2, .wait_ns = 200}));
}

TEST(Counters, AnAreaWithTheSameTypeIsAnother) {
  Counters counters({});
  counters.note_area(1, 4);
  counters.on_lifecycle(usual());
  counters.note_area(1, 5);
  counters.on_lifecycle(usual());
  EXPECT_EQ(counts_of(counters, Grouping::kArea, {area_key(1, 4), 0}).lifecycles, 1u);
  EXPECT_EQ(counts_of(counters, Grouping::kArea, {area_key(1, 5), 0}).lifecycles, 1u);
  EXPECT_EQ(area_type_of(area_key(63, 5)), 63u);
  EXPECT_EQ(area_number_of(area_key(63, 5)), 5u);
}

// The store and the counters give the same numbers, as long as the store has everything.
TEST(Counters, AgreeWithTheStoreWhileItHasAll) {
  const auto store = store::store_of(store::small_options(size_t{4} << 20));
  Counters counters({});
  std::mt19937_64 random(5);
  for (uint64_t id = 1; id <= 2000; ++id) {
    const Lifecycle life = store::random_lifecycle(random, id);
    store->add(life);
    counters.on_lifecycle(life);
    if (life.entry == 0 || random() % 2 == 0) continue;
    Return back = store::random_return(random, life);
    back.eviction = eviction_of(life);
    store->note_return(back);
    counters.on_return(back);
  }
  ASSERT_EQ(store->status().evicted, 0u);
  const std::pair<store::GroupBy, Grouping> pairs[] = {
      {store::GroupBy::kVictimProcess, Grouping::kProcess},
      {store::GroupBy::kVictimCgroup, Grouping::kCgroup},
      {store::GroupBy::kArea, Grouping::kArea},
      {store::GroupBy::kOrigin, Grouping::kOrigin},
      {store::GroupBy::kReclaimer, Grouping::kReclaimer}};
  for (const auto& [by, grouping] : pairs) {
    store::StatsQuery query;
    query.group_by = {by};
    const auto stats = store::query_stats(store->snapshot(), query);
    std::map<uint64_t, Counts> sums;
    for (const Row& row : counters.copy(grouping).rows) add_to(sums[row.key[0]], row.counts);
    for (const store::StatsRow& row : stats->rows) {
      const Counts& counts = sums[row.key[0]];
      EXPECT_EQ(counts.lifecycles, row.counts.lifecycles);
      EXPECT_EQ(counts.pages, row.counts.pages);
      EXPECT_EQ(counts.freed_pages, row.counts.freed_pages);
      EXPECT_EQ(counts.aborted_pages, row.counts.aborted_pages);
      EXPECT_EQ(counts.unneeded_pages, row.counts.unneeded_pages);
      EXPECT_EQ(counts.returned_pages, row.counts.returned_pages);
      EXPECT_EQ(counts.regretted_pages, row.counts.regretted_pages);
    }
    EXPECT_EQ(all_of(counters, grouping), all_of(counters, Grouping::kArea));
  }
}

}  // namespace
}  // namespace swaptrail::counters
