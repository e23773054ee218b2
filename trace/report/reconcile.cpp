#include "trace/report/reconcile.h"

#include <algorithm>
#include <numeric>

#include "trace/lifecycles/reconstructor.h"

namespace swaptrail::report {
namespace {

uint64_t pages(const ReconcileInput& input, int kind) { return input.totals.pages[kind]; }

// One row: a kernel counter (two, if `also` exists), and our count for it.
struct Check {
  std::string_view counter;
  std::string_view also;  // added if the kernel has it
  uint64_t kinds;         // the hooks that must all be attached
  uint64_t (*ours)(const ReconcileInput&);
  std::string_view note;
};

constexpr Check kChecks[] = {
    // mm/page_io.c: count_swpout_vm_event, called by __swap_writepage: device writes only.
    {"pswpout", "", lifecycles::kind_bit(SWAPTRAIL_WRITE_ISSUED),
     [](const ReconcileInput& input) { return pages(input, SWAPTRAIL_WRITE_ISSUED); },
     "pages given to a swap device"},
    // mm/page_io.c: swap_zeromap_folio_set, Linux 6.12 and later.
    // Also needs the begin of the write: without it (tracepoint mode) a zero-filled page can't be
    // recognised.
    {"swpout_zero", "",
     lifecycles::kind_bit(SWAPTRAIL_WRITE_BEGIN) | lifecycles::kind_bit(SWAPTRAIL_WRITE_END),
     [](const ReconcileInput& input) {
       return uint64_t{input.totals.backend_pages[SWAPTRAIL_BACKEND_ZERO]};
     },
     "zero-filled pages, no I/O"},
    // mm/zswap.c: zswap_store.
    {"zswpout", "", lifecycles::kind_bit(SWAPTRAIL_ZSWAP_STORED),
     [](const ReconcileInput& input) { return pages(input, SWAPTRAIL_ZSWAP_STORED); },
     "pages stored in zswap"},
    // mm/page_io.c: swap_read_folio: every page that is filled, except those that zswap had.
    {"pswpin", "swpin_zero", lifecycles::kind_bit(SWAPTRAIL_SWAP_READ),
     [](const ReconcileInput& input) {
       return pages(input, SWAPTRAIL_SWAP_READ) - pages(input, SWAPTRAIL_ZSWAP_LOADED);
     },
     "pages read from a device, or zero-filled"},
    // mm/zswap.c: zswap_load.
    {"zswpin", "", lifecycles::kind_bit(SWAPTRAIL_ZSWAP_LOADED),
     [](const ReconcileInput& input) { return pages(input, SWAPTRAIL_ZSWAP_LOADED); },
     "pages loaded from zswap"},
};

bool delta(const Vmstat& before, const Vmstat& after, std::string_view counter, int64_t& value) {
  const auto first = before.find(counter);
  const auto last = after.find(counter);
  if (first == before.end() || last == after.end()) return false;
  value = static_cast<int64_t>(last->second - first->second);
  return true;
}

ReconcileRow make_row(std::string_view counter, int64_t kernel_delta, uint64_t ours,
                      std::string_view note) {
  const int64_t counted = static_cast<int64_t>(ours);
  return {counter, kernel_delta, counted, counted - kernel_delta, note};
}

uint64_t read_width(std::string_view counter, const Vmstat& reading) {
  const auto found = reading.find(read_width_name(counter));
  return found == reading.end() ? 0 : found->second;
}

// The usual number of base pages in a record of these kinds, rounded up.
uint64_t usual_pages(const Check& check, const ReconcileInput& input) {
  uint64_t pages = 0, records = 0;
  for (int kind = 0; kind < SWAPTRAIL_KIND_END; ++kind) {
    if ((check.kinds & lifecycles::kind_bit(kind)) == 0) continue;
    pages += input.totals.pages[kind];
    records += input.totals.emitted[kind];
  }
  return records == 0 ? 1 : std::max<uint64_t>(1, (pages + records - 1) / records);
}

// pswpin can't be separated from zswpin if zswap has loads that we do not see.
bool is_blind_to_zswap(const Check& check, const ReconcileInput& input, const Vmstat& before,
                       const Vmstat& after) {
  if (check.counter != "pswpin" ||
      (input.visible_kinds & lifecycles::kind_bit(SWAPTRAIL_ZSWAP_LOADED))) {
    return false;
  }
  int64_t loaded = 0;
  return delta(before, after, "zswpin", loaded) && loaded != 0;
}

}  // namespace

std::vector<ReconcileRow> reconcile(const ReconcileInput& input, const Vmstat& before,
                                    const Vmstat& after) {
  std::vector<ReconcileRow> rows;
  for (const Check& check : kChecks) {
    int64_t kernel = 0;
    if ((input.visible_kinds & check.kinds) != check.kinds) continue;
    if (!delta(before, after, check.counter, kernel)) continue;
    if (is_blind_to_zswap(check, input, before, after)) continue;
    int64_t more = 0;
    if (!check.also.empty() && delta(before, after, check.also, more)) kernel += more;
    rows.push_back(make_row(check.counter, kernel, check.ours(input), check.note));
    rows.back().allowance = read_width(check.counter, before) + read_width(check.counter, after) +
                            input.skipped_runs * usual_pages(check, input);
  }
  const auto& totals = input.totals;
  const uint64_t emitted =
      std::accumulate(std::begin(totals.emitted), std::end(totals.emitted), uint64_t{0});
  const uint64_t dropped =
      std::accumulate(std::begin(totals.dropped), std::end(totals.dropped), uint64_t{0});
  rows.push_back(make_row("emitted", static_cast<int64_t>(emitted), input.consumed + dropped,
                          "records made = consumed + dropped"));
  return rows;
}

std::string read_width_name(std::string_view counter) {
  return "swaptrail_read_width_" + std::string(counter);
}

std::vector<std::pair<std::string_view, uint64_t>> reconciled_totals(
    const swaptrail_totals& totals) {
  ReconcileInput input;
  input.totals = totals;
  std::vector<std::pair<std::string_view, uint64_t>> result;
  for (const Check& check : kChecks) result.emplace_back(check.counter, check.ours(input));
  return result;
}

void add_totals(const swaptrail_totals& other, swaptrail_totals& sum) {
  const auto add = [](const auto& from, auto& to) {
    for (size_t index = 0; index < std::size(to); ++index) to[index] += from[index];
  };
  add(other.emitted, sum.emitted);
  add(other.pages, sum.pages);
  add(other.failed_pages, sum.failed_pages);
  add(other.backend_pages, sum.backend_pages);
  add(other.dropped, sum.dropped);
  sum.context_full += other.context_full;
}

}  // namespace swaptrail::report
