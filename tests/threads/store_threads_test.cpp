// Readers on other threads while the writer runs: nothing torn, nothing lost. Also meant for the
// thread sanitizer.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "daemon/store/list.h"
#include "daemon/store/lookup.h"
#include "daemon/store/stats.h"
#include "tests/scene/store_scene.h"

namespace swaptrail::store {
namespace {

constexpr uint64_t kLifecycles = 60'000;
constexpr int kReaders = 6;

// All that a record holds follows from its id, so that a mixture of two is seen.
Lifecycle lifecycle_of(uint64_t id) {
  std::mt19937_64 random(id);
  Lifecycle life = random_lifecycle(random, id);
  if (life.entry == 0) life.entry = make_entry(1, id);
  return life;
}

Return return_of(const Lifecycle& life) {
  std::mt19937_64 random(life.id + 1'000'000'000);
  return random_return(random, life);
}

void expect_whole(const StoredLifecycle& told) {
  const Lifecycle expected = lifecycle_of(told.lifecycle.id);
  ASSERT_TRUE(same(told.lifecycle, expected)) << told.sequence;
  ASSERT_EQ(told.first_return.has_value(), told.back.gone_pages != 0);
  if (!told.first_return) return;
  const Return back = return_of(expected);
  ASSERT_TRUE(same(*told.first_return, back)) << told.sequence;
  const bool in = back.how == ReturnHow::kSwappedIn;
  const bool soon = in && back.after_ns != 0 && back.after_ns < kStoreSecond;
  EXPECT_EQ(told.back.gone_pages, back.nr_pages);
  EXPECT_EQ(told.back.swapped_in_pages, in ? back.nr_pages : 0);
  EXPECT_EQ(told.back.regretted_pages, soon ? back.nr_pages : 0);
}

void expect_whole(const Snapshot& snapshot, uint64_t sampled) {
  ListQuery query;
  query.order = sampled % 2 == 0 ? Order::kNewestFirst : Order::kOldestFirst;
  query.page_size = ~size_t{0};
  if (sampled % 3 == 0) query.filter.pids = {3};
  const ListPage page = list_lifecycles(snapshot, query);
  uint64_t before = 0;
  for (const StoredLifecycle& told : page.lifecycles) {
    ASSERT_GE(told.sequence, snapshot.oldest_sequence());
    ASSERT_LT(told.sequence, snapshot.next_sequence());
    ASSERT_TRUE(before == 0 || (sampled % 2 == 0) == (told.sequence < before));
    before = told.sequence;
    if ((told.sequence + sampled) % 8 != 0) continue;
    ASSERT_NO_FATAL_FAILURE(expect_whole(told));
  }
  if (sampled % 3 != 0) {
    ASSERT_EQ(page.lifecycles.size(), snapshot.lifecycles());
  }
}

void expect_sums(const Store& store) {
  Snapshot snapshot = store.snapshot();
  const uint64_t lifecycles = snapshot.lifecycles();
  StatsQuery query;
  query.group_by = {GroupBy::kVictimCgroup, GroupBy::kOutcome};
  query.spans = {Latency::kIsolatedToRemoved, Latency::kTimeInSwap};
  query.max_groups = 5;
  const auto stats = query_stats(std::move(snapshot), query);
  ASSERT_TRUE(stats.ok());
  uint64_t sum = stats->other.counts.lifecycles;
  for (const StatsRow& row : stats->rows) sum += row.counts.lifecycles;
  EXPECT_EQ(sum, lifecycles);
  query_matrix(store.snapshot(), Filter{}, 10);
}

// The youngest first, and each as it was added.
void expect_whole(const ViolationPage& page) {
  uint64_t before = ~uint64_t{0};
  for (const Violation& violation : page.violations) {
    ASSERT_LT(violation.lifecycle_id, before);
    before = violation.lifecycle_id;
    ASSERT_EQ(violation.time_ns, before * 3);
    ASSERT_EQ(violation.text, std::string(before % 50, static_cast<char>('a' + before % 26)));
  }
}

void write_all(Store& store, std::atomic<bool>& done) {
  for (uint64_t id = 1; id <= kLifecycles; ++id) {
    store.add(lifecycle_of(id));
    // Each has one return at most: at once, or when it is no longer in the open segment.
    if (id % 7 == 0) store.note_return(return_of(lifecycle_of(id)));
    if (id > 300 && (id - 300) % 7 == 3) store.note_return(return_of(lifecycle_of(id - 300)));
    if (id % 50 != 0) continue;
    Violation violation;
    violation.rule = "some_rule";
    violation.lifecycle_id = id;
    violation.time_ns = id * 3;
    violation.text = std::string(id % 50, static_cast<char>('a' + id % 26));
    store.note_violation(violation);
  }
  done = true;
}

void read_until(const Store& store, const std::atomic<bool>& done, int reader) {
  uint64_t newest = 0, evicted = 0;
  for (uint64_t round = 0; !done || round < 3; ++round) {
    const Snapshot snapshot = store.snapshot();
    ASSERT_GE(snapshot.next_sequence(), newest);  // never back in time
    newest = snapshot.next_sequence();
    const StoreStatus status = store.status();
    ASSERT_GE(status.evicted, evicted);
    ASSERT_LE(status.bytes, status.max_bytes);
    evicted = status.evicted;
    ASSERT_NO_FATAL_FAILURE(expect_whole(snapshot, round + static_cast<uint64_t>(reader)));
    ASSERT_NO_FATAL_FAILURE(expect_sums(store));
    ASSERT_NO_FATAL_FAILURE(expect_whole(store.violations().page(0, 20)));
    for (const auto& told : lifecycles_of_entry(snapshot, make_entry(1, round % 100), 5)) {
      ASSERT_NO_FATAL_FAILURE(expect_whole(told));
    }
  }
}

TEST(StoreThreads, ReadersSeeWholeLifecycles) {
  const auto store = store_of(small_options(size_t{700} << 10));
  std::atomic<bool> done{false};
  std::vector<std::thread> readers;
  for (int reader = 0; reader < kReaders; ++reader) {
    readers.emplace_back([&, reader] { read_until(*store, done, reader); });
  }
  write_all(*store, done);
  for (std::thread& reader : readers) reader.join();
  const StoreStatus status = store->status();
  EXPECT_EQ(status.lifecycles + status.evicted + status.unstored, kLifecycles);
  EXPECT_EQ(store->snapshot().oldest_sequence(), status.evicted + 1);
  EXPECT_EQ(status.violations, kLifecycles / 50);
  EXPECT_GT(status.evicted, 1000u);
}

// Snapshots that are taken and dropped all the time, and moved between threads, neither keep a segment
// for good nor let one be used again too early.
TEST(StoreThreads, SegmentsAreUsedAgain) {
  auto store = store_of(small_options(size_t{250} << 10));
  std::atomic<bool> done{false};
  std::vector<std::thread> readers;
  for (int reader = 0; reader < kReaders; ++reader) {
    readers.emplace_back([&] {
      Snapshot kept;
      while (!done) {
        Snapshot snapshot = store->snapshot();
        if (snapshot.lifecycles() != 0) {
          ASSERT_EQ(snapshot.oldest_closed_ns() != 0, true);
          const auto& last = snapshot.parts().back();
          if (last.count != 0) {
            const RecordView record = last.segment->record(last.count - 1);
            ASSERT_TRUE(same(record.lifecycle(), lifecycle_of(record.id())));
          }
        }
        kept = std::move(snapshot);
      }
    });
  }
  for (uint64_t id = 1; id <= kLifecycles; ++id) store->add(lifecycle_of(id));
  done = true;
  for (std::thread& reader : readers) reader.join();
  const uint64_t unstored = store->status().unstored;
  for (uint64_t id = kLifecycles + 1; id <= kLifecycles + 2000; ++id) store->add(lifecycle_of(id));
  EXPECT_EQ(store->status().unstored, unstored);
}

}  // namespace
}  // namespace swaptrail::store
