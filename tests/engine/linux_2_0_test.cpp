#include "engine/generations/linux_2_0.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>

#include "tests/engine/linux_2_0_steps.h"

namespace swaptrail::engine::linux_2_0::statements_tests {
namespace {

// --- The swap daemon looks at each process in turn ---

TEST(Linux20, TheSwapDaemonLooksAtEachProcessInTurn) {
  Linux20 os(generation_options(kFrames, 4096));
  make_all_old(os);
  for (uint32_t process = 0; process < 4; ++process) write_pages(os, process, 0, 100);
  for (int round = 0; round < 4; ++round) os.swap_out(6);  // used a moment ago: none goes
  std::vector<uint32_t> turns;
  for (int page = 0; page < 28; ++page) {
    std::vector<uint64_t> before;
    for (uint32_t process = 0; process < 4; ++process) before.push_back(rss(os, process));
    ASSERT_TRUE(os.try_to_free_page(true));
    for (uint32_t process = 0; process < 4; ++process) {
      if (rss(os, process) == before[process]) continue;
      if (turns.empty() || turns.back() != process) turns.push_back(process);
    }
  }
  // 3 pages of each, for one of its turn's 4 looks is over, then 4.
  EXPECT_EQ(turns, (std::vector<uint32_t>{0, 1, 2, 3, 0, 1, 2, 3}));
  expect_sound(os);
}

TEST(Linux20, SomeProcessesCannotBeSwapped) {
  Linux20 os(generation_options(kFrames, 4096));
  make_all_old(os);
  write_pages(os, 0, 0, 50);
  write_pages(os, 1, 0, 50);
  os.process(0)->swappable = false;
  for (int page = 0; page < 20; ++page) ASSERT_TRUE(os.try_to_free_page(true));
  EXPECT_EQ(rss(os, 0), 50u);
  EXPECT_EQ(rss(os, 1), 30u);
}

TEST(Linux20, AProcessWithoutPagesIsNoCandidate) {
  Linux20 os(generation_options(kFrames, 4096));
  make_all_old(os);
  ASSERT_TRUE(os.map(0, region(0, 10)).ok());  // it has no page
  write_pages(os, 1, 0, 50);
  ASSERT_TRUE(os.try_to_free_page(true));
  EXPECT_EQ(rss(os, 1), 49u);
  Linux20 empty(generation_options(kFrames, 4096));
  EXPECT_FALSE(empty.try_to_free_page(true));
}

// --- Pages are swapped only if the data in them cannot be retrieved another way ---

TEST(Linux20, PagesOfAnImageAreDiscardedAndReadFromTheImageAgain) {
  Linux20 os(generation_options(kFrames, 4096));
  make_all_old(os);
  VmArea image = region(0, 100);
  image.kind = VmAreaKind::kImage, image.object = 3;
  ASSERT_TRUE(os.map(0, image).ok());
  for (uint64_t page = 0; page < 100; ++page) read_page(os, 0, page);
  EXPECT_EQ(os.image_reads(), 100u);
  const uint64_t free = os.nr_free_pages();
  for (int page = 0; page < 100; ++page) ASSERT_TRUE(os.try_to_free_page(true));
  EXPECT_EQ(os.counters().swapped_out, 0u);
  EXPECT_EQ(os.counters().discarded, 100u);
  EXPECT_EQ(os.nr_free_pages(), free + 100);
  EXPECT_EQ(os.pte(0, 7)->kind, OldPte::Kind::kNone);
  for (uint64_t page = 0; page < 100; ++page) read_page(os, 0, page);
  EXPECT_EQ(os.image_reads(), 200u);
  EXPECT_EQ(os.token_of(frame_of(os, 0, 7)), image_token(3, 7));
  expect_sound(os);
}

TEST(Linux20, APageOfAnImageThatWasWrittenToGoesToTheSwapFile) {
  Linux20 os(generation_options(kFrames, 4096));
  make_all_old(os);
  VmArea image = region(0, 10);
  image.kind = VmAreaKind::kImage;
  ASSERT_TRUE(os.map(0, image).ok());
  read_page(os, 0, 1);
  write_page(os, 0, 1);
  EXPECT_EQ(os.counters().copies, 1u);
  while (os.pte(0, 1)->present()) ASSERT_TRUE(os.try_to_free_page(true));
  EXPECT_TRUE(os.pte(0, 1)->swapped());
  EXPECT_EQ(os.counters().swapped_out, 1u);
  read_page(os, 0, 1);
  EXPECT_EQ(os.counters().major_faults, 1u);
  expect_sound(os);
}

TEST(Linux20, AnImagePageThatTwoProcessesHaveGoesWithTheLastOfThem) {
  Linux20 os(generation_options(kFrames, 4096));
  make_all_old(os);
  VmArea image = region(0, 1);
  image.kind = VmAreaKind::kImage;
  for (uint32_t process = 0; process < 2; ++process) {
    ASSERT_TRUE(os.map(process, image).ok());
    read_page(os, process, 0);
  }
  EXPECT_EQ(os.image_reads(), 1u);
  EXPECT_EQ(os.counters().minor_faults, 1u);
  EXPECT_EQ(os.count(frame_of(os, 0, 0)), 3u);  // and the page cache
  ASSERT_TRUE(os.try_to_free_page(true));
  EXPECT_EQ(os.counters().unmapped, 2u);
  EXPECT_EQ(os.nr_free_pages(), kFrames);
  expect_sound(os);
}

TEST(Linux20, WhatNobodyMapsAnyMoreIsTakenFromThePageCache) {
  Linux20 os(generation_options(kFrames, 0));
  VmArea image = region(0, 5);
  image.kind = VmAreaKind::kImage;
  ASSERT_TRUE(os.map(0, image).ok());
  for (uint64_t page = 0; page < 5; ++page) read_page(os, 0, page);
  exit_process(os, 0);
  EXPECT_EQ(os.resident(), 5u);
  for (int page = 0; page < 5; ++page) ASSERT_TRUE(os.shrink_mmap(0));
  EXPECT_EQ(os.resident(), 0u);
  EXPECT_FALSE(os.shrink_mmap(0));
}

// --- Areas that are not shared or locked ---

TEST(Linux20, SharedAreasAreNotSwapped) {
  Linux20 os(generation_options(kFrames, 4096));
  make_all_old(os);
  VmArea shared = region(0, 20);
  shared.shared = true;
  ASSERT_TRUE(os.map(0, shared).ok());
  write_pages(os, 0, 0, 40);
  fork_process(os, 0, 1);
  write_page(os, 1, 3);  // not a copy: both see it
  EXPECT_EQ(os.token_of(frame_of(os, 0, 3)), os.token_of(frame_of(os, 1, 3)));
  EXPECT_EQ(os.counters().copies, 0u);
  exit_process(os, 1);
  while (os.try_to_free_page(true)) {
  }
  for (uint64_t page = 0; page < 40; ++page)
    EXPECT_EQ(os.pte(0, page)->present(), page < 20) << page;
}

TEST(Linux20, LockedAreasAreNotSwapped) {
  Linux20 os(generation_options(kFrames, 4096));
  make_all_old(os);
  VmArea locked = region(10, 20);
  locked.locked = true;
  ASSERT_TRUE(os.map(0, locked).ok());
  write_pages(os, 0, 0, 40);
  while (os.try_to_free_page(true)) {
  }
  for (uint64_t page = 0; page < 40; ++page)
    EXPECT_EQ(os.pte(0, page)->present(), page >= 10 && page < 20) << page;
}

TEST(Linux20, LockedPagesAreNotSwapped) {
  Linux20 os(generation_options(kFrames, 4096));
  make_all_old(os);
  write_pages(os, 0, 0, 10);
  os.set_locked(frame_of(os, 0, 4), true);
  while (os.try_to_free_page(true)) {
  }
  for (uint64_t page = 0; page < 10; ++page) EXPECT_EQ(os.pte(0, page)->present(), page == 4);
  os.set_locked(frame_of(os, 0, 4), false);
  EXPECT_TRUE(os.try_to_free_page(true));
}

// --- Only a small number of pages ---

TEST(Linux20, OnlyASmallNumberOfPagesIsTakenOfAProcess) {
  Linux20 os(generation_options(8192, 16384));
  make_all_old(os);
  write_pages(os, 0, 0, 3200);
  write_pages(os, 1, 0, 3200);
  EXPECT_EQ(os.age_cluster_size(3200), 100u);  // 32 of 1024
  EXPECT_EQ(os.age_cluster_size(64), 4u);      // but 4 at least
  scan(os), scan(os);
  for (int page = 0; page < 50; ++page) ASSERT_TRUE(os.try_to_free_page(true));
  // At the 100th of a process the other has its turn.
  uint64_t most = 0, before0 = rss(os, 0), before1 = rss(os, 1);
  for (int page = 0; page < 1000; ++page) {
    ASSERT_TRUE(os.try_to_free_page(true));
    const uint64_t lost0 = before0 - rss(os, 0), lost1 = before1 - rss(os, 1);
    most = std::max(most, lost0 > lost1 ? lost0 - lost1 : lost1 - lost0);
  }
  EXPECT_GT(most, 0u);
  EXPECT_LE(most, 200u);
  EXPECT_GT(rss(os, 0), 2400u);
  EXPECT_GT(rss(os, 1), 2400u);
}

// --- Page aging ---

TEST(Linux20, AgeIsThreeAtFirst) {
  Linux20 os(generation_options(kFrames, 4096));
  write_page(os, 0, 0);
  EXPECT_EQ(age_of(os, 0), 3);
}

TEST(Linux20, EachTimeAPageIsTouchedItsAgeIncreasesByThreeToTwenty) {
  Linux20 os(generation_options(kFrames, 4096));
  write_page(os, 0, 0);
  std::vector<int> ages;
  for (int round = 0; round < 8; ++round) {
    EXPECT_FALSE(scan(os));
    ages.push_back(age_of(os, 0));
    read_page(os, 0, 0);
  }
  EXPECT_EQ(ages, (std::vector<int>{6, 9, 12, 15, 18, 20, 20, 20}));
}

TEST(Linux20, EachRunOfTheSwapDaemonDecrementsAgeByOne) {
  Linux20 os(generation_options(kFrames, 4096));
  write_page(os, 0, 0);
  scan(os);
  for (int age = 5; age >= 1; --age) {
    EXPECT_FALSE(scan(os));
    EXPECT_EQ(age_of(os, 0), age);
  }
}

TEST(Linux20, OnlyOldPagesGo) {
  Linux20 os(generation_options(kFrames, 4096));
  write_page(os, 0, 0);
  scan(os);  // 6
  for (int round = 0; round < 5; ++round) EXPECT_FALSE(scan(os));
  EXPECT_TRUE(os.pte(0, 0)->present());
  EXPECT_EQ(age_of(os, 0), 1);
  EXPECT_TRUE(scan(os));
  EXPECT_TRUE(os.pte(0, 0)->swapped());
}

TEST(Linux20, TheFiguresAreInSwapControlAndCanBeChanged) {
  Linux20 os(generation_options(kFrames, 4096));
  EXPECT_EQ(os.swap_control.max_page_age, 20);
  EXPECT_EQ(os.swap_control.page_advance, 3);
  EXPECT_EQ(os.swap_control.page_decline, 1);
  EXPECT_EQ(os.swap_control.page_initial_age, 3);
  os.swap_control = {
      .max_page_age = 9, .page_advance = 5, .page_decline = 4, .page_initial_age = 1};
  write_page(os, 0, 0);
  EXPECT_EQ(age_of(os, 0), 1);
  scan(os);
  EXPECT_EQ(age_of(os, 0), 6);
  read_page(os, 0, 0);
  scan(os);
  EXPECT_EQ(age_of(os, 0), 9);
  scan(os);
  EXPECT_EQ(age_of(os, 0), 5);
  os.swap_control.age_cluster_min = 7, os.swap_control.age_cluster_fract = 512;
  EXPECT_EQ(os.age_cluster_size(10), 7u);
  EXPECT_EQ(os.age_cluster_size(100), 50u);
}

// --- Dirty pages ---

TEST(Linux20, ADirtyPageIsWrittenToASlotAndItsEntrySaysWhere) {
  Linux20 os(generation_options(kFrames, 4096));
  make_all_old(os);
  write_page(os, 0, 5);
  const uint32_t frame = frame_of(os, 0, 5);
  const uint64_t token = os.token_of(frame);
  scan(os);
  ASSERT_TRUE(scan(os));
  const OldPte& pte = *os.pte(0, 5);
  EXPECT_FALSE(pte.present());
  EXPECT_TRUE(pte.swapped());
  EXPECT_EQ(pte.entry(), make_entry(0, 1));
  EXPECT_EQ(os.swap_map().swap_count(pte.entry()), 1);
  EXPECT_EQ(os.counters().swapped_out, 1u);
  read_page(os, 0, 5);
  EXPECT_EQ(os.token_of(frame_of(os, 0, 5)), token);
  EXPECT_EQ(os.counters().major_faults, 1u);
  expect_sound(os);
}

TEST(Linux20, AnAreaWithItsOwnSwapMethodUsesThat) {
  Linux20 os(generation_options(kFrames, 4096));
  make_all_old(os);
  std::map<uint64_t, uint64_t> stored;
  auto method = std::make_shared<SwapMethod>();
  method->swapout = [&](uint64_t page, uint64_t token) { return stored[page] = token, true; };
  method->swapin = [&](uint64_t page) { return stored[page]; };
  VmArea area = region(0, 10);
  area.method = method;
  ASSERT_TRUE(os.map(0, area).ok());
  write_pages(os, 0, 0, 20);
  while (os.try_to_free_page(true)) {
  }
  EXPECT_EQ(stored.size(), 10u);
  EXPECT_EQ(os.counters().swapped_out, 10u);           // those of no such area
  EXPECT_EQ(os.pte(0, 3)->kind, OldPte::Kind::kNone);  // no slot
  EXPECT_TRUE(os.pte(0, 13)->swapped());
  EXPECT_EQ(os.nr_free_pages(), kFrames);  // whatever the method
  for (uint64_t page = 0; page < 10; ++page) read_page(os, 0, page);
  EXPECT_EQ(os.counters().contents_checked, 10u);
  // Unchanged since: they need not be stored again.
  stored.clear();
  for (int page = 0; page < 10; ++page) ASSERT_TRUE(os.try_to_free_page(true));
  EXPECT_TRUE(stored.empty());
  expect_sound(os);
}

TEST(Linux20, AProcessWhoseSwapMethodFailsIsKilled) {
  Linux20 os(generation_options(kFrames, 4096));
  make_all_old(os);
  auto method = std::make_shared<SwapMethod>();
  method->swapout = [](uint64_t, uint64_t) { return false; };
  method->swapin = [](uint64_t) { return uint64_t{0}; };
  VmArea area = region(0, 10);
  area.method = method;
  ASSERT_TRUE(os.map(0, area).ok());
  write_pages(os, 0, 0, 3);
  EXPECT_TRUE(os.try_to_free_page(true));
  EXPECT_EQ(os.process(0), nullptr);
  EXPECT_EQ(os.resident(), 0u);
}

TEST(Linux20, ThePageGoesBackToTheFreeArea) {
  Linux20 os(generation_options(kFrames, 4096));
  make_all_old(os);
  write_page(os, 0, 0);
  const uint32_t frame = frame_of(os, 0, 0);
  const uint64_t free = os.nr_free_pages();
  scan(os), scan(os);
  EXPECT_EQ(os.nr_free_pages(), free + 1);
  EXPECT_EQ(os.free_area().back(), frame);
  EXPECT_EQ(os.count(frame), 0u);
}

TEST(Linux20, TheTlbIsFlushedForEachEntryThatIsChanged) {
  Linux20 os(generation_options(kFrames, 4096));
  make_all_old(os);
  write_pages(os, 0, 0, 30);
  for (int page = 0; page < 30; ++page) ASSERT_TRUE(os.try_to_free_page(true));
  EXPECT_EQ(os.counters().unmapped, 30u);
  EXPECT_EQ(os.counters().tlb_flushes, 30u);
  EXPECT_GE(os.counters().scanned, 30u);
}

// --- The swap daemon sleeps when enough went, and turns to the next process when it wakes ---

TEST(Linux20, TheSwapDaemonSleepsWhenEnoughPagesWent) {
  Linux20 os(generation_options(4096, 16384));
  write_pages(os, 0, 0, 4096 - os.free_pages_high());
  EXPECT_EQ(os.wakeups(), 0u);  // enough is free: it was not even woken
  write_pages(os, 0, 100000, 8);
  const uint64_t freed = os.kswapd();
  EXPECT_EQ(freed, 8u);
  EXPECT_EQ(os.nr_free_pages(), os.free_pages_high());
  EXPECT_EQ(os.kswapd(), 0u);
}

TEST(Linux20, TheNextTimeTheSwapDaemonWakesItConsidersTheNextProcess) {
  Linux20 os(generation_options(4096, 16384));
  make_all_old(os);
  for (uint32_t process = 0; process < 3; ++process) write_pages(os, process, 0, 1330);
  std::vector<uint32_t> order;
  uint64_t fresh = 100000;
  while (os.wakeups() == 0) write_page(os, 0, fresh++);  // the timer's next run is 25 ticks away
  os.kswapd();
  for (int run = 0; run < 6; ++run) {
    for (int page = 0; page < 5; ++page) write_page(os, 3, fresh++);  // fewer than a tick's steps
    std::vector<uint64_t> before;
    for (uint32_t process = 0; process < 3; ++process) before.push_back(rss(os, process));
    if (os.process(3)->swappable) os.process(3)->swappable = false;
    EXPECT_EQ(os.kswapd(), 5u);
    for (uint32_t process = 0; process < 3; ++process)
      if (rss(os, process) < before[process]) order.push_back(process);
  }
  ASSERT_EQ(order.size(), 6u);  // one process each time, 5 of the 41 pages that it may give
  for (size_t at = 1; at < order.size(); ++at) EXPECT_EQ(order[at], (order[at - 1] + 1) % 3);
}

TEST(Linux20, TheSwapDaemonIsWokenByTheTimerWhileMemoryIsLow) {
  Linux20 os(generation_options(4096, 16384));
  write_pages(os, 0, 0, 20000);
  EXPECT_GT(os.wakeups(), 100u);
  EXPECT_GT(os.nr_free_pages(), os.min_free_pages() / 2);
  expect_sound(os);
}

TEST(Linux20, AllProcessesGiveSomethingAndNoneGoesWhole) {
  Linux20 os(generation_options(4096, 65536));
  for (uint64_t page = 0; page < 1000; ++page)
    for (uint32_t process = 0; process < 6; ++process) write_page(os, process, page);
  for (uint32_t process = 0; process < 6; ++process) {
    EXPECT_GT(rss(os, process), 400u) << process;
    EXPECT_GT(os.process(process)->swapped, 150u) << process;
  }
  expect_sound(os);
}

}  // namespace
}  // namespace swaptrail::engine::linux_2_0::statements_tests
