// What becomes of pages in swap: swap-in, slots freed, swapoff, reuse.
#include <gtest/gtest.h>

#include "tests/unit/trace_scene.h"

namespace swaptrail {
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

TEST(TraceReturn, RetriesAndErrorsAreNone) {
  Scene scene;
  scene.whole_sync(page_at(1));
  for (const int result : {0x400, 0x1, 0x2, 0x10, 0x40}) scene.swap_in(page_at(1).entry, result);
  const Outcomes out = scene.run();
  EXPECT_TRUE(out.kept.returns.empty());
  EXPECT_EQ(out.counters.failed_swap_ins, 5u);
}

TEST(TraceReturn, SharedSlotReturnsOnce) {
  Scene scene;
  scene.whole_sync(page_at(1));
  scene.swap_in(page_at(1).entry);
  scene.swap_in(page_at(1).entry);
  scene.slot_freed(page_at(1).entry);  // by the last fault, before it returns
  scene.swap_in(page_at(1).entry);
  const Outcomes out = scene.run();
  EXPECT_EQ(out.kept.returns.size(), 1u);
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
  ASSERT_EQ(out.kept.returns.size(), 1u);
  EXPECT_EQ(out.kept.returns[0].lifecycle_id, 0u);
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

TEST(TraceReturn, ShmemComesBackWithoutAFault) {
  Scene scene;
  Page page = page_at(1);
  page.state = kShmem;
  scene.begin();
  scene.write_sync(page);
  scene.removed(page);
  scene.end();
  Page fresh = page;
  fresh.folio = folio_at(9);
  scene.swap_read(fresh);
  scene.cache_deleted(fresh);
  scene.slot_freed(page.entry);
  const Outcomes out = scene.run();
  ASSERT_EQ(out.kept.returns.size(), 1u);
  EXPECT_EQ(out.kept.returns[0].how, ReturnHow::kSwappedIn);
  EXPECT_EQ(out.kept.returns[0].fault_ns, 0u);
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
}  // namespace swaptrail
