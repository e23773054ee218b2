// What was not seen is not reported: losses, the time before the start, full tables, violations.
#include <gtest/gtest.h>

#include <map>

#include "tests/scene/trace_scene.h"

namespace swaptrail::lifecycles {
namespace {

// Four pages: two freed in the same pass, two asynchronous and freed in the next.
Scene four_pages() {
  Scene scene;
  scene.begin();
  scene.out_sync(page_at(1));
  scene.slot(page_at(3));
  scene.unmap(page_at(3));
  scene.write_async(page_at(3));
  scene.slot(page_at(2));
  scene.unmap(page_at(2));
  scene.add(SWAPTRAIL_WRITE_BEGIN, page_at(2));
  scene.write_end(page_at(2), SWAPTRAIL_BACKEND_ZERO);
  scene.removed(page_at(2));
  scene.slot(page_at(4));
  scene.unmap(page_at(4), true);
  scene.end();
  scene.complete(page_at(3));
  scene.begin();
  scene.removed(page_at(3));
  scene.end();
  return scene;
}

bool is_subset(const Lifecycle& seen, const Lifecycle& truth) {
  for (size_t stage = 0; stage < kStageCount; ++stage) {
    if (seen.stage_ns[stage] != 0 && seen.stage_ns[stage] != truth.stage_ns[stage]) return false;
  }
  return true;
}

// Nothing is invented: every report is true, and a lifecycle that lacks something says so.
void expect_honest(const Outcomes& out, const std::map<uint64_t, Lifecycle>& truth) {
  for (const Lifecycle& life : out.kept.lifecycles) {
    const auto found = truth.find(life.folio);
    ASSERT_NE(found, truth.end());
    const Lifecycle& real = found->second;
    EXPECT_TRUE(is_subset(life, real));
    if (life.outcome != Outcome::kUnknown) {
      EXPECT_EQ(outcome_name(life.outcome), outcome_name(real.outcome));
      EXPECT_EQ(abort_reason_name(life.abort_reason), abort_reason_name(real.abort_reason));
    }
    const bool lacks = life.stage_ns != real.stage_ns || life.outcome != real.outcome ||
                       life.mapping_count != real.mapping_count;
    if (lacks) {
      EXPECT_EQ(incomplete_reason_name(life.incomplete), "dropped");
    }
    if (!life.complete()) {
      EXPECT_TRUE(life.overlapped_loss);
    }
    if (life.complete() && comm_text(life.last.comm).empty()) {
      EXPECT_TRUE(life.overlapped_loss);
    }
  }
  EXPECT_TRUE(out.kept.violations.empty())
      << (out.kept.violations.empty() ? "" : std::string(out.kept.violations[0].rule));
}

TEST(TraceLoss, EachSingleEventInTurn) {
  const Scene whole = four_pages();
  std::map<uint64_t, Lifecycle> truth;
  for (const Lifecycle& life : whole.run().kept.lifecycles) truth[life.folio] = life;
  ASSERT_EQ(truth.size(), 4u);
  for (size_t index = 0; index < whole.events.size(); ++index) {
    SCOPED_TRACE(std::string(kind_name(whole.events[index].kind)) + " " + std::to_string(index));
    Scene scene = whole;
    scene.lose(index);
    const bool at_end = index + 1 == whole.events.size();
    const Outcomes out = scene.run({}, at_end ? 1 : 0);
    ASSERT_EQ(out.kept.losses.size(), 1u);
    EXPECT_EQ(out.kept.losses[0].count, 1u);
    EXPECT_EQ(out.kept.lifecycles.size(), 4u);
    expect_honest(out, truth);
    EXPECT_EQ(out.counters.unexplained_gaps, 0u);
  }
}

TEST(TraceLoss, AnyTwoEvents) {
  const Scene whole = four_pages();
  std::map<uint64_t, Lifecycle> truth;
  for (const Lifecycle& life : whole.run().kept.lifecycles) truth[life.folio] = life;
  for (size_t first = 0; first < whole.events.size(); ++first) {
    for (size_t second = first; second + 1 < whole.events.size(); ++second) {
      SCOPED_TRACE(std::to_string(first) + " and " + std::to_string(second));
      Scene scene = whole;
      scene.lose(first);
      scene.lose(second);
      const bool at_end = second + 2 == whole.events.size();
      expect_honest(scene.run({}, at_end ? 2 : 0), truth);
    }
  }
}

TEST(TraceLoss, LostRemovalIsNoRefault) {
  Scene scene;
  scene.whole_sync(page_at(1));
  scene.lose(scene.events.size() - 2);  // REMOVED
  scene.swap_in(page_at(1).entry);
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.lifecycles.size(), 1u);
  EXPECT_EQ(out.kept.lifecycles[0].outcome, Outcome::kUnknown);
  EXPECT_EQ(out.kept.lifecycles[0].incomplete, IncompleteReason::kDropped);
}

TEST(TraceLoss, BesideALossButWhole) {
  Scene scene;
  scene.begin();
  scene.out_sync(page_at(1));
  scene.out_sync(page_at(2));
  scene.end();
  scene.lose(12);  // of the second page
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.lifecycles.size(), 2u);
  EXPECT_TRUE(out.kept.lifecycles[0].complete());
  EXPECT_FALSE(out.kept.lifecycles[0].overlapped_loss);  // closed before it
  EXPECT_FALSE(out.kept.lifecycles[1].complete());
}

