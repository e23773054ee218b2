// GetCounters: rows of each kind, their names, filters and limits; and the waits of QueryStats.
#include <algorithm>
#include <map>

#include "daemon/api/answers.h"
#include "tests/api/api_scene.h"

namespace swaptrail::api {
namespace {

using Stub = v1::TraceService::Stub;

Lifecycle usual() {
  Lifecycle life;
  life.id = 1;
  life.closed_ns = 500;
  life.entry = make_entry(1, 5);
  life.nr_pages = 4;
  life.cgroup = 77;
  life.outcome = Outcome::kFreedDevice;
  life.mappings[0].tgid = 42;
  life.mappings[0].comm = store::comm_of("web\xff");
  life.last.tgid = 9;
  life.last.comm = store::comm_of("kswapd0");
  life.last.origin = SWAPTRAIL_ORIGIN_KSWAPD;
  return life;
}

Return back_of(const Lifecycle& life) {
  Return back;
  back.lifecycle_id = life.id;
  back.entry = life.entry;
  back.time_ns = 900;
  back.after_ns = 400;
  back.tgid = 99;
  back.comm = store::comm_of("gdb");
  back.reader_cgroup = 78;
  back.fault_ns = 500;
  back.major = true;
  back.eviction = eviction_of(life);
  return back;
}

v1::GetCountersResponse ask(Scene& scene, const v1::GetCountersRequest& request) {
  v1::GetCountersResponse told;
  const grpc::Status status = call(*scene.trace, &Stub::GetCounters, request, told);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return told;
}

v1::GetCountersRequest by(v1::CounterGroup group) {
  v1::GetCountersRequest request;
  request.set_group_by(group);
  return request;
}

std::map<std::string, v1::CounterRow> rows_of(const v1::GetCountersResponse& told) {
  std::map<std::string, v1::CounterRow> rows;
  for (const v1::CounterRow& row : told.rows()) rows.emplace(row.name(), row);
  EXPECT_EQ(rows.size(), static_cast<size_t>(told.rows_size()));
  return rows;
}

TEST(ApiCounters, RowsOfEachGroupHaveNamesAndCounts) {
  Scene scene;
  scene.add(usual());
  scene.add(back_of(usual()));
  struct Case {
    v1::CounterGroup group;
    std::string name;
    std::string waited;  // who or what
  };
  for (const Case& one : {Case{v1::COUNTER_GROUP_PROCESS, "web\xef\xbf\xbd/42", "gdb/99"},
                          Case{v1::COUNTER_GROUP_CGROUP, "id 77", "id 78"},
                          Case{v1::COUNTER_GROUP_DEVICE, "/dev/two", "/dev/two"},
                          Case{v1::COUNTER_GROUP_ORIGIN, "kswapd", "kswapd"},
                          Case{v1::COUNTER_GROUP_RECLAIMER, "kswapd0/9", "kswapd0/9"}}) {
    const v1::GetCountersResponse told = ask(scene, by(one.group));
    const auto rows = rows_of(told);
    ASSERT_TRUE(rows.contains(one.name)) << one.name;
    const v1::CounterRow& row = rows.at(one.name);
    EXPECT_NE(row.id(), 0u);
    EXPECT_LE(row.id(), told.rows_made());
    EXPECT_EQ(row.lifecycles(), 1u);
    EXPECT_EQ(row.pages(), 4u);
    EXPECT_EQ(row.freed_pages(), 4u);
    EXPECT_EQ(row.aborted_pages(), 0u);
    EXPECT_EQ(row.returned_pages(), 1u);
    EXPECT_EQ(row.regretted_pages(), 1u);
    ASSERT_TRUE(rows.contains(one.waited)) << one.waited;
    EXPECT_EQ(rows.at(one.waited).waits().faults(), 1u);
    EXPECT_EQ(rows.at(one.waited).waits().major_faults(), 1u);
    EXPECT_EQ(rows.at(one.waited).waits().wait_ns(), 500u);
    EXPECT_EQ(rows.size(), one.name == one.waited ? 1u : 2u);
    EXPECT_TRUE(told.has_other());
    EXPECT_EQ(told.other().lifecycles(), 0u);
    EXPECT_EQ(told.rows_given_up(), 0u);
  }
}

TEST(ApiCounters, WhatIsNotKnownIsCalledSo) {
  Scene scene;
  Return back = back_of(usual());
  back.lifecycle_id = 0;
  back.eviction = {};
  scene.add(back);
  for (const v1::CounterGroup group : {v1::COUNTER_GROUP_PROCESS, v1::COUNTER_GROUP_CGROUP,
                                       v1::COUNTER_GROUP_ORIGIN, v1::COUNTER_GROUP_RECLAIMER}) {
    const auto rows = rows_of(ask(scene, by(group)));
    ASSERT_TRUE(rows.contains("unknown"));
    EXPECT_EQ(rows.at("unknown").returned_pages(), 1u);
  }
}

TEST(ApiCounters, TheTimesAreThoseOfTheReading) {
  Scene scene;
  const v1::GetCountersResponse told = ask(scene, by(v1::COUNTER_GROUP_ORIGIN));
  EXPECT_EQ(told.since_monotonic_ns(), 5u);
  EXPECT_TRUE(told.has_since());
  EXPECT_GT(told.read_monotonic_ns(), told.since_monotonic_ns());
  const int64_t wall_ns = (told.read().seconds() - told.since().seconds()) * 1'000'000'000 +
                          told.read().nanos() - told.since().nanos();
  EXPECT_EQ(static_cast<uint64_t>(wall_ns), told.read_monotonic_ns() - 5);
}

TEST(ApiCounters, AFilterIsForWhatRowsKnow) {
  Scene scene;
  Lifecycle other = usual();
  other.mappings[0].tgid = 43;
  other.mappings[0].comm = store::comm_of("db");
  other.entry = make_entry(0, 5);
  other.last = {};
  other.last.tgid = 10;
  other.last.origin = SWAPTRAIL_ORIGIN_DIRECT;
  scene.add(usual());
  scene.add(other);
  v1::GetCountersRequest request = by(v1::COUNTER_GROUP_PROCESS);
  request.mutable_filter()->add_pids(43);
  v1::GetCountersResponse told = ask(scene, request);
  ASSERT_EQ(told.rows_size(), 1);
  EXPECT_EQ(told.rows(0).name(), "db/43");
  EXPECT_FALSE(told.has_other());
  request.mutable_filter()->add_comms("dc");
  EXPECT_EQ(ask(scene, request).rows_size(), 0);
  request = by(v1::COUNTER_GROUP_DEVICE);
  request.mutable_filter()->add_areas(1);
  told = ask(scene, request);
  ASSERT_EQ(told.rows_size(), 1);
  EXPECT_EQ(told.rows(0).name(), "/dev/two");
  request = by(v1::COUNTER_GROUP_ORIGIN);
  request.mutable_filter()->add_origins(v1::ORIGIN_DIRECT);
  EXPECT_EQ(rows_of(ask(scene, request)).count("direct"), 1u);
  request = by(v1::COUNTER_GROUP_RECLAIMER);
  request.mutable_filter()->add_pids(9);
  told = ask(scene, request);
  ASSERT_EQ(told.rows_size(), 1);
  EXPECT_EQ(told.rows(0).name(), "kswapd0/9");
  request = by(v1::COUNTER_GROUP_CGROUP);
  request.mutable_filter()->set_cgroup("/not-there");
  EXPECT_EQ(ask(scene, request).rows_size(), 0);
  request.mutable_filter()->set_cgroup("/");
  EXPECT_EQ(ask(scene, request).rows_size(), 1);
}

TEST(ApiCounters, WhatRowsDoNotKnowIsRefusedByName) {
  Scene scene;
  const auto refused = [&](const v1::GetCountersRequest& request, const std::string& field) {
    v1::GetCountersResponse told;
    const grpc::Status status = call(*scene.trace, &Stub::GetCounters, request, told);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << field;
    EXPECT_NE(status.error_message().find(field), std::string::npos) << status.error_message();
  };
  refused({}, "group_by");
  refused(by(static_cast<v1::CounterGroup>(6)), "group_by");
  const auto filter = [](v1::CounterGroup group, auto set) {
    v1::GetCountersRequest request = by(group);
    set(*request.mutable_filter());
    return request;
  };
  using F = v1::LifecycleFilter;
  refused(filter(v1::COUNTER_GROUP_CGROUP, [](F& f) { f.add_pids(1); }), "filter.pids");
  refused(filter(v1::COUNTER_GROUP_DEVICE, [](F& f) { f.add_comms("x"); }), "filter.comms");
  refused(filter(v1::COUNTER_GROUP_RECLAIMER, [](F& f) { f.set_cgroup("/x"); }), "filter.cgroup");
  refused(filter(v1::COUNTER_GROUP_PROCESS, [](F& f) { f.add_areas(1); }), "filter.areas");
  refused(filter(v1::COUNTER_GROUP_PROCESS, [](F& f) { f.add_origins(v1::ORIGIN_DIRECT); }),
          "filter.origins");
  refused(filter(v1::COUNTER_GROUP_PROCESS, [](F& f) { f.add_outcomes(v1::OUTCOME_ABORTED); }),
          "filter.outcomes");
  refused(filter(v1::COUNTER_GROUP_PROCESS,
                 [](F& f) { f.mutable_slower_than()->set_span(v1::LATENCY_SPAN_FAULT); }),
          "filter.slower_than");
  refused(filter(v1::COUNTER_GROUP_PROCESS, [](F& f) { f.set_regretted(true); }),
          "filter.regretted");
  refused(filter(v1::COUNTER_GROUP_PROCESS, [](F& f) { f.set_incomplete(true); }),
          "filter.incomplete");
  refused(filter(v1::COUNTER_GROUP_PROCESS, [](F& f) { f.mutable_since()->set_seconds(1); }),
          "filter.since");
  refused(filter(v1::COUNTER_GROUP_PROCESS, [](F& f) { f.mutable_until()->set_seconds(1); }),
          "filter.until");
  refused(filter(v1::COUNTER_GROUP_DEVICE, [](F& f) { f.add_areas(64); }), "filter.areas[0]");
}

// The most rows with the longest names that there can be are an answer all the same.
TEST(ApiCounters, AFullTableFitsIntoAnAnswer) {
  Scene scene;
  scene.areas.put({{0, std::string(4000, 'x')}}, 10, scene.area_watch);
  uint64_t area = 0;
  for (uint32_t number = 1000; number < 6000; ++number) {
    Lifecycle life = usual();
    life.entry = make_entry(0, 5);
    life.closed_ns = 100 + number;
    life.cgroup = number;
    life.mappings[0].tgid = number;
    life.mappings[0].comm =
        store::comm_of("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff");
    scene.counters.note_area(0, number);
    scene.add(life);
    ++area;
  }
  for (const v1::CounterGroup group :
       {v1::COUNTER_GROUP_PROCESS, v1::COUNTER_GROUP_CGROUP, v1::COUNTER_GROUP_DEVICE}) {
    const v1::GetCountersResponse told = ask(scene, by(group));
    EXPECT_GT(told.rows_size(), 400);
    uint64_t sum = told.other().lifecycles();
    for (const v1::CounterRow& row : told.rows()) {
      sum += row.lifecycles();
      EXPECT_LE(row.name().size(), 515u);
    }
    EXPECT_EQ(sum, area);
  }
  const v1::GetCountersResponse told = ask(scene, by(v1::COUNTER_GROUP_DEVICE));
  EXPECT_EQ(told.rows(0).name().size(), 515u);
  EXPECT_EQ(told.rows(0).name().substr(0, 4), "...x");
}

// QueryStats has the waits of the same tables.
TEST(ApiCounters, WaitsOfStatsAreThere) {
  Scene scene;
  scene.add(usual());
  Return back = back_of(usual());
  scene.add(back);
  back.tgid = 42;
  back.reader_cgroup = 77;
  back.fault_ns = 10;
  scene.add(back);
  v1::QueryStatsRequest request;
  v1::QueryStatsResponse told;
  const auto waits = [&](const std::string& key) {
    told.Clear();
    EXPECT_TRUE(call(*scene.trace, &Stub::QueryStats, request, told).ok());
    for (const v1::StatsRow& row : told.rows()) {
      if (row.key_size() == 0 || row.key(0) == key) return row.waits().wait_ns();
    }
    return ~uint64_t{0};
  };
  EXPECT_EQ(waits(""), 510u);
  request.add_group_by(v1::STATS_GROUP_VICTIM_PROCESS);
  EXPECT_EQ(waits("web\xef\xbf\xbd/42"), 10u);
  EXPECT_EQ(waits("gdb/99"), 500u);
  EXPECT_EQ(told.rows_size(), 2);
  request.mutable_filter()->add_pids(99);
  EXPECT_EQ(waits("gdb/99"), 500u);
  EXPECT_EQ(told.rows_size(), 1);
  request.mutable_filter()->add_areas(1);  // rows of processes do not know
  EXPECT_EQ(waits("gdb/99"), ~uint64_t{0});
  request.clear_filter();
  request.add_group_by(v1::STATS_GROUP_VICTIM_CGROUP);
  EXPECT_EQ(waits("web\xef\xbf\xbd/42"), 0u);
  EXPECT_FALSE(told.rows(0).has_waits());
}

}  // namespace
}  // namespace swaptrail::api
