#include "cli/offline/playback.h"

#include <algorithm>

namespace swaptrail::offline {
namespace {

class Player : public EventSink {
 public:
  Player(const lifecycles::ReconstructorOptions& options, RecordedNames& names,
         lifecycles::LifecycleSink& sink)
      : names_(names), reconstructor_(options, sink) {}

  void on_event(const swaptrail_event& event, uint64_t sequence) override {
    if (event.time_ns < last_ns_) ++late_;
    last_ns_ = std::max<uint64_t>(last_ns_, event.time_ns);
    names_.advance(event.time_ns);
    reconstructor_.on_event(event, sequence);
  }

  void on_loss(const Loss& loss) override {
    names_.advance(loss.to_ns);
    reconstructor_.on_loss(loss);
  }

  void on_time(uint64_t now_ns) override {
    names_.advance(now_ns);
    reconstructor_.on_time(now_ns);
  }

  Played finish(uint64_t end_ns) {
    names_.advance(end_ns);
    reconstructor_.finish(end_ns);
    return {reconstructor_.counters(), late_, absl::OkStatus()};
  }

  uint64_t last_ns() const { return last_ns_; }

 private:
  RecordedNames& names_;
  lifecycles::Reconstructor reconstructor_;
  uint64_t last_ns_ = 0;
  uint64_t late_ = 0;
};

}  // namespace

Played play(Observation& observation, const TimeRange& range, RecordedNames& names,
            lifecycles::LifecycleSink& sink) {
  lifecycles::ReconstructorOptions options = observation.header().reconstruction;
  options.start_ns = std::max(options.start_ns, range.from_ns);
  Player player(options, names, sink);
  const absl::Status status = observation.for_each(player, range);
  const uint64_t end_ns = std::min(observation.end_ns(), range.to_ns);
  Played played = player.finish(status.ok() ? end_ns : player.last_ns());
  played.damage = status;
  return played;
}

}  // namespace swaptrail::offline
