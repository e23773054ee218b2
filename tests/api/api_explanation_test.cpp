// What is said of a page in each state of its life.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/kernel-page-flags.h>

#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "daemon/api/explanation.h"
#include "daemon/api/explanation_words.h"
#include "tests/scene/store_scene.h"

namespace swaptrail::api {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using State = host::PageEntry::State;
using store::StoredLifecycle;

constexpr uint64_t kNow = 1'000'000'000'000;
constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kEntry = make_entry(1, 77);

PageFacts facts_of(State state) {
  PageFacts facts;
  facts.now_ns = kNow;
  facts.attached_ns = kNow - 60 * kSecond;
  facts.pid = 42;
  facts.address = 0x7000;
  facts.comm = "web";
  facts.page.state = state;
  if (state == State::kResident) facts.page.pfn = 1234;
  if (state == State::kSwapped) {
    facts.page.swap_type = 1;
    facts.page.swap_offset = 77;
  }
  facts.area_path = [](uint32_t type, uint64_t) { return type == 1 ? "/dev/vdb" : ""; };
  facts.cgroup_path = [](uint64_t id) { return id == 5 ? "/jobs" : ""; };
  return facts;
}

// Passed these stages, a millisecond each, the last one 3 seconds ago.
Lifecycle life_of(std::vector<Stage> stages, Outcome outcome) {
  Lifecycle life;
  life.id = 17;
  life.entry = kEntry;
  life.visible_stages = 0xff;
  life.outcome = outcome;
  life.first.tgid = 57;
  life.first.comm = store::comm_of("kswapd0");
  life.first.origin = SWAPTRAIL_ORIGIN_KSWAPD;
  life.last = life.first;
  uint64_t time = kNow - 3 * kSecond - 1'000'000 * (stages.size() - 1);
  for (const Stage stage : stages) {
    life.stage_ns[static_cast<size_t>(stage)] = time;
    time += 1'000'000;
  }
  if (outcome != Outcome::kInFlight) life.closed_ns = kNow - 3 * kSecond;
  return life;
}

const std::vector<Stage> kAll = {Stage::kIsolated,       Stage::kSlotAllocated, Stage::kUnmapped,
                                 Stage::kWriteBegin,     Stage::kWriteIssued,   Stage::kWriteEnd,
                                 Stage::kWriteCompleted, Stage::kRemoved};
std::vector<Stage> until(Stage last) {
  return {kAll.begin(), kAll.begin() + static_cast<ptrdiff_t>(last) + 1};
}
std::vector<Stage> after(Stage last) {
  return {kAll.begin() + static_cast<ptrdiff_t>(last) + 1, kAll.end()};
}

StoredLifecycle stored(const Lifecycle& life) {
  StoredLifecycle out;
  out.sequence = 1;
  out.lifecycle = life;
  return out;
}
StoredLifecycle freed(Outcome outcome) { return stored(life_of(kAll, outcome)); }

StoredLifecycle returned(Outcome outcome, ReturnHow how) {
  StoredLifecycle out = freed(outcome);
  Return back;
  back.time_ns = kNow - kSecond;
  back.after_ns = 2 * kSecond;
  back.fault_ns = 150'000;
  back.tgid = 42;
  back.comm = store::comm_of("web");
  back.how = how;
  out.first_return = back;
  out.back.any = true;
  out.back.how = how;
  out.back.gone_pages = 1;
  if (how == ReturnHow::kSwappedIn) out.back.swapped_in_pages = 1;
  return out;
}

std::string said(const PageFacts& facts) { return absl::StrJoin(explain(facts).sentences, "\n"); }

TEST(ApiExplanation, ASlotWhoseAttemptIsNotKnown) {
  PageFacts facts = facts_of(State::kSwapped);
  facts.forgotten = true;
  ledger::SlotHeld slot;
  slot.holder.kind = ledger::OwnerKind::kProcess;
  slot.holder.tgid = 42;
  slot.holder.comm = store::comm_of("web");
  slot.page = 7;
  slot.where = ledger::Where::kZswap;
  slot.since_ns = kNow - 5 * kSecond;
  slot.by.tgid = 57;
  slot.by.comm = store::comm_of("kswapd0");
  slot.origin = SWAPTRAIL_ORIGIN_KSWAPD;
  facts.slot = slot;
  EXPECT_THAT(
      said(facts),
      HasSubstr("The page went there 5.00 s ago by kswapd0 (pid 57), in background reclaim; "
                "that attempt is not in the store.\nzswap has its content."));
  EXPECT_THAT(said(facts), Not(HasSubstr("It is in use, by")));

  facts.slot->by = {};
  facts.slot->found = true;
  facts.slot->where = ledger::Where::kUnknown;
  facts.forgotten = false;
  EXPECT_THAT(
      said(facts),
      HasSubstr("was there before swaptraild was attached: its slot was found in a page table, "
                "that of web (pid 42)."));
  EXPECT_THAT(said(facts), Not(HasSubstr("nothing is known from before")));

  facts.named_by = NamedBy::kEntry;
  facts.entry = kEntry;
  EXPECT_THAT(said(facts), HasSubstr("It is in use, by page 0x7000 of web (pid 42)."));
  facts.slot->found = false;
  facts.slot->holder = {};
  facts.slot->where = ledger::Where::kReserve;
  EXPECT_THAT(said(facts),
              HasSubstr("It is in use, by a page, nobody knows whose.\n"
                        "How the page went there is not known.\nNobody needs it any more"));
  facts.history = {freed(Outcome::kFreedDevice)};  // says more
  EXPECT_THAT(said(facts), Not(HasSubstr("It is in use, by")));
}

struct InFlight {
  State state;
  Stage last;
  uint8_t backend;
  const char* says;
};

TEST(ApiExplanation, EachStageOfAnAttemptInFlight) {
  constexpr uint8_t kNone = SWAPTRAIL_BACKEND_NONE, kDevice = SWAPTRAIL_BACKEND_DEVICE;
  const InFlight table[] = {
      {State::kResident, Stage::kIsolated, kNone, "no slot is reserved for it yet"},
      {State::kResident, Stage::kSlotAllocated, kNone, "A slot is only a reservation"},
      {State::kSwapped, Stage::kUnmapped, kNone, "its write has not begun"},
      {State::kSwapped, Stage::kWriteBegin, kNone, "the call has not returned yet"},
      {State::kSwapped, Stage::kWriteIssued, kDevice, "It is under writeback"},
      {State::kSwapped, Stage::kWriteEnd, kDevice, "It is under writeback"},
      {State::kSwapped, Stage::kWriteCompleted, kDevice, "waits for a later pass of reclaim"},
  };
  for (const InFlight& row : table) {
    PageFacts facts = facts_of(row.state);
    facts.in_flight = life_of(until(row.last), Outcome::kInFlight);
    facts.in_flight->backend = row.backend;
    const Explanation told = explain(facts);
    const std::string text = absl::StrJoin(told.sentences, "\n");
    EXPECT_THAT(text, HasSubstr(row.says));
    EXPECT_THAT(text, HasSubstr("Attempt 17 to swap it out is on its way"));
    EXPECT_THAT(text, HasSubstr("by kswapd0 (pid 57), in background reclaim"));
    EXPECT_THAT(text, HasSubstr("Still to come: "));
    EXPECT_EQ(told.outstanding, after(row.last)) << text;
  }
}

TEST(ApiExplanation, ASlotAloneLeavesThePagePresent) {
  PageFacts facts = facts_of(State::kResident);
  facts.in_flight = life_of(until(Stage::kSlotAllocated), Outcome::kInFlight);
  const std::string text = said(facts);
  EXPECT_THAT(text,
              HasSubstr("Page 0x7000 of web (pid 42) is in memory and mapped, in frame 1234."));
  EXPECT_THAT(text,
              HasSubstr("reserved for it 3.00 s ago, swap entry type 1, offset 77 (/dev/vdb)"));
  EXPECT_THAT(text,
              HasSubstr("Still to come: unmapped, write begun, handed to the device, write call "
                        "returned, writeback ended, removed from the swap cache and freed."));
}

TEST(ApiExplanation, ZswapAndZeroesWaitForNoDevice) {
  for (const auto& [backend, says] : {std::pair(SWAPTRAIL_BACKEND_ZSWAP, "zswap took its content"),
                                      {SWAPTRAIL_BACKEND_ZERO, "holds nothing but zeroes"}}) {
    PageFacts facts = facts_of(State::kSwapped);
    facts.in_flight =
        life_of({Stage::kSlotAllocated, Stage::kUnmapped, Stage::kWriteBegin, Stage::kWriteEnd},
                Outcome::kInFlight);
    facts.in_flight->backend = static_cast<uint8_t>(backend);
    EXPECT_THAT(said(facts), HasSubstr(says));
    EXPECT_EQ(explain(facts).outstanding, std::vector{Stage::kRemoved});
  }
}

TEST(ApiExplanation, StagesWithoutAHookAreNotPromised) {
  PageFacts facts = facts_of(State::kResident);
  facts.in_flight = life_of(until(Stage::kSlotAllocated), Outcome::kInFlight);
  facts.in_flight->visible_stages = 1u << static_cast<int>(Stage::kRemoved);
  EXPECT_EQ(explain(facts).outstanding, std::vector{Stage::kRemoved});
}

TEST(ApiExplanation, UsedAgainWhileOnItsWay) {
  PageFacts facts = facts_of(State::kResident);
  facts.in_flight = life_of(until(Stage::kWriteCompleted), Outcome::kInFlight);
  facts.in_flight->kept_because = AbortReason::kExtraReference;
  const std::string text = said(facts);
  EXPECT_THAT(text, HasSubstr("mapped again although it was unmapped"));
  EXPECT_THAT(text, HasSubstr("could not free it yet: somebody else held a reference"));
}

TEST(ApiExplanation, EachWayToBeInSwap) {
  const std::pair<Outcome, const char*> table[] = {
      {Outcome::kFreedDevice,
       "written to swap entry type 1, offset 77 (/dev/vdb): a fault has to read"},
      {Outcome::kFreedZswap, "zswap took its content"},
      {Outcome::kFreedZero, "nothing was written, and a fault reads nothing"},
      {Outcome::kFreedClean, "still held it as it was"},
  };
  for (const auto& [outcome, says] : table) {
    PageFacts facts = facts_of(State::kSwapped);
    facts.history = {freed(outcome)};
    facts.history[0].lifecycle.last.origin = SWAPTRAIL_ORIGIN_PROACTIVE;
    facts.history[0].lifecycle.last.cgroup = 5;
    const std::string text = said(facts);
    EXPECT_THAT(text, HasSubstr("is not mapped: its page table entry holds the swap entry type 1"));
    EXPECT_THAT(text,
                HasSubstr("It was swapped out 3.00 s ago by kswapd0 (pid 57), because reclaim was "
                          "asked for (memory.reclaim), from the cgroup /jobs (attempt 17)."));
    EXPECT_THAT(text, HasSubstr(says));
    EXPECT_TRUE(explain(facts).outstanding.empty());
  }
}

struct Flags {
  uint64_t flags;
  const char* says;
};

TEST(ApiExplanation, BackInMemoryWithAndWithoutItsSlot) {
  const Flags table[] = {
      {1u << KPF_SWAPCACHE, "it can be dropped again without any I/O"},
      {1u << KPF_SWAPCACHE | 1u << KPF_DIRTY, "it would have to be written again"},
      {1u << KPF_SWAPCACHE | 1u << KPF_WRITEBACK, "under writeback at this moment"},
      {1u << KPF_SWAPBACKED, "has no slot any more"},
  };
  for (const Flags& row : table) {
    PageFacts facts = facts_of(State::kResident);
    facts.history = {returned(Outcome::kFreedDevice, ReturnHow::kSwappedIn)};
    facts.history[0].first_return->major = true;
    facts.frame_flags = row.flags;
    const std::string text = said(facts);
    EXPECT_THAT(text,
                HasSubstr("It came back 1.00 s ago, after 2.00 s: web (pid 42) used it, a fault of "
                          "150 us that had to wait"));
    EXPECT_THAT(text, HasSubstr(row.says));
  }
}

TEST(ApiExplanation, EachReasonToStay) {
  for (size_t at = 0; at < static_cast<size_t>(AbortReason::kCount); ++at) {
    PageFacts facts = facts_of(State::kResident);
    const auto reason = static_cast<AbortReason>(at);
    facts.history = {stored(life_of(until(Stage::kSlotAllocated), Outcome::kAborted))};
    facts.history[0].lifecycle.abort_reason = reason;
    const std::string text = said(facts);
    EXPECT_THAT(text, HasSubstr("was given up 3.00 s ago: " + std::string(abort_words(reason))));
    EXPECT_THAT(text, HasSubstr(reason == AbortReason::kSlotGone
                                    ? "It did not stay in memory for that"
                                    : "a slot is only a reservation, and the page stayed"));
  }
  EXPECT_THAT(abort_words(static_cast<AbortReason>(200)), HasSubstr("without a name"));
}

TEST(ApiExplanation, AnAbortedPageMayHaveBeenUnmapped) {
  PageFacts facts = facts_of(State::kSwapped);
  facts.history = {stored(life_of(until(Stage::kUnmapped), Outcome::kAborted))};
  facts.history[0].lifecycle.abort_reason = AbortReason::kStillMapped;
  facts.history[0].lifecycle.kept_because = AbortReason::kExtraReference;
  EXPECT_THAT(said(facts), HasSubstr("It had been unmapped before that"));
  EXPECT_THAT(said(facts), HasSubstr("The pass before could not free it either"));
}

TEST(ApiExplanation, TheOtherWaysBack) {
  PageFacts facts = facts_of(State::kNotMapped);
  facts.history = {returned(Outcome::kFreedDevice, ReturnHow::kSlotFreed)};
  EXPECT_THAT(said(facts), HasSubstr("Nothing is mapped at page 0x7000"));
  EXPECT_THAT(said(facts), HasSubstr("Its slot was freed unread 1.00 s ago"));
  facts = facts_of(State::kResident);
  facts.history = {returned(Outcome::kFreedDevice, ReturnHow::kSwapoff)};
  EXPECT_THAT(said(facts), HasSubstr("swapoff brought it back"));
  facts.history = {returned(Outcome::kFreedDevice, ReturnHow::kSwappedIn)};
  facts.history[0].back.regretted_pages = 1;
  EXPECT_THAT(said(facts), HasSubstr("swapping it out was no use"));
  facts.history[0].lifecycle.nr_pages = 16;
  EXPECT_THAT(said(facts), HasSubstr("1 of 16 pages have left swap"));
  facts.history = {freed(Outcome::kFreedDevice)};
  EXPECT_THAT(said(facts), HasSubstr("its way back was not seen"));
}

TEST(ApiExplanation, WhatIsNotKnownIsSaid) {
  PageFacts facts = facts_of(State::kSwapped);
  EXPECT_THAT(said(facts), HasSubstr("How it went there is not known"));
  EXPECT_THAT(said(facts), HasSubstr("swaptraild was attached 1.00 min ago"));
  facts.forgotten = true;
  facts.reaches_back_ns = kNow - 5 * kSecond;
  EXPECT_THAT(said(facts), HasSubstr("The store reaches back to 5.00 s ago"));
  facts.reaches_back_ns = 0;
  EXPECT_THAT(said(facts), HasSubstr("lost attempts for want of room"));
  facts = facts_of(State::kResident);
  EXPECT_THAT(said(facts), HasSubstr("No attempt to swap it out is known."));
  facts = facts_of(State::kSpecial);
  EXPECT_THAT(said(facts), HasSubstr("special page table entry"));
  facts.moved = true;
  EXPECT_THAT(said(facts), HasSubstr("on the move"));
}

// A folio of 16 pages of process 42 from 0x6000 on: 0x7000 is page 1.
StoredLifecycle large() {
  StoredLifecycle out = freed(Outcome::kFreedDevice);
  out.lifecycle.nr_pages = 16;
  out.lifecycle.entry = make_entry(1, 5632);
  out.lifecycle.mappings[0] = {0x6000, 42, 0, 16, store::comm_of("web")};
  out.lifecycle.mapping_count = 1;
  return out;
}

Return fault_on(uint64_t page, uint16_t pages) {
  Return back;
  back.entry = make_entry(1, 5632) + page;
  back.time_ns = kNow - kSecond;
  back.fault_ns = 150'000;
  back.tgid = back.owner_tgid = 42;
  back.comm = store::comm_of("web");
  back.nr_pages = pages;
  back.mapped_pages = 1;
  return back;
}

void note(StoredLifecycle& to, const Return& back) {
  store::Note one;
  one.back = back;
  to.notes.notes.insert(to.notes.notes.begin(), one);
}

void came_back(StoredLifecycle& to, uint32_t page) {
  const Return back = fault_on(page, 1);
  to.first_return = back;
  to.back.any = true;
  to.back.gone_pages = to.back.swapped_in_pages = 1;
  to.gone[page / 64] |= uint64_t{1} << page % 64;
}

TEST(ApiExplanation, OfALargePageTheOneThatWasAskedFor) {
  PageFacts facts = facts_of(State::kSwapped);
  facts.page.swap_offset = 5633;
  facts.history = {large()};
  came_back(facts.history[0], 0);
  std::string text = said(facts);
  EXPECT_THAT(text,
              HasSubstr("It was page 1 of a folio of 16 pages, in swap entry type 1, offset 5633"));
  EXPECT_THAT(text,
              HasSubstr("written to swap entry type 1, offset 5633 (/dev/vdb): a fault has to"));
  EXPECT_THAT(text, HasSubstr("1 of 16 pages have left swap"));
  EXPECT_THAT(text, Not(HasSubstr("It came back")));
  facts = facts_of(State::kResident);
  facts.address = 0x6000;
  facts.history = {large()};
  came_back(facts.history[0], 0);
  EXPECT_THAT(said(facts), HasSubstr("It came back 1.00 s ago: web (pid 42) used it"));
  facts.address = 0x9000;  // in the middle, and resident: its way back was not seen
  EXPECT_THAT(said(facts), HasSubstr("It was page 3 of a folio"));
  EXPECT_THAT(said(facts), HasSubstr("its way back was not seen"));
  facts.history[0].gone[0] |= 8;
  facts.history[0].back.gone_pages = 2;
  EXPECT_THAT(said(facts), HasSubstr("It has left swap since; how is no longer kept"));
}

TEST(ApiExplanation, WhoElseReadIt) {
  PageFacts facts = facts_of(State::kResident);
  facts.address = 0x6000;
  facts.history = {large()};
  came_back(facts.history[0], 0);
  Return also = fault_on(0, 0);
  also.tgid = 50;
  also.comm = store::comm_of("gdb");
  note(facts.history[0], also);
  EXPECT_THAT(said(facts), HasSubstr("Also read by gdb (pid 50) 1.00 s ago, a fault of 150 us"));
  also.entry += 1;  // another page of the folio
  facts.history[0].notes.notes.clear();
  note(facts.history[0], also);
  EXPECT_THAT(said(facts), Not(HasSubstr("Also read")));
  facts.history[0].first_return->tgid = 50;
  EXPECT_THAT(said(facts), HasSubstr("read it in the memory of pid 42"));
  facts.history[0].notes.more = true;
  EXPECT_THAT(said(facts), HasSubstr("Older faults on it, and changes, are no longer kept"));
}

// fork: the first to read it is not the one whose page table was asked.
TEST(ApiExplanation, AnotherProcessReadIt) {
  PageFacts facts = facts_of(State::kSwapped);
  facts.history = {returned(Outcome::kFreedDevice, ReturnHow::kSwappedIn)};
  facts.history[0].first_return->tgid = 41;
  EXPECT_THAT(said(facts), HasSubstr("That was for another process that had it mapped, too"));
  facts.history[0].first_return->tgid = 42;
  EXPECT_THAT(said(facts), HasSubstr("How it went to swap again after that is not known"));
}

TEST(ApiExplanation, AFaultThatFails) {
  PageFacts facts = facts_of(State::kSwapped);
  facts.page.swap_offset = 5633;
  facts.history = {large()};
  Return failed = fault_on(1, 0);
  failed.how = ReturnHow::kReadError;
  failed.mapped_pages = 0;
  note(facts.history[0], failed);
  failed.how = ReturnHow::kNoMemory;
  note(facts.history[0], failed);
  const std::string text = said(facts);
  EXPECT_THAT(
      text, HasSubstr("A fault of web (pid 42) on it failed 1.00 s ago, after 150 us: its content "
                      "could not be read. It is where it was."));
  EXPECT_THAT(text, HasSubstr("there was no memory for it"));
  EXPECT_THAT(text, HasSubstr("a fault has to read it from there"));
}

TEST(ApiExplanation, WhatHappenedToItInSwap) {
  PageFacts facts = facts_of(State::kSwapped);
  facts.history = {freed(Outcome::kFreedZswap)};
  store::Note one;
  one.stay = Stay{17, kEntry, kNow - 2 * kSecond, 1, StayChange::kZswapWriteback};
  facts.history[0].notes.notes.push_back(one);
  EXPECT_THAT(said(facts), HasSubstr("zswap moved it to the device 2.00 s ago"));
  EXPECT_THAT(said(facts), Not(HasSubstr("unless zswap has moved it")));
  facts.history[0].notes.notes[0].stay->change = StayChange::kReadaheadDropped;
  EXPECT_THAT(said(facts), HasSubstr("It was read ahead, not used, and dropped again 2.00 s ago"));
}

TEST(ApiExplanation, AContradictionIsSaid) {
  PageFacts facts = facts_of(State::kSwapped);
  facts.page.swap_offset = 99;
  facts.history = {freed(Outcome::kFreedDevice)};
  EXPECT_THAT(said(facts),
              HasSubstr("That does not agree with its page table entry, which holds the swap "
                        "entry type 1, offset 99"));
  facts.page.swap_offset = 77;
  EXPECT_THAT(said(facts), Not(HasSubstr("does not agree")));
  EXPECT_THAT(said(facts), Not(HasSubstr("Events were lost")));
  facts.last_loss_ns = kNow - 4 * kSecond;  // before it ended
  EXPECT_THAT(said(facts), Not(HasSubstr("Events were lost")));
  facts.last_loss_ns = kNow - 2 * kSecond;
  EXPECT_THAT(said(facts), HasSubstr("Events were lost 2.00 s ago: what came of it since"));
}

TEST(ApiExplanation, SharedMemoryLeavesItsPageTablesEmpty) {
  PageFacts facts = facts_of(State::kNotMapped);
  EXPECT_THAT(said(facts),
              HasSubstr("or it is of shared memory, whose page table entries are empty"));
  facts.history = {freed(Outcome::kFreedDevice)};
  EXPECT_THAT(said(facts), HasSubstr("it was freed or unmapped since"));
  facts.history[0].lifecycle.shmem = true;
  facts.history[0].lifecycle.object = {.inode = 4711, .index = 3, .device = 1};
  const std::string text = said(facts);
  EXPECT_THAT(text, HasSubstr("as for all shared memory that is not in memory"));
  EXPECT_THAT(text, HasSubstr("It is in swap as far as was seen"));
  EXPECT_THAT(text, HasSubstr("but to the file with inode 4711"));
  EXPECT_THAT(text, Not(HasSubstr("never touched")));
  EXPECT_THAT(text, Not(HasSubstr("slot was freed")));
  facts.file = host::MappedFile{.major = 0, .minor = 1, .inode = 4711, .path = "/dev/shm/one"};
  EXPECT_THAT(said(facts), HasSubstr("but to the file /dev/shm/one."));
  facts.file->minor = 2;
  EXPECT_THAT(said(facts), HasSubstr("but to the file with inode 4711"))
      << "another is mapped there now";
}

TEST(ApiExplanation, MoreMappingsThanAreKept) {
  PageFacts facts = facts_of(State::kResident);
  // Linux 6.9 to 6.12 set this bit for every anonymous page (fs/proc/page.c stable_page_flags).
  facts.frame_flags = 1u << KPF_KSM;
  EXPECT_THAT(said(facts), HasSubstr("No attempt to swap it out is known"));
  facts.unkept_mappings = true;
  EXPECT_THAT(said(facts), Not(HasSubstr("No attempt to swap it out is known")));
  EXPECT_THAT(said(facts), HasSubstr("with more than 4 mappings only 4 are kept"));
  facts.history = {freed(Outcome::kFreedDevice)};
  facts.history[0].lifecycle.mapping_count = 9;
  EXPECT_THAT(said(facts), HasSubstr("It had 9 mappings, of which only"));
}

TEST(ApiExplanation, AnEarlierProcessIsNotThisOne) {
  PageFacts facts = facts_of(State::kResident);
  facts.started_ns = kNow - 2 * kSecond;
  EXPECT_THAT(said(facts), Not(HasSubstr("This process began")));
  facts.earlier_attempts = 2;
  EXPECT_THAT(said(facts),
              HasSubstr("This process began 2.00 s ago: 2 older attempts at this address are "
                        "left out, of another process that had its pid before."));
}

TEST(ApiExplanation, APageThatNobodyNeedsDidNotStay) {
  PageFacts facts = facts_of(State::kNotMapped);
  facts.history = {stored(life_of(until(Stage::kUnmapped), Outcome::kAborted))};
  facts.history[0].lifecycle.abort_reason = AbortReason::kSlotGone;
  EXPECT_THAT(said(facts), HasSubstr("It did not stay in memory for that"));
  EXPECT_THAT(said(facts), Not(HasSubstr("and the page stayed")));
}

TEST(ApiExplanation, GapsAreSaid) {
  for (size_t at = 1; at < static_cast<size_t>(IncompleteReason::kCount); ++at) {
    const auto reason = static_cast<IncompleteReason>(at);
    for (const Outcome outcome : {Outcome::kUnknown, Outcome::kFreedDevice, Outcome::kAborted}) {
      PageFacts facts = facts_of(State::kResident);
      facts.history = {stored(life_of(kAll, outcome))};
      facts.history[0].lifecycle.incomplete = reason;
      EXPECT_THAT(said(facts), HasSubstr(std::string(incomplete_words(reason))));
    }
  }
  PageFacts facts = facts_of(State::kSwapped);
  facts.history = {freed(Outcome::kFreedDevice)};
  facts.history[0].lifecycle.overlapped_loss = true;
  facts.history[0].lifecycle.shmem = facts.history[0].lifecycle.ksm = true;
  facts.history[0].lifecycle.owner_guessed = true;
  const std::string text = said(facts);
  for (const char* says : {"Events were lost", "shared memory", "KSM", "guessed"}) {
    EXPECT_THAT(text, HasSubstr(says));
  }
}

TEST(ApiExplanation, AFrameAndAnEntryAreOfWhateverPageIsThere) {
  PageFacts facts = facts_of(State::kNotMapped);
  facts.named_by = NamedBy::kFrame;
  facts.pfn = 99;
  facts.history = {freed(Outcome::kFreedDevice)};
  EXPECT_THAT(said(facts), HasSubstr("Frame 99 was asked for"));
  EXPECT_THAT(said(facts), HasSubstr("whatever is in it now is another page"));
  EXPECT_THAT(said(facts), Not(HasSubstr("Nothing is mapped")));
  facts.named_by = NamedBy::kEntry;
  facts.entry = kEntry;
  EXPECT_THAT(said(facts), HasSubstr("The swap entry type 1, offset 77 (/dev/vdb) was asked for"));
  EXPECT_THAT(said(facts), Not(HasSubstr("had that number then")));
  facts.area_path = [](uint32_t, uint64_t at_ns) {
    return at_ns == kNow ? "/dev/vdb" : "/dev/vda";
  };
  EXPECT_THAT(said(facts), HasSubstr("was on /dev/vda, which had that number then"));
}

TEST(ApiExplanation, PagesThatReclaimPassesBy) {
  PageFacts facts = facts_of(State::kResident);
  facts.frame_flags = uint64_t{1} << KPF_UNEVICTABLE | uint64_t{1} << KPF_ZERO_PAGE | 1u << KPF_LRU;
  const std::string text = said(facts);
  for (const char* says : {"unevictable", "page of zeroes", "page of a file"}) {
    EXPECT_THAT(text, HasSubstr(says));
  }
}

TEST(ApiExplanation, NamesOfFlagsAndProcesses) {
  EXPECT_THAT(flag_names(1u << KPF_SWAPCACHE | 1u << KPF_WRITEBACK),
              testing::ElementsAre("writeback", "swapcache"));
  EXPECT_EQ(process_words(0, ""), "a process that is not known");
  EXPECT_EQ(process_words(7, "a\x1b[1m"), "a?[1m (pid 7)");
  EXPECT_EQ(ago(5, 9), "just now");
}

}  // namespace
}  // namespace swaptrail::api
