// A pool that takes no more when it is full.
#include "engine/whatif/refusing_pool.h"

#include <gtest/gtest.h>

namespace swaptrail::engine {
namespace {

swaptrail_event pool_event(swaptrail_kind kind, uint64_t entry) {
  swaptrail_event event{};
  event.kind = kind;
  event.entry = entry;
  event.nr_pages = 1;
  return event;
}

// Of a pool with room for two pages.
class RefusingPoolTest : public testing::Test {
 protected:
  void leave(uint64_t entry, uint8_t backend = SWAPTRAIL_BACKEND_DEVICE) {
    Lifecycle lifecycle;
    lifecycle.entry = entry;
    lifecycle.backend = backend;
    lifecycle.outcome =
        backend == SWAPTRAIL_BACKEND_NONE ? Outcome::kFreedClean : freed_to(backend);
    pool_.on_lifecycle(lifecycle);
  }
  void come_back(uint64_t entry, ReturnHow how = ReturnHow::kSwappedIn) {
    if (how == ReturnHow::kSwappedIn) pool_.on_event(pool_event(SWAPTRAIL_SWAP_READ, entry));
    Return back;
    back.entry = entry;
    back.how = how;
    back.major = true;
    back.fault_ns = how == ReturnHow::kSwappedIn ? 100 : 0;
    pool_.on_return(back);
  }
  void expect(uint64_t written, uint64_t read, uint64_t loaded) const {
    EXPECT_EQ(pool_.counters().written, written);
    EXPECT_EQ(pool_.counters().read, read);
    EXPECT_EQ(pool_.counters().loaded, loaded);
    EXPECT_EQ(pool_.counters().wait_ns, 100 * read);
    EXPECT_EQ(pool_.counters().load_faults, loaded);
  }
  RefusingPool pool_{2};
};

TEST_F(RefusingPoolTest, TheFirstStayAndTheRestIsWritten) {
  for (uint64_t entry = 1; entry <= 5; ++entry) leave(entry);
  for (uint64_t entry = 1; entry <= 5; ++entry) come_back(entry);
  expect(3, 3, 2);
}

TEST_F(RefusingPoolTest, APageThatIsNeededOrFreedMakesRoom) {
  leave(1);
  leave(2);
  come_back(1);
  leave(3);
  come_back(2, ReturnHow::kSlotFreed);
  leave(4);
  expect(0, 0, 1);
  leave(5);
  expect(1, 0, 1);
}

TEST_F(RefusingPoolTest, WhatWasLoadedIsStoredAgainThoughItDidNotChange) {
  leave(1);
  come_back(1);
  leave(1, SWAPTRAIL_BACKEND_NONE);
  come_back(1);
  expect(0, 0, 2);
  leave(2);
  leave(3);
  leave(1, SWAPTRAIL_BACKEND_NONE);  // no room
  expect(1, 0, 2);
}

TEST_F(RefusingPoolTest, WhatIsOnTheDeviceUnchangedStaysThere) {
  for (uint64_t entry = 1; entry <= 3; ++entry) leave(entry);
  come_back(3);
  come_back(1);
  leave(3, SWAPTRAIL_BACKEND_NONE);
  come_back(3);
  expect(1, 2, 1);
  pool_.on_event(pool_event(SWAPTRAIL_SLOT_ALLOCATED, 3));  // another page has the slot now
  leave(3);
  come_back(3);
  expect(1, 2, 2);
}

TEST_F(RefusingPoolTest, ASlotThatIsGivenAnewHoldsNothing) {
  leave(1);
  leave(2);
  pool_.on_event(pool_event(SWAPTRAIL_SLOT_ALLOCATED, 1));  // its return was not seen
  leave(3);
  expect(0, 0, 0);
}

TEST_F(RefusingPoolTest, ZerosNeedNoRoom) {
  for (uint64_t entry = 1; entry <= 5; ++entry) leave(entry, SWAPTRAIL_BACKEND_ZERO);
  leave(6);
  leave(7);
  expect(0, 0, 0);
}

TEST_F(RefusingPoolTest, ALossEmptiesIt) {
  leave(1);
  leave(2);
  pool_.on_loss({.from_ns = 1, .to_ns = 2, .count = 0, .cpu = 0});  // a mark of time
  leave(3);
  expect(1, 0, 0);
  pool_.on_loss({.from_ns = 1, .to_ns = 2, .count = 1, .cpu = 0});
  leave(4);
  expect(1, 0, 0);
  come_back(1);
  expect(1, 1, 0);
}

}  // namespace
}  // namespace swaptrail::engine
