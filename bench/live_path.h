// What swaptraild puts behind its rings, and records for it: shared by live_bench, memory_bench, scale_bench and work.
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
#include <utility>
#include <vector>

#include "daemon/counters/counters.h"
#include "daemon/host/area_watch.h"
#include "daemon/metrics/metric_counters.h"
#include "daemon/pipeline/fan_out.h"
#include "daemon/pipeline/output.h"
#include "daemon/store/store_sink.h"
#include "engine/machine/simulation.h"
#include "trace/ledger/ledger.h"
#include "trace/lifecycles/reconstructor.h"
#include "trace/merger.h"
#include "trace/readahead/readahead_use.h"

namespace swaptrail {

inline void fail(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  std::exit(1);
}

using Records = std::vector<swaptrail_event>;

class Keep : public engine::EventOutput, public EventSink {
 public:
  void on_event(const swaptrail_event& event, uint64_t) override { records.push_back(event); }
  void on_loss(const Loss&) override {}
  Records records;
};

// Of the model: a process on a device. 400,000 accesses to 65,536 pages make 2.1 million records.
inline Records made(engine::Device device, uint64_t pages = 65536, uint64_t accesses = 400'000) {
  engine::SimulationOptions options;
  options.features = *engine::features_named("6.12");
  options.cpus = 4;
  options.limit_pages = pages / 4;
  options.max_events = ~uint64_t{0};
  options.workload = engine::single_process(engine::Pattern::kHotCold, pages, accesses, 50, 7);
  engine::SimulatedArea area;
  area.area.pages = 4 * pages;
  area.device = device;
  options.areas.push_back(area);
  Keep keep;
  fail(engine::simulate(options, keep).status());
  return std::move(keep.records);
}

// Folios that left memory, and pages that came back.
inline uint64_t moved_pages(const Records& records) {
  uint64_t pages = 0;
  for (const swaptrail_event& event : records) {
    if (event.kind == SWAPTRAIL_REMOVED && event.result == 1) pages += event.nr_pages;
    if (event.kind == SWAPTRAIL_SWAP_IN && event.u.map.ptes != SWAPTRAIL_NOT_COUNTED)
      pages += event.u.map.ptes;
  }
  return pages;
}

class NoNames : public report::Names {
 public:
  std::optional<uint64_t> pfn_of(uint64_t) const override { return std::nullopt; }
  std::optional<std::string_view> cgroup_path(uint64_t) const override { return std::nullopt; }
};

// Swap areas -> readahead -> ledger -> lifecycles -> output, store, counters and metrics, as swaptraild --print=none connects them.
class Live {
 public:
  // `more` gets the lifecycles after all others; may be null.
  explicit Live(lifecycles::LifecycleSink* more = nullptr) {
    auto made = store::Store::create({});
    fail(made.status());
    store_ = *std::move(made);
    store_sink_.emplace(*store_);
    std::vector<lifecycles::LifecycleSink*> sinks{&output_, &*store_sink_, &counters_, &metrics_};
    if (more != nullptr) sinks.push_back(more);
    sinks_.emplace(std::move(sinks));
    lifecycles::ReconstructorOptions options;
    options.visible_kinds = lifecycles::kAllKinds;
    reconstructor_ = std::make_unique<lifecycles::Reconstructor>(options, *sinks_);
    ledger_.hand_on_to(*reconstructor_);
    readahead_.hand_on_to(ledger_);
    areas_.hand_on_to(readahead_);
  }
  ~Live() { close(nowhere_); }
  Live(const Live&) = delete;
  Live& operator=(const Live&) = delete;

  // After a sweep of the rings: passes on what the merger has until then.
  void advance(uint64_t complete_until_ns, Merger& merger) {
    merger.advance(complete_until_ns, areas_);
    metrics_.settle();
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
  ledger::Ledger ledger_{{}};
  readahead::ReadaheadUse readahead_{{}};
  host::AreaWatch areas_{{.lines = [] { return std::vector<host::SeenArea>(); },
                          .kernel = nullptr,
                          .has_changed = [] { return false; },
                          .clock_ns = [] { return uint64_t{1}; }}};
};

// In sweeps of 4,096 records.
inline void run(std::span<const swaptrail_event> records, Merger& merger, Live& live) {
  for (size_t begin = 0; begin < records.size(); begin += Merger::kMostAtOnce) {
    const size_t end = std::min(records.size(), begin + Merger::kMostAtOnce);
    for (size_t at = begin; at < end; ++at) merger.push(records[at].cpu, records[at]);
    live.advance(records[end - 1].time_ns, merger);
  }
}

}  // namespace swaptrail
