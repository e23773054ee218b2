#include "cli/offline/estimate_table.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "trace/report/json.h"
#include "trace/report/print.h"
#include "trace/utf8.h"

namespace swaptrail::offline {
namespace {

using namespace report::json;  // field() and its kin

std::string number_text(EstimateUnit unit, uint64_t number) {
  if (unit == EstimateUnit::kBytes) return size_text(number);
  if (unit == EstimateUnit::kCount) return absl::StrCat(number);
  std::string text;
  report::append_duration(number, text);
  return text;
}

std::string cell_text(const EstimateCell& cell) {
  if (!cell.known) return "-";
  if (cell.unit == EstimateUnit::kText) return printable(cell.text);
  const std::string low = number_text(cell.unit, cell.low);
  const std::string high = number_text(cell.unit, cell.high);
  return low == high ? low : absl::StrCat(low, " .. ", high);
}

void append_cell(const EstimateCell& cell, std::string& out) {
  if (!cell.known) return null(cell.key, out);
  if (cell.unit == EstimateUnit::kText) return field(cell.key, std::string_view(cell.text), out);
  append_key(cell.key, out);
  absl::StrAppend(&out, "{\"low\":", cell.low, ",\"high\":", cell.high, "}");
}

void append_sentence(std::string_view type, std::string_view of, std::string_view text,
                     std::string& out) {
  out.push_back('{');
  field("type", type, out);
  flag("estimate", true, out);
  field("of", of, out);
  field("text", text, out);
  out.append("}\n");
}

void append_json(const EstimateSection& section, std::string& out) {
  for (const EstimateRow& row : section.rows) {
    out.push_back('{');
    field("type", std::string_view("what_if"), out);
    flag("estimate", !row.recorded, out);
    field("of", section.name, out);
    for (const EstimateCell& cell : row.cells) append_cell(cell, out);
    out.append("}\n");
  }
  for (const std::string& text : section.assumptions)
    append_sentence("assumption", section.name, text, out);
  for (const std::string& text : section.not_known)
    append_sentence("not_known", section.name, text, out);
}

// The first column to the left, numbers to the right.
void append_table(const std::vector<EstimateRow>& rows, std::string& out) {
  std::vector<std::vector<std::string>> texts(1);
  for (const EstimateCell& cell : rows.front().cells) texts.front().emplace_back(cell.title);
  for (const EstimateRow& row : rows) {
    texts.emplace_back();
    for (const EstimateCell& cell : row.cells) texts.back().push_back(cell_text(cell));
  }
  std::vector<size_t> widths(texts.front().size());
  for (const auto& row : texts)
    for (size_t at = 0; at < row.size(); ++at)
      widths[at] = std::max(widths[at], utf8_size(row[at]));
  for (const auto& row : texts) {
    std::string line = "  ";
    for (size_t at = 0; at < row.size(); ++at) {
      const std::string space(widths[at] - utf8_size(row[at]), ' ');
      absl::StrAppend(&line, at == 0 ? "" : "  ", at == 0 ? row[at] : space,
                      at == 0 ? space : row[at]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    absl::StrAppend(&out, line, "\n");
  }
}

void append_list(std::string_view heading, const std::vector<std::string>& sentences,
                 std::string& out) {
  if (sentences.empty()) return;
  out.append("  ").append(heading).push_back('\n');
  for (const std::string& sentence : sentences)
    absl::StrAppend(&out, "  - ", printable(sentence), "\n");
}

}  // namespace

EstimateCell text_cell(std::string_view key, std::string_view title, std::string text) {
  return {.key = key, .title = title, .unit = EstimateUnit::kText, .text = std::move(text)};
}

EstimateCell number_cell(std::string_view key, std::string_view title, EstimateUnit unit,
                         uint64_t low, uint64_t high) {
  return {.key = key, .title = title, .unit = unit, .text = {}, .low = low, .high = high};
}

EstimateCell unknown_cell(std::string_view key, std::string_view title, EstimateUnit unit) {
  return {.key = key, .title = title, .unit = unit, .text = {}, .known = false};
}

std::string size_text(uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 1024 && unit + 1 < std::size(kUnits); ++unit) value /= 1024;
  return unit == 0 ? absl::StrCat(bytes, " B") : absl::StrFormat("%.1f %s", value, kUnits[unit]);
}

void append_section(const EstimateSection& section, report::PrintFormat format, std::string& out) {
  if (format == report::PrintFormat::kJsonl) return append_json(section, out);
  if (format != report::PrintFormat::kText) return;
  absl::StrAppend(&out, out.empty() ? "" : "\n", "ESTIMATE: ", printable(section.title), "\n");
  if (!section.rows.empty()) append_table(section.rows, out);
  append_list("Assumes", section.assumptions, out);
  append_list("Not known from this recording", section.not_known, out);
}

}  // namespace swaptrail::offline
