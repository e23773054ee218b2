// What the tests of the metrics share: a tree of directories for cgroups, everything that a collector
// looks at, and a reader of the text format that has nothing in common with its writers.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "daemon/metrics/collector.h"
#include "daemon/metrics/metric_counters.h"
#include "daemon/metrics/openmetrics.h"
#include "daemon/probe/hook_catalogue.h"
#include "tests/scene/folder.h"

namespace swaptrail::metrics {

inline probe::AttachPlan plan_of(probe::Mode mode) {
  probe::AttachPlan plan;
  plan.mode.mode = mode;
  plan.release = "6.1.0-test";
  for (const probe::Hook& hook : probe::hooks_of(mode)) {
    probe::HookPlan one;
    one.hook = std::string(hook.name);
    one.state = probe::HookState::kChosen;
    one.target.target = "target_of_" + one.hook;
    plan.hooks.push_back(one);
  }
  return plan;
}

// "name{a="b"}" with the labels as they stand -> value.
using Samples = std::map<std::string, double>;

inline Samples read_samples(const std::string& text) {
  Samples samples;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line[0] == '#') continue;
    const size_t blank = line.rfind(' ');
    const bool added =
        samples.emplace(line.substr(0, blank), std::strtod(line.c_str() + blank, nullptr)).second;
    EXPECT_TRUE(added) << "twice: " << line;
  }
  return samples;
}

inline double sum_of(const Samples& samples, const std::string& name) {
  double sum = 0;
  for (const auto& [series, value] : samples) {
    if (series == name || series.rfind(name + "{", 0) == 0) sum += value;
  }
  return sum;
}

// The value of a series; 0 if there is none.
inline double value_of(const Samples& samples, const std::string& series) {
  const auto found = samples.find(series);
  return found == samples.end() ? 0 : found->second;
}

struct Rig {
  explicit Rig(const MetricOptions& options = {}, probe::Mode mode = probe::Mode::kFull)
      : metric_counters(options), plan(plan_of(mode)) {}

  Samples scrape() const { return read_samples(text()); }
  std::string text() const { return exposition_of(collector, "").text; }

  Folder root;
  host::Cgroups cgroups{root.path()};
  MetricCounters metric_counters;
  pipeline::StatusBoard status_board;
  std::unique_ptr<store::Store> store = *store::Store::create({});
  probe::AttachPlan plan;
  std::vector<recording::SwapArea> areas;
  std::shared_ptr<pipeline::SlotHolders> holders;  // null: they are not known
  Collector collector{
      Sources{.metric_counters = metric_counters,
              .status_board = status_board,
              .store = *store,
              .cgroups = cgroups,
              .plan = plan,
              .areas = [this] { return areas; },
              .api =
                  [] {
                    return ApiUse{7, {{"full", 1, 2, 3, 4, 5, 6}, {"tcp", 0, 0, 0, 0, 0, 0}}};
                  },
              .http = [] { return HttpUse{1, 2, 3, 4, 5, 6, 7, false}; },
              .holders = [this] { return holders; },
              .most_cgroups = 2,
              .revision = "abc",
              .start_seconds = 1'700'000'000.5}};
};

inline Lifecycle freed(uint64_t id, uint64_t cgroup, uint16_t pages = 1) {
  Lifecycle life;
  life.id = id;
  life.cgroup = cgroup;
  life.nr_pages = pages;
  life.entry = 4096;
  life.outcome = Outcome::kFreedDevice;
  life.backend = SWAPTRAIL_BACKEND_DEVICE;
  life.last.origin = SWAPTRAIL_ORIGIN_KSWAPD;
  life.last.batch_ns = 1;
  return life;
}

inline Return came_back(uint64_t id, uint16_t pages = 1) {
  Return back;
  back.lifecycle_id = id;
  back.entry = 4096;
  back.nr_pages = pages;
  back.backend = SWAPTRAIL_BACKEND_DEVICE;
  return back;
}

}  // namespace swaptrail::metrics
