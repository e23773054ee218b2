// Every metric of swaptraild: one row with its description and the function that fills its series. The scrape and
// docs/METRICS.md are made from the rows.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "daemon/probe/attach_plan.h"

namespace swaptrail::metrics {

enum class Type : uint8_t { kCounter, kGauge, kHistogram };

struct Scrape;
class Series;
// Adds the series of one metric for this scrape (scrape.h).
using FillSeries = void (*)(const Scrape& scrape, Series& out);

struct Metric {
  std::string_view name;
  Type type;
  // Base unit, empty if it counts something else: "seconds", "bytes", "pages", "ratio".
  std::string_view unit;
  std::string_view labels;  // "area,backend", empty: none
  // The most series, as a formula of the words below the table in docs/METRICS.md.
  std::string_view bound;
  // Hooks of the attach plan, any one of which must be chosen: "removed
  // page_freed". If none is, the metric does not exist. Empty: it always exists.
  std::string_view hooks;
  std::string_view help;
  FillSeries fill;
};

// The rows of four files, by subject.
std::span<const Metric> page_metrics();    // the counters of pages, lifecycles and times
std::span<const Metric> cgroup_metrics();  // series by cgroup
std::span<const Metric> holder_metrics();  // who holds swap
std::span<const Metric> status_metrics();  // everything else

// All of them, in this order.
std::span<const Metric> catalogue();
// "counter", "gauge", "histogram".
std::string_view type_name(Type type);
bool is_visible(const Metric& metric, const probe::AttachPlan& plan);
// The whole of docs/METRICS.md.
std::string catalogue_text();

}  // namespace swaptrail::metrics
