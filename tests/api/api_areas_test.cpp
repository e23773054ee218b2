// GetSwapAreas and GetSwapoffPlan.
#include <unistd.h>

#include "tests/api/holders_scene.h"
#include "tests/scene/folder.h"

namespace swaptrail::api {
namespace {

using Stub = v1::TraceService::Stub;

// Two areas with 100 used slots each, of which 5 and 4 are known.
class ApiAreas : public ::testing::Test {
 protected:
  ApiAreas() : scene(store::small_options(), {.cgroups = root.path()}) {
    scene.areas.used_bytes = 100 * page_bytes();
    scene.areas.put({{0, "/dev/one"}, {1, "/dev/two"}}, base::monotonic_ns(), scene.area_watch);
    for (uint64_t at = 1; at <= 5; ++at)
      send_out(ledger(), make_entry(0, at), 100, one_, SWAPTRAIL_BACKEND_DEVICE);
    for (uint64_t at = 11; at <= 13; ++at)
      send_out(ledger(), make_entry(1, at), 200, two_, SWAPTRAIL_BACKEND_ZSWAP);
    send_out(ledger(), make_entry(1, 20), 0, one_, SWAPTRAIL_BACKEND_ZERO);
  }
  static uint64_t page_bytes() { return static_cast<uint64_t>(sysconf(_SC_PAGESIZE)); }
  ledger::Ledger& ledger() { return scene.pipeline->ledger_; }
  // Pages that memory.max leaves.
  void limit(const std::string& name, uint64_t room) {
    root.file(name + "/memory.max", std::to_string((50 + room) * page_bytes()) + "\n");
    root.file(name + "/memory.current", std::to_string(50 * page_bytes()) + "\n");
  }
  v1::GetSwapAreasResponse areas() {
    v1::GetSwapAreasResponse response;
    EXPECT_TRUE(call(*scene.trace, &Stub::GetSwapAreas, v1::GetSwapAreasRequest(), response).ok());
    return response;
  }
  v1::GetSwapoffPlanResponse plan(const std::string& path) {
    v1::GetSwapoffPlanRequest request;
    request.set_area_path(path);
    v1::GetSwapoffPlanResponse response;
    EXPECT_TRUE(call(*scene.trace, &Stub::GetSwapoffPlan, request, response).ok());
    return response;
  }
  void swap_off(uint64_t entry, uint32_t tgid, uint64_t at_ns) {
    swaptrail_event event{};
    event.kind = SWAPTRAIL_SLOT_FREED;
    event.entry = entry;
    event.nr_pages = 1;
    event.state = SWAPTRAIL_STATE_SWAPOFF;
    event.tgid = tgid;
    event.time_ns = at_ns;
    ledger().on_event(event, 0);
  }

