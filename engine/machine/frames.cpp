#include "engine/machine/frames.h"

#include <algorithm>

namespace swaptrail::engine {
namespace {

uint32_t round_up(uint32_t value, uint32_t order) {
  const uint32_t mask = (uint32_t{1} << order) - 1;
  return (value + mask) & ~mask;
}

}  // namespace

FrameTable::FrameTable(uint32_t small, uint32_t blocks, uint32_t order)
    : small_(round_up(small, order)), order_(order) {
  const uint32_t large = blocks << order;
  frames_.resize(small_ + large);
  contents_.resize(frames_.size());
  block_used_.resize(blocks);
  for (uint32_t frame = small_; frame-- > 0;) free_.push_back(frame);
  for (uint32_t block = blocks; block-- > 0;) free_blocks_.push_back(small_ + (block << order));
}

uint32_t FrameTable::allocate(uint32_t order) {
  std::vector<uint32_t>& free = order == 0 ? free_ : free_blocks_;
  if (free.empty()) return kNoFrame;
  const uint32_t frame = free.back();
  free.pop_back();
  const uint32_t count = uint32_t{1} << order;
  if (order != 0) block_used_[(frame - small_) >> order_] = count;
  frames_[frame] = Frame{};
  frames_[frame].folio.address = address(frame);
  frames_[frame].folio.nr_pages = count;
  for (uint32_t i = 0; i < count; ++i) frames_[frame + i].head = frame;
  return frame;
}

void FrameTable::release(uint32_t frame, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) frames_[frame + i].head = kNoFrame;
  if (frame < small_) return free_.push_back(frame);
  const uint32_t block = (frame - small_) >> order_;
  block_used_[block] -= count;
  if (block_used_[block] == 0) free_blocks_.push_back(small_ + (block << order_));
}

void Mappings::add(Frame& head, uint32_t process, int64_t first_page) {
  uint32_t index = free_;
  if (index == kNoFrame) {
    index = static_cast<uint32_t>(nodes_.size());
    nodes_.emplace_back();
  } else {
    free_ = nodes_[index].next;
  }
  nodes_[index] = {process, head.mappings, first_page};
  head.mappings = index;
}

void Mappings::remove(Frame& head, uint32_t process) {
  uint32_t* link = &head.mappings;
  while (*link != kNoFrame && nodes_[*link].process != process) link = &nodes_[*link].next;
  if (*link == kNoFrame) return;
  const uint32_t index = *link;
  *link = nodes_[index].next;
  nodes_[index].next = free_;
  free_ = index;
}

bool Mappings::has(const Frame& head, uint32_t process) const {
  uint32_t index = head.mappings;
  while (index != kNoFrame && nodes_[index].process != process) index = nodes_[index].next;
  return index != kNoFrame;
}

bool FrameTable::came_back(const Folio& folio) const {
  const auto first = frames_.begin() + of(folio);
  return first->from_swap &&
         std::all_of(first, first + folio.nr_pages, [](const Frame& page) { return page.mapped; });
}

}  // namespace swaptrail::engine
