#include "engine/generations/swap_map.h"

#include <gtest/gtest.h>

#include <vector>

#include "engine/machine/workload.h"
#include "trace/decode.h"

namespace swaptrail::engine {
namespace {

GenerationArea swap_area(uint32_t type, uint64_t pages, int32_t priority = kDefaultPriority) {
  GenerationArea one;
  one.area.type = type, one.area.pages = pages, one.area.priority = priority;
  return one;
}
SwapMap swap_map_of(std::vector<GenerationArea> areas, SwapMap::Style style) {
  GenerationOptions options;
  options.areas = std::move(areas);
  return SwapMap(options, style);
}
std::vector<uint64_t> take_slots(SwapMap& map, int count) {
  std::vector<uint64_t> offsets;
  for (int at = 0; at < count; ++at) offsets.push_back(entry_offset(map.get_swap_page()));
  return offsets;
}

TEST(SwapMap, SlotsAreTakenOneBehindTheOther) {
  SwapMap map = swap_map_of({swap_area(0, 100)}, SwapMap::kLinux20);
  EXPECT_EQ(take_slots(map, 4), (std::vector<uint64_t>{1, 2, 3, 4}));
  EXPECT_EQ(map.nr_swap_pages(), 95u);
}

TEST(SwapMap, AClusterGoesOnBehindAFreedSlotUntilItIsUsedUp) {
  SwapMap map = swap_map_of({swap_area(0, 1000)}, SwapMap::kLinux20);
  take_slots(map, 10);
  map.swap_free(make_entry(0, 3));
  std::vector<uint64_t> next = take_slots(map, 23);  // the first, and 32 in its cluster
  EXPECT_EQ(next.front(), 11u);
  EXPECT_EQ(next.back(), 33u);
  EXPECT_EQ(take_slots(map, 2), (std::vector<uint64_t>{3, 34}));  // the lowest free one
}

TEST(SwapMap, Linux24LooksForAnEmptyClusterFirst) {
  SwapMap map = swap_map_of({swap_area(0, 2000)}, SwapMap::kLinux24);
  take_slots(map, 257);
  for (uint64_t slot = 1; slot <= 200; ++slot) map.swap_free(make_entry(0, slot));
  EXPECT_EQ(take_slots(map, 1), (std::vector<uint64_t>{258}));  // 200 free ones are too few
  take_slots(map, 256);
  for (uint64_t slot = 201; slot <= 256; ++slot) map.swap_free(make_entry(0, slot));
  EXPECT_EQ(take_slots(map, 1), (std::vector<uint64_t>{1}));
  SwapMap full = swap_map_of({swap_area(0, 200)}, SwapMap::kLinux24);  // there can't be one
  EXPECT_EQ(take_slots(full, 3), (std::vector<uint64_t>{1, 2, 3}));
}

TEST(SwapMap, ASlotIsFreeWhenItsLastUserIsGone) {
  SwapMap map = swap_map_of({swap_area(0, 10)}, SwapMap::kLinux24);
  const uint64_t entry = map.get_swap_page();
  EXPECT_TRUE(map.swap_duplicate(entry));
  EXPECT_EQ(map.swap_count(entry), 2);
  EXPECT_EQ(map.swap_free(entry), 1);
  EXPECT_EQ(map.nr_swap_pages(), 8u);
  EXPECT_EQ(map.swap_free(entry), 0);
  EXPECT_EQ(map.nr_swap_pages(), 9u);
  EXPECT_FALSE(map.swap_duplicate(entry));
  EXPECT_FALSE(map.swap_duplicate(make_entry(0, 10)));  // behind the end
  EXPECT_FALSE(map.swap_duplicate(make_entry(3, 1)));   // no such area
}

TEST(SwapMap, NothingIsTakenOfAFullAreaOrOfNone) {
  SwapMap map = swap_map_of({swap_area(0, 4)}, SwapMap::kLinux24);
  EXPECT_EQ(take_slots(map, 5), (std::vector<uint64_t>{1, 2, 3, 0, 0}));
  map.swap_free(make_entry(0, 2));
  EXPECT_EQ(take_slots(map, 2), (std::vector<uint64_t>{2, 0}));
  SwapMap none = swap_map_of({}, SwapMap::kLinux20);
  EXPECT_EQ(none.get_swap_page(), 0u);
}

TEST(SwapMap, BadPagesAreNeverTaken) {
  GenerationArea one = swap_area(0, 6);
  one.area.bad_pages = {2, 4, 4};
  SwapMap map = swap_map_of({one}, SwapMap::kLinux24);
  EXPECT_EQ(map.total(), 3u);
  EXPECT_EQ(take_slots(map, 4), (std::vector<uint64_t>{1, 3, 5, 0}));
  EXPECT_FALSE(map.is_usable(make_entry(0, 2)));
}

TEST(SwapMap, TheBetterAreaIsFilledFirstAndTakenFromAgainWhenItHasRoom) {
  SwapMap map = swap_map_of({swap_area(0, 10, 1), swap_area(1, 4, 5)}, SwapMap::kLinux24);
  std::vector<uint32_t> types;
  for (int at = 0; at < 5; ++at) types.push_back(entry_type(map.get_swap_page()));
  EXPECT_EQ(types, (std::vector<uint32_t>{1, 1, 1, 0, 0}));
  map.swap_free(make_entry(1, 2));
  EXPECT_EQ(map.get_swap_page(), make_entry(1, 2));
  EXPECT_EQ(entry_type(map.get_swap_page()), 0u);
}

TEST(SwapMap, AreasOfOnePriorityTakeTurnsAndOthersComeInOrderOfSwapon) {
  SwapMap equal = swap_map_of({swap_area(0, 10, 3), swap_area(1, 10, 3)}, SwapMap::kLinux24);
  std::vector<uint32_t> types;
  for (int at = 0; at < 4; ++at) types.push_back(entry_type(equal.get_swap_page()));
  EXPECT_EQ(types, (std::vector<uint32_t>{0, 1, 0, 1}));
  SwapMap falling = swap_map_of({swap_area(0, 3), swap_area(1, 3)}, SwapMap::kLinux24);
  types.clear();
  for (int at = 0; at < 4; ++at) types.push_back(entry_type(falling.get_swap_page()));
  EXPECT_EQ(types, (std::vector<uint32_t>{0, 0, 1, 1}));
}

// The search as the kernel describes it, slot by slot.
class SlotBySlot {
 public:
  SlotBySlot(uint64_t pages, SwapMap::Style style)
      : style_(style), used_(pages), highest_(pages - 1), max_(pages) {}
  uint64_t take() {
    uint64_t offset = 0;
    if (left_ > 0) {
      for (uint64_t at = next_; at <= highest_ && offset == 0; ++at)
        if (!used_[at]) offset = at;
      left_ -= offset != 0;
    }
    if (offset == 0) {
      left_ = style_.cluster;
      for (uint64_t at = lowest_; style_.empty_clusters && at + style_.cluster - 1 <= highest_;) {
        uint64_t free = 0;
        while (free < style_.cluster && !used_[at + free]) ++free;
        if (free == style_.cluster) {
          offset = at;
          break;
        }
        at += free + 1;
      }
      for (uint64_t at = lowest_; at <= highest_ && offset == 0; ++at)
        if (!used_[at]) offset = at;
      if (offset == 0) {
        lowest_ = max_, highest_ = 0;
        return 0;
      }
    }
    lowest_ += offset == lowest_, highest_ -= offset == highest_;
    used_[offset] = true;
    next_ = offset + 1;
    return offset;
  }
  void free(uint64_t offset) {
    used_[offset] = false;
    lowest_ = std::min(lowest_, offset), highest_ = std::max(highest_, offset);
  }

