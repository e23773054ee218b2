// Rows of the reconciliation, found by their counter.
#ifndef SWAPTRAIL_TESTS_UNIT_RECONCILE_ROWS_H_
#define SWAPTRAIL_TESTS_UNIT_RECONCILE_ROWS_H_

#include <algorithm>
#include <string_view>
#include <vector>

#include "trace/reconcile.h"

namespace swaptrail {

// Null: there is none.
inline const ReconcileRow* row_of(const std::vector<ReconcileRow>& rows, std::string_view counter) {
  const auto found = std::ranges::find(rows, counter, &ReconcileRow::counter);
  return found == rows.end() ? nullptr : &*found;
}

}  // namespace swaptrail

#endif  // SWAPTRAIL_TESTS_UNIT_RECONCILE_ROWS_H_
