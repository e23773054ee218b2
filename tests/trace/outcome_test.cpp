// How swap-out attempts end: one scenario each.
#include <gtest/gtest.h>

#include "tests/scene/trace_scene.h"

namespace swaptrail::lifecycles {
namespace {

// The one lifecycle of the scene, which must be whole and without violations.
Lifecycle only(const Outcomes& out) {
  EXPECT_EQ(out.kept.lifecycles.size(), 1u);
  EXPECT_TRUE(out.kept.violations.empty())
      << (out.kept.violations.empty() ? "" : std::string(out.kept.violations[0].rule));
  if (out.kept.lifecycles.empty()) return {};
  EXPECT_EQ(incomplete_reason_name(out.kept.lifecycles[0].incomplete), "none");
  return out.kept.lifecycles[0];
}

void expect_aborted(const Outcomes& out, AbortReason reason) {
  const Lifecycle life = only(out);
  EXPECT_EQ(outcome_name(life.outcome), "aborted");
  EXPECT_EQ(abort_reason_name(life.abort_reason), abort_reason_name(reason));
}

TEST(TraceOutcome, SyncDevice) {
  Scene scene;
  const Page page = page_at(1);
  scene.whole_sync(page);
  const Outcomes out = scene.run();
  const Lifecycle life = only(out);
  EXPECT_EQ(life.outcome, Outcome::kFreedDevice);
  EXPECT_EQ(life.backend, SWAPTRAIL_BACKEND_DEVICE);
  EXPECT_EQ(life.passes, 1u);
  EXPECT_EQ(life.entry, page.entry);
  EXPECT_EQ(life.cgroup, 42u);
  EXPECT_EQ(life.mapping_count, 1u);
  EXPECT_EQ(life.mappings[0].tgid, 100u);
  EXPECT_EQ(comm_text(life.mappings[0].comm), "victim");
  EXPECT_EQ(comm_text(life.first.comm), "kswapd0");
  EXPECT_EQ(life.first.cgroup, 55u);
  EXPECT_EQ(life.first.origin, SWAPTRAIL_ORIGIN_KSWAPD);
  for (size_t stage = 0; stage < kStageCount; ++stage) EXPECT_NE(life.stage_ns[stage], 0u) << stage;
  EXPECT_LT(life.at(Stage::kWriteCompleted), life.at(Stage::kWriteEnd));
  EXPECT_FALSE(life.rewritten);
  EXPECT_FALSE(life.overlapped_loss);
  EXPECT_EQ(life.visible_stages, 0xff);
  EXPECT_EQ(out.swapped, 1u);
}

TEST(TraceOutcome, AsyncIsFreedByALaterPassOfAnother) {
  Scene scene;
  const Page page = page_at(1);
  scene.out_async(page);
  scene.tid = 8;
  scene.origin = SWAPTRAIL_ORIGIN_DIRECT;
  scene.begin();
  scene.removed(page);
  scene.end();
  const Lifecycle life = only(scene.run());
  EXPECT_EQ(life.outcome, Outcome::kFreedDevice);
  EXPECT_EQ(life.passes, 2u);
  EXPECT_EQ(life.first.tid, 7u);
  EXPECT_EQ(life.last.tid, 8u);
  EXPECT_EQ(life.last.origin, SWAPTRAIL_ORIGIN_DIRECT);
  EXPECT_GT(life.last.batch_ns, life.first.batch_ns);
  EXPECT_EQ(life.at(Stage::kIsolated), life.first.batch_ns);
}

TEST(TraceOutcome, CompletionBeforeWriteEnd) {
  Scene scene;
  const Page page = page_at(1);
  scene.begin();
  scene.slot(page);
  scene.unmap(page);
  scene.add(SWAPTRAIL_WRITE_BEGIN, page);
  scene.add(SWAPTRAIL_WRITE_ISSUED, page);
  scene.complete(page);
  scene.write_end(page, SWAPTRAIL_BACKEND_DEVICE);
  scene.end();
  scene.begin();
  scene.removed(page);
  scene.end();
  EXPECT_EQ(only(scene.run()).outcome, Outcome::kFreedDevice);
}

TEST(TraceOutcome, InFlightSaysWhatItWaitsFor) {
  Scene scene;
  scene.out_async(page_at(1));
  Lifecycle life = only(scene.run());
  EXPECT_EQ(life.outcome, Outcome::kInFlight);
  EXPECT_EQ(life.waiting_for, Waiting::kSecondPass);
  scene.events.pop_back();  // the completion
  life = only(scene.run());
  EXPECT_EQ(life.outcome, Outcome::kInFlight);
  EXPECT_EQ(life.waiting_for, Waiting::kWriteback);
}

TEST(TraceOutcome, EndedInTheMiddle) {
  Scene scene;
  scene.begin();
  scene.slot(page_at(1));
  scene.unmap(page_at(1));
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.lifecycles.size(), 1u);
  EXPECT_EQ(out.kept.lifecycles[0].outcome, Outcome::kInFlight);
  EXPECT_EQ(out.kept.lifecycles[0].incomplete, IncompleteReason::kEnded);
  EXPECT_EQ(out.kept.lifecycles[0].waiting_for, Waiting::kNothing);
}

TEST(TraceOutcome, Zswap) {
  for (const bool fake_completion : {false, true}) {  // up to Linux 6.10
    Scene scene;
    const Page page = page_at(1);
    scene.begin();
    scene.slot(page);
    scene.unmap(page);
    scene.add(SWAPTRAIL_WRITE_BEGIN, page);
    scene.add(SWAPTRAIL_ZSWAP_STORED, page);
    if (fake_completion) scene.add(SWAPTRAIL_WRITE_COMPLETED, page);
    scene.write_end(page, SWAPTRAIL_BACKEND_ZSWAP);
    scene.removed(page);
    scene.end();
    const Lifecycle life = only(scene.run());
    EXPECT_EQ(life.outcome, Outcome::kFreedZswap);
    EXPECT_EQ(life.at(Stage::kWriteIssued), 0u);
  }
}

TEST(TraceOutcome, Zero) {
  Scene scene;
  const Page page = page_at(1);
  scene.begin();
  scene.slot(page);
  scene.unmap(page);
  scene.add(SWAPTRAIL_WRITE_BEGIN, page);
  scene.write_end(page, SWAPTRAIL_BACKEND_ZERO);
  scene.removed(page);
  scene.end();
  EXPECT_EQ(only(scene.run()).outcome, Outcome::kFreedZero);
}

// The fault mapped a page that had not left memory: nothing came back from swap.
void expect_fault_without_return(const Outcomes& out) {
  ASSERT_EQ(out.kept.returns.size(), 1u);
  EXPECT_EQ(out.kept.returns[0].nr_pages, 0u);
  EXPECT_EQ(out.kept.returns[0].mapped_pages, 1u);
  EXPECT_EQ(out.kept.returns[0].fault_ns, 5000u);
}

TEST(TraceOutcome, RefaultBeforeFreeThenCleanAgain) {
  Scene scene;
  const Page page = page_at(1);
  scene.out_async(page);
  scene.swap_in(page.entry);
  scene.begin();
  scene.unmap(page);
  scene.removed(page);
  scene.end();
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.lifecycles.size(), 2u);
  EXPECT_EQ(out.kept.lifecycles[0].outcome, Outcome::kAborted);
  EXPECT_EQ(out.kept.lifecycles[0].abort_reason, AbortReason::kReferenced);
  EXPECT_EQ(out.kept.lifecycles[1].outcome, Outcome::kFreedClean);
  EXPECT_TRUE(out.kept.lifecycles[1].complete());
  EXPECT_EQ(out.kept.lifecycles[1].entry, page.entry);
  EXPECT_EQ(out.kept.lifecycles[1].backend, SWAPTRAIL_BACKEND_NONE);
  EXPECT_FALSE(out.kept.lifecycles[1].readahead);
  expect_fault_without_return(out);
  EXPECT_TRUE(out.kept.violations.empty());
}