TEST(TraceLoss, MissingWithoutALossIsUnexplained) {
  Scene scene;
  scene.whole_sync(page_at(1));
  std::erase_if(scene.events,
                [](const auto& event) { return event.kind == SWAPTRAIL_WRITE_ISSUED; });
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.lifecycles.size(), 1u);
  EXPECT_EQ(out.kept.lifecycles[0].incomplete, IncompleteReason::kDropped);
  EXPECT_FALSE(out.kept.lifecycles[0].overlapped_loss);
  EXPECT_EQ(out.counters.unexplained_gaps, 1u);
}

TEST(TraceLoss, UnmappedOneWithoutUnmappedIsUnexplained) {
  Scene scene;
  scene.whole_sync(page_at(1));
  std::erase_if(scene.events, [](const auto& event) { return event.kind == SWAPTRAIL_UNMAPPED; });
  const Outcomes out = scene.run();
  EXPECT_EQ(out.kept.lifecycles.at(0).incomplete, IncompleteReason::kDropped);
  EXPECT_EQ(out.counters.unexplained_gaps, 1u);
}

TEST(TraceLoss, FreedCleanIsNotClaimedBesideALoss) {
  Scene scene;
  scene.out_async(page_at(1));
  scene.swap_in(page_at(1).entry);
  scene.begin();
  scene.unmap(page_at(1));
  scene.removed(page_at(1));
  scene.end();
  scene.events[scene.events.size() - 2].lost = 3;  // perhaps a whole write
  scene.events[scene.events.size() - 1].lost = 3;
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.lifecycles.size(), 2u);
  EXPECT_EQ(out.kept.lifecycles[1].outcome, Outcome::kUnknown);
  EXPECT_EQ(out.kept.lifecycles[1].incomplete, IncompleteReason::kDropped);
}

TEST(TraceLoss, UnknownPageAfterAnOldLossIsNotCleanEither) {
  Scene scene;
  scene.begin();
  scene.end();
  scene.events.back().lost = 5;
  scene.now += kSecond;
  scene.begin();
  scene.removed(page_at(1));
  scene.end();
  for (auto& event : scene.events) event.lost = &event == &scene.events[0] ? 0 : 5;
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.lifecycles.size(), 1u);
  EXPECT_EQ(out.kept.lifecycles[0].outcome, Outcome::kUnknown);
  EXPECT_EQ(out.kept.lifecycles[0].incomplete, IncompleteReason::kDropped);
}

TEST(TraceLoss, NextBatchOfTheThreadEndsTheLastOne) {
  Scene scene;
  scene.begin();
  scene.slot(page_at(1));
  scene.unmap(page_at(1), true);
  scene.end();
  scene.lose(scene.events.size() - 1);
  scene.begin();
  const uint64_t next = scene.now;
  scene.end();
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.lifecycles.size(), 1u);
  EXPECT_EQ(out.kept.lifecycles[0].abort_reason, AbortReason::kStillMapped);
  EXPECT_EQ(out.kept.lifecycles[0].closed_ns, next);
}

TEST(TraceLoss, WhenTheRestOfTheBatchIsLostARefaultMayHaveBeenASwapIn) {
  Scene scene;
  scene.begin();
  scene.slot(page_at(1));
  scene.unmap(page_at(1));
  scene.write_async(page_at(1));
  scene.swap_in(page_at(1).entry);
  scene.tid = 8;  // and the unmapping in the batch of thread 8
  scene.begin();
  scene.removed(page_at(1));
  scene.events.back().lost = 4;
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.lifecycles.size(), 2u);
  EXPECT_EQ(out.kept.lifecycles[0].outcome, Outcome::kUnknown);
  EXPECT_EQ(out.kept.lifecycles[1].outcome, Outcome::kUnknown);
}

