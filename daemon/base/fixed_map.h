// A hash table of fixed capacity: open addressing, linear probing, no allocation after
// construction.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "trace/check.h"

namespace swaptrail::base {

// Keys are never 0. Consecutive keys lie together in groups of 8: ids are given out in order, and
// looked up in nearly that order. At most half full. The system provides the memory as it is
// touched. One thread.
template <typename Value>
class FixedMap {
  static_assert(std::is_trivially_copyable_v<Value> && std::is_trivially_destructible_v<Value>);

 public:
  explicit FixedMap(size_t most)
      : most_(most),
        bits_(std::bit_width(entries_for(most)) - 1),
        mask_((size_t{1} << bits_) - 1),
        entries_(static_cast<Entry*>(std::calloc(mask_ + 1, sizeof(Entry)))) {
    if (!entries_) throw std::bad_alloc();
  }

  // The memory of a map for `most` keys, once all of it is touched.
  static size_t bytes_for(size_t most) { return entries_for(most) * sizeof(Entry); }

  Value* find(uint64_t key) { return const_cast<Value*>(std::as_const(*this).find(key)); }
  const Value* find(uint64_t key) const {
    for (size_t at = home(key); entries_[at].key() != 0; at = next(at)) {
      if (entries_[at].key() == key) return &entries_[at].value;
    }
    return nullptr;
  }
  // Adds a key that is not in it yet. Null if there is no room.
  Value* insert(uint64_t key) {
    SWAPTRAIL_DCHECK(key != 0 && find(key) == nullptr);
    if (size_ == most_) return nullptr;
    size_t at = home(key);
    while (entries_[at].key() != 0) at = next(at);
    ++size_;
    entries_[at] = Entry(key);
    return &entries_[at].value;
  }
  // The value for `key`, or a new one. Null if it is not there and there is no room.
  Value* find_or_insert(uint64_t key, bool& is_new) {
    SWAPTRAIL_DCHECK(key != 0);
    size_t at = home(key);
    while (entries_[at].key() != 0 && entries_[at].key() != key) at = next(at);
    is_new = entries_[at].key() == 0;
    if (!is_new) return &entries_[at].value;
    if (size_ == most_) return nullptr;
    ++size_;
    entries_[at] = Entry(key);
    return &entries_[at].value;
  }
  void erase(uint64_t key) {
    if (Value* found = find(key)) erase_found(found);
  }
  // `found`: from find(), with nothing added or erased since.
  void erase_found(Value* found) {
    const auto* bytes = reinterpret_cast<const char*>(found) - offsetof(Entry, value);
    close_gap(static_cast<size_t>(reinterpret_cast<const Entry*>(bytes) - entries_.get()));
  }
  // Makes room: a hand goes round, eight keys at a time, and the smallest of those keys is erased.
  // Only if the map is not empty.
  void erase_an_old_one() {
    SWAPTRAIL_DCHECK(size_ != 0);
    uint64_t oldest = 0;
    size_t place = 0;
    for (size_t seen = 0; seen < std::min<size_t>(8, size_); hand_ = next(hand_)) {
      const uint64_t key = entries_[hand_].key();
      if (key == 0) continue;
      ++seen;
      if (oldest != 0 && key > oldest) continue;
      oldest = key;
      place = hand_;
    }
    close_gap(place);
  }
  void prefetch(uint64_t key) const { __builtin_prefetch(&entries_[home(key)], 1); }

  size_t size() const { return size_; }
  size_t room() const { return most_; }

 private:
  // The key is in halves: with a small value an entry then takes 12 bytes, and not 16.
  struct Entry {
    explicit Entry(uint64_t key) { std::memcpy(halves, &key, sizeof(key)); }
    uint64_t key() const {
      uint64_t key;
      std::memcpy(&key, halves, sizeof(key));
      return key;
    }

    uint32_t halves[2];
    Value value{};
  };
  struct Free {
    void operator()(Entry* entries) const { std::free(entries); }
  };

  static size_t entries_for(size_t most) { return std::bit_ceil(std::max<size_t>(2 * most, 16)); }
  size_t home(uint64_t key) const {
    const uint64_t mixed = (key >> 3) * 0x9e3779b97f4a7c15;
    return static_cast<size_t>(mixed >> (64 - bits_ + 3) << 3 | (key & 7));
  }
  size_t next(size_t at) const { return (at + 1) & mask_; }
  // Keys behind the gap whose home is at it or before it move up.
  void close_gap(size_t gap) {
    for (size_t at = next(gap); entries_[at].key() != 0; at = next(at)) {
      const size_t wanted = home(entries_[at].key());
      if (((at - wanted) & mask_) < ((at - gap) & mask_)) continue;
      entries_[gap] = entries_[at];
      gap = at;
    }
    entries_[gap] = Entry(0);
    --size_;
  }

  const size_t most_;
  const int bits_;
  const size_t mask_;
  size_t size_ = 0;
  size_t hand_ = 0;
  std::unique_ptr<Entry[], Free> entries_;
};

}  // namespace swaptrail::base
