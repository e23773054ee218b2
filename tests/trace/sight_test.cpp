// What is reported of lifecycles of which a part could not be seen: lost, before the attach, or because
// a hook was missing. Also cases that only look as if something were missing.
#include <gtest/gtest.h>

#include "tests/scene/trace_scene.h"

namespace swaptrail::lifecycles {
namespace {

Lifecycle first_of(const Outcomes& out) {
  EXPECT_TRUE(out.kept.violations.empty())
      << (out.kept.violations.empty() ? "" : std::string(out.kept.violations[0].rule));
  EXPECT_FALSE(out.kept.lifecycles.empty());
  return out.kept.lifecycles.empty() ? Lifecycle{} : out.kept.lifecycles[0];
}

void expect_unknown(const Outcomes& out, IncompleteReason why) {
  const Lifecycle life = first_of(out);
  EXPECT_EQ(outcome_name(life.outcome), "unknown");
  EXPECT_EQ(incomplete_reason_name(life.incomplete), incomplete_reason_name(why));
}

// In the thread that removes the folio, before REMOVED is reported.
void free_inside(Scene& scene, const Page& page) {
  scene.slot_freed(page.entry);
  scene.events.back().tid = scene.tid;
}

ReconstructorOptions without(uint64_t kinds) {
  ReconstructorOptions options;
  options.visible_kinds &= ~kinds;
  return options;
}

// --- complete streams ---

TEST(TraceComplete, SlotFreedInsideTheRemovalThatEndsAFlight) {
  Scene scene;
  scene.out_async(page_at(1));
  scene.begin();
  free_inside(scene, page_at(1));
  scene.removed(page_at(1));
  scene.end();
  scene.whole_sync({folio_at(2), page_at(1).entry});
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.lifecycles.size(), 2u);
  EXPECT_EQ(first_of(out).outcome, Outcome::kFreedDevice);
  EXPECT_TRUE(first_of(out).complete());
  EXPECT_EQ(out.swapped, 1u);  // only the second: nothing was left in the slot of the first
  EXPECT_EQ(out.counters.superseded_slots, 0u);
}

TEST(TraceComplete, SlotFreedInsideTheRemovalOfACleanPage) {
  Scene scene;
  scene.out_async(page_at(1));
  scene.swap_in(page_at(1).entry);  // given up, and its slot stays
  scene.begin();
  scene.unmap(page_at(1));
  free_inside(scene, page_at(1));  // its owner exits just now
  scene.removed(page_at(1));
  scene.end();
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.lifecycles.size(), 2u);
  EXPECT_EQ(outcome_name(out.kept.lifecycles[1].outcome), "freed_clean");
  EXPECT_TRUE(out.kept.lifecycles[1].complete());
  EXPECT_EQ(out.kept.lifecycles[1].generation, 0u);
  EXPECT_EQ(out.swapped, 0u);
}

TEST(TraceComplete, SlotOfAWriteThatIsReusedBeforeTheWriteEnds) {
  Scene scene;
  const Page page = page_at(1);
  scene.begin();
  scene.slot(page);
  scene.unmap(page);
  scene.add(SWAPTRAIL_WRITE_BEGIN, page);
  scene.add(SWAPTRAIL_CACHE_DELETED, page);
  free_inside(scene, page);
  const uint64_t batch_ns = scene.batch_ns;
  scene.tid = 8;
  scene.begin();
  scene.slot({folio_at(2), page.entry});
  scene.tid = 7;
  scene.batch_ns = batch_ns;
  scene.write_end(page, SWAPTRAIL_BACKEND_NONE, kDirty);
  scene.end();
  const Outcomes out = scene.run();
  const Lifecycle life = first_of(out);
  EXPECT_EQ(life.abort_reason, AbortReason::kSlotGone);
  EXPECT_NE(life.at(Stage::kWriteEnd), 0u);
}

TEST(TraceComplete, LifeAfterLeavingTheCacheIsAnother) {
  Scene scene;
  scene.out_async(page_at(1));
  scene.cache_deleted(page_at(1));
  scene.begin();
  Page again = page_at(1);
  again.state = kShmem;
  scene.add(SWAPTRAIL_WRITE_BEGIN, again);
  scene.write_end(again, SWAPTRAIL_BACKEND_ZERO);
  scene.removed(again);
  scene.end();
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.lifecycles.size(), 2u);
  EXPECT_EQ(out.kept.lifecycles[0].outcome, Outcome::kAborted);
  EXPECT_EQ(out.kept.lifecycles[1].outcome, Outcome::kFreedZero);
}

