// WatchLifecycles: what a caller gets and what it missed is everything, however slow it reads.
#include <algorithm>

#include "tests/api/api_scene.h"

namespace swaptrail::api {
namespace {

using Reader = grpc::ClientReader<v1::WatchLifecyclesResponse>;

struct Watch {
  Watch(Scene& scene, const v1::WatchLifecyclesRequest& request = {}) {
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    reader = scene.trace->WatchLifecycles(&context, request);
    reader->WaitForInitialMetadata();  // the watch stands
  }
  // Reads until it has heard of `wanted` lifecycles.
  void read_until(uint64_t wanted) {
    v1::WatchLifecyclesResponse response;
    while (ids.size() + missed < wanted && reader->Read(&response)) {
      for (const v1::Lifecycle& life : response.lifecycles()) ids.push_back(life.id());
      missed += response.missed();
      largest = std::max(largest, response.ByteSizeLong());
    }
  }
  grpc::ClientContext context;
  std::unique_ptr<Reader> reader;
  std::vector<uint64_t> ids;
  uint64_t missed = 0;
  size_t largest = 0;
};

bool wait_for(const std::function<bool()>& is) {
  for (int tries = 0; tries < 2000 && !is(); ++tries) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return is();
}

TEST(ApiWatch, TellsAllThatEndsFromItsBeginOnInOrder) {
  Scene scene(store::small_options(1 << 20));
  scene.fill(100);
  Watch watch(scene);
  scene.fill(1000, 2);
  watch.read_until(1000);
  ASSERT_EQ(watch.ids.size(), 1000u);
  EXPECT_EQ(watch.missed, 0u);
  for (uint64_t at = 0; at < 1000; ++at) ASSERT_EQ(watch.ids[at], 101 + at);
}

TEST(ApiWatch, TellsOnlyWhatMatches) {
  Scene scene(store::small_options(1 << 20));
  v1::WatchLifecyclesRequest request;
  request.mutable_filter()->add_outcomes(v1::OUTCOME_ABORTED);
  Watch watch(scene, request);
  scene.fill(1000);
  std::vector<uint64_t> expected;
  for (const Lifecycle& life : scene.all) {
    if (life.outcome == Outcome::kAborted) expected.push_back(life.id);
  }
  watch.read_until(expected.size());
  EXPECT_EQ(watch.ids, expected);
}

TEST(ApiWatch, WhoReadsTooSlowlyIsToldExactlyHowManyItMissed) {
  Scene scene;  // holds some hundred
  Watch watch(scene);
  constexpr uint64_t kAll = 30'000;
  for (int round = 0; round < 30; ++round) {
    scene.fill(kAll / 30, static_cast<uint64_t>(round));
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  // Lifecycles that the store had no room for, because a round of the watchers held it, can't be
  // reported to anybody.
  const uint64_t stored = kAll - scene.store->status().unstored;
  watch.read_until(stored);
  EXPECT_EQ(watch.ids.size() + watch.missed, stored);
  EXPECT_GT(watch.missed, 0u);
  EXPECT_TRUE(std::ranges::is_sorted(watch.ids));
  EXPECT_EQ(std::ranges::adjacent_find(watch.ids), watch.ids.end());
  EXPECT_LT(watch.largest, size_t{300} << 10);
}

TEST(ApiWatch, ASlowOneDoesNotHoldUpAnother) {
  Scene scene(store::small_options(8 << 20));  // has room for all
  Watch slow(scene);
  Watch fast(scene);
  scene.fill(8000);
  fast.read_until(8000);
  EXPECT_EQ(fast.ids.size(), 8000u);
  slow.read_until(8000);
  EXPECT_EQ(slow.ids.size() + slow.missed, 8000u);
}

TEST(ApiWatch, ACancelledStreamEndsAndFreesItsPlace) {
  Scene scene;
  Watch watch(scene);
  EXPECT_EQ(scene.service->watchers(), 1u);
  watch.context.TryCancel();
  EXPECT_EQ(watch.reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(wait_for([&] { return scene.service->watchers() == 0; }));
}

TEST(ApiWatch, ACancelledStreamThatDoesNotReadEndsToo) {
  Scene scene(store::small_options(4 << 20));
  Watch watch(scene);
  scene.fill(8000);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));  // its window is full by now
  watch.context.TryCancel();
  EXPECT_TRUE(wait_for([&] { return scene.service->watchers() == 0; }));
}

TEST(ApiWatch, TheDeadlineEndsIt) {
  Scene scene;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(200));
  const auto reader = scene.trace->WatchLifecycles(&context, {});
  v1::WatchLifecyclesResponse response;
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_TRUE(wait_for([&] { return scene.service->watchers() == 0; }));
}

TEST(ApiWatch, AtMostSixtyFour) {
  Scene scene;
  std::vector<std::unique_ptr<Watch>> watches;
  for (size_t at = 0; at < Watchers::kMost; ++at) watches.push_back(std::make_unique<Watch>(scene));
  EXPECT_EQ(scene.service->watchers(), 64u);
  Watch refused(scene);
  EXPECT_EQ(refused.reader->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  watches[0]->context.TryCancel();
  ASSERT_TRUE(wait_for([&] { return scene.service->watchers() == 63; }));
  Watch taken(scene);
  scene.fill(10);
  taken.read_until(10);
  EXPECT_EQ(taken.ids.size(), 10u);
  for (auto& watch : watches) watch->context.TryCancel();
}

TEST(ApiWatch, AWrongFilterIsRefused) {
  Scene scene;
  v1::WatchLifecyclesRequest request;
  request.mutable_filter()->add_areas(64);
  Watch watch(scene, request);
  EXPECT_EQ(watch.reader->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(scene.service->watchers(), 0u);
}

TEST(ApiWatch, TheEndOfTheDaemonEndsThem) {
  Scene scene(store::small_options(4 << 20));
  Watch idle(scene);
  Watch full(scene);
  scene.fill(8000);
  scene.service->stop_watchers();
  EXPECT_TRUE(wait_for([&] { return scene.service->watchers() == 0; }));
  Watch late(scene);
  EXPECT_EQ(late.reader->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace swaptrail::api
