// ExplainPage: by process and address, by frame, by slot.
#include <gmock/gmock.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"

#include "tests/api/api_scene.h"

namespace swaptrail::api {
namespace {

using ::testing::HasSubstr;
using State = host::PageEntry::State;

host::PageEntry resident(uint64_t pfn) {
  host::PageEntry page;
  page.state = State::kResident;
  page.pfn = pfn;
  page.flags = uint64_t{1} << 13;  // KPF_SWAPCACHE
  return page;
}
host::PageEntry swapped(uint64_t offset) {
  host::PageEntry page;
  page.state = State::kSwapped;
  page.swap_offset = offset;
  return page;
}

// Page 5 of process 42, in slot 5 of area 0, from frame 9.
Lifecycle one_of(uint64_t id, Outcome outcome) {
  Lifecycle life;
  life.id = id;
  life.folio = 0xffffea0000000000 + 9 * 64;
  life.entry = make_entry(0, 5);
  life.closed_ns = 1000 + id;
  life.outcome = outcome;
  life.mappings[0] = {0x5000, 42, 0, 1, store::comm_of("web")};
  life.mapping_count = 1;
  return life;
}

v1::ExplainPageRequest by_address(uint32_t pid, uint64_t address) {
  v1::ExplainPageRequest request;
  request.mutable_virtual_page()->set_pid(pid);
  request.mutable_virtual_page()->set_address(address);
  return request;
}

grpc::Status ask(Scene& scene, const v1::ExplainPageRequest& request,
                 v1::ExplainPageResponse& response) {
  return call(*scene.trace, &v1::TraceService::Stub::ExplainPage, request, response);
}

std::string text_of(const v1::ExplainPageResponse& response) {
  std::string text;
  for (const std::string& sentence : response.explanation()) text += sentence + "\n";
  return text;
}

std::vector<uint64_t> ids_of(const v1::ExplainPageResponse& response) {
  std::vector<uint64_t> ids;
  for (const v1::Lifecycle& life : response.history()) ids.push_back(life.id());
  return ids;
}

TEST(ApiPage, ASwappedPageByItsAddress) {
  Scene scene;
  scene.tables.on_look = {swapped(5)};
  scene.add(one_of(1, Outcome::kAborted));
  scene.add(one_of(2, Outcome::kFreedDevice));
  v1::ExplainPageResponse response;
  ASSERT_TRUE(ask(scene, by_address(42, 0x5123), response).ok());
  EXPECT_EQ(response.state(), v1::PAGE_STATE_SWAPPED);
  EXPECT_EQ(response.address(), 0x5000u);
  EXPECT_EQ(response.process().pid(), 42u);
  EXPECT_EQ(response.entry().offset(), 5u);
  EXPECT_FALSE(response.has_pfn());
  EXPECT_EQ(ids_of(response), (std::vector<uint64_t>{2, 1}));
  EXPECT_THAT(text_of(response), HasSubstr("(/dev/one)"));
  EXPECT_EQ(scene.tables.looks, 2);  // before and after
  EXPECT_TRUE(response.has_store_reaches_back_to());
}

// Maps may be long: they are read only if there is a file to be named.
TEST(ApiPage, TheFileOfASharedPage) {
  Scene scene;
  scene.tables.on_look = {swapped(5)};
  scene.tables.mapped =
      host::MappedFile{.major = 0, .minor = 1, .inode = 4711, .path = "/dev/shm/one"};
  scene.add(one_of(1, Outcome::kAborted));
  v1::ExplainPageResponse response;
  ASSERT_TRUE(ask(scene, by_address(42, 0x5000), response).ok());
  EXPECT_EQ(scene.tables.files, 0);
  Lifecycle shared = one_of(2, Outcome::kFreedDevice);
  shared.shmem = true;
  shared.object = {.inode = 4711, .index = 3, .device = 1};
  scene.add(shared);
  ASSERT_TRUE(ask(scene, by_address(42, 0x5000), response).ok());
  EXPECT_EQ(scene.tables.files, 1);
  ASSERT_EQ(ids_of(response), (std::vector<uint64_t>{2, 1}));
  EXPECT_EQ(response.history(0).object().path(), "/dev/shm/one");
  EXPECT_FALSE(response.history(1).has_object());
  EXPECT_THAT(text_of(response), HasSubstr("to the file /dev/shm/one"));
}

TEST(ApiPage, AResidentPageWithItsFrameAndFlags) {
  Scene scene;
  scene.tables.on_look = {resident(9)};
  Lifecycle without_slot = one_of(3, Outcome::kAborted);  // was never unmapped: no address known
  without_slot.mappings[0] = {};
  without_slot.mapping_count = 0;
  without_slot.abort_reason = AbortReason::kNoSlot;
  scene.add(one_of(2, Outcome::kAborted));
  scene.add(without_slot);
  v1::ExplainPageResponse response;
  ASSERT_TRUE(ask(scene, by_address(42, 0x5000), response).ok());
  EXPECT_EQ(response.state(), v1::PAGE_STATE_RESIDENT);
  EXPECT_EQ(response.pfn(), 9u);
  EXPECT_THAT(response.frame_flags(), testing::ElementsAre("swapcache"));
  EXPECT_EQ(ids_of(response), (std::vector<uint64_t>{3, 2}));
  EXPECT_THAT(text_of(response), HasSubstr("there was no slot for it"));
}

// What root and the control group may learn beyond: see docs/SECURITY.md.
TEST(ApiPage, ReadersLearnNothingOfMemoryThatWasNotSeen) {
  Scene::With with;
  with.full_access = false;
  Scene scene(store::small_options(), with);
  v1::ExplainPageResponse response;
  for (const host::PageEntry& page : {resident(9), swapped(77), host::PageEntry()}) {
    scene.tables.on_look = {page};
    scene.tables.looks = 0;
    EXPECT_EQ(ask(scene, by_address(42, 0x5000), response).error_code(),
              grpc::StatusCode::PERMISSION_DENIED);
    EXPECT_EQ(scene.tables.looks, 2) << "time does not tell it either";
  }
  scene.add(one_of(1, Outcome::kAborted));
  scene.tables.on_look = {resident(9)};
  ASSERT_TRUE(ask(scene, by_address(42, 0x5000), response).ok());
  EXPECT_EQ(response.state(), v1::PAGE_STATE_RESIDENT);
  EXPECT_FALSE(response.has_pfn());
  EXPECT_TRUE(response.frame_flags().empty());
  ASSERT_EQ(response.history_size(), 1);
  EXPECT_FALSE(response.history(0).has_pfn());
  EXPECT_THAT(text_of(response), testing::Not(HasSubstr("frame 9")));
  v1::ExplainPageRequest by_pfn;
  by_pfn.set_pfn(9);
  EXPECT_EQ(ask(scene, by_pfn, response).error_code(), grpc::StatusCode::PERMISSION_DENIED);
  v1::ListLifecyclesResponse listed;
  ASSERT_TRUE(call(*scene.trace, &v1::TraceService::Stub::ListLifecycles,
                   v1::ListLifecyclesRequest(), listed)
                  .ok());
  ASSERT_EQ(listed.lifecycles_size(), 1);
  EXPECT_FALSE(listed.lifecycles(0).has_pfn());
}

TEST(ApiPage, AnotherPageThatWasInItsFrameIsNotItsHistory) {
  Scene scene;
  scene.tables.on_look = {resident(9)};
  Lifecycle other = one_of(1, Outcome::kAborted);
  other.mappings[0] = {};
  other.mapping_count = 0;
  scene.add(other);
  Lifecycle gone = one_of(2, Outcome::kFreedDevice);
  gone.mappings[0].tgid = 43;
  scene.add(gone);
  v1::ExplainPageResponse response;
  ASSERT_TRUE(ask(scene, by_address(42, 0x5000), response).ok());
  EXPECT_TRUE(response.history().empty());
}

TEST(ApiPage, OneOnItsWayIsToldByThePipeline) {
  Scene scene;
  swaptrail_event event{};
  event.kind = SWAPTRAIL_SLOT_ALLOCATED;
  event.folio = 0xffffea0000000000 + 9 * 64;
  event.entry = make_entry(0, 5);
  event.time_ns = 1000;
  event.nr_pages = 1;
  event.origin = SWAPTRAIL_ORIGIN_KSWAPD;
  event.batch_ns = 900;
  event.tid = event.tgid = 57;
  event.state = SWAPTRAIL_STATE_ANON | SWAPTRAIL_STATE_SWAPBACKED | SWAPTRAIL_STATE_SWAPCACHE;
  EXPECT_TRUE(
      scene.requests
          .ask([&](pipeline::PipelineView&) { scene.pipeline->writable().on_event(event, 0); },
               absl::Now() + absl::Seconds(5))
          .ok());
  scene.tables.on_look = {resident(9)};
  v1::ExplainPageRequest by_pfn, by_entry;
  by_pfn.set_pfn(9);
  by_entry.mutable_entry()->set_offset(5);
  for (const auto& request : {by_address(42, 0x5000), by_pfn, by_entry}) {
    v1::ExplainPageResponse response;
    const grpc::Status status = ask(scene, request, response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    ASSERT_EQ(response.history_size(), 1) << request.ShortDebugString();
    EXPECT_EQ(response.history(0).outcome(), v1::OUTCOME_IN_FLIGHT);
    EXPECT_FALSE(response.history(0).has_closed());
    EXPECT_EQ(response.outstanding(0), v1::STAGE_UNMAPPED);
    EXPECT_THAT(text_of(response), HasSubstr("A slot is only a reservation"));
  }
}

TEST(ApiPage, APageThatMovesIsLookedAtAgain) {
  Scene scene;
  scene.tables.on_look = {resident(9), swapped(5), swapped(5)};
  scene.add(one_of(2, Outcome::kFreedDevice));
  v1::ExplainPageResponse response;
  ASSERT_TRUE(ask(scene, by_address(42, 0x5000), response).ok());
  EXPECT_EQ(response.state(), v1::PAGE_STATE_SWAPPED);
  EXPECT_EQ(scene.tables.looks, 3);
  scene.tables.looks = 0;
  scene.tables.on_look = {resident(1), resident(2), resident(3), resident(4), resident(5)};
  ASSERT_TRUE(ask(scene, by_address(42, 0x5000), response).ok());
  EXPECT_EQ(scene.tables.looks, 4);  // and no more
  EXPECT_THAT(text_of(response), HasSubstr("on the move"));
}

// A folio of 16 pages at 0x10000 in slots 32 to 47.
Lifecycle large(uint64_t id) {
  Lifecycle life = one_of(id, Outcome::kFreedDevice);
  life.nr_pages = 16;
  life.entry = make_entry(0, 32);
  life.mappings[0] = {0x10000, 42, 0, 16, store::comm_of("web")};
  return life;
}

Return back_of(uint64_t id, uint64_t page) {
  Return back;
  back.lifecycle_id = id;
  back.entry = make_entry(0, 32 + page);
  back.address = 0x10000 + page * 4096;
  back.time_ns = 5000 + page;
  back.tgid = back.owner_tgid = 42;
  back.fault_ns = 7 + page;
  return back;
}

TEST(ApiPage, EachPageOfALargeFolioHasItsOwnAnswer) {
  Scene scene;
  scene.add(large(1));
  scene.store->note_return(back_of(1, 0));
  scene.store->note_return(back_of(1, 9));
  v1::ExplainPageResponse response;
  for (const uint64_t page : {0, 1, 9, 15}) {
    const bool back = page == 0 || page == 9;
    scene.tables.on_look = {back ? resident(77) : swapped(32 + page)};
    ASSERT_TRUE(ask(scene, by_address(42, 0x10000 + page * 4096), response).ok());
    ASSERT_EQ(response.history_size(), 1);
    const v1::FolioPage& asked = response.history(0).asked();
    EXPECT_EQ(asked.index(), page);
    EXPECT_EQ(asked.entry().offset(), 32 + page);
    EXPECT_EQ(asked.address(), 0x10000 + page * 4096);
    EXPECT_EQ(asked.in_swap(), !back);
    ASSERT_EQ(asked.has_returned(), back);
    if (back) {
      EXPECT_EQ(asked.returned().fault_ns(), 7 + page);
    }
    EXPECT_THAT(text_of(response), HasSubstr(absl::StrCat("offset ", 32 + page)));
  }
  v1::ExplainPageRequest by_entry;
  by_entry.mutable_entry()->set_offset(41);
  ASSERT_TRUE(ask(scene, by_entry, response).ok());
  EXPECT_EQ(response.history(0).asked().index(), 9u);
  EXPECT_FALSE(response.history(0).asked().in_swap());
  EXPECT_EQ(response.history(0).later_size(), 1);
  EXPECT_EQ(response.history(0).gone_pages(), 2u);
}

TEST(ApiPage, AProcessWithTheSamePidBeforeIsAnother) {
  Scene scene;
  scene.tables.on_look = {resident(9)};
  Lifecycle old = one_of(1, Outcome::kFreedDevice);
  old.closed_ns = 1'000'000'000;
  scene.add(old);
  Lifecycle young = one_of(2, Outcome::kFreedDevice);
  young.closed_ns = 3'000'000'000;
  young.entry = make_entry(0, 6);
  scene.add(young);
  scene.tables.began_ns = 2'000'000'000;
  v1::ExplainPageResponse response;
  ASSERT_TRUE(ask(scene, by_address(42, 0x5000), response).ok());
  EXPECT_EQ(ids_of(response), std::vector<uint64_t>{2});
  EXPECT_THAT(text_of(response), HasSubstr("1 older attempt at this address is left out"));
  scene.tables.on_look = {swapped(5)};  // handed down by fork: the page table says so
  ASSERT_TRUE(ask(scene, by_address(42, 0x5000), response).ok());
  EXPECT_EQ(ids_of(response), (std::vector<uint64_t>{2, 1}));
}

TEST(ApiPage, FoundByItsReturnWhereTheMappingIsNotKept) {
  Scene scene;
  Lifecycle shared = one_of(1, Outcome::kFreedDevice);
  shared.mapping_count = 8;
  scene.add(shared);
  scene.tables.on_look = {resident(9)};
  v1::ExplainPageResponse response;
  ASSERT_TRUE(ask(scene, by_address(50, 0x70000), response).ok());
  EXPECT_THAT(text_of(response), HasSubstr("only 4 are kept"));
  Return back = back_of(1, 0);
  back.entry = make_entry(0, 5);
  back.tgid = back.owner_tgid = 50;
  back.address = 0x70000;
  scene.store->note_return(back);
  ASSERT_TRUE(ask(scene, by_address(50, 0x70000), response).ok());
  EXPECT_EQ(ids_of(response), std::vector<uint64_t>{1});
  EXPECT_THAT(text_of(response), HasSubstr("It came back"));
}

TEST(ApiPage, ErrorsSayWhatToDo) {
  Scene scene;
  v1::ExplainPageResponse response;
  const auto code = [&](const v1::ExplainPageRequest& request) {
    return ask(scene, request, response).error_code();
  };
  EXPECT_EQ(code({}), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(code(by_address(0, 0)), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(code(by_address(42, 0)), grpc::StatusCode::NOT_FOUND);
  scene.tables.on_look = {absl::PermissionDeniedError("no")};
  EXPECT_EQ(code(by_address(42, 0)), grpc::StatusCode::FAILED_PRECONDITION);
  v1::ExplainPageRequest request;
  for (const uint64_t pfn : {uint64_t{0}, uint64_t{1} << 52}) {
    request.set_pfn(pfn);
    EXPECT_EQ(code(request), grpc::StatusCode::INVALID_ARGUMENT);
  }
  request.mutable_entry()->set_type(64);
  request.mutable_entry()->set_offset(1);
  EXPECT_EQ(code(request), grpc::StatusCode::INVALID_ARGUMENT);
  request.mutable_entry()->set_type(63);
  EXPECT_EQ(code(request), grpc::StatusCode::OK);
  request.mutable_entry()->set_offset(0);
  EXPECT_EQ(code(request), grpc::StatusCode::INVALID_ARGUMENT);
  request.mutable_entry()->set_offset(uint64_t{1} << 58);
  EXPECT_EQ(code(request), grpc::StatusCode::INVALID_ARGUMENT);
  request.mutable_entry()->set_offset(1);
  request.set_max_history(1001);
  EXPECT_EQ(code(request), grpc::StatusCode::INVALID_ARGUMENT);
  scene.pipeline.reset();
  request.set_max_history(1);
  EXPECT_EQ(code(request), grpc::StatusCode::UNAVAILABLE);
}

TEST(ApiPage, WithoutPageTablesOnlyAddressesCantBeAsked) {
  Scene scene(store::small_options(), {.tables = false, .cgroups = ""});
  scene.add(one_of(1, Outcome::kFreedDevice));
  v1::ExplainPageResponse response;
  EXPECT_EQ(ask(scene, by_address(42, 0x5000), response).error_code(),
            grpc::StatusCode::FAILED_PRECONDITION);
  v1::ExplainPageRequest request;
  request.set_pfn(9);
  ASSERT_TRUE(ask(scene, request, response).ok());
  EXPECT_EQ(ids_of(response), std::vector<uint64_t>{1});
  EXPECT_EQ(response.state(), v1::PAGE_STATE_UNSPECIFIED);
}

TEST(ApiPage, HistoryIsBounded) {
  Scene scene;
  scene.tables.on_look = {swapped(5)};
  for (uint64_t id = 1; id <= 30; ++id) scene.add(one_of(id, Outcome::kFreedDevice));
  v1::ExplainPageResponse response;
  ASSERT_TRUE(ask(scene, by_address(42, 0x5000), response).ok());
  EXPECT_EQ(response.history_size(), 20);
  auto request = by_address(42, 0x5000);
  request.set_max_history(3);
  ASSERT_TRUE(ask(scene, request, response).ok());
  EXPECT_EQ(ids_of(response), (std::vector<uint64_t>{30, 29, 28}));
}

}  // namespace
}  // namespace swaptrail::api
