// Is the stream whole? Sequences and times of each CPU.
#ifndef SWAPTRAIL_ENGINE_STREAM_CHECK_H_
#define SWAPTRAIL_ENGINE_STREAM_CHECK_H_

#include <cstdint>
#include <vector>

#include "bpf/event.h"
#include "engine/rules.h"
#include "trace/lifecycle.h"

namespace swaptrail::engine {

// An interrupt between reservation and clock may put an event before one that was reserved earlier:
// so a sequence that is skipped may come within the next few, and is missed only after that.
class StreamCheck {
 public:
  // The rule that the event breaks, or Rule::kCount. kSequenceGap is told once the missing ones are late.
  Rule check(const swaptrail_event& event, uint64_t sequence);
  void on_loss(const Loss& loss);
  // At the end: events that never came.
  uint64_t missing() const;

 private:
  struct Cpu {
    uint64_t next = 0;  // the sequence that is due
    uint64_t told = 0;  // lost events that a loss told of, not yet skipped
    uint64_t last_ns = 0;
    bool seen = false;
    std::vector<uint64_t> skipped;  // not come yet; at most kWait
    uint64_t since_skip = 0;
  };
  static constexpr size_t kWait = 4096;

  Cpu& at(uint32_t cpu);
  std::vector<Cpu> cpus_;
};

}  // namespace swaptrail::engine

#endif  // SWAPTRAIL_ENGINE_STREAM_CHECK_H_