TEST(TraceOutcome, DirtyAgainIsRewrittenToTheSameSlot) {  // Linux 7.0 to 7.2
  Scene scene;
  const Page page = page_at(1);
  scene.out_async(page);
  scene.swap_in(page.entry);
  scene.begin();
  scene.unmap(page);
  scene.write_async(page);
  scene.end();
  scene.complete(page);
  scene.begin();
  scene.removed(page);
  scene.end();
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.lifecycles.size(), 2u);
  EXPECT_EQ(out.kept.lifecycles[1].outcome, Outcome::kFreedDevice);
  EXPECT_TRUE(out.kept.lifecycles[1].rewritten);
  EXPECT_EQ(out.kept.lifecycles[1].at(Stage::kSlotAllocated), 0u);
}

TEST(TraceOutcome, MappedAgainUnseenIsReferenced) {
  Scene scene;
  const Page page = page_at(1);
  scene.out_async(page);
  scene.begin();
  scene.unmap(page);
  scene.removed(page);
  scene.end();
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.lifecycles.size(), 2u);
  EXPECT_EQ(out.kept.lifecycles[0].abort_reason, AbortReason::kReferenced);
  EXPECT_EQ(out.kept.lifecycles[1].outcome, Outcome::kFreedClean);
}

TEST(TraceOutcome, RefaultWhileItsBatchStillRunsIsOneLifecycle) {
  Scene scene;
  const Page page = page_at(1);
  scene.begin();
  scene.slot(page);
  scene.unmap(page);
  scene.add(SWAPTRAIL_WRITE_BEGIN, page);
  scene.add(SWAPTRAIL_WRITE_ISSUED, page);
  scene.add(SWAPTRAIL_WRITE_COMPLETED, page);
  scene.swap_in(page.entry);  // unlocked inside swap_writepage
  scene.write_end(page, SWAPTRAIL_BACKEND_DEVICE);
  scene.removed(page, 0);
  scene.end();
  expect_aborted(scene.run(), AbortReason::kReferenced);
}

