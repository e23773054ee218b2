// What becomes of pages in swap: swap-in, slots freed, swapoff, reuse.
#include <gtest/gtest.h>

#include "tests/scene/trace_scene.h"

namespace swaptrail::lifecycles {
namespace {

TEST(TraceReturn, SwappedIn) {
  Scene scene;
  const Page page = page_at(1);
  scene.whole_sync(page);
  const uint64_t removed = scene.events[scene.events.size() - 2].time_ns;
  scene.now += 100 * kMs;
  Page fresh = page;
  fresh.folio = folio_at(9);
  scene.swap_read(fresh);
  scene.swap_in(page.entry, 0x4);
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.returns.size(), 1u);
  const Return& back = out.kept.returns[0];
  EXPECT_EQ(back.lifecycle_id, 1u);
  EXPECT_EQ(back.how, ReturnHow::kSwappedIn);
  EXPECT_EQ(back.after_ns, scene.now - removed);
  EXPECT_EQ(back.fault_ns, 5000u);
  EXPECT_TRUE(back.major);
  EXPECT_EQ(back.tgid, 100u);
  EXPECT_EQ(back.address, 0x7fff0000u);
}

// Every freed page has returned once, or is away.
void expect_balance(const Outcomes& out) {
  uint64_t returned = 0;
  for (const Return& back : out.kept.returns)
    if (back.lifecycle_id != 0) returned += back.nr_pages;
  EXPECT_EQ(out.counters.returned_pages, returned);
  EXPECT_EQ(out.counters.freed_pages,
            out.counters.returned_pages + out.counters.away_pages + out.counters.superseded_pages);
}

void expect_is_of(const Return& back, const Lifecycle& life) {
  EXPECT_EQ(back.lifecycle_id, life.id);
  EXPECT_EQ(back.eviction.victim, life.mappings[0].tgid);
  EXPECT_EQ(back.eviction.cgroup, life.cgroup);
  EXPECT_EQ(back.eviction.reclaimer, life.last.tgid);
  EXPECT_EQ(back.eviction.origin, life.last.origin);
}

// Counters have nothing else to go by once the lifecycle has left the store.
TEST(TraceReturn, AReturnTellsWhoseItWasAndWhoTookIt) {
  Scene scene;
  Page first = page_at(1), second = page_at(2), gone = page_at(3);
  second.owner = 200;
  scene.whole_sync(first);
  scene.tid = 8;
  scene.origin = SWAPTRAIL_ORIGIN_DIRECT;
  scene.whole_sync(second);
  scene.whole_sync(gone);
  scene.now += 3600 * kSecond;
  scene.swap_read(second);
  scene.swap_in(second.entry);
  scene.slot_freed(second.entry);
  scene.swap_read(first);
  scene.swap_in(first.entry);
  scene.swap_in(first.entry);       // it is back: this one only waited
  scene.slot_freed(gone.entry);     // nobody read it
  scene.swap_in(page_at(9).entry);  // left before anybody looked
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.lifecycles.size(), 3u);
  ASSERT_EQ(out.kept.returns.size(), 5u);
  expect_is_of(out.kept.returns[0], out.kept.lifecycles[1]);
  EXPECT_EQ(out.kept.returns[0].eviction.victim, 200u);
  EXPECT_EQ(out.kept.returns[0].eviction.cgroup, 42u);
  EXPECT_EQ(out.kept.returns[0].eviction.reclaimer, 8u);
  EXPECT_EQ(out.kept.returns[0].eviction.origin, SWAPTRAIL_ORIGIN_DIRECT);
  expect_is_of(out.kept.returns[1], out.kept.lifecycles[0]);
  EXPECT_EQ(out.kept.returns[1].eviction.origin, SWAPTRAIL_ORIGIN_KSWAPD);
  expect_is_of(out.kept.returns[2], out.kept.lifecycles[0]);
  EXPECT_EQ(out.kept.returns[2].nr_pages, 0u);
  expect_is_of(out.kept.returns[3], out.kept.lifecycles[2]);
  EXPECT_EQ(out.kept.returns[4].lifecycle_id, 0u);
  EXPECT_EQ(out.kept.returns[4].eviction.victim, 0u);
  EXPECT_EQ(out.kept.returns[4].eviction.origin, SWAPTRAIL_ORIGIN_UNKNOWN);
}

