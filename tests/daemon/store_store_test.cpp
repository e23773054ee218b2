// The store's own promises: bounds, counts, snapshots, returns, violations.
#include <gtest/gtest.h>

#include "daemon/store/list.h"
#include "tests/scene/store_scene.h"

namespace swaptrail::store {
namespace {

std::vector<StoredLifecycle> all_of(const Snapshot& snapshot) {
  ListQuery query;
  query.order = Order::kOldestFirst;
  query.page_size = ~size_t{0};
  return list_lifecycles(snapshot, query).lifecycles;
}

TEST(Store, EmptyAtFirst) {
  const auto store = store_of(Store::Options{});
  const Snapshot snapshot = store->snapshot();
  EXPECT_EQ(snapshot.lifecycles(), 0u);
  EXPECT_EQ(snapshot.next_sequence(), 1u);
  EXPECT_EQ(snapshot.oldest_closed_ns(), 0u);
  EXPECT_TRUE(list_lifecycles(snapshot, ListQuery{}).lifecycles.empty());
  EXPECT_EQ(Snapshot().next_sequence(), 1u);
  EXPECT_TRUE(list_lifecycles(Snapshot(), ListQuery{}).lifecycles.empty());
}

TEST(Store, RefusesWhatDoesNotFit) {
  for (const size_t segment : {size_t{1}, size_t{8} << 10, size_t{64} << 20}) {
    Store::Options options;
    options.segment_bytes = segment;
    EXPECT_FALSE(Store::create(options).ok()) << segment;
  }
  for (const size_t bytes : {size_t{0}, size_t{40} << 10, ~size_t{0}}) {
    EXPECT_FALSE(Store::create(small_options(bytes)).ok()) << bytes;
  }
  Store::Options spare = small_options();
  spare.spare_segments = 1000;
  EXPECT_FALSE(Store::create(spare).ok());
  Store::Options none = small_options();
  none.max_violations = 0;
  EXPECT_FALSE(Store::create(none).ok());
}

// Whatever is added, the memory stays in bounds, the sequence has no gap, and every lifecycle that
// left was counted.
TEST(Store, EvictsTheOldestAndCountsExactly) {
  for (const uint32_t seed : {1u, 2u, 3u}) {
    std::mt19937_64 random(seed);
    const auto store = store_of(small_options((200 + random() % 400) << 10));
    uint64_t evicted_before = 0;
    for (uint64_t id = 1; id <= 6000; ++id) {
      store->add(random_lifecycle(random, id));
      const StoreStatus status = store->status();
      ASSERT_LE(status.bytes, status.max_bytes);
      ASSERT_EQ(status.lifecycles + status.evicted, id);
      ASSERT_GE(status.evicted, evicted_before);
      evicted_before = status.evicted;
      const Snapshot snapshot = store->snapshot();
      ASSERT_EQ(snapshot.lifecycles(), status.lifecycles);
      ASSERT_EQ(snapshot.oldest_sequence(), status.evicted + 1);
      ASSERT_EQ(snapshot.oldest_closed_ns(), status.evicted + 1);
    }
    EXPECT_GT(evicted_before, 1000u);
    EXPECT_EQ(store->status().unstored, 0u);
    const auto rest = all_of(store->snapshot());
    ASSERT_EQ(rest.size(), store->status().lifecycles);
    for (size_t at = 0; at < rest.size(); ++at) {
      ASSERT_EQ(rest[at].lifecycle.id, evicted_before + 1 + at);
    }
  }
}

TEST(Store, TakesNoMoreMemoryOnceFull) {
  std::mt19937_64 random(4);
  const auto store = store_of(small_options());
  uint64_t id = 0;
  while (store->status().evicted < 200) store->add(random_lifecycle(random, ++id));
  const uint64_t bytes = store->status().bytes;
  while (id < 20'000) store->add(random_lifecycle(random, ++id));
  EXPECT_EQ(store->status().bytes, bytes);
}

TEST(Store, ASnapshotStaysAsItWas) {
  std::mt19937_64 random(5);
  auto store = store_of(small_options());
  std::vector<Lifecycle> model;
  for (uint64_t id = 1; id <= 200; ++id) {
    model.push_back(random_lifecycle(random, id));
    store->add(model.back());
  }
  Snapshot moved = store->snapshot();
  const Snapshot snapshot = std::move(moved);
  for (uint64_t id = 201; id <= 5000; ++id) store->add(random_lifecycle(random, id));
  EXPECT_GT(store->status().evicted, 100u);
  store.reset();  // nor does it need the store
  const auto kept = all_of(snapshot);
  ASSERT_EQ(kept.size(), model.size());
  for (size_t at = 0; at < model.size(); ++at) {
    EXPECT_TRUE(same(kept[at].lifecycle, model[at]));
  }
}

// Snapshots that are never given back must not make the store grow: new lifecycles are left out, and
// counted, until they are.
TEST(Store, HeldSnapshotsCannotMakeItGrow) {
  std::mt19937_64 random(6);
  const auto store = store_of(small_options());
  std::vector<Snapshot> held;
  uint64_t id = 0;
  while (id < 10'000) {
    store->add(random_lifecycle(random, ++id));
    if (id % 10 == 0) held.push_back(store->snapshot());
    ASSERT_LE(store->status().bytes, store->status().max_bytes);
  }
  const StoreStatus full = store->status();
  EXPECT_GT(full.unstored, 0u);
  EXPECT_EQ(full.lifecycles + full.evicted + full.unstored, id);
  held.clear();
  for (int more = 0; more < 1000; ++more) store->add(random_lifecycle(random, ++id));
  EXPECT_EQ(store->status().unstored, full.unstored);
  const auto rest = all_of(store->snapshot());
  EXPECT_EQ(rest.back().lifecycle.id, id);
  for (size_t at = 1; at < rest.size(); ++at) {
    ASSERT_EQ(rest[at].sequence, rest[at - 1].sequence + 1);
  }
}

Return swapped_in(uint64_t id, uint64_t after_ns, uint16_t pages = 1) {
  Return out;
  out.lifecycle_id = id;
  out.after_ns = after_ns;
  out.nr_pages = pages;
  return out;
}

TEST(Store, JoinsReturns) {
  const auto store = store_of(small_options());
  Lifecycle life;
  life.id = 40;
  life.entry = make_entry(1, 10);
  life.nr_pages = 8;
  store->add(life);
  const Snapshot before = store->snapshot();
  Return first = swapped_in(40, kStoreSecond, 2);  // not sooner than a second
  first.entry = make_entry(1, 13);
  store->note_return(first);
  store->note_return(swapped_in(40, kStoreSecond - 1, 1));
  store->note_return(swapped_in(40, 0, 1));  // it is not known how long
  Return freed = swapped_in(40, 1, 3);
  freed.how = ReturnHow::kSlotFreed;
  store->note_return(freed);
  store->note_return(swapped_in(41, 1));  // never closed
  store->note_return(swapped_in(0, 1));   // of none that is known
  const auto now = all_of(before);
  ASSERT_EQ(now.size(), 1u);
  EXPECT_EQ(now[0].back.gone_pages, 7u);
  EXPECT_EQ(now[0].back.swapped_in_pages, 4u);
  EXPECT_EQ(now[0].back.regretted_pages, 1u);
  ASSERT_TRUE(now[0].first_return.has_value());
  EXPECT_TRUE(same(*now[0].first_return, first));
  EXPECT_EQ(store->status().returns_joined, 4u);
  EXPECT_EQ(store->status().returns_unmatched, 2u);
}

TEST(Store, ReturnsOfTheEvictedAreCounted) {
  std::mt19937_64 random(7);
  const auto store = store_of(small_options());
  for (uint64_t id = 1; id <= 3000; ++id) store->add(random_lifecycle(random, id));
  const uint64_t evicted = store->status().evicted;
  for (uint64_t id = 1; id <= 3000; ++id) store->note_return(swapped_in(id, 1));
  EXPECT_EQ(store->status().returns_unmatched, evicted);
  EXPECT_EQ(store->status().returns_joined, 3000 - evicted);
}

TEST(Store, KeepsTheLastViolations) {
  const auto store = store_of(small_options());  // 20 of them
  EXPECT_TRUE(store->violations().page(0, 10).violations.empty());
  for (uint64_t number = 1; number <= 50; ++number) {
    Violation violation;
    violation.rule = "some_rule";
    violation.lifecycle_id = number;
    violation.folio = number + 1;
    violation.entry = number + 2;
    violation.time_ns = number + 3;
    violation.text = std::string(number * 5, 'x');
    store->note_violation(violation);
  }
  EXPECT_EQ(store->status().violations, 50u);
  ViolationPage page = store->violations().page(0, 15);
  ASSERT_EQ(page.violations.size(), 15u);
  EXPECT_EQ(page.total, 50u);
  EXPECT_EQ(page.violations[0].lifecycle_id, 50u);
  EXPECT_EQ(page.violations[0].rule, "some_rule");
  EXPECT_EQ(page.violations[0].folio, 51u);
  EXPECT_EQ(page.violations[0].entry, 52u);
  EXPECT_EQ(page.violations[0].time_ns, 53u);
  EXPECT_EQ(page.violations[0].text, std::string(kMaxViolationText, 'x'));
  EXPECT_EQ(page.violations[14].text, std::string(180, 'x'));
  page = store->violations().page(page.next, 15);
  ASSERT_EQ(page.violations.size(), 5u);
  EXPECT_EQ(page.violations[4].lifecycle_id, 31u);
  EXPECT_EQ(page.next, 0u);
  EXPECT_EQ(page.lost, 0u);
  page = store->violations().page(21, 15);
  EXPECT_TRUE(page.violations.empty());
  EXPECT_EQ(page.lost, 10u);
}

TEST(StoreList, PagesSurviveEviction) {
  std::mt19937_64 random(8);
  const auto store = store_of(small_options());
  uint64_t id = 0;
  while (store->status().evicted == 0) store->add(random_lifecycle(random, ++id));
  for (const Order order : {Order::kNewestFirst, Order::kOldestFirst}) {
    ListQuery query;
    query.order = order;
    query.page_size = 10;
    const ListPage first = list_lifecycles(store->snapshot(), query);
    ASSERT_TRUE(first.next.has_value());
    EXPECT_EQ(first.evicted_between, 0u);
    const uint64_t before = store->status().evicted;
    while (store->status().evicted < before + 50) store->add(random_lifecycle(random, ++id));
    query.position = first.next;
    const ListPage second = list_lifecycles(store->snapshot(), query);
    const uint64_t gone = store->status().evicted - before;
    const bool newest = order == Order::kNewestFirst;
    EXPECT_EQ(second.evicted_between, newest ? gone : gone - 10);  // ten of them it had got
    EXPECT_EQ(second.lifecycles[0].sequence,
              newest ? first.next->sequence : store->status().evicted + 1);
    while (store->status().evicted < second.next->sequence + 20)
      store->add(random_lifecycle(random, ++id));
    query.position = second.next;
    const uint64_t oldest = store->status().evicted + 1;
    const ListPage last = list_lifecycles(store->snapshot(), query);
    if (newest) {  // all that was left to do is gone
      EXPECT_TRUE(last.lifecycles.empty());
      EXPECT_EQ(last.evicted_between, second.next->sequence + 1 - second.next->oldest);
    } else {
      EXPECT_EQ(last.evicted_between, oldest - second.next->sequence);
    }
  }
}

TEST(StoreList, AnyPositionIsSafe) {
  std::mt19937_64 random(9);
  const auto store = store_of(small_options());
  for (uint64_t id = 1; id <= 2000; ++id) store->add(random_lifecycle(random, id));
  const Snapshot snapshot = store->snapshot();
  for (const uint64_t sequence : {uint64_t{0}, uint64_t{1}, uint64_t{2000}, ~uint64_t{0}}) {
    for (const uint64_t oldest : {uint64_t{0}, uint64_t{1999}, ~uint64_t{0}}) {
      for (const Order order : {Order::kNewestFirst, Order::kOldestFirst}) {
        ListQuery query;
        query.order = order;
        query.position = Position{.sequence = sequence, .oldest = oldest};
        EXPECT_LE(list_lifecycles(snapshot, query).lifecycles.size(), 100u);
      }
    }
  }
}

}  // namespace
}  // namespace swaptrail::store
