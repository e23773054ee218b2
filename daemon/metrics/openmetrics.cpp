#include "daemon/metrics/openmetrics.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "daemon/metrics/catalogue.h"
#include "prometheus/text_serializer.h"
#include "trace/text.h"

namespace swaptrail::metrics {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

void append_number(double value, std::string& out) {
  if (std::isnan(value)) {
    out += "NaN";
  } else if (std::isinf(value)) {
    out += value < 0 ? "-Inf" : "+Inf";
  } else {
    char text[32];
    out.append(text, std::to_chars(text, text + sizeof(text), value).ptr);
  }
}

// The text of a border is a float, even if it is whole: "1.0".
void append_border(double value, std::string& out) {
  const size_t begin = out.size();
  append_number(value, out);
  if (out.find_first_of(".eI", begin) == std::string::npos) out += ".0";
}

void append_escaped(std::string_view text, std::string& out) {
  for (const char letter : text) {
    if (letter == '\n') {
      out += "\\n";
      continue;
    }
    if (letter == '\\' || letter == '"') out += '\\';
    out += letter;
  }
}

// {a="b",c="d"}, or nothing if there is no label; `border` is the value of `le`.
void append_labels(const ClientMetric& metric, const std::string* border, std::string& out) {
  if (metric.label.empty() && border == nullptr) return;
  char before = '{';
  for (const ClientMetric::Label& label : metric.label) {
    absl::StrAppend(&out, std::string(1, before), label.name, "=\"");
    append_escaped(label.value, out);
    out += '"';
    before = ',';
  }
  if (border != nullptr) absl::StrAppend(&out, std::string(1, before), "le=\"", *border, "\"");
  out += '}';
}

void append_sample(std::string_view name, std::string_view suffix, const ClientMetric& metric,
                   double value, std::string& out, const std::string* border = nullptr) {
  out += name;
  out += suffix;
  append_labels(metric, border, out);
  out += ' ';
  append_number(value, out);
  out += '\n';
}

void append_histogram(std::string_view name, const ClientMetric& metric, std::string& out) {
  for (const ClientMetric::Bucket& bucket : metric.histogram.bucket) {
    std::string border;
    append_border(bucket.upper_bound, border);
    append_sample(name, "_bucket", metric, static_cast<double>(bucket.cumulative_count), out,
                  &border);
  }
  const std::string endless = "+Inf";
  const auto count = static_cast<double>(metric.histogram.sample_count);
  append_sample(name, "_bucket", metric, count, out, &endless);
  append_sample(name, "_count", metric, count, out);
  append_sample(name, "_sum", metric, metric.histogram.sample_sum, out);
}

std::string_view unit_of(const std::string& metric) {
  static const auto kUnits = [] {
    absl::flat_hash_map<std::string_view, std::string_view> units;
    for (const Metric& one : catalogue()) units.emplace(one.name, one.unit);
    return units;
  }();
  const auto found = kUnits.find(metric);
  return found == kUnits.end() ? std::string_view() : found->second;
}

void append_family(const MetricFamily& family, std::string& out) {
  const bool counter = family.type == MetricType::Counter;
  const bool histogram = family.type == MetricType::Histogram;
  std::string_view name = family.name;
  if (counter && name.ends_with("_total")) name.remove_suffix(6);
  const auto begin = [&](std::string_view what) {
    out += what;
    out += name;
    out += ' ';
  };
  begin("# TYPE ");
  out += counter ? "counter\n" : histogram ? "histogram\n" : "gauge\n";
  const std::string_view unit = unit_of(family.name);
  if (!unit.empty() && name.ends_with(unit) && name.size() > unit.size()) {
    begin("# UNIT ");
    out += unit;
    out += '\n';
  }
  begin("# HELP ");
  append_escaped(family.help, out);
  out += '\n';
  for (const ClientMetric& metric : family.metric) {
    if (histogram) {
      append_histogram(name, metric, out);
    } else if (counter) {
      append_sample(name, "_total", metric, metric.counter.value, out);
    } else {
      append_sample(name, "", metric, metric.gauge.value, out);
    }
  }
}

// One part of an Accept header: "type/subtype; version=1.0.0; q=0.5".
struct Accepted {
  absl::string_view type;
  absl::string_view version;
  double quality = 1;
};

Accepted accepted_of(absl::string_view part) {
  Accepted accepted;
  for (const absl::string_view word : absl::StrSplit(part, ';')) {
    const absl::string_view text = absl::StripAsciiWhitespace(word);
    if (accepted.type.empty()) {
      accepted.type = text;
    } else if (absl::StartsWith(text, "version=")) {
      accepted.version = text.substr(8);
    } else if (absl::StartsWith(text, "q=") &&
               !absl::SimpleAtod(text.substr(2), &accepted.quality)) {
      accepted.quality = 0;
    }
  }
  return accepted;
}

}  // namespace

std::string openmetrics_text(const std::vector<MetricFamily>& families) {
  std::string out;
  for (const MetricFamily& family : families) append_family(family, out);
  return out += "# EOF\n";
}

bool prefers_openmetrics(std::string_view accept) {
  double openmetrics = 0, text = 0;
  for (const absl::string_view part : absl::StrSplit(absl_view(accept), ',')) {
    const Accepted accepted = accepted_of(part);
    const bool version_is_ours =
        accepted.version.empty() || accepted.version == "1.0.0" || accepted.version == "0.0.1";
    if (accepted.type == "application/openmetrics-text" && version_is_ours) {
      openmetrics = std::max(openmetrics, accepted.quality);
    } else if (accepted.type == "text/plain") {
      text = std::max(text, accepted.quality);
    }
  }
  return openmetrics > 0 && openmetrics >= text;
}

Exposition exposition_of(const prometheus::Collectable& source, std::string_view accept) {
  const std::vector<MetricFamily> families = source.Collect();
  if (prefers_openmetrics(accept)) return {kOpenMetricsType, openmetrics_text(families)};
  return {kTextType, prometheus::TextSerializer().Serialize(families)};
}

}  // namespace swaptrail::metrics