TEST(TraceLoss, SameEntryElsewhereAfterALossIsNoMigration) {
  Scene scene;
  scene.out_async(page_at(1));
  Page other = page_at(1);
  other.folio = folio_at(70);
  scene.begin();
  scene.unmap(other);
  scene.write_async(other);
  scene.end();
  for (size_t late = 10; late < scene.events.size(); ++late) scene.events[late].lost = 9;
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.lifecycles.size(), 2u);
  EXPECT_EQ(out.kept.lifecycles[0].outcome, Outcome::kUnknown);
  EXPECT_EQ(out.kept.lifecycles[0].folio, page_at(1).folio);
  EXPECT_EQ(out.kept.lifecycles[1].incomplete, IncompleteReason::kDropped);
}

TEST(TraceLoss, FolioReusedAfterALossIsUnknown) {
  Scene scene;
  scene.out_async(page_at(1));
  Page next = page_at(2);
  next.folio = page_at(1).folio;
  scene.begin();
  scene.out_sync(next);
  scene.end();
  for (auto& event : scene.events) event.lost = event.time_ns > scene.now - 9'500 ? 3 : 0;
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.lifecycles.size(), 2u);
  EXPECT_EQ(out.kept.lifecycles[0].outcome, Outcome::kUnknown);
  EXPECT_EQ(out.kept.lifecycles[0].incomplete, IncompleteReason::kDropped);
  EXPECT_TRUE(out.kept.violations.empty());
}

// --- runs of programs that the kernel skipped ---

// One page that is written, as reported by programs that never saw a WRITE_ISSUED.
struct TornWrite {
  Scene scene;
  size_t write_begin = 0, write_end = 0;  // events

  TornWrite(uint32_t backend, uint16_t state) {
    scene.begin();
    scene.slot(page_at(1));
    scene.unmap(page_at(1));
    write_begin = scene.events.size();
    scene.add(SWAPTRAIL_WRITE_BEGIN, page_at(1));
    write_end = scene.events.size();
    scene.write_end(page_at(1), backend, state);
  }

  // A loss is reported before event `before`, and ends a little before it.
  Outcomes run(size_t before, uint32_t cpu) const {
    Outcomes out;
    Reconstructor reconstructor({}, out.kept);
    for (size_t index = 0; index < scene.events.size(); ++index) {
      const uint64_t time_ns = scene.events[index].time_ns;
      if (index == before) reconstructor.on_loss({time_ns - 500, time_ns - 1, 1, cpu});
      reconstructor.on_event(scene.events[index], index);
    }
    reconstructor.finish(scene.now + 1000);
    return out;
  }
};

TornWrite torn_and_freed() {
  TornWrite torn(SWAPTRAIL_BACKEND_ZERO, 0);
  torn.scene.removed(page_at(1));
  torn.scene.end();
  return torn;
}

TEST(TraceSkippedRuns, ZeroByEliminationIsUnknown) {
  const TornWrite torn = torn_and_freed();
  const Outcomes out = torn.run(torn.write_end, kNoCpu);
  ASSERT_EQ(out.kept.lifecycles.size(), 1u);
  const Lifecycle& life = out.kept.lifecycles[0];
  EXPECT_EQ(life.outcome, Outcome::kUnknown);
  EXPECT_EQ(life.backend, SWAPTRAIL_BACKEND_UNKNOWN);
  EXPECT_EQ(life.incomplete, IncompleteReason::kDropped);
  EXPECT_TRUE(life.overlapped_loss);
  EXPECT_TRUE(out.kept.violations.empty());
}

// A full ring loses records, and nothing of what the programs know.
TEST(TraceSkippedRuns, ZeroBesideAFullRingIsZero) {
  const TornWrite torn = torn_and_freed();
  const Outcomes out = torn.run(torn.write_end, 3);
  ASSERT_EQ(out.kept.lifecycles.size(), 1u);
  EXPECT_EQ(out.kept.lifecycles[0].outcome, Outcome::kFreedZero);
  EXPECT_EQ(out.kept.lifecycles[0].incomplete, IncompleteReason::kDropped);
}

TEST(TraceSkippedRuns, ZeroOfAWriteThatBeganLaterIsZero) {
  const TornWrite torn = torn_and_freed();
  const Outcomes out = torn.run(torn.write_begin, kNoCpu);
  ASSERT_EQ(out.kept.lifecycles.size(), 1u);
  EXPECT_EQ(out.kept.lifecycles[0].outcome, Outcome::kFreedZero);
  EXPECT_FALSE(out.kept.lifecycles[0].complete());
}

