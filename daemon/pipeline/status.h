// The state of the observation: the pipeline publishes it once a second, for any thread.
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
#include "daemon/capture/event_source.h"
#include "daemon/record/recording_status.h"
#include "trace/check.h"
#include "trace/lifecycles/reconstructor.h"
#include "trace/report/print.h"
#include "trace/report/reconcile.h"
#include "validate/status.h"

namespace swaptrail::pipeline {

// How full a table of fixed size is.
struct Fill {
  uint64_t used = 0;
  uint64_t room = 0;
};

// How large a part of the pages leaves records, and why. Totals are exact whatever it is.
struct Sampling {
  uint32_t one_in = 1;     // now
  uint32_t asked = 1;      // --sample
  uint32_t cpu_limit = 0;  // percent of one CPU; 0: none
  uint64_t changes = 0;    // by the limit, since the start
  uint64_t since_ns = 0;   // monotonic: the last change; 0: none
  double cpu = 0;          // percent of one CPU that swaptraild used lately
  bool ever() const { return one_in != 1 || changes != 0; }
};

// One moment. Counters are since the start.
struct PipelineStatus {
  uint64_t at_ns = 0;     // monotonic
  uint64_t start_ns = 0;  // monotonic: when the last hook was attached
  swaptrail_totals totals{};
  uint64_t consumed = 0;
  report::StreamCounters stream;
  lifecycles::ReconstructorCounters reconstructor;
  std::vector<report::ReconcileRow> reconciliation;  // from the start until now
  std::vector<capture::ProgramRuns> programs;
  uint64_t slots_found = 0;                  // by an inventory: ledger::LedgerCounters
  bool counts_only = false;                  // --detail=counters
  std::vector<capture::CountedRow> counted;  // with it: see EventSource::counted()
  Sampling sampling;
  double ring_fill = 0;           // the fullest ring at the last sweep, 0 ... 1
  Fill attempts, slots, swapped;  // the reconstructor's tables
  validate::ValidationStatus validation;
  std::optional<record::RecordingStatus> recording;  // absent: nothing is recorded
  uint64_t lines_left_out = 0;                       // of the output: its reader was too slow
};

// Holds the newest status, and when the rings were last read. Any thread; the lock is held only to copy a
// pointer.
class StatusBoard {
 public:
  void publish(std::shared_ptr<const PipelineStatus> pipeline_status) {
    SWAPTRAIL_CHECK(pipeline_status != nullptr);
    const std::lock_guard lock(mutex_);
    newest_ = std::move(pipeline_status);
  }
  // Never null: an empty one before the first.
  std::shared_ptr<const PipelineStatus> newest() const {
    const std::lock_guard lock(mutex_);
    return newest_;
  }

  // For the pipeline, after each sweep. Monotonic, like all times here.
  void note_sweep(uint64_t now_ns) { swept_ns_.store(now_ns, std::memory_order_relaxed); }
  // How long ago the rings were last read; 0 before the first sweep.
  uint64_t sweep_age_ns(uint64_t now_ns) const {
    const uint64_t swept_ns = swept_ns_.load(std::memory_order_relaxed);
    return swept_ns == 0 || swept_ns > now_ns ? 0 : now_ns - swept_ns;
  }

 private:
  std::atomic<uint64_t> swept_ns_{0};
  mutable std::mutex mutex_;
  std::shared_ptr<const PipelineStatus> newest_ = std::make_shared<PipelineStatus>();
};

}  // namespace swaptrail::pipeline
