// Lists, watermarks, kswapd, direct reclaim and the OOM killer of Linux 2.6; random workloads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

#include "engine/generations/linux_2_6.h"
#include "tests/scene/linux_2_6_scene.h"

namespace swaptrail::engine::linux_2_6 {
namespace {

using ::testing::Contains;
using ::testing::Not;

uint64_t free_pages(const Scene& scene) { return scene.linux.zone().nr_free(); }

TEST(Linux26Memory, WatermarksAreThoseOfThePageAllocator) {
  EXPECT_EQ(Zone(128).pages_min, 32u);  // 128 KiB at least
  EXPECT_EQ(Zone(128).pages_low, 40u);
  EXPECT_EQ(Zone(128).pages_high, 48u);
  EXPECT_EQ(Zone(1 << 18).pages_min, 1024u);  // 1 GiB: 4 MiB, the root of 16 times its KiB
}

// Pages leave from anywhere, so that there are holes, and places move.
TEST(Linux26Memory, AListKeepsItsOrder) {
  constexpr uint32_t kFrames = 70;
  std::mt19937_64 random(5);
  LruRing ring(kFrames);
  std::vector<uint32_t> plain, place(kFrames), oldest;  // from the tail on
  uint64_t moves = 0;
  for (int step = 0; step < 40000; ++step) {
    const auto frame = static_cast<uint32_t>(random() % kFrames);
    const auto at = std::find(plain.begin(), plain.end(), frame);
    if (at == plain.end()) {
      place[frame] = ring.add(frame, [&](uint32_t moved, uint32_t to) {
        place[moved] = to;
        ++moves;
      });
      plain.push_back(frame);
    } else if (frame > 2 || random() % 50 == 0) {  // some stay long
      plain.erase(at);
      ring.del(place[frame]);
    }
    ASSERT_EQ(ring.size(), plain.size());
    ring.oldest(5, oldest);
    ASSERT_EQ(oldest, std::vector<uint32_t>(plain.begin(),
                                            plain.begin() + std::min<size_t>(5, plain.size())));
    ASSERT_EQ(ring.tail(), plain.empty() ? kNoPage : plain.front());
    for (size_t each = 0; each < plain.size(); ++each)
      ASSERT_EQ(ring.towards_head(place[plain[each]]),
                each + 1 < plain.size() ? plain[each + 1] : kNoPage);
  }
  EXPECT_GT(moves, 0u);
}

TEST(Linux26Memory, NewPagesGoToTheHeadOfTheActiveList) {
  Scene scene(128, {area_of(0, 100)});
  for (uint64_t page = 0; page < 10; ++page) scene.write(0, page);
  EXPECT_EQ(scene.linux.zone().nr_list(LruList::kActive), 10u);
  uint32_t at = scene.linux.zone().tail(LruList::kActive);
  for (uint64_t page = 0; page < 10; ++page, at = scene.linux.zone().towards_head(at))
    EXPECT_EQ(at, scene.page(0, page));
  EXPECT_EQ(at, kNoPage);
}

void fill(Scene& scene, uint64_t pages) {
  for (uint64_t page = 0; page < pages; ++page) scene.write(0, page);
}

TEST(Linux26Memory, ShrinkActiveListMovesUnusedPagesToTheHeadOfTheInactiveListInOrder) {
  Scene scene(128, {area_of(0, 100)});
  fill(scene, 80);
  for (uint64_t page = 0; page < 80; ++page) scene.age(scene.page(0, page));
  scene.read(0, 2);  // used
  scene.linux.shrink_active_list(5, 0);
  const Zone& zone = scene.linux.zone();
  EXPECT_EQ(zone.nr_list(LruList::kInactive), 4u);
  uint32_t at = zone.tail(LruList::kInactive);
  for (uint64_t page : {0, 1, 3, 4}) {
    EXPECT_EQ(at, scene.page(0, page));
    at = zone.towards_head(at);
  }
  // The used one is at the head of the active list, and no longer counts as used.
  EXPECT_EQ(zone.list_of(scene.page(0, 2)), LruList::kActive);
  EXPECT_EQ(zone.towards_head(scene.page(0, 2)), kNoPage);
  EXPECT_FALSE(scene.pte(0, 2).young());
}

TEST(Linux26Memory, MappedPagesStayOnTheActiveListWhileReclaimIsEasyAndFewAreMapped) {
  Scene scene(128, {area_of(0, 100)});
  fill(scene, 20);
  for (uint64_t page = 0; page < 20; ++page) scene.age(scene.page(0, page));
  scene.linux.shrink_active_list(20, kDefPriority);
  EXPECT_EQ(scene.linux.zone().nr_list(LruList::kActive), 20u);
  scene.linux.shrink_active_list(20, 1);  // distress of 50
  EXPECT_EQ(scene.linux.zone().nr_list(LruList::kInactive), 20u);
}

TEST(Linux26Memory, PagesInTheSwapCacheThatNobodyMapsGoToTheInactiveListAtOnce) {
  Scene scene(128, {area_of(0, 100)});
  fill(scene, 1);
  const uint64_t entry = scene.swap_out(0, 0);
  const uint32_t page = scene.linux.read_swap_cache_async(entry);
  scene.linux.put_page(page);
  EXPECT_EQ(scene.linux.zone().list_of(page), LruList::kActive);
  scene.linux.shrink_active_list(1, kDefPriority);
  EXPECT_EQ(scene.linux.zone().list_of(page), LruList::kInactive);
}

TEST(Linux26Memory, APageThatIsFoundTwiceOnTheInactiveListIsActivated) {
  Scene scene(128, {area_of(0, 100)});
  fill(scene, 1);
  scene.fork(0, 1);
  scene.fork(0, 2);
  const uint64_t entry = scene.swap_out(0, 0);
  scene.read(0, 0);  // referenced
  const uint32_t page = scene.linux.cached(entry);
  scene.age(page);
  scene.linux.shrink_active_list(1, 0);
  ASSERT_EQ(scene.linux.zone().list_of(page), LruList::kInactive);
  scene.read(1, 0);
  EXPECT_EQ(scene.linux.zone().list_of(page), LruList::kInactive);
  EXPECT_TRUE(scene.of(page).has(kPageReferenced));
  scene.read(2, 0);
  EXPECT_EQ(scene.linux.zone().list_of(page), LruList::kActive);
}

TEST(Linux26Memory, ShrinkZoneLooksAt1In4096PagesAtPriority12AndAllAt0) {
  Scene scene(8192, {area_of(0, 9000)});
  for (uint64_t page = 0; page < 6000; ++page) scene.write(0, page);
  ScanControl sc;
  for (int call = 0; call < 15; ++call) scene.linux.shrink_zone(kDefPriority, sc);
  EXPECT_EQ(scene.linux.zone().nr_scan_active, 30u);  // 6000 / 4096 + 1 each time
  EXPECT_EQ(scene.counters().scanned, 0u);            // fewer than 32 wait
  scene.linux.shrink_zone(0, sc);
  EXPECT_GE(scene.counters().scanned, 6000u);
}

TEST(Linux26Memory, KswapdFreesPagesUpToPagesHigh) {
  Scene scene(1 << 14, {area_of(0, 20000)});
  const Zone& zone = scene.linux.zone();
  fill(scene, (1 << 14) - zone.pages_low);
  EXPECT_EQ(free_pages(scene), zone.pages_low);
  scene.write(0, 1 << 14);  // not above pages_low: kswapd is woken
  EXPECT_GT(free_pages(scene), zone.pages_high);
  EXPECT_LT(free_pages(scene), zone.pages_high + 2 * kSwapClusterMax);
  EXPECT_EQ(scene.audit(), "");
}

TEST(Linux26Memory, DirectReclaimBeginsBelowPagesMin) {
  Scene scene(128, {area_of(0, 1000)});
  fill(scene, 80);
  const auto before = scene.calls([&] {
    while (free_pages(scene) > scene.linux.zone().pages_min) scene.linux.alloc_page();
  });
  EXPECT_THAT(before, Not(Contains("try_to_free_pages")));
  const auto names = scene.calls([&] { EXPECT_NE(scene.linux.alloc_page(), kNoPage); });
  EXPECT_THAT(names, Contains("try_to_free_pages"));
  EXPECT_GE(free_pages(scene), scene.linux.zone().pages_min);
}

TEST(Linux26Memory, WithoutSwapProcessesAreKilledWhenMemoryIsFull) {
  Scene scene(128, {});
  fill(scene, 10);
  for (uint64_t page = 0; page < 50; ++page) scene.write(1, page);
  for (uint64_t page = 10; page < 80 && scene.counters().killed == 0; ++page) scene.write(0, page);
  EXPECT_EQ(scene.counters().killed, 1u);
  EXPECT_EQ(scene.counters().swapped_out, 0u);
  EXPECT_NE(scene.linux.mm(0), nullptr);
  EXPECT_EQ(scene.linux.mm(1), nullptr);  // the larger one
  EXPECT_EQ(scene.audit(), "");
}

TEST(Linux26Memory, TheOomKillerTakesAChildFirst) {
  Scene scene(128, {});
  fill(scene, 60);
  scene.fork(0, 1);
  scene.fork(0, 2);
  const auto names = scene.calls([&] { scene.linux.out_of_memory(); });
  EXPECT_EQ(scene.linux.mm(1), nullptr);
  EXPECT_NE(scene.linux.mm(0), nullptr);
  EXPECT_EQ(scene.audit(), "");
}

TEST(Linux26Memory, TheKillerComesWhenEverySlotIsTakenAndNotBefore) {
  Scene scene(128, {area_of(0, 51)});
  uint64_t page = 0;
  for (; scene.counters().killed == 0 && page < 1000; ++page) scene.write(0, page);
  EXPECT_GE(page, 128 - 40 + 40u);  // what memory and swap have room for
  EXPECT_GT(scene.counters().no_slot, 0u);
  EXPECT_EQ(scene.counters().killed, 1u);
  EXPECT_EQ(scene.linux.resident(), 0u);
  EXPECT_EQ(scene.linux.areas().nr_swap_pages(), 50u);
  EXPECT_EQ(scene.audit(), "");
}

TEST(Linux26Memory, IfNothingCanBeWrittenProcessesAreKilled) {
  Scene scene(128, {area_of(0, 1000)}, 1.0);
  for (uint64_t page = 0; scene.counters().killed == 0 && page < 1000; ++page) scene.write(0, page);
  EXPECT_EQ(scene.counters().killed, 1u);
  EXPECT_GT(scene.counters().write_errors, 0u);
  EXPECT_EQ(scene.counters().swapped_out, 0u);
  EXPECT_EQ(scene.audit(), "");
}

TEST(Linux26Memory, StepsOfAKilledProcessAreCountedAndNothingElse) {
  Scene scene(128, {});
  uint64_t page = 0;
  for (; scene.counters().killed == 0; ++page) scene.write(0, page);
  GenerationCounters before = scene.counters();
  scene.read(0, 1);
  scene.fork(0, 1);
  scene.write(1, 1);
  scene.exit(1);
  scene.exit(0);
  before.steps += 5;
  EXPECT_EQ(std::memcmp(&before, &scene.counters(), sizeof(before)), 0);
}

TEST(Linux26Memory, StepsThatNoWorkloadHasAreRefused) {
  Linux26 linux(options_of(128, {}));
  const auto code = [&](const WorkloadStep& step) { return linux.step(step).code(); };
  EXPECT_EQ(code({.process = 0, .page = kMostWorkloadPages}), absl::StatusCode::kInternal);
  EXPECT_EQ(code({.process = kMostWorkloadProcesses}), absl::StatusCode::kInternal);
  EXPECT_EQ(code({.kind = StepKind::kFork, .process = 0, .child = 0}), absl::StatusCode::kInternal);
  EXPECT_EQ(code({.kind = StepKind::kFork, .process = 0, .child = kMostWorkloadProcesses}),
            absl::StatusCode::kInternal);
  EXPECT_TRUE(linux.step({.process = 0, .page = kMostWorkloadPages - 1}).ok());
  EXPECT_TRUE(linux.step({.kind = StepKind::kExit, .process = 0}).ok());
  EXPECT_EQ(code({.process = 0}), absl::StatusCode::kInternal);
}

// ---- random workloads

class Drawn {
 public:
  explicit Drawn(uint64_t seed) : random_(seed) {}

