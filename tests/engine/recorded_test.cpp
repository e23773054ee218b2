// What events imply of accesses, and what they do not.
#include "engine/workloads/recorded.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "tests/scene/workload_steps.h"
#include "trace/decode.h"

namespace swaptrail::engine {
namespace {

constexpr uint64_t kSlot = make_entry(1, 100);

class PageStory {
 public:
  explicit PageStory(size_t most_pages = RecordedAccesses::kMostPages) : accesses_(most_pages) {}

  // `pages` of a folio, the first of them at `page` in process `tgid`, leave to `entry` and behind.
  PageStory& leaves(uint64_t page, uint64_t entry, uint16_t state = SWAPTRAIL_STATE_DIRTY,
                    uint32_t tgid = 7, uint16_t pages = 1) {
    swaptrail_event event{};
    event.kind = SWAPTRAIL_UNMAPPED_ONE;
    event.state = static_cast<uint16_t>(state | SWAPTRAIL_STATE_ANON);
    event.entry = entry;
    event.nr_pages = pages;
    event.result = 1;
    event.u.map.address = page << 12;
    event.u.map.owner = tgid;
    event.u.map.ptes = pages;
    return add(event);
  }
  PageStory& comes_back(uint64_t page, uint64_t entry, uint32_t tgid = 7, int32_t result = 0) {
    return add(fault(page, entry, tgid, result));
  }
  static swaptrail_event fault(uint64_t page, uint64_t entry, uint32_t tgid = 7,
                               int32_t result = 0) {
    swaptrail_event event{};
    event.kind = SWAPTRAIL_SWAP_IN;
    event.entry = entry;
    event.nr_pages = 1;
    event.result = result;
    event.u.map.address = (page << 12) + 8;
    event.u.map.owner = tgid;
    event.u.map.ptes = 1;
    return event;
  }
  PageStory& add(const swaptrail_event& event) {
    accesses_.on_event(event, steps_);
    return *this;
  }
  std::string text() const { return text_of(steps_); }
  const std::vector<WorkloadStep>& steps() const { return steps_; }
  const RecordedCounters& counters() const { return accesses_.counters(); }

