// What is said of swap in Linux 4.19, statement by statement.
#include "engine/generations/linux_4_19.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "engine/generations/generation.h"
#include "engine/generations/machine_generation.h"
#include "engine/steps/entry.h"
#include "tests/engine/hand_machine.h"

namespace swaptrail::engine::linux_4_19 {
namespace {

const ScanControl kNothingSpecial;

class Linux419 : public ::testing::Test {
 protected:
  Machine& machine() { return hand_.machine(); }
  uint64_t written() const { return hand_.so_far().swapped_out_pages; }
  static Folio& unmapped(HandMachine& hand, uint64_t page) {
    Folio& folio = hand.locked(page);
    EXPECT_EQ(add_to_swap(folio, hand.machine()), 1);
    EXPECT_TRUE(try_to_unmap(folio, hand.machine()));
    return folio;
  }
  // Without references, as the second look of reclaim finds it.
  std::vector<Folio*> old_pages(uint64_t count) {
    std::vector<Folio*> list;
    for (uint64_t page = 0; page < count; ++page) {
      hand_.write(page);
      list.push_back(&hand_.folio(page));
      machine().world().references(*list.back());
    }
    return list;
  }

  HandMachine hand_{"4.19", 128, 1000};
  reclaim_stat stat_;
};

// ---- reclaim and add_to_swap -------------------------------------------------------------------

TEST_F(Linux419, ShrinkPageListTakesThePagesOfItsListOneByOne) {
  std::vector<Folio*> list = old_pages(20);
  uint64_t freed = shrink_page_list(list, kNothingSpecial, stat_, machine());
  EXPECT_EQ(freed + list.size(), 20u);
  EXPECT_EQ(written(), 20u);
  machine().wait_for_writes();
  freed += shrink_page_list(list, kNothingSpecial, stat_, machine());
  EXPECT_EQ(freed, 20u);
  EXPECT_EQ(machine().resident(), 0u);
}

TEST_F(Linux419, AnAnonymousPageThatIsNotInTheSwapCacheIsAddedToSwap) {
  std::vector<Folio*> list = old_pages(1);
  ASSERT_FALSE(list[0]->swapcache);
  shrink_page_list(list, kNothingSpecial, stat_, machine());
  EXPECT_TRUE(hand_.swapped(0));
}

TEST_F(Linux419, OneThatIsInTheSwapCacheKeepsItsSlot) {
  Folio& page = hand_.locked(0);
  ASSERT_EQ(add_to_swap(page, machine()), 1);
  const uint64_t entry = page.entry;
  machine().unlock(page);
  machine().world().references(page);
  std::vector<Folio*> list = {&page};
  shrink_page_list(list, kNothingSpecial, stat_, machine());
  EXPECT_EQ(machine().entry_of(hand_.process(), 0).entry(), entry);
}

TEST_F(Linux419, TryToUnmapMakesThePageTableEntryPointToTheSwapEntry) {
  Folio& page = unmapped(hand_, 0);
  EXPECT_TRUE(hand_.swapped(0));
  EXPECT_EQ(machine().entry_of(hand_.process(), 0).entry(), page.entry);
}

TEST_F(Linux419, AddToSwapTakesASlotPutsThePageIntoTheSwapCacheAndMakesItDirty) {
  Folio& page = hand_.locked(0);
  page.dirty = false;
  ASSERT_EQ(add_to_swap(page, machine()), 1);
  EXPECT_NE(page.entry, 0u);
  EXPECT_TRUE(page.swapcache);
  EXPECT_TRUE(machine().is_cached(page.entry));
  EXPECT_TRUE(page.dirty);
  EXPECT_TRUE(hand_.present(0)) << "the page table is not its business";
}

TEST_F(Linux419, GetSwapPageGivesAFreeSlotOfAnArea) {
  SlotOptions options;
  options.generation = linux_4_19::features().allocator;
  SlotAllocator slots(options);
  Area area;
  area.type = 2;
  area.pages = 1001;
  ASSERT_TRUE(slots.swapon(area).ok());
  std::set<uint64_t> seen;
  for (int i = 0; i < 1000; ++i) {
    const swp_entry_t entry = get_swap_page(slots, 0);
    ASSERT_NE(entry, swp_entry_t{}) << i;
    EXPECT_EQ(swp_type(entry), 2u);
    EXPECT_TRUE(seen.insert(swp_offset(entry)).second);
    EXPECT_GE(swp_offset(entry), 1u);
    EXPECT_LE(swp_offset(entry), 1000u);
  }
  EXPECT_EQ(get_swap_page(slots, 0), swp_entry_t{}) << "there is none";
}

TEST_F(Linux419, SlotsAreTakenFromACacheOf64) {
  SlotOptions options;
  options.generation = linux_4_19::features().allocator;
  SlotAllocator slots(options);
  ASSERT_TRUE(slots.swapon(swap_area(0, 4096)).ok());
  get_swap_page(slots, 0);
  EXPECT_EQ(slots.usage().cached, 63u);
}

// ---- swap_writepage ----------------------------------------------------------------------------

TEST_F(Linux419, OnlySwapWritepageDoesTheIo) {
  Folio& page = unmapped(hand_, 0);
  EXPECT_EQ(written(), 0u);
  EXPECT_EQ(swap_writepage(page, machine()), 0);
  EXPECT_EQ(written(), 1u);
}

TEST_F(Linux419, APageWhoseSlotNobodyNeedsIsNotWritten) {
  Folio& page = unmapped(hand_, 0);
  const uint64_t entry = page.entry;
  machine().end_process(hand_.process());
  EXPECT_EQ(swap_writepage(page, machine()), 0);
  EXPECT_EQ(written(), 0u);
  EXPECT_FALSE(page.swapcache);
  EXPECT_FALSE(machine().is_cached(entry)) << "try_to_free_swap took it out of the swap cache";
  EXPECT_FALSE(machine().is_locked(page));
}

TEST_F(Linux419, TryToFreeSwapLeavesASlotThatAPageTableRefersTo) {
  Folio& page = unmapped(hand_, 0);
  EXPECT_FALSE(try_to_free_swap(page, machine()));
  EXPECT_TRUE(page.swapcache);
}

TEST_F(Linux419, WhatFrontswapStoresIsNotWrittenToTheDeviceAndItsWritebackEndsAtOnce) {
  HandMachine zswap("4.19", 128, 1000, 1, true);
  Folio& page = unmapped(zswap, 0);
  EXPECT_EQ(swap_writepage(page, zswap.machine()), 0);
  EXPECT_FALSE(page.writeback);
  EXPECT_FALSE(zswap.machine().is_locked(page));
  EXPECT_EQ(zswap.so_far().counters.write_runs, 0u);
  zswap.machine().wait_for_writes();
  zswap.read(0);
  EXPECT_EQ(zswap.so_far().contents_wrong, 0u);
}

TEST_F(Linux419, FrontswapStoreReturns0OnlyIfSomebodyTookIt) {
  EXPECT_NE(frontswap_store(unmapped(hand_, 0), machine()), 0);
  HandMachine zswap("4.19", 128, 1000, 1, true);
  EXPECT_EQ(frontswap_store(unmapped(zswap, 0), zswap.machine()), 0);
}

TEST_F(Linux419, SwapWritepageDoesNotWaitForTheDevice) {
  uint64_t under_writeback = 0;
  for (uint64_t number = 0; number < 40; ++number) {
    Folio& page = unmapped(hand_, number);
    EXPECT_EQ(__swap_writepage(page, machine()), 0);
    EXPECT_FALSE(machine().is_locked(page));
    under_writeback += page.writeback;
  }
  EXPECT_GT(under_writeback, 20u) << "a device may be fast, but not always";
  machine().wait_for_writes();
  for (uint64_t number = 0; number < 40; ++number) {
    const Folio* const page = machine().folio_of(hand_.process(), number);
    EXPECT_TRUE(page == nullptr || !page->writeback);
  }
}

TEST_F(Linux419, AfterTheWriteThePageLeavesTheSwapCacheAndItsMemoryIsFree) {
  Folio& page = unmapped(hand_, 0);
  const uint64_t entry = page.entry;
  page.dirty = false;  // pageout
  swap_writepage(page, machine());
  machine().wait_for_writes();
  std::vector<Folio*> list = {&page};
  EXPECT_EQ(shrink_page_list(list, kNothingSpecial, stat_, machine()), 1u);
  EXPECT_FALSE(machine().is_cached(entry));
  EXPECT_EQ(machine().resident(), 0u);
  hand_.read(0);
  EXPECT_EQ(hand_.so_far().contents_wrong, 0u);
}

TEST_F(Linux419, EndSwapBioWriteEndsTheWritebackAndAPageThatWasNotTakenIsDirtyAgain) {
  for (const bool failed : {false, true}) {
    Folio& page = unmapped(hand_, failed);
    page.dirty = false;  // pageout
    page.reclaim = true;
    set_page_writeback(page);
    unlock_page(page, machine());
    EXPECT_TRUE(page.writeback);
    EXPECT_FALSE(machine().is_locked(page));
    end_swap_bio_write(page, failed, machine());
    EXPECT_FALSE(page.writeback);
    EXPECT_FALSE(page.reclaim);
    EXPECT_EQ(page.dirty, failed);
  }
}

// ---- entries -----------------------------------------------------------------------------------

TEST(Linux419Entries, TheTypeHasThe7UpperBitsAndTheOffsetThe57BelowThem) {
  static_assert(SWP_TYPE_SHIFT == 57);
  static_assert(SWP_OFFSET_MASK == (uint64_t{1} << 57) - 1);
  EXPECT_EQ(swp_entry(1, 0).val, uint64_t{1} << 57);
  EXPECT_EQ(swp_entry(0, 1).val, 1u);
  EXPECT_EQ(swp_entry(127, SWP_OFFSET_MASK).val, ~uint64_t{0});
}

TEST(Linux419Entries, TypeAndOffsetComeBackFromAnEntry) {
  for (const uint64_t type : {0, 1, 31, 127})
    for (const uint64_t offset : {uint64_t{0}, uint64_t{1}, uint64_t{16384}, SWP_OFFSET_MASK}) {
      EXPECT_EQ(swp_type(swp_entry(type, offset)), type);
      EXPECT_EQ(swp_offset(swp_entry(type, offset)), offset);
    }
}

TEST(Linux419Entries, AnOffsetThatDoesNotFitIsCutOff) {
  EXPECT_EQ(swp_entry(3, (uint64_t{1} << 57) + 5), swp_entry(3, 5));
}

TEST(Linux419Entries, AreTheLayoutThatTheEngineKnows) {
  for (const uint32_t type : {0u, 1u, 31u})
    for (const uint64_t offset : {uint64_t{1}, uint64_t{77777}, SWP_OFFSET_MASK})
      EXPECT_EQ(encode_entry(EntryLayout::kTypeAt57, {type, offset}).value(),
                swp_entry(type, offset).val);
}

// 7 bits could name 128 types. 2 of them are the radix tree's, and so there are no more than 32.
TEST(Linux419Entries, OfThe7BitsOfTheType2AreNotForIt) {
  EXPECT_EQ(64 - SWP_TYPE_SHIFT, MAX_SWAPFILES_SHIFT + RADIX_TREE_EXCEPTIONAL_SHIFT);
  EXPECT_EQ(max_type(EntryLayout::kTypeAt57), (1u << MAX_SWAPFILES_SHIFT) - 1);
  SwapperSpaces spaces;
  EXPECT_EQ(init_swap_address_space(spaces, 127, 100), -22);
}

// ---- address spaces ----------------------------------------------------------------------------

TEST(Linux419Spaces, OneAddressSpaceIsFor64MiB) {
  EXPECT_EQ(SWAP_ADDRESS_SPACE_SHIFT, 14u);
  EXPECT_EQ(SWAP_ADDRESS_SPACE_PAGES, 1u << 14);
  EXPECT_EQ(SWAP_ADDRESS_SPACE_PAGES * 4096, uint64_t{64} << 20);
}

TEST(Linux419Spaces, AnAreaHasAsManyAsItTakesToCoverIt) {
  SwapperSpaces spaces;
  for (const auto& [pages, nr] : std::vector<std::pair<uint64_t, unsigned>>{
           {1, 1}, {16383, 1}, {16384, 1}, {16385, 2}, {100000, 7}}) {
    EXPECT_EQ(init_swap_address_space(spaces, 1, pages), 0);
    EXPECT_EQ(spaces.nr_swapper_spaces[1], nr) << pages;
  }
}

TEST(Linux419Spaces, EachBeginsEmptyWithTheOperationsOfSwap) {
  SwapperSpaces spaces;
  ASSERT_EQ(init_swap_address_space(spaces, 2, 40000), 0);
  ASSERT_EQ(spaces.swapper_spaces[2].size(), 3u);
  for (const address_space& space : spaces.swapper_spaces[2]) {
    EXPECT_EQ(space.nrpages, 0u);
    EXPECT_EQ(space.i_mmap_writable, 0);
    EXPECT_EQ(space.xa_flags, XA_FLAGS_LOCK_IRQ);
    EXPECT_EQ(space.flags, AS_NO_WRITEBACK_TAGS);
    EXPECT_EQ(space.a_ops->writepage, &swap_writepage);
  }
}

TEST(Linux419Spaces, WithoutMemoryForThemThereAreNone) {
  SwapperSpaces spaces;
  EXPECT_EQ(init_swap_address_space(spaces, 2, (kMostSpaces + 1) * SWAP_ADDRESS_SPACE_PAGES), -12);
  EXPECT_EQ(init_swap_address_space(spaces, 2, ~uint64_t{0}), -12);
  EXPECT_EQ(spaces.nr_swapper_spaces[2], 0u);
  EXPECT_EQ(swap_address_space(spaces, swp_entry(2, 1)), nullptr);
}

TEST(Linux419Spaces, ATreeIsChangedOnlyUnderItsLock) {
  SwapperSpaces spaces;
  ASSERT_EQ(init_swap_address_space(spaces, 0, 50000), 0);
  EXPECT_DEATH(radix_tree_insert(spaces, swp_entry(0, 5), 1), "");
  address_space& space = *swap_address_space(spaces, swp_entry(0, 5));
  xa_lock_irq(space);
  EXPECT_DEATH(xa_lock_irq(space), "") << "there is one lock";
  EXPECT_EQ(radix_tree_insert(spaces, swp_entry(0, 5), 1), 0);
  EXPECT_EQ(radix_tree_insert(spaces, swp_entry(0, 5), 2), -17);
  xa_unlock_irq(space);
  EXPECT_EQ(spaces.i_pages.find(make_entry(0, 5)), 1u);
  EXPECT_FALSE(swap_address_space(spaces, swp_entry(0, 20000))->xa_is_locked) << "another's";
}

TEST(Linux419Spaces, TheEntrySaysWhichOne) {
  SwapperSpaces spaces;
  ASSERT_EQ(init_swap_address_space(spaces, 0, 50000), 0);
  ASSERT_EQ(init_swap_address_space(spaces, 3, 50000), 0);
  const auto of = [&](uint64_t type, uint64_t offset) {
    return swap_address_space(spaces, swp_entry(type, offset));
  };
  EXPECT_EQ(of(0, 1), of(0, 16383));
  EXPECT_NE(of(0, 16383), of(0, 16384));
  EXPECT_EQ(of(0, 16384), &spaces.swapper_spaces[0][1]);
  EXPECT_EQ(of(3, 40000), &spaces.swapper_spaces[3][2]);
  EXPECT_NE(of(3, 1), of(0, 1)) << "each area has its own";
  EXPECT_EQ(of(1, 1), nullptr);
  EXPECT_EQ(of(3, 70000), nullptr);
}

TEST(Linux419Spaces, AddToSwapCacheInsertsThePageAtItsOffset) {
  SwapperSpaces spaces;
  ASSERT_EQ(init_swap_address_space(spaces, 1, 50000), 0);
  FrameTable frames(16, 0, 0);
  Folio& page = frames[frames.allocate(0)].folio;
  const swp_entry_t entry = swp_entry(1, 20000);
  EXPECT_EQ(__add_to_swap_cache(spaces, page, entry), 0);
  EXPECT_EQ(spaces.i_pages.find(make_entry(1, 20000)), FrameTable::of(page));
  EXPECT_EQ(page.entry, make_entry(1, 20000)) << "page_private";
  EXPECT_TRUE(page.swapcache);
  EXPECT_EQ(swap_address_space(spaces, entry)->nrpages, 1u);
  EXPECT_EQ(spaces.swapper_spaces[1][0].nrpages, 0u) << "of another address space";
  EXPECT_EQ(page_pgdat(spaces, page).vm_stat[NR_FILE_PAGES], 1);
  EXPECT_EQ(spaces.add_total, 1u);
}

TEST(Linux419Spaces, ALargePageTakesAsManyEntriesAsItHasPages) {
  SwapperSpaces spaces;
  ASSERT_EQ(init_swap_address_space(spaces, 0, 50000), 0);
  FrameTable frames(8, 1, 3);
  Folio& page = frames[frames.allocate(3)].folio;
  EXPECT_EQ(__add_to_swap_cache(spaces, page, swp_entry(0, 512)), 0);
  for (uint32_t i = 0; i < 8; ++i)
    EXPECT_EQ(spaces.i_pages.find(make_entry(0, 512 + i)), FrameTable::of(page) + i);
  EXPECT_EQ(swap_address_space(spaces, swp_entry(0, 512))->nrpages, 8u);
}

TEST(Linux419Spaces, WhereAPageIsAlreadyNoneIsInserted) {
  SwapperSpaces spaces;
  ASSERT_EQ(init_swap_address_space(spaces, 0, 50000), 0);
  FrameTable frames(16, 0, 0);
  Folio& first = frames[frames.allocate(0)].folio;
  Folio& second = frames[frames.allocate(0)].folio;
  ASSERT_EQ(__add_to_swap_cache(spaces, first, swp_entry(0, 5)), 0);
  EXPECT_EQ(__add_to_swap_cache(spaces, second, swp_entry(0, 5)), -17);
  EXPECT_FALSE(second.swapcache);
  EXPECT_EQ(swap_address_space(spaces, swp_entry(0, 5))->nrpages, 1u);
  EXPECT_EQ(spaces.i_pages.find(make_entry(0, 5)), FrameTable::of(first));
}

TEST(Linux419Spaces, OfALargePageThatMeetsAnotherNothingIsInserted) {
  SwapperSpaces spaces;
  ASSERT_EQ(init_swap_address_space(spaces, 0, 50000), 0);
  FrameTable frames(16, 1, 3);
  Folio& small = frames[frames.allocate(0)].folio;
  Folio& large = frames[frames.allocate(3)].folio;
  ASSERT_EQ(__add_to_swap_cache(spaces, small, swp_entry(0, 517)), 0);
  EXPECT_EQ(__add_to_swap_cache(spaces, large, swp_entry(0, 512)), -17);
  for (uint64_t offset = 512; offset < 520; ++offset)
    EXPECT_EQ(spaces.i_pages.find(make_entry(0, offset)) != kNoFrame, offset == 517) << offset;
  EXPECT_EQ(large.entry, 0u);
  EXPECT_EQ(spaces.node.vm_stat[NR_FILE_PAGES], 1);
  EXPECT_EQ(spaces.add_total, 1u);
}

// ---- areas -------------------------------------------------------------------------------------

TEST(Linux419Areas, SwapHasSeveralAreasAndTheNextIsUsedWhenOneIsFull) {
  GenerationOptions options;
  options.frames = 128;
  options.areas.push_back({swap_area(0, 101), 0});
  options.areas.push_back({swap_area(1, 1001), 0});
  const auto generation = make_linux_4_19(options);
  for (int round = 0; round < 2; ++round)
    for (uint64_t page = 0; page < 900; ++page)
      ASSERT_TRUE(generation->step({StepKind::kTouch, true, 0, 0, page}).ok());
  EXPECT_EQ(generation->counters().killed, 0u);
  EXPECT_EQ(generation->counters().contents_wrong, 0u);
}

TEST(Linux419Areas, ASlotIsForOnePage) {
  for (const uint64_t slots : {300, 400}) {
    GenerationOptions options;
    options.frames = 128;
    options.areas.push_back({swap_area(0, slots + 1), 0});
    const auto generation = make_linux_4_19(options);
    uint64_t page = 0;
    while (generation->counters().killed == 0)
      ASSERT_TRUE(generation->step({StepKind::kTouch, true, 0, 0, page++}).ok());
    EXPECT_NEAR(static_cast<double>(page), static_cast<double>(slots + 128), 32) << slots;
  }
}

}  // namespace
}  // namespace swaptrail::engine::linux_4_19