TEST(TraceReturn, ErrorsAreFaultsThatBringNothing) {
  struct Case {
    int result;
    ReturnHow how;
  };
  for (const Case& one : {Case{0x1, ReturnHow::kNoMemory}, Case{0x2, ReturnHow::kReadError},
                          Case{0x10, ReturnHow::kReadError}, Case{0x40, ReturnHow::kSwappedIn}}) {
    Scene scene;
    scene.whole_sync(page_at(1));
    scene.swap_in(page_at(1).entry, one.result);
    const Outcomes out = scene.run();
    ASSERT_EQ(out.kept.returns.size(), 1u);
    EXPECT_EQ(out.kept.returns[0].how, one.how);
    EXPECT_EQ(out.kept.returns[0].nr_pages, 0u);
    EXPECT_EQ(out.kept.returns[0].lifecycle_id, 1u);
    EXPECT_EQ(out.counters.failed_swap_ins, one.how == ReturnHow::kSwappedIn ? 0u : 1u);
    EXPECT_EQ(out.counters.read_errors, one.how == ReturnHow::kReadError ? 1u : 0u);
    EXPECT_EQ(out.counters.away_pages, 1u);
    expect_balance(out);
  }
}

// The kernel counts it once, as major, and it waited through all its passes.
TEST(TraceReturn, AFaultIsOneHoweverOftenItIsRetried) {
  struct Case {
    int first_result;
    uint16_t first;
    uint16_t second;
  };
  for (const Case& one :
       {Case{0x404, SWAPTRAIL_STATE_VMA_LOCK, SWAPTRAIL_STATE_TRIED},  // 6.12 and later
        Case{0x404, 0, SWAPTRAIL_STATE_TRIED},                         // 6.1
        Case{0x400, SWAPTRAIL_STATE_VMA_LOCK, SWAPTRAIL_STATE_TRIED},
        Case{0x404, SWAPTRAIL_STATE_VMA_LOCK, 0}}) {
    Scene scene;
    scene.whole_sync(page_at(1));
    scene.swap_in_pass(page_at(1).entry, one.first_result, one.first);
    const uint64_t begin = scene.now - 5 * kMs;
    scene.swap_in_pass(page_at(1).entry, 0, one.second);
    const Outcomes out = scene.run();
    ASSERT_EQ(out.kept.returns.size(), 1u);
    const Return& back = out.kept.returns[0];
    EXPECT_EQ(back.fault_ns, scene.now - begin);
    EXPECT_EQ(back.passes, 2u);
    EXPECT_TRUE(back.major);
    EXPECT_EQ(back.nr_pages, 1u);
    EXPECT_EQ(back.lifecycle_id, 1u);
    expect_balance(out);
  }
}

// After a retry in the cache under the lock of the VMA the fault counts as minor (mm_account_fault).
TEST(TraceReturn, ARetryUnderTheVmaLockAloneIsMinor) {
  Scene scene;
  scene.whole_sync(page_at(1));
  scene.swap_in_pass(page_at(1).entry, 0x400, SWAPTRAIL_STATE_VMA_LOCK);
  scene.swap_in_pass(page_at(1).entry, 0, 0);
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.returns.size(), 1u);
  EXPECT_FALSE(out.kept.returns[0].major);
  EXPECT_EQ(out.kept.returns[0].passes, 2u);
}

