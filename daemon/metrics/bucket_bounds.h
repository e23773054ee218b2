// Histograms of times with fixed borders: 1, 2.5 and 5 of every power of ten.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "daemon/metrics/count.h"

namespace swaptrail::metrics {

inline constexpr size_t kSteps = 25;

// The upper borders in nanoseconds; a time equal to a border counts as below it.
class BucketBounds {
 public:
  explicit constexpr BucketBounds(uint64_t first_ns) {
    uint64_t power = first_ns;
    borders_[kSteps] = UINT64_MAX;
    for (size_t step = 0; step < kSteps; ++step) {
      constexpr uint64_t kTenths[] = {10, 25, 50};
      borders_[step] = power * kTenths[step % 3] / 10;
      if (step % 3 == 2) power *= 10;
    }
    size_t step = 0;
    for (size_t width = 0; width < first_.size(); ++width) {
      const uint64_t least = width == 0 ? 0 : uint64_t{1} << (width - 1);
      while (borders_[step] < least) ++step;
      first_[width] = static_cast<uint8_t>(step);
    }
  }

  // kSteps: above the last border. A border is at least twice the previous one, so there is at most
  // one among the times of the same bit width.
  constexpr size_t bucket_of(uint64_t time_ns) const {
    const size_t step = first_[static_cast<size_t>(std::bit_width(time_ns))];
    return step + (borders_[step] < time_ns ? 1 : 0);
  }
  constexpr uint64_t border_ns(size_t step) const { return borders_[step]; }

 private:
  std::array<uint64_t, kSteps + 1> borders_{};  // the last one is never reached
  std::array<uint8_t, 65> first_{};             // by bit width
};

inline constexpr BucketBounds kShortTimes{1'000};     // 1 us ... 100 s
inline constexpr BucketBounds kLongTimes{1'000'000};  // 1 ms ... 100,000 s (a day and a bit)
static_assert(kShortTimes.border_ns(kSteps - 1) == 100'000'000'000);
static_assert(kLongTimes.border_ns(kSteps - 1) == 100'000'000'000'000);

// One writer, any reader. The sum is exact.
class TimeHistogram {
 public:
  // `count` times the same.
  void add(const BucketBounds& bounds, uint64_t time_ns, uint64_t count) {
    buckets_[bounds.bucket_of(time_ns)].add(count);
    sum_ns_.add(time_ns * count);
  }
  uint64_t bucket(size_t step) const { return buckets_[step].read(); }
  uint64_t sum_ns() const { return sum_ns_.read(); }
  bool is_empty() const {
    for (const Count& bucket : buckets_) {
      if (bucket.read() != 0) return false;
    }
    return true;
  }

 private:
  std::array<Count, kSteps + 1> buckets_;
  Count sum_ns_;
};

}  // namespace swaptrail::metrics