  GenerationOptions options() {
    GenerationOptions options;
    options.frames = 128 + random_() % 100;
    options.page_cluster = static_cast<uint32_t>(random_() % 6);
    options.seed = random_();
    const uint64_t areas = random_() % 4;
    for (uint32_t type = 0; type < areas; ++type) {
      GenerationArea area;
      area.area = area_of(type, 2 + random_() % 700, static_cast<int32_t>(random_() % 3));
      area.error_rate = random_() % 3 == 0 ? 0.3 : 0;
      options.areas.push_back(area);
    }
    return options;
  }

  WorkloadStep next() {
    const uint64_t kind = random_() % 1000;
    const uint32_t process = alive_[random_() % alive_.size()];
    if (kind == 0 && begun_ < kMostWorkloadProcesses) {
      alive_.push_back(begun_++);
      return {.kind = StepKind::kFork, .process = process, .child = alive_.back()};
    }
    if (kind == 1 && alive_.size() > 1) {
      std::erase(alive_, process);
      return {.kind = StepKind::kExit, .process = process};
    }
    // Most touches are of a part of the memory, which moves.
    const uint64_t part = random_() % 10 < 7 ? 60 : 300;
    if (random_() % 500 == 0) base_ = random_() % 300;
    return {
        .write = random_() % 2 == 0, .process = process, .page = (base_ + random_() % part) % 300};
  }

