// A machine that is driven from outside, step by step.
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <vector>

#include "tests/engine/hand_machine.h"

namespace swaptrail::engine {
namespace {

TEST(TableDirectory, PlacesHaveNoHolesAndPagesOfATableStayTogether) {
  TableDirectory directory;
  const std::vector<uint64_t> pages = {0,       511,     512, (uint64_t{1} << 36) - 1,
                                       5 << 20, 1 << 30, 1,   (uint64_t{1} << 36) - 512};
  std::map<uint64_t, uint64_t> places;
  for (const uint64_t page : pages) places[page] = directory.place_of(page);
  EXPECT_EQ(directory.pages(), 5 * kPagesPerTable);
  std::set<uint64_t> different;
  for (const auto& [page, place] : places) {
    EXPECT_EQ(directory.place_of(page), place) << page;
    EXPECT_EQ(directory.page_at(place), page);
    EXPECT_EQ(place % kPagesPerTable, page % kPagesPerTable);
    EXPECT_LT(place, directory.pages());
    different.insert(place);
  }
  EXPECT_EQ(different.size(), pages.size());
  EXPECT_EQ(places[511], places[0] + 511);
}

TEST(DrivenMachine, APageKeepsWhatWasWrittenThroughSwap) {
  HandMachine hand("6.12", 128, 4096);
  for (int round = 0; round < 4; ++round)
    for (uint64_t page = 0; page < 400; ++page) round % 2 == 0 ? hand.write(page) : hand.read(page);
  EXPECT_GT(hand.so_far().contents_checked, 400u);
  EXPECT_EQ(hand.so_far().contents_wrong, 0u);
  EXPECT_EQ(hand.so_far().accesses, 1600u);
  EXPECT_EQ(hand.so_far().counters.first_touches, 400u);
}

TEST(DrivenMachine, PagesMayLieAnywhereBelow2To36) {
  HandMachine hand("7.3", 128, 4096);
  std::vector<uint64_t> pages;
  for (uint64_t i = 0; i < 300; ++i) pages.push_back((i * 0x9e3779b97f4a7c15) >> 28);
  for (const uint64_t page : pages) hand.write(page);
  for (const uint64_t page : pages) hand.read(page);
  EXPECT_EQ(hand.so_far().contents_wrong, 0u);
  EXPECT_GT(hand.so_far().swapped_in_pages, 100u);
}

TEST(DrivenMachine, NothingIsToldAndKeptWhenNobodyLooks) {
  HandMachine hand("6.12", 128, 4096);
  for (uint64_t page = 0; page < 500; ++page) hand.write(page);
  EXPECT_EQ(hand.so_far().events, 0u);
  EXPECT_TRUE(hand.so_far().returns.empty());
}

TEST(DrivenMachine, WhoReadsFirstGetsThePageOfZerosAndNoFrame) {
  HandMachine hand("6.12", 128, 4096);
  for (int round = 0; round < 3; ++round)
    for (uint64_t page = 0; page < 1000; ++page) hand.read(page);
  EXPECT_EQ(hand.machine().resident(), 0u);
  EXPECT_EQ(hand.so_far().counters.first_touches, 1000u);
  hand.write(7);
  EXPECT_EQ(hand.machine().resident(), 1u);
  EXPECT_EQ(hand.so_far().counters.first_touches, 1000u) << "it was touched before";
}

TEST(DrivenMachine, AChildSharesUntilItWrites) {
  HandMachine hand("6.12", 128, 4096);
  hand.write(1);
  hand.write(uint64_t{1} << 30);
  const uint32_t child = hand.fork();
  EXPECT_EQ(hand.machine().resident(), 2u);
  ASSERT_TRUE(hand.machine().touch(child, 1, false).ok());
  EXPECT_EQ(hand.so_far().counters.copies, 0u);
  ASSERT_TRUE(hand.machine().touch(child, uint64_t{1} << 30, true).ok());
  EXPECT_EQ(hand.so_far().counters.copies, 1u);
  EXPECT_EQ(hand.machine().resident(), 3u);
  hand.machine().end_process(child);
  hand.machine().end_process(child);
  EXPECT_EQ(hand.machine().resident(), 2u);
  hand.write(1);
  EXPECT_EQ(hand.so_far().counters.copies, 1u) << "nobody shares it any more";
}

TEST(DrivenMachine, WhoCanHaveNoMemoryIsKilled) {
  HandMachine hand("6.12", 128, 100);
  const uint32_t other = hand.machine().start_process().value();
  uint64_t page = 0;
  for (; page < 1000 && hand.machine().is_alive(hand.process()); ++page) hand.write(page);
  EXPECT_GT(page, 200u) << "memory and swap were both of use";
  EXPECT_LT(page, 230u);
  EXPECT_FALSE(hand.machine().is_alive(hand.process()));
  EXPECT_EQ(hand.so_far().counters.killed, 1u);
  EXPECT_GT(hand.so_far().counters.no_slot, 0u);
  for (page = 0; page < 200; ++page) ASSERT_TRUE(hand.machine().touch(other, page, true).ok());
  EXPECT_TRUE(hand.machine().is_alive(other)) << "its memory was free again";
}

TEST(DrivenMachine, RefusesMoreProcessesThanItHas) {
  HandMachine hand("6.12", 128, 100);
  for (uint32_t index = 1; index < kMaxProcesses; ++index)
    ASSERT_TRUE(hand.machine().start_process().ok());
  EXPECT_EQ(hand.machine().start_process().status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(hand.machine().fork_process(0).status().code(), absl::StatusCode::kResourceExhausted);
}

class KeptEvents : public EventOutput {
 public:
  void on_event(const swaptrail_event& event, uint64_t) override { events.push_back(event); }
  std::vector<swaptrail_event> events;
};

TEST(DrivenMachine, WhoLooksSeesEventsWithTheAddressesOfThePages) {
  SimulationOptions options;
  options.features = features_named("6.12").value();
  options.cpus = 1;
  options.limit_pages = 128;
  options.areas.emplace_back().area.pages = 4096;
  KeptEvents output;
  Machine machine(options, output);
  ASSERT_TRUE(machine.begin().ok());
  const uint32_t process = machine.start_process().value();
  constexpr uint64_t kFirst = (uint64_t{1} << 33) + 5;
  for (uint64_t page = kFirst; page < kFirst + 300; ++page)
    ASSERT_TRUE(machine.touch(process, page, true).ok());
  std::set<uint64_t> unmapped;
  for (const swaptrail_event& event : output.events)
    if (event.kind == SWAPTRAIL_UNMAPPED_ONE) unmapped.insert(event.u.map.address / kPageBytes);
  ASSERT_GT(unmapped.size(), 100u);
  EXPECT_GE(*unmapped.begin(), kFirst);
  EXPECT_LT(*unmapped.rbegin(), kFirst + 300);
}

TEST(DrivenMachine, HasOneCpu) {
  SimulationOptions options;
  options.limit_pages = 128;
  KeptEvents output;
  Machine machine(options, output);
  EXPECT_EQ(machine.begin().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace swaptrail::engine
