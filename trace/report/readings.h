// Turns the readings of an observation into the rows of its report.
#pragma once

#include <cstdint>
#include <vector>

#include "trace/recording/contents.h"
#include "trace/report/print.h"
#include "trace/report/reconcile.h"

namespace swaptrail::report {

// Whether the hooks that see returning pages and freed slots are attached: bits of kind_bit().
bool sees_way_back(uint64_t visible_kinds);

// The trust number: page counts between the readings kBegin and kEnd, but records made, consumed and
// dropped over the whole, from kLast. Empty if one of the three is missing. If there are several of
// one moment (parts of one observation), the first begin and the last end count.
std::vector<ReconcileRow> reconcile_readings(const std::vector<recording::Reading>& readings,
                                             uint64_t visible_kinds);

// Adds the rows that check the reconstructor's own counters, only if returns and freed slots are seen.
// `freed`: `kernel_delta` has the pages that were freed, `ours` those that have returned, are away or were
// superseded. `slots`, if the first reading kBegin and the last kEnd have used slots: the number that the
// kernel has, and the number that is known.
void add_balance(const std::vector<recording::Reading>& readings,
                 const lifecycles::ReconstructorCounters& counters, uint64_t visible_kinds,
                 std::vector<ReconcileRow>& rows);

// Used slots of all swap areas, in base pages, as the kernel has them.
struct UsedSlots {
  uint64_t pages = 0;
  // Allocated or freed until then, by the totals. Read after `pages`, so that nothing is left out.
  uint64_t changes = 0;
  // At most this many of these pages are in reserve for the CPUs, and hold nothing.
  uint64_t reserve = 0;
};
void put_used_slots(const UsedSlots& used, recording::Reading& reading);
// Base pages of slots allocated and freed.
uint64_t slot_changes(const swaptrail_totals& totals);

// What the totals of kLast show, and what put_stream_counters() has put there; 0 without kLast.
StreamCounters stream_counters_of(const std::vector<recording::Reading>& readings);

// Stores in `reading` how far the totals moved from `before` to its own, as its /proc/vmstat was
// read between them: for the allowances of the rows. Nothing if they did not move.
void put_read_widths(const swaptrail_totals& before, recording::Reading& reading);

// Widens by a page for each CPU what has moved since `earlier`, a moment ago: a hook and the kernel's own
// counting are not one step, and the reading may fall between them.
void put_in_flight(const swaptrail_totals& earlier, uint32_t cpus, recording::Reading& reading);

// Adds what totals cannot show to a reading kLast, as named values in place of vmstat's.
void put_stream_counters(const StreamCounters& counters, recording::Reading& last);

}  // namespace swaptrail::report
