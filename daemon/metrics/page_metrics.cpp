// Metrics from the counts of pages, lifecycles and times.
#include <algorithm>
#include <utility>

#include "daemon/metrics/scrape.h"
#include "trace/decode.h"

namespace swaptrail::metrics {
namespace {

using Labels = std::vector<prometheus::ClientMetric::Label>;

// A place without a name does not count yet.
bool is_place(const Scrape& scrape, size_t area) {
  return area >= kAreas || area < scrape.sources.metric_counters.areas().named();
}
// Adds the labels that identify the area.
void add_area(const Scrape& scrape, size_t area, Labels& labels) {
  if (area >= kAreas) {
    labels.push_back({"area", area == kNoArea ? "none" : "other"});
    labels.push_back({"path", ""});
    return;
  }
  const AreaPlaces::Name& name = scrape.sources.metric_counters.areas().name(area);
  labels.push_back({"area", std::to_string(name.type)});
  labels.push_back({"path", label_text(name.path)});
}
Labels area_and_backend(const Scrape& scrape, size_t area, std::string backend) {
  Labels labels;
  add_area(scrape, area, labels);
  labels.push_back({"backend", std::move(backend)});
  return labels;
}
std::string backend_text(size_t backend) {
  return text_of(backend_name(static_cast<uint8_t>(backend)));
}
// Series that exist from the start, at 0, so that increase() sees the first event: those of areas in
// use, and of backends where a page can lie.
bool is_in_use(const Scrape& scrape, size_t area) {
  if (area >= kAreas) return false;
  const AreaPlaces::Name& name = scrape.sources.metric_counters.areas().name(area);
  return std::any_of(scrape.areas.begin(), scrape.areas.end(), [&](const recording::SwapArea& one) {
    return one.type == name.type && one.path == name.path;
  });
}
bool holds_pages(size_t backend) { return backend >= SWAPTRAIL_BACKEND_DEVICE; }

struct Freed {
  Outcome outcome;
  const char* backend;
};
constexpr Freed kFreedOutcomes[] = {{Outcome::kFreedDevice, "device"},
                                    {Outcome::kFreedZswap, "zswap"},
                                    {Outcome::kFreedZero, "zero"},
                                    {Outcome::kFreedClean, "clean"}};

uint64_t freed_pages(const MetricCounters& metric_counters, Outcome outcome, size_t area) {
  uint64_t pages = 0;
  for (size_t origin = 0; origin < kOrigins; ++origin) {
    for (size_t backend = 0; backend < kBackends; ++backend) {
      pages += metric_counters.lifecycles(static_cast<size_t>(outcome), origin, area, backend)
                   .pages.read();
    }
  }
  return pages;
}

void fill_swapped_out(const Scrape& scrape, Series& out) {
  for (size_t area = 0; area < kAreaPlaces; ++area) {
    if (!is_place(scrape, area)) continue;
    const bool in_use = is_in_use(scrape, area);
    for (const Freed& freed : kFreedOutcomes) {
      const uint64_t pages = freed_pages(scrape.sources.metric_counters, freed.outcome, area);
      if (pages == 0 && !in_use) continue;
      out.add(area_and_backend(scrape, area, freed.backend), pages);
    }
  }
}

void fill_swapped_in(const Scrape& scrape, Series& out) {
  for (size_t area = 0; area < kAreaPlaces; ++area) {
    if (!is_place(scrape, area)) continue;
    const bool in_use = is_in_use(scrape, area);
    for (size_t backend = 0; backend < kBackends; ++backend) {
      const uint64_t pages = scrape.sources.metric_counters.swapped_in_pages(area, backend);
      if (pages == 0 && !(in_use && holds_pages(backend))) continue;
      out.add(area_and_backend(scrape, area, backend_text(backend)), pages);
    }
  }
}

void fill_freed_unread(const Scrape& scrape, Series& out) {
  for (const ReturnHow how : {ReturnHow::kSlotFreed, ReturnHow::kSwapoff}) {
    out.add({{"how", text_of(return_name(how))}},
            scrape.sources.metric_counters.freed_unread_pages(how));
  }
}

void fill_failed_faults(const Scrape& scrape, Series& out) {
  for (size_t area = 0; area < kAreaPlaces; ++area) {
    if (!is_place(scrape, area)) continue;
    for (const ReturnHow how : {ReturnHow::kReadError, ReturnHow::kNoMemory}) {
      const uint64_t faults = scrape.sources.metric_counters.failed_faults(area, how);
      if (faults == 0 && !is_in_use(scrape, area)) continue;
      Labels labels;
      add_area(scrape, area, labels);
      labels.push_back({"how", text_of(return_name(how))});
      out.add(std::move(labels), faults);
    }
  }
}

void fill_stays(const Scrape& scrape, Series& out) {
  const MetricCounters& metric_counters = scrape.sources.metric_counters;
  out.add({{"change", "zswap_writeback"}}, metric_counters.stay_pages(StayChange::kZswapWriteback));
  out.add({{"change", "readahead_dropped"}},
          metric_counters.stay_pages(StayChange::kReadaheadDropped));
}

void fill_regretted(const Scrape& scrape, Series& out) {
  for (size_t origin = 0; origin < kOrigins; ++origin) {
    const uint64_t pages = scrape.sources.metric_counters.regretted_pages(origin);
    if (pages == 0 && !can_occur(scrape, origin)) continue;
    out.add({{"origin", origin_text(origin)}}, pages);
  }
}

// `Member`: of PageCount.
template <Count PageCount::*Member>
void fill_lifecycles(const Scrape& scrape, Series& out) {
  for (size_t outcome = 0; outcome < kOutcomes; ++outcome) {
    for (size_t cell = 0; cell < kOrigins * kAreaPlaces * kBackends; ++cell) {
      const size_t origin = cell / (kAreaPlaces * kBackends);
      const size_t area = cell / kBackends % kAreaPlaces, backend = cell % kBackends;
      const uint64_t count =
          (scrape.sources.metric_counters.lifecycles(outcome, origin, area, backend).*Member)
              .read();
      if (count == 0 || !is_place(scrape, area)) continue;
      Labels labels = {{"outcome", text_of(outcome_name(static_cast<Outcome>(outcome)))},
                       {"origin", origin_text(origin)}};
      add_area(scrape, area, labels);
      labels.push_back({"backend", backend_text(backend)});
      out.add(std::move(labels), count);
    }
  }
}

void fill_incomplete(const Scrape& scrape, Series& out) {
  for (size_t reason = 1; reason < static_cast<size_t>(IncompleteReason::kCount); ++reason) {
    const auto name = incomplete_reason_name(static_cast<IncompleteReason>(reason));
    out.add({{"reason", text_of(name)}}, scrape.sources.metric_counters.incomplete(reason));
  }
}

void fill_aborts(const Scrape& scrape, Series& out) {
  for (size_t reason = 0; reason < static_cast<size_t>(AbortReason::kCount); ++reason) {
    const auto name = abort_reason_name(static_cast<AbortReason>(reason));
    out.add({{"reason", text_of(name)}}, scrape.sources.metric_counters.aborts(reason));
  }
}

void fill_spans(const Scrape& scrape, Series& out) {
  for (size_t span = 0; span < kStageLatencyCount; ++span) {
    const bool device_alone = span == static_cast<size_t>(Latency::kDeviceWrite);
    for (size_t backend = 0; backend < kBackends; ++backend) {
      const TimeHistogram& times = scrape.sources.metric_counters.span(span, backend);
      const bool usual = device_alone ? backend == SWAPTRAIL_BACKEND_DEVICE : holds_pages(backend);
      if (times.is_empty() && !usual) continue;
      out.add({{"stage", text_of(latency_name(static_cast<Latency>(span)))},
               {"backend", backend_text(backend)}},
              times, kShortTimes);
    }
  }
}

void fill_fault_latency(const Scrape& scrape, Series& out) {
  for (size_t backend = 0; backend < kBackends; ++backend) {
    for (const bool major : {false, true}) {
      const TimeHistogram& times = scrape.sources.metric_counters.fault(backend, major);
      if (times.is_empty() && !holds_pages(backend)) continue;
      out.add({{"backend", backend_text(backend)}, {"major", major ? "true" : "false"}}, times,
              kShortTimes);
    }
  }
}

void fill_time_in_swap(const Scrape& scrape, Series& out) {
  for (size_t backend = 0; backend < kBackends; ++backend) {
    const TimeHistogram& times = scrape.sources.metric_counters.time_in_swap(backend);
    if (times.is_empty() && !holds_pages(backend)) continue;
    out.add({{"backend", backend_text(backend)}}, times, kLongTimes);
  }
}

// clang-format off: this is a table
constexpr Metric kPageMetrics[] = {
    // pages
    {"swaptrail_swapped_out_pages_total", kCounter, "pages", "area,path,backend", "areas x 4",
     kFromRemovals,
     "Base pages that reclaim freed after they were written to a device, taken by zswap, found zero-filled, or were in swap already (clean).",
     fill_swapped_out},
    {"swaptrail_swapped_in_pages_total", kCounter, "pages", "area,path,backend", "areas x backends",
     "swap_in", "Base pages brought back by a fault, major or not, by where they lay.",
     fill_swapped_in},
    {"swaptrail_slots_freed_unread_pages_total", kCounter, "pages", "how", "2", "slot_freed",
     "Base pages whose slot was freed before anybody read them: by their owner (slot_freed) or by swapoff.",
     fill_freed_unread},
    {"swaptrail_failed_faults_total", kCounter, "", "area,path,how", "areas x 2", "swap_in",
     "Faults that did not get their page: its content could not be read (read_error), or there was no memory for it (no_memory). It is still in swap.",
     fill_failed_faults},
    {"swaptrail_stay_changes_pages_total", kCounter, "pages", "change", "2", "swap_in",
     "Base pages that stayed in swap, but zswap moved them to the device (zswap_writeback), or they were read ahead, not used and dropped (readahead_dropped).",
     fill_stays},
    {"swaptrail_regretted_pages_total", kCounter, "pages", "origin", "origins", "swap_in",
     "Base pages swapped in again sooner than the regret time, by the origin that had pushed them out (unknown: swapped out before they were followed).",
     fill_regretted},
    {"swaptrail_unattributed_return_pages_total", kCounter, "pages", "", "1", "swap_in|slot_freed",
     "Base pages that came back, or were freed unread, whose lifecycle is not known: swapped out before the hooks were attached, or forgotten for want of room. Their cgroup is other.",
     [](const Scrape& scrape, Series& out) {
       out.add(scrape.sources.metric_counters.unattributed_pages());
     }},

    // lifecycles
    {"swaptrail_lifecycles_total", kCounter, "", "outcome,origin,area,path,backend",
     "outcomes x origins x areas x backends, those that occurred", "",
     "Lifecycles closed: swap-out attempts of one folio.", fill_lifecycles<&PageCount::lifecycles>},
    {"swaptrail_lifecycle_pages_total", kCounter, "pages", "outcome,origin,area,path,backend",
     "outcomes x origins x areas x backends, those that occurred", "",
     "Base pages of the lifecycles closed.", fill_lifecycles<&PageCount::pages>},
    {"swaptrail_incomplete_lifecycles_total", kCounter, "", "reason", "5", "",
     "Lifecycles of which something was not seen, by the reason.", fill_incomplete},
    {"swaptrail_aborts_total", kCounter, "", "reason", "10", "",
     "Lifecycles that were given up, by the reason (none: not known). The page stayed in memory, but for slot_gone: then nobody needed it any more.",
     fill_aborts},
    {"swaptrail_violations_total", kCounter, "", "", "1", "",
     "Transitions that the kernel can not make: a bug of swaptrail, of the kernel, or of the observation.",
     [](const Scrape& scrape, Series& out) {
       out.add(scrape.sources.metric_counters.violations());
     }},

    // times
    {"swaptrail_stage_latency_seconds", kHistogram, "seconds", "stage,backend", "stages x backends",
     "", "Time between two stages of a swap-out; isolated_to_removed is all of it.", fill_spans},
    {"swaptrail_fault_latency_seconds", kHistogram, "seconds", "backend,major", "backends x 2",
     "swap_in",
     "How long faults on pages in swap took, all passes together, whether or not they brought the page back; major as the kernel counts it.",
     fill_fault_latency},
    {"swaptrail_time_in_swap_seconds", kHistogram, "seconds", "backend", "backends", "swap_in",
     "Time from the freeing of a page to its fault.", fill_time_in_swap},
};
// clang-format on

}  // namespace

std::span<const Metric> page_metrics() { return kPageMetrics; }

}  // namespace swaptrail::metrics