TEST(TraceOutcome, WriteFaultFreesTheSlotBeforeItReturns) {
  Scene scene;
  const Page page = page_at(1);
  scene.out_async(page);
  scene.cache_deleted(page);
  scene.slot_freed(page.entry);
  scene.swap_in(page.entry);
  const Outcomes out = scene.run();
  expect_aborted(out, AbortReason::kReferenced);
  expect_fault_without_return(out);
}

TEST(TraceOutcome, ExitOfTheOwnerIsSlotGone) {
  Scene scene;
  const Page page = page_at(1);
  scene.out_async(page);
  scene.cache_deleted(page);
  const uint64_t left = scene.now;
  scene.slot_freed(page.entry);
  scene.now += 2 * kSecond;
  scene.begin();
  scene.end();
  const Outcomes out = scene.run();
  expect_aborted(out, AbortReason::kSlotGone);
  EXPECT_EQ(out.kept.lifecycles[0].closed_ns, left);
}

TEST(TraceOutcome, NoSlot) {
  Scene scene;
  scene.begin();
  scene.slot(page_at(1), -12);
  scene.end();
  const Outcomes out = scene.run();
  expect_aborted(out, AbortReason::kNoSlot);
  EXPECT_EQ(out.kept.lifecycles[0].entry, 0u);
}

// Its first page is tried next, under the address of the whole.
TEST(TraceOutcome, ALargeFolioWithoutRoomIsSplit) {
  Scene scene;
  Page whole = page_at(1), piece = whole;
  whole.nr_pages = 16;
  scene.begin();
  scene.slot(whole, -12);
  scene.out_sync(piece);
  scene.end();
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.lifecycles.size(), 1u);
  const Lifecycle& life = out.kept.lifecycles[0];
  EXPECT_EQ(life.outcome, Outcome::kFreedDevice);
  EXPECT_EQ(life.nr_pages, 1u);
  EXPECT_EQ(life.fallback_from, 16u);
}

