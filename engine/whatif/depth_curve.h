// How much of something happened at which depth: what is asked is how much lies deeper than any X.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace swaptrail::engine {

// Exact to a page up to a depth of 2^18; beyond, depths are rounded up to twice as many pages whenever it doubles. At most
// 2 MiB. Depth 0: nowhere deep, whatever the X.
class DepthCurve {
 public:
  static constexpr size_t kMostSteps = size_t{1} << 18;

  void add(uint32_t depth, uint64_t amount);
  // What was added at `from` belongs to `to`.
  void move(uint32_t from, uint32_t to, uint64_t amount);
  // If depths were rounded, what lies between X and the next step counts as deeper. O(steps).
  uint64_t deeper_than(uint64_t depth) const;
  uint64_t total() const { return total_; }

 private:
  size_t step_of(uint32_t depth) const { return (size_t{depth} + pages_ - 1) / pages_; }
  void reach(uint32_t depth);

  size_t pages_ = 1;  // of a step
  uint64_t total_ = 0;
  std::vector<uint64_t> amounts_;
};

}  // namespace swaptrail::engine
