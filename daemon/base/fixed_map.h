// A hash table of fixed capacity: open addressing, linear probing, no allocation after
// construction.
//
// Ids are given out in order, and a table of the last few thousand must not touch all of its pages. So consecutive keys
// lie together in groups of up to 512, and only the group is chosen by a hash. Probing goes from group to group, at the same
// place in each (the lane), so that neighbours do not get into each other's way: a lane is a table with linear probing of its
// own. Behind its last group a lane continues with the next lane, as one long row of positions.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "daemon/base/zeros.h"
#include "trace/check.h"

namespace swaptrail::base {

// Keys are never 0. At most half full. The system provides the memory as it is touched. One thread.
template <typename Value>
class FixedMap {
  static_assert(std::is_trivially_copyable_v<Value> && std::is_trivially_destructible_v<Value>);

 public:
  explicit FixedMap(size_t most)
      : most_(most),
        lane_bits_(
            std::min(kMostLaneBits, static_cast<int>(std::bit_width(entries_for(most))) - 4)),
        group_bits_(static_cast<int>(std::bit_width(entries_for(most))) - 1 - lane_bits_),
        entries_(entries_for(most)) {}

  // The memory of a map for `most` keys, once all of it is touched.
  static size_t bytes_for(size_t most) { return entries_for(most) * sizeof(Entry); }

  Value* find(uint64_t key) { return const_cast<Value*>(std::as_const(*this).find(key)); }
  const Value* find(uint64_t key) const {
    for (size_t at = home(key); entry(at).key() != 0; at = next(at)) {
      if (entry(at).key() == key) return &entry(at).value;
    }
    return nullptr;
  }
  // Adds a key that is not in it yet. Null if there is no room.
  Value* insert(uint64_t key) {
    SWAPTRAIL_DCHECK(find(key) == nullptr);
    bool is_new = false;
    return find_or_insert(key, is_new);
  }
  // The value for `key`, or a new one. Null if it is not there and there is no room.
  Value* find_or_insert(uint64_t key, bool& is_new) {
    SWAPTRAIL_DCHECK(key != 0);
    size_t at = home(key);
    while (entry(at).key() != 0 && entry(at).key() != key) at = next(at);
    is_new = entry(at).key() == 0;
    if (!is_new) return &entry(at).value;
    if (size_ == most_) return nullptr;
    ++size_;
    entry(at) = Entry(key);
    return &entry(at).value;
  }
  void erase(uint64_t key) {
    if (Value* found = find(key)) erase_found(found);
  }
  // `found`: from find(), with nothing added or erased since.
  void erase_found(Value* found) {
    const auto* bytes = reinterpret_cast<const char*>(found) - offsetof(Entry, value);
    close_gap(position(static_cast<size_t>(reinterpret_cast<const Entry*>(bytes) - &entries_[0])));
  }
  // Makes room: a hand goes round, eight keys at a time, and the smallest of those keys is erased.
  // Only if the map is not empty.
  void erase_an_old_one() {
    SWAPTRAIL_DCHECK(size_ != 0);
    uint64_t oldest = 0;
    size_t place = 0;
    for (size_t seen = 0; seen < std::min<size_t>(8, size_); hand_ = (hand_ + 1) & mask()) {
      const uint64_t key = entries_[hand_].key();
      if (key == 0) continue;
      ++seen;
      if (oldest != 0 && key > oldest) continue;
      oldest = key;
      place = hand_;
    }
    close_gap(position(place));
  }
  void prefetch(uint64_t key) const { __builtin_prefetch(&entry(home(key)), 1); }

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
  static constexpr int kMostLaneBits = 9;

  static size_t entries_for(size_t most) { return std::bit_ceil(std::max<size_t>(2 * most, 16)); }
  size_t mask() const { return entries_.size() - 1; }
  // Lane by lane, each from its first group to its last.
  size_t home(uint64_t key) const {
    const uint64_t group = (key >> lane_bits_) * 0x9e3779b97f4a7c15 >> (64 - group_bits_);
    const uint64_t lane = key & ((uint64_t{1} << lane_bits_) - 1);
    return static_cast<size_t>(lane << group_bits_ | group);
  }
  size_t next(size_t at) const { return (at + 1) & mask(); }
  // The memory has group by group.
  size_t index(size_t at) const {
    const size_t group = at & ((size_t{1} << group_bits_) - 1);
    return group << lane_bits_ | at >> group_bits_;
  }
  size_t position(size_t index) const {
    const size_t lane = index & ((size_t{1} << lane_bits_) - 1);
    return lane << group_bits_ | index >> lane_bits_;
  }
  Entry& entry(size_t at) { return entries_[index(at)]; }
  const Entry& entry(size_t at) const { return entries_[index(at)]; }
  // Keys behind the gap whose home is at it or before it move up.
  void close_gap(size_t gap) {
    for (size_t at = next(gap); entry(at).key() != 0; at = next(at)) {
      const size_t wanted = home(entry(at).key());
      if (((at - wanted) & mask()) < ((at - gap) & mask())) continue;
      entry(gap) = entry(at);
      gap = at;
    }
    entry(gap) = Entry(0);
    --size_;
  }

  const size_t most_;
  const int lane_bits_, group_bits_;
  size_t size_ = 0;
  size_t hand_ = 0;  // in memory
  Zeros<Entry> entries_;
};

}  // namespace swaptrail::base