TEST(TraceOutcome, StillMapped) {
  Scene scene;
  scene.begin();
  scene.slot(page_at(1));
  scene.unmap(page_at(1), true);
  scene.end();
  const Outcomes out = scene.run();
  expect_aborted(out, AbortReason::kStillMapped);
  EXPECT_EQ(out.kept.lifecycles[0].at(Stage::kUnmapped), 0u);
}

TEST(TraceOutcome, StillMappedThenFaultIsNoReturn) {
  Scene scene;
  scene.begin();
  scene.slot(page_at(1));
  scene.unmap(page_at(1), true);
  scene.end();
  scene.swap_in(page_at(1).entry);
  const Outcomes out = scene.run();
  expect_fault_without_return(out);
  EXPECT_EQ(out.counters.cache_refaults, 1u);
}

TEST(TraceOutcome, WriteRefused) {
  Scene scene;
  const Page page = page_at(1);
  scene.begin();
  scene.slot(page);
  scene.unmap(page);
  scene.add(SWAPTRAIL_WRITE_BEGIN, page);
  scene.write_end(page, SWAPTRAIL_BACKEND_NONE, kDirty, 0x80000);
  scene.end();
  expect_aborted(scene.run(), AbortReason::kWriteRefused);
}

TEST(TraceOutcome, MayNotWrite) {
  Scene scene;
  scene.begin(false);
  scene.slot(page_at(1));
  scene.unmap(page_at(1));
  scene.end();
  expect_aborted(scene.run(), AbortReason::kWriteRefused);
}

TEST(TraceOutcome, SomebodyElseHoldsItBeforeTheWrite) {
  Scene scene;
  scene.begin();
  scene.slot(page_at(1));
  scene.unmap(page_at(1));
  scene.end();
  const Outcomes out = scene.run();
  const Lifecycle& life = only(out);
  EXPECT_EQ(life.outcome, Outcome::kInFlight) << "its page table entry is a swap entry already";
  EXPECT_EQ(life.waiting_for, Waiting::kSecondPass);
  EXPECT_EQ(life.kept_because, AbortReason::kExtraReference);
  EXPECT_TRUE(life.complete());
}

TEST(TraceOutcome, HeldOnceThenWrittenByTheNextPassWithItsOwner) {
  Scene scene;
  scene.begin();
  scene.slot(page_at(1));
  scene.unmap(page_at(1));
  scene.end();
  scene.begin();
  scene.write_sync(page_at(1));
  scene.removed(page_at(1));
  scene.end();
  const Outcomes out = scene.run();
  const Lifecycle& life = only(out);
  EXPECT_EQ(life.outcome, Outcome::kFreedDevice);
  EXPECT_EQ(life.mapping_count, 1u);
  EXPECT_EQ(life.passes, 2u);
  EXPECT_EQ(life.kept_because, AbortReason::kExtraReference);
}

TEST(TraceOutcome, RemoveFailed) {
  for (const bool dirty : {false, true}) {
    Scene scene;
    scene.begin();
    scene.slot(page_at(1));
    scene.unmap(page_at(1));
    scene.write_sync(page_at(1));
    scene.removed(page_at(1), 0, dirty ? kDirty : 0);
    scene.end();
    const Outcomes out = scene.run();
    if (dirty) {
      expect_aborted(out, AbortReason::kDirtied);
    } else {
      EXPECT_EQ(only(out).outcome, Outcome::kInFlight);
      EXPECT_EQ(only(out).kept_because, AbortReason::kExtraReference);
    }
  }
}

TEST(TraceOutcome, RemoveRetriedInTheSameBatch) {
  Scene scene;
  scene.begin();
  scene.slot(page_at(1));
  scene.unmap(page_at(1));
  scene.write_sync(page_at(1));
  scene.removed(page_at(1), 0);
  scene.removed(page_at(1), 1);
  scene.end();
  EXPECT_EQ(only(scene.run()).outcome, Outcome::kFreedDevice);
}