TEST(TraceSkippedRuns, WritebackTellsTheDevice) {
  TornWrite torn(SWAPTRAIL_BACKEND_ZERO, kWriteback);
  torn.scene.end();
  torn.scene.complete(page_at(1));
  torn.scene.begin();
  torn.scene.removed(page_at(1));
  torn.scene.end();
  const Outcomes out = torn.run(torn.write_end, kNoCpu);
  ASSERT_EQ(out.kept.lifecycles.size(), 1u);
  EXPECT_EQ(out.kept.lifecycles[0].outcome, Outcome::kFreedDevice);
  EXPECT_EQ(out.kept.lifecycles[0].at(Stage::kWriteIssued), 0u);
  EXPECT_EQ(out.kept.lifecycles[0].incomplete, IncompleteReason::kDropped);
}

// Before Linux 6.12 elimination says "nowhere": the page would look given up, and it was not.
TEST(TraceSkippedRuns, NowhereByEliminationGivesNothingUp) {
  for (const uint16_t state : {uint16_t{0}, kDirty}) {
    TornWrite torn(SWAPTRAIL_BACKEND_NONE, state);
    torn.scene.end();
    torn.scene.begin();
    torn.scene.removed(page_at(1));
    torn.scene.end();
    const Outcomes out = torn.run(torn.write_end, kNoCpu);
    ASSERT_EQ(out.kept.lifecycles.size(), 1u);
    EXPECT_EQ(out.kept.lifecycles[0].outcome, Outcome::kUnknown);
    EXPECT_NE(out.kept.lifecycles[0].at(Stage::kRemoved), 0u);
  }
}

TEST(TraceSkippedRuns, NowhereThatWasSeenIsBelieved) {
  TornWrite torn(SWAPTRAIL_BACKEND_NONE, 0);
  swaptrail_event left = torn.scene.events.back();
  left.kind = SWAPTRAIL_CACHE_DELETED;
  left.time_ns -= 100;
  torn.scene.events.insert(torn.scene.events.end() - 1, left);
  torn.scene.end();
  const Outcomes out = torn.run(torn.write_end, kNoCpu);
  ASSERT_EQ(out.kept.lifecycles.size(), 1u);
  EXPECT_EQ(out.kept.lifecycles[0].outcome, Outcome::kAborted);
  EXPECT_EQ(out.kept.lifecycles[0].abort_reason, AbortReason::kSlotGone);
  EXPECT_EQ(out.kept.lifecycles[0].closed_ns, torn.scene.events.back().time_ns);
  EXPECT_FALSE(out.kept.lifecycles[0].complete());
}

// All of its batch is reported in part, long after the loss has ended; neither the start nor a full table is to blame.
TEST(TraceSkippedRuns, BeginOfABatch) {
  for (const uint64_t later_ns : {kSecond / 10, 11 * kSecond}) {
    Scene scene;
    const uint64_t start_ns = scene.now;
    scene.now += later_ns;
    const Loss loss{scene.now - 500, scene.now, 1, kNoCpu};
    scene.now += 1000;
    scene.out_sync(page_at(1));  // batch_ns is 0
    Outcomes out;
    Reconstructor reconstructor({.start_ns = start_ns}, out.kept);
    reconstructor.on_loss(loss);
    for (size_t index = 0; index < scene.events.size(); ++index)
      reconstructor.on_event(scene.events[index], index);
    reconstructor.finish(scene.now + 1000);
    ASSERT_EQ(out.kept.lifecycles.size(), 1u);
    EXPECT_EQ(out.kept.lifecycles[0].outcome, Outcome::kFreedDevice);
    EXPECT_EQ(out.kept.lifecycles[0].incomplete, IncompleteReason::kDropped);
    EXPECT_TRUE(out.kept.lifecycles[0].overlapped_loss);
    EXPECT_TRUE(out.kept.violations.empty());
  }
}

TEST(TraceAttach, BatchThatBeganBefore) {
  Scene scene;
  scene.out_sync(page_at(1));  // batch_ns is 0
  ReconstructorOptions options;
  options.start_ns = 10 * kSecond;
  const Outcomes out = scene.run(options);
  ASSERT_EQ(out.kept.lifecycles.size(), 1u);
  EXPECT_EQ(out.kept.lifecycles[0].incomplete, IncompleteReason::kBeforeAttach);
  EXPECT_EQ(out.kept.lifecycles[0].outcome, Outcome::kFreedDevice);
  EXPECT_TRUE(out.kept.violations.empty());
}

