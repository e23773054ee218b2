// Any events in any order: no crash, no leak, every beginning has one end.
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "tests/scene/trace_scene.h"

namespace swaptrail::lifecycles {
namespace {

swaptrail_event any_event(std::mt19937_64& random, uint64_t time_ns) {
  swaptrail_event event{};
  event.time_ns = time_ns;
  event.kind = static_cast<uint8_t>(1 + random() % (SWAPTRAIL_KIND_END - 1));
  const uint64_t place = random() % 24;
  event.folio = folio_at(random() % 8 == 0 ? random() % 24 : place);
  event.entry =
      random() % 6 == 0 ? 0 : make_entry(0, 100 + (random() % 6 == 0 ? random() % 24 : place));
  event.tid = event.tgid = static_cast<uint32_t>(1 + random() % 4);
  event.batch_ns = random() % 5 == 0 ? 0 : event.tid * 1000 + time_ns / 20'000;
  event.nr_pages = random() % 4 == 0 ? static_cast<uint16_t>(random() % 6) : 1;
  event.result = random() % 3 == 0 ? static_cast<int32_t>(random() % 5) - 2 : 1;
  if (random() % 3 == 0) event.result = 0;
  event.state = random() % 2 == 0 ? kAnon : static_cast<uint16_t>(random() % 512);
  event.origin = static_cast<uint8_t>(random() % SWAPTRAIL_ORIGIN_END);
  if (event.kind == SWAPTRAIL_WRITE_END) event.u.page.backend = random() % SWAPTRAIL_BACKEND_END;
  if (event.kind == SWAPTRAIL_UNMAPPED_ONE) event.u.map.ptes = 1;
  if (event.kind == SWAPTRAIL_SWAP_IN) event.u.map.value = random() % 100'000;
  return event;
}

void run(uint32_t seed, const ReconstructorOptions& options) {
  std::mt19937_64 random(seed);
  Kept kept;
  Reconstructor reconstructor(options, kept);
  uint64_t now = kSecond;
  for (int step = 0; step < 3000; ++step) {
    now += random() % 500 == 0 ? 2 * kSecond : random() % 2000;
    if (random() % 200 == 0) reconstructor.on_loss({now - random() % 1000, now, 1, 0});
    reconstructor.on_event(any_event(random, now), 0);
    ASSERT_LE(reconstructor.live_attempts(), options.max_attempts);
    ASSERT_LE(reconstructor.swapped_folios(), options.max_swapped);
  }
  reconstructor.finish(now);
  EXPECT_EQ(reconstructor.live_attempts(), 0u);
  EXPECT_EQ(reconstructor.counters().lifecycles, kept.lifecycles.size());
  std::set<uint64_t> ids;
  for (const Lifecycle& life : kept.lifecycles) {
    EXPECT_TRUE(ids.insert(life.id).second) << life.id;
    EXPECT_EQ(life.abort_reason != AbortReason::kNone && life.outcome != Outcome::kAborted, false);
    EXPECT_FALSE(life.outcome == Outcome::kUnknown && life.complete());
  }
  // Every page that was freed and is still away is there to be returned, and no other.
  for (uint64_t offset = 90; offset < 140; ++offset) {
    swaptrail_event event{};
    event.kind = SWAPTRAIL_SLOT_FREED;
    event.entry = make_entry(0, offset);
    event.nr_pages = 1;
    event.time_ns = now += 3 * kSecond;
    reconstructor.on_event(event, 0);
  }
  swaptrail_event last{};
  last.kind = SWAPTRAIL_RECLAIM_BEGIN;
  last.time_ns = now + 3 * kSecond;
  reconstructor.on_event(last, 0);
  EXPECT_EQ(reconstructor.swapped_folios(), 0u);
}

TEST(TraceRandom, Full) {
  for (uint32_t seed = 0; seed < 60; ++seed) run(seed, {});
}

TEST(TraceRandom, SmallTables) {
  ReconstructorOptions options;
  options.max_attempts = 5;
  options.max_swapped = 3;
  options.max_batches = 2;
  for (uint32_t seed = 0; seed < 40; ++seed) run(seed, options);
}

TEST(TraceRandom, AnyVisibleKinds) {
  std::mt19937_64 random(1);
  for (uint32_t seed = 0; seed < 60; ++seed) {
    ReconstructorOptions options;
    options.visible_kinds = seed % 3 == 0 ? kTracepointKinds : random();
    run(seed, options);
  }
}

}  // namespace
}  // namespace swaptrail::lifecycles
