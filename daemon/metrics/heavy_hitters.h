// Finds the busiest of many ids that are not counted one by one: the space-saving sketch, in fixed
// memory.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace swaptrail::metrics {

// One thread. An id has its place in one of several small sketches, so that each note looks at few
// ids.
class HeavyHitters {
 public:
  static constexpr size_t kSketches = 16, kPlaces = 8, kRoom = kSketches * kPlaces;
  struct Candidate {
    uint64_t id = 0;
    uint64_t weight = 0;
    uint64_t doubt = 0;  // this much of `weight` may belong to others
    uint64_t sure() const { return weight - doubt; }
  };

  void note(uint64_t id, uint64_t weight) {
    Sketch& sketch = sketches_[(id * 0x9e3779b97f4a7c15) >> 60];
    Candidate* least = &sketch.seen[0];
    for (Candidate& one : std::span(sketch.seen).first(sketch.size)) {
      if (one.id == id) {
        one.weight += weight;
        return;
      }
      if (one.weight < least->weight) least = &one;
    }
    if (sketch.size < kPlaces) {
      sketch.seen[sketch.size++] = {id, weight, 0};
      return;
    }
    *least = {id, least->weight + weight, least->weight};
  }
  // Most first. Valid until the next call.
  std::span<Candidate> busiest() {
    size_t size = 0;
    for (const Sketch& sketch : sketches_) {
      std::copy_n(sketch.seen.begin(), sketch.size, busiest_.begin() + size);
      size += sketch.size;
    }
    const auto all = std::span(busiest_).first(size);
    std::sort(all.begin(), all.end(), [](const Candidate& one, const Candidate& other) {
      return one.sure() != other.sure() ? one.sure() > other.sure() : one.id < other.id;
    });
    return all;
  }
  void clear() {
    for (Sketch& sketch : sketches_) sketch.size = 0;
  }

 private:
  struct Sketch {
    std::array<Candidate, kPlaces> seen;
    size_t size = 0;
  };
  static_assert(kSketches == 16);  // the upper four bits choose
  std::array<Sketch, kSketches> sketches_;
  std::array<Candidate, kRoom> busiest_;
};

}  // namespace swaptrail::metrics