TEST(TraceAttach, MuchLaterItIsATableThatWasFull) {
  Scene scene;
  scene.out_sync(page_at(1));
  ReconstructorOptions options;
  options.start_ns = 1;
  scene.now += kSecond;
  scene.out_sync(page_at(2));
  const Outcomes out = scene.run(options);
  ASSERT_EQ(out.kept.lifecycles.size(), 2u);
  EXPECT_EQ(out.kept.lifecycles[1].incomplete, IncompleteReason::kTableFull);
}

TEST(TraceAttach, BatchUnknownToBpfIsTableFull) {
  Scene scene;
  scene.begin();
  const uint64_t batch = scene.batch_ns;
  scene.batch_ns = 0;
  scene.slot(page_at(1));
  scene.write_async(page_at(1));
  scene.batch_ns = batch;
  scene.end();
  ReconstructorOptions options;
  options.start_ns = scene.now - 100'000;
  const Outcomes out = scene.run(options);
  ASSERT_EQ(out.kept.lifecycles.size(), 1u);
  EXPECT_EQ(out.kept.lifecycles[0].outcome, Outcome::kUnknown);
  EXPECT_EQ(out.kept.lifecycles[0].incomplete, IncompleteReason::kTableFull);
}

TEST(TraceAttach, WrittenBeforeRemovedAfter) {
  Scene scene;
  scene.complete(page_at(1));
  scene.begin();
  scene.removed(page_at(1));
  scene.end();
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.lifecycles.size(), 1u);
  EXPECT_EQ(out.kept.lifecycles[0].outcome, Outcome::kUnknown);
  EXPECT_EQ(out.kept.lifecycles[0].incomplete, IncompleteReason::kBeforeAttach);
  EXPECT_TRUE(out.kept.violations.empty());
  EXPECT_EQ(out.swapped, 1u);
}

TEST(TraceAttach, CachedBeforeUnmappedAfterIsWhole) {
  Scene scene;
  scene.begin();
  scene.unmap(page_at(1));
  scene.removed(page_at(1));
  scene.end();
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.lifecycles.size(), 1u);
  EXPECT_EQ(out.kept.lifecycles[0].outcome, Outcome::kFreedClean);
  EXPECT_TRUE(out.kept.lifecycles[0].complete());
}

// --- limits ---

TEST(TraceLimits, Attempts) {
  ReconstructorOptions options;
  options.max_attempts = 2;
  Scene scene;
  for (uint64_t index = 1; index <= 3; ++index) scene.out_async(page_at(index));
  const Outcomes out = scene.run(options);
  ASSERT_EQ(out.kept.lifecycles.size(), 3u);
  EXPECT_GT(out.counters.attempts_full, 0u);
  // The one that waits longest makes room, and says so.
  EXPECT_EQ(out.kept.lifecycles[0].entry, page_at(1).entry);
  EXPECT_EQ(out.kept.lifecycles[0].outcome, Outcome::kUnknown);
  EXPECT_EQ(out.kept.lifecycles[0].incomplete, IncompleteReason::kTableFull);
  EXPECT_EQ(out.counters.not_followed, 1u);
  EXPECT_EQ(out.counters.not_followed_pages, 1u);
  EXPECT_EQ(out.kept.lifecycles[1].outcome, Outcome::kInFlight);
  EXPECT_EQ(out.kept.lifecycles[2].outcome, Outcome::kInFlight);
}

// Folios of a running pass can't make room: new ones are not followed, and counted when they leave.
TEST(TraceLimits, AttemptsOfOnePass) {
  ReconstructorOptions options;
  options.max_attempts = 2;
  Scene scene;
  scene.begin();
  for (uint64_t index = 1; index <= 3; ++index) {
    scene.slot(page_at(index));
    scene.unmap(page_at(index));
  }
  for (uint64_t index = 1; index <= 3; ++index) {
    scene.write_sync(page_at(index));
    scene.removed(page_at(index));
  }
  scene.end();
  const Outcomes out = scene.run(options);
  EXPECT_GE(out.kept.lifecycles.size(), 2u);
  EXPECT_GT(out.counters.attempts_full, 0u);
  EXPECT_EQ(out.counters.zswap_writeback_pages, 0u);
}

TEST(TraceLimits, SlotsAndSwapped) {
  ReconstructorOptions options;
  options.max_slots = 512;
  options.max_swapped = 1;
  Scene scene;
  for (uint64_t index : {1, 2, 5000}) scene.whole_sync(page_at(index));
  scene.swap_in(page_at(2).entry);
  const Outcomes out = scene.run(options);
  EXPECT_EQ(out.kept.lifecycles.size(), 3u);
  for (const Lifecycle& life : out.kept.lifecycles) EXPECT_EQ(life.outcome, Outcome::kFreedDevice);
  EXPECT_EQ(out.counters.slots_full, 1u);
  EXPECT_GE(out.counters.swapped_full, 1u);
  ASSERT_EQ(out.kept.returns.size(), 1u);
  EXPECT_EQ(out.kept.returns[0].lifecycle_id, 0u);
}

