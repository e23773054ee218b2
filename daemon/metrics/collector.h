// A scrape: everything in the catalogue, with its current values.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "daemon/host/cgroups.h"
#include "daemon/metrics/cgroup_series.h"
#include "daemon/metrics/metric_counters.h"
#include "daemon/pipeline/slot_holders.h"
#include "daemon/pipeline/status.h"
#include "daemon/probe/attach_plan.h"
#include "daemon/store/store.h"
#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"
#include "trace/recording/contents.h"

namespace swaptrail::metrics {

// Use of the gRPC API. Counters are since the start.
struct ApiUse {
  struct Connections {
    std::string access;  // "full", "reading" or "tcp"
    uint64_t open = 0, accepted = 0, refused_full = 0, refused_user = 0;
    uint64_t closed_over_limits = 0, throttled = 0;
  };
  uint64_t watchers = 0;
  std::vector<Connections> connections;
};

// Use of the metrics by HTTP. Counters are since the start.
struct HttpUse {
  uint64_t connections = 0, accepted = 0, closed_full = 0, closed_address = 0;
  uint64_t refused_malformed = 0, refused_queue = 0, refused_passwords = 0;
  bool config_is_current = true;
};

// The sources of the numbers. All must outlive the collector, and any thread may query them.
struct Sources {
  const MetricCounters& metric_counters;
  const pipeline::StatusBoard& status_board;
  const store::Store& store;
  const host::Cgroups& cgroups;
  const probe::AttachPlan& plan;
  std::function<std::vector<recording::SwapArea>()> areas;  // those in use now: host_swap_areas()
  std::function<ApiUse()> api;                              // empty: there is no API server
  std::function<HttpUse()> http;                            // empty: all zero
  // Who holds swap now; null: not known, or not in time. Empty: nobody says.
  std::function<std::shared_ptr<const pipeline::SlotHolders>()> holders = nullptr;
  size_t most_cgroups = 100;  // of those that hold swap
  std::string revision;       // of the source; may be empty
  double start_seconds = 0;   // when the hooks were attached, since 1970
};

class Collector : public prometheus::Collectable {
 public:
  explicit Collector(Sources sources) : sources_(std::move(sources)) {}

  // One family for each metric of the catalogue that has its hook, in catalogue order; a family may
  // have no series. Any thread; one at a time, the others wait for it (a few milliseconds).
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const Sources sources_;
  mutable std::mutex mutex_;  // of the next two
  mutable LedgerCopy copy_;
  mutable CgroupSeries cgroups_;
  mutable std::atomic<uint64_t> took_ns_{0};  // the last collection
};

}  // namespace swaptrail::metrics