 private:
  RecordedAccesses accesses_;
  std::vector<WorkloadStep> steps_;
};

TEST(Recorded, APageThatIsSeenFirstHasContents) {
  EXPECT_EQ(PageStory().leaves(5, kSlot).text(), "w5");
  EXPECT_EQ(PageStory().comes_back(5, kSlot).text(), "w5");
}

TEST(Recorded, AFaultIsARead) {
  EXPECT_EQ(PageStory().leaves(5, kSlot).comes_back(5, kSlot).text(), "w5 r5");
}

TEST(Recorded, AWriteShowsWhenThePageLeavesAgain) {
  PageStory story;
  story.leaves(5, kSlot).comes_back(5, kSlot).leaves(5, kSlot);
  EXPECT_EQ(story.text(), "w5 r5 w5");
  EXPECT_EQ(story.counters().writes_seen, 1u);
}

TEST(Recorded, ACleanPageWasReadAtMost) {
  EXPECT_EQ(PageStory().leaves(5, kSlot).comes_back(5, kSlot).leaves(5, kSlot, 0).text(), "w5 r5");
}

TEST(Recorded, WithAnotherSlotItIsNotKnown) {
  PageStory story;
  story.leaves(5, kSlot).comes_back(5, kSlot).leaves(5, kSlot + 1);
  EXPECT_EQ(story.text(), "w5 r5");
  EXPECT_EQ(story.counters().writes_unknown, 1u);
  // From then on that is its slot.
  EXPECT_EQ(story.comes_back(5, kSlot + 1).leaves(5, kSlot + 1).text(), "w5 r5 r5 w5");
}

TEST(Recorded, AReturnThatWasNotSeen) {
  PageStory story;
  story.leaves(5, kSlot).leaves(5, kSlot);
  EXPECT_EQ(story.text(), "w5");
  EXPECT_EQ(story.counters().returns_unseen, 1u);
}

TEST(Recorded, OnlyPassesThatEndTouch) {
  PageStory story;
  story.leaves(5, kSlot);
  for (const int32_t result :
       {int32_t{SWAPTRAIL_FAULT_RETRY}, int32_t{SWAPTRAIL_FAULT_OOM},
        int32_t{SWAPTRAIL_FAULT_SIGBUS}, SWAPTRAIL_FAULT_RETRY | SWAPTRAIL_FAULT_MAJOR})
    story.comes_back(5, kSlot, 7, result);
  EXPECT_EQ(story.text(), "w5");
  EXPECT_EQ(story.comes_back(5, kSlot, 7, SWAPTRAIL_FAULT_MAJOR).text(), "w5 r5");
}

TEST(Recorded, ProcessesByOrderOfAppearance) {
  EXPECT_EQ(
      PageStory().leaves(5, kSlot, 0, 900).leaves(5, kSlot, 0, 30).leaves(6, 9, 0, 900).text(),
      "w5 w1:5 w6");
}

TEST(Recorded, PagesOfALargeFolio) {
  PageStory story;
  story.leaves(16, kSlot, SWAPTRAIL_STATE_DIRTY, 7, 4);
  EXPECT_EQ(story.text(), "w16 w17 w18 w19");
  // All four are mapped by the fault on the third, and leave again: two were written as part of it.
  swaptrail_event fault = PageStory::fault(18, kSlot + 2);
  fault.u.map.ptes = 4;
  fault.u.map.first_page = 2;
  story.add(fault);
  EXPECT_EQ(story.text(), "w16 w17 w18 w19 r18");
  EXPECT_EQ(story.leaves(16, kSlot, 0, 7, 4).text(), "w16 w17 w18 w19 r18");
  EXPECT_EQ(story.counters().returns_unseen, 0u);
  EXPECT_EQ(story.counters().left, 8u);
}

TEST(Recorded, WhatHasNoPlaceIsLeftOut) {
  PageStory story;
  story.leaves(0, kSlot).leaves(5, kSlot, 0, 0).leaves(5, 0);
  story.leaves(kMostWorkloadPages, kSlot).comes_back(kMostWorkloadPages, kSlot);
  story.comes_back(5, kSlot, 0);
  swaptrail_event event = PageStory::fault(5, kSlot);
  event.kind = SWAPTRAIL_UNMAPPED_ONE;
  event.state = SWAPTRAIL_STATE_ANON;
  event.u.map.first_page = SWAPTRAIL_PAGE_UNKNOWN;
  story.add(event);
  event = PageStory::fault(5, kSlot);
  event.u.map.address = 0;
  story.add(event);
  EXPECT_EQ(story.text(), "");
  EXPECT_EQ(story.counters().no_place, 8u);
}

TEST(Recorded, SharedMemoryIsLeftOut) {
  swaptrail_event event{};
  event.kind = SWAPTRAIL_SHMEM_SWAP_IN;
  PageStory story;
  story.add(event);
  event.kind = SWAPTRAIL_UNMAPPED_ONE;
  event.state = SWAPTRAIL_STATE_SWAPBACKED;
  story.add(event);
  EXPECT_EQ(story.text(), "");
  EXPECT_EQ(story.counters().shared_memory, 2u);
}

TEST(Recorded, WhatFindsNoRoomIsCounted) {
  PageStory pages(2);
  pages.leaves(1, kSlot).leaves(2, kSlot).leaves(3, kSlot).comes_back(4, kSlot);
  pages.leaves(1, kSlot, 0, 8).comes_back(2, kSlot);
  EXPECT_EQ(pages.text(), "w1 w2 r2");
  EXPECT_EQ(pages.counters().pages_full, 2u);
  EXPECT_EQ(pages.counters().processes_full, 1u);

  PageStory processes;
  for (uint32_t tgid = 1; tgid <= kMostWorkloadProcesses + 3; ++tgid)
    processes.leaves(1, kSlot, 0, tgid);
  EXPECT_EQ(processes.steps().size(), kMostWorkloadProcesses);
  EXPECT_EQ(processes.counters().processes_full, 3u);
}

TEST(Recorded, AnyEventsMakeAWorkload) {
  std::mt19937_64 random(1);
  PageStory story(1000);
  for (int count = 0; count < 200'000; ++count) {
    swaptrail_event event;
    uint64_t words[sizeof(event) / sizeof(uint64_t)];
    for (uint64_t& word : words) word = random();
    std::memcpy(&event, words, sizeof(event));
    event.kind = static_cast<uint8_t>(random() % 2 == 0 ? SWAPTRAIL_SWAP_IN : event.kind % 24);
    if (random() % 2 == 0) event.u.map.owner %= 300;
    if (random() % 2 == 0) event.u.map.address %= uint64_t{1} << 26;
    story.add(event);
  }
  EXPECT_GT(story.steps().size(), 500u);
  EXPECT_EQ(broken_promise(story.steps()), "");
}

}  // namespace
}  // namespace swaptrail::engine
