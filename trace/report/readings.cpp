#include "trace/report/readings.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

namespace swaptrail::report {
namespace {

using Moment = recording::Reading::Moment;

// Values that a reading keeps by name, in place of vmstat's.
template <typename Values>
struct Named {
  const char* name;
  uint64_t Values::*value;
};
constexpr Named<StreamCounters> kStreamNames[] = {
    {"swaptrail_skipped_runs", &StreamCounters::skipped_runs},
    {"swaptrail_invalid_records", &StreamCounters::invalid},
    {"swaptrail_late_events", &StreamCounters::late},
    {"swaptrail_merger_overflow", &StreamCounters::overflow},
    {"swaptrail_events_after_end", &StreamCounters::after_end},
};

constexpr Named<UsedSlots> kUsedSlotNames[] = {
    {"swaptrail_used_slots", &UsedSlots::pages},
    {"swaptrail_slot_changes", &UsedSlots::changes},
    {"swaptrail_slots_in_reserve", &UsedSlots::reserve},
};

template <typename Values, size_t kSize>
void put_named(const Named<Values> (&names)[kSize], const Values& values,
               recording::Reading& reading) {
  for (const Named<Values>& one : names) reading.vmstat.emplace_back(one.name, values.*one.value);
}

// How many of them the reading has.
template <typename Values, size_t kSize>
size_t take_named(const Named<Values> (&names)[kSize], const recording::Reading& reading,
                  Values& values) {
  size_t found = 0;
  for (const auto& [name, value] : reading.vmstat) {
    for (const Named<Values>& one : names) {
      if (name != one.name) continue;
      values.*one.value = value;
      ++found;
    }
  }
  return found;
}

const recording::Reading* first_of(const std::vector<recording::Reading>& readings, Moment moment) {
  const auto found =
      std::find_if(readings.begin(), readings.end(),
                   [&](const recording::Reading& reading) { return reading.moment == moment; });
  return found == readings.end() ? nullptr : &*found;
}

const recording::Reading* last_of(const std::vector<recording::Reading>& readings, Moment moment) {
  const auto found =
      std::find_if(readings.rbegin(), readings.rend(),
                   [&](const recording::Reading& reading) { return reading.moment == moment; });
  return found == readings.rend() ? nullptr : &*found;
}

template <size_t kSize>
void subtract(const __u64 (&before)[kSize], __u64 (&sum)[kSize]) {
  for (size_t index = 0; index < kSize; ++index) sum[index] -= before[index];
}

Vmstat vmstat_of(const recording::Reading& reading) {
  Vmstat values;
  for (const auto& [name, value] : reading.vmstat) values[name] = value;
  return values;
}

std::optional<UsedSlots> used_slots_of(const recording::Reading& reading) {
  UsedSlots used;
  const bool all = take_named(kUsedSlotNames, reading, used) == std::size(kUsedSlotNames);
  return all ? std::optional(used) : std::nullopt;
}

// Adds to the amount by which a counter may have moved while it was read.
void widen(std::string_view counter, uint64_t pages, recording::Reading& reading) {
  const std::string name = read_width_name(counter);
  const auto width = std::ranges::find(
      reading.vmstat, name, [](const auto& value) { return std::string_view(value.first); });
  if (width == reading.vmstat.end()) {
    reading.vmstat.emplace_back(name, pages);
  } else {
    width->second += pages;
  }
}

ReconcileRow freed_row(const lifecycles::ReconstructorCounters& counters) {
  ReconcileRow row;
  row.counter = "freed";
  row.kernel_delta = static_cast<int64_t>(counters.freed_pages);
  row.ours = static_cast<int64_t>(counters.returned_pages + counters.away_pages +
                                  counters.superseded_pages);
  row.difference = row.ours - row.kernel_delta;
  row.note = "pages freed = returned + away + superseded";
  return row;
}

// A slot that was in use before we looked is known only as part of a number, until it is met or freed.
// The slot of a refused allocation is freed as well (mm/swapfile.c folio_alloc_swap), so some that are
// subtracted as older may be none: no more than were refused.
ReconcileRow slots_row(const UsedSlots& first, const UsedSlots& now, uint64_t refused,
                       const lifecycles::ReconstructorCounters& counters) {
  const uint64_t gone = std::min(first.pages, counters.older_slots);
  ReconcileRow row;
  row.counter = "slots";
  row.kernel_delta = static_cast<int64_t>(now.pages);
  row.ours = static_cast<int64_t>(counters.used_slots + first.pages - gone);
  row.difference = row.ours - row.kernel_delta;
  row.note = "slots in use = seen to be taken + from before, less those freed";
  // What changed between the readings and the counters.
  const auto late = static_cast<int64_t>(now.changes - counters.slot_changes);
  row.allowance = first.changes + static_cast<uint64_t>(std::abs(late)) + now.reserve +
                  std::min(gone, refused) + counters.slots_full;
  row.is_level = true;
  return row;
}

}  // namespace

bool sees_way_back(uint64_t visible_kinds) {
  const uint64_t needed =
      lifecycles::kind_bit(SWAPTRAIL_SWAP_IN) | lifecycles::kind_bit(SWAPTRAIL_SLOT_FREED);
  return (visible_kinds & needed) == needed;
}

std::vector<ReconcileRow> reconcile_readings(const std::vector<recording::Reading>& readings,
                                             uint64_t visible_kinds) {
  const recording::Reading* begin = first_of(readings, Moment::kBegin);
  const recording::Reading* end = last_of(readings, Moment::kEnd);
  const recording::Reading* last = last_of(readings, Moment::kLast);
  if (begin == nullptr || end == nullptr || last == nullptr) return {};
  ReconcileInput input;
  input.visible_kinds = visible_kinds;
  input.consumed = last->consumed;
  input.skipped_runs = stream_counters_of(readings).skipped_runs;
  input.totals = end->totals;
  subtract(begin->totals.pages, input.totals.pages);
  subtract(begin->totals.failed_pages, input.totals.failed_pages);
  subtract(begin->totals.backend_pages, input.totals.backend_pages);
  std::copy(std::begin(last->totals.emitted), std::end(last->totals.emitted), input.totals.emitted);
  std::copy(std::begin(last->totals.dropped), std::end(last->totals.dropped), input.totals.dropped);
  return reconcile(input, vmstat_of(*begin), vmstat_of(*end));
}

void add_balance(const std::vector<recording::Reading>& readings,
                 const lifecycles::ReconstructorCounters& counters, uint64_t visible_kinds,
                 std::vector<ReconcileRow>& rows) {
  if (!sees_way_back(visible_kinds)) return;
  rows.push_back(freed_row(counters));
  // Linux 7.3 counts only reads that succeed (mm/page_io.c), others all that begin.
  for (ReconcileRow& row : rows)
    if (row.counter == "pswpin") row.allowance += counters.read_errors;
  const recording::Reading* begin = first_of(readings, Moment::kBegin);
  const recording::Reading* end = last_of(readings, Moment::kEnd);
  if (begin == nullptr || end == nullptr) return;
  const auto first = used_slots_of(*begin), now = used_slots_of(*end);
  const uint64_t refused = end->totals.failed_pages[SWAPTRAIL_SLOT_ALLOCATED];
  if (!first || !now) return;
  rows.push_back(slots_row(*first, *now, refused, counters));
  rows.back().allowance += stream_counters_of(readings).skipped_runs;
}

void put_used_slots(const UsedSlots& used, recording::Reading& reading) {
  put_named(kUsedSlotNames, used, reading);
}

uint64_t slot_changes(const swaptrail_totals& totals) {
  return totals.pages[SWAPTRAIL_SLOT_ALLOCATED] + totals.pages[SWAPTRAIL_SLOT_FREED];
}

StreamCounters stream_counters_of(const std::vector<recording::Reading>& readings) {
  StreamCounters counters;
  const recording::Reading* last = last_of(readings, Moment::kLast);
  if (last == nullptr) return counters;
  counters.dropped_ring_full = last->totals.dropped[SWAPTRAIL_DROP_RING_FULL];
  counters.dropped_no_ring = last->totals.dropped[SWAPTRAIL_DROP_NO_RING];
  counters.context_full = last->totals.context_full;
  take_named(kStreamNames, *last, counters);
  return counters;
}

void put_read_widths(const swaptrail_totals& before, recording::Reading& reading) {
  const auto first = reconciled_totals(before), second = reconciled_totals(reading.totals);
  for (size_t at = 0; at < first.size(); ++at) {
    // signed: reads less the loads of zswap can go back for a moment
    const auto moved = static_cast<int64_t>(second[at].second - first[at].second);
    if (moved != 0) widen(first[at].first, static_cast<uint64_t>(std::abs(moved)), reading);
  }
}

void put_in_flight(const swaptrail_totals& earlier, uint32_t cpus, recording::Reading& reading) {
  const auto first = reconciled_totals(earlier), second = reconciled_totals(reading.totals);
  for (size_t at = 0; at < first.size(); ++at) {
    if (second[at].second != first[at].second) widen(first[at].first, cpus, reading);
  }
}

void put_stream_counters(const StreamCounters& counters, recording::Reading& last) {
  put_named(kStreamNames, counters, last);
}

}  // namespace swaptrail::report
