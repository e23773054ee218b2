// Rows of the reconciliation, found by their counter.
#pragma once

#include <algorithm>
#include <string_view>
#include <vector>

#include "trace/report/reconcile.h"

namespace swaptrail {

// Null: there is none.
inline const report::ReconcileRow* row_of(const std::vector<report::ReconcileRow>& rows,
                                          std::string_view counter) {
  const auto found = std::ranges::find(rows, counter, &report::ReconcileRow::counter);
  return found == rows.end() ? nullptr : &*found;
}

}  // namespace swaptrail
