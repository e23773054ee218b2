// What refills the lists, daemons and allocation of Linux 2.4.
#include <gtest/gtest.h>

#include "tests/engine/linux_2_4_steps.h"

namespace swaptrail::engine::linux_2_4::daemons_tests {
namespace {

class Linux24Daemons : public Linux24Fixture {};

// --- refill_inactive, do_try_to_free_pages, try_to_free_pages ---

TEST_F(Linux24Daemons, RefillInactiveAlwaysTrimsTheSlab) {
  os.refill_inactive(kGfpUser, true);
  EXPECT_EQ(os.counters_2_4().slab_reaps, 1u);
}

TEST_F(Linux24Daemons, RefillInactiveBeginsWithTheActiveListAndStopsEarlyForAUser) {
  for (uint64_t page = 0; page < 700; ++page) active(page, 0);
  write_pages(os, 0, 1000, 100);
  EXPECT_EQ(os.page_cluster(), 3u);
  leave_free(os, 5);
  const uint64_t unmapped = os.counters().unmapped;
  EXPECT_EQ(os.refill_inactive(kGfpUser, true), 1);
  EXPECT_EQ(os.pages().nr_inactive_dirty_pages(), 8u);  // 2^page_cluster
  EXPECT_EQ(os.counters().unmapped, unmapped);
  EXPECT_EQ(os.counters_2_4().dcache_shrinks, 0u);
  os.refill_inactive(kGfpUser, false);
  EXPECT_GT(os.pages().nr_inactive_dirty_pages(), 24u);
}

TEST_F(Linux24Daemons, RefillInactiveShrinksDcacheAndIcacheAndSwapsOutIfTheActiveListIsNotEnough) {
  write_pages(os, 0, 0, 900);  // none of them is on a list
  leave_free(os, 5);
  ASSERT_EQ(os.pages().nr_active_pages(), 0u);
  EXPECT_EQ(os.refill_inactive(kGfpKswapd, false), 1);
  EXPECT_GT(os.counters_2_4().dcache_shrinks, 0u);
  EXPECT_EQ(os.counters_2_4().dcache_shrinks, os.counters_2_4().icache_shrinks);
  EXPECT_GT(os.counters().unmapped, 20u);
  EXPECT_EQ(os.inactive_shortage(), 0u);
}

TEST_F(Linux24Daemons, RefillInactiveEndsWithAScanOfTheWholeActiveList) {
  for (uint64_t page = 0; page < 30; ++page) os.pages()[active(page, 0)].count = 2;
  leave_free(os, 5);
  const uint64_t before = os.counters().scanned;
  EXPECT_EQ(os.refill_inactive(kGfpKswapd, false), 0);  // nothing was moved
  // 30 >> 6, 5, ... 0, and all once more.
  EXPECT_EQ(os.counters().scanned - before, 0u + 0 + 1 + 3 + 7 + 15 + 30 + 30);
}

TEST_F(Linux24Daemons, DoTryToFreePagesLaundersIfFreePagesLack) {
  inactive_dirty(0);
  os.do_try_to_free_pages(kGfpUser, true);
  EXPECT_EQ(os.counters_2_4().bdflush_wakeups, 0u);  // nothing lacks
  EXPECT_EQ(os.counters_2_4().slab_reaps, 1u);       // unused slab memory is reclaimed instead
  EXPECT_EQ(os.counters_2_4().dcache_shrinks, 0u);
  leave_free(os, 5);
  os.do_try_to_free_pages(kGfpUser, true);
  EXPECT_EQ(os.counters_2_4().bdflush_wakeups, 1u);
  EXPECT_EQ(os.counters().swapped_out, 1u);
}

TEST_F(Linux24Daemons, DoTryToFreePagesRefillsIfThatIsNotEnoughAndShrinksDcacheAndIcache) {
  write_pages(os, 0, 0, 900);
  leave_free(os, 5);
  os.do_try_to_free_pages(kGfpKswapd, false);
  EXPECT_GT(os.pages().nr_inactive_dirty_pages(), 0u);
  EXPECT_GT(os.counters_2_4().dcache_shrinks, 0u);
  EXPECT_GT(os.counters_2_4().icache_shrinks, 0u);
}

TEST_F(Linux24Daemons, TryToFreePagesDoesNothingForWhoMayNotWait) {
  inactive_dirty(0);
  leave_free(os, 5);
  EXPECT_EQ(os.try_to_free_pages(kGfpIo), 1);
  EXPECT_EQ(os.counters().swapped_out, 0u);
  os.try_to_free_pages(kGfpUser);
  EXPECT_EQ(os.counters().swapped_out, 1u);
  EXPECT_EQ(os.writes_under_way(), 0u);  // a user process waits
}

// --- kswapd, wakeup_kswapd, kreclaimd, kswapd_init ---

TEST_F(Linux24Daemons, KswapdFreesPagesIfTheyLackAndSleepsWhenTheyDoNot) {
  write_pages(os, 0, 0, 900);
  const uint64_t scanned = os.counters().scanned;
  os.kswapd();
  EXPECT_EQ(os.counters().unmapped, 0u);  // nothing lacks
  EXPECT_EQ(os.counters().scanned, scanned);
  leave_free(os, 15);
  ASSERT_GT(os.free_shortage(), 0u);
  os.kswapd();
  EXPECT_TRUE(os.free_shortage() == 0 || os.inactive_shortage() == 0);
  EXPECT_EQ(os.writes_under_way(), 0u);
}

TEST_F(Linux24Daemons, KswapdScansA64thOfTheActiveListOnceASecondSoAllOfItInAMinute) {
  for (uint64_t page = 0; page < 640; ++page) active(page, 64);
  uint64_t most = 0;
  uint64_t runs = os.counters_2_4().kswapd_runs;
  for (uint64_t second = 0; second < 64; ++second) {
    const uint64_t before = os.counters().scanned;
    for (int step = 0; step < 1000; ++step) read_page(os, 1, 0);
    most = std::max(most, os.counters().scanned - before);
  }
  runs = os.counters_2_4().kswapd_runs - runs;
  EXPECT_GE(runs, 63u);  // it wakes by itself
  EXPECT_LE(runs, 65u);
  EXPECT_EQ(most, 10u);
  uint64_t seen = 0;
  for (const uint32_t frame : frames_of(os.pages().active_list()))
    seen += os.pages()[frame].age < 64;
  EXPECT_GE(seen, 600u);
}

TEST_F(Linux24Daemons, WakeupKswapdLetsItRunLaterAndBlockWaitsForIt) {
  const uint64_t runs = os.counters_2_4().kswapd_runs;
  os.wakeup_kswapd(false);
  EXPECT_TRUE(os.kswapd_is_woken());
  EXPECT_EQ(os.counters_2_4().kswapd_runs, runs);
  write_page(os, 0, 0);  // when the process is done with its fault
  EXPECT_EQ(os.counters_2_4().kswapd_runs, runs + 1);
  EXPECT_FALSE(os.kswapd_is_woken());
  os.wakeup_kswapd(true);
  EXPECT_EQ(os.counters_2_4().kswapd_runs, runs + 2);
}

TEST_F(Linux24Daemons, KswapdIsWokenEarlierIfItIsNeeded) {
  write_pages(os, 0, 0, 1023);  // a step less than a second
  EXPECT_GT(os.counters_2_4().kswapd_runs, 0u);
  EXPECT_GT(os.counters().unmapped, 0u);
}

TEST_F(Linux24Daemons, KswapdKillsAProcessIfItCouldNotFreeEnough) {
  Linux24 full(generation_options(kFrames, 0));
  write_pages(full, 0, 0, 500);
  write_pages(full, 1, 0, 300);
  leave_free(full, full.pages().freepages_min());
  ASSERT_TRUE(full.out_of_memory());
  full.kswapd();
  EXPECT_EQ(full.counters_2_4().oom_kills, 1u);
  EXPECT_EQ(full.process(0), nullptr);
  EXPECT_FALSE(full.out_of_memory());
  full.kswapd();
  EXPECT_EQ(full.counters_2_4().oom_kills, 1u);
}

TEST_F(Linux24Daemons, NobodyIsKilledWhileSwapHasRoom) {
  write_pages(os, 0, 0, 500);
  leave_free(os, 5);
  EXPECT_FALSE(os.out_of_memory());
  os.kswapd();
  EXPECT_EQ(os.counters_2_4().oom_kills, 0u);
}

TEST_F(Linux24Daemons, KreclaimdMovesInactiveCleanPagesToTheFreeOnesOfEachZone) {
  for (uint64_t page = 0; page < 40; ++page) inactive_clean(page);
  leave_free(os, 5);
  os.kreclaimd();
  EXPECT_EQ(os.pages().nr_free_pages(), os.pages().zones()[0].pages_low);
  EXPECT_EQ(os.pages().nr_inactive_clean_pages(), 40 - 15u);
  os.kreclaimd();  // not needed
  EXPECT_EQ(os.pages().nr_inactive_clean_pages(), 40 - 15u);
}

TEST_F(Linux24Daemons, AllocPagesWakesKreclaimdWhenAZoneHasFewFreePages) {
  for (uint64_t page = 0; page < 60; ++page) inactive_clean(page);
  leave_free(os, 5);
  const uint64_t runs = os.counters_2_4().kreclaimd_runs;
  write_page(os, 0, 100);
  EXPECT_GT(os.counters_2_4().kreclaimd_runs, runs);
}

TEST_F(Linux24Daemons, AllocPagesReclaimsDirectlyIfThePageIsForWhoMayWait) {
  for (uint64_t page = 0; page < 60; ++page) inactive_clean(page);
  leave_free(os, 12);
  const uint32_t oldest = os.pages().oldest_inactive_clean(os.pages().zones()[0]);
  EXPECT_EQ(os.__alloc_pages(kGfpUser), oldest);
  EXPECT_EQ(os.pages().nr_free_pages(), 12u);
  EXPECT_NE(os.__alloc_pages(0), Pages24::kEnd);
  EXPECT_EQ(os.pages().nr_free_pages(), 11u);
}

TEST_F(Linux24Daemons, WhoMayNotDoIoFreesPagesHimselfInsteadOfWaitingForKswapd) {
  write_page(os, 0, 1000);
  for (uint64_t page = 0; page < 60; ++page) os.pages()[inactive_dirty(page)].dirty = false;
  leave_free(os, 0);
  EXPECT_NE(os.__alloc_pages(kGfpWait), Pages24::kEnd);
}

TEST_F(Linux24Daemons, KswapdInitSetsUpPageClusterByMemory) {
  for (const auto& [frames, order] :
       {std::pair{4095u, 2u}, {4096u, 3u}, {8191u, 3u}, {8192u, 4u}}) {
    GenerationOptions options = generation_options(frames, 10);
    options.page_cluster = 1;
    Linux24 machine(options);
    EXPECT_EQ(machine.page_cluster(), 1u);  // what the user wants
    machine.kswapd_init();
    EXPECT_EQ(machine.page_cluster(), order) << frames;
    EXPECT_FALSE(machine.kswapd_is_woken());
  }
}

}  // namespace
}  // namespace swaptrail::engine::linux_2_4::daemons_tests
