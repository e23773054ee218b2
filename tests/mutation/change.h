// One damage being done to a copy of a recording: the strokes of which all damages are made.
//
// A stroke that adds, takes or moves an event leaves no trace in the sequences (they are counted
// anew) and none in the order of time; what is to leave one says so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "tests/mutation/original.h"
#include "trace/lifecycle.h"

namespace swaptrail::mutation {

// What a damage touched: a finding elsewhere is not about it.
struct Place {
  struct Slots {
    uint64_t first;
    uint64_t last;
  };
  std::vector<uint64_t> folios;
  std::vector<Slots> slots;
  // Of the events touched, up to the thread's next batch and the CPU's next event.
  uint64_t from_ns = ~uint64_t{0};
  uint64_t to_ns = 0;

  void add(const swaptrail_event& event);
  bool has_folio(uint64_t folio) const;
  bool has_entry(uint64_t entry) const;
};

struct ToldLoss {
  size_t before;  // the step that revealed it
  Loss loss;
};

// A lifecycle that trace/ makes of the stream, reported to the lockstep with changes. It is the one
// of this folio that was closed at this time.
struct ToldLifecycle {
  uint64_t folio = 0;
  uint64_t closed_ns = 0;
  size_t times = 1;  // 0: not reported at all
  Lifecycle (*as)(const Lifecycle&, uint64_t choice) = nullptr;
  uint64_t choice = 0;
};

// The return that was reported at this time, passed to the lockstep with changes.
struct ToldReturn {
  uint64_t time_ns = 0;  // 0: none
  uint32_t tid = 0;      // of its reader, 0 = nobody
  size_t times = 1;      // 0: not reported at all
  Return (*as)(const Return&, uint64_t choice) = nullptr;
  uint64_t choice = 0;
};

// What is played in place of the original.
struct Damaged {
  Stream stream;
  std::vector<ToldLoss> losses;
  ToldLifecycle lifecycle;
  ToldReturn back;
  uint64_t start_ns = 0;
  uint64_t end_ns = 0;
  Place place;
};

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  // From 0 to count - 1; the same with every standard library.
  uint64_t below(uint64_t count) { return engine_() % count; }
  uint64_t between(uint64_t low, uint64_t high) { return low + below(high - low + 1); }

 private:
  std::mt19937_64 engine_;
};

class Change {
 public:
  // All three must outlive it. `damaged` is overwritten; its memory is used again.
  Change(const Original& original, Random& random, Damaged& damaged);

  const Original& original() const { return original_; }
  const swaptrail_event& before(size_t at) const { return original_.event(at); }
  Random& random() { return random_; }

  // Places are those of the original. A damage makes exactly one of the structural changes.
  swaptrail_event& edit(size_t at);
  Step& edit_step(size_t at);                             // ... and its sequence
  void take(size_t at);                                   // one event
  void take_leaving_gap(size_t at, size_t count);         // of its CPU, with their sequences
  void add(size_t before, const swaptrail_event& event);  // at a time of that moment
  void repeat_with_sequence(size_t at);
  void move(size_t from, size_t before);
  void exchange(size_t a, size_t b);  // each takes the other's place and time
  void move_to_cpu(size_t at, uint16_t cpu);

  // Of the lifecycle that the event closed; the stream stays as it is.
  void tell_lifecycle(size_t at, size_t times, Lifecycle (*as)(const Lifecycle&, uint64_t choice));

  // For the return that the event brought (a fault, or a slot that is freed).
  void tell_return(size_t at, size_t times, Return (*as)(const Return&, uint64_t choice));

  // For what the kernel may legally do, or a host may report.
  void tell_loss(size_t at, size_t count);  // as take_leaving_gap, with all that reports it
  void cut_before(size_t at);
  void cut_behind(size_t at);

  void finish();  // once, at the end

 private:
  uint64_t time_before(size_t before) const;
  void touch(size_t at);
  void renumber();

  const Original& original_;
  Random& random_;
  Damaged& damaged_;
  std::vector<size_t> edited_;
  bool renumber_ = false;
};

// A process and a thread that do not exist: pid_max is at most 4,194,304.
inline constexpr uint32_t kStranger = 4'100'000;
// A folio at an address where none was.
uint64_t new_folio(Change& change);

}  // namespace swaptrail::mutation
