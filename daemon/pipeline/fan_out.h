// One stream of lifecycles, for several.
#pragma once

#include <utility>
#include <vector>

#include "trace/lifecycles/reconstructor.h"

namespace swaptrail::pipeline {

// Hands everything to each, in their order. They must outlive it. Costs a virtual call each.
class FanOut : public lifecycles::LifecycleSink {
 public:
  explicit FanOut(std::vector<lifecycles::LifecycleSink*> sinks) : sinks_(std::move(sinks)) {}

  void on_lifecycle(const Lifecycle& lifecycle) override {
    for (lifecycles::LifecycleSink* sink : sinks_) sink->on_lifecycle(lifecycle);
  }
  void on_return(const Return& entry_return) override {
    for (lifecycles::LifecycleSink* sink : sinks_) sink->on_return(entry_return);
  }
  void on_stay(const Stay& stay) override {
    for (lifecycles::LifecycleSink* sink : sinks_) sink->on_stay(stay);
  }
  void on_violation(const Violation& violation) override {
    for (lifecycles::LifecycleSink* sink : sinks_) sink->on_violation(violation);
  }
  void on_loss(const Loss& loss) override {
    for (lifecycles::LifecycleSink* sink : sinks_) sink->on_loss(loss);
  }

 private:
  std::vector<lifecycles::LifecycleSink*> sinks_;
};

}  // namespace swaptrail::pipeline
