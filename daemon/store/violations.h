// The last violations, and their total number.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "trace/lifecycle.h"

namespace swaptrail::store {

// A page of them, the youngest first.
struct ViolationPage {
  std::vector<Violation> violations;  // texts are cut after kMaxViolationText bytes
  uint64_t next = 0;                  // `before` of the next page; 0 = there is none
  uint64_t lost = 0;   // of those that this page should have begun with, no longer kept
  uint64_t total = 0;  // since the start
};
inline constexpr size_t kMaxViolationText = 200;

// A ring of fixed memory. One thread adds, any number read; nobody waits. All of it is atomic words:
// the number before and after shows a reader whether it read one violation or parts of two.
class Violations {
 public:
  explicit Violations(size_t most) : slots_(most) {}
  static size_t bytes_for(size_t most) { return most * sizeof(Slot); }

  // The pipeline thread's.
  void add(const Violation& violation);
  uint64_t total() const { return total_.load(std::memory_order_acquire); }
  // Violations are numbered 1, 2, ... `before` 0 = begin with the newest.
  ViolationPage page(uint64_t before, size_t page_size) const;

 private:
  static constexpr size_t kTextWords = kMaxViolationText / sizeof(uint64_t);
  static constexpr size_t kWords = 6 + kTextWords;
  struct Slot {
    std::atomic<uint64_t> number{0};  // 0 = empty, or being written
    std::array<std::atomic<uint64_t>, kWords> words{};
  };
  std::optional<Violation> read(uint64_t number) const;

  std::vector<Slot> slots_;
  std::atomic<uint64_t> total_{0};
};

}  // namespace swaptrail::store
