// Is the stream complete? Checks sequences and times of each CPU.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "bpf/event.h"
#include "engine/lockstep/rules.h"
#include "trace/lifecycle.h"

namespace swaptrail::engine {

// An interrupt between reservation and clock may put an event before one that was reserved earlier:
// so a skipped sequence may come within the next few, and counts as missing only after that.
//
// A loss is reported before the event that shows the gap, and often long before it: as soon as the drop
// counter of its CPU was read, while events from before the loss still wait to be merged. So reported
// losses form a sum, and skipped sequences are forgiven from it when they come up. If a forgiven one
// comes after all, it was only late: what was forgiven for it returns to the sum.
class StreamCheck {
 public:
  // The rule that the event breaks, or Rule::kCount. kSequenceGap is reported once the missing ones are late.
  Rule check(const swaptrail_event& event, uint64_t sequence);
  void on_loss(const Loss& loss);
  // Events that are missing now, but may still come.
  size_t waiting() const { return waiting_; }
  // At the end: whether one never came. An event delayed by an interrupt may come after the end; but
  // in that case its CPU has reported only completions since.
  bool missing() const;

 private:
  struct Cpu {
    uint64_t next = 0;   // the sequence that is due
    uint64_t known = 0;  // lost events that were reported, less those below
    uint64_t last_ns = 0;
    uint32_t lost = 0;  // swaptrail_event.lost: grows with what losses report
    bool seen = false;
    uint64_t first = 0;                    // the first sequence that was seen
    absl::flat_hash_set<uint64_t> before;  // older ones that came after it; at most kWait
    std::vector<uint64_t> skipped;         // not come yet; at most kWait
    uint64_t far = 0;                      // ... older than those: they won't come
    std::vector<uint64_t> forgiven;        // not come, but a loss accounts for them; at most kWait
    uint64_t since_skip = 0;
    int64_t owed = 0;  // lost records that no loss has reported
    uint64_t since_owed = 0;
    bool resumed = false;  // an event that is not an interrupt's came after the skip
  };
  static constexpr size_t kWait = 4096;

  Cpu& at(uint32_t cpu);
  static void count_lost(Cpu& cpu, const swaptrail_event& event);
  static void forgive(Cpu& cpu, uint64_t sequence);
  void skip(Cpu& cpu, uint64_t sequence);
  void match(Cpu& cpu);
  Rule place_of(Cpu& cpu, uint64_t sequence);
  std::vector<Cpu> cpus_;
  size_t waiting_ = 0;  // sum of all `skipped`
};

}  // namespace swaptrail::engine
