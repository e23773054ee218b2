// The slots of Linux 2.6: which one is next, by what is written of get_swap_page and scan_swap_map, and by a model that looks
// at each slot.
#include "engine/generations/linux_2_6_slots.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "tests/scene/slot_scene.h"
#include "trace/decode.h"

namespace swaptrail::engine::linux_2_6 {
namespace {

SwapAreas areas_with(const std::vector<Area>& described) {
  SwapAreas areas;
  for (const Area& area : described) EXPECT_TRUE(areas.swapon(area));
  return areas;
}

void fill(SwapAreas& areas) {
  while (areas.get_swap_page() != 0) {
  }
}

void free_slots(SwapAreas& areas, uint32_t type, uint64_t first, uint64_t count) {
  for (uint64_t slot = first; slot < first + count; ++slot) areas.swap_free(make_entry(type, slot));
}

// "0:1 1:1": the next slots, with their areas.
std::string next_slots(SwapAreas& areas, int count) {
  std::string text;
  for (int at = 0; at < count; ++at) {
    const uint64_t entry = areas.get_swap_page();
    text += (at == 0 ? "" : " ") + std::to_string(entry_type(entry)) + ":" +
            std::to_string(entry_offset(entry));
  }
  return text;
}

TEST(Linux26Slots, GetSwapPageReturnsTheSlotToBeUsedNext) {
  SwapAreas areas = areas_with({area_of(0, 1000)});
  EXPECT_EQ(next_slots(areas, 4), "0:1 0:2 0:3 0:4");
  EXPECT_EQ(areas.swap_map(make_entry(0, 4)), 1);
  EXPECT_EQ(areas.swap_map(make_entry(0, 5)), 0);
}

TEST(Linux26Slots, GetSwapPageFirstEnsuresThatThereAreSwapAreas) {
  SwapAreas none;
  EXPECT_EQ(none.nr_swap_pages(), 0u);
  EXPECT_EQ(none.get_swap_page(), 0u);
}

TEST(Linux26Slots, NrSwapPagesIsGreaterThan0WhileThereAreFreeSlots) {
  SwapAreas areas = areas_with({area_of(0, 11), area_of(3, 6)});
  EXPECT_EQ(areas.total_swap_pages(), 15u);
  for (uint64_t left = 15; left > 0; --left) {
    EXPECT_EQ(areas.nr_swap_pages(), left);
    EXPECT_NE(areas.get_swap_page(), 0u);
  }
  EXPECT_EQ(areas.nr_swap_pages(), 0u);
  EXPECT_EQ(areas.get_swap_page(), 0u);
  areas.swap_free(make_entry(3, 2));
  EXPECT_EQ(areas.nr_swap_pages(), 1u);
  EXPECT_EQ(areas.get_swap_page(), make_entry(3, 2));
}

TEST(Linux26Slots, WithOneAreaSwapListNextIsAlwaysThatArea) {
  SwapAreas areas = areas_with({area_of(5, 300)});
  for (int at = 0; at < 299; ++at) {
    EXPECT_EQ(areas.swap_list().next, 5);
    EXPECT_EQ(entry_type(areas.get_swap_page()), 5u);
  }
  EXPECT_EQ(areas.swap_list().next, 5);
}

TEST(Linux26Slots, TheSearchBeginsInTheAreaOfSwapListNext) {
  SwapAreas areas =
      areas_with({area_of(0, 100, 7), area_of(1, 100, 7), area_of(2, 100, 7), area_of(3, 100, 2)});
  for (int at = 0; at < 297; ++at) {
    const auto next = static_cast<uint32_t>(areas.swap_list().next);
    EXPECT_EQ(entry_type(areas.get_swap_page()), next);
  }
}

TEST(Linux26Slots, ScanSwapMapGivesOutClustersOf256Slots) {
  SwapAreas areas = areas_with({area_of(0, 2000)});
  fill(areas);
  free_slots(areas, 0, 10, 100);   // too short for a cluster
  free_slots(areas, 0, 301, 300);  // not aligned to anything
  free_slots(areas, 0, 1024, 256);
  // The rest of the cluster that was begun; then from one empty run of 256 to the next; then what is left.
  const uint64_t rest = kSwapfileCluster - 1999 % kSwapfileCluster;
  const struct {
    uint64_t first, count;
  } runs[] = {{10, rest}, {301, 256}, {1024, 256}, {10 + rest, 100 - rest}, {557, 44}};
  for (const auto& run : runs) {
    for (uint64_t at = 0; at < run.count; ++at)
      ASSERT_EQ(entry_offset(areas.get_swap_page()), run.first + at);
  }
  EXPECT_EQ(areas.nr_swap_pages(), 0u);
}

TEST(Linux26Slots, TheNextClusterBeginsAtTheFirstEmptyRunWhereverItBegins) {
  SwapAreas areas = areas_with({area_of(0, 1 + 256 * 6)});
  fill(areas);  // six clusters: the next slot begins one
  free_slots(areas, 0, 3, 255);
  free_slots(areas, 0, 300, 256);
  free_slots(areas, 0, 700, 400);
  EXPECT_EQ(next_slots(areas, 2), "0:300 0:301");
}

TEST(Linux26Slots, WithoutAnEmptyRunOf256TheScanTakesTheLowestFreeSlot) {
  SwapAreas areas = areas_with({area_of(0, 1 + 256 * 6)});
  fill(areas);
  for (uint64_t first = 100; first < 1200; first += 256) free_slots(areas, 0, first, 255);
  EXPECT_GT(areas.nr_swap_pages(), kSwapfileCluster);
  EXPECT_EQ(next_slots(areas, 2), "0:100 0:101");
}

TEST(Linux26Slots, IfTheAreaInUseIsFullTheOthersAreTried) {
  SwapAreas areas = areas_with({area_of(0, 3, 9), area_of(1, 3, 5), area_of(2, 3, 1)});
  EXPECT_EQ(next_slots(areas, 6), "0:1 0:2 1:1 1:2 2:1 2:2");
  EXPECT_EQ(areas.get_swap_page(), 0u);
}

TEST(Linux26Slots, AreasBelowAFullOneTakeTurnsToo) {
  SwapAreas areas =
      areas_with({area_of(0, 3, 9), area_of(1, 3, 5), area_of(2, 3, 5), area_of(3, 3, 1)});
  EXPECT_EQ(next_slots(areas, 8), "0:1 0:2 2:1 1:1 2:2 1:2 3:1 3:2");
}

TEST(Linux26Slots, TheListOfAreasIsChainedByNextInOrderOfPriority) {
  SwapAreas areas = areas_with(
      {area_of(0, 9, 1), area_of(1, 9, 30), area_of(2, 9), area_of(3, 9, 2), area_of(4, 9)});
  std::string order;
  for (int32_t type = areas.swap_list().head; type >= 0; type = areas.swap_info(type).next)
    order += std::to_string(type) + "(" + std::to_string(areas.swap_info(type).prio) + ") ";
  EXPECT_EQ(order, "1(30) 3(2) 0(1) 2(-1) 4(-2) ");
}

TEST(Linux26Slots, AreasOfEqualPriorityTakeTurns) {
  SwapAreas areas = areas_with({area_of(0, 4, 5), area_of(1, 4, 5), area_of(2, 4, 1)});
  EXPECT_EQ(next_slots(areas, 9), "1:1 0:1 1:2 0:2 1:3 0:3 2:1 2:2 2:3");
}

TEST(Linux26Slots, AFreeSlotOfABetterAreaBringsTheSearchBackToIt) {
  SwapAreas areas = areas_with({area_of(0, 4, 9), area_of(1, 50, 1), area_of(2, 50, 1)});
  EXPECT_EQ(next_slots(areas, 4), "0:1 0:2 0:3 2:1");
  EXPECT_EQ(areas.swap_list().next, 1);
  areas.swap_free(make_entry(0, 2));
  EXPECT_EQ(areas.swap_list().next, 0);
  EXPECT_EQ(next_slots(areas, 2), "0:2 2:2");
}

TEST(Linux26Slots, TheHeaderAndBadSlotsAreNeverGivenOut) {
  Area area = area_of(0, 10);
  area.bad_pages = {2, 9};
  SwapAreas areas = areas_with({area});
  EXPECT_EQ(areas.total_swap_pages(), 7u);
  EXPECT_EQ(next_slots(areas, 7), "0:1 0:3 0:4 0:5 0:6 0:7 0:8");
  EXPECT_EQ(areas.get_swap_page(), 0u);
  EXPECT_FALSE(areas.swap_duplicate(make_entry(0, 0)));
  EXPECT_FALSE(areas.swap_duplicate(make_entry(0, 9)));
}

TEST(Linux26Slots, ASlotIsFreeWhenItsLastUserLeaves) {
  SwapAreas areas = areas_with({area_of(0, 10)});
  const uint64_t entry = areas.get_swap_page();
  EXPECT_TRUE(areas.swap_duplicate(entry));
  EXPECT_EQ(areas.swap_free(entry), 1);
  EXPECT_EQ(areas.nr_swap_pages(), 8u);
  EXPECT_EQ(areas.swap_free(entry), 0);
  EXPECT_EQ(areas.nr_swap_pages(), 9u);
  EXPECT_FALSE(areas.swap_duplicate(entry));
}

TEST(Linux26Slots, ACountThatIsTooLargeKeepsItsSlotForEver) {
  SwapAreas areas = areas_with({area_of(0, 10)});
  const uint64_t entry = areas.get_swap_page();
  for (uint32_t at = 0; at < 2u * kSwapMapMax; ++at) EXPECT_TRUE(areas.swap_duplicate(entry));
  for (uint32_t at = 0; at < 2u * kSwapMapMax; ++at) EXPECT_EQ(areas.swap_free(entry), kSwapMapMax);
}

TEST(Linux26Slots, SwapIsFullWhenMoreThanHalfOfItIsTaken) {
  SwapAreas areas = areas_with({area_of(0, 11)});
  next_slots(areas, 5);
  EXPECT_FALSE(areas.vm_swap_full());
  areas.get_swap_page();
  EXPECT_TRUE(areas.vm_swap_full());
}

TEST(Linux26Slots, ReadaheadIsTheAlignedBlockUpToTheFirstFreeSlot) {
  SwapAreas areas = areas_with({area_of(0, 22)});
  fill(areas);
  uint64_t first = 0;
  EXPECT_EQ(areas.valid_swaphandles(make_entry(0, 13), 3, first), 8u);
  EXPECT_EQ(first, 8u);
  EXPECT_EQ(areas.valid_swaphandles(make_entry(0, 5), 3, first), 7u);  // without the header
  EXPECT_EQ(first, 1u);
  EXPECT_EQ(areas.valid_swaphandles(make_entry(0, 21), 3, first), 6u);  // the end of the area
  areas.swap_free(make_entry(0, 10));
  EXPECT_EQ(areas.valid_swaphandles(make_entry(0, 13), 3, first), 2u);
  EXPECT_EQ(areas.valid_swaphandles(make_entry(0, 13), 0, first), 0u);
}

TEST(Linux26Slots, SwaponRefusesWhatIsNoArea) {
  SwapAreas areas = areas_with({area_of(1, 10)});
  EXPECT_FALSE(areas.swapon(area_of(1, 10)));
  EXPECT_FALSE(areas.swapon(area_of(kMostAreaTypes, 10)));
  EXPECT_FALSE(areas.swapon(area_of(2, 1)));
  Area bad = area_of(2, 3);
  bad.bad_pages = {1, 2};
  EXPECT_FALSE(areas.swapon(bad));
  EXPECT_EQ(areas.total_swap_pages(), 9u);
}

// ---- a model that looks at each slot, and remembers nothing of where free ones are

struct PlainArea {
  int32_t priority;
  std::vector<bool> taken;
  uint64_t next = 1;
  uint64_t left = 0;  // of the cluster

