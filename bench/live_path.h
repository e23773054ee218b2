// What swaptraild puts behind its rings, for benchmarks.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/counters/counters.h"
#include "daemon/host/area_watch.h"
#include "daemon/metrics/metric_counters.h"
#include "daemon/pipeline/fan_out.h"
#include "daemon/pipeline/output.h"
#include "daemon/store/store_sink.h"
#include "trace/lifecycles/reconstructor.h"
#include "trace/merger.h"

namespace swaptrail {

inline void fail(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  std::exit(1);
}

class NoNames : public report::Names {
 public:
  std::optional<uint64_t> pfn_of(uint64_t) const override { return std::nullopt; }
  std::optional<std::string_view> cgroup_path(uint64_t) const override { return std::nullopt; }
};

// What swaptraild puts behind its rings.
class Live {
 public:
  Live() {
    auto made = store::Store::create({});
    fail(made.status());
    store_ = *std::move(made);
    store_sink_.emplace(*store_);
    sinks_.emplace(
        std::vector<lifecycles::LifecycleSink*>{&output_, &*store_sink_, &counters_, &metrics_});
    lifecycles::ReconstructorOptions options;
    options.visible_kinds = lifecycles::kAllKinds;
    reconstructor_ = std::make_unique<lifecycles::Reconstructor>(options, *sinks_);
    areas_.hand_on_to(*reconstructor_);
  }
  ~Live() { close(nowhere_); }
  Live(const Live&) = delete;
  Live& operator=(const Live&) = delete;

  // In sweeps of 4,096 records.
  void run(std::span<const swaptrail_event> records) {
    for (size_t begin = 0; begin < records.size(); begin += Merger::kMostAtOnce) {
      const size_t end = std::min(records.size(), begin + Merger::kMostAtOnce);
      for (size_t at = begin; at < end; ++at) merger_.push(records[at].cpu, records[at]);
      merger_.advance(records[end - 1].time_ns, areas_);
      metrics_.settle();
    }
  }
  uint64_t stored() const { return store_->status().lifecycles; }
  uint64_t evicted() const { return store_->status().evicted; }
  const lifecycles::Reconstructor& reconstructor() const { return *reconstructor_; }

 private:
  const int nowhere_ = open("/dev/null", O_WRONLY | O_CLOEXEC);
  NoNames names_;
  pipeline::Output output_{report::PrintFormat::kNone, {}, names_, nowhere_};
  std::unique_ptr<store::Store> store_;
  std::optional<store::StoreSink> store_sink_;
  counters::Counters counters_{counters::Counters::Options{}};
  metrics::MetricCounters metrics_{metrics::MetricOptions{}};
  std::optional<pipeline::FanOut> sinks_;
  std::unique_ptr<lifecycles::Reconstructor> reconstructor_;
  host::AreaWatch areas_{{.lines = [] { return std::vector<host::SeenArea>(); },
                          .kernel = nullptr,
                          .has_changed = [] { return false; },
                          .clock_ns = [] { return uint64_t{1}; }}};
  Merger merger_;
};

}  // namespace swaptrail
