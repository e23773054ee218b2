// How the observation stands: what the pipeline tells of itself once a second, for any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bpf/event.h"
#include "daemon/attach_plan.h"
#include "daemon/recording_standing.h"
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
  std::optional<RecordingStanding> recording;  // absent: nothing is recorded
  uint64_t lines_left_out = 0;                 // of the output: its reader was too slow
};

// An observation whose rings were not read for so long is none: what happens meanwhile may find no room.
inline constexpr uint64_t kSweepIsLate_ns = 10'000'000'000;

// Where the newest one hangs, and when the rings were last read. Any thread; the lock is held for the copy
// of a pointer.
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

  // The pipeline's, after each sweep. Monotonic, as all times here.
  void note_sweep(uint64_t now_ns) { swept_ns_.store(now_ns, std::memory_order_relaxed); }
  // How long ago the rings were last read; 0 before the first sweep.
  uint64_t sweep_age_ns(uint64_t now_ns) const {
    const uint64_t swept_ns = swept_ns_.load(std::memory_order_relaxed);
    return swept_ns == 0 || swept_ns > now_ns ? 0 : now_ns - swept_ns;
  }

 private:
  std::atomic<uint64_t> swept_ns_{0};
  mutable std::mutex mutex_;
  std::shared_ptr<const Standing> newest_ = std::make_shared<Standing>();
};

}  // namespace swaptrail
