// Matches lines of /proc/swaps to the kernel's swap areas. Pure; one thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "trace/recording/contents.h"

namespace swaptrail::host {

// SwapArea::type if the type can't be read, and does not follow from what was seen. Such an area is
// not recorded.
inline constexpr uint32_t kTypeNotKnown = ~uint32_t{0};

// A file or device, as both the kernel and stat(2) know it. All 0 = not known.
struct AreaFile {
  uint64_t inode = 0;   // of a swap file; 0 for a device
  uint32_t device = 0;  // of a device: major << 20 | minor; 0 for a file
  bool operator==(const AreaFile&) const = default;
};

// A line of /proc/swaps.
struct SeenArea {
  recording::SwapArea area;
  AreaFile file;
};
// Whether it is the same area, as far as a line shows that.
bool is_same_area(const SeenArea& a, const SeenArea& b);

// An area in the kernel's list (mm/swapfile.c swap_info[]) that is on, or is being switched on or
// off.
struct KernelArea {
  uint32_t type = 0;
  uint64_t pages = 0;  // usable, as in /proc/swaps
  int32_t priority = 0;
  AreaFile file;
};

// Gives the lines, which are in the order of their types, the types that the kernel has for them. If
// one line does not fit, all types stay unknown. Returns whether all fit; if not, something changed
// between the two readings.
bool set_types(std::span<const KernelArea> kernel, uint64_t page_bytes, std::span<SeenArea> lines);

// Finds the types if the kernel's list can't be read. It uses only three things, which are certain:
// lines are in the order of their types; a new area takes the lowest free type (mm/swapfile.c
// alloc_swap_info); and what is written has the type of an area that is on. While they leave more
// than one answer, the type is not known. If a use contradicts them (areas came and went unseen),
// everything is forgotten, and only uses count from there on.
class TypesByUse {
 public:
  // All lines, as they are now. Sets their types.
  void update(std::span<SeenArea> lines);

  // Something was written to an area of that type (below 32) after the last update. Returns whether
  // a type has changed; types() has them.
  bool on_use(uint32_t type);

  // Of the lines of the last update.
  const std::vector<uint32_t>& types() const { return types_; }

 private:
  void keep(std::span<const SeenArea> lines);
  void place_new(uint64_t used, uint64_t gone);
  bool is_in_order() const;
  void forget();
  void infer();

  std::vector<SeenArea> lines_;
  std::vector<uint32_t> types_;  // of lines_
  uint64_t uses_ = 0;            // bits: types that were written to since the areas were these
  bool started_ = false;
};

}  // namespace swaptrail::host
