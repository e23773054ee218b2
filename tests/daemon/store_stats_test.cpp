// Bounds and names of the statistics; their numbers are in store_model_test.
#include "daemon/store/stats.h"

#include <gtest/gtest.h>

#include "tests/scene/store_scene.h"

namespace swaptrail::store {
namespace {

TEST(StoreStats, TheTableOverflowsIntoOther) {
  const auto store = store_of(small_options());
  for (uint64_t id = 1; id <= 100; ++id) {
    Lifecycle life;
    life.id = life.cgroup = id;
    life.outcome = Outcome::kFreedZero;
    store->add(life);
  }
  StatsQuery query;
  query.group_by = {GroupBy::kVictimCgroup};
  query.spans = {Latency::kDeviceWrite};
  query.max_groups = 3;
  query.max_table = 10;
  const auto stats = query_stats(store->snapshot(), query);
  ASSERT_TRUE(stats.ok());
  EXPECT_EQ(stats->rows.size(), 3u);
  EXPECT_EQ(stats->other_groups, 7u);
  EXPECT_EQ(stats->unplaced, 90u);
  EXPECT_EQ(stats->other.counts.pages, 97u);
  const Matrix matrix = query_matrix(store->snapshot(), Filter{}, 3, 10);
  EXPECT_EQ(matrix.cells.size(), 3u);
  EXPECT_EQ(matrix.other_pages, 97u);
}

// A process is called what it was called last, wherever in the store that is.
TEST(StoreStats, ProcessesHaveTheirLastName) {
  const auto store = store_of(small_options());
  for (uint64_t id = 1; id <= 300; ++id) {
    Lifecycle life;
    life.id = id;
    life.mappings[0].tgid = static_cast<uint32_t>(id < 290 ? id % 2 : 1);
    life.mappings[0].comm = comm_of(std::to_string(id));
    store->add(life);
    StatsQuery query;
    query.group_by = {GroupBy::kOrigin, GroupBy::kVictimProcess};
    const auto stats = query_stats(store->snapshot(), query);
    ASSERT_TRUE(stats.ok());
    for (const StatsRow& row : stats->rows) {
      const uint64_t newest =
          id < 290 || row.key[1] == 1 ? id - (id < 290 && row.key[1] != id % 2) : 288;
      EXPECT_EQ(comm_text(row.comms[1]), std::to_string(newest));
    }
  }
}

// A page of a sample counts for all that it stands for: pages, what came back, times.
TEST(StoreStats, EachLifecycleCountsWithItsWeight) {
  const auto store = store_of(small_options());
  Lifecycle life;
  life.id = 1;
  life.entry = 77;
  life.nr_pages = 4;
  life.outcome = Outcome::kFreedDevice;
  life.backend = SWAPTRAIL_BACKEND_DEVICE;
  life.stage_ns[static_cast<size_t>(Stage::kWriteIssued)] = 1000;
  life.stage_ns[static_cast<size_t>(Stage::kWriteCompleted)] = 3000;
  life.stage_ns[static_cast<size_t>(Stage::kRemoved)] = 4000;
  store->add(life);
  life.id = 2;
  life.entry = 99;
  life.sample_shift = 3;
  store->add(life);
  Return back;
  back.lifecycle_id = 2;
  back.entry = 99;
  back.time_ns = 9000;
  back.nr_pages = 2;
  store->note_return(back);
  StatsQuery query;
  query.spans = {Latency::kDeviceWrite};
  const auto stats = query_stats(store->snapshot(), query);
  ASSERT_TRUE(stats.ok());
  ASSERT_EQ(stats->rows.size(), 1u);
  EXPECT_EQ(stats->rows[0].counts.lifecycles, 9u);
  EXPECT_EQ(stats->rows[0].counts.pages, 36u);
  EXPECT_EQ(stats->rows[0].counts.freed_pages, 36u);
  EXPECT_EQ(stats->rows[0].counts.returned_pages, 16u);
  EXPECT_EQ(stats->rows[0].latencies[0].count, 9u);
}

TEST(StoreStats, RefusesWhatIsOutOfBounds) {
  StatsQuery query;
  EXPECT_TRUE(query_stats(Snapshot(), query).ok());
  query.group_by = {GroupBy::kArea, GroupBy::kArea};
  EXPECT_FALSE(query_stats(Snapshot(), query).ok());
  query.group_by = {GroupBy::kArea, GroupBy::kOrigin, GroupBy::kOutcome, GroupBy::kBackend};
  EXPECT_FALSE(query_stats(Snapshot(), query).ok());
  query.group_by = {GroupBy::kCount};
  EXPECT_FALSE(query_stats(Snapshot(), query).ok());
  query.group_by = {};
  query.spans = {Latency::kCount};
  EXPECT_FALSE(query_stats(Snapshot(), query).ok());
  query.spans.assign(9, Latency::kFault);
  EXPECT_FALSE(query_stats(Snapshot(), query).ok());
}

}  // namespace
}  // namespace swaptrail::store