TEST(TraceReturn, AFaultWhosePageAnotherThreadMappedOnlyWaited) {
  Scene scene;
  scene.whole_sync(page_at(1));
  scene.swap_in_pass(page_at(1).entry, 0x404, 0);
  scene.swap_in_pass(page_at(1).entry, 0x400, 0).tid = 101;
  scene.swap_in_pass(page_at(1).entry, 0, SWAPTRAIL_STATE_TRIED);
  const uint64_t end = scene.now;
  scene.now += 3 * kSecond;
  scene.begin();
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.returns.size(), 2u);
  EXPECT_EQ(out.kept.returns[0].tid, 100u);
  EXPECT_EQ(out.kept.returns[0].nr_pages, 1u);
  EXPECT_EQ(out.kept.returns[1].tid, 101u);
  EXPECT_EQ(out.kept.returns[1].nr_pages, 0u);
  EXPECT_EQ(out.kept.returns[1].mapped_pages, 0u);
  EXPECT_EQ(out.kept.returns[1].fault_ns, 5 * kMs);
  EXPECT_TRUE(out.kept.returns[1].major);
  EXPECT_LT(out.kept.returns[1].time_ns, end);
}

TEST(TraceReturn, ANewFaultIsNoRetryOfAnOldOne) {
  Scene scene;
  scene.whole_sync(page_at(1));
  scene.swap_in_pass(page_at(1).entry, 0x404, 0);
  scene.swap_in_pass(page_at(1).entry, 0x4, SWAPTRAIL_STATE_VMA_LOCK);
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.returns.size(), 2u);
  EXPECT_EQ(out.kept.returns[0].nr_pages, 0u);
  EXPECT_EQ(out.kept.returns[1].nr_pages, 1u);
  EXPECT_EQ(out.kept.returns[1].passes, 1u);
}

TEST(TraceReturn, RecordingsOfAbi1HaveNoFlags) {
  Scene scene;
  scene.whole_sync(page_at(1));
  scene.swap_in_pass(page_at(1).entry, 0x404, 0).u.map.ptes = 1;
  scene.swap_in_pass(page_at(1).entry, 0, 0);
  ReconstructorOptions options;
  options.event_abi = 1;
  const Outcomes out = scene.run(options);
  ASSERT_EQ(out.kept.returns.size(), 1u);
  EXPECT_TRUE(out.kept.returns[0].major);
  EXPECT_EQ(out.kept.returns[0].passes, 2u);
}

TEST(TraceReturn, AnotherProcessReadsThePage) {
  Scene scene;
  scene.whole_sync(page_at(1));
  swaptrail_event& fault = scene.swap_in(page_at(1).entry, 0x4);
  fault.tid = fault.tgid = 300;
  fault.reader_cgroup = 12;
  std::strcpy(fault.u.map.comm, "gdb");
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.returns.size(), 1u);
  EXPECT_EQ(out.kept.returns[0].tgid, 300u);
  EXPECT_EQ(out.kept.returns[0].owner_tgid, 100u);
  EXPECT_EQ(out.kept.returns[0].reader_cgroup, 12u);
  EXPECT_EQ(comm_text(out.kept.returns[0].comm), "gdb");
}

TEST(TraceReturn, OneFaultBringsALargeFolioBack) {
  for (const bool freed_inside : {false, true}) {
    Scene scene;
    Page page = page_at(0);
    page.nr_pages = 16;
    scene.whole_sync(page);
    Page fresh = page;
    fresh.folio = folio_at(900);
    scene.swap_read(fresh);
    if (freed_inside) scene.slot_freed(page.entry, 16);
    swaptrail_event& fault = scene.swap_in(page.entry + 5, 0x4, 1);
    fault.u.map.first_page = 5;
    fault.u.map.ptes = 16;
    const Outcomes out = scene.run();
    ASSERT_EQ(out.kept.returns.size(), 1u);
    EXPECT_EQ(out.kept.returns[0].entry, page.entry);
    EXPECT_EQ(out.kept.returns[0].nr_pages, 16u);
    EXPECT_EQ(out.kept.returns[0].mapped_pages, 16u);
    EXPECT_EQ(out.counters.away_pages, 0u);
    expect_balance(out);
  }
}

// What was swapped out one by one can come back as one large folio: one fault, which waited once.
TEST(TraceReturn, OneFaultBringsSeveralLifecyclesBack) {
  Scene scene;
  for (uint64_t index = 0; index < 4; ++index) scene.whole_sync(page_at(index));
  scene.swap_in(page_at(0).entry, 0x4).u.map.ptes = 4;
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.returns.size(), 4u);
  for (size_t index = 0; index < 4; ++index) {
    EXPECT_EQ(out.kept.returns[index].nr_pages, 1u);
    EXPECT_EQ(out.kept.returns[index].passes, index == 0 ? 1u : 0u);
    EXPECT_EQ(out.kept.returns[index].fault_ns, index == 0 ? 5000u : 0u);
  }
  expect_balance(out);
}

