// Percentiles of numbers, within an eighth, in fixed memory (4 KiB).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace swaptrail::engine {

class RoughHistogram {
 public:
  void add(uint64_t number);
  uint64_t count() const { return count_; }
  uint64_t sum() const { return sum_; }
  // The lower bound of the bucket with the number of rank ceil(count * tenths / 10); 0 if empty.
  uint64_t percentile(uint32_t tenths) const;

 private:
  static constexpr size_t kParts = 8;  // of each power of two
  std::array<uint64_t, 65 * kParts> counts_{};
  uint64_t count_ = 0;
  uint64_t sum_ = 0;
};

}  // namespace swaptrail::engine
