#include "daemon/metrics/collector.h"

#include <algorithm>
#include <chrono>
#include <span>
#include <string_view>
#include <utility>

#include "daemon/base/monotonic.h"
#include "daemon/metrics/catalogue.h"
#include "daemon/metrics/scrape.h"

namespace swaptrail::metrics {
namespace {

using Clock = std::chrono::steady_clock;

constexpr prometheus::MetricType kTypes[] = {prometheus::MetricType::Counter,
                                             prometheus::MetricType::Gauge,
                                             prometheus::MetricType::Histogram};

// Is it made from lifecycles, or what comes of them? With --detail=counters it would be 0 whatever happens.
bool needs_lifecycles(std::string_view name) {
  const auto has = [&](std::span<const Metric> metrics) {
    return std::ranges::any_of(metrics, [&](const Metric& metric) { return metric.name == name; });
  };
  return has(page_metrics()) || has(cgroup_metrics()) || has(holder_metrics()) ||
         name.starts_with("swaptrail_store_") || name == "swaptrail_in_flight_lifecycles" ||
         name == "swaptrail_pages_in_swap";
}

// Metrics of --validate, --record, --flight and --detail=counters exist only with those options.
bool is_asked_for(std::string_view name, const pipeline::PipelineStatus& pipeline_status) {
  if (name.starts_with("swaptrail_counted_")) return pipeline_status.counts_only;
  if (pipeline_status.counts_only && needs_lifecycles(name)) return false;
  const bool flight = name.starts_with("swaptrail_flight_");
  if (name.starts_with("swaptrail_validation_")) return pipeline_status.validation.sample != 0;
  if (flight || name.starts_with("swaptrail_recording_"))
    return pipeline_status.recording && (pipeline_status.recording->flight || !flight);
  return true;
}

bool is_wanted(const Metric& metric, const Scrape& scrape) {
  return is_asked_for(metric.name, *scrape.pipeline_status) &&
         is_visible(metric, scrape.sources.plan);
}

prometheus::MetricFamily family_of(const Metric& metric, const Scrape& scrape) {
  prometheus::MetricFamily family;
  family.name = text_of(metric.name);
  family.help = text_of(metric.help);
  family.type = kTypes[static_cast<size_t>(metric.type)];
  Series series(metric.type, family.metric);
  metric.fill(scrape, series);
  return family;
}

uint64_t ns_since(Clock::time_point begin) {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - begin).count());
}

}  // namespace

bool can_occur(const Scrape& scrape, size_t origin) {
  constexpr uint32_t kTracepoint = 1u << SWAPTRAIL_ORIGIN_NONE | 1u << SWAPTRAIL_ORIGIN_KSWAPD |
                                   1u << SWAPTRAIL_ORIGIN_DIRECT | 1u << SWAPTRAIL_ORIGIN_NODE |
                                   1u << SWAPTRAIL_ORIGIN_MEMCG | 1u << SWAPTRAIL_ORIGIN_UNKNOWN;
  const bool by_tracepoint = scrape.sources.plan.mode.mode == probe::Mode::kTracepoint;
  return by_tracepoint ? (kTracepoint >> origin & 1) != 0 : origin != SWAPTRAIL_ORIGIN_MEMCG;
}

void Series::add(Labels labels, double value) {
  prometheus::ClientMetric one;
  one.label = std::move(labels);
  (type_ == Type::kCounter ? one.counter.value : one.gauge.value) = value;
  out_.push_back(std::move(one));
}

void Series::add(Labels labels, const TimeHistogram& histogram, const BucketBounds& bounds) {
  prometheus::ClientMetric one;
  one.label = std::move(labels);
  one.histogram.bucket.reserve(kSteps);
  uint64_t count = 0;
  for (size_t step = 0; step < kSteps; ++step) {
    count += histogram.bucket(step);
    one.histogram.bucket.push_back({count, static_cast<double>(bounds.border_ns(step)) / 1e9});
  }
  count += histogram.bucket(kSteps);
  one.histogram.sample_count = count;
  one.histogram.sample_sum = static_cast<double>(histogram.sum_ns()) / 1e9;
  out_.push_back(std::move(one));
}

void Series::add(Labels labels, const swaptrail_counted& counts) {
  prometheus::ClientMetric one;
  one.label = std::move(labels);
  uint64_t count = 0;
  // the place of a time is its bit width; from half a microsecond on
  for (size_t place = 0; place + 1 < SWAPTRAIL_COUNTED_TIMES; ++place) {
    count += counts.times[place];
    const uint64_t border_ns = (uint64_t{1} << place) - 1;
    if (border_ns >= 500)
      one.histogram.bucket.push_back({count, static_cast<double>(border_ns) / 1e9});
  }
  count += counts.times[SWAPTRAIL_COUNTED_TIMES - 1];
  one.histogram.sample_count = count;
  one.histogram.sample_sum = static_cast<double>(counts.wait_ns) / 1e9;
  out_.push_back(std::move(one));
}

std::vector<prometheus::MetricFamily> Collector::Collect() const {
  const Clock::time_point begin = Clock::now();
  const std::lock_guard lock(mutex_);
  sources_.metric_counters.ledger().copy(copy_);
  cgroups_.update(copy_, sources_.cgroups);
  const Scrape scrape{
      .sources = sources_,
      .cgroups = cgroups_,
      .pipeline_status = sources_.status_board.newest(),
      .sweep_age_seconds =
          static_cast<double>(sources_.status_board.sweep_age_ns(base::monotonic_ns())) / 1e9,
      .store = sources_.store.status(),
      .areas = sources_.areas(),
      .api = sources_.api ? sources_.api() : ApiUse(),
      .holders = sources_.holders ? sources_.holders() : nullptr,
      .http = sources_.http ? sources_.http() : HttpUse(),
      .process = own_process(),
      .previous_seconds = static_cast<double>(took_ns_.load()) / 1e9};
  std::vector<prometheus::MetricFamily> families;
  for (const Metric& metric : catalogue()) {
    if (is_wanted(metric, scrape)) families.push_back(family_of(metric, scrape));
  }
  took_ns_.store(ns_since(begin));
  return families;
}

}  // namespace swaptrail::metrics