TEST(TraceComplete, ABatchThatHasItEndsThePassOfTheOneBefore) {
  Scene scene;  // the clock of the second thread's CPU is early: RECLAIM_END comes after it
  scene.begin();
  scene.slot(page_at(1));
  scene.unmap(page_at(1), true);
  const uint64_t batch_ns = scene.batch_ns;
  scene.tid = 8;
  scene.begin();
  scene.unmap(page_at(1));
  scene.write_sync(page_at(1));
  scene.removed(page_at(1));
  scene.end();
  scene.tid = 7;
  scene.batch_ns = batch_ns;
  scene.end();
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.lifecycles.size(), 2u);
  EXPECT_EQ(first_of(out).abort_reason, AbortReason::kStillMapped);
  EXPECT_EQ(out.kept.lifecycles[1].outcome, Outcome::kFreedDevice);
  EXPECT_EQ(out.kept.lifecycles[1].passes, 1u);
}

// --- losses ---

TEST(TraceSight, NothingThatALossOverlapsIsComplete) {
  Scene scene;
  scene.begin();
  scene.slot(page_at(1));
  scene.cpu = 1;
  scene.slot(page_at(9));
  scene.events.back().lost = 1;  // it may have been anything
  scene.cpu = 0;
  scene.unmap(page_at(1));
  scene.write_sync(page_at(1));
  scene.removed(page_at(1));
  scene.end();
  const Lifecycle life = first_of(scene.run());
  EXPECT_EQ(life.outcome, Outcome::kFreedDevice);
  EXPECT_EQ(life.incomplete, IncompleteReason::kDropped);
  EXPECT_TRUE(life.overlapped_loss);
}

TEST(TraceSight, ALossBeforeItsSlotHidesNothingOfAnAnonymousPage) {
  Scene scene;
  scene.begin();
  scene.out_sync(page_at(2));
  scene.out_sync(page_at(1));
  scene.end();
  scene.lose(3);  // of page 2
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.lifecycles.size(), 2u);
  EXPECT_FALSE(out.kept.lifecycles[0].complete());
  EXPECT_TRUE(out.kept.lifecycles[1].complete());
  EXPECT_FALSE(out.kept.lifecycles[1].overlapped_loss);
}

TEST(TraceSight, LostRemovalThenAFreedSlotIsNoAbort) {
  Scene scene;
  scene.out_async(page_at(1));
  scene.begin();
  scene.removed(page_at(1));
  scene.end();
  scene.lose(scene.events.size() - 2);
  scene.slot_freed(page_at(1).entry);
  scene.now += 2 * kSecond;
  scene.begin();
  scene.end();
  expect_unknown(scene.run(), IncompleteReason::kDropped);
}

TEST(TraceSight, EndOfItsWriteFillsNoGap) {
  Scene scene;
  scene.begin();
  scene.slot(page_at(1));
  scene.unmap(page_at(1));
  scene.write_async(page_at(1));
  scene.end();
  scene.swap_in(page_at(1).entry);
  const size_t refault = scene.events.size() - 1;
  scene.begin();
  scene.end();
  scene.complete(page_at(1));
  scene.lose(refault);
  expect_unknown(scene.run(), IncompleteReason::kDropped);
}

TEST(TraceSight, SlotsKnownBeforeALossAreNotKnownAfterIt) {
  Scene scene;
  scene.out_async(page_at(1));
  scene.swap_in(page_at(1).entry);
  scene.begin();
  scene.write_sync(page_at(1));
  scene.end();
  for (int writes = 0; writes < 4; ++writes) scene.lose(scene.events.size() - 2);
  scene.begin();
  scene.removed(page_at(1));  // clean, or so it seems
  scene.end();
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.lifecycles.size(), 2u);
  EXPECT_EQ(outcome_name(out.kept.lifecycles[1].outcome), "unknown");
}

TEST(TraceSight, PieceOfALargeFolioWhoseSlotWasLost) {
  Scene scene;
  scene.begin();
  scene.slot({folio_at(1), 0, 4}, -12);
  scene.slot(page_at(1));
  scene.unmap(page_at(1));
  scene.write_async(page_at(1));
  scene.end();
  scene.lose(2);
  const Lifecycle life = first_of(scene.run());
  EXPECT_EQ(life.nr_pages, 1u);
  EXPECT_EQ(life.outcome, Outcome::kInFlight);
  EXPECT_FALSE(life.complete());
}

TEST(TraceSight, ZswapStoreOfAnotherPageIsNotOfThisOne) {
  Scene scene;
  scene.out_async(page_at(1));
  scene.begin();
  scene.removed(page_at(1));
  scene.end();
  scene.lose(scene.events.size() - 2);
  scene.begin();
  scene.add(SWAPTRAIL_ZSWAP_STORED, {page_at(1).folio, page_at(5).entry});
  scene.end();
  const Lifecycle life = first_of(scene.run());
  EXPECT_EQ(life.outcome, Outcome::kUnknown);
  EXPECT_EQ(life.backend, SWAPTRAIL_BACKEND_DEVICE);
}

