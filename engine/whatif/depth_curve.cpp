#include "engine/whatif/depth_curve.h"

#include <numeric>

#include "trace/check.h"

namespace swaptrail::engine {

void DepthCurve::add(uint32_t depth, uint64_t amount) {
  reach(depth);
  amounts_[step_of(depth)] += amount;
  total_ += amount;
}

void DepthCurve::move(uint32_t from, uint32_t to, uint64_t amount) {
  SWAPTRAIL_DCHECK(step_of(from) < amounts_.size() && amounts_[step_of(from)] >= amount);
  amounts_[step_of(from)] -= amount;
  total_ -= amount;
  add(to, amount);
}

uint64_t DepthCurve::deeper_than(uint64_t depth) const {
  const uint64_t first = depth / pages_ + 1;
  if (first >= amounts_.size()) return 0;
  return std::accumulate(amounts_.begin() + static_cast<ptrdiff_t>(first), amounts_.end(),
                         uint64_t{0});
}

void DepthCurve::reach(uint32_t depth) {
  while (step_of(depth) > kMostSteps) {
    // Of two steps the higher one, so that a depth is never rounded down: 0 stays, 1 and 2 become 1.
    for (size_t step = 1; step < amounts_.size(); ++step) {
      const uint64_t amount = amounts_[step];
      amounts_[step] = 0;
      amounts_[(step + 1) / 2] += amount;
    }
    pages_ *= 2;
    amounts_.resize(amounts_.size() / 2 + 1);
  }
  if (step_of(depth) >= amounts_.size()) amounts_.resize(step_of(depth) + 1);
}

}  // namespace swaptrail::engine
