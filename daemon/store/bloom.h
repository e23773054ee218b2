// Sets that may wrongly say yes, but never wrongly no: they let a query skip a whole segment.
//
// The words belong to the segment. Only the pipeline thread writes them; others read them only once
// the segment is sealed.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>

#include "daemon/store/record.h"

namespace swaptrail::store {

// Four bits in one word for each key: one cache line to write or read. With 16 bits a key about 1
// answer in 100 is a wrong yes; an overfull set always says yes.
class Bloom {
 public:
  Bloom() = default;
  // `words` must outlive it and must not be empty.
  explicit Bloom(std::span<uint64_t> words) : words_(words) {}

  void clear() { std::ranges::fill(words_, 0); }
  void add(uint64_t hash) { words_[place(hash)] |= bits(hash); }
  bool may_have(uint64_t hash) const {
    const uint64_t wanted = bits(hash);
    return (words_[place(hash)] & wanted) == wanted;
  }

 private:
  size_t place(uint64_t hash) const { return ((hash >> 32) * words_.size()) >> 32; }
  static uint64_t bits(uint64_t hash) {
    return uint64_t{1} << (hash & 63) | uint64_t{1} << (hash >> 6 & 63) |
           uint64_t{1} << (hash >> 12 & 63) | uint64_t{1} << (hash >> 18 & 63);
  }

  std::span<uint64_t> words_;
};

// Ranges of units (slots, pages, struct pages) in spaces (areas, processes), queried by a single
// unit.
// A range is stored as the one or two blocks of its size, rounded up to a power of two.
class RangeBloom {
 public:
  RangeBloom() = default;
  explicit RangeBloom(std::span<uint64_t> words) : bloom_(words) {}

  void clear() {
    bloom_.clear();
    sizes_ = 0;
  }
  // `units` from 1 to 65536.
  void add(uint64_t space, uint64_t first, uint32_t units) {
    const int size = std::bit_width(units - 1);
    sizes_ |= 1u << size;
    const uint64_t last = (first + units - 1) >> size;
    bloom_.add(key(space, first >> size, size));
    if (last != first >> size) bloom_.add(key(space, last, size));
  }
  bool may_have(uint64_t space, uint64_t unit) const {
    for (uint32_t left = sizes_; left != 0; left &= left - 1) {
      const int size = std::countr_zero(left);
      if (bloom_.may_have(key(space, unit >> size, size))) return true;
    }
    return false;
  }

 private:
  static uint64_t key(uint64_t space, uint64_t block, int size) {
    return base::mixed(block ^ base::mixed(space << 8 | static_cast<uint64_t>(size)));
  }

  Bloom bloom_;
  uint32_t sizes_ = 0;  // bit n: a range of up to 2^n units is in it
};

}  // namespace swaptrail::store