TEST(TraceReturn, ReadaheadThatNobodyUsedIsNoSwapOut) {
  Scene scene;
  const Page page = page_at(1);
  scene.whole_sync(page);
  Page copy = page;
  copy.folio = folio_at(9);
  copy.state = kShmem;  // read in, and not mapped: its mapping says nothing
  scene.swap_read(copy);
  scene.begin();
  scene.removed(copy);
  scene.end();
  scene.swap_read(copy);
  scene.swap_in(page.entry, 0x4);
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.lifecycles.size(), 1u);
  ASSERT_EQ(out.kept.stays.size(), 1u);
  EXPECT_EQ(out.kept.stays[0].change, StayChange::kReadaheadDropped);
  EXPECT_EQ(out.kept.stays[0].lifecycle_id, 1u);
  ASSERT_EQ(out.kept.returns.size(), 1u);
  EXPECT_EQ(out.kept.returns[0].lifecycle_id, 1u);
  EXPECT_EQ(out.counters.readahead_dropped_pages, 1u);
  expect_balance(out);
}

// It is read into another folio, and mapped there.
Page bring_back(Scene& scene, const Page& page) {
  Page back = page;
  back.folio = folio_at(9);
  scene.swap_read(back);
  scene.swap_in(page.entry, 0x4);
  return back;
}

// Linux 5.10 copies a page of the swap cache at its first write, and leaves the old folio to reclaim.
TEST(TraceReturn, TheOldFolioOfACopiedPageIsNoSwapOut) {
  Scene scene;
  const Page page = page_at(1);
  scene.whole_sync(page);
  const Page back = bring_back(scene, page);
  scene.begin();
  scene.removed(back);
  scene.end();
  scene.slot_freed(page.entry);
  const Outcomes out = scene.run();
  EXPECT_EQ(out.kept.lifecycles.size(), 1u);
  EXPECT_EQ(out.kept.returns.size(), 1u);
  EXPECT_EQ(out.counters.old_copies_dropped_pages, 1u);
  expect_balance(out);
}

// Its slot is freed inside its removal, or later.
TEST(TraceReturn, TheOldFolioIsNoSwapOutWhereverItsSlotGoes) {
  for (const bool slot_goes_first : {false, true}) {
    Scene scene;
    const Page page = page_at(1);
    scene.whole_sync(page);
    const Page back = bring_back(scene, page);
    scene.begin();
    if (slot_goes_first) {
      scene.slot_freed(page.entry);
      scene.events.back().tid = scene.tid;
    }
    scene.removed(back);
    scene.end();
    const Outcomes out = scene.run();
    ASSERT_EQ(out.kept.lifecycles.size(), 1u);
    EXPECT_EQ(out.counters.old_copies_dropped_pages, 1u);
    expect_balance(out);
  }
}

// One that was unmapped, written and kept is still on its way out.
TEST(TraceReturn, AFolioThatReclaimUnmappedIsASwapOut) {
  Scene scene;
  const Page page = page_at(1);
  scene.out_async(page);
  scene.swap_in(page.entry);
  scene.begin();
  scene.unmap(page);
  scene.write_async(page);
  scene.complete(page, SWAPTRAIL_STATE_DIRTY);  // failed: given up
  scene.end();
  scene.begin();
  scene.removed(page);
  scene.end();
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.lifecycles.size(), 3u);
  EXPECT_EQ(out.kept.lifecycles[1].abort_reason, AbortReason::kWriteError);
  EXPECT_EQ(out.kept.lifecycles[2].outcome, Outcome::kFreedClean);
  EXPECT_EQ(out.counters.old_copies_dropped_pages, 0u);
  EXPECT_EQ(out.swapped, 1u);
}

