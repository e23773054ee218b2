// How the observation stands: what the pipeline tells of itself once a second, for any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "bpf/event.h"
#include "daemon/attach_plan.h"
#include "trace/print.h"
#include "trace/reconcile.h"
#include "trace/reconstructor.h"

namespace swaptrail {

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

// How full a table of fixed room is.
struct Fill {
  uint64_t used = 0;
  uint64_t room = 0;
};

// What the lockstep validation has found so far.
struct ValidationStanding {
  uint32_t sample = 0;  // one folio in so many; 0 = validation is off
  uint64_t compared = 0;
  uint64_t agreed = 0;
  uint64_t findings = 0;
};

// One moment. Counters are since the start.
struct Standing {
  uint64_t at_ns = 0;     // monotonic
  uint64_t start_ns = 0;  // monotonic: when the last hook was attached
  swaptrail_totals totals{};
  uint64_t consumed = 0;
  StreamCounters stream;
  ReconstructorCounters reconstructor;
  std::vector<ReconcileRow> reconciliation;  // from the start until now
  std::vector<ProgramRuns> programs;
  double ring_fill = 0;           // the fullest ring at the last sweep, 0 ... 1
  Fill attempts, slots, swapped;  // the reconstructor's tables
  ValidationStanding validation;
  bool flight_recorder = false;
  uint64_t lines_left_out = 0;  // of the output: its reader was too slow
};

// Where the newest one hangs. Any thread; the lock is held for the copy of a pointer.
class StandingBoard {
 public:
  void publish(std::shared_ptr<const Standing> standing) {
    const std::lock_guard lock(mutex_);
    newest_ = std::move(standing);
  }
  // Never null: an empty one before the first.
  std::shared_ptr<const Standing> newest() const {
    const std::lock_guard lock(mutex_);
    return newest_;
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Standing> newest_ = std::make_shared<Standing>();
};

}  // namespace swaptrail
