#include "trace/report/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace swaptrail::report {

// Below 2^kLinearBits there is one bucket a value; above, the bits after the leading one choose the
// bucket.
size_t Histogram::bucket_of(uint64_t value) {
  const int width = std::bit_width(value);
  if (width <= kLinearBits) return static_cast<size_t>(value);
  const int shift = width - 1 - kLinearBits;
  return (static_cast<size_t>(shift) << kLinearBits) + static_cast<size_t>(value >> shift);
}

uint64_t Histogram::upper_bound(size_t bucket) {
  const size_t group = bucket >> kLinearBits;
  if (group <= 1) return bucket;
  const int shift = static_cast<int>(group) - 1;
  const uint64_t mantissa = (bucket & ((size_t{1} << kLinearBits) - 1)) | (1u << kLinearBits);
  return (mantissa << shift) + ((uint64_t{1} << shift) - 1);
}

void Histogram::add(uint64_t value, uint64_t count) {
  buckets_[bucket_of(value)] += count;
  count_ += count;
  sum_ += value * count;
  max_ = std::max(max_, value);
}

uint64_t Histogram::percentile(double share) const {
  if (count_ == 0) return 0;
  const double wanted = std::ceil(share * static_cast<double>(count_));
  const uint64_t rank = std::clamp<uint64_t>(static_cast<uint64_t>(wanted), 1, count_);
  uint64_t seen = 0;
  for (size_t bucket = 0; bucket < kBuckets; ++bucket) {
    seen += buckets_[bucket];
    if (seen >= rank) return std::min(upper_bound(bucket), max_);
  }
  return max_;
}

}  // namespace swaptrail::report
