// What the daemon reads from /proc: counters and swap areas. Stateless; any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "trace/report/reconcile.h"

namespace swaptrail::host {

// /proc/vmstat, with the text that its names point into. Its vm events are exact: the kernel sums
// all CPUs when it is read (mm/vmstat.c all_vm_events).
struct VmstatReading {
  std::unique_ptr<const std::string> text;
  report::Vmstat values;
};
absl::StatusOr<VmstatReading> read_vmstat();

// Fills `values` from the text "name value\n"...; other lines are skipped.
void parse_vmstat(absl::string_view text, report::Vmstat& values);

// Of this process (VmRSS); 0 = it can't be read.
uint64_t resident_bytes();

// When a process began, CLOCK_MONOTONIC nanoseconds, to a clock tick of 10 ms; 0 = it can't be read.
uint64_t process_started_ns(uint32_t pid);

}  // namespace swaptrail::host