// ... but a loss may hide that it was mapped, and unmapped now.
TEST(TraceReturn, WhatALossHidesMayBeASwapOut) {
  Scene scene;
  const Page page = page_at(1);
  scene.whole_sync(page);
  const Page back = bring_back(scene, page);
  scene.begin();
  const size_t lost = scene.events.size();
  scene.unmap(back);
  scene.removed(back);
  scene.end();
  scene.lose(lost + 1);
  scene.lose(lost);
  const Outcomes out = scene.run();
  EXPECT_EQ(out.kept.lifecycles.size(), 2u);
  EXPECT_EQ(out.counters.old_copies_dropped_pages, 0u);
}

// What the row `slots` is made of.
TEST(TraceReturn, UsedSlotsFollowAllocationsAndFrees) {
  Scene scene;
  const Page back = page_at(1), out = page_at(2), older = page_at(8), gone = page_at(9);
  scene.whole_sync(back);
  scene.whole_sync(out);
  scene.swap_in(back.entry);
  scene.slot_freed(back.entry);
  scene.swap_read(older);  // from before we looked, as the next one
  scene.slot_freed(gone.entry);
  const ReconstructorCounters counters = scene.run().counters;
  EXPECT_EQ(counters.used_slots, 2u);
  EXPECT_EQ(counters.older_slots, 2u);
  EXPECT_EQ(counters.slot_changes, 4u) << "two allocations, two frees";
}

TEST(TraceReturn, ZswapMovesAPageToTheDevice) {
  Scene scene;
  const Page page = page_at(1);
  scene.begin();
  scene.slot(page);
  scene.unmap(page);
  scene.add(SWAPTRAIL_WRITE_BEGIN, page);
  scene.add(SWAPTRAIL_ZSWAP_STORED, page);
  scene.write_end(page, SWAPTRAIL_BACKEND_ZSWAP);
  scene.removed(page);
  scene.end();
  Page copy = page;
  copy.folio = folio_at(9);
  copy.state = kShmem;
  scene.add(SWAPTRAIL_WRITE_ISSUED, copy);  // backend: unknown
  scene.complete(copy);
  scene.begin();
  scene.removed(copy);
  scene.end();
  scene.swap_in(page.entry, 0x4);
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.lifecycles.size(), 1u);
  EXPECT_EQ(out.kept.lifecycles[0].outcome, Outcome::kFreedZswap);
  ASSERT_EQ(out.kept.stays.size(), 1u);
  EXPECT_EQ(out.kept.stays[0].change, StayChange::kZswapWriteback);
  EXPECT_EQ(out.kept.stays[0].lifecycle_id, 1u);
  ASSERT_EQ(out.kept.returns.size(), 1u);
  EXPECT_EQ(out.kept.returns[0].backend, SWAPTRAIL_BACKEND_DEVICE);
  EXPECT_EQ(out.counters.zswap_writeback_pages, 1u);
}

// Its owner unmapped it while it was written: __remove_mapping frees the slot with the page.
TEST(TraceReturn, APageThatBelongsToNobodyReturnsWhenItIsFreed) {
  Scene scene;
  const Page page = page_at(1);
  scene.out_async(page);
  scene.begin();
  scene.add(SWAPTRAIL_SLOT_FREED, {0, page.entry, 1, 0});
  scene.removed(page);
  scene.end();
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.lifecycles.size(), 1u);
  EXPECT_EQ(out.kept.lifecycles[0].outcome, Outcome::kFreedDevice);
  ASSERT_EQ(out.kept.returns.size(), 1u);
  EXPECT_EQ(out.kept.returns[0].how, ReturnHow::kSlotFreed);
  EXPECT_EQ(out.kept.returns[0].lifecycle_id, 1u);
  EXPECT_EQ(out.counters.away_pages, 0u);
  expect_balance(out);
}

TEST(TraceReturn, AFaultDuringSwapoffIsAFault) {
  Scene scene;
  scene.whole_sync(page_at(1));
  scene.swap_read({folio_at(9), page_at(1).entry});
  scene.slot_freed(page_at(1).entry);
  scene.swap_in(page_at(1).entry, 0x4);
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.returns.size(), 1u);
  EXPECT_EQ(out.kept.returns[0].how, ReturnHow::kSwappedIn);
}

