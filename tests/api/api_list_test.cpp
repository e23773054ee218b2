// ListLifecycles and ListViolations: pages against a list made by hand, and every bound.
#include <algorithm>
#include <functional>
#include <random>

#include "tests/api/api_scene.h"
#include "tests/scene/store_model.h"

namespace swaptrail::api {
namespace {

using v1::TraceService;

grpc::Status list(Scene& scene, const v1::ListLifecyclesRequest& request,
                  v1::ListLifecyclesResponse& response) {
  return call(*scene.trace, &TraceService::Stub::ListLifecycles, request, response);
}

std::vector<uint64_t> all_ids(Scene& scene, v1::ListLifecyclesRequest request) {
  std::vector<uint64_t> ids;
  v1::ListLifecyclesResponse response;
  do {
    const grpc::Status status = list(scene, request, response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    if (!status.ok()) break;
    for (const auto& life : response.lifecycles()) ids.push_back(life.id());
    request.set_page_token(response.next_page_token());
  } while (!response.next_page_token().empty());
  return ids;
}

v1::LifecycleFilter some_filter(std::mt19937_64& random, store::Filter& ours) {
  v1::LifecycleFilter filter;
  ours = store::Filter{};
  if (random() % 3 == 0) {
    filter.add_pids(3);
    ours.pids = {3};
  }
  if (random() % 3 == 0) {
    filter.add_comms("web");
    ours.comms = {"web"};
  }
  if (random() % 3 == 0) {
    filter.add_areas(1);
    ours.areas = {1};
  }
  if (random() % 3 == 0) {
    filter.add_outcomes(v1::OUTCOME_ABORTED);
    filter.add_outcomes(v1::OUTCOME_FREED_ZSWAP);
    ours.outcomes = {Outcome::kAborted, Outcome::kFreedZswap};
  }
  if (random() % 3 == 0) {
    filter.add_origins(v1::ORIGIN_DAMON);
    ours.origins = {SWAPTRAIL_ORIGIN_DAMON};
  }
  if (random() % 3 == 0) {
    filter.mutable_slower_than()->set_span(v1::LATENCY_SPAN_DEVICE_WRITE);
    filter.mutable_slower_than()->set_longer_than_ns(900);
    ours.slower_than = store::SlowerThan{Latency::kDeviceWrite, 900};
  }
  filter.set_incomplete(random() % 4 == 0);
  ours.incomplete = filter.incomplete();
  return filter;
}

TEST(ApiList, PagesAreTheListMadeByHand) {
  Scene scene(store::small_options(1 << 20));
  scene.fill(1500);
  std::mt19937_64 random(7);
  for (int round = 0; round < 60; ++round) {
    store::Filter ours;
    v1::ListLifecyclesRequest request;
    *request.mutable_filter() = some_filter(random, ours);
    request.set_page_size(static_cast<int>(1 + random() % 300));
    const bool oldest_first = random() % 2 == 0;
    if (oldest_first) request.set_order(v1::LIFECYCLE_ORDER_OLDEST_FIRST);
    std::vector<uint64_t> expected;
    for (const Lifecycle& life : scene.all) {
      if (store::Model::passes({life, {}}, ours)) expected.push_back(life.id);
    }
    if (!oldest_first) std::ranges::reverse(expected);
    ASSERT_EQ(all_ids(scene, request), expected) << request.ShortDebugString();
  }
}

TEST(ApiList, TellsWhatIsInALifecycle) {
  Scene scene;
  Lifecycle life;
  life.id = 7;
  life.folio = 0xffffea0000000000 + 64 * 1234;
  life.entry = make_entry(1, 99);
  life.generation = 3;
  life.cgroup = 55;
  life.closed_ns = 5'000'000;
  life.stage_ns[0] = 1000;
  life.stage_ns[7] = 2000;
  life.first.tgid = life.last.tgid = 60;
  life.first.comm = store::comm_of(
      "ksw\xff"
      "d");
  life.first.origin = SWAPTRAIL_ORIGIN_KSWAPD;
  life.mappings[0] = {0x1000, 42, 0, 0xffff, store::comm_of("\xe2\x82")};
  life.mapping_count = 9;
  life.nr_pages = 16;
  life.backend = SWAPTRAIL_BACKEND_ZSWAP;
  life.outcome = Outcome::kFreedZswap;
  life.kept_because = AbortReason::kSlotGone;
  scene.add(life);
  Return back;
  back.lifecycle_id = 7;
  back.entry = life.entry;
  back.time_ns = 6'000'000;
  back.after_ns = 1'000'000;
  back.tgid = 42;
  back.nr_pages = 16;
  scene.store->note_return(back);
  v1::ListLifecyclesResponse response;
  ASSERT_TRUE(list(scene, {}, response).ok());
  ASSERT_EQ(response.lifecycles_size(), 1);
  const v1::Lifecycle& told = response.lifecycles(0);
  EXPECT_EQ(told.id(), 7u);
  EXPECT_EQ(told.pfn(), 1234u);
  EXPECT_EQ(told.entry().type(), 1u);
  EXPECT_EQ(told.entry().offset(), 99u);
  EXPECT_EQ(told.entry().generation(), 3u);
  EXPECT_EQ(told.cgroup().id(), 55u);
  EXPECT_EQ(told.outcome(), v1::OUTCOME_FREED_ZSWAP);
  EXPECT_EQ(told.kept_because(), v1::ABORT_REASON_SLOT_GONE);
  EXPECT_EQ(told.backend(), v1::BACKEND_ZSWAP);
  EXPECT_EQ(told.mapping_count(), 9u);
  ASSERT_EQ(told.mappings_size(), 1);
  EXPECT_FALSE(told.mappings(0).has_ptes());
  EXPECT_EQ(told.mappings(0).process().comm(), "\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(told.first_reclaimer().process().comm(),
            "ksw\xef\xbf\xbd"
            "d");
  ASSERT_EQ(told.stages_size(), 2);
  EXPECT_EQ(told.stages(0).stage(), v1::STAGE_ISOLATED);
  EXPECT_EQ(told.stages(1).stage(), v1::STAGE_REMOVED);
  EXPECT_EQ(told.returned().how(), v1::RETURN_HOW_SWAPPED_IN);
  EXPECT_EQ(told.returned().after_ns(), 1'000'000u);
  EXPECT_FALSE(told.returned().has_fault_ns());
  EXPECT_TRUE(told.regretted());

  // its own time, in a filter, finds it and nothing before it
  v1::ListLifecyclesRequest request;
  *request.mutable_filter()->mutable_since() = told.closed();
  ASSERT_TRUE(list(scene, request, response).ok());
  EXPECT_EQ(response.lifecycles_size(), 1);
  request.Clear();
  *request.mutable_filter()->mutable_until() = told.closed();
  ASSERT_TRUE(list(scene, request, response).ok());
  EXPECT_EQ(response.lifecycles_size(), 0);
}

struct Bound {
  const char* field;  // what the error names
  std::function<void(v1::LifecycleFilter&)> wrong;
  std::function<void(v1::LifecycleFilter&)> right;
};

template <typename Add>
std::function<void(v1::LifecycleFilter&)> times(int count, Add add) {
  return [=](v1::LifecycleFilter& filter) {
    for (int at = 0; at < count; ++at) add(filter);
  };
}

std::vector<Bound> bounds() {
  using Filter = v1::LifecycleFilter;
  const auto pid = [](Filter& f) { f.add_pids(1); };
  const auto comm = [](Filter& f) { f.add_comms("a"); };
  const auto area = [](Filter& f) { f.add_areas(1); };
  const auto outcome = [](Filter& f) { f.add_outcomes(v1::OUTCOME_ABORTED); };
  const auto origin = [](Filter& f) { f.add_origins(v1::ORIGIN_DAMON); };
  return {
      {"filter.pids", times(65, pid), times(64, pid)},
      {"filter.comms", times(65, comm), times(64, comm)},
      {"filter.comms[0]", [](Filter& f) { f.add_comms(std::string(16, 'x')); },
       [](Filter& f) { f.add_comms(std::string(15, 'x')); }},
      {"filter.comms[0]", [](Filter& f) { f.add_comms(""); }, [](Filter& f) { f.add_comms("x"); }},
      {"filter.cgroup", [](Filter& f) { f.set_cgroup("/" + std::string(4096, 'x')); },
       [](Filter& f) { f.set_cgroup("/" + std::string(4095, 'x')); }},
      {"filter.cgroup", [](Filter& f) { f.set_cgroup("system.slice"); },
       [](Filter& f) { f.set_cgroup("/system.slice"); }},
      {"filter.areas", times(33, area), times(32, area)},
      {"filter.areas[0]", [](Filter& f) { f.add_areas(64); }, [](Filter& f) { f.add_areas(63); }},
      {"filter.outcomes", times(17, outcome), times(16, outcome)},
      {"filter.outcomes[0]", [](Filter& f) { f.add_outcomes(v1::OUTCOME_UNSPECIFIED); }, outcome},
      {"filter.outcomes[0]", [](Filter& f) { f.add_outcomes(static_cast<v1::Outcome>(8)); },
       [](Filter& f) { f.add_outcomes(v1::OUTCOME_UNKNOWN); }},
      {"filter.origins", times(17, origin), times(16, origin)},
      {"filter.origins[0]", [](Filter& f) { f.add_origins(v1::ORIGIN_UNSPECIFIED); }, origin},
      {"filter.origins[0]", [](Filter& f) { f.add_origins(static_cast<v1::Origin>(12)); },
       [](Filter& f) { f.add_origins(v1::ORIGIN_UNKNOWN); }},
      {"filter.slower_than.span", [](Filter& f) { f.mutable_slower_than(); },
       [](Filter& f) { f.mutable_slower_than()->set_span(v1::LATENCY_SPAN_FAULT); }},
      {"filter.slower_than.span",
       [](Filter& f) { f.mutable_slower_than()->set_span(static_cast<v1::LatencySpan>(9)); },
       [](Filter& f) { f.mutable_slower_than()->set_span(v1::LATENCY_SPAN_TIME_IN_SWAP); }},
      {"filter.since.seconds", [](Filter& f) { f.mutable_since()->set_seconds(253'402'300'800); },
       [](Filter& f) { f.mutable_since()->set_seconds(253'402'300'799); }},
      {"filter.since.seconds", [](Filter& f) { f.mutable_since()->set_seconds(-62'135'596'801); },
       [](Filter& f) { f.mutable_since()->set_seconds(-62'135'596'800); }},
      {"filter.until.nanos", [](Filter& f) { f.mutable_until()->set_nanos(1'000'000'000); },
       [](Filter& f) { f.mutable_until()->set_nanos(999'999'999); }},
      {"filter.until.nanos", [](Filter& f) { f.mutable_until()->set_nanos(-1); },
       [](Filter& f) { f.mutable_until()->set_nanos(0); }},
      {"filter.until",
       [](Filter& f) {
         f.mutable_since()->set_seconds(5);
         f.mutable_until()->set_seconds(5);
       },
       [](Filter& f) {
         f.mutable_since()->set_seconds(5);
         f.mutable_until()->set_seconds(5);
         f.mutable_until()->set_nanos(1);
       }},
  };
}

TEST(ApiList, EveryBoundOfTheFilterIsKeptAndNamed) {
  Scene scene;
  scene.fill(10);
  for (const Bound& bound : bounds()) {
    v1::ListLifecyclesRequest request;
    v1::ListLifecyclesResponse response;
    bound.wrong(*request.mutable_filter());
    grpc::Status status = list(scene, request, response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << bound.field;
    EXPECT_EQ(status.error_message().rfind(std::string(bound.field) + ":", 0), 0u)
        << status.error_message();
    request.Clear();
    bound.right(*request.mutable_filter());
    status = list(scene, request, response);
    EXPECT_TRUE(status.ok()) << bound.field << " " << status.error_message();
  }
}

TEST(ApiList, BoundsOfPageSizeAndOrder) {
  Scene scene(store::small_options(1 << 20));
  scene.fill(1200);
  v1::ListLifecyclesRequest request;
  v1::ListLifecyclesResponse response;
  for (const auto& [wanted, got] : {std::pair(0, 100), {1, 1}, {1000, 1000}}) {
    request.set_page_size(wanted);
    ASSERT_TRUE(list(scene, request, response).ok());
    EXPECT_EQ(response.lifecycles_size(), got);
  }
  for (const int wrong : {-1, 1001}) {
    request.set_page_size(wrong);
    EXPECT_EQ(list(scene, request, response).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  }
  request.Clear();
  request.set_order(static_cast<v1::LifecycleOrder>(3));
  EXPECT_EQ(list(scene, request, response).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST(ApiList, TheLargestLifecyclesStayBelowFourMebibytes) {
  store::Store::Options options = store::small_options(2 << 20);
  Scene scene(options);
  std::mt19937_64 random(3);
  for (uint64_t id = 1; id <= 1000; ++id) {
    Lifecycle life = store::random_lifecycle(random, id);
    life.id = ~uint64_t{0} - id;
    life.mapping_count = ~uint32_t{0};
    for (Mapping& mapping : life.mappings) {
      mapping = {~uint64_t{0}, ~uint32_t{0}, 0xffff, 0xfffe,
                 store::comm_of(std::string(16, '\xff'))};
    }
    life.first.comm = life.last.comm = store::comm_of(std::string(16, '\xff'));
    for (uint64_t& time : life.stage_ns) time = ~uint64_t{0} >> 1;
    scene.add(life);
  }
  v1::ListLifecyclesRequest request;
  request.set_page_size(1000);
  v1::ListLifecyclesResponse response;
  const grpc::Status status = list(scene, request, response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_LT(response.ByteSizeLong(), size_t{4} << 20);
  EXPECT_EQ(response.lifecycles_size(), 1000);
}

TEST(ApiList, MadeUpTokensAreRefused) {
  Scene scene;
  scene.fill(50);
  v1::ListLifecyclesRequest request;
  request.set_page_size(5);
  v1::ListLifecyclesResponse response;
  ASSERT_TRUE(list(scene, request, response).ok());
  const std::string good = response.next_page_token();
  std::mt19937_64 random(11);
  for (int round = 0; round < 10'000; ++round) {
    std::string token = round % 2 == 0 ? good : std::string(random() % 80, 'A');
    for (char& character : token) {
      if (round % 2 != 0) character = static_cast<char>(1 + random() % 127);
    }
    if (round % 2 == 0) token[random() % token.size()] ^= static_cast<char>(1 + random() % 31);
    if (token.empty() || token == good) continue;
    for (char& character : token) character &= 0x7f;  // a string of protobuf is UTF-8
    request.set_page_token(token);
    const grpc::Status status = list(scene, request, response);
    ASSERT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << token;
    ASSERT_NE(status.error_message().find("begin again without page_token"), std::string::npos);
  }
  request.set_page_token(good);
  EXPECT_TRUE(list(scene, request, response).ok());
}

TEST(ApiList, ATokenBelongsToItsListAndItsProcess) {
  Scene scene, other;
  scene.fill(50);
  other.fill(50);
  v1::ListLifecyclesRequest request;
  v1::ListLifecyclesResponse response;
  request.set_page_size(5);
  ASSERT_TRUE(list(scene, request, response).ok());
  request.set_page_token(response.next_page_token());
  EXPECT_EQ(list(other, request, response).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  v1::ListLifecyclesRequest changed = request;
  changed.set_order(v1::LIFECYCLE_ORDER_OLDEST_FIRST);
  EXPECT_EQ(list(scene, changed, response).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  changed = request;
  changed.mutable_filter()->add_pids(1);
  EXPECT_EQ(list(scene, changed, response).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  changed = request;
  changed.set_page_size(7);  // is no part of the list
  changed.set_order(v1::LIFECYCLE_ORDER_NEWEST_FIRST);
  EXPECT_TRUE(list(scene, changed, response).ok());
  v1::ListViolationsRequest violations;
  v1::ListViolationsResponse told;
  violations.set_page_token(request.page_token());
  EXPECT_EQ(call(*scene.trace, &TraceService::Stub::ListViolations, violations, told).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST(ApiList, WhatIsEvictedBetweenPagesIsCounted) {
  Scene scene;
  scene.fill(200);
  v1::ListLifecyclesRequest request;
  v1::ListLifecyclesResponse response;
  request.set_order(v1::LIFECYCLE_ORDER_OLDEST_FIRST);
  request.set_page_size(3);
  ASSERT_TRUE(list(scene, request, response).ok());
  const uint64_t next = response.lifecycles(2).id() + 1;
  scene.fill(5000, 2);
  request.set_page_token(response.next_page_token());
  ASSERT_TRUE(list(scene, request, response).ok());
  EXPECT_GT(response.evicted_between(), 0u);
  EXPECT_EQ(response.lifecycles(0).id(), next + response.evicted_between());
}

TEST(ApiList, ViolationsPageByPage) {
  Scene scene;
  for (uint64_t number = 1; number <= 30; ++number) {
    Violation violation;
    violation.rule = "some_rule";
    violation.lifecycle_id = number;
    violation.entry = make_entry(1, number);
    violation.text = "\xc3";  // cut in the middle of a letter
    violation.time_ns = number;
    scene.store->note_violation(violation);
  }
  v1::ListViolationsRequest request;
  v1::ListViolationsResponse response;
  request.set_page_size(7);
  std::vector<uint64_t> ids;
  do {
    ASSERT_TRUE(call(*scene.trace, &TraceService::Stub::ListViolations, request, response).ok());
    EXPECT_EQ(response.total(), 30u);
    for (const v1::Violation& told : response.violations()) {
      ids.push_back(told.lifecycle_id());
      EXPECT_EQ(told.rule(), "some_rule");
      EXPECT_EQ(told.text(), "\xef\xbf\xbd");
    }
    request.set_page_token(response.next_page_token());
  } while (!response.next_page_token().empty());
  ASSERT_EQ(ids.size(), 20u);  // as many as the store keeps here
  EXPECT_EQ(ids.front(), 30u);
  EXPECT_EQ(ids.back(), 11u);
  request.set_page_token("");
  request.set_page_size(1001);
  EXPECT_EQ(call(*scene.trace, &TraceService::Stub::ListViolations, request, response).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

}  // namespace
}  // namespace swaptrail::api
