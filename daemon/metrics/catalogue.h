// Every metric of swaptraild: one table. The scrape and docs/METRICS.md are made from it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "daemon/attach_plan.h"

namespace swaptrail::metrics {

enum class Type : uint8_t { kCounter, kGauge, kHistogram };

struct Metric {
  std::string_view name;
  Type type;
  // Base unit, empty if it counts something else: "seconds", "bytes", "pages", "ratio".
  std::string_view unit;
  std::string_view labels;  // "area,backend", empty: none
  // At most so many series, as a formula of the words below the table in docs/METRICS.md.
  std::string_view bound;
  // Hooks of the attach plan, any one of which must be chosen: "removed|page_freed". Otherwise the
  // metric is not there at all. Empty: always there.
  std::string_view hooks;
  std::string_view help;
};

std::span<const Metric> catalogue();
// "counter", "gauge", "histogram".
std::string_view type_name(Type type);
bool is_visible(const Metric& metric, const AttachPlan& plan);
// The whole of docs/METRICS.md.
std::string catalogue_text();

}  // namespace swaptrail::metrics
