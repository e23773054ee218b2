// Checks the ordered stream against the engine's model while it is observed (--validate).
//
// Comes before the reconstructor, as the recorder does. All events of one folio in N are checked, so the
// cost is that share. Findings are reported at once: on stderr, as violations in the output, and in the
// trust rows of the summary. Pipeline thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "trace/report/reconcile.h"
#include "validate/in_step.h"
#include "validate/status.h"

namespace swaptrail::validate {

struct ValidationOptions {
  uint32_t sample = 16;  // one folio in this many
  // The current swap areas; called again when an event names an unknown one.
  std::function<std::vector<recording::SwapArea>()> areas;
  std::function<uint64_t()> clock_ns;  // for the rate of lines on stderr
};

class Validation : public EventSink, private engine::FindingSink {
 public:
  // `header` is that of a recording made now. `next` gets lifecycles and findings, and must outlive it.
  // Errors: InvalidArgument if a hook is missing without which nothing can be checked.
  static absl::StatusOr<std::unique_ptr<Validation>> create(
      const recording::RecordingHeader& header, ValidationOptions options,
      lifecycles::LifecycleSink& next);

  // As InStep.
  lifecycles::LifecycleSink& lifecycles() { return in_step_.lifecycles(); }
  void hand_on_to(lifecycles::Reconstructor& reconstructor) { in_step_.hand_on_to(reconstructor); }
  void on_event(const swaptrail_event& event, uint64_t sequence) override;
  void on_loss(const Loss& loss) override { in_step_.on_loss(loss); }
  void on_time(uint64_t now_ns) override { in_step_.on_time(now_ns); }
  void finish(uint64_t now_ns);

  const engine::LockstepCounters& counters() const { return in_step_.counters(); }
  ValidationStatus status() const;
  // Its rows in the summary.
  std::vector<report::ReconcileRow> trust_rows() const;

 private:
  Validation(const engine::LockstepOptions& lockstep, ValidationOptions options,
             lifecycles::LifecycleSink& next);
  void on_finding(const engine::Finding& finding) override;
  void learn_areas();
  void report_unlogged();

  const ValidationOptions options_;
  lifecycles::LifecycleSink& next_;
  InStep in_step_;
  uint32_t max_swapfiles_;
  uint64_t known_areas_ = 0;  // bit (1 << type)
  uint64_t second_ns_ = 0;    // the begin of the second in which ...
  uint32_t logged_ = 0;       // ... this many lines were written
  uint64_t unlogged_ = 0;     // findings since then that were not logged
};

}  // namespace swaptrail::validate