 private:
  std::mt19937_64 random_;
  std::vector<uint32_t> alive_ = {0};
  uint32_t begun_ = 1;
  uint64_t base_ = 0;
};

GenerationCounters run(uint64_t seed, uint64_t steps, bool audited) {
  Drawn drawn(seed);
  const GenerationOptions options = drawn.options();
  Scene scene(options);
  for (uint64_t step = 0; step < steps; ++step) {
    scene.step(drawn.next());
    EXPECT_LE(scene.linux.resident(), options.frames);
    if (!audited || step % 97 != 0) continue;
    const std::string wrong = scene.audit();
    EXPECT_EQ(wrong, "") << "seed " << seed << ", step " << step;
    if (!wrong.empty()) break;
  }
  EXPECT_EQ(scene.counters().contents_wrong, 0u) << "seed " << seed;
  return scene.counters();
}

TEST(Linux26Memory, RandomWorkloadsKeepContentsCountsAndLists) {
  GenerationCounters sum;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    const GenerationCounters one = run(seed, 8000, true);
    sum.copies += one.copies;
    sum.swapped_in += one.swapped_in;
    sum.readahead_hits += one.readahead_hits;
    sum.writes_saved += one.writes_saved;
    sum.write_errors += one.write_errors;
    sum.no_slot += one.no_slot;
    sum.killed += one.killed;
    sum.minor_faults += one.minor_faults;
  }
  // Each of these did happen.
  for (uint64_t count : {sum.copies, sum.swapped_in, sum.readahead_hits, sum.writes_saved,
                         sum.write_errors, sum.no_slot, sum.killed, sum.minor_faults})
    EXPECT_GT(count, 50u);
}

TEST(Linux26Memory, TheSameSeedGivesTheSameCounters) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    const GenerationCounters first = run(seed, 5000, false), second = run(seed, 5000, false);
    EXPECT_EQ(std::memcmp(&first, &second, sizeof(first)), 0);
  }
}

TEST(Linux26Memory, IsMadeByItsName) {
  EXPECT_THAT(generation_names(), Contains("2.6"));
  EXPECT_FALSE(make_generation("2.6", options_of(128, {area_of(0, 9), area_of(0, 9)})).ok());
  const auto made = make_generation("2.6", options_of(128, {area_of(0, 100)}));
  ASSERT_TRUE(made.ok());
  EXPECT_TRUE((*made)->step({.write = true, .page = 3}).ok());
  EXPECT_EQ((*made)->counters().first_touches, 1u);
  EXPECT_EQ((*made)->resident(), 1u);
}

}  // namespace
}  // namespace swaptrail::engine::linux_2_6
