#include "trace/closing.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <string>

namespace swaptrail {
namespace {

using Moment = Reading::Moment;

struct NamedCounter {
  const char* name;
  uint64_t StreamCounters::*value;
};
constexpr NamedCounter kNamed[] = {
    {"swaptrail_skipped_runs", &StreamCounters::skipped_runs},
    {"swaptrail_invalid_records", &StreamCounters::invalid},
    {"swaptrail_late_events", &StreamCounters::late},
    {"swaptrail_merger_overflow", &StreamCounters::overflow},
    {"swaptrail_events_after_end", &StreamCounters::after_end},
};

const Reading* first_of(const std::vector<Reading>& readings, Moment moment) {
  const auto found = std::find_if(readings.begin(), readings.end(),
                                  [&](const Reading& reading) { return reading.moment == moment; });
  return found == readings.end() ? nullptr : &*found;
}

const Reading* last_of(const std::vector<Reading>& readings, Moment moment) {
  const auto found = std::find_if(readings.rbegin(), readings.rend(),
                                  [&](const Reading& reading) { return reading.moment == moment; });
  return found == readings.rend() ? nullptr : &*found;
}

template <size_t kSize>
void subtract(const __u64 (&before)[kSize], __u64 (&sum)[kSize]) {
  for (size_t index = 0; index < kSize; ++index) sum[index] -= before[index];
}

Vmstat vmstat_of(const Reading& reading) {
  Vmstat values;
  for (const auto& [name, value] : reading.vmstat) values[name] = value;
  return values;
}

}  // namespace

std::vector<ReconcileRow> reconcile_readings(const std::vector<Reading>& readings,
                                             uint64_t visible_kinds) {
  const Reading* begin = first_of(readings, Moment::kBegin);
  const Reading* end = last_of(readings, Moment::kEnd);
  const Reading* last = last_of(readings, Moment::kLast);
  if (begin == nullptr || end == nullptr || last == nullptr) return {};
  ReconcileInput input;
  input.visible_kinds = visible_kinds;
  input.consumed = last->consumed;
  input.totals = end->totals;
  subtract(begin->totals.pages, input.totals.pages);
  subtract(begin->totals.failed_pages, input.totals.failed_pages);
  subtract(begin->totals.backend_pages, input.totals.backend_pages);
  std::copy(std::begin(last->totals.emitted), std::end(last->totals.emitted), input.totals.emitted);
  std::copy(std::begin(last->totals.dropped), std::end(last->totals.dropped), input.totals.dropped);
  return reconcile(input, vmstat_of(*begin), vmstat_of(*end));
}

void add_balance(const ReconstructorCounters& counters, uint64_t visible_kinds,
                 std::vector<ReconcileRow>& rows) {
  const uint64_t needed = kind_bit(SWAPTRAIL_SWAP_IN) | kind_bit(SWAPTRAIL_SLOT_FREED);
  if ((visible_kinds & needed) != needed) return;
  ReconcileRow row;
  row.counter = "freed";
  row.kernel_delta = static_cast<int64_t>(counters.freed_pages);
  row.ours = static_cast<int64_t>(counters.returned_pages + counters.away_pages +
                                  counters.superseded_pages);
  row.difference = row.ours - row.kernel_delta;
  row.note = "pages freed = returned + away + superseded";
  rows.push_back(row);
}

StreamCounters stream_counters_of(const std::vector<Reading>& readings) {
  StreamCounters counters;
  const Reading* last = last_of(readings, Moment::kLast);
  if (last == nullptr) return counters;
  counters.dropped_ring_full = last->totals.dropped[SWAPTRAIL_DROP_RING_FULL];
  counters.dropped_no_ring = last->totals.dropped[SWAPTRAIL_DROP_NO_RING];
  counters.context_full = last->totals.context_full;
  for (const auto& [name, value] : last->vmstat) {
    for (const NamedCounter& known : kNamed)
      if (name == known.name) counters.*known.value = value;
  }
  return counters;
}

void put_read_widths(const swaptrail_totals& before, Reading& reading) {
  const auto first = reconciled_totals(before), second = reconciled_totals(reading.totals);
  for (size_t at = 0; at < first.size(); ++at) {
    // signed: what is read less what zswap loaded can go back for a moment
    const auto moved = static_cast<int64_t>(second[at].second - first[at].second);
    if (moved == 0) continue;
    reading.vmstat.emplace_back(read_width_name(first[at].first), std::abs(moved));
  }
}

void put_stream_counters(const StreamCounters& counters, Reading& last) {
  for (const NamedCounter& known : kNamed)
    last.vmstat.emplace_back(known.name, counters.*known.value);
}

}  // namespace swaptrail
