// The catalogue against what is collected and against its document; the two formats.
#include "daemon/metrics/openmetrics.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>
#include <sstream>
#include <string>

#include "daemon/metrics/catalogue.h"
#include "daemon/metrics/own_process.h"
#include "prometheus/text_serializer.h"
#include "tests/metrics/scene.h"
#include "trace/decode.h"

namespace swaptrail::metrics {
namespace {

constexpr char kPrometheusAccepts[] =
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

std::shared_ptr<pipeline::PipelineStatus> some_status() {
  auto pipeline_status = std::make_shared<pipeline::PipelineStatus>();
  pipeline_status->recording = {.flight = true,
                                .stopped = true,
                                .parts = 3,
                                .parts_dropped = 1,
                                .triggers = 4,
                                .suppressed = 5,
                                .refused = 2};
  pipeline_status->validation = {.sample = 1, .compared = 10, .agreed = 9, .findings = 1};
  pipeline_status->totals.emitted[SWAPTRAIL_REMOVED] = 40;
  pipeline_status->totals.emitted[SWAPTRAIL_SWAP_IN] = 2;
  pipeline_status->totals.dropped[SWAPTRAIL_DROP_RING_FULL] = 3;
  pipeline_status->totals.dropped[SWAPTRAIL_DROP_NO_RING] = 4;
  pipeline_status->totals.context_full = 5;
  pipeline_status->consumed = 35;
  pipeline_status->stream.late = 6;
  pipeline_status->stream.invalid = 7;
  pipeline_status->reconciliation = {{"pswpout", 100, 101, 1, ""},
                                     {"slots", 90, 84, -6, "", 64, true},
                                     {"emitted", 42, 42, 0, ""}};
  pipeline_status->programs = {
      {"removed", "remove_end_n4", "__remove_mapping", 10, 2'500'000'000, 1},
      {"removed", "remove_end_n4", "another", 1, 500'000'000, 1}};
  pipeline_status->ring_fill = 0.25;
  pipeline_status->attempts = {11, 100};
  pipeline_status->slots = {12, 200};
  pipeline_status->swapped = {13, 300};
  pipeline_status->reconstructor.away_pages = 16 * 13;
  return pipeline_status;
}

void hold(uint64_t cgroup, ledger::Where where, uint64_t pages, pipeline::SlotHolders& out) {
  ledger::Holding& holding = out.holdings.emplace_back();
  holding.holder.cgroup = cgroup;
  holding.counts[static_cast<size_t>(ledger::Presence::kAway)][static_cast<size_t>(where)] = pages;
  out.areas.front().held += pages;
}

// Of one area.
std::shared_ptr<pipeline::SlotHolders> some_holders(const recording::SwapArea& area) {
  auto holders = std::make_shared<pipeline::SlotHolders>();
  holders->possible = true;
  holders->areas.emplace_back().area = area;
  return holders;
}

// Something of everything.
void fill(Rig& rig) {
  const uint64_t odd = make_cgroup(rig.root, "odd \"name\\");
  rig.cgroups.refresh();
  rig.status_board.publish(some_status());
  rig.areas = {{.at_ns = 0,
                .bytes = 1 << 20,
                .used_bytes = 4096,
                .type = 0,
                .priority = -2,
                .path = "/dev/zram0"}};
  rig.holders = some_holders(rig.areas.front());
  hold(odd, ledger::Where::kDevice, 3, *rig.holders);
  Lifecycle life = freed(1, odd, 16);
  life.last.cgroup = odd;
  for (size_t stage = 0; stage < kStageCount; ++stage) life.stage_ns[stage] = 1000 + stage * 2500;
  rig.metric_counters.on_lifecycle(life);
  Return back = came_back(1, 16);
  back.fault_ns = 90'000;
  back.after_ns = 5'000'000;
  rig.metric_counters.on_return(back);
  back.nr_pages = 0;
  back.how = ReturnHow::kReadError;
  rig.metric_counters.on_return(back);
}

std::set<std::string> names_of(const std::vector<prometheus::MetricFamily>& families) {
  std::set<std::string> names;
  for (const auto& family : families) EXPECT_TRUE(names.insert(family.name).second) << family.name;
  return names;
}

std::set<std::string> names_of_catalogue() {
  std::set<std::string> names;
  for (const Metric& metric : catalogue()) {
    EXPECT_TRUE(names.insert(std::string(metric.name)).second) << metric.name;
  }
  return names;
}

std::string read_text(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void check_families(const std::vector<prometheus::MetricFamily>& families) {
  for (const auto& family : families) {
    const auto metric = std::find_if(catalogue().begin(), catalogue().end(),
                                     [&](const Metric& one) { return family.name == one.name; });
    EXPECT_FALSE(family.metric.empty() && family.name != "") << family.name;
    for (const auto& series : family.metric) {
      std::string labels;
      for (const auto& label : series.label) labels += (labels.empty() ? "" : ",") + label.name;
      EXPECT_EQ(labels, metric->labels) << family.name;
    }
  }
}

// A status of --detail=counters.
std::shared_ptr<pipeline::PipelineStatus> counted_status() {
  auto pipeline_status = some_status();
  pipeline_status->counts_only = true;
  capture::CountedRow row;
  row.key = {.cgroup = 7,
             .origin = SWAPTRAIL_ORIGIN_KSWAPD,
             .backend = SWAPTRAIL_BACKEND_DEVICE,
             .way = SWAPTRAIL_WAY_OUT,
             .pad = {}};
  row.counts.operations = 5;
  row.counts.pages = 20;
  row.counts.failed = 1;
  row.counts.wait_ns = 5'000'000;
  row.counts.times[10] = 4;  // 512 to 1023 ns
  row.counts.times[31] = 1;
  pipeline_status->counted.push_back(row);
  row.key.cgroup = 8;
  pipeline_status->counted.push_back(row);
  row.key = {};
  row.key.way = SWAPTRAIL_WAY_IN;
  row.counts.major = 3;
  pipeline_status->counted.push_back(row);
  row.beyond = true;
  pipeline_status->counted.push_back(row);
  return pipeline_status;
}

TEST(Catalogue, IsWhatIsCollected) {
  Rig rig;
  fill(rig);
  const auto families = rig.collector.Collect();
  check_families(families);
  std::set<std::string> names = names_of(families);
  rig.status_board.publish(counted_status());
  const auto counted = rig.collector.Collect();
  check_families(counted);
  names.merge(names_of(counted));
  EXPECT_EQ(names, names_of_catalogue());
}

TEST(Exposition, CountersHaveNoMetricsOfLifecycles) {
  Rig rig;
  fill(rig);
  const auto before = names_of(rig.collector.Collect());
  EXPECT_FALSE(before.contains("swaptrail_counted_pages_total"));
  rig.status_board.publish(counted_status());
  const auto names = names_of(rig.collector.Collect());
  EXPECT_TRUE(names.contains("swaptrail_events_total"));
  for (const char* name : {"swaptrail_swapped_out_pages_total", "swaptrail_lifecycles_total",
                           "swaptrail_cgroups", "swaptrail_store_bytes", "swaptrail_pages_in_swap"})
    EXPECT_FALSE(names.contains(name)) << name;
  const Samples samples = rig.scrape();
  const auto of = [&](const std::string& name, const std::string& labels) {
    return value_of(samples, "swaptrail_counted_" + name + "{" + labels + "}");
  };
  const std::string out = "way=\"out\",origin=\"kswapd\",backend=\"device\"";
  EXPECT_EQ(of("pages_total", out), 40);
  EXPECT_EQ(of("operations_total", out), 10);
  EXPECT_EQ(of("failed_pages_total", out), 2);
  EXPECT_EQ(of("pages_total", "way=\"in\",origin=\"none\",backend=\"unknown\""), 20);
  EXPECT_EQ(of("pages_total", "way=\"in\",origin=\"unknown\",backend=\"unknown\""), 20);
  EXPECT_EQ(value_of(samples, "swaptrail_counted_reads_total"), 6);
  EXPECT_EQ(of("seconds_count", "way=\"out\""), 10);
  EXPECT_EQ(of("seconds_sum", "way=\"out\""), 0.01);
  EXPECT_EQ(of("seconds_bucket", "way=\"out\",le=\"5.11e-07\""), 0);
  EXPECT_EQ(of("seconds_bucket", "way=\"out\",le=\"1.023e-06\""), 8);
  EXPECT_EQ(of("seconds_bucket", "way=\"out\",le=\"+Inf\""), 10);
}

// The two that hold most have names; what is charged to a cgroup without a name is with the others.
TEST(Exposition, WhoHoldsSwap) {
  Rig rig;
  const uint64_t one = make_cgroup(rig.root, "one"), two = make_cgroup(rig.root, "two"),
                 three = make_cgroup(rig.root, "three");
  rig.cgroups.refresh();
  fill(rig);
  rig.areas.front().used_bytes = 100 * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  rig.holders = some_holders(rig.areas.front());
  hold(one, ledger::Where::kDevice, 10, *rig.holders);
  hold(one, ledger::Where::kZswap, 20, *rig.holders);
  hold(two, ledger::Where::kDevice, 5, *rig.holders);
  hold(three, ledger::Where::kUnknown, 4, *rig.holders);
  hold(0, ledger::Where::kNowhere, 40, *rig.holders);
  const Samples samples = rig.scrape();
  const auto of = [&](const std::string& name, const std::string& labels) {
    return value_of(samples, "swaptrail_" + name + "{" + labels + "}");
  };
  EXPECT_EQ(of("cgroup_held_pages", "cgroup=\"/one\""), 30);
  EXPECT_EQ(of("cgroup_held_pages", "cgroup=\"/two\""), 5);
  EXPECT_EQ(of("cgroup_held_pages", "cgroup=\"other\""), 44);
  const std::string area = "area=\"0\",path=\"/dev/zram0\"";
  EXPECT_EQ(of("swap_area_held_pages", area + ",where=\"device\""), 15);
  EXPECT_EQ(of("swap_area_held_pages", area + ",where=\"zswap\""), 20);
  EXPECT_EQ(of("swap_area_held_pages", area + ",where=\"unwritten\""), 40);
  EXPECT_EQ(of("swap_area_unexplained_pages", area), 21);
  rig.holders = nullptr;  // the pipeline did not answer in time
  EXPECT_EQ(sum_of(rig.scrape(), "swaptrail_cgroup_held_pages"), 0);
}

TEST(Catalogue, NamesEndAsTheirTypeAndUnitWant) {
  for (const Metric& metric : catalogue()) {
    const bool counter = metric.type == Type::kCounter;
    std::string_view name = metric.name;
    EXPECT_EQ(name.ends_with("_total"), counter) << name;
    if (counter) name.remove_suffix(6);
    if (!metric.unit.empty()) {
      EXPECT_TRUE(name.ends_with(metric.unit)) << name;
    }
    EXPECT_FALSE(metric.help.empty());
  }
}

TEST(Catalogue, IsInTheDocument) {
  EXPECT_EQ(read_text(SWAPTRAIL_SOURCE_DIR "/docs/METRICS.md"), catalogue_text())
      << "ninja metrics_doc makes it anew";
}

TEST(Catalogue, AMetricWithoutItsHookIsAbsent) {
  Rig rig;
  fill(rig);
  for (probe::HookPlan& hook : rig.plan.hooks) {
    if (hook.hook == "swap_in") hook.state = probe::HookState::kMissing;
  }
  const auto names = names_of(rig.collector.Collect());
  EXPECT_FALSE(names.count("swaptrail_fault_latency_seconds"));
  EXPECT_FALSE(names.count("swaptrail_cgroup_swapped_in_pages_total"));
  EXPECT_TRUE(names.count("swaptrail_cgroup_swapped_out_pages_total"));
  const Samples samples = rig.scrape();
  EXPECT_EQ(value_of(samples, "swaptrail_hook_state{hook=\"swap_in\",state=\"missing\"}"), 1);
  EXPECT_EQ(samples.at("swaptrail_hook_attached{hook=\"swap_in\",target=\"\",mode=\"full\"}"), 0);
}

TEST(Catalogue, TracepointModeHasWhatItCanTell) {
  Rig rig({}, probe::Mode::kTracepoint);
  const auto names = names_of(rig.collector.Collect());
  EXPECT_TRUE(names.count("swaptrail_swapped_out_pages_total"));
  EXPECT_FALSE(names.count("swaptrail_swapped_in_pages_total"));
  EXPECT_FALSE(names.count("swaptrail_validation_compared_total"));  // no --validate
  EXPECT_FALSE(names.count("swaptrail_recording_stopped"));          // nor --record
  EXPECT_FALSE(names.count("swaptrail_flight_recordings_total"));
}

// name{label="word"} for each of the words.
std::set<std::string> series_of(const std::string& name, const std::string& label,
                                const std::set<std::string>& words) {
  std::set<std::string> all;
  for (const std::string& word : words) all.insert(name + "{" + label + "=\"" + word + "\"}");
  return all;
}

const std::set<std::string> kOriginsOfFull = {
    "none",        "kswapd",       "direct",       "memcg_limit", "proactive", "damon",
    "hibernation", "node_reclaim", "madv_pageout", "unknown",     "lru_gen"};
const std::set<std::string> kOriginsOfTracepoint = {"none",         "kswapd", "direct",
                                                    "node_reclaim", "memcg",  "unknown"};

// increase() does not see the first event of a series that begins with it.
TEST(Exposition, FewAndFixedSeriesAreThereAtZero) {
  Rig rig;
  rig.areas = {{.bytes = 1 << 20, .used_bytes = 0, .type = 3, .path = "/dev/zram3"}};
  host::AreaInstance area;
  area.number = 1;
  area.seen.area = rig.areas[0];
  rig.metric_counters.on_area(area);
  const Samples samples = rig.scrape();
  std::set<std::string> wanted;
  const auto want = [&](const std::set<std::string>& some) {
    wanted.insert(some.begin(), some.end());
  };
  want(series_of("swaptrail_slots_freed_unread_pages_total", "how", {"slot_freed", "swapoff"}));
  want(series_of("swaptrail_regretted_pages_total", "origin", kOriginsOfFull));
  want(series_of("swaptrail_incomplete_lifecycles_total", "reason",
                 {"before_attach", "dropped", "not_hooked", "table_full", "ended"}));
  want(series_of("swaptrail_aborts_total", "reason",
                 {"none", "no_slot", "still_mapped", "referenced", "dirtied", "write_refused",
                  "write_error", "extra_reference", "split", "slot_gone"}));
  want(series_of("swaptrail_events_dropped_total", "cause", {"ring_full", "no_ring"}));
  want(series_of("swaptrail_swapped_out_pages_total", "area=\"3\",path=\"/dev/zram3\",backend",
                 {"device", "zswap", "zero", "clean"}));
  want(series_of("swaptrail_swapped_in_pages_total", "area=\"3\",path=\"/dev/zram3\",backend",
                 {"device", "zswap", "zero"}));
  for (const char* cgroup : {"other", "(node)"}) {
    want(series_of("swaptrail_cgroup_reclaimed_pages_total",
                   "cgroup=\"" + std::string(cgroup) + "\",origin", kOriginsOfFull));
  }
  want(series_of("swaptrail_reclaim_matrix_pages_total",
                 "victim=\"other\",reclaimer=\"other\",origin", kOriginsOfFull));
  want(series_of("swaptrail_time_in_swap_seconds_count", "backend", {"device", "zswap", "zero"}));
  for (const char* major : {"true", "false"}) {
    for (const char* backend : {"device", "zswap", "zero"}) {
      want({"swaptrail_fault_latency_seconds_count{backend=\"" + std::string(backend) +
            "\",major=\"" + major + "\"}"});
    }
  }
  want(series_of("swaptrail_stage_latency_seconds_count", "stage=\"device_write\",backend",
                 {"device"}));
  for (const char* stage : {"isolated_to_slot", "slot_to_unmapped", "unmapped_to_write",
                            "completed_to_removed", "isolated_to_removed"}) {
    want(series_of("swaptrail_stage_latency_seconds_count",
                   "stage=\"" + std::string(stage) + "\",backend", {"device", "zswap", "zero"}));
  }
  std::set<std::string> families, there;
  for (const std::string& series : wanted) families.insert(series.substr(0, series.find('{')));
  for (const auto& [series, value] : samples) {
    if (!families.count(series.substr(0, series.find('{')))) continue;
    EXPECT_EQ(value, 0) << series;
    there.insert(series);
  }
  EXPECT_EQ(there, wanted);
  size_t kinds = 0;
  for (const auto& [series, value] : samples) {
    if (series.rfind("swaptrail_events_total{", 0) == 0) ++kinds;
  }
  EXPECT_EQ(kinds, size_t{SWAPTRAIL_KIND_END - 1});
}

TEST(Exposition, OriginsAreThoseOfTheMode) {
  Rig rig({}, probe::Mode::kTracepoint);
  const std::string begin = "swaptrail_reclaim_matrix_pages_total";
  std::set<std::string> there;
  for (const auto& [series, value] : rig.scrape()) {
    if (series.rfind(begin + "{", 0) == 0) there.insert(series);
  }
  EXPECT_EQ(there,
            series_of(begin, "victim=\"other\",reclaimer=\"other\",origin", kOriginsOfTracepoint));
}

// What is not foreseen is shown all the same, once it occurs.
TEST(Exposition, AnUnusualLabelIsThereOnceItOccurs) {
  Rig rig;
  Lifecycle life = freed(1, 7);
  life.last.origin = SWAPTRAIL_ORIGIN_MEMCG;
  rig.metric_counters.on_lifecycle(life);
  Return back = came_back(1);
  back.backend = SWAPTRAIL_BACKEND_NONE;
  back.fault_ns = back.after_ns = 5;
  rig.metric_counters.on_return(back);
  const Samples samples = rig.scrape();
  EXPECT_EQ(value_of(samples, "swaptrail_regretted_pages_total{origin=\"memcg\"}"), 1);
  EXPECT_EQ(value_of(samples, "swaptrail_time_in_swap_seconds_count{backend=\"none\"}"), 1);
  EXPECT_EQ(
      value_of(samples, "swaptrail_fault_latency_seconds_count{backend=\"none\",major=\"false\"}"),
      1);
  EXPECT_EQ(
      value_of(samples, "swaptrail_swapped_in_pages_total{area=\"0\",path=\"\",backend=\"none\"}"),
      1);
}

host::AreaInstance area_on(uint32_t number, uint32_t type, const std::string& path,
                           uint64_t since_ns) {
  host::AreaInstance area;
  area.number = number;
  area.since_ns = since_ns;
  area.seen.area.type = type;
  area.seen.area.path = path;
  return area;
}

// Another device under the same number begins at 0; the same device goes on.
TEST(Exposition, ACounterOfAnAreaDoesNotGoOnForAnotherDevice) {
  Rig rig;
  Lifecycle life = freed(1, 7);
  life.entry = make_entry(0, 5);
  const auto swap_out = [&](uint64_t at_ns) {
    ++life.id;
    life.stage_ns[static_cast<size_t>(Stage::kSlotAllocated)] = at_ns;
    rig.metric_counters.on_lifecycle(life);
  };
  const auto pages_of = [&](const std::string& path) {
    return value_of(rig.scrape(), "swaptrail_swapped_out_pages_total{area=\"0\",path=\"" + path +
                                      "\",backend=\"device\"}");
  };
  rig.metric_counters.on_area(area_on(1, 0, "/dev/zram0", 0));
  for (int i = 0; i < 5; ++i) swap_out(100);
  rig.metric_counters.on_area(area_on(2, 0, "/dev/nvme0n1", 200));
  for (int i = 0; i < 3; ++i) swap_out(300);
  swap_out(150);  // reported late
  EXPECT_EQ(pages_of("/dev/zram0"), 6);
  EXPECT_EQ(pages_of("/dev/nvme0n1"), 3);
  rig.metric_counters.on_area(area_on(3, 0, "/dev/zram0", 400));
  swap_out(500);
  EXPECT_EQ(pages_of("/dev/zram0"), 7);
  EXPECT_EQ(pages_of("/dev/nvme0n1"), 3);
}

TEST(Exposition, AreasThatFindNoSeriesCountAsOther) {
  Rig rig;
  for (uint32_t i = 0; i < 40; ++i)
    rig.metric_counters.on_area(area_on(i + 1, 0, "/swap" + std::to_string(i), 100 * i));
  Lifecycle life = freed(1, 7);
  life.entry = make_entry(0, 5);
  life.stage_ns[static_cast<size_t>(Stage::kSlotAllocated)] = 10'000;
  rig.metric_counters.on_lifecycle(life);
  EXPECT_EQ(
      value_of(rig.scrape(),
               "swaptrail_swapped_out_pages_total{area=\"other\",path=\"\",backend=\"device\"}"),
      1);
}

TEST(Exposition, NumbersOfTheStatus) {
  Rig rig;
  fill(rig);
  const Samples samples = rig.scrape();
  const Samples expected = {
      {"swaptrail_events_emitted_total", 42},
      {"swaptrail_events_consumed_total", 35},
      {"swaptrail_events_dropped_total{cause=\"ring_full\"}", 3},
      {"swaptrail_events_dropped_total{cause=\"no_ring\"}", 4},
      {"swaptrail_events_total{kind=\"removed\"}", 40},
      {"swaptrail_context_full_total", 5},
      {"swaptrail_events_late_total", 6},
      {"swaptrail_events_invalid_total", 7},
      {"swaptrail_reconciliation_kernel_pages_total{counter=\"pswpout\"}", 100},
      {"swaptrail_reconciliation_observed_pages_total{counter=\"pswpout\"}", 101},
      {"swaptrail_reconciliation_difference_pages{counter=\"pswpout\"}", 1},
      {"swaptrail_reconciliation_allowance_pages{counter=\"pswpout\"}", 0},
      {"swaptrail_reconciliation_difference_pages{counter=\"slots\"}", -6},
      {"swaptrail_reconciliation_allowance_pages{counter=\"slots\"}", 64},
      {"swaptrail_bpf_program_runs_total{program=\"remove_end_n4\",hook=\"removed\"}", 11},
      {"swaptrail_bpf_program_run_seconds_total{program=\"remove_end_n4\",hook=\"removed\"}", 3},
      {"swaptrail_bpf_program_skipped_runs_total{program=\"remove_end_n4\",hook=\"removed\"}", 2},
      {"swaptrail_ring_fill_ratio", 0.25},
      {"swaptrail_in_flight_lifecycles", 11},
      {"swaptrail_pages_in_swap", 16 * 13},
      {"swaptrail_table_room{table=\"slots\"}", 200},
      {"swaptrail_validation_agreed_total", 9},
      {"swaptrail_recording_stopped", 1},
      {"swaptrail_recording_parts_total", 3},
      {"swaptrail_recording_parts_dropped_total", 1},
      {"swaptrail_recording_writes_refused_total", 2},
      {"swaptrail_flight_recordings_total", 4},
      {"swaptrail_flight_triggers_suppressed_total", 5},
      {"swaptrail_swap_area_info{area=\"0\",path=\"/dev/zram0\",type=\"zram\"}", 1},
      {"swaptrail_swap_area_size_bytes{area=\"0\",path=\"/dev/zram0\"}", 1 << 20},
      {"swaptrail_swap_area_used_bytes{area=\"0\",path=\"/dev/zram0\"}", 4096},
      {"swaptrail_swap_area_priority{area=\"0\",path=\"/dev/zram0\"}", -2},
      {"swaptrail_mode_info{mode=\"full\",kernel=\"6.1.0-test\"}", 1},
      {"swaptrail_build_info{version=\"" SWAPTRAIL_VERSION "\",revision=\"abc\"}", 1},
      {"swaptrail_start_time_seconds", 1'700'000'000.5},
      {"swaptrail_api_watchers", 7},
      {"swaptrail_api_connections{access=\"full\"}", 1},
      {"swaptrail_api_connections_accepted_total{access=\"full\"}", 2},
      {"swaptrail_api_connections_refused_total{access=\"full\",reason=\"full\"}", 3},
      {"swaptrail_api_connections_refused_total{access=\"full\",reason=\"user\"}", 4},
      {"swaptrail_api_connections_closed_total{access=\"full\"}", 5},
      {"swaptrail_api_connections_throttled_total{access=\"full\"}", 6},
      {"swaptrail_http_connections", 1},
      {"swaptrail_http_connections_accepted_total", 2},
      {"swaptrail_http_connections_closed_total{reason=\"full\"}", 3},
      {"swaptrail_http_connections_closed_total{reason=\"address\"}", 4},
      {"swaptrail_http_requests_refused_total{reason=\"malformed\"}", 5},
      {"swaptrail_http_requests_refused_total{reason=\"queue\"}", 6},
      {"swaptrail_http_requests_refused_total{reason=\"passwords\"}", 7},
      {"swaptrail_http_config_last_reload_successful", 0},
      {"swaptrail_cgroups{state=\"tracked\"}", 1},
  };
  for (const auto& [series, value] : expected) {
    ASSERT_TRUE(samples.count(series)) << series;
    EXPECT_EQ(samples.at(series), value) << series;
  }
  EXPECT_EQ(samples.count("swaptrail_reconciliation_difference_pages{counter=\"emitted\"}"), 0u);
  EXPECT_EQ(samples.count("swaptrail_reconciliation_kernel_pages_total{counter=\"slots\"}"), 0u)
      << "a level is no counter";
  EXPECT_GT(value_of(rig.scrape(), "swaptrail_scrape_duration_seconds"), 0);
  EXPECT_GT(value_of(samples, "process_resident_memory_bytes"), 1 << 20);
  EXPECT_GT(value_of(samples, "process_open_fds"), 2);
}

TEST(Exposition, ANameWithBlanksAndParenthesesIsNoField) {
  OwnProcess process;
  parse_stat("42 (a) R 1) S 1 1 1 0 -1 4194560 1 2 3 4 250 50 7 8 20 0 9 0 1200 4096000 25 1", 1000,
             process);
  EXPECT_DOUBLE_EQ(process.cpu_seconds, 300.0 / static_cast<double>(sysconf(_SC_CLK_TCK)));
  EXPECT_EQ(process.threads, 9u);
  EXPECT_EQ(process.virtual_bytes, 4096000u);
  EXPECT_EQ(process.resident_bytes, 25u * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)));
  EXPECT_DOUBLE_EQ(process.start_seconds,
                   1000 + 1200.0 / static_cast<double>(sysconf(_SC_CLK_TCK)));
}

TEST(Exposition, PromtoolFindsNothingWrong) {
  if (std::system("command -v promtool >/dev/null") != 0) {
    GTEST_SKIP() << "promtool is missing: it is in the package prometheus";
  }
  Rig rig;
  fill(rig);
  const std::string input = rig.root.file("text", rig.text());
  FILE* tool = popen(("promtool check metrics < " + input + " 2>&1").c_str(), "r");
  ASSERT_NE(tool, nullptr);
  std::string said;
  for (int letter = fgetc(tool); letter != EOF; letter = fgetc(tool)) {
    said += static_cast<char>(letter);
  }
  EXPECT_EQ(pclose(tool), 0);
  EXPECT_EQ(said, "");
}

TEST(Exposition, WhoGetsOpenMetrics) {
  EXPECT_TRUE(prefers_openmetrics(kPrometheusAccepts));
  EXPECT_TRUE(prefers_openmetrics("application/openmetrics-text"));
  EXPECT_TRUE(prefers_openmetrics("text/plain;q=0.5, application/openmetrics-text;q=0.5"));
  EXPECT_FALSE(prefers_openmetrics(""));
  EXPECT_FALSE(prefers_openmetrics("*/*"));
  EXPECT_FALSE(prefers_openmetrics("text/plain, application/openmetrics-text;q=0.5"));
  EXPECT_FALSE(prefers_openmetrics("application/openmetrics-text;q=0"));
  EXPECT_FALSE(prefers_openmetrics("application/openmetrics-text;version=2.0.0"));
  EXPECT_FALSE(prefers_openmetrics("application/openmetrics-text;q=nonsense"));
}

// The rules of the OpenMetrics text format that a reader would stumble over.
TEST(OpenMetrics, IsWellFormed) {
  Rig rig;
  fill(rig);
  const Exposition exposition = exposition_of(rig.collector, kPrometheusAccepts);
  EXPECT_EQ(exposition.content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
  ASSERT_TRUE(exposition.text.ends_with("\n# EOF\n"));
  std::istringstream lines(exposition.text);
  std::string family, type;
  std::set<std::string> families;
  size_t units = 0;
  for (std::string line; std::getline(lines, line) && line != "# EOF";) {
    std::istringstream words(line);
    std::string hash, what, name, rest;
    if (line[0] != '#') {
      const std::string sample = line.substr(0, line.find_first_of("{ "));
      if (type == "counter") {
        EXPECT_EQ(sample, family + "_total");
      }
      if (type == "gauge") {
        EXPECT_EQ(sample, family);
      }
      if (type == "histogram") {
        EXPECT_TRUE(sample == family + "_bucket" || sample == family + "_count" ||
                    sample == family + "_sum")
            << line;
      }
      continue;
    }
    words >> hash >> what >> name >> rest;
    if (what == "TYPE") {
      family = name;
      type = rest;
      EXPECT_TRUE(families.insert(family).second) << family;
      EXPECT_FALSE(type == "counter" && family.ends_with("_total")) << family;
    }
    EXPECT_EQ(name, family);
    if (what == "UNIT") {
      ++units;
      EXPECT_TRUE(family.ends_with("_" + rest)) << line;
    }
  }
  const auto made = std::count_if(catalogue().begin(), catalogue().end(), [](const auto& metric) {
    return !std::string_view(metric.name).starts_with("swaptrail_counted_");  // instead of others
  });
  EXPECT_EQ(static_cast<ptrdiff_t>(families.size()), made);
  EXPECT_GT(units, 20u);
  EXPECT_NE(exposition.text.find("cgroup=\"/odd \\\"name\\\\\""), std::string::npos);
  EXPECT_NE(exposition.text.find("le=\"1e-06\""), std::string::npos);
  EXPECT_NE(exposition.text.find("le=\"1.0\""), std::string::npos);
}

// The same numbers as in the other format, whose writer is not ours.
TEST(OpenMetrics, HasTheNumbersOfTheText) {
  Rig rig;
  fill(rig);
  const auto families = rig.collector.Collect();
  const Samples text = read_samples(prometheus::TextSerializer().Serialize(families));
  const Samples open = read_samples(openmetrics_text(families));
  EXPECT_EQ(text.size(), open.size());
  for (const auto& [series, value] : open) {
    if (series.find("le=") != std::string::npos) continue;
    ASSERT_TRUE(text.count(series)) << series;
    EXPECT_DOUBLE_EQ(text.at(series), value) << series;
  }
  const auto buckets = [](const Samples& samples) {
    std::map<std::string, std::map<double, double>> all;
    for (const auto& [series, value] : samples) {
      const size_t at = series.find("le=\"");
      if (at == std::string::npos) continue;
      all[series.substr(0, at)][std::strtod(series.c_str() + at + 4, nullptr)] = value;
    }
    return all;
  };
  EXPECT_EQ(buckets(text), buckets(open));
  EXPECT_FALSE(buckets(open).empty());
}

}  // namespace
}  // namespace swaptrail::metrics
