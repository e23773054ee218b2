// The busiest of many that are not counted one by one: the space-saving sketch, in fixed memory.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace swaptrail::metrics {

// One thread.
class Candidates {
 public:
  static constexpr size_t kRoom = 64;
  struct Candidate {
    uint64_t id = 0;
    uint64_t weight = 0;
    uint64_t doubt = 0;  // of `weight`, so much may be somebody else's
    uint64_t sure() const { return weight - doubt; }
  };

  void note(uint64_t id, uint64_t weight) {
    Candidate* least = &seen_[0];
    for (size_t at = 0; at < size_; ++at) {
      if (seen_[at].id == id) {
        seen_[at].weight += weight;
        return;
      }
      if (seen_[at].weight < least->weight) least = &seen_[at];
    }
    if (size_ < kRoom) {
      seen_[size_++] = {id, weight, 0};
      return;
    }
    *least = {id, least->weight + weight, least->weight};
  }
  // Most first. Valid until the next call.
  std::span<Candidate> busiest() {
    const auto all = std::span(seen_).first(size_);
    std::sort(all.begin(), all.end(), [](const Candidate& one, const Candidate& other) {
      return one.sure() != other.sure() ? one.sure() > other.sure() : one.id < other.id;
    });
    return all;
  }
  void clear() { size_ = 0; }

 private:
  std::array<Candidate, kRoom> seen_;
  size_t size_ = 0;
};

}  // namespace swaptrail::metrics
