// Puts what the pipeline yields into the memory store.
#pragma once

#include "daemon/store/store.h"
#include "trace/lifecycles/reconstructor.h"

namespace swaptrail::store {

// Pipeline thread only. The store must outlive it.
class StoreSink : public lifecycles::LifecycleSink {
 public:
  explicit StoreSink(Store& store) : store_(store) {}

  void on_lifecycle(const Lifecycle& lifecycle) override { store_.add(lifecycle); }
  void on_return(const Return& entry_return) override { store_.note_return(entry_return); }
  void on_stay(const Stay& stay) override { store_.note_stay(stay); }
  void on_violation(const Violation& violation) override { store_.note_violation(violation); }
  void on_loss(const Loss& loss) override { store_.note_loss(loss); }

 private:
  Store& store_;
};

}  // namespace swaptrail::store
