// Writes metric families as text: 0.0.4, by prometheus-cpp, and OpenMetrics 1.0, which it can't write.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"

namespace swaptrail::metrics {

inline constexpr std::string_view kTextType = "text/plain; version=0.0.4; charset=utf-8";
inline constexpr std::string_view kOpenMetricsType =
    "application/openmetrics-text; version=1.0.0; charset=utf-8";

// A counter's family has the counter's name without `_total`. Each family of the catalogue whose
// name ends with its unit has a UNIT line. No created timestamps.
std::string openmetrics_text(const std::vector<prometheus::MetricFamily>& families);

// Whether an Accept header prefers OpenMetrics to text: it names it in a version that we write
// (0.0.1, 1.0.0 or none), with a quality not below that of text/plain.
bool prefers_openmetrics(std::string_view accept);

struct Exposition {
  std::string_view content_type;
  std::string text;
};
// A scrape in the format that an Accept header asks for. Any thread.
Exposition exposition_of(const prometheus::Collectable& source, std::string_view accept);

}  // namespace swaptrail::metrics
