// Takes records out of the rings, in turns, and finds the time until which all events are in the merger (the watermark).
//
// The watermark is the minimum over all rings: for a ring that was emptied the start of the sweep, for others what the merger
// calls settled; and no more than what is clear of the running batches (open_passes.h).
//
// No ring stands still for good, whatever is in it: records settle the time before them, so a queue without room has events to emit,
// unless another ring is behind (that one goes on), or a batch holds the watermark. Then the queue may take its whole share; if even
// that is full, the batch is passed over, and what it adds is late.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "daemon/capture/event_source.h"
#include "daemon/capture/open_passes.h"
#include "daemon/capture/record_queue.h"
#include "trace/merger.h"

namespace swaptrail::capture {

// Not thread-safe.
class Sweeper {
 public:
  using Counters = EventSource::Counters;

  // `rings`: by CPU; `ring_bytes`: of each.
  Sweeper(size_t rings, size_t ring_bytes);

  // One turn. `now_ns`: CLOCK_MONOTONIC, read just before. `look`: what the batch of a thread shows. Returns the watermark.
  uint64_t sweep(uint64_t now_ns, absl::FunctionRef<RecordQueue&(uint32_t cpu)> ring,
                 OpenPasses::Look look, Merger& merger);
  // A pass that was open when the programs were detached, and that no program will submit. From then on `look` shows it no more.
  void take_left_open(const swaptrail_pass& pass, Merger& merger);

  // Of the last turn: whether it took all that the ring of the CPU held when it began; and how full the fullest was, 0 ... 1.
  bool emptied(uint32_t cpu) const { return emptied_[cpu]; }
  double fill() const { return fill_; }
  const Counters& counters() const { return counters_; }

 private:
  size_t take(uint32_t cpu, const void* record, size_t size, Merger& merger);
  void take_pass(uint32_t cpu, const swaptrail_pass& pass, Merger& merger);
  void take_early(const swaptrail_pass& pass, PassParts without, Merger& merger);

  const size_t ring_bytes_;
  std::vector<uint64_t> complete_until_;  // by ring
  std::vector<bool> emptied_;             // by ring
  OpenPasses open_passes_;
  Counters counters_;
  bool held_ = false;  // at the last turn, by a batch
  double fill_ = 0;
};

}  // namespace swaptrail::capture
