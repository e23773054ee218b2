// What is said of swapping a page out in Linux 4.4, statement by statement.
#include "engine/generations/linux_4_4.h"

#include <gtest/gtest.h>

#include "tests/engine/linux_4_4_steps.h"

namespace swaptrail::engine::linux_4_4 {
namespace {

// ---- the question, and its answer --------------------------------------------------------------

TEST_F(Linux44, AddToSwapReturns1AndThePageTableEntryIsStillPresent) {
  Folio& page = hand_.locked(3);
  EXPECT_EQ(add_to_swap(page, machine()), 1);
  EXPECT_TRUE(hand_.present(3));
  EXPECT_TRUE(page_mapped(page));
}

TEST_F(Linux44, AddToSwapOnlyAllocatesSpace) {
  Folio& page = hand_.locked(3);
  ASSERT_EQ(add_to_swap(page, machine()), 1);
  EXPECT_TRUE(PageSwapCache(page));
  EXPECT_NE(page.entry, 0u);
  EXPECT_TRUE(machine().is_cached(page.entry));
  EXPECT_EQ(written(), 0u) << "nothing went out";
  EXPECT_FALSE(PageWriteback(page));
  EXPECT_EQ(machine().resident(), 1u) << "it is in memory as before";
}

TEST_F(Linux44, TryToUnmapIsWhatTakesThePageTableEntryAway) {
  Folio& page = hand_.locked(3);
  ASSERT_EQ(add_to_swap(page, machine()), 1);
  EXPECT_EQ(try_to_unmap(page, TTU_UNMAP, machine()), SWAP_SUCCESS);
  EXPECT_TRUE(hand_.swapped(3));
  EXPECT_EQ(machine().entry_of(hand_.process(), 3).entry(), page.entry);
  EXPECT_EQ(written(), 0u) << "and still nothing went out";
}

TEST_F(Linux44, TryToUnmapTakesItOutOfThePageTablesOfAllProcesses) {
  hand_.write(3);
  const uint32_t child = hand_.fork();
  Folio& page = hand_.folio(3);
  ASSERT_TRUE(machine().world().lock(page));
  ASSERT_EQ(page.mapped, 2u);
  ASSERT_EQ(add_to_swap(page, machine()), 1);
  EXPECT_EQ(try_to_unmap(page, TTU_UNMAP, machine()), SWAP_SUCCESS);
  EXPECT_FALSE(page_mapped(page));
  EXPECT_FALSE(count_present(hand_.process(), 3));
  EXPECT_FALSE(count_present(child, 3));
}

TEST_F(Linux44, NoFunctionButReclaimSwapsASpecificPageOut) {
  EXPECT_FALSE(features().pageout_advice) << "MADV_PAGEOUT is of 5.4";
}

// ---- shrink_page_list ------------------------------------------------------------------------

TEST_F(Linux44, OnlyAnonymousPagesWithoutASlotAreAddedToSwap) {
  Folio& page = hand_.locked(3);
  ASSERT_EQ(add_to_swap(page, machine()), 1);
  const uint64_t entry = page.entry;
  machine().unlock(page);
  std::vector<Folio*> list = {&page};
  shrink_page_list(list, kControl, machine());  // its references are taken
  shrink_page_list(list, kControl, machine());
  EXPECT_EQ(machine().entry_of(hand_.process(), 3).entry(), entry) << "the slot it had";
}

TEST_F(Linux44, WithoutASlotAddToSwapReturns0AndThePageIsActivated) {
  HandMachine full("4.4", 128, 1);
  ASSERT_EQ(add_to_swap(full.locked(1), full.machine()), 1);
  EXPECT_EQ(add_to_swap(full.locked(2), full.machine()), 0);
  full.machine().unlock(full.folio(2));
  full.write(3);
  Folio& page = full.folio(3);
  page.active = false;
  std::vector<Folio*> list = {&page};
  shrink_page_list(list, kControl, full.machine());  // young: it stays for that
  page.active = false;
  EXPECT_EQ(shrink_page_list(list, kControl, full.machine()), 0u);
  EXPECT_TRUE(page.active);
  EXPECT_TRUE(full.present(3));
  EXPECT_FALSE(full.machine().is_locked(page));
}

TEST_F(Linux44, AddingToSwapUpdatesTheMapping) {
  Folio& page = hand_.locked(3);
  EXPECT_EQ(page_mapping(page), nullptr) << "anonymous memory belongs nowhere";
  ASSERT_EQ(add_to_swap(page, machine()), 1);
  ASSERT_NE(page_mapping(page), nullptr);
  EXPECT_EQ(page_mapping(page)->a_ops->writepage, &swap_writepage);
}

TEST_F(Linux44, APageThatWasUsedIsActivatedForOneYoungEntry) {
  hand_.write(3);
  Folio& page = hand_.folio(3);
  page.active = false;
  std::vector<Folio*> list = {&page};
  EXPECT_EQ(shrink_page_list(list, kControl, machine()), 0u);
  EXPECT_TRUE(page.active);
  EXPECT_FALSE(PageSwapCache(page));
}

TEST_F(Linux44, APageIsAllocatedUnmappedWrittenAndInALaterCallFreed) {
  hand_.write(3);
  std::vector<Folio*> list = {&hand_.folio(3)};
  machine().world().references(*list[0]);
  const bool freed_at_once = shrink_page_list(list, kControl, machine()) == 1;
  EXPECT_TRUE(hand_.swapped(3));
  EXPECT_EQ(written(), 1u);
  if (!freed_at_once) {
    ASSERT_EQ(list.size(), 1u);
    EXPECT_TRUE(PageWriteback(*list[0]));
    machine().wait_for_writes();
    EXPECT_EQ(shrink_page_list(list, kControl, machine()), 1u);
  }
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(machine().resident(), 0u);
  hand_.read(3);
  EXPECT_EQ(hand_.so_far().contents_wrong, 0u);
  EXPECT_EQ(hand_.so_far().contents_checked, 1u);
}

TEST_F(Linux44, UnderWritebackItIsKeptAndNotActivated) {
  Folio& page = hand_.locked(3);
  ASSERT_EQ(add_to_swap(page, machine()), 1);
  ASSERT_EQ(try_to_unmap(page, TTU_UNMAP, machine()), SWAP_SUCCESS);
  page.writeback = true;
  page.active = false;
  machine().unlock(page);
  std::vector<Folio*> list = {&page};
  EXPECT_EQ(shrink_page_list(list, kControl, machine()), 0u);
  EXPECT_FALSE(page.active);
  page.writeback = false;
}

// ---- pageout -----------------------------------------------------------------------------------

TEST_F(Linux44, PageoutWritesByTheWritepageOfTheMapping) {
  static int calls;
  calls = 0;
  const address_space_operations counted = {[](Folio&, const ScanControl&, Machine&) {
    ++calls;
    return 0;
  }};
  const address_space mapping = {&counted};
  Folio& page = hand_.locked(3);
  ASSERT_EQ(add_to_swap(page, machine()), 1);
  ASSERT_EQ(try_to_unmap(page, TTU_UNMAP, machine()), SWAP_SUCCESS);
  EXPECT_EQ(pageout(page, &mapping, kControl, machine()), PAGE_SUCCESS);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(written(), 0u) << "only ->writepage writes";
}

TEST_F(Linux44, OnlyADirtyPageIsWritten) {
  Folio& page = written_page(3);
  const uint64_t before = written();
  ASSERT_FALSE(PageDirty(page));
  EXPECT_EQ(pageout(page, page_mapping(page), kControl, machine()), PAGE_CLEAN);
  EXPECT_EQ(written(), before);
}

TEST_F(Linux44, ClearPageDirtyForIoTellsWhetherItWasDirtyAndCleansIt) {
  Folio page;
  page.dirty = true;
  EXPECT_TRUE(clear_page_dirty_for_io(page));
  EXPECT_FALSE(PageDirty(page));
  EXPECT_FALSE(clear_page_dirty_for_io(page));
}

TEST_F(Linux44, ThePageIsCleanAndMarkedForReclaimWhenWritepageIsCalled) {
  const address_space_operations looks = {[](Folio& page, const ScanControl&, Machine&) {
    EXPECT_FALSE(PageDirty(page));
    EXPECT_TRUE(page.reclaim);
    return 0;
  }};
  const address_space mapping = {&looks};
  Folio& page = hand_.locked(3);
  ASSERT_EQ(add_to_swap(page, machine()), 1);
  ASSERT_EQ(try_to_unmap(page, TTU_UNMAP, machine()), SWAP_SUCCESS);
  EXPECT_EQ(pageout(page, &mapping, kControl, machine()), PAGE_SUCCESS);
}

TEST_F(Linux44, APageThatBelongsNowhereIsNotWritten) {
  Folio& page = hand_.locked(3);
  page.mapped = 0;
  page.dirty = true;
  EXPECT_EQ(pageout(page, nullptr, kControl, machine()), PAGE_KEEP);
  EXPECT_TRUE(PageDirty(page));
  page.mapped = 1;
}

TEST_F(Linux44, PageoutCountsAndTracesWhatItWrites) {
  zone counted;
  std::vector<mm_vmscan_writepage> traced;
  scan_control sc;
  sc.zone = &counted;
  sc.trace = &traced;
  Folio& page = hand_.locked(3);
  ASSERT_EQ(add_to_swap(page, machine()), 1);
  ASSERT_EQ(try_to_unmap(page, TTU_UNMAP, machine()), SWAP_SUCCESS);
  ASSERT_EQ(pageout(page, page_mapping(page), sc, machine()), PAGE_SUCCESS);
  EXPECT_EQ(counted.vm_stat[NR_VMSCAN_WRITE], 1u);
  ASSERT_EQ(traced.size(), 1u);
  EXPECT_EQ(traced[0].page, &page);
  EXPECT_EQ(traced[0].reclaim_flags, RECLAIM_WB_ANON | RECLAIM_WB_ASYNC);
  machine().wait_for_writes();
  ASSERT_TRUE(machine().world().lock(page));
  EXPECT_EQ(pageout(page, page_mapping(page), sc, machine()), PAGE_CLEAN);
  EXPECT_EQ(counted.vm_stat[NR_VMSCAN_WRITE], 1u) << "only what is written";
  EXPECT_EQ(traced.size(), 1u);
}

// ---- __remove_mapping --------------------------------------------------------------------------

TEST_F(Linux44, RemoveMappingTakesAnUnusedCleanPageOutOfTheSwapCache) {
  Folio& page = written_page(3);
  const uint64_t entry = page.entry;
  EXPECT_TRUE(__remove_mapping(page_mapping(page), page, machine()));
  EXPECT_FALSE(PageSwapCache(page));
  EXPECT_FALSE(machine().is_cached(entry));
  EXPECT_TRUE(machine().is_locked(page));
  __clear_page_locked(page, machine());
  EXPECT_FALSE(machine().is_locked(page));
  machine().free_removed(page);
  EXPECT_EQ(machine().resident(), 0u);
}

TEST_F(Linux44, APageWithAnotherReferenceIsKept) {
  Folio& page = written_page(3);
  page.extra_references = 1;
  EXPECT_FALSE(__remove_mapping(page_mapping(page), page, machine()));
  page.extra_references = 0;
  page.dirty = true;
  EXPECT_FALSE(__remove_mapping(page_mapping(page), page, machine())) << "it is dirty again";
  page.dirty = false;
  EXPECT_TRUE(__remove_mapping(page_mapping(page), page, machine()));
  machine().free_removed(page);
}

}  // namespace
}  // namespace swaptrail::engine::linux_4_4