TEST(TraceReturn, TimeEndsWhatWaitsThoughNothingHappens) {
  Scene scene;
  scene.whole_sync(page_at(1));
  scene.whole_sync(page_at(2));
  scene.swap_read({folio_at(9), page_at(1).entry});
  scene.slot_freed(page_at(1).entry);
  scene.swap_in_pass(page_at(2).entry, 0x404, 0);
  Kept kept;
  Reconstructor reconstructor({}, kept);
  for (const swaptrail_event& event : scene.events) reconstructor.on_event(event, 0);
  EXPECT_TRUE(kept.returns.empty());
  EXPECT_FALSE(reconstructor.has_due(scene.now + 500 * kMs));
  EXPECT_TRUE(reconstructor.has_due(scene.now + 3 * kSecond));
  reconstructor.on_time(scene.now + 3 * kSecond);
  ASSERT_EQ(kept.returns.size(), 2u);
  EXPECT_EQ(kept.returns[0].how, ReturnHow::kSwappedIn);  // it waited
  EXPECT_EQ(kept.returns[0].nr_pages, 0u);
  EXPECT_EQ(kept.returns[1].how, ReturnHow::kSlotFreed);
  EXPECT_FALSE(reconstructor.has_due(scene.now + 30 * kSecond));
}

TEST(TraceReturn, SharedSlotReturnsOnce) {
  Scene scene;
  scene.whole_sync(page_at(1));
  scene.swap_in(page_at(1).entry);
  scene.swap_in(page_at(1).entry);
  scene.slot_freed(page_at(1).entry);  // by the last fault, before it returns
  scene.swap_in(page_at(1).entry);
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.returns.size(), 3u);
  EXPECT_EQ(out.kept.returns[0].nr_pages, 1u);
  for (size_t further : {1, 2}) {
    EXPECT_EQ(out.kept.returns[further].nr_pages, 0u);
    EXPECT_EQ(out.kept.returns[further].mapped_pages, 1u);
  }
  expect_balance(out);
  EXPECT_EQ(out.counters.shared_swap_ins, 2u);
  EXPECT_EQ(out.swapped, 0u);
}

TEST(TraceReturn, SlotFreedInsideTheFaultIsASwapIn) {
  Scene scene;
  const Page page = page_at(1);
  scene.whole_sync(page);
  Page fresh = page;
  fresh.folio = folio_at(9);
  scene.swap_read(fresh);
  scene.slot_freed(page.entry);
  scene.swap_in(page.entry);
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.returns.size(), 1u);
  EXPECT_EQ(out.kept.returns[0].how, ReturnHow::kSwappedIn);
  EXPECT_EQ(out.kept.returns[0].lifecycle_id, 1u);
  EXPECT_EQ(out.swapped, 0u);
}

TEST(TraceReturn, SlotFreedUnread) {
  for (const bool read_ahead : {false, true}) {
    Scene scene;
    const Page page = page_at(1);
    scene.whole_sync(page);
    Page fresh = page;
    fresh.folio = folio_at(9);
    if (read_ahead) scene.swap_read(fresh);
    scene.slot_freed(page.entry);
    const uint64_t freed = scene.now;
    scene.now += 2 * kSecond;
    scene.begin();
    const Outcomes out = scene.run();
    ASSERT_EQ(out.kept.returns.size(), 1u);
    EXPECT_EQ(out.kept.returns[0].how, ReturnHow::kSlotFreed);
    EXPECT_EQ(out.kept.returns[0].time_ns, freed);
    EXPECT_EQ(out.swapped, 0u);
  }
}

TEST(TraceReturn, Swapoff) {
  Scene scene;
  scene.whole_sync(page_at(1));
  scene.whole_sync(page_at(2));
  scene.swap_in(page_at(2).entry);
  scene.slot_freed(page_at(1).entry, 2, SWAPTRAIL_STATE_SWAPOFF);
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.returns.size(), 2u);
  EXPECT_EQ(out.kept.returns[1].how, ReturnHow::kSwapoff);
  EXPECT_EQ(out.kept.returns[1].lifecycle_id, 1u);
  EXPECT_EQ(out.kept.returns[1].nr_pages, 1u);
}

