// Which pages the best of all policies keeps: the greedy choice behind Belady's optimum, in one pass and O(pages) memory.
//
// Memory has room for one page that is used and `room` others. A *stay* of a page lasts from one use to its next. A page
// can be kept during a stay, or it has to be read at its end. The best policy keeps as many stays as possible, so that
// between uses at most `room` others are kept at every point of time. A point is a use of any page.
//
// Greedy: whenever a page is used again, its stay that ends now is kept if there is room at every point inside it, among
// those that were kept before. This is optimal (stays in order of their ends; the largest k-colourable subgraph of an
// interval graph). Proof: take a best choice that agrees with the greedy one up to the stay S that ends now. What the
// greedy one refuses, no choice that agrees so far can have. If it takes S and the best choice does not, look at the first
// point in S where the best choice has no room left. The greedy choice had room there, so there the best one keeps a stay
// that ends later than S, and therefore covers all of S from that point on. Put S in the place of that stay: as many are
// kept, it fits, and the choices agree one stay longer.
//
// Only the points after a page's last use matter to it, and S always reaches up to now. So:
//  - Of two points, the earlier is of no interest once it has no more stays than the later: every stay that will cover
//    the earlier covers the later. What is left are groups of points whose numbers of stays fall strictly from the oldest
//    to the newest. A group is known by its last point, which is found by union-find.
//  - To keep S adds one to the group at its begin and all after it. So only the step down to that group gets smaller, by
//    one; a step of 0 makes two groups one. Only the number of the oldest group is known as such, the others by steps.
//  - Where the number reaches `room` is a *wall*: nothing is ever kept across it. All points up to it are forgotten.
//  - A point that is no page's last use is forgotten as well when points are renumbered, which is done whenever there are
//    twice as many as there were then. Its number goes to the next point that stays: to be kept across one is to be kept
//    across the other.
//
// O(log n) for a use, amortised; in practice some ten memory accesses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace swaptrail::engine {

class Retention {
 public:
  // `room`: below 2^32 - 1.
  explicit Retention(uint32_t room) : room_(room) {}

  // Pages are numbers, small ones: memory is proportional to the largest.
  // The first use of `page`, whose number may have been that of another page that was forgotten.
  void begin(uint32_t page);
  // It is used again: true if it could be kept since its last use, false if it must be read.
  bool reuse(uint32_t page);
  // It is never used again.
  void forget(uint32_t page);

  // Points that are remembered: at most twice the most pages that there were at a time, and some 1000.
  uint64_t points() const { return points_.size(); }

 private:
  static constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();
  struct Point {
    uint32_t next;   // towards the last point of the group, which has itself
    uint32_t first;  // of the group; of its last point only
    uint32_t step;   // stays here less those of the next group (the newest: less 0); likewise
    uint32_t page;   // whose last use it is, or kNone
  };

  void append(uint32_t page);
  void cover(uint32_t from);
  uint32_t last_of_group(uint32_t point);
  void join(uint32_t group, uint32_t into);
  void renumber();

  const uint32_t room_;
  uint32_t oldest_ = 0;  // the first point behind the last wall
  uint32_t top_ = 0;     // stays in its group
  size_t most_points_ = 1024;
  std::vector<Point> points_;
  std::vector<uint32_t> uses_;  // point of the last use, by page; kNone: none, or before a wall
};

}  // namespace swaptrail::engine