// --- the attach ---

// The programs record nothing of this batch that they do only in one.
Scene running_at_attach() {
  Scene scene;
  scene.slot(page_at(1));
  scene.add(SWAPTRAIL_WRITE_BEGIN, page_at(1));
  scene.add(SWAPTRAIL_WRITE_ISSUED, page_at(1));
  scene.write_end(page_at(1), SWAPTRAIL_BACKEND_UNKNOWN);
  return scene;
}

ReconstructorOptions attached_now() {
  ReconstructorOptions options;
  options.start_ns = 10 * kSecond;
  return options;
}

TEST(TraceSight, BatchThatRanAtTheAttachMayHaveFreedIt) {
  expect_unknown(running_at_attach().run(attached_now()), IncompleteReason::kBeforeAttach);
  Scene scene = running_at_attach();
  scene.end();
  scene.swap_in(page_at(1).entry);
  expect_unknown(scene.run(attached_now()), IncompleteReason::kBeforeAttach);
}

TEST(TraceSight, ReadAfterAnUnseenRemovalIsNoViolation) {
  Scene scene = running_at_attach();
  scene.swap_read({folio_at(7), page_at(1).entry});
  expect_unknown(scene.run(attached_now()), IncompleteReason::kBeforeAttach);
}

TEST(TraceSight, ShmemWrittenAtTheAttachIsNotOfAShrinker) {
  Scene scene;
  Page page = page_at(1);
  page.state = kShmem;
  scene.add(SWAPTRAIL_WRITE_BEGIN, page);
  scene.add(SWAPTRAIL_WRITE_ISSUED, page);
  scene.write_end(page, SWAPTRAIL_BACKEND_DEVICE, kWriteback);
  EXPECT_EQ(first_of(scene.run(attached_now())).incomplete, IncompleteReason::kBeforeAttach);
}

TEST(TraceSight, EndInTheMiddleOfARemoval) {
  Scene scene;
  scene.out_async(page_at(1));
  scene.begin();
  free_inside(scene, page_at(1));
  expect_unknown(scene.run(), IncompleteReason::kEnded);
}

// --- missing hooks ---

TEST(TraceSight, WithoutAWayOutNobodyKnowsHowItEnded) {
  for (const int kind : {SWAPTRAIL_REMOVED, SWAPTRAIL_CACHE_DELETED, SWAPTRAIL_SLOT_FREED,
                         SWAPTRAIL_SWAP_IN, SWAPTRAIL_WRITE_COMPLETED, SWAPTRAIL_UNMAPPED}) {
    SCOPED_TRACE(kind_name(static_cast<uint8_t>(kind)));
    Scene scene;
    scene.out_async(page_at(1));
    std::erase_if(scene.events, [&](const auto& event) { return event.kind == kind; });
    expect_unknown(scene.run(without(kind_bit(kind))), IncompleteReason::kNotHooked);
  }
}

TEST(TraceSight, RemovalThatWasSeenIsToldAlthoughAnotherWayOutIsNot) {
  Scene scene;
  scene.whole_sync(page_at(1));
  const Lifecycle life = first_of(scene.run(without(kind_bit(SWAPTRAIL_SWAP_IN))));
  EXPECT_EQ(life.outcome, Outcome::kFreedDevice);
  EXPECT_EQ(life.incomplete, IncompleteReason::kNotHooked);
}

TEST(TraceSight, WithoutTheWriteItsBackendIsNotKnown) {
  const uint64_t writes = kind_bit(SWAPTRAIL_WRITE_BEGIN) | kind_bit(SWAPTRAIL_WRITE_END);
  Scene scene;
  scene.whole_sync(page_at(1));
  std::erase_if(scene.events, [&](const auto& event) { return kind_bit(event.kind) & writes; });
  expect_unknown(scene.run(without(writes)), IncompleteReason::kNotHooked);
}

TEST(TraceSight, WriteOfAnUnknownBackendThatLeftItDirtyIsNotComplete) {
  Scene scene;
  scene.begin();
  scene.slot(page_at(1));
  scene.unmap(page_at(1));
  scene.add(SWAPTRAIL_WRITE_BEGIN, page_at(1));
  scene.write_end(page_at(1), SWAPTRAIL_BACKEND_UNKNOWN, kDirty);
  scene.end();
  const Lifecycle life = first_of(scene.run(without(kind_bit(SWAPTRAIL_WRITE_ISSUED))));
  EXPECT_EQ(life.outcome, Outcome::kAborted);
  EXPECT_EQ(life.backend, SWAPTRAIL_BACKEND_UNKNOWN);
  EXPECT_EQ(life.incomplete, IncompleteReason::kNotHooked);
}

}  // namespace
}  // namespace swaptrail::lifecycles
