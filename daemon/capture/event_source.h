// What the pipeline takes from the kernel: records in order of their rings, totals, the kernel's own counters.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bpf/event.h"
#include "daemon/base/monotonic.h"
#include "daemon/capture/counted.h"
#include "daemon/host/proc.h"
#include "daemon/probe/attach_plan.h"
#include "trace/lifecycle.h"
#include "trace/merger.h"

namespace swaptrail::capture {

// A BPF program that is attached. Runs and time are those of the kernel's own statistics
// (sysctl kernel.bpf_stats_enabled, or BPF_ENABLE_STATS held by swaptraild); 0 while they are off.
struct ProgramRuns {
  std::string hook;     // of the attach plan
  std::string program;  // its name
  std::string target;   // the kernel function or tracepoint
  uint64_t runs = 0;
  uint64_t run_ns = 0;
  uint64_t skipped = 0;  // runs that the kernel left out (recursion_misses)
};

// A running observation. Used by the one pipeline thread only.
class EventSource {
 public:
  struct Counters {
    uint64_t consumed = 0;  // events of records taken out of the rings
    uint64_t invalid = 0;   // of these, not an event of this ABI: not passed on
  };

  virtual ~EventSource() = default;

  // Takes from each ring as much as the merger has room for, and pushes it there. Returns the time up to which every
  // event is now in the merger (the watermark; CLOCK_MONOTONIC ns): see sweeper.h.
  virtual uint64_t sweep(Merger& merger) = 0;
  // Whether the last sweep took everything that the ring of that CPU held when the sweep began.
  virtual bool emptied(uint32_t cpu) const = 0;
  // How full the fullest ring was at the last sweep, 0 ... 1.
  virtual double fill() const = 0;

  // Exact totals of each CPU. Attempts that are not in the rings yet are the difference between
  // emitted and consumed + dropped. Errors: Internal.
  virtual absl::StatusOr<std::vector<swaptrail_totals>> totals_by_cpu() const = 0;
  // Their sum.
  absl::StatusOr<swaptrail_totals> totals() const;

  // With --detail=counters what was counted since the start: by way, the busiest first, and what is beyond last;
  // otherwise nothing. Errors: Internal.
  virtual absl::StatusOr<std::vector<CountedRow>> counted() const = 0;

  // Runs that the kernel skipped since the start, as far as it reports them.
  virtual uint64_t skipped_runs() const = 0;
  // Those since the previous call (or the start), as a loss that ends now. Call it after a sweep,
  // and report the loss before the merger advances: then it is passed on before any event that
  // follows a skipped run, and may be wrong because of it. Nothing if there were none.
  virtual std::optional<Loss> newly_skipped() = 0;
  // For each program that was attached: what the kernel counted. Runs and time only if statistics
  // were asked for, or if the host has them on anyway.
  virtual std::vector<ProgramRuns> program_runs() const = 0;

  // The kernel's own counts: /proc/vmstat, and the text of /proc/swaps. Errors: of read_file().
  virtual absl::StatusOr<host::VmstatReading> vmstat() const = 0;
  virtual absl::StatusOr<std::string> swaps() const = 0;

  // From now on one page in 1 << shift leaves records; 15 at most. Errors: FailedPrecondition (the programs were not loaded for
  // that, or can't do it in this mode), Internal.
  virtual absl::Status set_sample_shift(uint32_t shift) = 0;

  // Detaches all programs; the rings keep what they hold until the next sweep.
  virtual void detach() = 0;

  virtual const probe::AttachPlan& plan() const = 0;
  virtual const Counters& counters() const = 0;
  // When the last hook was attached, CLOCK_MONOTONIC ns.
  virtual uint64_t start_ns() const = 0;
  virtual uint32_t cpus() const = 0;
};

}  // namespace swaptrail::capture