TEST(TraceLimits, BatchesAreGivenUpOldestFirst) {
  ReconstructorOptions options;
  options.max_batches = 2;
  Scene scene;
  for (uint32_t thread = 1; thread <= 3; ++thread) {
    scene.tid = thread;
    scene.begin();
    scene.slot(page_at(thread));
    scene.unmap(page_at(thread));
  }
  const Outcomes out = scene.run(options);
  EXPECT_EQ(out.counters.batches_full, 1u);
  ASSERT_EQ(out.kept.lifecycles.size(), 3u);
  EXPECT_EQ(out.kept.lifecycles[0].first.tid, 1u);
  // given up with its batch, it waits for a second pass like any page that somebody holds
  EXPECT_EQ(out.kept.lifecycles[0].outcome, Outcome::kInFlight);
  EXPECT_EQ(out.kept.lifecycles[0].waiting_for, Waiting::kSecondPass);
  EXPECT_EQ(out.kept.lifecycles[1].waiting_for, Waiting::kNothing);
}

// --- violations ---

std::string only_rule(const Outcomes& out) {
  EXPECT_EQ(out.kept.violations.size(), 1u);
  return out.kept.violations.empty() ? "" : std::string(out.kept.violations[0].rule);
}

TEST(TraceViolation, WriteBeforeSlot) {
  Scene scene;
  Page page = page_at(1);
  scene.begin();
  scene.slot(page);
  scene.unmap(page);
  page.state &= ~SWAPTRAIL_STATE_SWAPCACHE;
  scene.write_sync(page);
  EXPECT_EQ(only_rule(scene.run()), "write_before_slot");
}

TEST(TraceViolation, WriteAndRemovalWhileMapped) {
  Scene scene;
  scene.begin();
  scene.slot(page_at(1));
  scene.unmap(page_at(1), true);
  scene.add(SWAPTRAIL_WRITE_BEGIN, page_at(1));
  EXPECT_EQ(only_rule(scene.run()), "write_while_mapped");
  Scene other;
  other.begin();
  other.unmap(page_at(1), true);
  other.removed(page_at(1));
  EXPECT_EQ(only_rule(other.run()), "removed_while_mapped");
}

TEST(TraceViolation, RemovedUnderWriteback) {
  Scene scene;
  scene.begin();
  scene.slot(page_at(1));
  scene.unmap(page_at(1));
  scene.write_async(page_at(1));
  scene.removed(page_at(1), 1, kWriteback);
  EXPECT_EQ(only_rule(scene.run()), "removed_under_writeback");
}

TEST(TraceViolation, FreedWithoutWrite) {
  Scene scene;
  scene.begin();
  scene.slot(page_at(1));
  scene.unmap(page_at(1));
  scene.removed(page_at(1));
  const Outcomes out = scene.run();
  EXPECT_EQ(only_rule(out), "freed_without_write");
  EXPECT_EQ(out.kept.lifecycles[0].outcome, Outcome::kUnknown);
}

TEST(TraceViolation, SlotReusedWithoutFree) {
  Scene scene;
  Page page = page_at(1);
  scene.whole_sync(page);
  page.folio = folio_at(50);
  scene.whole_sync(page);
  Outcomes out = scene.run();
  EXPECT_EQ(only_rule(out), "slot_reused_without_free");
  EXPECT_EQ(out.kept.violations[0].lifecycle_id, 1u);
  EXPECT_EQ(out.kept.lifecycles[1].generation, 1u);
  ReconstructorOptions blind;
  blind.visible_kinds &= ~kind_bit(SWAPTRAIL_SLOT_FREED);
  out = scene.run(blind);
  EXPECT_TRUE(out.kept.violations.empty());
  EXPECT_EQ(out.counters.superseded_slots, 1u);
}

TEST(TraceViolation, AnotherEntryInTheMiddleOfABatch) {
  Scene scene;
  Page page = page_at(1);
  scene.begin();
  scene.slot(page);
  scene.unmap(page);
  page.entry += 7;
  scene.write_sync(page);
  const Outcomes out = scene.run();
  EXPECT_EQ(only_rule(out), "entry_changed");
  EXPECT_EQ(out.kept.lifecycles[0].outcome, Outcome::kUnknown);
  Scene twice;
  twice.begin();
  twice.slot(page_at(1));
  twice.slot(page);
  EXPECT_EQ(only_rule(twice.run()), "slot_allocated_twice");
}

