// The trust number: our exact totals compared with the kernel's own counters.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "bpf/event.h"

namespace swaptrail::report {

// /proc/vmstat, name -> value.
using Vmstat = absl::flat_hash_map<std::string_view, uint64_t>;

struct ReconcileRow {
  std::string_view counter;  // static storage
  int64_t kernel_delta = 0;  // after - before, in base pages (or records)
  int64_t ours = 0;
  int64_t difference = 0;  // ours - kernel_delta
  std::string_view note;   // static storage
  // How much they may differ without an error, in the same unit: what moved while the two were read,
  // or what one of them can't show.
  uint64_t allowance = 0;
  bool is_level = false;  // a current number, which can fall; not growth since the start
};

// The name in Vmstat of the amount by which a counter moved while the totals and /proc/vmstat were
// read, in base pages (trace/report/readings.h put_read_widths).
std::string read_width_name(std::string_view counter);

struct ReconcileInput {
  swaptrail_totals totals{};   // of all CPUs, over the time between the two vmstat readings
  uint64_t consumed = 0;       // records received over the same time
  uint64_t skipped_runs = 0;   // of our programs, by the kernel: their pages are not counted
  uint64_t visible_kinds = 0;  // bit (1 << kind): the kind is hooked
};

// One row for each kernel counter that exists on this kernel and whose hook is attached, and
// "emitted" last: kernel_delta = records attempted in BPF, ours = consumed + dropped.
// The kernel sums the vm events of all CPUs when /proc/vmstat is read (mm/vmstat.c all_vm_events), so
// they are exact. The row's allowance is what moved between the two readings of the totals around it,
// plus a folio of the usual size for each skipped run.
std::vector<ReconcileRow> reconcile(const ReconcileInput& input, const Vmstat& before,
                                    const Vmstat& after);

// Which part of these totals belongs to each kernel counter of reconcile(), except "emitted": by
// name.
std::vector<std::pair<std::string_view, uint64_t>> reconciled_totals(
    const swaptrail_totals& totals);

// Adds `other` to `sum`, field by field: per-CPU totals into one.
void add_totals(const swaptrail_totals& other, swaptrail_totals& sum);

}  // namespace swaptrail::report