 private:
  SwapMap::Style style_;
  std::vector<bool> used_;
  uint64_t lowest_ = 1, highest_, max_, next_ = 1;
  uint32_t left_ = 0;
};

TEST(SwapMap, FindsWhatASearchSlotBySlotFinds) {
  for (const SwapMap::Style style : {SwapMap::kLinux20, SwapMap::kLinux24}) {
    for (uint64_t seed = 1; seed <= 8; ++seed) {
      const uint64_t pages = seed % 2 == 0 ? 3001 : 300 + seed;
      SwapMap map = swap_map_of({swap_area(0, pages)}, style);
      SlotBySlot plain(pages, style);
      uint64_t state = seed;
      std::vector<uint64_t> taken;
      for (int at = 0; at < 20000; ++at) {
        // Phases in which more is taken, or more given back.
        if (below(state, 100) < (at / 2500 % 2 == 0 ? 60u : 42u) || taken.empty()) {
          const uint64_t entry = map.get_swap_page();
          ASSERT_EQ(entry_offset(entry), plain.take());
          if (entry != 0) taken.push_back(entry);
        } else {
          const size_t which = below(state, taken.size());
          map.swap_free(taken[which]);
          plain.free(entry_offset(taken[which]));
          taken[which] = taken.back();
          taken.pop_back();
        }
      }
      EXPECT_EQ(map.nr_swap_pages(), map.total() - taken.size());
    }
  }
}

}  // namespace
}  // namespace swaptrail::engine
