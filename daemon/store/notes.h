// What happened to stored lifecycles besides their first return: later parts of a large folio,
// further faults on it, failed ones, and changes while it stays in swap.
//
// A ring of fixed memory for all lifecycles together. One thread adds, any number read; nobody waits.
// The notes of one lifecycle form a chain: each has the number of the previous one. The chain ends
// where the ring has overwritten an old note, and the reader learns that something is forgotten.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "daemon/base/zeros.h"
#include "trace/lifecycle.h"

namespace swaptrail::store {

// Exactly one of the two is set.
struct Note {
  uint64_t before = 0;  // number of the lifecycle's previous note, 0 = none
  std::optional<Return> back;
  std::optional<Stay> stay;
};

// The notes of one lifecycle.
struct NoteChain {
  std::vector<Note> notes;  // the newest first
  bool more = false;        // older ones are no longer kept, or were too many
};

class Notes {
 public:
  // At least 1. Memory is touched as it is needed.
  explicit Notes(size_t most) : slots_(most) {}
  static size_t bytes_for(size_t most) { return most * sizeof(Slot); }

  // For the pipeline thread. `before`: the lifecycle's previous note, 0 = none. Returns the note's
  // number, from 1.
  uint64_t add(const Return& entry_return, uint64_t before);
  uint64_t add(const Stay& stay, uint64_t before);

  // For any thread. `last`: number of the lifecycle's newest note, 0 = none.
  NoteChain chain(uint64_t last, size_t most) const;
  // Calls visit(Return) for all that are kept, the newest first, until it returns false.
  template <typename Visit>
  void visit_returns(const Visit& visit) const {
    const uint64_t newest = total_.load(std::memory_order_acquire);
    const uint64_t kept = newest > slots_.size() ? newest - slots_.size() : 0;
    for (uint64_t number = newest; number > kept; --number) {
      const std::optional<Note> note = read(number);
      if (!note) return;  // it and all older ones were overwritten meanwhile
      if (note->back && !visit(*note->back)) return;
    }
  }
  uint64_t total() const { return total_.load(std::memory_order_acquire); }

 private:
  static constexpr size_t kWords = 14;
  using Words = std::array<uint64_t, kWords>;
  // Each word is accessed atomically.
  struct Slot {
    uint64_t number;  // 0 = empty, or being written
    Words words;
  };
  uint64_t write(const Words& words);
  std::optional<Note> read(uint64_t number) const;

  base::Zeros<Slot> slots_;
  std::atomic<uint64_t> total_{0};
};

}  // namespace swaptrail::store