TEST(TraceOutcome, WriteError) {
  Scene negative;
  negative.begin();
  negative.slot(page_at(1));
  negative.unmap(page_at(1));
  negative.add(SWAPTRAIL_WRITE_BEGIN, page_at(1));
  negative.write_end(page_at(1), SWAPTRAIL_BACKEND_NONE, kDirty, -5);
  negative.end();
  expect_aborted(negative.run(), AbortReason::kWriteError);

  Scene late;  // the device says so after the batch
  late.begin();
  late.slot(page_at(1));
  late.unmap(page_at(1));
  late.write_async(page_at(1));
  late.end();
  late.complete(page_at(1), kDirty);
  const uint64_t failed = late.now;
  late.begin();
  late.end();
  const Outcomes out = late.run();
  expect_aborted(out, AbortReason::kWriteError);
  EXPECT_EQ(out.kept.lifecycles[0].closed_ns, failed);
}

TEST(TraceOutcome, DirtiedAsSoonAsItWasUnlocked) {
  Scene scene;
  const Page page = page_at(1);
  scene.begin();
  scene.slot(page);
  scene.unmap(page);
  scene.add(SWAPTRAIL_WRITE_BEGIN, page);
  scene.add(SWAPTRAIL_ZSWAP_STORED, page);
  scene.write_end(page, SWAPTRAIL_BACKEND_ZSWAP, kDirty);
  scene.end();
  expect_aborted(scene.run(), AbortReason::kDirtied);
}

TEST(TraceOutcome, SlotFreedAloneIsSlotGone) {
  Scene scene;
  scene.out_async(page_at(1));
  scene.slot_freed(page_at(1).entry);
  expect_aborted(scene.run(), AbortReason::kSlotGone);
}

TEST(TraceOutcome, NobodyRefersToTheSlotAtTheWrite) {
  Scene scene;
  const Page page = page_at(1);
  scene.begin();
  scene.slot(page);
  scene.unmap(page);
  scene.add(SWAPTRAIL_WRITE_BEGIN, page);
  scene.add(SWAPTRAIL_CACHE_DELETED, page);
  scene.slot_freed(page.entry);
  scene.write_end(page, SWAPTRAIL_BACKEND_NONE, kDirty);
  scene.end();
  expect_aborted(scene.run(), AbortReason::kSlotGone);
}

TEST(TraceOutcome, ForkSharedHasTwoOwners) {
  Scene scene;
  const Page page = page_at(1);
  scene.begin();
  scene.slot(page);
  for (uint32_t owner = 200; owner < 206; ++owner) scene.unmap_one(page, owner, owner * 4096);
  scene.add(SWAPTRAIL_UNMAPPED, page);
  scene.write_sync(page);
  scene.removed(page);
  scene.end();
  const Lifecycle life = only(scene.run());
  EXPECT_EQ(life.mapping_count, 6u);
  EXPECT_EQ(life.mappings[3].tgid, 203u);
  EXPECT_EQ(life.mappings[3].address, 203u * 4096);
}

TEST(TraceOutcome, Ksm) {
  Scene scene;
  Page page = page_at(1);
  page.state |= SWAPTRAIL_STATE_KSM;
  scene.whole_sync(page);
  EXPECT_TRUE(only(scene.run()).ksm);
}

TEST(TraceOutcome, ShmemNewKernel) {
  Scene scene;
  Page page = page_at(1);
  page.state = kShmem;
  Page before = page;
  before.entry = 0;
  scene.begin();
  scene.unmap(before);
  scene.slot(page);
  scene.write_sync(page);
  scene.removed(page);
  scene.end();
  const Lifecycle life = only(scene.run());
  EXPECT_TRUE(life.shmem);
  EXPECT_EQ(life.outcome, Outcome::kFreedDevice);
  EXPECT_NE(life.at(Stage::kSlotAllocated), 0u);
}