TEST(TraceViolation, UnmappedAfterRemoved) {
  Scene scene;
  scene.whole_sync(page_at(1));
  scene.begin();
  scene.unmap(page_at(1));
  EXPECT_EQ(only_rule(scene.run()), "unmapped_after_removed");
}

TEST(TraceViolation, ReadWhileCached) {
  Scene scene;
  scene.out_async(page_at(1));
  Page other = page_at(1);
  other.folio = folio_at(60);
  scene.swap_read(other);
  EXPECT_EQ(only_rule(scene.run()), "read_while_cached");
}

// --- tracepoint mode ---

ReconstructorOptions tracepoint_options() {
  ReconstructorOptions options;
  options.visible_kinds = kTracepointKinds;
  return options;
}

// As bpf/tracepoint.bpf.c makes them: the bio first, then the guess, then the write.
void write_in_tracepoint_mode(Scene& scene, const Page& page, bool async) {
  const uint64_t batch = scene.batch_ns;
  scene.batch_ns = 0;
  scene.add(SWAPTRAIL_WRITE_ISSUED, page);
  if (!async) scene.add(SWAPTRAIL_WRITE_COMPLETED, page);
  scene.batch_ns = batch;
  swaptrail_event& owner =
      scene.add(SWAPTRAIL_UNMAPPED_ONE, page, SWAPTRAIL_STATE_OWNER_GUESSED, 1);
  owner.u.map.owner = 100;
  scene.write_end(page, SWAPTRAIL_BACKEND_DEVICE, async ? kWriteback : 0);
}

void free_in_tracepoint_mode(Scene& scene, Page page) {
  page.entry = 0;
  scene.add(SWAPTRAIL_PAGE_FREED, page);
}

TEST(TraceTracepoint, SyncAndAsync) {
  Scene scene;
  scene.batch_ns = scene.now;
  write_in_tracepoint_mode(scene, page_at(1), false);
  free_in_tracepoint_mode(scene, page_at(1));
  write_in_tracepoint_mode(scene, page_at(2), true);
  scene.complete(page_at(2));
  scene.tid = 9;
  scene.batch_ns = scene.now;
  scene.origin = SWAPTRAIL_ORIGIN_DIRECT;
  free_in_tracepoint_mode(scene, page_at(2));
  const Outcomes out = scene.run(tracepoint_options());
  ASSERT_EQ(out.kept.lifecycles.size(), 2u);
  for (const Lifecycle& life : out.kept.lifecycles) {
    EXPECT_EQ(life.outcome, Outcome::kFreedDevice);
    EXPECT_TRUE(life.complete()) << incomplete_reason_name(life.incomplete);
    EXPECT_EQ(life.mappings[0].tgid, 100u);
    EXPECT_TRUE(life.owner_guessed);
    EXPECT_EQ(life.first.origin, SWAPTRAIL_ORIGIN_KSWAPD);
    EXPECT_EQ(life.at(Stage::kUnmapped), 0u);
  }
  EXPECT_EQ(out.kept.lifecycles[0].passes, 1u);
  EXPECT_EQ(out.kept.lifecycles[1].passes, 2u);
  EXPECT_EQ(out.kept.lifecycles[1].last.tid, 9u);
  EXPECT_EQ(out.kept.lifecycles[1].last.origin, SWAPTRAIL_ORIGIN_DIRECT);
}

// Who reclaims its own page is the owner; the name of another is in the event of its write.
std::vector<Lifecycle> own_page_and_other(const char* other) {
  Scene scene;
  scene.origin = SWAPTRAIL_ORIGIN_DIRECT;
  for (const uint32_t thread : {100u, 55u}) {
    const Page page = page_at(thread);
    scene.tid = thread;
    scene.batch_ns = scene.now;
    write_in_tracepoint_mode(scene, page, false);
    if (thread != 100) std::strcpy(scene.events.back().u.page.comm, other);
    for (swaptrail_event& event : scene.events)
      if (event.kind == SWAPTRAIL_UNMAPPED_ONE) std::strcpy(event.u.map.comm, "hog");
    free_in_tracepoint_mode(scene, page);
    if (thread != 100) std::strcpy(scene.events.back().u.page.comm, other);
  }
  return scene.run(tracepoint_options()).kept.lifecycles;
}

