#include "daemon/pipeline/counted_text.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "trace/decode.h"
#include "trace/utf8.h"

namespace swaptrail::pipeline {
namespace {

constexpr size_t kRowsShown = 20;

std::string cgroup_name(const capture::CountedRow& row, const report::Names& names) {
  if (row.beyond) return "(all others)";
  const auto path = names.cgroup_path(row.key.cgroup);
  return path ? printable(*path) : absl::StrCat("cgroup ", row.key.cgroup);
}

void append_line(const capture::CountedRow& row, const report::Names& names, std::string& out) {
  const swaptrail_counted& counts = row.counts;
  std::string mean = "-";
  if (counts.operations != 0) {
    mean.clear();
    report::append_duration(counts.wait_ns / counts.operations, mean);
  }
  absl::StrAppendFormat(
      &out, "  %-4s %-14s %-8s %12d %12d %8d %10s  %s\n", capture::way_name(row.key.way),
      row.beyond ? std::string_view("-") : origin_name(row.key.origin),
      row.beyond ? std::string_view("-") : backend_name(row.key.backend), counts.pages,
      counts.operations, counts.failed, mean, cgroup_name(row, names));
}

}  // namespace

void append_counted(const std::vector<capture::CountedRow>& counted, const report::Names& names,
                    std::string& out) {
  uint64_t pages[SWAPTRAIL_WAYS] = {};
  for (const capture::CountedRow& row : counted)
    pages[row.key.way % SWAPTRAIL_WAYS] += row.counts.pages;
  absl::StrAppendFormat(&out, "%d pages out, %d pages in\n", pages[SWAPTRAIL_WAY_OUT],
                        pages[SWAPTRAIL_WAY_IN]);
  if (counted.empty()) return;
  absl::StrAppendFormat(&out, "\n  %-4s %-14s %-8s %12s %12s %8s %10s  %s\n", "way", "origin",
                        "backend", "pages", "operations", "failed", "mean", "cgroup");
  size_t shown[SWAPTRAIL_WAYS] = {};
  for (const capture::CountedRow& row : counted)
    if (row.beyond || ++shown[row.key.way % SWAPTRAIL_WAYS] <= kRowsShown)
      append_line(row, names, out);
  for (const uint8_t way : {SWAPTRAIL_WAY_OUT, SWAPTRAIL_WAY_IN})
    if (shown[way] > kRowsShown)
      absl::StrAppendFormat(&out, "  %-4s and %d rows more\n", capture::way_name(way),
                            shown[way] - kRowsShown);
}

}  // namespace swaptrail::pipeline
