// Finds a lifecycle in the store by its id.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace swaptrail::store {

// Open addressing in memory of a fixed size, with deletion that leaves no tombstones. It keeps only
// the low half of an id: the caller checks whether a place has the right id. For one thread.
class IdIndex {
 public:
  static constexpr uint32_t kNowhere = ~uint32_t{0};

  // Room for `most` lifecycles at a time.
  explicit IdIndex(size_t most) : slots_(slots_for(most)) {}
  static size_t bytes_for(size_t most) { return slots_for(most) * sizeof(Slot); }

  // `place` is not kNowhere. There must be room.
  void add(uint64_t id, uint32_t place);
  // Does nothing if it is not there.
  void erase(uint64_t id, uint32_t place);
  // The place for which `is_it` returns true; kNowhere if there is none.
  template <typename IsIt>
  uint32_t find(uint64_t id, const IsIt& is_it) const {
    const auto tag = static_cast<uint32_t>(id);
    for (size_t at = home(tag); slots_[at].place != kNowhere; at = next(at)) {
      if (slots_[at].tag == tag && is_it(slots_[at].place)) return slots_[at].place;
    }
    return kNowhere;
  }

 private:
  struct Slot {
    uint32_t tag = 0;
    uint32_t place = kNowhere;
  };
  static size_t slots_for(size_t most);
  size_t home(uint32_t tag) const;
  size_t next(size_t at) const { return (at + 1) & (slots_.size() - 1); }

  std::vector<Slot> slots_;  // a power of two
};

}  // namespace swaptrail::store