TEST(TraceOutcome, ShmemOldKernelInfersTheSlotFromTheWrite) {
  for (const bool mapped : {false, true}) {
    Scene scene;
    Page page = page_at(1);
    page.state = kShmem;
    Page before = page;
    before.entry = 0;
    scene.begin();
    if (mapped) scene.unmap(before);
    scene.write_async(page);
    scene.end();
    scene.complete(page);
    scene.begin();
    scene.removed(page);
    scene.end();
    const Lifecycle life = only(scene.run());
    EXPECT_TRUE(life.shmem);
    EXPECT_EQ(life.entry, page.entry);
    EXPECT_EQ(life.outcome, Outcome::kFreedDevice);
    EXPECT_EQ(life.passes, 2u);
    EXPECT_FALSE(life.rewritten);
  }
}

// pageout() keeps a folio that somebody else holds before shmem can ask for a slot. On an old
// kernel a refused slot doesn't show either, but it activates the folio.
TEST(TraceOutcome, ShmemHeldBeforeItsWrite) {
  for (const uint32_t activated : {0u, 1u}) {
    Scene scene;
    Page page = page_at(1);
    page.state = kShmem;
    page.entry = 0;
    scene.begin();
    scene.unmap(page);
    scene.end(activated);
    const Outcomes out = scene.run();
    ASSERT_EQ(out.kept.lifecycles.size(), 1u);
    const Lifecycle& life = out.kept.lifecycles[0];
    EXPECT_EQ(life.outcome, Outcome::kAborted);
    EXPECT_EQ(life.complete(), activated == 0);
    EXPECT_EQ(life.abort_reason,
              activated == 0 ? AbortReason::kExtraReference : AbortReason::kNone);
  }
}

TEST(TraceOutcome, WritebackWithoutAnEndIsNotCompleteWhereProbesCanBeSkipped) {
  for (const bool may_miss : {false, true}) {
    Scene scene;
    scene.begin();
    scene.slot(page_at(1));
    scene.unmap(page_at(1));
    scene.write_async(page_at(1));
    scene.end();
    ReconstructorOptions options;
    options.may_miss_silently = may_miss;
    const Outcomes out = scene.run(options);
    ASSERT_EQ(out.kept.lifecycles.size(), 1u);
    EXPECT_EQ(out.kept.lifecycles[0].outcome, Outcome::kInFlight);
    EXPECT_EQ(out.kept.lifecycles[0].complete(), !may_miss);
  }
}

TEST(TraceOutcome, LargeFolioWhole) {
  Scene scene;
  Page page = page_at(0);
  page.nr_pages = 16;
  scene.whole_sync(page);
  const Outcomes out = scene.run();
  EXPECT_EQ(only(out).nr_pages, 16u);
  EXPECT_EQ(out.swapped, 1u);
}

TEST(TraceOutcome, SplitWithSlotGoesOnAsPieces) {
  Scene scene;
  Page page = page_at(0);
  page.nr_pages = 4;
  scene.begin();
  scene.slot(page);
  scene.unmap_one(page, 100, 0x10000);
  scene.add(SWAPTRAIL_UNMAPPED, page);
  Page head = page;
  head.nr_pages = 1;
  scene.add(SWAPTRAIL_SPLIT, head, 0, 4);
  for (uint64_t piece = 0; piece < 4; ++piece) {
    scene.write_sync(page_at(piece));
    scene.removed(page_at(piece));
  }
  scene.end();
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.lifecycles.size(), 5u);
  EXPECT_TRUE(out.kept.violations.empty());
  EXPECT_EQ(out.kept.lifecycles[0].abort_reason, AbortReason::kSplit);
  EXPECT_EQ(out.kept.lifecycles[0].nr_pages, 4u);
  for (uint64_t piece = 0; piece < 4; ++piece) {
    const Lifecycle& life = out.kept.lifecycles[1 + piece];
    EXPECT_EQ(life.outcome, Outcome::kFreedDevice);
    EXPECT_TRUE(life.complete());
    EXPECT_EQ(life.nr_pages, 1u);
    EXPECT_EQ(life.entry, page.entry + piece);
    EXPECT_EQ(life.folio, folio_at(piece));
    EXPECT_EQ(life.mappings[0].address, 0x10000 + piece * 4096);
  }
  EXPECT_EQ(out.swapped, 4u);
}

