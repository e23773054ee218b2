// The readings of an observation, into what its report says beside the lifecycles.
#ifndef SWAPTRAIL_TRACE_CLOSING_H_
#define SWAPTRAIL_TRACE_CLOSING_H_

#include <cstdint>
#include <vector>

#include "trace/print.h"
#include "trace/reconcile.h"
#include "trace/recording/contents.h"

namespace swaptrail {

// The trust number: page counts between the readings kBegin and kEnd, but records made, consumed and
// dropped of the whole, from kLast. Empty if one of the three is missing. Of several of one moment
// (parts of one observation) the first begin and the last end count.
std::vector<ReconcileRow> reconcile_readings(const std::vector<Reading>& readings,
                                             uint64_t visible_kinds);

// Adds a row of what was counted twice here: pages that were freed, as `kernel_delta`, and those that
// have returned, are away or were superseded, as `ours`. Only where returns and freed slots are seen.
void add_balance(const ReconstructorCounters& counters, uint64_t visible_kinds,
                 std::vector<ReconcileRow>& rows);

// What the totals of kLast tell, and what put_stream_counters() has put there; 0 without it.
StreamCounters stream_counters_of(const std::vector<Reading>& readings);

// How far the totals moved from `before` to those of `reading`, whose /proc/vmstat was read between
// them: kept with it, for the allowances of the rows. Nothing if they did not move.
void put_read_widths(const swaptrail_totals& before, Reading& reading);

// Adds what totals cannot tell to a reading kLast, as named values in place of vmstat's.
void put_stream_counters(const StreamCounters& counters, Reading& last);

}  // namespace swaptrail

#endif  // SWAPTRAIL_TRACE_CLOSING_H_
