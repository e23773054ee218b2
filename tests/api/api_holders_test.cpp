// GetHolders.
#include <unistd.h>

#include "tests/api/holders_scene.h"
#include "tests/scene/folder.h"
#include "trace/decode.h"

namespace swaptrail::api {
namespace {

using Stub = v1::TraceService::Stub;

class ApiHolders : public ::testing::Test {
 protected:
  ApiHolders() {
    scene.areas.put({{0, "/dev/one"}, {1, "/dev/two"}}, base::monotonic_ns(), scene.area_watch);
    ledger::Ledger& ledger = scene.pipeline->ledger_;
    for (uint64_t at = 1; at <= 5; ++at)
      send_out(ledger, make_entry(0, at), 100, 7, SWAPTRAIL_BACKEND_DEVICE);
    for (uint64_t at = 11; at <= 13; ++at)
      send_out(ledger, make_entry(1, at), 200, 7, SWAPTRAIL_BACKEND_ZSWAP);
    send_out(ledger, make_entry(1, 20), 0, 8, SWAPTRAIL_BACKEND_ZERO);
  }
  v1::GetHoldersResponse ask(v1::HolderGroup by, int rows = 0) {
    v1::GetHoldersRequest request;
    request.set_group_by(by);
    request.set_max_rows(rows);
    v1::GetHoldersResponse response;
    EXPECT_TRUE(call(*scene.trace, &Stub::GetHolders, request, response).ok());
    return response;
  }
  Scene scene;
};

TEST_F(ApiHolders, ByProcess) {
  const auto response = ask(v1::HOLDER_GROUP_UNSPECIFIED);
  EXPECT_EQ(response.group_by(), v1::HOLDER_GROUP_PROCESS);
  ASSERT_EQ(response.rows_size(), 3);
  EXPECT_EQ(response.rows(0).process().pid(), 100u);
  EXPECT_EQ(response.rows(0).process().comm(), "victim");
  EXPECT_EQ(response.rows(0).pages(), 5u);
  EXPECT_EQ(response.rows(0).device_pages(), 5u);
  EXPECT_EQ(response.rows(1).process().pid(), 200u);
  EXPECT_EQ(response.rows(1).zswap_pages(), 3u);
  EXPECT_EQ(response.rows(2).kind(), v1::HOLDER_KIND_OBJECT);
  EXPECT_EQ(response.rows(2).zero_pages(), 1u);
  EXPECT_FALSE(response.has_other());
  EXPECT_GT(response.table_bytes(), 0u);
}

TEST_F(ApiHolders, ByCgroupObjectAndArea) {
  const auto cgroups = ask(v1::HOLDER_GROUP_CGROUP);
  ASSERT_EQ(cgroups.rows_size(), 2);
  EXPECT_EQ(cgroups.rows(0).cgroup().id(), 7u);
  EXPECT_EQ(cgroups.rows(0).pages(), 8u);
  EXPECT_EQ(cgroups.rows(0).kind(), v1::HOLDER_KIND_PROCESS);
  EXPECT_EQ(cgroups.rows(1).cgroup().id(), 8u);
  const auto objects = ask(v1::HOLDER_GROUP_OBJECT);
  ASSERT_EQ(objects.rows_size(), 2);
  EXPECT_EQ(objects.rows(0).kind(), v1::HOLDER_KIND_PROCESS);
  EXPECT_EQ(objects.rows(1).object().inode(), 99u);
  const auto areas = ask(v1::HOLDER_GROUP_AREA);
  ASSERT_EQ(areas.rows_size(), 2);
  EXPECT_EQ(areas.rows(0).area_path(), "/dev/one");
  EXPECT_EQ(areas.rows(0).pages(), 5u);
  EXPECT_EQ(areas.rows(1).area(), 1u);
  EXPECT_EQ(areas.rows(1).kind(), v1::HOLDER_KIND_MIXED);
}

TEST_F(ApiHolders, OfOneArea) {
  v1::GetHoldersRequest request;
  request.set_area_path("/dev/two");
  v1::GetHoldersResponse response;
  ASSERT_TRUE(call(*scene.trace, &Stub::GetHolders, request, response).ok());
  ASSERT_EQ(response.rows_size(), 2);
  EXPECT_EQ(response.rows(0).process().pid(), 200u);
  EXPECT_EQ(response.rows(1).kind(), v1::HOLDER_KIND_OBJECT);
  ASSERT_EQ(response.areas_size(), 1);
  EXPECT_EQ(response.areas(0).path(), "/dev/two");
  request.set_area_path("/dev/three");
  const grpc::Status status = call(*scene.trace, &Stub::GetHolders, request, response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message(),
            "there is no swap area /dev/three; there is: /dev/one, /dev/two");
}

// They went out at 5 s; it is 20 s.
TEST_F(ApiHolders, ForHowLong) {
  const v1::GetHoldersResponse response = ask(v1::HOLDER_GROUP_AREA);
  const v1::HolderRow& row = response.rows(0);
  ASSERT_EQ(row.ages_size(), 8);
  EXPECT_EQ(row.ages(2).up_to().seconds(), 60);
  EXPECT_EQ(row.ages(2).pages(), row.pages());
  EXPECT_FALSE(row.ages(7).has_up_to());
  EXPECT_EQ(row.older_pages(), 0u);
}

TEST(ApiHoldersByUnit, CgroupsOfAUnitAreOneRow) {
  const Folder root;
  Scene scene(store::small_options(), {.cgroups = root.path()});
  uint64_t at = 1;
  for (const char* path :
       {"system.slice/db.service", "system.slice/db.service/worker", "docker/1"}) {
    const uint64_t id = make_cgroup(root, path);
    for (int more = 0; more < 3; ++more)
      send_out(scene.pipeline->ledger_, make_entry(0, at++), 100, id, SWAPTRAIL_BACKEND_DEVICE);
  }
  v1::GetHoldersRequest request;
  request.set_group_by(v1::HOLDER_GROUP_UNIT);
  v1::GetHoldersResponse response;
  ASSERT_TRUE(call(*scene.trace, &Stub::GetHolders, request, response).ok());
  ASSERT_EQ(response.rows_size(), 2);
  EXPECT_EQ(response.rows(0).unit(), "db.service");
  EXPECT_EQ(response.rows(0).pages(), 6u);
  EXPECT_EQ(response.rows(1).unit(), "");
  EXPECT_EQ(response.rows(1).cgroup().path(), "/docker/1");
}

TEST_F(ApiHolders, WhatIsInNoRowIsCounted) {
  const auto response = ask(v1::HOLDER_GROUP_PROCESS, 1);
  ASSERT_EQ(response.rows_size(), 1);
  EXPECT_EQ(response.other_groups(), 2u);
  EXPECT_EQ(response.other().pages(), 4u);
  EXPECT_EQ(response.other().kind(), v1::HOLDER_KIND_MIXED);
}

TEST_F(ApiHolders, WhatTheKernelUsesMoreIsNotExplained) {
  const auto response = ask(v1::HOLDER_GROUP_AREA);
  ASSERT_EQ(response.areas_size(), 2);
  EXPECT_EQ(response.areas(0).path(), "/dev/one");
  EXPECT_EQ(response.areas(0).held(), 5u);
  EXPECT_EQ(response.areas(0).unexplained(), static_cast<int64_t>(response.areas(0).used()) - 5);
  EXPECT_NE(response.areas(0).note(), "");
}

TEST_F(ApiHolders, AnAreaWhoseNumberIsNotKnownIsSaidToBeSo) {
  Scene unknown;
  unknown.areas.put({{host::kTypeNotKnown, "/swap"}}, base::monotonic_ns(), unknown.area_watch);
  v1::GetHoldersResponse response;
  ASSERT_TRUE(call(*unknown.trace, &Stub::GetHolders, v1::GetHoldersRequest(), response).ok());
  ASSERT_EQ(response.areas_size(), 1);
  EXPECT_TRUE(response.areas(0).not_known());
  EXPECT_NE(response.areas(0).note(), "");
}

TEST_F(ApiHolders, ASlotIsExplainedWithoutItsAttempt) {
  v1::ExplainPageRequest request;
  request.mutable_entry()->set_type(1);
  request.mutable_entry()->set_offset(12);
  v1::ExplainPageResponse response;
  ASSERT_TRUE(call(*scene.trace, &Stub::ExplainPage, request, response).ok());
  EXPECT_EQ(response.history_size(), 0);
  EXPECT_EQ(response.slot().kind(), v1::HOLDER_KIND_PROCESS);
  EXPECT_EQ(response.slot().process().pid(), 200u);
  EXPECT_EQ(response.slot().cgroup().id(), 7u);
  EXPECT_EQ(response.slot().put_by().pid(), 40u);
  EXPECT_EQ(response.slot().origin(), v1::ORIGIN_KSWAPD);
  EXPECT_TRUE(response.slot().has_since());
  EXPECT_EQ(response.slot().backend(), v1::BACKEND_ZSWAP);
  EXPECT_FALSE(response.slot().cached());
  EXPECT_FALSE(response.slot().found());

  request.mutable_entry()->set_offset(20);  // of a file
  ASSERT_TRUE(call(*scene.trace, &Stub::ExplainPage, request, response).ok());
  EXPECT_EQ(response.slot().object().inode(), 99u);
  EXPECT_EQ(response.slot().backend(), v1::BACKEND_ZERO);
  request.mutable_entry()->set_offset(21);  // free
  ASSERT_TRUE(call(*scene.trace, &Stub::ExplainPage, request, response).ok());
  EXPECT_FALSE(response.has_slot());
}

// Beside what the kernel says of it now.
TEST_F(ApiHolders, AProcessIsThatOfProcOrHasEnded) {
  const auto self = static_cast<uint32_t>(getpid());
  constexpr uint32_t kNobody = 5'000'000;
  for (uint64_t at = 100; at < 150; ++at)
    send_out(scene.pipeline->ledger_, make_entry(1, at), at < 130 ? self : kNobody, 9,
             SWAPTRAIL_BACKEND_DEVICE);
  const auto response = ask(v1::HOLDER_GROUP_PROCESS);
  ASSERT_GE(response.rows_size(), 2);
  EXPECT_EQ(response.rows(0).process().pid(), self);
  EXPECT_FALSE(response.rows(0).ended());
  EXPECT_TRUE(response.rows(0).has_kernel_pages());
  EXPECT_EQ(response.rows(1).process().pid(), kNobody);
  EXPECT_TRUE(response.rows(1).ended());
  EXPECT_FALSE(response.rows(1).has_kernel_pages());
}

TEST_F(ApiHolders, BadRequestsAndMissingHooks) {
  v1::GetHoldersRequest request;
  v1::GetHoldersResponse response;
  request.set_max_rows(1001);
  EXPECT_EQ(call(*scene.trace, &Stub::GetHolders, request, response).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  request.set_max_rows(1);
  request.set_group_by(static_cast<v1::HolderGroup>(77));
  EXPECT_EQ(call(*scene.trace, &Stub::GetHolders, request, response).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  Scene blind;
  blind.pipeline->has_ledger = false;
  EXPECT_EQ(call(*blind.trace, &Stub::GetHolders, v1::GetHoldersRequest(), response).error_code(),
            grpc::StatusCode::FAILED_PRECONDITION);
}

}  // namespace
}  // namespace swaptrail::api
