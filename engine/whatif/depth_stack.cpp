#include "engine/whatif/depth_stack.h"

#include <algorithm>

#include "trace/check.h"

namespace swaptrail::engine {

DepthStack::DepthStack() : tree_(2 * size_t{leaves_}), page_at_(leaves_, kNone) {}

void DepthStack::clear() { *this = DepthStack(); }

uint32_t DepthStack::push() {
  if (next_ == leaves_) renew();
  const uint32_t place = next_++;
  uint32_t page = static_cast<uint32_t>(place_.size());
  if (free_.empty()) {
    place_.push_back(place);
  } else {
    page = free_.back();
    free_.pop_back();
    place_[page] = place;
  }
  page_at_[place] = page;
  walk_to(place, 1) = {1, 1};
  ++size_;
  return page;
}

Depth DepthStack::depth(uint32_t page) {
  SWAPTRAIL_DCHECK(page < place_.size() && place_[page] != kNone);
  const Change& leaf = walk_to(place_[page], 0);
  return {static_cast<uint32_t>(leaf.sum), static_cast<uint32_t>(leaf.largest)};
}

Depth DepthStack::remove(uint32_t page) {
  SWAPTRAIL_DCHECK(page < place_.size() && place_[page] != kNone);
  const Change leaf = walk_to(place_[page], -1);
  page_at_[place_[page]] = kNone;
  place_[page] = kNone;
  free_.push_back(page);
  --size_;
  return {static_cast<uint32_t>(leaf.sum), static_cast<uint32_t>(leaf.largest)};
}

uint32_t DepthStack::deepest() {
  if (size_ == 0) return kNone;
  while (page_at_[bottom_] == kNone) ++bottom_;
  return page_at_[bottom_];
}

void DepthStack::change(uint32_t node, Change more) {
  Change& at = tree_[node];
  at.largest = std::max(at.largest, at.sum + more.largest);
  at.sum += more.sum;
}

// Down to the leaf of `place`, and `change_before` for all places before it.
DepthStack::Change& DepthStack::walk_to(uint32_t place, int32_t change_before) {
  uint32_t node = 1;
  for (uint32_t half = leaves_ / 2; half != 0; half /= 2) {
    const Change pending = tree_[node];
    tree_[node] = {};
    node *= 2;
    change(node, pending);
    change(node + 1, pending);
    if ((place & half) == 0) continue;
    if (change_before != 0) change(node, {change_before, std::max(change_before, 0)});
    ++node;
  }
  return tree_[node];
}

// Depths follow from the order; only the most that each has been has to be kept.
void DepthStack::renew() {
  std::vector<uint32_t> pages;
  std::vector<Change> changes;
  pages.reserve(size_);
  changes.reserve(size_);
  for (uint32_t place = bottom_; place < next_; ++place) {
    if (page_at_[place] == kNone) continue;
    pages.push_back(page_at_[place]);
    changes.push_back(walk_to(place, 0));
  }
  SWAPTRAIL_CHECK(pages.size() == size_);
  while (leaves_ / 2 < size_) leaves_ *= 2;
  tree_.assign(2 * size_t{leaves_}, {});
  page_at_.assign(leaves_, kNone);
  std::copy(pages.begin(), pages.end(), page_at_.begin());
  std::copy(changes.begin(), changes.end(), tree_.begin() + leaves_);
  for (uint32_t place = 0; place < size_; ++place) place_[pages[place]] = place;
  next_ = size_;
  bottom_ = 0;
}

}  // namespace swaptrail::engine
