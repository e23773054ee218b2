// How deep each page lies in swap: the tail of the LRU stack (Mattson, Gecsei, Slutz, Traiger, 1970).
//
// Swap is the part of the LRU stack that has no room in memory. The page that was swapped out last lies on top, at depth 1. A
// page that leaves swap, whether it is needed or freed, leaves its place to those below it. With room for X more pages,
// memory would hold the X on top. So a page would have stayed in memory if it was never deeper than X.
//
// Both are known for each page at any time: its depth now, and the most it has been. One pass, O(log n) for each page that
// comes or leaves:
//  - Pages stand in a row in the order in which they came. One that comes makes all before it deeper by one, one that
//    leaves makes all before it less deep by one: always the same change for the pages of a prefix of the row.
//  - A binary tree over the row has at each node the changes that all pages below it still have to be told of: their sum,
//    and the largest sum on the way there. Whoever goes down to a page hands on what the nodes have, and changes the trees
//    to the left. At a leaf sum and largest sum are the page's depth and the most it has been.
//  - When the row is at its end it is written anew without those that left, twice as long as what is there at least.
//
// Memory: at most 90 bytes for each of the most pages that there were at a time, and some 25 KiB.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace swaptrail::engine {

struct Depth {
  uint32_t now = 0;   // 1: on top
  uint32_t most = 0;  // since it came
};

// Not thread-safe.
class DepthStack {
 public:
  static constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();

  DepthStack();

  // A page comes, on top. Its number is small, and another page's when it has left. At most 2^30 pages at a time.
  uint32_t push();
  // `page`: a number that push() gave, of a page that has not left.
  Depth depth(uint32_t page);
  // It leaves. The depth is that before.
  Depth remove(uint32_t page);

  uint32_t size() const { return size_; }
  // The page at the bottom; kNone: there is none. O(1), amortised.
  uint32_t deepest();
  void clear();

 private:
  struct Change {
    int32_t sum = 0;
    int32_t largest = 0;  // of all sums on the way, 0 included; at a leaf: the most it has been
  };

  void change(uint32_t node, Change more);
  Change& walk_to(uint32_t place, int32_t change_before);
  void renew();

  uint32_t leaves_ = 1024;  // a power of two
  uint32_t next_ = 0;       // place of the next page that comes
  uint32_t bottom_ = 0;     // no page stands before it
  uint32_t size_ = 0;
  std::vector<Change> tree_;       // 1: the root; the children of n are 2n and 2n + 1
  std::vector<uint32_t> page_at_;  // by place; kNone: it has left
  std::vector<uint32_t> place_;    // by page
  std::vector<uint32_t> free_;     // numbers of pages
};

}  // namespace swaptrail::engine
