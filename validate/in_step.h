// Runs the engine's lockstep beside the reconstructor: for `swaptrail validate`, `swaptrail
// simulate --validate` and `swaptraild --validate`.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/lockstep/lockstep.h"
#include "trace/lifecycles/reconstructor.h"
#include "trace/recording/contents.h"
#include "trace/report/print.h"

namespace swaptrail::validate {

// What the lockstep must know of an observation, from the header of its recording. Errors:
// InvalidArgument, with the reason, if the header shows too little or names an unknown kernel
// function.
absl::StatusOr<engine::LockstepOptions> lockstep_options(const recording::RecordingHeader& header);

// The engine's form of an area; without pages: swapped off.
engine::Area as_area(const recording::SwapArea& area);

// A finding as a violation of trace/; the rule is the engine's name for it.
Violation as_violation(const engine::Finding& finding);

// Takes the reconstructor's place in the stream, and hands events on to it. One thread.
//
//   InStep in_step(options, findings, printer);
//   Reconstructor reconstructor(..., in_step.lifecycles());
//   in_step.hand_on_to(reconstructor);
class InStep : public EventSink {
 public:
  // `next` gets at once everything that the reconstructor yields. Both sinks must outlive it.
  InStep(const engine::LockstepOptions& options, engine::FindingSink& findings,
         lifecycles::LifecycleSink& next);

  lifecycles::LifecycleSink& lifecycles() { return closed_; }
  void hand_on_to(lifecycles::Reconstructor& reconstructor) { reconstructor_ = &reconstructor; }

  // Call it before the events that follow the area.
  void on_area(const recording::SwapArea& area);

  void on_event(const swaptrail_event& event, uint64_t sequence) override;
  void on_loss(const Loss& loss) override;
  void on_time(uint64_t now_ns) override;
  // Call once, last: finishes the reconstructor too.
  void finish(uint64_t now_ns);

  const engine::LockstepCounters& counters() const { return lockstep_.counters(); }

 private:
  // Keeps the lifecycles that an event closes, and returns and stays, until the lockstep has seen the event as well.
  class Closed : public lifecycles::LifecycleSink {
   public:
    Closed(lifecycles::LifecycleSink& next, engine::Lockstep& lockstep)
        : next_(next), lockstep_(lockstep) {}
    void on_lifecycle(const Lifecycle& lifecycle) override;
    void on_return(const Return& entry_return) override;
    void on_stay(const Stay& stay) override;
    void on_violation(const Violation& violation) override { next_.on_violation(violation); }
    void on_loss(const Loss& loss) override { next_.on_loss(loss); }

    void wait() { waiting_ = true; }
    void compare();  // the items that waited; from now on at once

   private:
    using Item = std::variant<Lifecycle, Return, Stay>;
    void compare_or_keep(const Item& item);
    void compare(const Item& item);

    lifecycles::LifecycleSink& next_;
    engine::Lockstep& lockstep_;
    std::vector<Item> kept_;  // in the order in which they were reported
    bool waiting_ = false;
  };

  engine::Lockstep lockstep_;
  Closed closed_;
  lifecycles::Reconstructor* reconstructor_ = nullptr;
};

}  // namespace swaptrail::validate
