// The numbers of a scrape against a model that counts in maps of text, from the same input.
#include "daemon/metrics/metric_counters.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>
#include <string>

#include "tests/metrics/scene.h"
#include "trace/decode.h"

namespace swaptrail::metrics {
namespace {

std::string text(std::string_view view) { return std::string(view); }
std::string label(const std::string& name, const std::string& value) {
  return name + "=\"" + value + "\"";
}

// Everything by itself, without a bound.
class Model {
 public:
  explicit Model(std::map<uint64_t, std::string> paths) : paths_(std::move(paths)) {}

  void add(const Lifecycle& life) {
    const std::string area = area_of(life.entry), origin = text(origin_name(life.last.origin));
    const std::string backend = text(backend_name(life.backend));
    const std::string labels = "{" + label("outcome", text(outcome_name(life.outcome))) + "," +
                               label("origin", origin) + "," + label("area", area) + ",path=\"\"," +
                               label("backend", backend) + "}";
    expected["swaptrail_lifecycles_total" + labels] += 1;
    expected["swaptrail_lifecycle_pages_total" + labels] += life.nr_pages;
    if (life.incomplete != IncompleteReason::kNone) {
      expected["swaptrail_incomplete_lifecycles_total{" +
               label("reason", text(incomplete_reason_name(life.incomplete))) + "}"] += 1;
    }
    if (life.outcome == Outcome::kAborted) {
      expected["swaptrail_aborts_total{" +
               label("reason", text(abort_reason_name(life.abort_reason))) + "}"] += 1;
    }
    add_stages(life, backend);
    add_freed(life, area, origin);
  }

  void add_wait(const Return& back) {
    const std::string backend = label("backend", text(backend_name(back.backend)));
    const std::string major = label("major", back.major ? "true" : "false");
    const std::string reader = label("cgroup", name_of(back.reader_cgroup));
    add_time("swaptrail_fault_latency_seconds", backend + "," + major, back.fault_ns);
    expected["swaptrail_cgroup_fault_wait_seconds_total{" + reader + "}"] +=
        static_cast<double>(back.fault_ns) / 1e9;
    expected["swaptrail_cgroup_faults_total{" + reader + "," + major + "}"] += 1;
  }

