// The rings of a daemon and how it sweeps them: bpf/emit.bpf.h on one side, Session::sweep on the
// other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tests/sim/dice.h"
#include "tests/sim/distortion.h"

namespace swaptrail::sim {

class Rings {
 public:
  Rings(const Distortion& distortion, std::vector<Witness>& witnesses, uint64_t seed);

  // Reserves a record for a witness, in true order.
  void add(size_t witness);
  // All are there: fills `dropped` and `sweeps`, and sets the fate of each witness. The
  // observation's times must be set; its last event is `end - 1`.
  void deliver(Observation& observation, size_t begin, size_t end);

 private:
  // Moments: event number i is at 2i + 2; odd ones are between events.
  struct Entry {
    size_t witness = 0;
    uint64_t reserved = 0;
    uint64_t committed = 0;
    size_t lost_read = 0;  // its `lost` counts the drops among the entries of the ring before this
    bool dropped = false;
  };
  struct Ring {
    std::vector<Entry> entries;  // in order of reservation
    size_t taken = 0;
    uint64_t complete_until_ns = 0;
    uint32_t burst_left = 0;
  };

  void interrupt_reservations(Ring& ring);
  void choose_drops(size_t begin, size_t end);
  bool is_dropped(Ring& ring);
  uint32_t tell_drops(Ring& ring);
  void sweep(Observation& observation, uint64_t moment, bool last);
  void take(Ring& ring, uint64_t moment, size_t portion, Sweep& sweep);
  uint64_t clock_at(uint64_t moment);

  const Distortion& distortion_;
  std::vector<Witness>& witnesses_;
  Dice dice_;
  std::vector<Ring> rings_;
  std::vector<uint64_t> earliest_later_ns_;  // of the times of a witness and all after it
};

}  // namespace swaptrail::sim
