// The screen of `swaptrail top`, as text. Pure.
#pragma once

#include <string>
#include <vector>

#include "cli/online/output.h"
#include "cli/top/top_keys.h"

namespace swaptrail::top {

struct TopView {
  std::vector<TopRow> rows;
  absl::Duration length;   // of the window; 0: none yet
  std::string trouble;     // why the last request had no answer
  bool estimated = false;  // only some pages are followed
};

inline constexpr size_t kTopHeadLines = 4;  // above the rows

// Head and all rows, for --batch.
std::string top_table(const TopView& view, const TopState& state, const online::Style& style);

// Exactly `height` lines of at most `width` columns, from the cursor's home on.
std::string top_screen(const TopView& view, const TopState& state, const online::Style& style,
                       size_t width, size_t height);

}  // namespace swaptrail::top
