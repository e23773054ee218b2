// The control service: the flight recorder, and MADV_PAGEOUT on page tables that a test makes up.
#include <time.h>

#include <algorithm>
#include <optional>

#include "daemon/capture/session.h"
#include "tests/api/api_scene.h"

namespace swaptrail::api {
namespace {

using Control = v1::ControlService::Stub;
constexpr uint64_t kPage = 4096;
constexpr uint64_t kSecond_ns = 1'000'000'000;

Lifecycle freed(uint64_t id, uint32_t pid, uint64_t address) {
  Lifecycle life;
  life.id = id;
  life.closed_ns = id;
  life.outcome = Outcome::kFreedZswap;
  life.mappings[0] = {address, pid, 0, 1, store::comm_of("web")};
  life.mapping_count = 1;
  return life;
}

struct Told {
  grpc::Status status;
  std::vector<uint64_t> ids;
  uint64_t missed = 0;
  std::optional<v1::PageOutResult> result;
};

Told page_out(Scene& scene, const v1::PageOutRequest& request) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  const auto reader = scene.change->PageOut(&context, request);
  Told told;
  v1::PageOutResponse response;
  while (reader->Read(&response)) {
    for (const v1::Lifecycle& life : response.lifecycles()) told.ids.push_back(life.id());
    told.missed += response.missed();
    if (response.has_result()) told.result = response.result();
  }
  told.status = reader->Finish();
  return told;
}

v1::PageOutRequest request_of(uint64_t address, uint64_t length_bytes, uint32_t wait_ms = 5000) {
  v1::PageOutRequest request;
  request.set_pid(42);
  request.set_address(address);
  request.set_length_bytes(length_bytes);
  request.set_wait_ms(wait_ms);
  return request;
}

TEST(ApiControl, PagesOutStepByStepAndTellsWhatEnded) {
  Scene scene;
  scene.tables.range = {.resident = 4, .swapped = 1, .other = 0};
  scene.add(freed(1, 42, 0x200000));  // before: not reported
  uint64_t id = 2;
  scene.tables.on_page_out = [&](uint64_t address, uint64_t length) -> absl::StatusOr<uint64_t> {
    scene.add(freed(id++, 42, address));
    scene.add(freed(id++, 43, address));                         // of another process
    scene.add(freed(id++, 42, 0x200000 + (9ull << 20) + 4096));  // behind the range
    ++scene.tables.range.swapped;
    --scene.tables.range.resident;
    return length;
  };
  const Told told = page_out(scene, request_of(0x200000, 5ull << 20));
  ASSERT_TRUE(told.status.ok()) << told.status.error_message();
  using Steps = std::vector<std::pair<uint64_t, uint64_t>>;
  EXPECT_EQ(scene.tables.steps,
            (Steps{{0x200000, 2 << 20}, {0x400000, 2 << 20}, {0x600000, 1 << 20}}));
  EXPECT_EQ(told.ids, (std::vector<uint64_t>{2, 5, 8}));
  ASSERT_TRUE(told.result);
  EXPECT_EQ(told.result->advised_bytes(), 5u << 20);
  EXPECT_EQ(told.result->resident_before_pages(), 4u);
  EXPECT_EQ(told.result->resident_after_pages(), 1u);
  EXPECT_EQ(told.result->swapped_after_pages(), 4u);
}

TEST(ApiControl, GoesOnWhereTheKernelStoppedEarly) {
  Scene scene;
  scene.tables.on_page_out = [](uint64_t, uint64_t length) -> absl::StatusOr<uint64_t> {
    return std::min<uint64_t>(length, 3 * kPage);
  };
  const Told told = page_out(scene, request_of(0x200000, 7 * kPage, 50));
  ASSERT_TRUE(told.status.ok()) << told.status.error_message();
  using Steps = std::vector<std::pair<uint64_t, uint64_t>>;
  EXPECT_EQ(scene.tables.steps, (Steps{{0x200000, 7 * kPage},
                                       {0x200000 + 3 * kPage, 4 * kPage},
                                       {0x200000 + 6 * kPage, kPage}}));
  ASSERT_TRUE(told.result);
  EXPECT_EQ(told.result->advised_bytes(), 7 * kPage);
  scene.tables.on_page_out = [](uint64_t, uint64_t) { return uint64_t{0}; };
  EXPECT_FALSE(page_out(scene, request_of(0x200000, 7 * kPage, 50)).status.ok());
}

TEST(ApiControl, WaitsForPagesThatEndLater) {
  Scene scene;
  scene.tables.range = {.resident = 2, .swapped = 0, .other = 0};
  scene.tables.on_page_out = [&](uint64_t, uint64_t length) -> absl::StatusOr<uint64_t> {
    scene.tables.range = {.resident = 0, .swapped = 2, .other = 0};
    return length;
  };
  std::thread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    scene.add(freed(1, 42, 0x10000));
    scene.add(freed(2, 42, 0x11000));
  });
  const Told told = page_out(scene, request_of(0x10000, 2 * kPage, 20'000));
  later.join();
  EXPECT_EQ(told.ids, (std::vector<uint64_t>{1, 2}));
  EXPECT_TRUE(told.status.ok());
}

TEST(ApiControl, StopsWaitingWhenTheTimeIsOver) {
  Scene scene;
  scene.tables.range = {.resident = 2, .swapped = 0, .other = 0};
  scene.tables.on_page_out = [&](uint64_t, uint64_t length) -> absl::StatusOr<uint64_t> {
    scene.tables.range = {.resident = 0, .swapped = 2, .other = 0};
    return length;
  };
  const Told told = page_out(scene, request_of(0x10000, 2 * kPage, 50));
  EXPECT_TRUE(told.status.ok());
  EXPECT_TRUE(told.result && told.ids.empty());
}

TEST(ApiControl, WhatTheStoreGaveUpIsMissed) {
  Scene scene;
  scene.tables.on_page_out = [&](uint64_t address, uint64_t length) -> absl::StatusOr<uint64_t> {
    for (uint64_t id = 1; id <= 3000; ++id) scene.add(freed(id, 42, address));
    return length;
  };
  const Told told = page_out(scene, request_of(0x10000, kPage, 100));
  EXPECT_GT(told.missed, 0u);
  EXPECT_EQ(told.missed + told.ids.size(), 3000u);
}

TEST(ApiControl, ACallerWhoGoesEndsIt) {
  Scene scene;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(300));
  scene.tables.range = {.resident = 2, .swapped = 0, .other = 0};
  scene.tables.on_page_out = [&](uint64_t, uint64_t length) -> absl::StatusOr<uint64_t> {
    scene.tables.range.swapped = 2;
    return length;
  };
  const auto reader = scene.change->PageOut(&context, request_of(0x10000, 2 * kPage, 60'000));
  v1::PageOutResponse response;
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
}

TEST(ApiControl, Bounds) {
  Scene scene;
  const auto code = [&](v1::PageOutRequest request) {
    return page_out(scene, request).status.error_code();
  };
  EXPECT_EQ(code(request_of(0x10000, uint64_t{1} << 30, 1)), grpc::StatusCode::OK);
  EXPECT_EQ(scene.tables.steps.size(), 512u);
  v1::PageOutRequest no_pid = request_of(0x10000, kPage);
  no_pid.set_pid(0);
  for (const auto& wrong :
       {no_pid, request_of(0x10001, kPage), request_of(0x10000, 0), request_of(0x10000, 100),
        request_of(0x10000, (uint64_t{1} << 30) + kPage),
        request_of(~uint64_t{0} - 4095, 2 * kPage), request_of(0x10000, kPage, 60'001)}) {
    EXPECT_EQ(code(wrong), grpc::StatusCode::INVALID_ARGUMENT) << wrong.ShortDebugString();
  }
  scene.tables.on_page_out = [](uint64_t, uint64_t) { return absl::NotFoundError("it has ended"); };
  EXPECT_EQ(code(request_of(0x10000, kPage)), grpc::StatusCode::NOT_FOUND);
  scene.host.pageout_enabled = false;
  EXPECT_EQ(code(request_of(0x10000, kPage)), grpc::StatusCode::FAILED_PRECONDITION);
}

TEST(ApiControl, TriggersTheFlightRecorder) {
  Scene scene;
  v1::TriggerFlightRecorderRequest request;
  v1::TriggerFlightRecorderResponse response;
  const auto trigger = [&](const std::string& reason) {
    request.set_reason(reason);
    return call(*scene.change, &Control::TriggerFlightRecorder, request, response);
  };
  scene.pipeline->flight_since_ns = base::monotonic_ns() - 3600 * kSecond_ns;
  const uint64_t hour_ago_s = static_cast<uint64_t>(time(nullptr)) - 3600;
  ASSERT_TRUE(trigger("oom_2-x").ok());
  EXPECT_EQ(response.paths(0), "/flight/oom_2-x");
  EXPECT_NEAR(static_cast<double>(response.since().seconds()), static_cast<double>(hour_ago_s), 60);
  scene.pipeline->flight_since_ns = 0;  // nothing was written
  ASSERT_TRUE(trigger("").ok());
  EXPECT_EQ(response.paths(0), "/flight/request");
  EXPECT_FALSE(response.has_since());
  EXPECT_TRUE(trigger(std::string(64, 'x')).ok());
  for (const std::string& wrong : {std::string(65, 'x'), std::string("../x"), std::string("a b")}) {
    EXPECT_EQ(trigger(wrong).error_code(), grpc::StatusCode::INVALID_ARGUMENT) << wrong;
  }
  scene.pipeline->flight = false;
  EXPECT_EQ(trigger("x").error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  scene.pipeline.reset();
  EXPECT_EQ(trigger("x").error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST(ApiControl, WhoMayNotIsRefused) {
  RefusingControlService service;
  const auto server = grpc::ServerBuilder().RegisterService(&service).BuildAndStart();
  const auto stub = v1::ControlService::NewStub(server->InProcessChannel({}));
  v1::TriggerFlightRecorderResponse response;
  const grpc::Status status =
      call(*stub, &Control::TriggerFlightRecorder, v1::TriggerFlightRecorderRequest(), response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(status.error_message(), "needs uid 0 or the control group");
  grpc::ClientContext context;
  const auto reader = stub->PageOut(&context, {});
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::PERMISSION_DENIED);
  server->Shutdown();
}

}  // namespace
}  // namespace swaptrail::api
