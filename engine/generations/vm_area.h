// The memory regions of a process (vm_area_struct), for the generations before the reverse map.
//
// A process begins with one region of anonymous memory that is its whole address space. What a workload does is in there;
// other kinds are for who wants to see how reclaim treats them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "engine/workloads/workload_source.h"

namespace swaptrail::engine {

// A region's own way to swap: vm_ops->swapout of Linux 2.0, writepage of a mapping of 2.4.
struct SwapMethod {
  // Stores what the page holds. False: an error.
  std::function<bool(uint64_t page, uint64_t token)> swapout;
  // What the page holds that was stored last; 0 if it never was.
  std::function<uint64_t(uint64_t page)> swapin;
};

enum class VmAreaKind : uint8_t {
  kAnonymous,
  kImage,  // private pages of an executable's file: read from there, until the process writes to them
};

struct VmArea {
  uint64_t start = 0;  // pages: start <= page < end
  uint64_t end = kMostWorkloadPages;
  VmAreaKind kind = VmAreaKind::kAnonymous;
  // kImage and `shared`: which file or segment it is. Regions of the same one share its pages; a page has the same number
  // in it as in the address space.
  uint32_t object = 0;
  bool locked = false;  // VM_LOCKED
  bool shared =
      false;  // kAnonymous: a write is seen by all, and by children; its contents are not verified
  // kAnonymous, for this process only: its children don't get the region, but anonymous memory.
  std::shared_ptr<const SwapMethod> method;
};

// What page `page` of an image holds.
constexpr uint64_t image_token(uint32_t object, uint64_t page) {
  return (uint64_t{object} + 1) << 37 ^ page ^ uint64_t { 1 } << 63;
}

// In order of addresses, without gaps: what no region was put over is anonymous.
class VmAreas {
 public:
  VmAreas() : areas_(1) {}

  std::span<const VmArea> all() const { return areas_; }
  // find_vma, as an index into all(): the region of the page.
  size_t find_vma(uint64_t page) const {
    size_t low = 0, high = areas_.size() - 1;
    while (low < high) {
      const size_t middle = (low + high) / 2;
      if (page < areas_[middle].end)
        high = middle;
      else
        low = middle + 1;
    }
    return low;
  }
  const VmArea& at(uint64_t page) const { return areas_[find_vma(page)]; }
  // Puts the region over those that are there. It must not be empty.
  void insert(const VmArea& area) {
    std::vector<VmArea> kept;
    bool done = false;
    for (const VmArea& old : areas_) {
      VmArea before = old, behind = old;
      before.end = std::min(old.end, area.start);
      behind.start = std::max(old.start, area.end);
      if (before.start < before.end) kept.push_back(before);
      if (!done && old.end > area.start) kept.push_back(area), done = true;
      if (behind.start < behind.end) kept.push_back(behind);
    }
    areas_ = std::move(kept);
  }
  // What a child gets.
  VmAreas of_child() const {
    VmAreas child = *this;
    for (VmArea& area : child.areas_) area.method = nullptr;
    return child;
  }

 private:
  std::vector<VmArea> areas_;
};

}  // namespace swaptrail::engine