  const Folder root;
  const uint64_t one_ = make_cgroup(root, "one"), two_ = make_cgroup(root, "one/two");
  Scene scene;
};

TEST_F(ApiAreas, WhoseTheyAreAndForHowLong) {
  const v1::GetSwapAreasResponse response = areas();
  ASSERT_EQ(response.areas_size(), 2);
  const v1::SwapArea& area = response.areas(1);
  EXPECT_EQ(area.path(), "/dev/two");
  EXPECT_EQ(area.priority(), -2);
  ASSERT_EQ(area.owners_size(), 2);
  EXPECT_EQ(area.owners(0).cgroup().path(), "/one/two");
  EXPECT_EQ(area.owners(0).pages(), 3u);
  EXPECT_EQ(area.owners(1).pages(), 1u);
  ASSERT_EQ(area.ages_size(), 8);
  EXPECT_EQ(area.ages(2).pages(), 4u);
  EXPECT_EQ(area.ages(2).up_to().seconds(), 60);
  EXPECT_FALSE(area.ages(7).has_up_to());
}

// The kernel's used slots are the sum of the reported parts.
TEST_F(ApiAreas, TheUsedSlotsAreExplainedOrSaidNotToBe) {
  swaptrail_event read{};
  read.kind = SWAPTRAIL_SWAP_READ;
  read.entry = make_entry(0, 1);
  read.nr_pages = 1;
  read.state = SWAPTRAIL_STATE_SWAPCACHE;
  ledger().on_event(read, 0);
  read.kind = SWAPTRAIL_CACHE_DELETED;
  read.entry = make_entry(0, 2);
  ledger().on_event(read, 0);
  const v1::GetSwapAreasResponse response = areas();
  const v1::AreaSlots& slots = response.areas(0).slots();
  EXPECT_EQ(slots.used(), 100u);
  EXPECT_EQ(slots.away(), 3u);
  EXPECT_EQ(slots.cached(), 1u);
  EXPECT_EQ(slots.reserve(), 1u);
  EXPECT_EQ(slots.unexplained(), 95);
  EXPECT_NE(response.areas(0).note(), "");
  EXPECT_EQ(response.areas(0).owners(0).pages(), 3u);
}

TEST_F(ApiAreas, WithASampleAllIsSaidToBeEstimated) {
  auto status = std::make_shared<pipeline::PipelineStatus>();
  status->sampling.one_in = 16;
  scene.status_board.publish(status);
  EXPECT_TRUE(areas().areas(0).note().starts_with(
      "only 1 page in 16 is followed: all but USED SLOTS are estimates; "));
  EXPECT_TRUE(plan("/dev/one").estimated());
}

// If no hook sees slots being freed, a page that was swapped out may have come back long ago.
TEST_F(ApiAreas, WithoutFreedSlotsNothingIsSaidToBeInSwap) {
  scene.pipeline->has_ledger = false;
  const v1::GetSwapAreasResponse response = areas();
  ASSERT_EQ(response.areas_size(), 2);
  EXPECT_EQ(response.areas(1).path(), "/dev/two");
  EXPECT_EQ(response.areas(1).used_bytes(), 100 * page_bytes());
  EXPECT_FALSE(response.areas(1).has_slots());
  EXPECT_EQ(response.areas(1).owners_size(), 0);
  EXPECT_EQ(response.areas(1).ages_size(), 0);
  EXPECT_NE(response.areas(1).note(), "");
}

TEST_F(ApiAreas, WhoseNumberIsNotKnown) {
  scene.areas.put({{host::kTypeNotKnown, "/swap"}}, base::monotonic_ns(), scene.area_watch);
  const v1::GetSwapAreasResponse response = areas();
  ASSERT_EQ(response.areas_size(), 1);
  EXPECT_TRUE(response.areas(0).type_unknown());
  EXPECT_FALSE(response.areas(0).has_slots());
  EXPECT_NE(response.areas(0).note(), "");
}

TEST_F(ApiAreas, APlanNamesWhatStandsInTheWay) {
  const v1::GetSwapoffPlanResponse response = plan("/dev/two");
  EXPECT_EQ(response.area().path(), "/dev/two");
  ASSERT_EQ(response.holders_size(), 2);
  EXPECT_EQ(response.holders(0).process().pid(), 200u);
  EXPECT_EQ(response.holders(0).pages(), 3u);
  EXPECT_EQ(response.holders(1).kind(), v1::HOLDER_KIND_OBJECT);
  ASSERT_EQ(response.cgroups_size(), 2);
  EXPECT_EQ(response.cgroups(0).cgroup().path(), "/one/two");
  EXPECT_EQ(response.cgroups(0).pages(), 3u);
  EXPECT_FALSE(response.cgroups(0).has_room_pages());
  EXPECT_EQ(response.need_pages(), 100u);
  EXPECT_GT(response.available_pages(), 0u);
  EXPECT_EQ(response.other_swap_pages(), (1 << 20) / page_bytes() - 100);
  EXPECT_EQ(response.verdict(), v1::SWAPOFF_VERDICT_FITS);
  ASSERT_EQ(response.reasons_size(), 1);
  EXPECT_EQ(response.reasons(0), "whose 96 of the pages are is not known");
  EXPECT_FALSE(response.has_expected());
  EXPECT_EQ(response.expected_from(), "nothing has come back from it yet");
  EXPECT_FALSE(response.has_progress());
}

TEST_F(ApiAreas, APlanKnowsTheLimitsOfCgroups) {
  limit("one", 1);
  limit("one/two", 9);
  const v1::GetSwapoffPlanResponse response = plan("/dev/two");
  EXPECT_EQ(response.verdict(), v1::SWAPOFF_VERDICT_MOVES);
  EXPECT_EQ(response.cgroups(0).room_pages(), 1u);
  EXPECT_EQ(response.cgroups(0).limited_by(), "/one");
  EXPECT_EQ(response.reasons(0),
            "3 pages are charged to /one/two, and memory.max of /one leaves room for 1");
  // There is no room elsewhere.
  scene.areas.put({{1, "/dev/two"}}, base::monotonic_ns(), scene.area_watch);
  EXPECT_EQ(plan("/dev/two").verdict(), v1::SWAPOFF_VERDICT_FAILS);
}

TEST_F(ApiAreas, APlanMeasuresByWhatCameBack) {
  Return back;
  back.lifecycle_id = 1;
  back.entry = make_entry(0, 1);
  back.nr_pages = 4;
  back.how = ReturnHow::kSwappedIn;
  back.time_ns = base::monotonic_ns();
  back.fault_ns = 8'000;
  back.passes = 1;
  scene.add(back);
  const v1::GetSwapoffPlanResponse response = plan("/dev/one");
  EXPECT_EQ(response.expected().nanos(), 100 * 2000);
  EXPECT_NE(response.expected_from().find("that came back from it"), std::string::npos);
}

TEST_F(ApiAreas, ProgressOfASwapoff) {
  const uint64_t now = base::monotonic_ns();
  swap_off(make_entry(0, 1), getpid(), now - 2'000'000'000);
  swap_off(make_entry(0, 2), getpid(), now);
  const v1::GetSwapoffPlanResponse response = plan("/dev/one");
  EXPECT_TRUE(response.progress().running());
  EXPECT_EQ(response.progress().process().pid(), static_cast<uint32_t>(getpid()));
  EXPECT_NE(response.progress().process().comm(), "");
  EXPECT_EQ(response.progress().done_pages(), 2u);
  EXPECT_EQ(response.progress().left_pages(), 100u);
  EXPECT_EQ(response.progress().pages_per_second(), 1.0);
  EXPECT_EQ(response.progress().left().seconds(), 100);
  EXPECT_EQ(response.expected().seconds(), 100);
  EXPECT_FALSE(plan("/dev/two").has_progress());

  constexpr uint32_t kNobody = 5'000'000;
  swap_off(make_entry(0, 3), kNobody, now);
  EXPECT_FALSE(plan("/dev/one").progress().running()) << "it was killed";
  EXPECT_FALSE(plan("/dev/one").progress().has_left());
}

TEST_F(ApiAreas, BadPlans) {
  v1::GetSwapoffPlanRequest request;
  v1::GetSwapoffPlanResponse response;
  const auto code = [&] {
    return call(*scene.trace, &Stub::GetSwapoffPlan, request, response).error_code();
  };
  EXPECT_EQ(code(), grpc::StatusCode::NOT_FOUND);
  request.set_area_path("/dev/one");
  request.set_max_rows(1001);
  EXPECT_EQ(code(), grpc::StatusCode::INVALID_ARGUMENT);
  request.set_max_rows(1);
  EXPECT_EQ(code(), grpc::StatusCode::OK);
  EXPECT_EQ(response.cgroups_size(), 1);
  scene.pipeline->has_ledger = false;
  EXPECT_EQ(code(), grpc::StatusCode::FAILED_PRECONDITION);
}

TEST_F(ApiAreas, WhatReadaheadBrings) {
  pipeline::ReadaheadNow& now = scene.pipeline->readahead_now;
  now.possible = true;
  now.rows = {{0, one_, {.read = 90, .wanted = 20, .used = 50, .dropped = 10, .not_followed = 1}},
              {1, two_, {.read = 40, .wanted = 5, .used = 5, .dropped = 30}},
              {1, 0, {.read = 3, .wanted = 1, .dropped = 1}}};
  now.at_start = std::make_shared<const host::VmstatReading>(*host::read_vmstat());
  v1::GetReadaheadRequest request;
  request.set_max_rows(2);
  v1::GetReadaheadResponse response;
  ASSERT_TRUE(call(*scene.trace, &Stub::GetReadahead, request, response).ok());
  ASSERT_EQ(response.rows_size(), 2);
  EXPECT_EQ(response.rows(0).area_path(), "/dev/two");
  EXPECT_EQ(response.rows(0).cgroup().path(), "/one/two");
  EXPECT_EQ(response.rows(0).dropped_pages(), 30u);
  EXPECT_EQ(response.rows(1).read_pages(), 90u);
  EXPECT_EQ(response.rows(1).pending_pages(), 9u);
  EXPECT_EQ(response.rows(1).not_followed_pages(), 1u);
  EXPECT_EQ(response.other_rows(), 1u);
  EXPECT_EQ(response.other().read_pages(), 3u);
  EXPECT_EQ(response.total().read_pages(), 133u);
  EXPECT_EQ(response.total().used_pages(), 55u);
  EXPECT_EQ(response.has_kernel_hits(), now.at_start->values.contains("swap_ra_hit"));
  EXPECT_TRUE(response.has_page_cluster());
  now.possible = false;
  EXPECT_EQ(call(*scene.trace, &Stub::GetReadahead, request, response).error_code(),
            grpc::StatusCode::FAILED_PRECONDITION);
}

}  // namespace
}  // namespace swaptrail::api
