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
