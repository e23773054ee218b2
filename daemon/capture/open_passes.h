// How far the order is known while passes of reclaim are open, whose events come when they end (bpf/pass.h).
//
// The map of the programs shows for each running batch since when a pass of it is open. So before a sweep the batches that are known
// are looked at: every event of a batch until then, or until its open pass, lies in the rings. A batch that the sweep shows for
// the first time may have opened a pass at any time since it began.
// As long as a ring was not emptied, its records may hold events as old as their batch was clear at the last sweep that emptied
// all rings; so a batch is also followed after its end, until all that was submitted before that was taken.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "bpf/event.h"
#include "bpf/pass.h"

namespace swaptrail::capture {

// Not thread-safe. All times are CLOCK_MONOTONIC ns.
class OpenPasses {
 public:
  // A pass that is open longer is not waited for: its thread may sleep for any time. Its events are late then.
  static constexpr uint64_t kLongestNs = 1'000'000'000;

  // What the running batch of a thread shows; nothing if it has none.
  using Look = absl::FunctionRef<std::optional<swaptrail_batch>(uint32_t tid)>;

  // Looks at the batches that run. `now_ns`: read before; the sweep of the rings comes after.
  void look(uint64_t now_ns, Look look);
  // An event that the sweep took: the begins and ends of batches are noted.
  void note(const swaptrail_event& event);
  // The time until which all events were taken, given that all records which were submitted until `taken_until_ns` were.
  uint64_t clear_until(uint64_t taken_until_ns, bool emptied_all);

  size_t batches() const { return batches_.size(); }

 private:
  struct Batch {
    uint32_t tid = 0;
    uint64_t begin_ns = 0;
    uint64_t ended_ns = 0;  // 0 = it runs
    uint64_t clear_ns = 0;  // its events until then are in the rings, or were taken
    uint64_t taken_ns = 0;  // ... were taken
  };

  std::vector<Batch> batches_;  // as many as threads reclaim at a time
};

}  // namespace swaptrail::capture
