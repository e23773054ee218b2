// What is said of swapping a page out in Linux 4.4, statement by statement.
#include "engine/generations/linux_4_4.h"

#include <gtest/gtest.h>

#include "engine/generations/generation.h"
#include "engine/generations/machine_generation.h"
#include "tests/engine/hand_machine.h"

namespace swaptrail::engine::linux_4_4 {
namespace {

const scan_control kControl;

class Linux44 : public ::testing::Test {
 protected:
  Machine& machine() { return hand_.machine(); }
  uint64_t written() const { return hand_.so_far().swapped_out_pages; }
  uint64_t count_present(uint32_t process, uint64_t page) {
    return machine().entry_of(process, page).present();
  }
  // Takes it through the functions up to the end of its write.
  Folio& written_page(uint64_t page) {
    Folio& folio = hand_.locked(page);
    EXPECT_EQ(add_to_swap(folio, machine()), 1);
    EXPECT_EQ(try_to_unmap(folio, TTU_UNMAP, machine()), SWAP_SUCCESS);
    EXPECT_EQ(pageout(folio, page_mapping(folio), kControl, machine()), PAGE_SUCCESS);
    machine().wait_for_writes();
    EXPECT_TRUE(machine().world().lock(folio));
    return folio;
  }

  HandMachine hand_{"4.4", 128, 1000};
};

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

// ---- the table that the generation runs does the same ------------------------------------------

struct Seen {
  bool freed, active, dirty, swapcache, writeback, reclaim, locked;
  uint64_t resident, written, entry;
  bool operator==(const Seen&) const = default;
};

Seen seen(HandMachine& hand, Folio& page, bool freed) {
  const uint64_t resident = hand.machine().resident(), out = hand.so_far().swapped_out_pages;
  if (freed) return {true, false, false, false, false, false, false, resident, out, 0};
  return {false,
          page.active,
          page.dirty,
          page.swapcache,
          page.writeback,
          page.reclaim,
          hand.machine().is_locked(page),
          resident,
          out,
          page.entry};
}

bool shrink_by_table(HandMachine& hand, Folio& page) {
  const PassEnd end = shrink_folio(features(), kControl, page, hand.machine().world());
  if (end.exit == Exit::kFreed) hand.machine().free_removed(page);
  if (end.exit != Exit::kFreed && end.why != Why::kLocked) hand.machine().unlock(page);
  return end.exit == Exit::kFreed;
}

TEST_F(Linux44, TheFunctionsInTheirOrderAreTheTableThatTheGenerationRuns) {
  std::array<uint64_t, 4> met{};  // freed, in flight, activated, dirty again
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    const uint64_t slots = seed % 3 == 0 ? 20 : 500;
    const bool zswap = seed % 4 == 0;
    const double errors = seed % 5 == 0 ? 0.3 : 0;
    HandMachine named("4.4", 128, slots, seed, zswap, errors);
    HandMachine table("4.4", 128, slots, seed, zswap, errors);
    uint64_t state = seed;
    for (int step = 0; step < 200; ++step) {
      const uint64_t page = below(state, 40), kind = below(state, 10);
      if (kind < 3) {
        named.write(page), table.write(page);
      } else if (kind < 5) {
        named.read(page), table.read(page);
      } else if (kind == 5) {
        named.machine().wait_for_writes(), table.machine().wait_for_writes();
      } else if (kind == 6 && step < 20) {
        named.fork(), table.fork();
      }
      Folio* const one = named.machine().folio_of(named.process(), page);
      Folio* const other = table.machine().folio_of(table.process(), page);
      ASSERT_EQ(one == nullptr, other == nullptr);
      if (one == nullptr || kind < 6) continue;
      std::vector<Folio*> list = {one};
      const bool freed = shrink_page_list(list, kControl, named.machine()) == 1;
      const Seen now = seen(named, *one, freed);
      ASSERT_EQ(freed, shrink_by_table(table, *other)) << "seed " << seed << " step " << step;
      ASSERT_EQ(now, seen(table, *other, freed)) << "seed " << seed << " step " << step;
      met[0] += freed, met[1] += now.writeback, met[2] += now.active;
      met[3] += now.dirty && now.swapcache;
    }
    ASSERT_EQ(named.so_far().contents_wrong, 0u);
  }
  for (const uint64_t times : met) EXPECT_GT(times, 15u);
}

// ---- only modified pages are saved -------------------------------------------------------------

GenerationOptions small() {
  GenerationOptions options;
  options.frames = 128;
  options.areas.push_back({swap_area(0, 4096), 0});
  return options;
}

void pass(Generation& generation, bool write, uint64_t pages = 600) {
  for (uint64_t page = 0; page < pages; ++page)
    ASSERT_TRUE(generation.step({StepKind::kTouch, write, 0, 0, page}).ok());
}

TEST_F(Linux44, APageThatIsNotModifiedAfterItWasWrittenIsDiscardedTheNextTime) {
  const auto generation = make_linux_4_4(small());
  pass(*generation, true);
  pass(*generation, false);  // what was still in memory has gone out once
  const GenerationCounters before = generation->counters();
  pass(*generation, false);
  pass(*generation, false);
  const GenerationCounters& after = generation->counters();
  EXPECT_GT(after.swapped_in, before.swapped_in + 1000);
  EXPECT_EQ(after.swapped_out, before.swapped_out) << "no write was needed";
  EXPECT_GT(after.writes_saved, before.writes_saved + 1000);
}

TEST_F(Linux44, AModifiedPageIsSavedAgain) {
  const auto generation = make_linux_4_4(small());
  pass(*generation, true);
  const GenerationCounters before = generation->counters();
  pass(*generation, true);
  const GenerationCounters& after = generation->counters();
  EXPECT_GT(after.swapped_out, before.swapped_out + 450);
}

TEST_F(Linux44, OneFlushOfTheTlbServesABatchOfCleanPages) {
  const auto generation = make_linux_4_4(small());
  pass(*generation, true);
  pass(*generation, false);
  const GenerationCounters before = generation->counters();
  pass(*generation, false);
  const GenerationCounters& after = generation->counters();
  const uint64_t unmapped = after.unmapped - before.unmapped;
  EXPECT_GT(unmapped, 400u);
  EXPECT_LT(8 * (after.tlb_flushes - before.tlb_flushes), unmapped);
}

TEST_F(Linux44, ADirtyPageIsFlushedBeforeItIsWritten) {
  const auto generation = make_linux_4_4(small());
  pass(*generation, true);
  const GenerationCounters& counters = generation->counters();
  EXPECT_GT(counters.swapped_out, 400u);
  EXPECT_GE(counters.tlb_flushes, counters.swapped_out);
}

TEST_F(Linux44, AloneTryToUnmapFlushesAtOnceAndNothingIsLeftForTryToUnmapFlushDirty) {
  Folio& page = hand_.locked(3);
  ASSERT_EQ(add_to_swap(page, machine()), 1);
  const uint64_t before = hand_.so_far().counters.tlb_flushes;
  ASSERT_EQ(try_to_unmap(page, TTU_UNMAP | TTU_BATCH_FLUSH, machine()), SWAP_SUCCESS);
  EXPECT_EQ(hand_.so_far().counters.tlb_flushes, before + 1);
  try_to_unmap_flush_dirty(machine());
  EXPECT_EQ(hand_.so_far().counters.tlb_flushes, before + 1);
}

TEST_F(Linux44, ShrinkPageListGoesOnUntilItsListIsEmpty) {
  std::vector<Folio*> list;
  EXPECT_TRUE(list_empty(list));
  EXPECT_EQ(shrink_page_list(list, kControl, machine()), 0u);
  for (uint64_t page = 0; page < 20; ++page) {
    hand_.write(page);
    list.push_back(&hand_.folio(page));
    machine().world().references(*list.back());
  }
  EXPECT_FALSE(list_empty(list));
  uint64_t freed = shrink_page_list(list, kControl, machine());
  EXPECT_EQ(freed + list.size(), 20u) << "each was freed, or is back in the list";
  machine().wait_for_writes();
  freed += shrink_page_list(list, kControl, machine());
  EXPECT_EQ(freed, 20u);
  EXPECT_TRUE(list_empty(list));
}

// ---- what else is of its time ------------------------------------------------------------------

TEST_F(Linux44, ReadaheadIsOfNeighbouringSlots) {
  GenerationOptions options = small();
  // Written in an order that is not that of the addresses: neighbours in swap are no neighbours in memory.
  const auto order = [](uint64_t at) { return at * 101 % 600; };
  uint64_t hits[2];
  for (const bool by_address : {false, true}) {
    const auto generation = by_address ? make_linux_4_19(options) : make_linux_4_4(options);
    for (uint64_t at = 0; at < 600; ++at)
      ASSERT_TRUE(generation->step({StepKind::kTouch, true, 0, 0, order(at)}).ok());
    for (uint64_t at = 0; at < 600; ++at)
      ASSERT_TRUE(generation->step({StepKind::kTouch, false, 0, 0, order(at)}).ok());
    hits[by_address] = generation->counters().readahead_hits;
  }
  EXPECT_GT(hits[0], 300u);
  EXPECT_LT(hits[1], 100u);
}

TEST_F(Linux44, ATouchedPageBeginsOnTheActiveList) {
  hand_.write(3);
  EXPECT_TRUE(hand_.folio(3).active);
  HandMachine later("5.10", 128, 1000);
  later.write(3);
  EXPECT_FALSE(later.folio(3).active);
}

}  // namespace
}  // namespace swaptrail::engine::linux_4_4
