#include "engine/whatif/rough_histogram.h"

#include <bit>

namespace swaptrail::engine {

// Numbers below 8 have buckets of their own.
void RoughHistogram::add(uint64_t number) {
  const auto width = static_cast<size_t>(std::bit_width(number));
  const size_t bucket = number < kParts ? number : width * kParts + (number >> (width - 4) & 7);
  ++counts_[bucket];
  ++count_;
  sum_ += number;
}

uint64_t RoughHistogram::percentile(uint32_t tenths) const {
  uint64_t below = 0;
  for (size_t bucket = 0; bucket < counts_.size(); ++bucket) {
    below += counts_[bucket];
    if (below == 0 || below * 10 < count_ * tenths) continue;
    const size_t width = bucket / kParts;
    return bucket < kParts ? bucket : (kParts + bucket % kParts) << (width - 4);
  }
  return 0;
}

}  // namespace swaptrail::engine
