// Other priorities of swap areas: by hand, and against a model that looks at every slot.
#include "engine/whatif/priority_estimate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <vector>

#include "trace/decode.h"

namespace swaptrail::engine {
namespace {

swaptrail_event slot_event(swaptrail_kind kind, uint64_t entry, uint16_t pages = 1) {
  swaptrail_event event{};
  event.kind = kind;
  event.entry = entry;
  event.nr_pages = pages;
  return event;
}

// A page leaves memory to a slot, and is needed again after that.
void swap_out(PriorityEstimate& estimate, uint64_t entry) {
  estimate.on_event(slot_event(SWAPTRAIL_SLOT_ALLOCATED, entry));
  Lifecycle lifecycle;
  lifecycle.entry = entry;
  lifecycle.outcome = Outcome::kFreedDevice;
  estimate.on_lifecycle(lifecycle);
}
void swap_in(PriorityEstimate& estimate, uint64_t entry, uint64_t wait_ns,
             uint8_t backend = SWAPTRAIL_BACKEND_DEVICE) {
  estimate.on_event(slot_event(SWAPTRAIL_SLOT_FREED, entry));  // before the fault is over
  Return back;
  back.entry = entry;
  back.major = true;
  back.fault_ns = wait_ns;
  back.backend = backend;
  estimate.on_return(back);
}

TEST(PriorityEstimate, TheHighestIsFilledFirst) {
  PriorityEstimate estimate({{.type = 0, .pages = 100, .used = 0, .priority = 1},
                             {.type = 1, .pages = 10, .used = 4, .priority = 2}});
  for (uint64_t at = 1; at <= 8; ++at) swap_out(estimate, make_entry(0, at));
  EXPECT_EQ(estimate.seen()[0].given, 8u);
  EXPECT_EQ(estimate.estimated()[1].given, 6u);
  EXPECT_EQ(estimate.estimated()[1].most_used, 10u);
  EXPECT_EQ(estimate.estimated()[0].given, 2u);
  EXPECT_EQ(estimate.without_room(), 0u);
}

TEST(PriorityEstimate, EqualsTakeTurns) {
  PriorityEstimate estimate({{.type = 0, .pages = 10, .used = 0, .priority = 1},
                             {.type = 1, .pages = 10, .used = 0, .priority = 1}});
  for (uint64_t at = 1; at <= 4; ++at) swap_out(estimate, make_entry(0, at));
  EXPECT_EQ(estimate.estimated()[0].given, 2u);
  EXPECT_EQ(estimate.estimated()[1].given, 2u);
}

TEST(PriorityEstimate, AFullOneIsPassedOver) {
  PriorityEstimate estimate({{.type = 0, .pages = 3, .used = 0, .priority = 1},
                             {.type = 1, .pages = 2, .used = 0, .priority = 1},
                             {.type = 2, .pages = 2, .used = 0, .priority = 0}});
  for (uint64_t at = 1; at <= 8; ++at) swap_out(estimate, make_entry(2, at));
  const auto loads = estimate.estimated();
  EXPECT_EQ(loads[0].given, 3u);
  EXPECT_EQ(loads[1].given, 2u);
  EXPECT_EQ(loads[2].given, 3u) << "the last stays where it was";
  EXPECT_EQ(estimate.without_room(), 1u);
}

TEST(PriorityEstimate, WhatMovesWaitsAsMeasuredThere) {
  PriorityEstimate estimate({{.type = 0, .pages = 100, .used = 0, .priority = 1},
                             {.type = 1, .pages = 2, .used = 0, .priority = 5}});
  swap_out(estimate, make_entry(1, 1));
  swap_out(estimate, make_entry(0, 1));  // would go to area 1
  swap_out(estimate, make_entry(0, 2));  // stays
  swap_in(estimate, make_entry(1, 1), 6);
  swap_in(estimate, make_entry(0, 1), 100);
  swap_in(estimate, make_entry(0, 2), 200);
  const auto seen = estimate.seen(), loads = estimate.estimated();
  EXPECT_EQ(seen[0].low_wait_ns, 300u);
  EXPECT_EQ(seen[0].faults, 2u);
  EXPECT_EQ(loads[0].high_wait_ns, 200u);
  EXPECT_EQ(loads[1].faults, 2u);
  EXPECT_EQ(loads[1].low_wait_ns, 12u);
  EXPECT_EQ(loads[1].high_wait_ns, 12u);
  EXPECT_TRUE(loads[1].wait_known);
}

TEST(PriorityEstimate, MedianAndMeanAreTheBounds) {
  PriorityEstimate estimate({{.type = 0, .pages = 100, .used = 0, .priority = 1},
                             {.type = 1, .pages = 100, .used = 0, .priority = 5}});
  for (uint64_t at = 1; at <= 5; ++at) swap_out(estimate, make_entry(1, at));
  for (uint64_t at = 1; at <= 4; ++at) swap_in(estimate, make_entry(1, at), 4);
  swap_in(estimate, make_entry(1, 5), 104);
  swap_out(estimate, make_entry(0, 1));
  swap_in(estimate, make_entry(0, 1), 1000);
  EXPECT_EQ(estimate.estimated()[1].low_wait_ns, 120u + 4);
  EXPECT_EQ(estimate.estimated()[1].high_wait_ns, 120u + 24);
}

TEST(PriorityEstimate, AnAreaOfWhichNoWaitWasMeasuredIsUnknown) {
  PriorityEstimate estimate({{.type = 0, .pages = 100, .used = 0, .priority = 1},
                             {.type = 1, .pages = 100, .used = 0, .priority = 5}});
  swap_out(estimate, make_entry(0, 1));
  swap_out(estimate, make_entry(0, 2));
  swap_in(estimate, make_entry(0, 1), 10, SWAPTRAIL_BACKEND_ZSWAP);
  EXPECT_TRUE(estimate.estimated()[1].wait_known) << "behind zswap it waits as it did";
  EXPECT_EQ(estimate.estimated()[1].low_wait_ns, 10u);
  swap_in(estimate, make_entry(0, 2), 10);
  EXPECT_FALSE(estimate.estimated()[1].wait_known);
}

// zram frees the slot when a page comes back, a disk keeps it: its page may leave again unchanged, without a new slot.
TEST(PriorityEstimate, WhatMovesToAnAreaThatFreesReturnedPagesNeedsNewSlots) {
  for (const bool synchronous : {false, true}) {
    PriorityEstimate estimate(
        {{.type = 0, .pages = 100, .used = 0, .priority = 1, .synchronous = false},
         {.type = 1, .pages = 100, .used = 0, .priority = 5, .synchronous = synchronous}});
    swap_out(estimate, make_entry(0, 1));
    Return back;
    back.entry = make_entry(0, 1);
    for (size_t round = 0; round < 3; ++round) {
      estimate.on_return(back);
      Lifecycle again;
      again.entry = make_entry(0, 1);
      again.outcome = Outcome::kFreedClean;
      estimate.on_lifecycle(again);
    }
    EXPECT_EQ(estimate.seen()[0].given, 1u);
    EXPECT_EQ(estimate.estimated()[1].given, synchronous ? 4u : 1u);
    EXPECT_EQ(estimate.estimated()[1].most_used, 1u);
    estimate.on_return(back);
    estimate.on_event(slot_event(SWAPTRAIL_SLOT_FREED, make_entry(0, 1)));
    swap_out(estimate, make_entry(0, 2));
    EXPECT_EQ(estimate.estimated()[1].most_used, 1u);
  }
}

// As many slots as pages are used at any time, wherever they are; and what is free is never passed over.
TEST(PriorityEstimate, IsThatOfAModelThatLooksAtEverySlot) {
  std::mt19937 random(3);
  const std::vector<PriorityArea> areas = {{.type = 0, .pages = 30, .used = 0, .priority = 1},
                                           {.type = 1, .pages = 20, .used = 0, .priority = 3},
                                           {.type = 2, .pages = 300, .used = 0, .priority = -2}};
  PriorityEstimate estimate(areas);
  std::map<uint64_t, size_t> where;
  std::vector<uint64_t> used(3), given(3), most(3);
  const size_t order[] = {1, 0, 2};
  for (size_t step = 0; step < 5000; ++step) {
    const uint64_t entry = make_entry(2, 1 + random() % 200);
    if (const auto found = where.find(entry); found != where.end()) {
      estimate.on_event(slot_event(SWAPTRAIL_SLOT_FREED, entry));
      --used[found->second];
      where.erase(found);
      continue;
    }
    estimate.on_event(slot_event(SWAPTRAIL_SLOT_ALLOCATED, entry));
    const size_t area =
        *std::ranges::find_if(order, [&](size_t at) { return used[at] < areas[at].pages; });
    where[entry] = area;
    ++given[area];
    most[area] = std::max(most[area], ++used[area]);
  }
  for (size_t at = 0; at < areas.size(); ++at) {
    EXPECT_EQ(estimate.estimated()[at].given, given[at]);
    EXPECT_EQ(estimate.estimated()[at].most_used, most[at]);
  }
}

}  // namespace
}  // namespace swaptrail::engine
