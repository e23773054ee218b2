// The table of counters against a map, and while another thread reads it.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <map>
#include <random>
#include <thread>

#include "daemon/counters/table.h"
#include "tests/scene/store_scene.h"

namespace swaptrail::counters {
namespace {

using store::comm_of;
constexpr uint64_t kTick = 1'000'000;  // between two events

Counts random_counts(std::mt19937_64& random) {
  Counts out;
  out.lifecycles = 1;
  out.pages = random() % 512;
  out.freed_pages = random() % 512;
  out.aborted_pages = random() % 3;
  out.unneeded_pages = random() % 2;
  out.returned_pages = random() % 512;
  out.regretted_pages = random() % 4;
  out.faults = random() % 2;
  out.major_faults = random() % 2;
  out.wait_ns = random() % 1'000'000;
  return out;
}

void add(Table& table, const Key& key, const Name& name, uint64_t now_ns, const Counts& more) {
  table.add(key, name, now_ns, Change(more));
}

Counts sum_of(const TableCopy& copy) {
  Counts sum = copy.other;
  for (const Row& row : copy.rows) add_to(sum, row.counts);
  return sum;
}

const Row* row_of(const TableCopy& copy, const Key& key) {
  const auto found = std::ranges::find(copy.rows, key, &Row::key);
  return found == copy.rows.end() ? nullptr : &*found;
}

TEST(CountersTable, WhileThereIsRoomEachRowIsThatOfAMap) {
  Table table(10'000);
  std::map<Key, Counts> model;
  std::mt19937_64 random(1);
  for (uint64_t at = 1; at <= 50'000; ++at) {
    const Key key{random() % 300, random() % 4};
    const Counts more = random_counts(random);
    add(table, key, {}, at * kTick, more);
    add_to(model[key], more);
  }
  const TableCopy copy = table.copy();
  EXPECT_EQ(copy.other, Counts{});
  EXPECT_EQ(copy.given_up, 0u);
  EXPECT_EQ(copy.made, model.size());
  ASSERT_EQ(copy.rows.size(), model.size());
  for (const Row& row : copy.rows) EXPECT_EQ(row.counts, model.at(row.key));
}

// Whatever happens to rows: an id and `other` keep their counts, and everything that was added is
// there once.
TEST(CountersTable, NothingFallsAndTheSumIsExactWhenRowsGoAndCome) {
  Table table(64);
  std::mt19937_64 random(2);
  Counts sum;
  TableCopy before = table.copy();
  for (uint64_t at = 1; at <= 200'000; ++at) {
    const uint64_t now_ns = at * kTick + at / 50'000 * 2 * Table::kIdle_ns;
    const Counts more = random_counts(random);
    add(table, {random() % 1000, 0}, {}, now_ns, more);
    add_to(sum, more);
    if (at % 1000 != 0) continue;
    const TableCopy copy = table.copy();
    ASSERT_EQ(sum_of(copy), sum);
    ASSERT_GE(copy.other.pages, before.other.pages);
    std::map<uint64_t, const Row*> rows;
    for (const Row& row : copy.rows) {
      ASSERT_LE(row.id, copy.made);
      ASSERT_TRUE(rows.emplace(row.id, &row).second);
    }
    uint64_t others = copy.other.pages - before.other.pages;
    for (const Row& row : before.rows) {
      if (const auto found = rows.find(row.id); found != rows.end()) {
        ASSERT_EQ(found->second->key, row.key);
        ASSERT_GE(found->second->counts.pages, row.counts.pages);
      } else {
        ASSERT_GE(others, row.counts.pages);  // so no difference is negative
        others -= row.counts.pages;
      }
    }
    before = copy;
  }
  EXPECT_GT(before.given_up, 0u);
  EXPECT_GT(before.other.lifecycles, 0u);
  EXPECT_LE(before.rows.size(), 64u);
}

TEST(CountersTable, AnIdleRowGivesUpItsPlaceAndComesBackAsAnother) {
  Table table(1);  // 16 places: all of them are in reach of each key
  for (uint64_t key = 1; key <= 16; ++key) add(table, {key, 0}, {}, key, {.pages = key});
  const uint64_t id = row_of(table.copy(), {1, 0})->id;
  add(table, {100, 0}, {}, 50, {.pages = 7});  // nobody is idle
  EXPECT_EQ(table.copy().other.pages, 7u);
  add(table, {101, 0}, {}, 2 + Table::kIdle_ns, {.pages = 9});  // the first is
  TableCopy copy = table.copy();
  EXPECT_EQ(row_of(copy, {1, 0}), nullptr);
  EXPECT_EQ(row_of(copy, {101, 0})->counts.pages, 9u);
  EXPECT_EQ(copy.other.pages, 8u);
  EXPECT_EQ(copy.given_up, 1u);
  add(table, {1, 0}, {}, 10 * Table::kIdle_ns, {.pages = 3});
  copy = table.copy();
  EXPECT_EQ(row_of(copy, {1, 0})->counts.pages, 3u);
  EXPECT_GT(row_of(copy, {1, 0})->id, id);
}

TEST(CountersTable, WhoComesOftenSoonHasARowInAFullTable) {
  Table table(64);
  std::mt19937_64 random(3);
  uint64_t now_ns = 0, heavy = 0;
  for (int at = 0; at < 20'000; ++at) {  // many that come once
    add(table, {1000 + random() % 100'000, 0}, {}, now_ns += kTick, {.pages = 1});
  }
  for (int at = 0; at < 20'000; ++at, ++heavy) {
    add(table, {7, 0}, {}, now_ns += kTick, {.pages = 1});
    add(table, {1000 + random() % 100'000, 0}, {}, now_ns += kTick, {.pages = 1});
  }
  const TableCopy copy = table.copy();
  ASSERT_NE(row_of(copy, {7, 0}), nullptr);
  EXPECT_GT(row_of(copy, {7, 0})->counts.pages, heavy * 99 / 100);
}

TEST(CountersTable, ANameIsTheLastOfItsProcess) {
  Table table(100);
  const Comm sh = comm_of("sh"), make = comm_of("make"), thread = comm_of("worker"), none{};
  const auto name = [&] { return std::string(comm_text(table.copy().rows.at(0).comm)); };
  add(table, {5, 0}, {&thread, true}, 1, {});
  EXPECT_EQ(name(), "worker");
  add(table, {5, 0}, {&sh}, 2, {});
  add(table, {5, 0}, {&thread, true}, 3, {});
  add(table, {5, 0}, {&none}, 4, {});
  EXPECT_EQ(name(), "sh");
  add(table, {5, 0}, {&make}, 5, {});  // exec: the same process
  EXPECT_EQ(name(), "make");
  EXPECT_EQ(table.copy().made, 1u);
}

TEST(CountersTable, ANumberThatComesBackAfterLongUnderAnotherNameIsAnotherProcess) {
  Table table(100);
  const Comm old = comm_of("old"), young = comm_of("young"), thread = comm_of("thread");
  add(table, {5, 0}, {&old}, 1, {.pages = 10});
  add(table, {5, 0}, {&thread, true}, 2 + Table::kIdle_ns, {.pages = 1});
  EXPECT_EQ(table.copy().rows.at(0).counts.pages, 11u);
  add(table, {5, 0}, {&old}, 4 + 2 * Table::kIdle_ns, {.pages = 1});
  EXPECT_EQ(table.copy().made, 1u);
  add(table, {5, 0}, {&young}, 6 + 3 * Table::kIdle_ns, {.pages = 2});
  const TableCopy copy = table.copy();
  ASSERT_EQ(copy.rows.size(), 1u);
  EXPECT_EQ(copy.rows[0].id, 2u);
  EXPECT_EQ(copy.rows[0].counts.pages, 2u);
  EXPECT_EQ(copy.other.pages, 12u);
}

// Each event adds the same to all counts, and rows come and go all the time: a copy that had a row in
// part, twice, or not at all, would show.
TEST(CountersTable, WhoReadsMeanwhileSeesEveryCountOnce) {
  Table table(32);
  std::atomic<uint64_t> begun{0}, ended{0};
  std::jthread writer([&](const std::stop_token& stop) {
    std::mt19937_64 random(4);
    for (uint64_t at = 1; !stop.stop_requested(); ++at) {
      begun = at;
      add(table, {random() % 200, 0}, {}, at * kTick, {.lifecycles = 1, .pages = 1, .wait_ns = 1});
      ended = at;
    }
  });
  TableCopy copy;
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  for (int met = 0; met < 20'000 && std::chrono::steady_clock::now() < until;) {
    const uint64_t least = ended;
    copy = table.copy();
    const uint64_t most = begun;
    if (most > least + 1) ++met;  // the writer was at work meanwhile
    for (const Row& row : copy.rows) {
      ASSERT_EQ(row.counts.lifecycles, row.counts.pages);
      ASSERT_EQ(row.counts.lifecycles, row.counts.wait_ns);
    }
    const uint64_t sum = sum_of(copy).lifecycles;
    ASSERT_GE(sum, least);
    ASSERT_LE(sum, most);
  }
  writer.request_stop();
  writer.join();
  EXPECT_GT(copy.given_up, 1000u);
}

}  // namespace
}  // namespace swaptrail::counters
