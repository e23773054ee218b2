// How far the order is known while passes of reclaim are open, whose events come when they end (bpf/pass.h).
//
// The map of the programs shows the pass that each running batch has open. So before a sweep the batches that are known are looked
// at, and the events of their open passes that have not been taken yet are taken from there: every event of a batch until then
// lies in the rings, or was taken early. When the record of the pass comes, those are left out. So nothing waits for a thread that
// sleeps in a pass. A pass that is being changed is waited for; its thread runs.
// A batch that the sweep shows for the first time may have opened a pass at any time since it began.
// If a ring was not emptied, records of the batch may be left in it, as old as the batch was clear before. It shows how many passes it has
// submitted: when as many were taken, none is left. A batch is also followed after its end, until all that was submitted before that
// was taken. So a backlog of any length is passed on in pieces, as it is read. Behind a backlog nothing is taken early: what is open
// now is younger than all of it, and would have to wait in the merger, in the way of what is read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "bpf/event.h"
#include "bpf/pass.h"
#include "trace/pass_events.h"

namespace swaptrail::capture {

// Not thread-safe. All times are CLOCK_MONOTONIC ns.
class OpenPasses {
 public:
  // A change that takes longer is not waited for: a kernel that preempts its threads may leave it alone in a program. What it adds
  // is late then.
  static constexpr uint64_t kLongestNs = 1'000'000'000;
  static constexpr size_t kMostEarly =
      4096;  // passes of which a part was taken; then they are waited for

  // What the running batch of a thread shows; nothing if it has none. With `changing`, only begin_ns is valid.
  using Look = absl::FunctionRef<std::optional<swaptrail_batch>(uint32_t tid)>;
  // Takes the events of an open pass that are not in `without`.
  using TakeEarly = absl::FunctionRef<void(const swaptrail_pass& pass, PassParts without)>;

  // Looks at the batches that run. `now_ns`: read before; the sweep of the rings comes after.
  void look(uint64_t now_ns, Look look, TakeEarly take_early);
  // An event that the sweep took: the begins and ends of batches are noted.
  void note(const swaptrail_event& event);
  // A pass whose record the sweep took. Returns what of it was taken early.
  PassParts note(const swaptrail_pass& pass);
  // The time until which all events were taken, given that all records which were submitted until `taken_until_ns` were.
  uint64_t clear_until(uint64_t taken_until_ns, bool emptied_all);

  size_t batches() const { return batches_.size(); }
  size_t early() const { return early_.size(); }

 private:
  struct Batch {
    uint32_t tid = 0;
    uint64_t begin_ns = 0;
    uint64_t ended_ns = 0;     // 0 = it runs
    uint64_t clear_ns = 0;     // its events until then are in the rings, or were taken
    uint64_t taken_ns = 0;     // ... were taken
    uint64_t changing_ns = 0;  // at each look since then its pass was being changed; 0 = it was not
    uint32_t passes = 0;       // of which the record was taken
    uint32_t submitted = 0;    // at the last look
    bool looked_at = false;    // by the last look
    bool begun =
        false;  // its begin was taken: if that was lost, the loss must come before its events
  };
  struct Early {
    uint32_t tid;
    uint64_t batch_ns, begin_ns;  // of its batch, and of itself
    PassParts parts;
  };

  uint64_t clear_of(const Batch& batch, const swaptrail_pass& pass, uint64_t now_ns,
                    TakeEarly take_early);
  Batch& batch_of(uint32_t tid, uint64_t begin_ns);
  std::vector<Early>::iterator early_of(const swaptrail_pass& pass);

  std::vector<Batch> batches_;  // as many as threads reclaim at a time
  size_t last_ = 0;             // most passes follow one of the same batch
  bool behind_ = false;         // the last sweep left records in a ring
  std::vector<Early> early_;    // of these batches
};

}  // namespace swaptrail::capture
