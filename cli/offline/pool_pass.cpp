#include "cli/offline/pool_pass.h"

#include <algorithm>

namespace swaptrail::offline {
namespace {

class Pools : public EventSink, public lifecycles::LifecycleSink {
 public:
  Pools(const lifecycles::ReconstructorOptions& options, const std::vector<uint64_t>& rooms)
      : pools_(rooms.begin(), rooms.end()), reconstructor_(options, *this) {}

  void on_event(const swaptrail_event& event, uint64_t sequence) override {
    last_ns_ = std::max<uint64_t>(last_ns_, event.time_ns);
    for (engine::RefusingPool& pool : pools_) pool.on_event(event);
    reconstructor_.on_event(event, sequence);
  }
  void on_time(uint64_t now_ns) override { reconstructor_.on_time(now_ns); }
  // Of both the stream and the reconstructor, which hands on the same.
  void on_loss(const Loss& loss) override {
    if (handing_on_) return;
    handing_on_ = true;
    reconstructor_.on_loss(loss);
    handing_on_ = false;
    for (engine::RefusingPool& pool : pools_) pool.on_loss(loss);
  }
  void on_lifecycle(const Lifecycle& lifecycle) override {
    for (engine::RefusingPool& pool : pools_) pool.on_lifecycle(lifecycle);
  }
  void on_return(const Return& back) override {
    for (engine::RefusingPool& pool : pools_) pool.on_return(back);
  }
  void on_violation(const Violation&) override {}

  std::vector<engine::RefusingPool> finish() {
    reconstructor_.finish(last_ns_);
    return std::move(pools_);
  }

 private:
  std::vector<engine::RefusingPool> pools_;
  uint64_t last_ns_ = 0;
  bool handing_on_ = false;
  lifecycles::Reconstructor reconstructor_;  // the last: it may hand on what it has at any time
};

}  // namespace

std::vector<engine::RefusingPool> play_to_pools(Observation& observation, const TimeRange& range,
                                                const lifecycles::ReconstructorOptions& options,
                                                const std::vector<uint64_t>& rooms) {
  Pools pools(options, rooms);
  observation.for_each(pools, range).IgnoreError();
  return pools.finish();
}

}  // namespace swaptrail::offline
