// The swap cache, sharing, errors, and all together. The swap daemon is in linux_2_0_test.cpp.
#include "engine/generations/linux_2_0.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>

#include "tests/engine/linux_2_0_steps.h"

namespace swaptrail::engine::linux_2_0::memory_tests {
namespace {

// --- The swap cache, sharing, exit ---

TEST(Linux20Memory, AnUnchangedPageNeedsNoSecondWrite) {
  Linux20 os(generation_options(kFrames, 4096));
  make_all_old(os);
  write_page(os, 0, 0);
  scan(os), scan(os);
  const uint64_t entry = os.pte(0, 0)->entry();
  read_page(os, 0, 0);
  EXPECT_EQ(os.swap_cache(frame_of(os, 0, 0)), entry);
  EXPECT_EQ(os.swap_map().swap_count(entry), 1);
  swap_page_out(os, 0);
  EXPECT_EQ(os.pte(0, 0)->entry(), entry);
  EXPECT_EQ(os.counters().swapped_out, 1u);
  EXPECT_EQ(os.counters().writes_saved, 1u);
  read_page(os, 0, 0);
  write_page(os, 0, 0);
  scan(os),
      scan(
          os);  // the second begins at its first page: it is no copy any more, and gives up the slot
  EXPECT_TRUE(os.pte(0, 0)->present());
  EXPECT_EQ(os.swap_map().nr_swap_pages(), os.swap_map().total());
  scan(os);
  EXPECT_EQ(os.counters().swapped_out, 2u);
  expect_sound(os);
}

TEST(Linux20Memory, APageReadForAWriteGivesUpItsSlotAtOnce) {
  Linux20 os(generation_options(kFrames, 4096));
  make_all_old(os);
  write_page(os, 0, 0);
  scan(os), scan(os);
  write_page(os, 0, 0);
  EXPECT_EQ(os.swap_map().nr_swap_pages(), 4096u);
  EXPECT_EQ(os.swap_cache(frame_of(os, 0, 0)), 0u);
  expect_sound(os);
}

TEST(Linux20Memory, AForkSharesPagesUntilAWrite) {
  Linux20 os(generation_options(kFrames, 4096));
  write_pages(os, 0, 0, 10);
  fork_process(os, 0, 1);
  EXPECT_EQ(os.resident(), 10u);
  EXPECT_EQ(os.count(frame_of(os, 0, 3)), 2u);
  write_page(os, 1, 3);
  EXPECT_EQ(os.counters().copies, 1u);
  EXPECT_NE(frame_of(os, 0, 3), frame_of(os, 1, 3));
  write_page(os, 0, 3);  // the only user now
  EXPECT_EQ(os.counters().copies, 1u);
  EXPECT_EQ(os.resident(), 11u);
  exit_process(os, 1);
  EXPECT_EQ(os.resident(), 10u);
  expect_sound(os);
}

TEST(Linux20Memory, ADirtyPageThatOthersShareStays) {
  Linux20 os(generation_options(kFrames, 4096));
  make_all_old(os);
  write_pages(os, 0, 0, 10);
  fork_process(os, 0, 1);
  EXPECT_FALSE(os.try_to_free_page(true));
  EXPECT_EQ(os.counters().unmapped, 0u);
  exit_process(os, 1);
  EXPECT_TRUE(os.try_to_free_page(true));
}

TEST(Linux20Memory, AForkSharesSlotsAndEachReadsItsOwnPage) {
  Linux20 os(generation_options(kFrames, 4096));
  make_all_old(os);
  write_page(os, 0, 0);
  scan(os), scan(os);
  fork_process(os, 0, 1);
  const uint64_t entry = os.pte(0, 0)->entry();
  EXPECT_EQ(os.swap_map().swap_count(entry), 2);
  read_page(os, 0, 0);
  write_page(os, 1, 0);
  EXPECT_EQ(os.swap_map().swap_count(entry), 1);  // the swap cache's
  EXPECT_EQ(os.counters().major_faults, 2u);
  EXPECT_EQ(os.resident(), 2u);
  exit_process(os, 0);
  exit_process(os, 1);
  EXPECT_EQ(os.swap_map().nr_swap_pages(), 4096u);
  EXPECT_EQ(os.resident(), 0u);
  expect_sound(os);
}

// --- Errors ---

TEST(Linux20Memory, WithoutASwapAreaNothingIsWrittenAndTheProcessThatWantsMoreIsKilled) {
  Linux20 os(generation_options(kFrames, 0));
  write_pages(os, 0, 0, 500);
  write_pages(os, 1, 0, 600);
  EXPECT_EQ(os.counters().swapped_out, 0u);
  EXPECT_GT(os.counters().no_slot, 0u);
  EXPECT_EQ(os.counters().killed, 1u);
  EXPECT_NE(os.process(0), nullptr);
  EXPECT_EQ(os.process(1), nullptr);
  const uint64_t steps = os.counters().steps;
  write_page(os, 1, 0);
  fork_process(os, 1, 2);
  write_page(os, 2, 0);
  EXPECT_EQ(os.counters().steps, steps + 3);
  EXPECT_EQ(os.process(2), nullptr);
  expect_sound(os);
}

TEST(Linux20Memory, AFullAreaEndsLikeNone) {
  Linux20 os(generation_options(kFrames, 100));
  write_pages(os, 0, 0, 1200);
  EXPECT_EQ(os.counters().swapped_out, 100u);
  EXPECT_GT(os.counters().no_slot, 0u);
  EXPECT_EQ(os.counters().killed, 1u);
  EXPECT_EQ(os.swap_map().nr_swap_pages(), 100u);  // of whom was killed
  expect_sound(os);
}

TEST(Linux20Memory, APageWhoseWriteFailsStaysAndItsSlotIsFree) {
  Linux20 os(generation_options(kFrames, 4096, 1.0));
  make_all_old(os);
  write_pages(os, 0, 0, 10);
  EXPECT_FALSE(os.try_to_free_page(true));
  EXPECT_GT(os.counters().write_errors, 0u);
  EXPECT_EQ(os.counters().swapped_out, 0u);
  EXPECT_EQ(os.swap_map().nr_swap_pages(), 4096u);
  EXPECT_EQ(rss(os, 0), 10u);
  expect_sound(os);
}

// --- All together ---

TEST(Linux20Memory, RandomWorkloadsKeepAllInvariants) {
  for (const double error_rate : {0.0, 0.2}) {
    for (uint64_t seed = 1; seed <= 6; ++seed) {
      Linux20 os(generation_options(128 + seed * 30, seed % 2 == 0 ? 4000 : 700, error_rate));
      RandomSteps steps(seed, 20, 300);
      for (int at = 0; at < 30000; ++at) {
        ASSERT_TRUE(os.step(steps.next()).ok());
        if (at % 1000 == 0) expect_sound(os);
      }
      expect_sound(os);
      EXPECT_GT(os.counters().swapped_in, 100u);
    }
  }
}

TEST(Linux20Memory, TheSameSeedGivesTheSameCounters) {
  GenerationCounters first;
  for (int round = 0; round < 2; ++round) {
    const auto os = make_generation("2.0", generation_options(200, 4000, 0.1));
    ASSERT_TRUE(os.ok());
    RandomSteps steps(5, 20, 300);
    for (int at = 0; at < 20000; ++at) ASSERT_TRUE((*os)->step(steps.next()).ok());
    if (round == 0)
      first = (*os)->counters();
    else
      EXPECT_EQ(std::memcmp(&first, &(*os)->counters(), sizeof first), 0);
  }
}

TEST(Linux20Memory, StepsThatNoWorkloadMayHaveAreRefused) {
  Linux20 os(generation_options(kFrames, 100));
  write_page(os, 0, 0);
  EXPECT_FALSE(os.step({.process = 0, .page = kMostWorkloadPages}).ok());
  EXPECT_FALSE(os.step({.kind = StepKind::kFork, .process = 0, .child = 0}).ok());
  EXPECT_FALSE(os.map(0, region(0, 10)).ok());  // there is a page
  EXPECT_FALSE(os.map(0, region(5, 5)).ok());
  expect_sound(os);
}

// --- What is known of its choice ---

// Faults of the second half of `rounds` loops over `pages` pages, by access.
double loop_faults(uint64_t frames, uint64_t pages, int rounds) {
  Linux20 os(generation_options(frames, pages * 2));
  uint64_t before = 0;
  for (int round = 0; round < rounds; ++round) {
    if (round == rounds / 2) before = os.counters().major_faults;
    for (uint64_t page = 0; page < pages; ++page) write_page(os, 0, page);
  }
  return static_cast<double>(os.counters().major_faults - before) /
         static_cast<double>((rounds - rounds / 2) * static_cast<int64_t>(pages));
}

TEST(Linux20Memory, ALoopThatIsALittleLargerThanMemoryFaultsAtNearlyEveryAccess) {
  EXPECT_EQ(loop_faults(4096, 4000, 10), 0.0);
  EXPECT_GT(loop_faults(4096, 4300, 10), 0.9);  // 5 % more than there is
}

// A loop over 2000 hot pages, and after each of them a page that is used once. An exact LRU would keep the hot ones: no more
// than 4000 pages are used between two uses of one, and 4032 frames may be in use.
TEST(Linux20Memory, PagesThatAreUsedOncePushOutPagesThatAreUsedAgainAndAgain) {
  Linux20 os(generation_options(4096, 100000));
  uint64_t once = 1000000, faults = 0;
  for (int round = 0; round < 20; ++round) {
    for (uint64_t hot = 0; hot < 2000; ++hot) {
      const uint64_t before = os.counters().major_faults;
      write_page(os, 0, hot);
      if (round >= 10) faults += os.counters().major_faults - before;
      write_page(os, 0, once++);
    }
  }
  EXPECT_GT(faults, 10u * 2000 / 4);
  expect_sound(os);
}

}  // namespace
}  // namespace swaptrail::engine::linux_2_0::memory_tests
