// A log-linear histogram of nanoseconds in fixed memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace swaptrail::report {

// 16 buckets for each power of two: a percentile is at most 1/16 above the exact value, and never
// below it. Values up to 2^64 - 1. About 8 KiB.
class Histogram {
 public:
  void add(uint64_t value, uint64_t count = 1);
  uint64_t count() const { return count_; }
  uint64_t sum() const { return sum_; }  // modulo 2^64
  uint64_t max() const { return max_; }  // exact
  // Upper bound of the bucket that holds the value of rank ceil(share * count), and never more than
  // max(); 0 if empty. `share` in (0, 1].
  uint64_t percentile(double share) const;

 private:
  static constexpr int kLinearBits = 4;
  static constexpr size_t kBuckets = (64 - kLinearBits + 1) << kLinearBits;
  static size_t bucket_of(uint64_t value);
  static uint64_t upper_bound(size_t bucket);

  std::array<uint64_t, kBuckets> buckets_{};
  uint64_t count_ = 0;
  uint64_t sum_ = 0;
  uint64_t max_ = 0;
};

}  // namespace swaptrail::report
