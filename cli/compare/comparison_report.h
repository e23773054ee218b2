// What a comparison of generations says: a table, JSON lines, or a page of HTML that needs nothing else.
#pragma once

#include <cstdint>
#include <string>

#include "engine/generations/comparison.h"

namespace swaptrail::compare {

// What was compared, for the heads of reports.
struct ComparisonSubject {
  std::string workload;  // a name, or a file
  uint64_t frames = 0;
  uint64_t page_cluster = 0;
  uint64_t seed = 0;
};

std::string comparison_text(const ComparisonSubject& subject, const engine::Comparison& comparison);

// An object for each generation, and one for the optimum; all counters by their names.
std::string comparison_jsonl(const ComparisonSubject& subject,
                             const engine::Comparison& comparison);

// Self-contained: styles, scripts and numbers are in it. Readable in light and dark. What is in it of the workload's name can be
// anything.
std::string comparison_html(const ComparisonSubject& subject, const engine::Comparison& comparison);

}  // namespace swaptrail::compare
