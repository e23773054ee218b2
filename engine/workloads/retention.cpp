#include "engine/workloads/retention.h"

#include "trace/check.h"

namespace swaptrail::engine {

void Retention::begin(uint32_t page) {
  if (page >= uses_.size()) uses_.resize(size_t{page} + 1, kNone);
  SWAPTRAIL_DCHECK(uses_[page] == kNone);
  append(page);
}

bool Retention::reuse(uint32_t page) {
  SWAPTRAIL_DCHECK(page < uses_.size());
  const uint32_t use = uses_[page];
  if (use != kNone && size_t{use} + 1 == points_.size()) return true;  // nothing was used since
  const bool kept = use != kNone && use + 1 >= oldest_;
  if (kept) cover(use + 1);
  forget(page);
  append(page);
  return kept;
}

void Retention::forget(uint32_t page) {
  uint32_t& use = uses_[page];
  if (use != kNone) points_[use].page = kNone;
  use = kNone;
}

// A new point, where nothing is kept yet.
void Retention::append(uint32_t page) {
  if (points_.size() >= most_points_) renumber();
  const auto now = static_cast<uint32_t>(points_.size());
  points_.push_back({now, now, 0, page});
  uses_[page] = now;
  if (now > oldest_ && points_[now - 1].step == 0) join(now - 1, now);
  if (room_ == 0) oldest_ = now + 1;
}

// Keeps one more page at all points from there on.
void Retention::cover(uint32_t from) {
  SWAPTRAIL_DCHECK(from >= oldest_ && from < points_.size());
  const uint32_t group = last_of_group(from);
  const uint32_t first = points_[group].first;
  ++points_.back().step;
  if (first == oldest_) {
    if (++top_ < room_) return;
    top_ -= points_[group].step;
    oldest_ = group + 1;
  } else if (--points_[first - 1].step == 0) {
    join(first - 1, group);
  }
}

uint32_t Retention::last_of_group(uint32_t point) {
  while (points_[point].next != point) {
    uint32_t& next = points_[point].next;
    next = points_[next].next;  // halves the path
    point = next;
  }
  return point;
}

void Retention::join(uint32_t group, uint32_t into) {
  points_[group].next = into;
  points_[into].first = points_[group].first;
}

void Retention::renumber() {
  // The wall's own point may be a page's last use: what follows is behind the wall.
  const uint32_t from = oldest_ == 0 ? 0 : oldest_ - 1;
  for (uint32_t at = 0; at < from; ++at)
    if (points_[at].page != kNone) uses_[points_[at].page] = kNone;
  const auto end = static_cast<uint32_t>(points_.size());
  const uint32_t oldest = oldest_ - from;
  uint32_t to = 0, first = oldest, step = 0;
  bool ends_group = false;  // a group ended at a point that goes, or ends here
  for (uint32_t at = from; at < end; ++at) {
    const Point point = points_[at];
    if (at >= oldest_ && point.next == at) {
      ends_group = true;
      step += point.step;
    }
    if (point.page == kNone && at + 1 != end && at >= oldest_) continue;
    points_[to] = {to, first, 0, point.page};
    if (point.page != kNone) uses_[point.page] = to;
    if (ends_group) {
      points_[to].step = step;
      for (uint32_t member = first; member < to; ++member) points_[member].next = to;
      first = to + 1;
      step = 0;
      ends_group = false;
    }
    ++to;
  }
  points_.resize(to);
  oldest_ = oldest;
  most_points_ = 2 * size_t{to} + 1024;
}

}  // namespace swaptrail::engine
