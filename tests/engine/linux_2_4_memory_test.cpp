// The swap cache, readahead, errors, and all together.
#include "engine/generations/linux_2_4.h"

#include <gtest/gtest.h>

#include <cstring>

#include "tests/engine/linux_2_4_steps.h"

namespace swaptrail::engine::linux_2_4::memory_tests {
namespace {

// --- The swap cache, readahead, copy on write ---

TEST(Linux24Memory, APageOnAnInactiveListIsFoundInTheSwapCacheAndActiveAgain) {
  Linux24 os(generation_options(kFrames, 4096));
  write_page(os, 0, 0);
  const uint32_t frame = frame_of(os, 0, 0);
  swap_page_out(os, 0, 0);
  read_page(os, 0, 0);
  EXPECT_EQ(frame_of(os, 0, 0), frame);
  EXPECT_EQ(os.pages()[frame].list, List24::kActive);
  EXPECT_EQ(os.pages()[frame].age, 5);
  EXPECT_EQ(os.counters().minor_faults, 1u);
  EXPECT_EQ(os.counters().swapped_in, 0u);
  expect_sound(os);
}

TEST(Linux24Memory, AFaultReadsTheSlotsAroundItsOwn) {
  GenerationOptions options = generation_options(kFrames, 4096);
  options.page_cluster = 3;
  Linux24 os(options);
  write_pages(os, 0, 0, 24);
  for (uint64_t page = 0; page < 24; ++page) swap_page_out(os, 0, page);
  reclaim_all(os);
  ASSERT_EQ(os.resident(), 0u);
  read_page(os, 0, 10);  // slot 11: slots 8 to 15
  EXPECT_EQ(os.counters().swapped_in, 8u);
  EXPECT_EQ(os.counters().readahead, 7u);
  EXPECT_EQ(os.counters().major_faults, 1u);
  for (uint64_t slot = 1; slot <= 24; ++slot)
    EXPECT_EQ(os.lookup_swap_cache(make_entry(0, slot)) != Pages24::kEnd, slot >= 8 && slot < 16);
  read_page(os, 0, 11);
  EXPECT_EQ(os.counters().readahead_hits, 1u);
  EXPECT_EQ(os.counters().minor_faults, 1u);
  read_page(os, 0, 0);  // slot 1: slots 1 to 7, for 0 is the header
  EXPECT_EQ(os.counters().swapped_in, 15u);
  expect_sound(os);
}

TEST(Linux24Memory, ReadaheadEndsAtAFreeSlot) {
  GenerationOptions options = generation_options(kFrames, 4096);
  options.page_cluster = 3;
  Linux24 os(options);
  write_pages(os, 0, 0, 15);
  for (uint64_t page = 0; page < 15; ++page) swap_page_out(os, 0, page);
  uint64_t first = 0;
  EXPECT_EQ(os.valid_swaphandles(make_entry(0, 9), first), 8u);
  EXPECT_EQ(first, 8u);
  EXPECT_EQ(os.valid_swaphandles(make_entry(0, 15), first), 8u);
  write_page(os, 1, 0);
  swap_page_out(os, 1, 0);  // slot 16
  EXPECT_EQ(os.valid_swaphandles(make_entry(0, 16), first), 1u);
  EXPECT_EQ(first, 16u);
}

TEST(Linux24Memory, APageThatWasReadKeepsItsSlotAndNeedsNoSecondWrite) {
  Linux24 os(generation_options(kFrames, 4096));
  write_page(os, 0, 0);
  swap_page_out(os, 0, 0);
  const uint64_t entry = os.pte(0, 0)->entry();
  reclaim_all(os);
  EXPECT_EQ(os.counters().swapped_out, 1u);
  read_page(os, 0, 0);
  EXPECT_EQ(os.swap_map().swap_count(entry), 1);  // the cache's: the slot is taken all the time
  swap_page_out(os, 0, 0);
  reclaim_all(os);
  EXPECT_EQ(os.resident(), 0u);
  EXPECT_EQ(os.counters().swapped_out, 1u);
  EXPECT_EQ(os.counters().writes_saved, 1u);
  write_page(os, 0, 0);
  EXPECT_TRUE(page_of(os, 0).in_swap_cache);  // it is written to in place
  swap_page_out(os, 0, 0);
  EXPECT_EQ(os.pte(0, 0)->entry(), entry);
  reclaim_all(os);
  EXPECT_EQ(os.counters().swapped_out, 2u);
  read_page(os, 0, 0);
  expect_sound(os);
}

TEST(Linux24Memory, AForkSharesPagesAndSlotsUntilAWrite) {
  Linux24 os(generation_options(kFrames, 4096));
  write_pages(os, 0, 0, 4);
  swap_page_out(os, 0, 0);
  fork_process(os, 0, 1);
  const uint64_t entry = os.pte(1, 0)->entry();
  EXPECT_EQ(os.swap_map().swap_count(entry), 3);
  read_page(os, 0, 0);
  read_page(os, 1, 0);  // the same page, unlike in 2.0
  EXPECT_EQ(frame_of(os, 0, 0), frame_of(os, 1, 0));
  write_page(os, 1, 0);
  write_page(os, 1, 1);
  EXPECT_EQ(os.counters().copies, 2u);
  write_page(os, 0, 1);
  EXPECT_EQ(os.counters().copies, 2u);
  expect_sound(os);
  exit_process(os, 0);
  exit_process(os, 1);
  EXPECT_EQ(os.resident(), 0u);
  EXPECT_EQ(os.swap_map().nr_swap_pages(), 4096u);
  expect_sound(os);
}

TEST(Linux24Memory, APageThatProcessesShareGoesWhenTheLastEntryIsTaken) {
  Linux24 os(generation_options(kFrames, 4096));
  write_page(os, 0, 0);
  fork_process(os, 0, 1);
  const uint32_t frame = frame_of(os, 0, 0);
  swap_page_out(os, 0, 0);
  EXPECT_EQ(os.pages()[frame].list, List24::kActive);  // mapped by the other
  swap_page_out(os, 1, 0);
  EXPECT_EQ(os.pages()[frame].list, List24::kInactiveDirty);
  EXPECT_EQ(os.pte(0, 0)->entry(), os.pte(1, 0)->entry());
  reclaim_all(os);
  EXPECT_EQ(os.counters().swapped_out, 1u);
  read_page(os, 0, 0), read_page(os, 1, 0);
  expect_sound(os);
}

TEST(Linux24Memory, APageOfWhichNobodyHasTheEntryIsNotWritten) {
  Linux24 os(generation_options(kFrames, 4096));
  write_pages(os, 0, 0, 3);
  for (uint64_t page = 0; page < 3; ++page) swap_page_out(os, 0, page);
  exit_process(os, 0);
  EXPECT_EQ(os.resident(), 3u);
  reclaim_all(os);
  EXPECT_EQ(os.resident(), 0u);
  EXPECT_EQ(os.counters().swapped_out, 0u);
  EXPECT_EQ(os.counters_2_4().dead_pages, 3u);
  EXPECT_EQ(os.swap_map().nr_swap_pages(), 4096u);
}

// --- Errors ---

TEST(Linux24Memory, WithoutASwapAreaTheLargestProcessIsKilledAsALastResort) {
  Linux24 os(generation_options(kFrames, 0));
  write_pages(os, 0, 0, 700);
  write_pages(os, 1, 0, 600);
  EXPECT_EQ(os.counters().swapped_out, 0u);
  EXPECT_EQ(os.counters().killed, 1u);
  EXPECT_EQ(os.counters_2_4().oom_kills, 1u);
  EXPECT_EQ(os.process(0), nullptr);  // not the one that wanted memory
  EXPECT_EQ(os.process(1)->rss, 600u);
  const uint64_t steps = os.counters().steps;
  write_page(os, 0, 0);
  EXPECT_EQ(os.counters().steps, steps + 1);
  EXPECT_EQ(os.process(0), nullptr);
  expect_sound(os);
}

TEST(Linux24Memory, AFullAreaEndsLikeNone) {
  Linux24 os(generation_options(kFrames, 200));
  write_pages(os, 0, 0, 1500);
  EXPECT_GT(os.counters().no_slot, 0u);
  EXPECT_EQ(os.counters().killed, 1u);
  EXPECT_LE(os.counters().swapped_out, 200u);
  expect_sound(os);
}

TEST(Linux24Memory, APageWhoseWriteFailsStaysDirtyAndIsActive) {
  Linux24 os(generation_options(kFrames, 4096, 1.0));
  write_page(os, 0, 0);
  const uint32_t frame = frame_of(os, 0, 0);
  swap_page_out(os, 0, 0);
  os.writepage(frame);
  EXPECT_TRUE(os.pages()[frame].locked);
  os.finish_writes();
  EXPECT_EQ(os.counters().write_errors, 1u);
  EXPECT_TRUE(os.pages()[frame].dirty);
  EXPECT_EQ(os.pages()[frame].list, List24::kActive);
  read_page(os, 0, 0);
  EXPECT_EQ(os.counters().contents_checked, 1u);
  expect_sound(os);
}

TEST(Linux24Memory, IfAllWritesFailAProcessIsKilledInTheEnd) {
  Linux24 os(generation_options(128, 4096, 1.0));
  write_pages(os, 0, 0, 300);
  EXPECT_EQ(os.counters().killed, 1u);
  EXPECT_GT(os.counters().write_errors, 0u);
  expect_sound(os);
}

// --- All together ---

TEST(Linux24Memory, RandomWorkloadsKeepAllInvariants) {
  for (const double error_rate : {0.0, 0.2}) {
    for (uint64_t seed = 1; seed <= 6; ++seed) {
      GenerationOptions options =
          generation_options(128 + seed * 30, seed % 2 == 0 ? 4000 : 900, error_rate);
      options.page_cluster = seed % 4;
      const uint64_t zones[] = {64, options.frames - 64};
      Linux24 os(options,
                 seed % 3 == 0 ? std::span<const uint64_t>(zones) : std::span<const uint64_t>());
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

TEST(Linux24Memory, TheSameSeedGivesTheSameCounters) {
  GenerationCounters first;
  for (int round = 0; round < 2; ++round) {
    const auto os = make_generation("2.4", generation_options(200, 4000, 0.1));
    ASSERT_TRUE(os.ok());
    RandomSteps steps(5, 20, 300);
    for (int at = 0; at < 20000; ++at) ASSERT_TRUE((*os)->step(steps.next()).ok());
    if (round == 0)
      first = (*os)->counters();
    else
      EXPECT_EQ(std::memcmp(&first, &(*os)->counters(), sizeof first), 0);
  }
}

// --- What is known of its choice ---

TEST(Linux24Memory, ALoopThatIsALittleLargerThanMemoryReadsNearlyAllOfItEachTime) {
  GenerationOptions options = generation_options(4096, 20000);
  options.page_cluster = 0;
  Linux24 os(options);
  uint64_t before = 0;
  for (int round = 0; round < 10; ++round) {
    if (round == 5) before = os.counters().major_faults;
    for (uint64_t page = 0; page < 4300; ++page) write_page(os, 0, page);
  }
  // First in, first out: the optimum would be 7 %.
  EXPECT_GT(os.counters().major_faults - before, 5u * 4300 * 8 / 10);
  expect_sound(os);
}

TEST(Linux24Memory, ALoopThatJustFitsIsUnmappedAndWrittenAllTheTime) {
  Linux24 os(generation_options(4096, 20000));
  for (int round = 0; round < 20; ++round)
    for (uint64_t page = 0; page < 4030; ++page) write_page(os, 0, page);
  EXPECT_EQ(os.counters().swapped_in, 0u);
  EXPECT_GT(os.counters().minor_faults, 20000u);
  EXPECT_GT(os.counters().swapped_out, 20000u);
  expect_sound(os);
}

TEST(Linux24Memory, PagesInMemoryKeepTheirSlotsSoSwapMustBeLargerThanWhatDoesNotFit) {
  Linux24 os(generation_options(kFrames, 4096));
  for (int round = 0; round < 6; ++round)
    for (uint64_t page = 0; page < 1500; ++page) write_page(os, 0, page);
  const uint64_t used = os.swap_map().total() - os.swap_map().nr_swap_pages();
  const OldProcess& process = *os.process(0);
  EXPECT_GT(used, process.swapped + 400);
  expect_sound(os);
}

TEST(Linux24Memory, AScanOfTwiceTheMemoryLeavesHardlyAPageThatWasUsedOften) {
  Linux24 os(generation_options(4096, 100000));
  for (int round = 0; round < 30; ++round)
    for (uint64_t hot = 0; hot < 2000; ++hot) write_page(os, 0, hot);
  for (uint64_t once = 0; once < 2 * 4096; ++once) write_page(os, 0, 1000000 + once);
  uint64_t left = 0;
  for (uint64_t hot = 0; hot < 2000; ++hot) left += os.pte(0, hot)->present();
  EXPECT_LT(left, 200u);
  expect_sound(os);
}

}  // namespace
}  // namespace swaptrail::engine::linux_2_4::memory_tests
