// What became of stored lifecycles beside their first return: later parts of a large folio, further
// faults on it, failed ones, and changes while it stays in swap.
//
// A ring of fixed memory for all lifecycles together. One thread adds, any number read; nobody waits.
// The notes of one lifecycle are a chain: each has the number of the one before. Where the ring has
// gone over an old note the chain ends, and the reader learns that something is forgotten.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "trace/lifecycle.h"

namespace swaptrail::store {

// One of them is there.
struct Note {
  uint64_t before = 0;  // number of the lifecycle's note before, 0 = none
  std::optional<Return> back;
  std::optional<Stay> stay;
};

// Of one lifecycle.
struct NoteChain {
  std::vector<Note> notes;  // the newest first
  bool more = false;        // older ones are no longer kept, or were too many
};

class Notes {
 public:
  explicit Notes(size_t most) : slots_(most) {}  // at least 1
  static size_t bytes_for(size_t most) { return most * sizeof(Slot); }

  // The pipeline thread's. `before`: the lifecycle's note before, 0 = none. Returns its number, from 1.
  uint64_t add(const Return& entry_return, uint64_t before);
  uint64_t add(const Stay& stay, uint64_t before);

  // Any thread's. `last`: number of the lifecycle's newest note, 0 = none.
  NoteChain chain(uint64_t last, size_t most) const;
  // Calls visit(Return) for all that are kept, the newest first, until it returns false.
  template <typename Visit>
  void visit_returns(const Visit& visit) const {
    const uint64_t newest = total_.load(std::memory_order_acquire);
    const uint64_t kept = newest > slots_.size() ? newest - slots_.size() : 0;
    for (uint64_t number = newest; number > kept; --number) {
      const std::optional<Note> note = read(number);
      if (!note) return;  // it and all before it were overwritten meanwhile
      if (note->back && !visit(*note->back)) return;
    }
  }
  uint64_t total() const { return total_.load(std::memory_order_acquire); }

 private:
  static constexpr size_t kWords = 14;
  using Words = std::array<uint64_t, kWords>;
  struct Slot {
    std::atomic<uint64_t> number{0};  // 0 = empty, or being written
    std::array<std::atomic<uint64_t>, kWords> words{};
  };
  uint64_t write(const Words& words);
  std::optional<Note> read(uint64_t number) const;

  std::vector<Slot> slots_;
  std::atomic<uint64_t> total_{0};
};

}  // namespace swaptrail::store
