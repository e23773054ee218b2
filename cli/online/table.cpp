#include "cli/online/table.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "trace/utf8.h"

namespace swaptrail::online {
namespace {

constexpr const char* kGap = "  ";

void append_cell(const Column& column, const std::string& text, bool last, std::string& out) {
  const size_t size = utf8_size(text);
  const std::string padding(column.width - std::min(column.width, size), ' ');
  if (column.align == Align::kRight) out += padding;
  out += text;
  if (last) return;
  if (column.align == Align::kLeft) out += padding;
  out += kGap;
}

}  // namespace

std::string Table::header(const Style& style) const {
  std::vector<std::string> names;
  for (const Column& column : columns_) names.push_back(column.name);
  std::string text = line(std::move(names));
  text.pop_back();
  return style.bold(text) + "\n";
}

std::string Table::line(std::vector<std::string> cells) const {
  std::string out;
  for (size_t index = 0; index < columns_.size(); ++index)
    append_cell(columns_[index], printable(cells[index]), index + 1 == columns_.size(), out);
  out.erase(out.find_last_not_of(' ') + 1);
  return out + "\n";
}

std::string Table::text(const Style& style) const {
  if (rows_.empty()) return "";
  Table fitted(columns_);
  for (size_t index = 0; index < columns_.size(); ++index) {
    size_t& width = fitted.columns_[index].width;
    width = std::max(width, columns_[index].name.size());
    for (const auto& row : rows_) width = std::max(width, utf8_size(printable(row[index])));
  }
  std::string out = fitted.header(style);
  for (const auto& row : rows_) out += fitted.line(row);
  return out;
}

void append_row(const char* name, const std::string& text, std::string& out) {
  absl::StrAppend(&out, absl::StrFormat("  %-12s ", name), printable(text), "\n");
}

}  // namespace swaptrail::online