TEST(TraceReturn, LargeFolioReturnsPageByPage) {
  Scene scene;
  Page page = page_at(0);
  page.nr_pages = 8;
  scene.whole_sync(page);
  scene.swap_in(page.entry + 3);
  scene.slot_freed(page.entry, 8);
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.returns.size(), 3u);
  EXPECT_EQ(out.kept.returns[0].how, ReturnHow::kSwappedIn);
  EXPECT_EQ(out.kept.returns[0].entry, page.entry + 3);
  EXPECT_EQ(out.kept.returns[1].how, ReturnHow::kSlotFreed);
  EXPECT_EQ(out.kept.returns[1].entry, page.entry);
  EXPECT_EQ(out.kept.returns[1].nr_pages, 3u);
  EXPECT_EQ(out.kept.returns[2].entry, page.entry + 4);
  EXPECT_EQ(out.kept.returns[2].nr_pages, 4u);
  EXPECT_EQ(out.swapped, 0u);
}

TEST(TraceReturn, PartOfAPendingRange) {
  Scene scene;
  Page page = page_at(0);
  page.nr_pages = 8;
  scene.whole_sync(page);
  Page fresh = page;
  fresh.folio = folio_at(900);
  scene.swap_read(fresh);
  scene.slot_freed(page.entry, 8);
  scene.swap_in(page.entry + 3);
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.returns.size(), 3u);
  EXPECT_EQ(out.kept.returns[0].entry, page.entry + 3);
  EXPECT_EQ(out.kept.returns[0].how, ReturnHow::kSwappedIn);
  EXPECT_EQ(out.kept.returns[1].nr_pages, 3u);
  EXPECT_EQ(out.kept.returns[2].nr_pages, 4u);
}

TEST(TraceReturn, UnknownLifecycleOnce) {
  Scene scene;
  scene.swap_in(make_entry(0, 5));
  scene.swap_in(make_entry(0, 5));
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.returns.size(), 2u);
  EXPECT_EQ(out.kept.returns[0].lifecycle_id, 0u);
  EXPECT_EQ(out.kept.returns[0].nr_pages, 1u);
  EXPECT_EQ(out.kept.returns[1].nr_pages, 0u);
  EXPECT_EQ(out.kept.returns[0].after_ns, 0u);
  EXPECT_EQ(out.counters.shared_swap_ins, 1u);
}

TEST(TraceReturn, MigrationEntriesAreIgnored) {
  Scene scene;
  scene.swap_in(make_entry(30, 5));
  const Outcomes out = scene.run();
  EXPECT_TRUE(out.kept.returns.empty());
  EXPECT_EQ(out.counters.ignored, 1u);
}

// A page of a file in a tmpfs goes out, and its slot is read.
Page shmem_out_and_read(Scene& scene) {
  Page page = page_at(1);
  page.state = kShmem;
  scene.begin();
  scene.write_sync(page);
  scene.removed(page);
  scene.end();
  scene.events[1].u.page.inode = 77;
  scene.events[1].u.page.index = 5;
  scene.events[1].u.page.device = 21;
  Page fresh = page;
  fresh.folio = folio_at(9);
  scene.swap_read(fresh);
  scene.cache_deleted(fresh);
  scene.slot_freed(page.entry);
  return page;
}

