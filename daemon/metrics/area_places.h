// Gives each swap area its own series: a counter never continues for another device.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/host/area_history.h"

namespace swaptrail::metrics {

// A series has a place: one for each pair of type and path that was ever seen, up to 32 (Linux has at
// most 29 areas at once); then `other`, and `none` for a lifecycle that never had a slot.
inline constexpr size_t kAreas = 32, kOtherArea = kAreas, kNoArea = kAreas + 1;
inline constexpr size_t kAreaPlaces = kAreas + 2;

// The pipeline thread writes; any thread may read names that are there.
class AreaPlaces {
 public:
  struct Name {
    uint32_t type = 0;
    std::string path;  // empty: the area of this type is not known
  };

  // For an area that is new, or whose type is known only now. Other calls change nothing.
  void on_area(const host::AreaInstance& area);
  // The place for an entry (0 = none) that was in use at that time.
  size_t place_of(uint64_t entry, uint64_t at_ns);

  // Any thread. Places below named() have a name, which never changes.
  size_t named() const { return named_.load(std::memory_order_acquire); }
  const Name& name(size_t place) const { return names_[place]; }

 private:
  static constexpr size_t kKept = 8;  // areas of a type, the newest
  struct Since {
    uint32_t number;  // of the instance
    uint64_t since_ns;
    size_t place;
  };
  size_t find_or_add(uint32_t type, std::string_view path);

  std::array<Name, kAreas> names_;
  std::atomic<size_t> named_{0};
  std::array<std::vector<Since>, kAreas> of_type_;  // by time
};

}  // namespace swaptrail::metrics