TEST(TraceOutcome, SplitPiecesGoOnInTheNextPass) {
  Scene scene;
  Page page = page_at(0);
  page.nr_pages = 2;
  scene.begin();
  scene.slot(page);
  scene.unmap(page);
  Page head = page;
  head.nr_pages = 1;
  scene.add(SWAPTRAIL_SPLIT, head, 0, 2);
  scene.end();
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.lifecycles.size(), 3u);
  for (int piece : {1, 2}) {
    EXPECT_EQ(out.kept.lifecycles[piece].outcome, Outcome::kInFlight);
    EXPECT_EQ(out.kept.lifecycles[piece].kept_because, AbortReason::kExtraReference);
  }
}

TEST(TraceOutcome, LargeAllocationFailsThenTheHeadAloneGoes) {
  Scene scene;
  Page large = page_at(0);
  large.nr_pages = 512;
  scene.begin();
  scene.slot(large, -12);
  scene.out_sync(page_at(0));
  scene.out_sync(page_at(1));
  scene.end();
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.lifecycles.size(), 2u);
  EXPECT_EQ(out.kept.lifecycles[0].nr_pages, 1u);
  EXPECT_EQ(out.kept.lifecycles[0].outcome, Outcome::kFreedDevice);
  EXPECT_TRUE(out.kept.violations.empty());
}

TEST(TraceOutcome, MigratedWhileItWaits) {
  Scene scene;
  const Page page = page_at(1);
  scene.out_async(page);
  Page moved = page;
  moved.folio = folio_at(500);
  Page other = page_at(2);
  other.folio = page.folio;
  scene.whole_sync(other);  // the old address is used again, first
  scene.begin();
  scene.removed(moved);
  scene.end();
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.lifecycles.size(), 2u);
  EXPECT_TRUE(out.kept.violations.empty());
  EXPECT_EQ(out.kept.lifecycles[1].entry, page.entry);
  EXPECT_EQ(out.kept.lifecycles[1].outcome, Outcome::kFreedDevice);
  EXPECT_TRUE(out.kept.lifecycles[1].complete());
}

TEST(TraceOutcome, ZswapWritebackIsNoLifecycle) {
  Scene scene;
  const Page page = page_at(1);
  scene.begin();
  scene.slot(page);
  scene.unmap(page);
  scene.add(SWAPTRAIL_WRITE_BEGIN, page);
  scene.add(SWAPTRAIL_ZSWAP_STORED, page);
  scene.write_end(page, SWAPTRAIL_BACKEND_ZSWAP);
  scene.removed(page);
  Page own = page;
  own.folio = folio_at(300);
  scene.add(SWAPTRAIL_WRITE_ISSUED, own);
  scene.complete(own);
  scene.end();
  const Outcomes out = scene.run();
  EXPECT_EQ(only(out).outcome, Outcome::kFreedZswap);
  EXPECT_EQ(out.counters.zswap_writeback_pages, 1u);
  scene.swap_in(page.entry);
  EXPECT_EQ(scene.run().kept.returns.at(0).backend, SWAPTRAIL_BACKEND_DEVICE);
}

TEST(TraceOutcome, FilePagesAreIgnored) {
  Scene scene;
  scene.begin();
  scene.add(SWAPTRAIL_REMOVED, {folio_at(1), 0, 1, 0}, 0, 1);
  scene.end();
  const Outcomes out = scene.run();
  EXPECT_TRUE(out.kept.lifecycles.empty());
  EXPECT_EQ(out.counters.ignored, 1u);
}

}  // namespace
}  // namespace swaptrail::lifecycles