  uint64_t from(uint64_t slot) const {
    while (slot < taken.size() && taken[slot]) ++slot;
    return slot;
  }
  uint64_t run() const {
    uint64_t length = 0;
    for (uint64_t slot = 0; slot < taken.size(); ++slot) {
      length = taken[slot] ? 0 : length + 1;
      if (length == 256) return slot - 255;
    }
    return 0;
  }
  uint64_t allocate() {
    if (from(0) == taken.size()) return 0;
    if (left > 0) {
      --left;
    } else {
      left = 255;
      const uint64_t begin = run();
      next = begin != 0 ? begin : 0;
    }
    uint64_t slot = from(next);
    if (slot == taken.size()) slot = from(0);
    taken[slot] = true;
    next = slot + 1;
    return slot;
  }
};

TEST(Linux26Slots, ScanSwapMapFindsTheSlotThatALookAtEachSlotFinds) {
  uint64_t clusters_begun = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    std::mt19937_64 random(seed);
    const uint64_t pages = 2 + random() % (seed % 3 == 0 ? 300 : 6000);
    SwapAreas areas = areas_with({area_of(0, pages)});
    PlainArea plain{0, std::vector<bool>(pages)};
    plain.taken[0] = true;
    std::vector<uint64_t> held;
    for (int round = 0; round < 40; ++round) {
      const bool frees_runs = random() % 2 == 0;
      for (uint64_t count = random() % 600; count > 0; --count) {
        const uint64_t slot = areas.scan_swap_map(areas.swap_info(0));
        ASSERT_EQ(slot, plain.allocate()) << "seed " << seed;
        if (slot == 0) break;
        clusters_begun += held.empty() || slot != held.back() + 1 ? 1 : 0;
        held.push_back(slot);
      }
      for (uint64_t count = random() % 600; count > 0 && !held.empty(); --count) {
        const uint64_t at = frees_runs ? held.size() - 1 : random() % held.size();
        std::swap(held[at], held.back());
        plain.taken[held.back()] = false;
        // The area alone is told: nr_swap_pages is get_swap_page's.
        SwapInfo& info = areas.swap_info(0);
        const uint64_t before = info.inuse_pages;
        areas.swap_free(make_entry(0, held.back()));
        ASSERT_EQ(info.inuse_pages, before - 1);
        held.pop_back();
      }
    }
  }
  EXPECT_GT(clusters_begun, 1000u);
}

// Which area a plain reading of the rules turns to: the next of the best priority that has a free slot.
TEST(Linux26Slots, GetSwapPageTurnsToTheBestAreaThatHasAFreeSlot) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    std::mt19937_64 random(seed);
    std::vector<Area> described;
    std::vector<uint64_t> free;
    for (uint32_t type = 0; type < 5; ++type) {
      described.push_back(area_of(type, 2 + random() % 40, static_cast<int32_t>(random() % 3)));
      free.push_back(described.back().pages - 1);
    }
    SwapAreas areas = areas_with(described);
    std::vector<uint64_t> held;
    for (int step = 0; step < 2000; ++step) {
      if (random() % 5 < 3) {
        int32_t best = -1;
        for (uint32_t type = 0; type < 5; ++type)
          if (free[type] > 0) best = std::max(best, described[type].priority);
        const uint64_t entry = areas.get_swap_page();
        ASSERT_EQ(entry == 0, best < 0);
        if (entry == 0) continue;
        ASSERT_EQ(described[entry_type(entry)].priority, best);
        --free[entry_type(entry)];
        held.push_back(entry);
      } else if (!held.empty()) {
        std::swap(held[random() % held.size()], held.back());
        areas.swap_free(held.back());
        ++free[entry_type(held.back())];
        held.pop_back();
      }
    }
  }
}

}  // namespace
}  // namespace swaptrail::engine::linux_2_6