  void add(const Return& back) {
    if (back.fault_ns != 0) add_wait(back);
    if (back.how == ReturnHow::kReadError || back.how == ReturnHow::kNoMemory) {
      expected["swaptrail_failed_faults_total{" + label("area", area_of(back.entry)) +
               ",path=\"\"," + label("how", text(return_name(back.how))) + "}"] += 1;
    }
    if (back.nr_pages == 0) return;
    const auto origin =
        away_.count(back.lifecycle_id) ? away_[back.lifecycle_id].origin : "unknown";
    const auto cgroup = away_.count(back.lifecycle_id) ? away_[back.lifecycle_id].cgroup : "other";
    if (back.lifecycle_id == 0) {
      expected["swaptrail_unattributed_return_pages_total"] += back.nr_pages;
    }
    if (back.how != ReturnHow::kSwappedIn) {
      expected["swaptrail_slots_freed_unread_pages_total{" +
               label("how", text(return_name(back.how))) + "}"] += back.nr_pages;
      return;
    }
    const std::string backend = label("backend", text(backend_name(back.backend)));
    const std::string mine = "{" + label("cgroup", cgroup) + "}";
    expected["swaptrail_swapped_in_pages_total{" + label("area", area_of(back.entry)) +
             ",path=\"\"," + backend + "}"] += back.nr_pages;
    expected["swaptrail_cgroup_swapped_in_pages_total" + mine] += back.nr_pages;
    if (back.after_ns == 0) return;
    add_time("swaptrail_time_in_swap_seconds", backend, back.after_ns);
    if (back.after_ns >= 1'000'000'000) return;
    expected["swaptrail_regretted_pages_total{" + label("origin", origin) + "}"] += back.nr_pages;
    expected["swaptrail_cgroup_regretted_pages_total" + mine] += back.nr_pages;
  }

  Samples expected;
  std::map<std::string, std::vector<uint64_t>> times;  // family{labels} -> all of them

 private:
  struct Away {
    std::string origin, cgroup;
  };

  static std::string area_of(uint64_t entry) {
    if (entry == 0) return "none";
    const uint64_t type = entry >> 58;
    return type >= 32 ? "other" : std::to_string(type);
  }
  std::string name_of(uint64_t cgroup) const {
    const auto found = paths_.find(cgroup);
    return found == paths_.end() ? "other" : found->second;
  }
  void add_time(const std::string& family, const std::string& labels, uint64_t time_ns) {
    times[family + "{" + labels].push_back(time_ns);
  }
  void add_stages(const Lifecycle& life, const std::string& backend) {
    struct Pair {
      const char* name;
      Stage from, to;
    };
    for (const Pair& pair : {Pair{"isolated_to_slot", Stage::kIsolated, Stage::kSlotAllocated},
                             Pair{"slot_to_unmapped", Stage::kSlotAllocated, Stage::kUnmapped},
                             Pair{"unmapped_to_write", Stage::kUnmapped, Stage::kWriteBegin},
                             Pair{"device_write", Stage::kWriteIssued, Stage::kWriteCompleted},
                             Pair{"completed_to_removed", Stage::kWriteCompleted, Stage::kRemoved},
                             Pair{"isolated_to_removed", Stage::kIsolated, Stage::kRemoved}}) {
      const uint64_t from = life.at(pair.from), to = life.at(pair.to);
      if (from == 0 || to == 0 || to < from) continue;
      if (std::string(pair.name) == "device_write" && backend != "device") continue;
      add_time("swaptrail_stage_latency_seconds",
               label("stage", pair.name) + "," + label("backend", backend), to - from);
    }
  }
  void add_freed(const Lifecycle& life, const std::string& area, const std::string& origin) {
    const std::map<Outcome, std::string> backends = {{Outcome::kFreedDevice, "device"},
                                                     {Outcome::kFreedZswap, "zswap"},
                                                     {Outcome::kFreedZero, "zero"},
                                                     {Outcome::kFreedClean, "clean"}};
    const auto found = backends.find(life.outcome);
    if (found == backends.end()) return;
    const std::string victim = name_of(life.cgroup);
    std::string reclaimer = name_of(life.last.cgroup);
    if (life.last.cgroup == 0) reclaimer = life.last.batch_ns != 0 ? "(node)" : "other";
    expected["swaptrail_swapped_out_pages_total{" + label("area", area) + ",path=\"\"," +
             label("backend", found->second) + "}"] += life.nr_pages;
    expected["swaptrail_cgroup_swapped_out_pages_total{" + label("cgroup", victim) + "}"] +=
        life.nr_pages;
    expected["swaptrail_cgroup_reclaimed_pages_total{" + label("cgroup", reclaimer) + "," +
             label("origin", origin) + "}"] += life.nr_pages;
    const bool both = victim != "other" && reclaimer != "other";
    expected["swaptrail_reclaim_matrix_pages_total{" + label("victim", both ? victim : "other") +
             "," + label("reclaimer", both ? reclaimer : "other") + "," + label("origin", origin) +
             "}"] += life.nr_pages;
    away_[life.id] = {origin, victim};
  }

  std::map<uint64_t, std::string> paths_;
  std::map<uint64_t, Away> away_;
};

Lifecycle random_lifecycle(std::mt19937_64& random, uint64_t id,
                           const std::vector<uint64_t>& cgroups) {
  Lifecycle life;
  life.id = id;
  life.cgroup = cgroups[random() % cgroups.size()];
  life.nr_pages = random() % 5 == 0 ? 16 : 1;
  const uint64_t type = random() % 10 == 0 ? 40 : random() % 3;
  life.entry = random() % 7 == 0 ? 0 : type << 58 | (1 + random() % 100);
  life.outcome = static_cast<Outcome>(random() % static_cast<size_t>(Outcome::kCount));
  life.abort_reason = static_cast<AbortReason>(random() % static_cast<size_t>(AbortReason::kCount));
  life.incomplete =
      static_cast<IncompleteReason>(random() % static_cast<size_t>(IncompleteReason::kCount));
  life.backend = static_cast<uint8_t>(random() % SWAPTRAIL_BACKEND_END);
  life.first.origin = static_cast<uint8_t>(random() % SWAPTRAIL_ORIGIN_END);
  life.last.origin = static_cast<uint8_t>(random() % SWAPTRAIL_ORIGIN_END);
  life.last.cgroup = random() % 2 == 0 ? 0 : cgroups[random() % cgroups.size()];
  life.last.batch_ns = random() % 3;
  uint64_t time = 1'000'000'000'000;
  for (uint64_t& stage : life.stage_ns) {
    time += uint64_t{1} << random() % 38;
    if (random() % 50 == 0) time -= 1000;
    stage = random() % 8 == 0 ? 0 : time;
  }
  return life;
}

void check_times(const Model& model, const Samples& samples) {
  size_t histograms = 0;
  for (const auto& [begin, times] : model.times) {
    const size_t brace = begin.find('{');
    const std::string family = begin.substr(0, brace), labels = begin.substr(brace);
    ++histograms;
    EXPECT_EQ(value_of(samples, family + "_count" + labels + "}"), times.size());
    double sum = 0;
    for (const uint64_t time : times) sum += static_cast<double>(time) / 1e9;
    EXPECT_NEAR(value_of(samples, family + "_sum" + labels + "}"), sum, sum * 1e-9) << begin;
    size_t borders = 0;
    const std::string prefix = family + "_bucket" + labels + ",le=\"";
    for (auto at = samples.lower_bound(prefix);
         at != samples.end() && at->first.rfind(prefix, 0) == 0; ++at) {
      const double border = std::strtod(at->first.c_str() + prefix.size(), nullptr);
      const auto below = std::count_if(times.begin(), times.end(), [&](uint64_t time) {
        return std::isinf(border) || time <= static_cast<uint64_t>(std::llround(border * 1e9));
      });
      EXPECT_EQ(at->second, below) << at->first;
      ++borders;
    }
    EXPECT_EQ(borders, 26u) << begin;
  }
  EXPECT_GT(histograms, 25u);
}

TEST(MetricCounters, CountsWhatTheModelCounts) {
  Rig rig;
  std::map<uint64_t, std::string> paths;
  std::vector<uint64_t> cgroups = {0, 999'999'999};  // not known, and never found
  for (const char* name : {"a", "b", "c", "d"}) {
    cgroups.push_back(make_cgroup(rig.root, name));
    paths[cgroups.back()] = std::string("/") + name;
  }
  rig.cgroups.refresh();
  Model model(paths);
  std::mt19937_64 random(11);
  std::vector<std::pair<uint64_t, uint16_t>> away;
  for (uint64_t id = 1; id <= 20'000; ++id) {
    const Lifecycle life = random_lifecycle(random, id, cgroups);
    rig.metric_counters.on_lifecycle(life);
    model.add(life);
    if (life.outcome <= Outcome::kFreedClean) away.emplace_back(id, life.nr_pages);
    if (away.empty() || random() % 3 != 0) continue;
    const size_t which = random() % away.size();
    Return back = came_back(random() % 9 == 0 ? 0 : away[which].first);
    back.how = static_cast<ReturnHow>(random() % static_cast<size_t>(ReturnHow::kCount));
    const bool failed = back.how == ReturnHow::kReadError || back.how == ReturnHow::kNoMemory;
    back.nr_pages = away[which].second > 1 && random() % 2 == 0 ? 4 : away[which].second;
    if (failed || random() % 6 == 0) back.nr_pages = 0;  // a fault that brings nothing back
    back.reader_cgroup = cgroups[random() % cgroups.size()];
    if (back.lifecycle_id != 0) {
      away[which].second = static_cast<uint16_t>(away[which].second - back.nr_pages);
      if (away[which].second == 0) away.erase(away.begin() + static_cast<ptrdiff_t>(which));
    }
    back.entry = (random() % 3) << 58 | 5;
    back.backend = static_cast<uint8_t>(random() % SWAPTRAIL_BACKEND_END);
    back.major = random() % 2 == 0;
    back.fault_ns = random() % 5 == 0 ? 0 : uint64_t{1} << random() % 30;
    back.after_ns = random() % 5 == 0   ? 0
                    : random() % 5 == 0 ? 1'000'000'000
                                        : 1ull << random() % 45;
    rig.metric_counters.on_return(back);
    model.add(back);
  }
  const Samples samples = rig.scrape();
  for (const auto& [series, value] : model.expected) {
    ASSERT_TRUE(samples.count(series)) << series;
    EXPECT_NEAR(samples.at(series), value, value * 1e-9) << series;
  }
  // and nothing else that is not 0
  for (const auto& [series, value] : samples) {
    const bool counted =
        series.rfind("swaptrail_cgroup_", 0) == 0 || series.rfind("swaptrail_reclaim_", 0) == 0 ||
        series.rfind("swaptrail_lifecycle", 0) == 0 || series.rfind("swaptrail_swapped_", 0) == 0 ||
        series.rfind("swaptrail_regretted_", 0) == 0 || series.rfind("swaptrail_failed_", 0) == 0 ||
        series.rfind("swaptrail_aborts_", 0) == 0;
    if (counted && value != 0) {
      EXPECT_TRUE(model.expected.count(series)) << series;
    }
  }
  check_times(model, samples);
  EXPECT_EQ(value_of(samples, "swaptrail_table_used{table=\"awaited\"}"), away.size());
}

TEST(MetricCounters, AWaitIsOfWhoWaited) {
  Rig rig;
  const uint64_t owner = make_cgroup(rig.root, "owner"), reader = make_cgroup(rig.root, "reader");
  rig.cgroups.refresh();
  rig.metric_counters.on_lifecycle(freed(1, owner));
  Return back = came_back(1);
  back.reader_cgroup = reader;
  back.fault_ns = 2'000'000'000;
  back.major = true;
  rig.metric_counters.on_return(back);
  back.nr_pages = 0;  // a further mapping of it
  back.major = false;
  rig.metric_counters.on_return(back);
  back.lifecycle_id = 0;  // swapped out before we looked
  rig.metric_counters.on_return(back);
  const Samples samples = rig.scrape();
  const auto of = [&](const char* metric, const char* cgroup, const char* more = "") {
    return value_of(samples, std::string(metric) + "{cgroup=\"/" + cgroup + "\"" + more + "}");
  };
  EXPECT_EQ(of("swaptrail_cgroup_swapped_in_pages_total", "owner"), 1);
  EXPECT_EQ(of("swaptrail_cgroup_fault_wait_seconds_total", "owner"), 0);
  EXPECT_EQ(of("swaptrail_cgroup_fault_wait_seconds_total", "reader"), 6);
  EXPECT_EQ(of("swaptrail_cgroup_faults_total", "reader", ",major=\"true\""), 1);
  EXPECT_EQ(of("swaptrail_cgroup_faults_total", "reader", ",major=\"false\""), 2);
  EXPECT_EQ(sum_of(samples, "swaptrail_swapped_in_pages_total"), 1);
  EXPECT_EQ(value_of(samples, "swaptrail_unattributed_return_pages_total"), 0);
}

TEST(MetricCounters, AFailedFaultLeavesThePageInSwap) {
  Rig rig;
  rig.metric_counters.on_lifecycle(freed(1, 5));
  Return failed = came_back(1, 0);
  failed.how = ReturnHow::kReadError;
  rig.metric_counters.on_return(failed);
  rig.metric_counters.on_stay({1, 4096, 7, 3, StayChange::kReadaheadDropped});
  const Samples samples = rig.scrape();
  EXPECT_EQ(
      value_of(samples, "swaptrail_failed_faults_total{area=\"0\",path=\"\",how=\"read_error\"}"),
      1);
  EXPECT_EQ(value_of(samples, "swaptrail_table_used{table=\"awaited\"}"), 1);
  EXPECT_EQ(value_of(samples, "swaptrail_stay_changes_pages_total{change=\"readahead_dropped\"}"),
            3);
}

TEST(MetricCounters, ViolationsAndLosses) {
  Rig rig;
  rig.metric_counters.on_violation({});
  rig.metric_counters.on_loss({.from_ns = 0, .to_ns = 0, .count = 7, .cpu = 0});
  EXPECT_EQ(value_of(rig.scrape(), "swaptrail_violations_total"), 1);
  EXPECT_EQ(rig.metric_counters.losses(), 1u);
}

TEST(MetricCounters, AForgottenFolioComesBackUnattributed) {
  MetricOptions options;
  options.max_awaited = 100;
  Rig rig(options);
  const uint64_t cgroup = make_cgroup(rig.root, "a");
  rig.cgroups.refresh();
  for (uint64_t id = 1; id <= 1000; ++id) rig.metric_counters.on_lifecycle(freed(id, cgroup));
  EXPECT_EQ(rig.metric_counters.awaited(), 100u);
  for (uint64_t id = 1; id <= 1000; ++id) rig.metric_counters.on_return(came_back(id));
  const Samples samples = rig.scrape();
  EXPECT_EQ(value_of(samples, "swaptrail_unattributed_return_pages_total"), 900);
  EXPECT_EQ(value_of(samples, "swaptrail_cgroup_swapped_in_pages_total{cgroup=\"/a\"}"), 100);
  EXPECT_EQ(value_of(samples, "swaptrail_cgroup_swapped_in_pages_total{cgroup=\"other\"}"), 900);
  EXPECT_EQ(value_of(samples, "swaptrail_table_used{table=\"awaited\"}"), 0);
}

TEST(MetricCounters, KeepsNothingForReturnsThatNobodySees) {
  Rig rig;
  rig.metric_counters.set_returns_are_seen(false);
  rig.metric_counters.on_lifecycle(freed(1, 5));
  EXPECT_EQ(rig.metric_counters.awaited(), 0u);
}

}  // namespace
}  // namespace swaptrail::metrics
