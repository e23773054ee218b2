// Text in columns.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "cli/online/output.h"

namespace swaptrail::online {

enum class Align : uint8_t { kLeft, kRight };

struct Column {
  std::string name;
  Align align = Align::kLeft;
  size_t width = 0;  // at least
};

// Rows may be added and printed one by one, or all at once. Only a cell that is wider than its
// column then shifts the rest of its line. Cells are made printable.
class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // As many cells as columns.
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  size_t rows() const { return rows_.size(); }

  std::string header(const Style& style) const;
  std::string line(std::vector<std::string> cells) const;
  // Header and rows, columns as wide as their widest cell; nothing if there are no rows.
  std::string text(const Style& style) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// "  NAME  TEXT", as rows of facts about one thing; an empty name goes on with the one before.
void append_row(const char* name, const std::string& text, std::string& out);

}  // namespace swaptrail::online
