// The parts of the simulated machine: frames, mappings, page tables, swap cache, stores, lists.
#include <gtest/gtest.h>

#include <numeric>
#include <set>

#include "engine/machine/device.h"
#include "engine/machine/frames.h"
#include "engine/machine/lru.h"
#include "engine/machine/page_table.h"
#include "engine/machine/swap_cache.h"
#include "engine/machine/swap_out_log.h"
#include "trace/decode.h"

namespace swaptrail::engine {
namespace {

Block block_of(uint64_t token) {
  Block block;
  fill(block, token);
  return block;
}

TEST(EngineFrames, ContentsFollowFromTheirNumber) {
  EXPECT_EQ(block_of(0), Block{});
  EXPECT_NE(block_of(1), block_of(2));
  EXPECT_TRUE(is_filled(block_of(77), 77));
  EXPECT_FALSE(is_filled(block_of(77), 78));
}

TEST(EngineFrames, SmallAndLargeFrames) {
  FrameTable frames(10, 2, 2);
  const uint32_t large = frames.allocate(2);
  const uint32_t other = frames.allocate(2);
  EXPECT_EQ(frames.allocate(2), kNoFrame);
  EXPECT_EQ(large % 4, 0u);
  EXPECT_EQ(frames[large].folio.nr_pages, 4u);
  EXPECT_EQ(frames[large + 3].head, large);
  EXPECT_EQ(FrameTable::of(frames[large].folio), large);
  for (uint32_t i = 0; i < 4; ++i) {  // it was split, and goes page by page
    EXPECT_EQ(frames.allocate(2), kNoFrame);
    frames.release(large + i, 1);
  }
  EXPECT_EQ(frames.allocate(2), large);
  frames.release(other, 4);
  EXPECT_EQ(frames.allocate(2), other);
  std::set<uint32_t> small;
  for (uint32_t frame = frames.allocate(0); frame != kNoFrame; frame = frames.allocate(0)) {
    EXPECT_TRUE(small.insert(frame).second);
  }
  EXPECT_EQ(small.size(), 12u);  // rounded up, so that blocks are aligned
}

TEST(EngineFrames, MappingsAreFoundByProcess) {
  Mappings mappings;
  Frame head;
  for (uint32_t process = 0; process < 5; ++process) mappings.add(head, process, process * 10);
  mappings.remove(head, 2);
  mappings.remove(head, 7);
  EXPECT_FALSE(mappings.has(head, 2));
  EXPECT_TRUE(mappings.has(head, 4));
  EXPECT_EQ(mappings.at(head.mappings).first_page, 40);
  for (uint32_t process : {0, 1, 3, 4}) mappings.remove(head, process);
  EXPECT_EQ(head.mappings, kNoFrame);
}

TEST(EnginePageTable, AnEntryKeepsItsParts) {
  const uint64_t entry = make_entry(31, (uint64_t{1} << 49) + 5);
  const Pte pte = swap_pte(entry);
  EXPECT_EQ(pte.kind(), PteKind::kSwap);
  EXPECT_EQ(pte.entry(), entry);
  const Pte present = present_pte(123, true);
  EXPECT_TRUE(present.present() && present.young && present.writable && !present.dirty);
  EXPECT_EQ(present.frame(), 123u);
}

TEST(EnginePageTable, ForkSharesOwnMemoryReadOnly) {
  PageTable parent(4);
  parent[0] = present_pte(1, true);
  parent[1] = swap_pte(make_entry(0, 9));
  parent[2] = present_pte(2, true);  // shared memory
  parent[3].gone = 1;
  parent.token(0) = 5;
  PageTable child = parent.fork(2);
  EXPECT_FALSE(parent[0].writable);
  EXPECT_TRUE(parent[2].writable);
  EXPECT_EQ(child[0].frame(), 1u);
  EXPECT_FALSE(child[0].writable);
  EXPECT_EQ(child[1].entry(), make_entry(0, 9));
  EXPECT_EQ(child[2].kind(), PteKind::kNone);
  EXPECT_TRUE(child[3].gone);
  EXPECT_EQ(child.token(0), 5u);
}

TEST(EngineSwapCache, FramesAndShadows) {
  for (bool table : {false, true}) {
    SwapCache cache(table);
    cache.add_area(2, 40000);
    const uint64_t entry = make_entry(2, 16380);
    EXPECT_EQ(cache.find(entry), kNoFrame);
    cache.add(entry, 8, 100);  // across the end of an address space
    EXPECT_EQ(cache.find(entry + 7), 107u);
    EXPECT_FALSE(cache.shadow(entry).has_value());
    cache.remove(entry, 4, 55);
    cache.remove(entry + 4, 4, std::nullopt);
    EXPECT_EQ(cache.find(entry), kNoFrame);
    EXPECT_EQ(cache.shadow(entry + 3), 55u);
    EXPECT_FALSE(cache.shadow(entry + 4).has_value());
    cache.forget(entry);
    EXPECT_FALSE(cache.shadow(entry).has_value());
    EXPECT_EQ(cache.parts(), 2u);
    EXPECT_EQ(cache.find(make_entry(5, 1)), kNoFrame);
    cache.remove_area(2);
    EXPECT_FALSE(cache.shadow(entry + 3).has_value());
  }
}

TEST(EngineStore, KeepsWhatWentOut) {
  Store store(10);
  Block content;
  EXPECT_EQ(store.read(1, content), Home::kNowhere);
  store.write_device(1, block_of(11));
  store.write_zswap(2, block_of(12));
  store.write_zero(3);
  EXPECT_EQ(store.read(1, content), Home::kDevice);
  EXPECT_EQ(content, block_of(11));
  EXPECT_TRUE(store.is_what_went_out(1, content));
  EXPECT_FALSE(store.is_what_went_out(1, block_of(99)));
  EXPECT_EQ(store.read(2, content), Home::kZswap);
  EXPECT_EQ(content, block_of(12));
  EXPECT_EQ(store.read(3, content), Home::kZero);
  EXPECT_EQ(content, Block{});
  store.write_device(2, block_of(13));  // what zswap had is void
  EXPECT_EQ(store.read(2, content), Home::kDevice);
  EXPECT_EQ(content, block_of(13));
  store.write_zswap(4, block_of(14));
  store.forget_zswap(4);
  EXPECT_EQ(store.read(4, content), Home::kNowhere);
  store.forget(1);
  EXPECT_EQ(store.read(1, content), Home::kNowhere);
}

TEST(EngineFlights, EndInTheOrderOfTime) {
  Flights flights;
  EXPECT_EQ(flights.next_ns(), ~uint64_t{0});
  const uint64_t ends[] = {50, 10, 30, 10, 20};
  for (uint32_t i = 0; i < 5; ++i) {
    Flight flight;
    flight.done_ns = ends[i];
    flight.frame = i;
    flights.add(flight);
  }
  std::vector<uint32_t> order;
  while (!flights.empty()) order.push_back(flights.take().frame);
  EXPECT_EQ(order, (std::vector<uint32_t>{1, 3, 4, 2, 0}));  // equals: as they were submitted
}

// ---- the lists ---------------------------------------------------------------------------------

class EngineLru : public ::testing::Test {
 protected:
  EngineLru() {
    two_lists_.multi_gen_lru = two_lists_.promotes_referenced = false;
    faults_are_young_.promotes_referenced = faults_are_young_.bounded_eviction = false;
  }
  std::vector<uint32_t> fill_lru(Lru& lru, uint32_t count) {
    std::vector<uint32_t> added;
    for (uint32_t i = 0; i < count; ++i) {
      added.push_back(frames_.allocate(0));
      frames_[added.back()].folio.anon = true;
      lru.add_faulted(added.back());
    }
    lru.drain();
    return added;
  }
  std::vector<uint32_t> isolate(Lru& lru, uint32_t most) {
    std::vector<uint32_t> out;
    scanned_ = lru.isolate(most, out);
    return out;
  }
  FrameTable frames_{200, 0, 0};
  Features two_lists_;
  Features faults_are_young_;  // 6.12
  Features by_references_;     // the newest
  uint32_t scanned_ = 0;
};

TEST_F(EngineLru, OldestFirst) {
  Lru lru(frames_, two_lists_);
  const std::vector<uint32_t> added = fill_lru(lru, 5);
  EXPECT_EQ(isolate(lru, 2), (std::vector<uint32_t>{added[0], added[1]}));
  lru.rotate(added[4]);
  lru.remove(added[2]);
  EXPECT_FALSE(lru.has(added[2]));
  EXPECT_EQ(isolate(lru, 9), (std::vector<uint32_t>{added[4], added[3]}));
  EXPECT_EQ(lru.size(), 0u);
  EXPECT_TRUE(isolate(lru, 1).empty());
  EXPECT_EQ(scanned_, 0u);
}

TEST_F(EngineLru, WhatIsFaultedInWaitsForOthers) {
  Lru lru(frames_, two_lists_);
  const uint32_t first = frames_.allocate(0);
  const uint32_t second = frames_.allocate(0);
  lru.add_faulted(first);
  lru.add_faulted(second);
  EXPECT_FALSE(lru.has(first));
  EXPECT_EQ(lru.size(), 0u);
  lru.remove(first);
  lru.drain();
  EXPECT_FALSE(lru.has(first));
  EXPECT_EQ(isolate(lru, 9), (std::vector<uint32_t>{second}));
}

TEST_F(EngineLru, ActiveOnesAreDeactivatedInOrder) {
  Lru lru(frames_, two_lists_);
  const std::vector<uint32_t> inactive = fill_lru(lru, 1);
  std::vector<uint32_t> active;
  for (int i = 0; i < 3; ++i) {
    active.push_back(frames_.allocate(0));
    frames_[active.back()].folio.active = true;
    lru.put_back(active.back());
  }
  EXPECT_TRUE(lru.inactive_is_low());
  EXPECT_EQ(lru.deactivate(), active[0]);
  EXPECT_FALSE(frames_[active[0]].folio.active);
  EXPECT_EQ(isolate(lru, 9), (std::vector<uint32_t>{inactive[0], active[0]}));
  EXPECT_EQ(lru.active(), 2u);
}

TEST_F(EngineLru, ARefaultThatCameSoonIsActive) {
  Lru lru(frames_, two_lists_);
  const std::vector<uint32_t> added = fill_lru(lru, 3);
  frames_[added[2]].folio.active = true;
  lru.remove(added[2]);
  lru.put_back(added[2]);
  const uint64_t old = lru.shadow_of(frames_[added[0]].folio);
  const uint64_t young = lru.shadow_of(frames_[added[1]].folio);
  lru.refault(added[1], young);
  lru.refault(added[0], old);  // two have left or were activated since; one is active
  EXPECT_TRUE(frames_[added[1]].folio.active);
  EXPECT_FALSE(frames_[added[0]].folio.active);
  EXPECT_EQ(lru.activated(), 1u);
}

TEST_F(EngineLru, WhatIsWrittenMovesThePressureToFiles) {
  Lru lru(frames_, two_lists_);
  EXPECT_EQ(lru.scan_share(1000), 300u);  // swappiness 60 of 200
  fill_lru(lru, 100);
  lru.note_cost(20);
  EXPECT_LT(lru.scan_share(1000), 200u);
  EXPECT_GT(lru.scan_share(1000), 150u);
}

TEST_F(EngineLru, TheYoungestGenerationsAreNotReclaimed) {
  Lru lru(frames_, faults_are_young_);
  const std::vector<uint32_t> added = fill_lru(lru, 6);
  EXPECT_TRUE(isolate(lru, 9).empty());
  lru.begin_generation();
  lru.promote(added[1]);  // young in the walk
  std::vector<uint32_t> out = isolate(lru, 9);
  while (out.empty()) {
    lru.begin_generation();
    out = isolate(lru, 9);
  }
  EXPECT_EQ(out, (std::vector<uint32_t>{added[0], added[2], added[3], added[4], added[5]}));
  EXPECT_TRUE(lru.has(added[1]));
}

TEST_F(EngineLru, OnlyTheSecondReferencePromotes) {
  Lru lru(frames_, by_references_);
  const std::vector<uint32_t> added = fill_lru(lru, 2);  // each fault is a reference
  frames_[added[0]].folio.referenced = false;
  const uint64_t size = lru.size();
  lru.promote(added[0]);
  lru.promote(added[1]);
  EXPECT_TRUE(frames_[added[0]].folio.referenced);
  EXPECT_FALSE(frames_[added[1]].folio.referenced);
  EXPECT_EQ(lru.size(), size);
  std::vector<uint32_t> out;
  while (out.empty()) {
    lru.begin_generation();
    out = isolate(lru, 1);
  }
  EXPECT_EQ(out, (std::vector<uint32_t>{added[0]}));
}

TEST_F(EngineLru, NoMoreIsLookedAtThanAskedFor) {
  Lru bounded(frames_, by_references_);
  fill_lru(bounded, 20);
  while (isolate(bounded, 3).empty()) bounded.begin_generation();
  EXPECT_EQ(scanned_, 3u);
  Lru unbounded(frames_, faults_are_young_);
  fill_lru(unbounded, 80);
  while (isolate(unbounded, 3).empty()) unbounded.begin_generation();
  EXPECT_EQ(scanned_, kGenerationBatch);
}

TEST_F(EngineLru, WhatWasWrittenIsTheNextToGo) {
  Lru lru(frames_, by_references_);
  const std::vector<uint32_t> added = fill_lru(lru, 3);
  lru.rotate(added[1]);
  EXPECT_EQ(isolate(lru, 1), (std::vector<uint32_t>{added[1]}));
}

TEST(EngineTiers, OneThatComesBackMoreOftenIsSpared) {
  Tiers tiers;
  EXPECT_EQ(tiers.highest_evicted(), kTiers - 1);
  for (int i = 0; i < 1000; ++i) tiers.evicted(0);
  for (int i = 0; i < 1000; ++i) tiers.evicted(3);
  for (int i = 0; i < 60; ++i) tiers.refaulted(3);
  EXPECT_EQ(tiers.highest_evicted(), kTiers - 1);  // few
  for (int i = 0; i < 60; ++i) tiers.refaulted(3);
  EXPECT_EQ(tiers.highest_evicted(), kTiers - 2);
  for (int i = 0; i < 500; ++i) tiers.refaulted(0);
  EXPECT_EQ(tiers.highest_evicted(), kTiers - 1);
}

// ---- the oracle --------------------------------------------------------------------------------

class EngineSwapOutLog : public ::testing::Test {
 protected:
  EngineSwapOutLog() {
    batch_.id = 1;
    batch_.begin_ns = 100;
    folio_ = &frames_[frames_.allocate(0)].folio;
    folio_->entry = make_entry(0, 5);
    folio_->swapcache = true;
  }
  void note(swaptrail_kind kind, uint64_t now_ns, int32_t result = 0, uint8_t backend = 0) {
    log_.note(kind, *folio_, result, backend, now_ns, &batch_);
  }
  FrameTable frames_{4, 0, 0};
  SwapOutLog log_{frames_};
  LogBatch batch_;
  Folio* folio_;
};

TEST_F(EngineSwapOutLog, AnAttemptLivesOnWhileItIsWritten) {
  note(SWAPTRAIL_SLOT_ALLOCATED, 110);
  note(SWAPTRAIL_UNMAPPED, 120);
  note(SWAPTRAIL_WRITE_BEGIN, 130);
  note(SWAPTRAIL_WRITE_END, 140, 0, SWAPTRAIL_BACKEND_DEVICE);
  log_.end_pass(*folio_, {Exit::kInFlight, Why::kWriteback, 8});
  log_.end_batch(batch_, 150);
  log_.note(SWAPTRAIL_WRITE_COMPLETED, *folio_, 0, 0, 160, nullptr);
  batch_.id = 2;
  note(SWAPTRAIL_REMOVED, 170, 1);
  const std::vector<TrueSwapOut> done = log_.take();
  ASSERT_EQ(done.size(), 1u);
  EXPECT_EQ(done[0].outcome, Outcome::kFreedDevice);
  EXPECT_EQ(done[0].passes, 2u);
  EXPECT_EQ(done[0].stage_ns,
            (std::array<uint64_t, kStageCount>{100, 110, 120, 130, 0, 140, 160, 170}));
}

TEST_F(EngineSwapOutLog, AFaultInItsBatchEndsItWithTheBatch) {
  note(SWAPTRAIL_SLOT_ALLOCATED, 110);
  log_.refaulted(FrameTable::of(*folio_), 115);
  log_.end_batch(batch_, 150);
  const std::vector<TrueSwapOut> done = log_.take();
  ASSERT_EQ(done.size(), 1u);
  EXPECT_EQ(done[0].outcome, Outcome::kAborted);
  EXPECT_EQ(done[0].end_ns, 150u);
}

TEST_F(EngineSwapOutLog, WhatIsOpenAtTheEndIsInFlight) {
  note(SWAPTRAIL_SLOT_ALLOCATED, 110);
  log_.finish(200);
  ASSERT_EQ(log_.take()[0].outcome, Outcome::kInFlight);
}

}  // namespace
}  // namespace swaptrail::engine
