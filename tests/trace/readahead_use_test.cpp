// What becomes of pages that were read ahead, event by event. Real kernels: tests/vm/readahead.py.
#include "trace/readahead/readahead_use.h"

#include <gtest/gtest.h>

#include "tests/scene/trace_scene.h"
#include "trace/decode.h"

namespace swaptrail::readahead {
namespace {

constexpr uint64_t kFirst = make_entry(1, 800);

class ReadaheadUseTest : public ::testing::Test {
 protected:
  swaptrail_event event(swaptrail_kind kind, uint64_t page, uint16_t pages = 1) {
    swaptrail_event made{};
    made.kind = static_cast<uint8_t>(kind);
    made.entry = kFirst + page;
    made.nr_pages = pages;
    made.time_ns = now += 1000;
    made.tid = made.tgid = tid;
    return made;
  }
  void send(const swaptrail_event& made) { use.on_event(made, 0); }
  void read(uint64_t page, uint16_t pages = 1, uint64_t cgroup = 7) {
    swaptrail_event made = event(SWAPTRAIL_SWAP_READ, page, pages);
    made.state = SWAPTRAIL_STATE_SWAPCACHE;
    made.u.page.cgroup = cgroup;
    send(made);
  }
  // A pass that began so long ago.
  void fault(uint64_t page, uint64_t took_ns, int32_t result = 0, uint16_t mapped = 1,
             uint16_t first_page = 0) {
    swaptrail_event made = event(SWAPTRAIL_SWAP_IN, page);
    made.u.map.value = took_ns;
    made.u.map.ptes = mapped;
    made.u.map.first_page = first_page;
    made.result = result;
    send(made);
  }
  void free(uint64_t page, uint16_t state = 0) {
    swaptrail_event made = event(SWAPTRAIL_SLOT_FREED, page);
    made.state = state;
    send(made);
  }
  void later() { use.on_time(now += 3 * kSecond); }
  Counts all() const {
    Counts sum;
    for (const Row& row : use.rows()) sum.add(row.counts);
    return sum;
  }
  void expect(uint64_t wanted, uint64_t used, uint64_t dropped, uint64_t pending) const {
    const Counts counts = all();
    EXPECT_EQ(counts.wanted, wanted);
    EXPECT_EQ(counts.used, used);
    EXPECT_EQ(counts.dropped, dropped);
    EXPECT_EQ(counts.pending(), pending);
  }

