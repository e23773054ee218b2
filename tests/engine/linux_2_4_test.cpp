// swap_out() of Linux 2.4, and what it calls.
#include "engine/generations/linux_2_4.h"

#include <gtest/gtest.h>

#include <cstring>

#include "tests/engine/linux_2_4_steps.h"

namespace swaptrail::engine::linux_2_4::statements_tests {
namespace {

// --- try_to_swap_out ---

TEST(Linux24SwapOut, TryToSwapOutAgesUpAPageThatWasAccessedRecentlyAndFails) {
  Linux24 os(generation_options(kFrames, 4096));
  write_page(os, 0, 0);
  EXPECT_EQ(page_of(os, 0).age, 2);
  EXPECT_EQ(try_to_swap_out(os, 0, 0), 0);
  EXPECT_EQ(page_of(os, 0).age, 5);
  EXPECT_FALSE(os.pte(0, 0)->young);
  EXPECT_TRUE(os.pte(0, 0)->present());
  for (int round = 0; round < 30; ++round) {
    read_page(os, 0, 0);
    try_to_swap_out(os, 0, 0);
  }
  EXPECT_EQ(page_of(os, 0).age, 64);
}

TEST(Linux24SwapOut, TryToSwapOutFailsWhileThePageIsInActiveUse) {
  Linux24 os(generation_options(kFrames, 4096));
  write_page(os, 0, 0);
  try_to_swap_out(os, 0, 0);
  // 5, and half of it each time.
  for (const int age : {2, 1}) {
    EXPECT_EQ(try_to_swap_out(os, 0, 0), 0);
    EXPECT_EQ(page_of(os, 0).age, age);
    EXPECT_TRUE(os.pte(0, 0)->present());
  }
  EXPECT_EQ(try_to_swap_out(os, 0, 0), 0);
  EXPECT_FALSE(os.pte(0, 0)->present());
}

TEST(Linux24SwapOut, TryToSwapOutLeavesALockedPage) {
  Linux24 os(generation_options(kFrames, 4096));
  write_page(os, 0, 0);
  entry_of(os, 0, 0).young = false;
  page_of(os, 0).age = 0;
  page_of(os, 0).locked = true;
  EXPECT_EQ(try_to_swap_out(os, 0, 0), 0);
  EXPECT_TRUE(os.pte(0, 0)->present());
}

TEST(Linux24SwapOut, TryToSwapOutClearsTheEntryAndFlushesTheTlb) {
  Linux24 os(generation_options(kFrames, 4096));
  write_page(os, 0, 0);
  swap_page_out(os, 0, 0);
  EXPECT_TRUE(os.pte(0, 0)->swapped());
  EXPECT_EQ(os.counters().unmapped, 1u);
  EXPECT_EQ(os.counters().tlb_flushes, 1u);
  EXPECT_EQ(os.process(0)->rss, 0u);
}

TEST(Linux24SwapOut, TryToSwapOutDropsAPageOfTheSwapCacheWithoutFreeingMemory) {
  Linux24 os(generation_options(kFrames, 4096));
  write_page(os, 0, 0);
  swap_page_out(os, 0, 0);
  const uint64_t entry = os.pte(0, 0)->entry();
  read_page(os, 0, 0);  // from the swap cache
  const uint64_t resident = os.resident();
  swap_page_out(os, 0, 0);
  EXPECT_EQ(os.pte(0, 0)->entry(), entry);  // the slot that it had
  EXPECT_EQ(os.resident(), resident);
  EXPECT_EQ(os.swap_map().swap_count(entry), 2);  // the entry's and the cache's
  expect_sound(os);
}

TEST(Linux24SwapOut, TryToSwapOutDropsACleanPageWhichStaysInThePageCache) {
  Linux24 os(generation_options(kFrames, 4096));
  VmArea image = region(0, 10);
  image.kind = VmAreaKind::kImage;
  ASSERT_TRUE(os.map(0, image).ok());
  read_page(os, 0, 3);
  const uint32_t frame = frame_of(os, 0, 3);
  const uint64_t resident = os.resident();
  swap_page_out(os, 0, 3);
  EXPECT_EQ(os.pte(0, 3)->kind, OldPte::Kind::kNone);
  EXPECT_EQ(os.resident(), resident);  // no real memory was freed
  EXPECT_EQ(os.pages()[frame].list, List24::kInactiveDirty);
  read_page(os, 0, 3);
  EXPECT_EQ(frame_of(os, 0, 3), frame);
  EXPECT_EQ(os.counters().minor_faults, 1u);
  EXPECT_EQ(os.counters_2_4().image_reads, 1u);
  expect_sound(os);
}

TEST(Linux24SwapOut, TryToSwapOutGivesADirtyPageASwapEntryAndDirtiesIt) {
  Linux24 os(generation_options(kFrames, 4096));
  write_page(os, 0, 0);
  const uint32_t frame = frame_of(os, 0, 0);
  EXPECT_EQ(os.pages()[frame].list, List24::kNone);  // anonymous memory is on no list yet
  swap_page_out(os, 0, 0);
  EXPECT_EQ(os.pte(0, 0)->entry(), make_entry(0, 1));
  EXPECT_TRUE(os.pages()[frame].dirty);
  EXPECT_TRUE(os.pages()[frame].in_swap_cache);
  EXPECT_EQ(os.pages()[frame].list, List24::kInactiveDirty);
  EXPECT_EQ(os.counters().swapped_out, 0u);  // page_launder() will write it
  expect_sound(os);
}

TEST(Linux24SwapOut, TryToSwapOutDirtiesAPageOfAFileAndDropsIt) {
  Linux24 os(generation_options(kFrames, 4096));
  uint64_t stored = 0;
  auto method = std::make_shared<SwapMethod>();
  method->swapout = [&](uint64_t, uint64_t token) { return stored = token, true; };
  method->swapin = [&](uint64_t) { return stored; };
  VmArea area = region(0, 10);
  area.method = method;
  ASSERT_TRUE(os.map(0, area).ok());
  write_page(os, 0, 0);
  const uint32_t frame = frame_of(os, 0, 0);
  const uint64_t token = os.token_of(frame);
  swap_page_out(os, 0, 0);
  EXPECT_TRUE(os.pages()[frame].dirty);
  EXPECT_EQ(os.swap_map().nr_swap_pages(), os.swap_map().total());
  reclaim_all(os);
  EXPECT_EQ(stored, token);
  EXPECT_EQ(os.resident(), 0u);
  read_page(os, 0, 0);
  expect_sound(os);
}

TEST(Linux24SwapOut, TryToSwapOutReturnsZeroAlwaysButOneIfTheTurnOfTheProcessIsOver) {
  Linux24 os(generation_options(kFrames, 4096));
  write_page(os, 0, 0);
  OldProcess& mm = *os.process(0);
  for (int look = 0; look < 6; ++look) EXPECT_EQ(try_to_swap_out(os, 0, 0), 0);
  EXPECT_FALSE(os.pte(0, 0)->present());
  read_page(os, 0, 0);
  mm.swap_cnt = 0;
  EXPECT_EQ(os.try_to_swap_out(mm, mm.areas.at(0), 0, mm.tables[0], kGfpUser), 1);
  EXPECT_TRUE(os.pte(0, 0)->young);  // not looked at
}

TEST(Linux24SwapOut, TryToSwapOutKeepsTheEntryIfThereIsNoSlot) {
  Linux24 os(generation_options(kFrames, 1));
  write_page(os, 0, 0);
  write_page(os, 0, 1);
  swap_page_out(os, 0, 0);
  entry_of(os, 0, 1).young = false;
  page_of(os, 1).age = 0;
  EXPECT_EQ(try_to_swap_out(os, 0, 1), 0);
  EXPECT_TRUE(os.pte(0, 1)->present());
  EXPECT_TRUE(os.pte(0, 1)->dirty);
  EXPECT_EQ(os.counters().no_slot, 1u);
}

// --- swap_out, swap_out_mm, swap_out_vma, swap_out_pgd, swap_out_pmd ---

TEST(Linux24SwapOut, SwapOutChoosesTheLargestProcessAndGoesOnWhereItStopped) {
  Linux24 os(generation_options(kFrames, 4096));
  write_pages(os, 0, 0, 96);
  write_pages(os, 1, 0, 480);
  EXPECT_EQ(os.swap_out(6, kGfpUser), 1);
  EXPECT_EQ(os.process(1)->swap_address, 15u);  // a 32nd
  EXPECT_EQ(os.process(0)->swap_address, 0u);
  EXPECT_EQ(os.process(0)->swap_cnt, 8u);  // at least
  EXPECT_FALSE(os.pte(1, 14)->young);
  EXPECT_TRUE(os.pte(1, 15)->young);
  EXPECT_EQ(os.swap_out(6, kGfpUser), 1);  // the other's turn: this one's is used up
  EXPECT_EQ(os.process(0)->swap_address, 8u);
  EXPECT_EQ(os.process(1)->swap_address, 15u);
  EXPECT_EQ(os.swap_out(6, kGfpUser), 1);
  EXPECT_EQ(os.process(1)->swap_address, 30u);
}

TEST(Linux24SwapOut, SwapOutReturnsZeroAtTheEndOfAProcessAndIfThereIsNone) {
  Linux24 os(generation_options(kFrames, 4096));
  EXPECT_EQ(os.swap_out(6, kGfpUser), 0);
  write_pages(os, 0, 0, 5);
  EXPECT_EQ(os.swap_out(6, kGfpUser), 0);
  EXPECT_EQ(os.process(0)->swap_address, 0u);
  EXPECT_EQ(os.process(0)->swap_cnt, 0u);
}

TEST(Linux24SwapOut, SwapOutVmaPassesOverALockedArea) {
  Linux24 os(generation_options(kFrames, 4096));
  VmArea locked = region(10, 20);
  locked.locked = true;
  ASSERT_TRUE(os.map(0, locked).ok());
  write_pages(os, 0, 0, 30);
  for (int round = 0; round < 40; ++round) os.swap_out(0, kGfpUser);
  for (uint64_t page = 0; page < 30; ++page)
    EXPECT_EQ(os.pte(0, page)->present(), page >= 10 && page < 20) << page;
}

TEST(Linux24SwapOut, SwapOutPgdAndPmdWalkAllTablesOfASparseProcess) {
  Linux24 os(generation_options(kFrames, 4096));
  const uint64_t pages[] = {0,
                            1023,
                            1024,
                            (uint64_t{1} << kPgdShift) - 1,
                            uint64_t{1} << kPgdShift,
                            kMostWorkloadPages - 1};
  for (const uint64_t page : pages) write_page(os, 0, page);
  for (int round = 0; round < 5; ++round) os.swap_out(0, kGfpUser);
  for (const uint64_t page : pages) EXPECT_TRUE(os.pte(0, page)->swapped()) << page;
  EXPECT_EQ(os.counters().unmapped, 6u);
}

}  // namespace
}  // namespace swaptrail::engine::linux_2_4::statements_tests
