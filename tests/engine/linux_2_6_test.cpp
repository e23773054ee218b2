// The way out and the way back of Linux 2.6, statement by statement.
#include "engine/generations/linux_2_6.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/scene/linux_2_6_scene.h"

namespace swaptrail::engine::linux_2_6 {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;

const std::vector<Area> kOneArea = {area_of(0, 1000)};

// ---- way out

TEST(Linux26, AddToSwapReturnsSuccessAndThePageTableEntryIsStillPresent) {
  Scene scene(128, kOneArea);
  scene.write(0, 7);
  const uint32_t page = scene.page(0, 7);
  scene.linux.lock_page(page);
  EXPECT_TRUE(scene.linux.add_to_swap(page));
  scene.linux.unlock_page(page);
  EXPECT_TRUE(scene.pte(0, 7).present());
  EXPECT_EQ(scene.page(0, 7), page);
  EXPECT_EQ(scene.counters().swapped_out, 0u);
  EXPECT_EQ(scene.counters().unmapped, 0u);
  EXPECT_EQ(scene.audit(), "");
}

TEST(Linux26, AddToSwapReservesASlotAndAddsThePageToTheSwapCache) {
  Scene scene(128, kOneArea);
  scene.write(0, 7);
  const uint32_t page = scene.page(0, 7);
  const uint64_t entry = make_entry(0, 1);
  EXPECT_EQ(scene.linux.cached(entry), kNoPage);
  scene.linux.lock_page(page);
  ASSERT_TRUE(scene.linux.add_to_swap(page));
  EXPECT_EQ(scene.linux.areas().nr_swap_pages(), 998u);
  EXPECT_EQ(scene.users(entry), 1);
  // Area and slot are saved in the cache: the page is found by them, and knows them.
  EXPECT_EQ(scene.linux.cached(entry), page);
  EXPECT_EQ(scene.of(page).entry, entry);
  EXPECT_TRUE(scene.of(page).has(kPageSwapCache));
  EXPECT_TRUE(scene.of(page).has(kPageDirty));
}

TEST(Linux26, AddToSwapCacheAddsAPageWithoutOperationsOnTheAreas) {
  Scene scene(128, kOneArea);
  scene.write(0, 7);
  const uint64_t entry = scene.swap_out(0, 7);
  const SwapInfo& area = scene.linux.areas().swap_info(0);
  const uint64_t free = scene.linux.areas().nr_swap_pages(), next = area.cluster_next,
                 left = area.cluster_nr;
  const uint32_t page = scene.linux.alloc_page();
  const auto names =
      scene.calls([&] { EXPECT_EQ(scene.linux.add_to_swap_cache(page, entry), CacheAdd::kAdded); });
  EXPECT_THAT(names, ElementsAre("add_to_swap_cache", "__add_to_swap_cache"));
  EXPECT_EQ(scene.linux.cached(entry), page);
  EXPECT_EQ(scene.linux.areas().nr_swap_pages(), free);
  EXPECT_EQ(area.cluster_next, next);
  EXPECT_EQ(area.cluster_nr, left);
  EXPECT_EQ(scene.users(entry), 2);  // the cache is one more user of a slot that is in use
  const uint32_t other = scene.linux.alloc_page();
  EXPECT_EQ(scene.linux.add_to_swap_cache(other, entry), CacheAdd::kExists);
  EXPECT_EQ(scene.users(entry), 2);
  EXPECT_EQ(scene.linux.add_to_swap_cache(other, make_entry(0, 500)), CacheAdd::kNoEntry);
}

TEST(Linux26, AddToSwapIsCalledWhenMemoryIsInsufficient) {
  Scene scene(128, kOneArea);
  const uint64_t room = 128 - scene.linux.zone().pages_low;
  const auto enough = scene.calls([&] {
    for (uint64_t page = 0; page < room; ++page) scene.write(0, page);
  });
  EXPECT_THAT(enough, Not(Contains("add_to_swap")));
  EXPECT_THAT(enough, Not(Contains("balance_pgdat")));
  const auto short_of = scene.calls([&] { scene.write(0, room); });
  EXPECT_THAT(short_of, Contains("balance_pgdat"));
  EXPECT_THAT(short_of, Contains("add_to_swap"));
  EXPECT_EQ(scene.audit(), "");
}

TEST(Linux26, TheFunctionsOfTheWayOutAreCalledInOrder) {
  Scene scene(128, kOneArea);
  scene.write(0, 7);
  const uint32_t page = scene.page(0, 7);
  scene.age(page);
  EXPECT_THAT(scene.calls([&] { scene.shrink(page); }),
              ElementsAre("shrink_page_list", "add_to_swap", "get_swap_page", "__add_to_swap_cache",
                          "try_to_unmap", "try_to_unmap_one", "pageout", "swap_writepage",
                          "remove_mapping"));
}

TEST(Linux26, ZoneScanningComesBeforeShrinkPageList) {
  Scene scene(128, kOneArea);
  const auto names = scene.calls([&] {
    for (uint64_t page = 0; page < 100; ++page) scene.write(0, page);
  });
  const auto at = [&](std::string_view name) {
    return std::find(names.begin(), names.end(), name);
  };
  EXPECT_LT(at("shrink_zone"), at("shrink_active_list"));
  EXPECT_LT(at("shrink_active_list"), at("shrink_inactive_list"));
  EXPECT_LT(at("shrink_inactive_list"), at("shrink_page_list"));
  EXPECT_LT(at("shrink_page_list"), at("add_to_swap"));
}

TEST(Linux26, TryToUnmapTakesThePageFromTheTablesOfAllProcesses) {
  Scene scene(128, kOneArea);
  scene.write(0, 7);
  scene.fork(0, 1);
  scene.fork(1, 2);
  const uint32_t page = scene.page(0, 7);
  EXPECT_EQ(scene.of(page).mapcount, 3u);
  scene.age(page);
  scene.linux.lock_page(page);
  ASSERT_TRUE(scene.linux.add_to_swap(page));
  const auto names =
      scene.calls([&] { EXPECT_EQ(scene.linux.try_to_unmap(page), Unmap::kSuccess); });
  EXPECT_THAT(names, ElementsAre("try_to_unmap", "try_to_unmap_one", "try_to_unmap_one",
                                 "try_to_unmap_one"));
  for (uint32_t process : {0, 1, 2}) {
    EXPECT_TRUE(scene.pte(process, 7).swapped());
    EXPECT_EQ(scene.pte(process, 7).entry(), scene.of(page).entry);
  }
  EXPECT_EQ(scene.of(page).mapcount, 0u);
  EXPECT_EQ(scene.users(scene.of(page).entry), 4);  // three tables and the cache
  EXPECT_EQ(scene.counters().unmapped, 3u);
}

TEST(Linux26, TryToUnmapOneLeavesAPageThatHasJustBeenUsed) {
  Scene scene(128, kOneArea);
  scene.write(0, 7);
  const uint32_t page = scene.page(0, 7);
  scene.linux.lock_page(page);
  ASSERT_TRUE(scene.linux.add_to_swap(page));
  EXPECT_EQ(scene.linux.try_to_unmap(page), Unmap::kFail);
  EXPECT_TRUE(scene.pte(0, 7).present());
}

TEST(Linux26, ThePageIsUnmappedBeforeItIsWrittenAndFreedAfterThat) {
  Scene scene(128, kOneArea);
  scene.write(0, 7);
  const uint32_t page = scene.page(0, 7);
  const uint64_t resident = scene.linux.resident();
  const uint64_t entry = scene.swap_out(0, 7);
  EXPECT_EQ(scene.counters().swapped_out, 1u);
  EXPECT_EQ(scene.linux.resident(), resident - 1);
  EXPECT_EQ(scene.of(page).count, 0u);
  EXPECT_EQ(scene.linux.cached(entry), kNoPage);
  EXPECT_EQ(scene.users(entry), 1);  // the table
  EXPECT_EQ(scene.audit(), "");
}

TEST(Linux26, AUsedPageGetsASecondChanceOnTheActiveList) {
  Scene scene(128, kOneArea);
  scene.write(0, 7);
  const uint32_t page = scene.page(0, 7);
  EXPECT_EQ(scene.shrink(page), 0u);
  EXPECT_EQ(scene.linux.zone().list_of(page), LruList::kActive);
  EXPECT_TRUE(scene.pte(0, 7).present());
  EXPECT_FALSE(scene.of(page).has(kPageSwapCache));
  EXPECT_EQ(scene.shrink(page), 1u);  // and no third one
}

TEST(Linux26, APageOfTheSwapCacheThatWasUsedGetsASecondChanceThoughNobodyMapsIt) {
  Scene scene(128, kOneArea);
  scene.write(0, 7);
  scene.fork(0, 1);
  const uint64_t entry = scene.swap_out(0, 7);
  scene.read(1, 7);  // mark_page_accessed
  const uint32_t page = scene.linux.cached(entry);
  scene.exit(1);
  ASSERT_EQ(scene.of(page).mapcount, 0u);
  EXPECT_EQ(scene.shrink(page), 0u);
  EXPECT_EQ(scene.linux.zone().list_of(page), LruList::kActive);
  EXPECT_EQ(scene.shrink(page), 1u);
}

TEST(Linux26, APageThatGetsNoSlotIsActivatedAndStaysMapped) {
  for (const bool full : {false, true}) {
    Scene scene(128, full ? std::vector<Area>{area_of(0, 2)} : std::vector<Area>{});
    if (full) scene.linux.areas().get_swap_page();
    scene.write(0, 7);
    const uint32_t page = scene.page(0, 7);
    scene.age(page);
    EXPECT_EQ(scene.shrink(page), 0u);
    EXPECT_EQ(scene.linux.zone().list_of(page), LruList::kActive);
    EXPECT_TRUE(scene.pte(0, 7).present());
    EXPECT_EQ(scene.counters().no_slot, 1u);
  }
}

TEST(Linux26, ALockedPageIsKept) {
  Scene scene(128, kOneArea);
  scene.write(0, 7);
  const uint32_t page = scene.page(0, 7);
  scene.age(page);
  scene.linux.lock_page(page);
  EXPECT_EQ(scene.shrink(page), 0u);
  EXPECT_TRUE(scene.pte(0, 7).present());
  scene.linux.unlock_page(page);
  EXPECT_EQ(scene.shrink(page), 1u);
}

TEST(Linux26, APageThatSomebodyElseHoldsIsUnmappedButStaysInTheSwapCache) {
  Scene scene(128, kOneArea);
  scene.write(0, 7);
  const uint32_t page = scene.page(0, 7);
  scene.age(page);
  scene.linux.get_page(page);
  EXPECT_EQ(scene.shrink(page), 0u);
  EXPECT_TRUE(scene.pte(0, 7).swapped());
  EXPECT_EQ(scene.linux.cached(scene.pte(0, 7).entry()), page);
  EXPECT_EQ(scene.linux.zone().list_of(page), LruList::kInactive);
  EXPECT_EQ(scene.counters().swapped_out, 0u);  // is_page_cache_freeable
  scene.linux.put_page(page);
  EXPECT_EQ(scene.shrink(page), 1u);
  EXPECT_EQ(scene.counters().swapped_out, 1u);
}

TEST(Linux26, RemoveMappingRefusesAPageThatIsHeldOrHasChanged) {
  Scene scene(128, kOneArea);
  scene.write(0, 7);
  const uint64_t entry = scene.swap_out(0, 7);
  const uint32_t page = scene.linux.read_swap_cache_async(entry);
  scene.linux.lock_page(page);
  scene.linux.get_page(page);
  EXPECT_FALSE(scene.linux.remove_mapping(page));
  scene.linux.put_page(page);
  scene.linux.set_page_dirty(page);
  EXPECT_FALSE(scene.linux.remove_mapping(page));
  EXPECT_EQ(scene.linux.cached(entry), page);
}

TEST(Linux26, ThePageStaysInTheSwapCacheUntilItsDataAreWritten) {
  Scene scene(128, kOneArea, 1.0);
  scene.write(0, 7);
  const uint32_t page = scene.page(0, 7);
  scene.age(page);
  EXPECT_EQ(scene.shrink(page), 0u);
  const uint64_t entry = scene.pte(0, 7).entry();
  for (int attempt = 2; attempt < 5; ++attempt) {
    EXPECT_EQ(scene.linux.cached(entry), page);
    EXPECT_TRUE(scene.of(page).has(kPageDirty));
    EXPECT_TRUE(scene.of(page).has(kPageError));
    EXPECT_EQ(scene.shrink(page), 0u);
    EXPECT_EQ(scene.counters().write_errors, static_cast<uint64_t>(attempt));
  }
  EXPECT_EQ(scene.audit(), "");
  // The content is not lost: the process finds it in the cache.
  scene.read(0, 7);
  EXPECT_EQ(scene.counters().minor_faults, 1u);
  EXPECT_EQ(scene.counters().major_faults, 0u);
  EXPECT_EQ(scene.counters().contents_wrong, 0u);
  EXPECT_EQ(scene.page(0, 7), page);
}

TEST(Linux26, APageWhoseSlotNobodyNeedsIsNotWritten) {
  Scene scene(128, kOneArea, 0);
  scene.write(0, 7);
  const uint32_t page = scene.page(0, 7);
  scene.age(page);
  scene.linux.get_page(page);
  scene.shrink(page);
  scene.exit(0);  // somebody holds the page, so that it stays
  EXPECT_TRUE(scene.of(page).has(kPageSwapCache));
  scene.linux.put_page(page);
  scene.shrink(page);
  EXPECT_EQ(scene.of(page).count, 0u);
  EXPECT_EQ(scene.counters().swapped_out, 0u);
  EXPECT_EQ(scene.linux.areas().nr_swap_pages(), 999u);
  EXPECT_EQ(scene.audit(), "");
}

TEST(Linux26, OnlyModifiedPagesAreSavedInTheSwapFile) {
  Scene scene(128, kOneArea);
  scene.write(0, 7);
  const uint64_t entry = scene.swap_out(0, 7);
  scene.read(0, 7);
  const auto names =
      scene.calls([&] { EXPECT_EQ(scene.swap_out(0, 7), entry); });  // it kept its slot
  EXPECT_THAT(
      names, ElementsAre("shrink_page_list", "try_to_unmap", "try_to_unmap_one", "remove_mapping"));
  EXPECT_EQ(scene.counters().swapped_out, 1u);
  EXPECT_EQ(scene.counters().writes_saved, 1u);
  scene.read(0, 7);
  EXPECT_EQ(scene.counters().contents_wrong, 0u);
}

TEST(Linux26, PageoutWritesOnlyWhatIsDirty) {
  Scene scene(128, kOneArea);
  scene.write(0, 7);
  const uint32_t page = scene.linux.read_swap_cache_async(scene.swap_out(0, 7));
  scene.linux.lock_page(page);
  EXPECT_EQ(scene.linux.pageout(page), Pageout::kClean);
  EXPECT_EQ(scene.counters().swapped_out, 1u);
  scene.linux.set_page_dirty(page);
  EXPECT_EQ(scene.linux.pageout(page), Pageout::kSuccess);
  EXPECT_EQ(scene.counters().swapped_out, 2u);
  EXPECT_FALSE(scene.of(page).has(kPageDirty));
  EXPECT_FALSE(scene.of(page).has(kPageLocked));
}

TEST(Linux26, APageThatIsModifiedAfterItCameBackIsWrittenAgain) {
  Scene scene(128, kOneArea);
  scene.write(0, 7);
  const uint64_t entry = scene.swap_out(0, 7);
  scene.read(0, 7);
  scene.write(0, 7);
  EXPECT_EQ(scene.swap_out(0, 7), entry);
  EXPECT_EQ(scene.counters().swapped_out, 2u);
  EXPECT_EQ(scene.counters().writes_saved, 0u);
  scene.read(0, 7);
  EXPECT_EQ(scene.counters().contents_checked, 2u);
  EXPECT_EQ(scene.counters().contents_wrong, 0u);
}

TEST(Linux26, InAHeavilySwappingSystemTheSwapCacheSavesMostWrites) {
  Scene scene(128, {area_of(0, 2000)});
  for (uint64_t page = 0; page < 400; ++page) scene.write(0, page);
  const uint64_t written = scene.counters().swapped_out;
  for (int round = 0; round < 20; ++round) {
    for (uint64_t page = 0; page < 400; ++page) scene.read(0, page);
  }
  EXPECT_GT(scene.counters().writes_saved, 10 * (scene.counters().swapped_out - written));
  EXPECT_EQ(scene.counters().contents_wrong, 0u);
  EXPECT_EQ(scene.audit(), "");
}

// ---- way back

TEST(Linux26, TheFunctionsOfTheWayBackAreCalledInOrder) {
  Scene scene(options_of(128, kOneArea));
  scene.write(0, 7);
  scene.swap_out(0, 7);
  EXPECT_THAT(scene.calls([&] { scene.read(0, 7); }),
              ElementsAre("handle_mm_fault", "do_swap_page", "swapin_readahead",
                          "read_swap_cache_async", "add_to_swap_cache", "__add_to_swap_cache"));
  EXPECT_EQ(scene.counters().major_faults, 1u);
}

TEST(Linux26, APageThatIsInTheSwapCacheIsNotReadAgain) {
  Scene scene(128, kOneArea);
  scene.write(0, 7);
  scene.fork(0, 1);
  scene.swap_out(0, 7);
  scene.read(0, 7);
  EXPECT_THAT(scene.calls([&] { scene.read(1, 7); }),
              ElementsAre("handle_mm_fault", "do_swap_page"));
  EXPECT_EQ(scene.counters().swapped_in, 1u);
  EXPECT_EQ(scene.counters().minor_faults, 1u);
  EXPECT_EQ(scene.page(0, 7), scene.page(1, 7));
}

TEST(Linux26, ASharedPageStaysInTheSwapCacheWhileAProcessHasNotSwappedItIn) {
  // Swap is more than half full: a page that only one process has would leave.
  Scene scene(128, {area_of(0, 4)});
  scene.write(0, 7);
  scene.fork(0, 1);
  scene.fork(0, 2);
  const uint64_t entry = scene.swap_out(0, 7);
  scene.linux.areas().get_swap_page();
  ASSERT_TRUE(scene.linux.areas().vm_swap_full());
  for (uint32_t process : {0, 1}) {
    EXPECT_EQ(scene.users(entry), process == 0 ? 3 : 3 - process + 1);
    scene.read(process, 7);
    EXPECT_EQ(scene.linux.cached(entry), scene.page(process, 7));  // in the cache and in the area
    EXPECT_TRUE(scene.pte(2, 7).swapped());
  }
  scene.read(2, 7);
  EXPECT_EQ(scene.users(entry), 1);  // all have it: no table needs the slot, only the cache has it
}

TEST(Linux26, TheLastProcessToSwapInTakesThePageOutOfTheSwapCacheAndTheArea) {
  Scene scene(128, {area_of(0, 4)});
  scene.write(0, 7);
  scene.fork(0, 1);
  const uint64_t entry = scene.swap_out(0, 7);
  scene.linux.areas().get_swap_page();
  scene.write(0, 7);  // a copy of its own; the page stays for the other one
  EXPECT_NE(scene.linux.cached(entry), kNoPage);
  EXPECT_EQ(scene.users(entry), 2);
  scene.write(1, 7);
  EXPECT_EQ(scene.linux.cached(entry), kNoPage);
  EXPECT_EQ(scene.users(entry), 0);
  EXPECT_EQ(scene.counters().copies, 1u);
}

TEST(Linux26, ASharedPageLeavesTheSwapCacheWhenItIsSwappedOutAgain) {
  Scene scene(128, kOneArea);
  scene.write(0, 7);
  scene.fork(0, 1);
  const uint64_t entry = scene.swap_out(0, 7);
  scene.read(0, 7);
  EXPECT_EQ(scene.linux.cached(entry), scene.page(0, 7));
  EXPECT_EQ(scene.swap_out(0, 7), entry);
  EXPECT_EQ(scene.linux.cached(entry), kNoPage);
  EXPECT_EQ(scene.users(entry), 2);
  EXPECT_EQ(scene.counters().swapped_out, 1u);
}

TEST(Linux26, APageOfOneProcessLeavesTheCacheAtSwapInIfSwapIsMoreThanHalfFull) {
  for (const bool full : {false, true}) {
    Scene scene(128, {area_of(0, 5)});
    scene.write(0, 7);
    const uint64_t entry = scene.swap_out(0, 7);
    scene.linux.areas().get_swap_page();
    if (full) scene.linux.areas().get_swap_page();
    scene.read(0, 7);
    EXPECT_EQ(scene.linux.cached(entry) == kNoPage, full);
    EXPECT_EQ(scene.users(entry), full ? 0 : 1);
    EXPECT_EQ(scene.of(scene.page(0, 7)).has(kPageDirty), full);  // swap has it no more
  }
}

TEST(Linux26, SwapinReadaheadReadsTheSlotsAround) {
  GenerationOptions options = options_of(128, kOneArea);
  options.page_cluster = 2;
  Scene scene(options);
  for (uint64_t page = 0; page < 10; ++page) scene.write(0, page);
  for (uint64_t page = 0; page < 10; ++page) scene.swap_out(0, page);  // slots 1 to 10
  scene.read(0, 5);                                                    // slot 6: of 4 to 7
  EXPECT_EQ(scene.counters().swapped_in, 4u);
  EXPECT_EQ(scene.counters().readahead, 3u);
  for (uint64_t slot = 1; slot <= 10; ++slot)
    EXPECT_EQ(scene.linux.cached(make_entry(0, slot)) != kNoPage, 4 <= slot && slot <= 7);
  scene.read(0, 3);
  scene.read(0, 3);
  EXPECT_EQ(scene.counters().readahead_hits, 1u);
  EXPECT_EQ(scene.counters().minor_faults, 1u);
  EXPECT_EQ(scene.counters().major_faults, 1u);
  EXPECT_EQ(scene.counters().contents_wrong, 0u);
}

TEST(Linux26, AReadPageBeginsOnTheActiveList) {
  Scene scene(128, kOneArea);
  scene.write(0, 7);
  scene.swap_out(0, 7);
  scene.read(0, 7);
  EXPECT_EQ(scene.linux.zone().list_of(scene.page(0, 7)), LruList::kActive);
}

TEST(Linux26, AWriteToASharedPageMakesACopy) {
  Scene scene(128, kOneArea);
  scene.write(0, 7);
  scene.fork(0, 1);
  Mm& child = *scene.linux.mm(1);
  EXPECT_EQ(scene.linux.do_wp_page(child, 7, *child.tables.find(7)), Fault::kDone);
  EXPECT_EQ(scene.counters().copies, 1u);
  EXPECT_NE(scene.page(0, 7), scene.page(1, 7));
  EXPECT_EQ(scene.audit(), "");  // and the copy has the content
  scene.write(1, 7);
  EXPECT_EQ(scene.counters().copies, 1u);
  scene.write(0, 7);  // nobody else has the old one
  EXPECT_EQ(scene.counters().copies, 1u);
  EXPECT_TRUE(scene.pte(0, 7).writable());
  EXPECT_EQ(scene.audit(), "");
}

TEST(Linux26, APageWhoseSlotAnotherProcessNeedsMayNotBeWrittenInPlace) {
  Scene scene(128, kOneArea);
  scene.write(0, 7);
  scene.fork(0, 1);
  scene.swap_out(0, 7);
  scene.write(0, 7);
  EXPECT_EQ(scene.counters().copies, 1u);
  scene.read(1, 7);
  EXPECT_EQ(scene.counters().contents_wrong, 0u);
  EXPECT_EQ(scene.audit(), "");
}

TEST(Linux26, ExitOfTheLastUserOfASlotFreesThePageInTheCacheToo) {
  Scene scene(128, kOneArea);
  scene.write(0, 7);
  const uint64_t entry = scene.swap_out(0, 7);
  scene.linux.put_page(scene.linux.read_swap_cache_async(entry));
  EXPECT_EQ(scene.users(entry), 2);
  scene.exit(0);
  EXPECT_EQ(scene.linux.cached(entry), kNoPage);
  EXPECT_EQ(scene.linux.resident(), 0u);
  EXPECT_EQ(scene.linux.areas().nr_swap_pages(), 999u);
}

TEST(Linux26, ExitFreesPagesAndSlots) {
  Scene scene(128, {area_of(0, 2000)});
  for (uint64_t page = 0; page < 400; ++page) scene.write(0, page);
  for (uint64_t page = 0; page < 400; page += 3) scene.read(0, page);
  scene.exit(0);
  EXPECT_EQ(scene.linux.resident(), 0u);
  EXPECT_EQ(scene.linux.areas().nr_swap_pages(), 1999u);
  EXPECT_EQ(scene.audit(), "");
}

}  // namespace
}  // namespace swaptrail::engine::linux_2_6