TEST(TraceReturn, ShmemHasAReaderWhoWaits) {
  for (const bool in_fault : {false, true}) {
    Scene scene;
    const Page page = shmem_out_and_read(scene);
    scene.shmem_swap_in(page.entry, in_fault ? 0x4 : 0, in_fault ? SWAPTRAIL_STATE_IN_FAULT : 0);
    const Outcomes out = scene.run();
    ASSERT_EQ(out.kept.lifecycles.size(), 1u);
    EXPECT_EQ(out.kept.lifecycles[0].object.inode, 77u);
    EXPECT_EQ(out.kept.lifecycles[0].object.index, 5u);
    EXPECT_EQ(out.kept.lifecycles[0].object.device, 21u);
    ASSERT_EQ(out.kept.returns.size(), 1u);
    EXPECT_EQ(out.kept.returns[0].how, ReturnHow::kSwappedIn);
    EXPECT_EQ(out.kept.returns[0].lifecycle_id, 1u);
    EXPECT_EQ(out.kept.returns[0].fault_ns, 6 * kMs);
    EXPECT_EQ(out.kept.returns[0].tgid, 100u);
    EXPECT_EQ(out.kept.returns[0].owner_tgid, 0u);
    EXPECT_EQ(out.kept.returns[0].major, in_fault);
    EXPECT_TRUE(out.kept.returns[0].shmem);
    expect_balance(out);
  }
}

// Read ahead, and then the file is removed: nobody has it back.
TEST(TraceReturn, ShmemReadAheadAndDeletedIsFreed) {
  Scene scene;
  shmem_out_and_read(scene);
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.returns.size(), 1u);
  EXPECT_EQ(out.kept.returns[0].how, ReturnHow::kSlotFreed);
}

TEST(TraceReturn, ShmemComesBackWithoutAHookForIt) {
  Scene scene;
  shmem_out_and_read(scene);
  ReconstructorOptions options;
  options.visible_kinds &= ~kind_bit(SWAPTRAIL_SHMEM_SWAP_IN);
  const Outcomes out = scene.run(options);
  ASSERT_EQ(out.kept.returns.size(), 1u);
  EXPECT_EQ(out.kept.returns[0].how, ReturnHow::kSwappedIn);
  EXPECT_EQ(out.kept.returns[0].fault_ns, 0u);
}

TEST(TraceReturn, ShmemThatCannotBeRead) {
  Scene scene;
  Page page = page_at(1);
  page.state = kShmem;
  scene.begin();
  scene.write_sync(page);
  scene.removed(page);
  scene.end();
  scene.shmem_swap_in(page.entry, -5, SWAPTRAIL_STATE_IN_FAULT);
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.returns.size(), 1u);
  EXPECT_EQ(out.kept.returns[0].how, ReturnHow::kReadError);
  EXPECT_EQ(out.counters.away_pages, 1u);
}

TEST(TraceReturn, SlotReuseHasGenerations) {
  Scene scene;
  Page page = page_at(1);
  for (uint32_t use = 0; use < 3; ++use) {
    page.folio = folio_at(10 + use);
    scene.whole_sync(page);
    scene.slot_freed(page.entry);
  }
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.lifecycles.size(), 3u);
  ASSERT_EQ(out.kept.returns.size(), 3u);
  for (uint32_t use = 0; use < 3; ++use) {
    EXPECT_EQ(out.kept.lifecycles[use].generation, use);
    EXPECT_EQ(out.kept.returns[use].generation, use);
    EXPECT_EQ(out.kept.returns[use].lifecycle_id, use + 1);
  }
  EXPECT_TRUE(out.kept.violations.empty());
}

TEST(TraceReturn, FaultOfTheFormerUseDoesNotTouchTheNewOne) {
  Scene scene;
  const Page page = page_at(1);
  scene.whole_sync(page);
  Page fresh = page;
  fresh.folio = folio_at(9);
  scene.swap_read(fresh);
  scene.slot_freed(page.entry);
  Page next = page;
  next.folio = folio_at(20);
  scene.begin();
  scene.slot(next);
  scene.unmap(next);
  scene.write_async(next);
  scene.end();
  scene.complete(next);
  scene.swap_in(page.entry).u.map.value = 100'000;  // began before all that
  scene.begin();
  scene.removed(next);
  scene.end();
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.lifecycles.size(), 2u);
  EXPECT_EQ(out.kept.lifecycles[1].outcome, Outcome::kFreedDevice);
  ASSERT_EQ(out.kept.returns.size(), 1u);
  EXPECT_EQ(out.kept.returns[0].how, ReturnHow::kSwappedIn);
  EXPECT_EQ(out.kept.returns[0].lifecycle_id, 1u);
}

}  // namespace
}  // namespace swaptrail::lifecycles
