// What reaches trace/ from a simulated run when something goes wrong: missing hooks, differing
// clocks, full rings, sweeps at odd times, an observation that begins late or again.
//
// Events in true order go in; sweeps of rings come out, and the fate of each event. Deterministic:
// the same distortion of the same events gives the same sweeps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bpf/event.h"
#include "trace/lifecycles/reconstructor.h"

namespace swaptrail::sim {

enum class Trouble : uint8_t {
  kNone,       // swept often, all there
  kReordered,  // swept at any time, in part, and interrupts in the middle of records
  kSkewed,     // clocks of the CPUs differ, by less than it takes a CPU to see what another did
  kDropped,    // rings are full
  kHidden,     // hooks are missing
  kRestarted,  // begins late, ends early, or stops and begins again
  kMixed,      // the last three, and all of the others
  kCount,
};
std::string_view trouble_name(Trouble trouble);

// The part of the events [first, last) that one daemon saw.
struct Window {
  size_t first = 0;
  size_t last = 0;
  size_t attaching = 0;  // so many events before `first` the hooks began to be attached, one by one
};

struct Distortion {
  Trouble trouble = Trouble::kNone;
  uint64_t seed = 1;
  uint32_t cpus = 1;
  bool zero_map = true;        // of the kernel: see Programs
  double drop_share = 0;       // of records that are dropped alone
  double burst_share = 0;      // of records with which a burst of drops begins
  uint32_t longest_burst = 0;  // records
  uint64_t skew_ns = 0;        // clocks are at most this much early or late
  double interrupt_share = 0;  // of completions that come between a reservation and its clock
  bool any_sweep = false;      // at any time, in any portion
  uint64_t hidden_kinds = 0;
  std::vector<Window> windows;  // one after the other

  // Nothing is missing: what comes out of trace/ must be the truth.
  bool lossless() const { return trouble <= Trouble::kSkewed; }
  std::string text() const;
};

// A run that is to be distorted.
struct RunSize {
  uint32_t cpus = 1;
  size_t events = 0;
  bool zero_map = true;
};

// A distortion for it: of the wanted sort, or of any.
Distortion draw_distortion(uint64_t seed, const RunSize& run,
                           std::optional<Trouble> wanted = std::nullopt);

enum class Fate : uint8_t { kUnobserved, kHidden, kDropped, kDelivered };

// One event, and what became of it.
struct Witness {
  swaptrail_event truth;
  swaptrail_event record;  // as it stood in its ring, if it was delivered
  Fate fate = Fate::kUnobserved;
  uint32_t observation = 0;
};

struct Sweep {
  std::vector<swaptrail_event> records;  // in the order of each ring
  uint64_t complete_until_ns = 0;
};

struct Observation {
  uint64_t start_ns = 0;
  uint64_t end_ns = 0;
  uint64_t true_start_ns = 0;  // by the clock of the simulation
  uint64_t true_end_ns = 0;
  bool from_begin = false;  // nothing happened before it
  uint64_t visible_kinds = 0;
  std::vector<Sweep> sweeps;
  std::vector<uint32_t> dropped;  // of each CPU
};

struct Distorted {
  std::vector<Witness> witnesses;  // one for each event, in true order
  std::vector<Observation> observations;
};

Distorted distort(const Distortion& distortion, std::span<const swaptrail_event> events);

}  // namespace swaptrail::sim
