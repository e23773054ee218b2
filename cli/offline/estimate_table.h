// Tables of estimates: what they are called, their rows, and what they rest on; as text and as JSON lines.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "trace/report/printer.h"

namespace swaptrail::offline {

enum class EstimateUnit : uint8_t { kText, kCount, kBytes, kNs };

// One value: a text, or a number that lies between two.
struct EstimateCell {
  std::string_view key;    // in JSON
  std::string_view title;  // in the table
  EstimateUnit unit = EstimateUnit::kCount;
  std::string text;
  uint64_t low = 0, high = 0;
  bool known = true;  // if not: "-", null
};
EstimateCell text_cell(std::string_view key, std::string_view title, std::string text);
EstimateCell number_cell(std::string_view key, std::string_view title, EstimateUnit unit,
                         uint64_t low, uint64_t high);
EstimateCell unknown_cell(std::string_view key, std::string_view title, EstimateUnit unit);

struct EstimateRow {
  bool recorded = false;  // as it was: no estimate
  std::vector<EstimateCell> cells;
};

// All rows of a section have the same columns.
struct EstimateSection {
  std::string_view name;  // in JSON
  std::string title;
  std::vector<EstimateRow> rows;
  std::vector<std::string> assumptions;  // a sentence each, as the next one
  std::vector<std::string> not_known;
};

// Appends the section, headed as an estimate. JSON: a line of type "what_if" for each row, then one of type "assumption"
// or "not_known" for each sentence; every line says of which section, and whether it is an estimate.
void append_section(const EstimateSection& section, report::PrintFormat format, std::string& out);

// "64.0 MiB".
std::string size_text(uint64_t bytes);

}  // namespace swaptrail::offline