  ReadaheadUse use{{}};
  uint64_t now = 100 * kSecond;
  uint32_t tid = 40;
};

TEST_F(ReadaheadUseTest, AFaultWantsItsOwnPageAndReadsOthersAhead) {
  for (uint64_t page = 0; page < 8; ++page) read(page);
  expect(0, 0, 0, 8);
  fault(3, 9000);
  expect(1, 0, 0, 7);
  fault(4, 100);  // by the same thread, later
  tid = 41;
  fault(5, 100);
  expect(1, 2, 0, 5);
  ASSERT_EQ(use.rows().size(), 1u);
  EXPECT_EQ(use.rows()[0].area, 1u);
  EXPECT_EQ(use.rows()[0].cgroup, 7u);
}

// The first pass reads, and must wait; the next one maps.
TEST_F(ReadaheadUseTest, AFaultThatWaitsWantsItsPageOnce) {
  read(0);
  read(1);
  fault(0, 5000, SWAPTRAIL_FAULT_RETRY, 0);
  expect(1, 0, 0, 1);
  now += kSecond;
  fault(0, 100);
  expect(1, 0, 0, 1);
}

// The slot is freed inside the fault that maps the page, and reported before it.
TEST_F(ReadaheadUseTest, ASlotIsFreedBeforeTheFaultReports) {
  read(0);
  read(1);
  free(0);
  fault(0, 5000);
  expect(1, 0, 0, 1);
  tid = 41;
  send(event(SWAPTRAIL_CACHE_DELETED, 1));
  free(1);
  expect(1, 0, 0, 1);
  fault(1, 5000);
  expect(1, 1, 0, 0);
}

TEST_F(ReadaheadUseTest, WhatNobodyMapsIsDropped) {
  for (uint64_t page = 0; page < 5; ++page) read(page);
  fault(0, 9000);
  swaptrail_event removed = event(SWAPTRAIL_REMOVED, 1);  // reclaim
  send(removed);
  removed.entry = kFirst + 2;
  removed.result = 1;
  send(removed);
  expect(1, 0, 1, 3);
  free(3);  // its process has ended
  expect(1, 0, 1, 3);
  EXPECT_FALSE(use.has_due(now));
  EXPECT_TRUE(use.has_due(now + 3 * kSecond));
  later();
  expect(1, 0, 2, 2);
  read(1);  // it must have gone, and nobody saw it
  expect(1, 0, 3, 2);
  EXPECT_EQ(all().read, 6u);
  swaptrail_event taken = event(SWAPTRAIL_SLOT_ALLOCATED, 4);
  send(taken);
  expect(1, 0, 4, 1);
}

TEST_F(ReadaheadUseTest, ALargeFolioIsReadAsOne) {
  read(0, 4);
  read(4, 4);
  fault(2, 9000, 0, 4, 2);
  expect(4, 0, 0, 4);
  fault(5, 100, 0, 4, 1);
  expect(4, 4, 0, 0);
}

TEST_F(ReadaheadUseTest, SharedMemoryAndSwapoff) {
  read(0);
  read(1);
  swaptrail_event made = event(SWAPTRAIL_SHMEM_SWAP_IN, 0);
  made.u.map.value = 9000;
  made.u.map.ptes = 1;
  send(made);
  expect(1, 0, 0, 1);
  free(1, SWAPTRAIL_STATE_SWAPOFF);
  expect(2, 0, 0, 0);
}

TEST_F(ReadaheadUseTest, WhatIsReadPastTheCacheDoesNotCount) {
  swaptrail_event made = event(SWAPTRAIL_SWAP_READ, 0);
  send(made);
  EXPECT_TRUE(use.rows().empty());
}

TEST_F(ReadaheadUseTest, ASampledPageStandsForOthers) {
  swaptrail_event made = event(SWAPTRAIL_SWAP_READ, 0);
  made.state = SWAPTRAIL_STATE_SWAPCACHE | 4 << SWAPTRAIL_STATE_SAMPLE_SHIFT;
  send(made);
  fault(0, 5000);
  expect(16, 0, 0, 0);
}

TEST_F(ReadaheadUseTest, WhatFindsNoRoomIsCounted) {
  ReadaheadUse small({.max_pages = 4, .max_rows = kMostAreaTypes + 1});
  for (uint64_t page = 0; page < 10; ++page) {
    swaptrail_event made = event(SWAPTRAIL_SWAP_READ, page);
    made.state = SWAPTRAIL_STATE_SWAPCACHE;
    made.u.page.cgroup = 100 + page;
    small.on_event(made, 0);
  }
  const std::vector<Row> rows = small.rows();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].cgroup, 0u);
  EXPECT_EQ(rows[0].counts.read, 9u);
  EXPECT_EQ(rows[0].counts.not_followed, 6u);
  EXPECT_EQ(rows[0].counts.pending() + rows[1].counts.pending(), 4u);
}

TEST_F(ReadaheadUseTest, HandsEverythingOn) {
  struct Next : EventSink {
    void on_event(const swaptrail_event&, uint64_t sequence) override { sum += sequence; }
    void on_loss(const Loss& loss) override { sum += loss.count; }
    void on_time(uint64_t now_ns) override { sum += now_ns; }
    uint64_t sum = 0;
  } next;
  use.hand_on_to(next);
  use.on_event(event(SWAPTRAIL_SWAP_READ, 0), 1);
  use.on_loss({0, 1, 20, 0});
  use.on_time(300);
  EXPECT_EQ(next.sum, 321u);
}

}  // namespace
}  // namespace swaptrail::readahead