TEST(TraceTracepoint, AReclaimerHasItsName) {
  const auto lives = own_page_and_other("other");
  ASSERT_EQ(lives.size(), 2u);
  EXPECT_EQ(comm_text(lives[0].last.comm), "hog");
  EXPECT_EQ(comm_text(lives[0].first.comm), "hog");
  EXPECT_EQ(comm_text(lives[1].last.comm), "other");
  EXPECT_EQ(comm_text(lives[1].first.comm), "other");
  EXPECT_EQ(comm_text(lives[1].mappings[0].comm), "hog");
}

// Recordings of before have no name there.
TEST(TraceTracepoint, AReclaimerWithoutAName) {
  const auto lives = own_page_and_other("");
  ASSERT_EQ(lives.size(), 2u);
  EXPECT_EQ(comm_text(lives[0].last.comm), "hog");
  EXPECT_EQ(comm_text(lives[1].last.comm), "");
}

TEST(TraceTracepoint, BackendCannotBeTold) {
  Scene scene;
  scene.batch_ns = scene.now;
  scene.write_end(page_at(1), SWAPTRAIL_BACKEND_UNKNOWN);
  free_in_tracepoint_mode(scene, page_at(1));
  const Outcomes out = scene.run(tracepoint_options());
  ASSERT_EQ(out.kept.lifecycles.size(), 1u);
  EXPECT_EQ(out.kept.lifecycles[0].outcome, Outcome::kUnknown);
  EXPECT_EQ(out.kept.lifecycles[0].incomplete, IncompleteReason::kNotHooked);
}

TEST(TraceTracepoint, WrittenAgainWasNotFreed) {
  Scene scene;
  scene.batch_ns = scene.now;
  write_in_tracepoint_mode(scene, page_at(1), true);
  scene.complete(page_at(1));
  Page again = page_at(2);
  again.folio = page_at(1).folio;
  write_in_tracepoint_mode(scene, again, true);
  scene.complete(again);
  free_in_tracepoint_mode(scene, again);
  const Outcomes out = scene.run(tracepoint_options());
  ASSERT_EQ(out.kept.lifecycles.size(), 2u);
  EXPECT_EQ(out.kept.lifecycles[0].outcome, Outcome::kAborted);
  EXPECT_EQ(out.kept.lifecycles[0].incomplete, IncompleteReason::kNotHooked);
  EXPECT_EQ(out.kept.lifecycles[1].outcome, Outcome::kFreedDevice);
  EXPECT_TRUE(out.kept.violations.empty());
}

TEST(TraceTracepoint, ZswapWritebackHasNoWriteEnd) {
  Scene scene;
  scene.add(SWAPTRAIL_WRITE_ISSUED, page_at(1));
  scene.add(SWAPTRAIL_WRITE_COMPLETED, page_at(1));
  const Outcomes out = scene.run(tracepoint_options());
  EXPECT_TRUE(out.kept.lifecycles.empty());
  EXPECT_EQ(out.counters.zswap_writeback_pages, 1u);
}

TEST(TraceNotHooked, FreedWithoutAnyWriteHook) {
  ReconstructorOptions options;
  for (const int kind : {SWAPTRAIL_WRITE_BEGIN, SWAPTRAIL_WRITE_ISSUED, SWAPTRAIL_WRITE_END,
                         SWAPTRAIL_WRITE_COMPLETED, SWAPTRAIL_ZSWAP_STORED}) {
    options.visible_kinds &= ~kind_bit(kind);
  }
  Scene scene;
  scene.begin();
  scene.slot(page_at(1));
  scene.unmap(page_at(1));
  scene.removed(page_at(1));
  scene.end();
  const Outcomes out = scene.run(options);
  ASSERT_EQ(out.kept.lifecycles.size(), 1u);
  EXPECT_EQ(out.kept.lifecycles[0].outcome, Outcome::kUnknown);
  EXPECT_EQ(out.kept.lifecycles[0].incomplete, IncompleteReason::kNotHooked);
}

TEST(TraceNotHooked, MissingStageAloneIsNoGap) {
  ReconstructorOptions options;
  options.visible_kinds &= ~kind_bit(SWAPTRAIL_WRITE_ISSUED);
  Scene scene;
  scene.whole_sync(page_at(1));
  std::erase_if(scene.events,
                [](const auto& event) { return event.kind == SWAPTRAIL_WRITE_ISSUED; });
  const Outcomes out = scene.run(options);
  ASSERT_EQ(out.kept.lifecycles.size(), 1u);
  EXPECT_EQ(out.kept.lifecycles[0].outcome, Outcome::kFreedDevice);
  EXPECT_TRUE(out.kept.lifecycles[0].complete());
  EXPECT_EQ(out.kept.lifecycles[0].visible_stages & 1u << 4, 0u);
}

}  // namespace
}  // namespace swaptrail::lifecycles
