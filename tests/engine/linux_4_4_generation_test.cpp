// The generation "4.4" does what the functions of Linux 4.4 do one by one.
#include "engine/generations/linux_4_4.h"

#include <gtest/gtest.h>

#include "engine/generations/generation.h"
#include "engine/generations/machine_generation.h"
#include "tests/engine/linux_4_4_steps.h"

namespace swaptrail::engine::linux_4_4 {
namespace {

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
