// GetStatus, QueryStats and GetMatrix.
#include <algorithm>
#include <map>

#include "daemon/base/monotonic.h"
#include "daemon/store/list.h"
#include "daemon/store/stats.h"
#include "tests/api/api_scene.h"
#include "trace/decode.h"

namespace swaptrail::api {
namespace {

using Stub = v1::TraceService::Stub;

TEST(ApiStats, StatusHasWhatStands) {
  Scene scene;
  scene.plan.mode = {probe::Mode::kKprobe, "not full: no BTF"};
  probe::HookPlan hook;
  hook.hook = "write";
  hook.reason = "inlined";
  hook.costs = "writes";
  scene.plan.hooks = {hook};
  auto pipeline_status = std::make_shared<pipeline::PipelineStatus>();
  pipeline_status->start_ns = 1;
  pipeline_status->consumed = 90;
  pipeline_status->totals.emitted[SWAPTRAIL_WRITE_END] = 60;
  pipeline_status->totals.emitted[SWAPTRAIL_REMOVED] = 40;
  pipeline_status->totals.dropped[SWAPTRAIL_DROP_RING_FULL] = 7;
  pipeline_status->totals.dropped[SWAPTRAIL_DROP_NO_RING] = 3;
  pipeline_status->stream.late = 2;
  pipeline_status->stream.skipped_runs = 4;
  pipeline_status->ring_fill = 0.5;
  pipeline_status->reconciliation = {{"pswpout", 10, 7, -3, "a note"}};
  pipeline_status->validation = {64, 10, 9, 1};
  pipeline_status->recording = {
      .flight = true, .stopped = true, .parts = 3, .suppressed = 5, .refused = 2};
  scene.status_board.publish(pipeline_status);
  scene.status_board.note_sweep(base::monotonic_ns() - 12'000'000'000);
  scene.fill(3000);
  v1::GetStatusResponse told;
  ASSERT_TRUE(call(*scene.trace, &Stub::GetStatus, v1::GetStatusRequest(), told).ok());
  EXPECT_EQ(told.version(), SWAPTRAIL_VERSION);
  EXPECT_EQ(told.mode(), "kprobe");
  EXPECT_EQ(told.mode_reason(), "not full: no BTF");
  ASSERT_EQ(told.hooks_size(), 1);
  EXPECT_EQ(told.hooks(0).state(), "missing");
  EXPECT_EQ(told.loss().emitted(), 100u);
  EXPECT_EQ(told.loss().emitted(), told.loss().consumed() + told.loss().dropped_ring_full() +
                                       told.loss().dropped_no_ring());
  EXPECT_EQ(told.loss().late(), 2u);
  EXPECT_EQ(told.loss().skipped_runs(), 4u);
  EXPECT_EQ(told.loss().ring_fill(), 0.5);
  ASSERT_EQ(told.reconciliation_size(), 1);
  EXPECT_EQ(told.reconciliation(0).difference(), -3);
  EXPECT_EQ(told.validation().agreed(), 9u);
  EXPECT_TRUE(told.flight_recorder());
  EXPECT_TRUE(told.recording().flight());
  EXPECT_TRUE(told.recording().stopped());
  EXPECT_EQ(told.recording().parts(), 3u);
  EXPECT_EQ(told.recording().triggers_suppressed(), 5u);
  EXPECT_EQ(told.recording().writes_refused(), 2u);
  EXPECT_TRUE(told.pageout_enabled());
  EXPECT_GT(told.uptime().seconds(), 0);
  EXPECT_GE(told.last_sweep_age().seconds(), 12);
  EXPECT_LT(told.last_sweep_age().seconds(), 60);
  EXPECT_GT(told.resident_bytes(), 0u);
  EXPECT_EQ(told.lifecycles(), 3000u);
  EXPECT_EQ(told.store().lifecycles() + told.store().evicted(), 3000u);
  EXPECT_GT(told.store().evicted(), 0u);
  EXPECT_TRUE(told.store().has_oldest());
  EXPECT_LE(told.store().bytes(), told.store().max_bytes());
}

TEST(ApiStats, RowsAreTheSumsMadeByHand) {
  Scene scene(store::small_options(1 << 20));
  scene.fill(1500);
  v1::QueryStatsRequest request;
  request.add_group_by(v1::STATS_GROUP_OUTCOME);
  request.add_group_by(v1::STATS_GROUP_DEVICE);
  request.add_spans(v1::LATENCY_SPAN_ISOLATED_TO_REMOVED);
  v1::QueryStatsResponse told;
  ASSERT_TRUE(call(*scene.trace, &Stub::QueryStats, request, told).ok());
  std::map<std::pair<std::string, std::string>, std::pair<uint64_t, uint64_t>> sums;  // pages, span
  constexpr const char* kAreas[] = {"/dev/one", "/dev/two", "area 2"};
  for (const Lifecycle& life : scene.all) {
    const std::string area = life.entry == 0 ? "none" : kAreas[entry_type(life.entry)];
    auto& [pages, span] = sums[{std::string(outcome_name(life.outcome)), area}];
    pages += life.nr_pages;
    if (life.at(Stage::kIsolated) != 0 && life.at(Stage::kRemoved) >= life.at(Stage::kIsolated)) {
      span += life.at(Stage::kRemoved) - life.at(Stage::kIsolated);
    }
  }
  ASSERT_EQ(static_cast<size_t>(told.rows_size()), sums.size());
  for (const v1::StatsRow& row : told.rows()) {
    ASSERT_EQ(row.key_size(), 2);
    const auto& [pages, span] = sums.at({row.key(0), row.key(1)});
    EXPECT_EQ(row.pages(), pages);
    ASSERT_EQ(row.latencies_size(), 1);
    EXPECT_EQ(row.latencies(0).sum_ns(), span);
    EXPECT_GE(row.latencies(0).max_ns(), row.latencies(0).p50_ns());
  }
  EXPECT_FALSE(told.has_other());
  EXPECT_TRUE(told.has_from() && told.has_to());

  request.set_max_groups(2);
  ASSERT_TRUE(call(*scene.trace, &Stub::QueryStats, request, told).ok());
  EXPECT_EQ(told.rows_size(), 2);
  EXPECT_EQ(told.other_groups(), sums.size() - 2);
  EXPECT_EQ(told.rows(0).lifecycles() + told.rows(1).lifecycles() + told.other().lifecycles(),
            1500u);
}

TEST(ApiStats, WaitsAreOfWhoWaited) {
  Scene scene;
  Return back;  // of no lifecycle that is known
  back.entry = make_entry(1, 5);
  back.tgid = 99;
  back.comm = store::comm_of("gdb");
  back.reader_cgroup = 77;
  back.fault_ns = 500;
  back.major = true;
  scene.add(back);
  const std::pair<v1::StatsGroup, const char*> table[] = {
      {v1::STATS_GROUP_VICTIM_PROCESS, "gdb/99"},
      {v1::STATS_GROUP_VICTIM_CGROUP, "id 77"},
      {v1::STATS_GROUP_DEVICE, "/dev/two"}};
  v1::QueryStatsResponse told;
  for (const auto& [group, key] : table) {
    v1::QueryStatsRequest request;
    request.add_group_by(group);
    ASSERT_TRUE(call(*scene.trace, &Stub::QueryStats, request, told).ok());
    ASSERT_EQ(told.rows_size(), 1);
    EXPECT_EQ(told.rows(0).key(0), key);
    EXPECT_EQ(told.rows(0).lifecycles(), 0u);
    EXPECT_EQ(told.rows(0).waits().faults(), 1u);
    EXPECT_EQ(told.rows(0).waits().major_faults(), 1u);
    EXPECT_EQ(told.rows(0).waits().wait_ns(), 500u);
  }
  v1::QueryStatsRequest request;
  request.add_group_by(v1::STATS_GROUP_RECLAIMER);
  ASSERT_TRUE(call(*scene.trace, &Stub::QueryStats, request, told).ok());
  EXPECT_EQ(told.rows_size(), 0);
}

TEST(ApiStats, KeysOfEachGroupAreWords) {
  Scene scene;
  Lifecycle life;
  life.id = 1;
  life.closed_ns = 5;
  life.cgroup = 77;
  life.outcome = Outcome::kFreedZswap;
  life.backend = SWAPTRAIL_BACKEND_ZSWAP;
  life.last.tgid = 9;
  life.last.comm = store::comm_of("kswapd0");
  life.last.origin = SWAPTRAIL_ORIGIN_KSWAPD;
  life.mappings[0] = {0x1000, 42, 0, 1, store::comm_of("web\xff")};
  scene.add(life);
  const std::pair<v1::StatsGroup, const char*> table[] = {
      {v1::STATS_GROUP_VICTIM_CGROUP, "id 77"},
      {v1::STATS_GROUP_VICTIM_PROCESS, "web\xef\xbf\xbd/42"},
      {v1::STATS_GROUP_RECLAIMER, "kswapd0/9"},
      {v1::STATS_GROUP_ORIGIN, "kswapd"},
      {v1::STATS_GROUP_DEVICE, "none"},
      {v1::STATS_GROUP_OUTCOME, "freed_zswap"},
      {v1::STATS_GROUP_BACKEND, "zswap"},
  };
  for (const auto& [group, key] : table) {
    v1::QueryStatsRequest request;
    request.add_group_by(group);
    v1::QueryStatsResponse told;
    ASSERT_TRUE(call(*scene.trace, &Stub::QueryStats, request, told).ok());
    ASSERT_EQ(told.rows_size(), 1);
    EXPECT_EQ(told.rows(0).key(0), key);
  }
}

TEST(ApiStats, Bounds) {
  Scene scene;
  const auto code = [&](const v1::QueryStatsRequest& request) {
    v1::QueryStatsResponse told;
    return call(*scene.trace, &Stub::QueryStats, request, told).error_code();
  };
  v1::QueryStatsRequest request;
  for (int at = 1; at <= 3; ++at) request.add_group_by(static_cast<v1::StatsGroup>(at));
  for (int at = 1; at <= 8; ++at) request.add_spans(static_cast<v1::LatencySpan>(at));
  request.set_max_groups(1000);
  EXPECT_EQ(code(request), grpc::StatusCode::OK);
  const std::vector<std::function<void(v1::QueryStatsRequest&)>> wrong = {
      [](auto& r) { r.add_group_by(v1::STATS_GROUP_OUTCOME); },
      [](auto& r) { r.set_group_by(0, v1::STATS_GROUP_UNSPECIFIED); },
      [](auto& r) { r.set_group_by(0, static_cast<v1::StatsGroup>(8)); },
      [](auto& r) { r.set_group_by(1, r.group_by(0)); },
      [](auto& r) { r.add_spans(v1::LATENCY_SPAN_FAULT); },
      [](auto& r) { r.set_spans(0, v1::LATENCY_SPAN_UNSPECIFIED); },
      [](auto& r) { r.set_max_groups(1001); },
      [](auto& r) { r.set_max_groups(-1); },
      [](auto& r) { r.mutable_filter()->add_areas(64); },
  };
  for (size_t at = 0; at < wrong.size(); ++at) {
    v1::QueryStatsRequest changed = request;
    wrong[at](changed);
    EXPECT_EQ(code(changed), grpc::StatusCode::INVALID_ARGUMENT) << at;
  }
}

TEST(ApiStats, TheMatrixHoldsAllFreedPages) {
  Scene scene(store::small_options(1 << 20));
  scene.fill(1500);
  uint64_t freed = 0;
  for (const Lifecycle& life : scene.all) {
    if (is_freed(life.outcome)) freed += life.nr_pages;
  }
  v1::GetMatrixRequest request;
  request.set_max_cells(7);
  v1::GetMatrixResponse told;
  ASSERT_TRUE(call(*scene.trace, &Stub::GetMatrix, request, told).ok());
  ASSERT_EQ(told.cells_size(), 7);
  uint64_t pages = told.other_pages();
  for (const v1::MatrixCell& cell : told.cells()) pages += cell.pages();
  EXPECT_EQ(pages, freed);
  EXPECT_GE(told.cells(0).pages(), told.cells(6).pages());
  request.set_max_cells(1001);
  EXPECT_EQ(call(*scene.trace, &Stub::GetMatrix, request, told).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST(ApiStats, AGroupOfAnAreaHasTheNameOfItsTime) {
  Scene scene;
  Lifecycle life;
  life.nr_pages = 1;
  life.outcome = Outcome::kFreedDevice;
  life.entry = make_entry(0, 5);
  const auto add = [&](uint64_t id, uint64_t at_ns) {
    life.id = id;
    life.stage_ns[static_cast<size_t>(Stage::kSlotAllocated)] = at_ns;
    life.closed_ns = at_ns + 10;
    scene.add(life);
  };
  add(1, 1000);
  scene.areas.put({{1, "/dev/two"}}, 2000, scene.area_watch);
  scene.areas.put({{0, "/dev/three"}, {1, "/dev/two"}}, 3000, scene.area_watch);
  add(2, 4000);
  add(3, 5000);
  v1::QueryStatsRequest request;
  request.add_group_by(v1::STATS_GROUP_DEVICE);
  v1::QueryStatsResponse told;
  ASSERT_TRUE(call(*scene.trace, &Stub::QueryStats, request, told).ok());
  ASSERT_EQ(told.rows_size(), 2);
  EXPECT_EQ(told.rows(0).key(0), "/dev/three");
  EXPECT_EQ(told.rows(0).pages(), 2u);
  EXPECT_EQ(told.rows(1).key(0), "/dev/one");

  v1::ListLifecyclesResponse list;
  ASSERT_TRUE(call(*scene.trace, &Stub::ListLifecycles, v1::ListLifecyclesRequest(), list).ok());
  ASSERT_EQ(list.lifecycles_size(), 3);
  EXPECT_EQ(list.lifecycles(0).entry().area(), "/dev/three");
  EXPECT_EQ(list.lifecycles(2).entry().area(), "/dev/one");
}

TEST(ApiStats, AQueryThatNobodyWaitsForEnds) {
  Scene scene(store::small_options(8 << 20));
  scene.fill(9000);
  store::ListQuery query;
  query.page_size = 1'000'000;
  query.stop = [] { return true; };
  EXPECT_LT(store::list_lifecycles(scene.store->snapshot(), query).lifecycles.size(), 9000u);
  store::StatsQuery stats;
  stats.stop = query.stop;
  const auto told = store::query_stats(scene.store->snapshot(), stats);
  ASSERT_TRUE(told.ok());
  EXPECT_LT(told->rows[0].counts.lifecycles, 9000u);
  stats.stop = [] { return false; };
  EXPECT_EQ(store::query_stats(scene.store->snapshot(), stats)->rows[0].counts.lifecycles, 9000u);
}

}  // namespace
}  // namespace swaptrail::api
