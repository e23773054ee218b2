// The lists of Linux 2.4, and what lacks on them.
#include <gtest/gtest.h>

#include "tests/engine/linux_2_4_steps.h"

namespace swaptrail::engine::linux_2_4::lists_tests {
namespace {

class Linux24Lists : public Linux24Fixture {};

// --- reclaim_page ---

TEST_F(Linux24Lists, ReclaimPageTakesOnePageOfTheInactiveCleanList) {
  const uint32_t first = inactive_clean(0), second = inactive_clean(1);
  Pages24::Zone& zone = os.pages().zones()[0];
  const uint64_t pressure = os.memory_pressure();
  EXPECT_EQ(os.reclaim_page(zone), first);  // the oldest
  EXPECT_EQ(list(first), List24::kNone);
  EXPECT_FALSE(os.pages()[first].in_swap_cache);
  EXPECT_EQ(os.pages()[first].count, 1u);
  EXPECT_EQ(os.pages()[first].age, 2);
  EXPECT_EQ(os.swap_map().swap_count(os.pte(0, 0)->entry()), 1);  // the entry's alone
  EXPECT_GT(os.memory_pressure(), pressure);
  EXPECT_EQ(os.reclaim_page(zone), second);
  EXPECT_EQ(os.reclaim_page(zone), Pages24::kEnd);
}

TEST_F(Linux24Lists, ReclaimPageReturnsAUsedPageToTheActiveList) {
  const uint32_t referenced = inactive_clean(0), aged = inactive_clean(1);
  const uint32_t mapped = inactive_clean(2), idle = inactive_clean(3);
  os.pages()[referenced].referenced = true;
  os.pages()[aged].age = 1;
  os.pages()[mapped].count = 2;
  EXPECT_EQ(os.reclaim_page(os.pages().zones()[0]), idle);
  for (const uint32_t frame : {referenced, aged, mapped}) EXPECT_EQ(list(frame), List24::kActive);
  EXPECT_FALSE(os.pages()[referenced].referenced);
}

TEST_F(Linux24Lists, ReclaimPageMovesADirtyOrLockedPageToInactiveDirty) {
  const uint32_t dirty = inactive_clean(0), locked = inactive_clean(1), idle = inactive_clean(2);
  os.pages()[dirty].dirty = true;
  os.pages()[locked].locked = true;
  EXPECT_EQ(os.reclaim_page(os.pages().zones()[0]), idle);
  EXPECT_EQ(list(dirty), List24::kInactiveDirty);
  EXPECT_EQ(list(locked), List24::kInactiveDirty);
}

TEST_F(Linux24Lists, ReclaimPageIsForOneZone) {
  const uint64_t sizes[] = {512, 512};
  Linux24 two(generation_options(kFrames, 4096), sizes);
  VmArea image;
  image.kind = VmAreaKind::kImage, image.end = 1000;
  ASSERT_TRUE(two.map(0, image).ok());
  std::vector<uint32_t> frames;
  for (uint64_t page = 0; page < 700; ++page) {
    read_page(two, 0, page);
    frames.push_back(two.pte(0, page)->frame());
  }
  exit_process(two, 0);
  for (const uint32_t frame : frames) {
    two.pages()[frame].age = 0;
    two.pages().move(frame, List24::kInactiveClean);
  }
  for (int round = 0; round < 20; ++round) {
    EXPECT_LT(two.reclaim_page(two.pages().zones()[0]), 512u);
    EXPECT_GE(two.reclaim_page(two.pages().zones()[1]), 512u);
  }
}

// --- page_launder ---

TEST_F(Linux24Lists, PageLaunderReturnsAUsedPageToTheActiveList) {
  const uint32_t referenced = inactive_dirty(0), aged = inactive_dirty(1);
  const uint32_t mapped = inactive_dirty(2);
  os.pages()[referenced].referenced = true;
  os.pages()[aged].age = 1;
  os.pages()[mapped].count = 2;
  os.page_launder(kGfpUser, false);
  for (const uint32_t frame : {referenced, aged, mapped}) EXPECT_EQ(list(frame), List24::kActive);
}

TEST_F(Linux24Lists, PageLaunderMovesALockedPageToTheEndOfTheList) {
  const uint32_t locked = inactive_dirty(0), other = inactive_dirty(1), last = inactive_dirty(2);
  os.pages()[locked].locked = true;
  os.pages()[other].dirty = os.pages()[last].dirty = false;
  EXPECT_EQ(frames_of(os.pages().inactive_dirty_list()),
            (std::vector<uint32_t>{locked, other, last}));
  EXPECT_EQ(os.page_launder(0, false), 2u);
  EXPECT_EQ(frames_of(os.pages().inactive_dirty_list()), (std::vector<uint32_t>{locked}));
}

TEST_F(Linux24Lists, PageLaunderMovesCleanPagesToInactiveCleanAndReturnsHowMany) {
  for (uint64_t page = 0; page < 5; ++page) os.pages()[inactive_dirty(page)].dirty = page < 2;
  EXPECT_EQ(os.page_launder(kGfpUser, false), 3u);
  EXPECT_EQ(os.pages().nr_inactive_clean_pages(), 3u);
  EXPECT_EQ(os.pages().nr_inactive_dirty_pages(), 2u);
}

TEST_F(Linux24Lists, PageLaunderDoesNotWriteTheFirstTimeThrough) {
  const uint32_t first = inactive_dirty(0), second = inactive_dirty(1);
  ASSERT_EQ(os.free_shortage(), 0u);
  EXPECT_EQ(os.page_launder(kGfpUser, false), 0u);
  EXPECT_EQ(os.counters().swapped_out, 0u);
  // Each was moved to the other end.
  EXPECT_EQ(frames_of(os.pages().inactive_dirty_list()), (std::vector<uint32_t>{first, second}));
  EXPECT_EQ(os.counters().scanned, 2u + 2u);  // and try_to_swap_out
}

TEST_F(Linux24Lists, PageLaunderWritesInItsSecondLoopIfFreePagesStillLack) {
  const uint32_t frame = inactive_dirty(0);
  leave_free(os, 5);
  ASSERT_GT(os.free_shortage(), 0u);
  EXPECT_EQ(os.page_launder(kGfpUser, false), 0u);
  EXPECT_EQ(os.counters().swapped_out, 1u);
  EXPECT_EQ(os.writes_under_way(), 1u);
  EXPECT_TRUE(os.pages()[frame].locked);
  EXPECT_EQ(list(frame), List24::kInactiveDirty);
  EXPECT_EQ(os.counters_2_4().bdflush_wakeups, 1u);  // and bdflush is woken
  os.finish_writes();
  EXPECT_EQ(os.page_launder(kGfpUser, false), 1u);
  EXPECT_EQ(list(frame), List24::kInactiveClean);
}

TEST_F(Linux24Lists, PageLaunderDoesNotWriteWithoutIo) {
  inactive_dirty(0);
  leave_free(os, 5);
  EXPECT_EQ(os.page_launder(kGfpWait, false), 0u);
  EXPECT_EQ(os.counters().swapped_out, 0u);
}

TEST_F(Linux24Lists, PageLaunderWaitsForTheWritesOfAUserProcessIfNothingWasClean) {
  inactive_dirty(0);
  leave_free(os, 5);
  os.page_launder(kGfpUser, true);
  EXPECT_EQ(os.counters().swapped_out, 1u);
  EXPECT_EQ(os.writes_under_way(), 0u);
}

TEST_F(Linux24Lists, PageLaunderDoesNotWaitIfSomethingWasClean) {
  inactive_dirty(0);
  os.pages()[inactive_dirty(1)].dirty = false;
  leave_free(os, 5);
  EXPECT_EQ(os.page_launder(kGfpUser, true), 1u);
  EXPECT_EQ(os.writes_under_way(), 1u);
}

TEST_F(Linux24Lists, PageLaunderDoesNotWriteAPageOfWhichThisIsTheLastUse) {
  const uint32_t frame = inactive_dirty(0);
  exit_process(os, 0);
  leave_free(os, 5);
  os.page_launder(kGfpUser, false);
  EXPECT_EQ(os.counters().swapped_out, 0u);
  EXPECT_EQ(os.counters_2_4().dead_pages, 1u);
  os.page_launder(kGfpUser, false);
  EXPECT_EQ(list(frame), List24::kInactiveClean);
}

// --- refill_inactive_scan ---

TEST_F(Linux24Lists, RefillInactiveScanAgesUpAReferencedPageAndClearsTheBit) {
  const uint32_t frame = active(0, 4);
  os.pages()[frame].referenced = true;
  EXPECT_EQ(os.refill_inactive_scan(0, false), 0);
  EXPECT_FALSE(os.pages()[frame].referenced);
  EXPECT_EQ(os.pages()[frame].age, 7);
  EXPECT_EQ(list(frame), List24::kActive);
}

TEST_F(Linux24Lists, RefillInactiveScanAgesDownAndDeactivatesAtZero) {
  const uint32_t frame = active(0, 4);
  for (const int age : {2, 1}) {
    EXPECT_EQ(os.refill_inactive_scan(0, false), 0);
    EXPECT_EQ(os.pages()[frame].age, age);
  }
  EXPECT_EQ(os.refill_inactive_scan(0, false), 1);
  EXPECT_EQ(list(frame), List24::kInactiveDirty);
}

TEST_F(Linux24Lists, RefillInactiveScanKeepsAPageThatIsMapped) {
  const uint32_t frame = active(0, 0);
  os.pages()[frame].count = 2;
  EXPECT_EQ(os.refill_inactive_scan(0, false), 0);
  EXPECT_EQ(list(frame), List24::kActive);
}

TEST_F(Linux24Lists, RefillInactiveScanMovesWhatStaysToTheOtherEnd) {
  const uint32_t first = active(0, 64), second = active(1, 64), third = active(2, 64);
  os.refill_inactive_scan(1, false);  // half of 3 pages: one
  EXPECT_EQ(frames_of(os.pages().active_list()), (std::vector<uint32_t>{second, third, first}));
}

TEST_F(Linux24Lists, RefillInactiveScanTakesAPartOfTheListByPriority) {
  for (uint64_t page = 0; page < 128; ++page) active(page, 64);
  for (const unsigned priority : {6u, 3u, 0u}) {
    const uint64_t before = os.counters().scanned;
    os.refill_inactive_scan(priority, false);
    EXPECT_EQ(os.counters().scanned - before, 128u >> priority);
  }
}

TEST_F(Linux24Lists, RefillInactiveScanOneshotStopsAfterOne) {
  for (uint64_t page = 0; page < 4; ++page) active(page, 0);
  EXPECT_EQ(os.refill_inactive_scan(0, true), 1);
  EXPECT_EQ(os.pages().nr_inactive_dirty_pages(), 1u);
  EXPECT_EQ(os.refill_inactive_scan(0, false), 1);
  EXPECT_EQ(os.pages().nr_inactive_dirty_pages(), 4u);
  EXPECT_EQ(os.refill_inactive_scan(0, false), 0);
}

// --- shortages ---

TEST_F(Linux24Lists, FreeShortageIsWhatAllZonesLack) {
  EXPECT_EQ(os.pages().freepages_min(), 10u);
  EXPECT_EQ(os.pages().freepages_high(), 30u);
  EXPECT_EQ(os.free_shortage(), 0u);
  leave_free(os, 12);
  EXPECT_EQ(os.free_shortage(), 18u + os.inactive_target() / 3);
  inactive_clean(0);  // takes a frame, and can be had again
  EXPECT_EQ(os.free_shortage(), 18u + os.inactive_target() / 3);
}

TEST_F(Linux24Lists, FreeShortageIsWhatOneZoneLacksMuch) {
  const uint64_t sizes[] = {512, 512};
  Linux24 two(generation_options(kFrames, 4096), sizes);
  Pages24::Zone& zone = two.pages().zones()[0];
  while (zone.free_pages() > zone.pages_min + 1) two.pages().rmqueue(zone);
  EXPECT_EQ(two.free_shortage(), 0u);
  two.pages().rmqueue(zone);
  two.pages().rmqueue(zone);
  EXPECT_EQ(two.free_shortage(), 2u);  // though enough are free in all
}

TEST_F(Linux24Lists, InactiveShortageIsWhatTheInactiveListsLack) {
  EXPECT_EQ(os.inactive_shortage(), 0u);
  leave_free(os, 12);
  const uint64_t before = os.inactive_shortage();
  EXPECT_EQ(before, 30 + os.inactive_target() - 12);
  active(0, 5);  // a free frame less, and not inactive
  EXPECT_EQ(os.inactive_shortage(), before + 1);
  os.pages().move(os.pages().oldest_active(), List24::kInactiveDirty);
  EXPECT_EQ(os.inactive_shortage(), before);
}

TEST_F(Linux24Lists, TheInactiveTargetFollowsAllocationsAndIsForgotten) {
  write_pages(os, 0, 0, 640);
  EXPECT_EQ(os.inactive_target(), 10u);  // a 64th
  os.recalculate_vm_stats();
  EXPECT_EQ(os.memory_pressure(), 630u);
  for (int page = 0; page < 100000; ++page) write_page(os, 0, static_cast<uint64_t>(page) % 3000);
  EXPECT_EQ(os.inactive_target(), kFrames / 4);  // at most
}

}  // namespace
}  // namespace swaptrail::engine::linux_2_4::lists_tests
