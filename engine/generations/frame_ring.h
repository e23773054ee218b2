// A list of frames, as a ring of their numbers: new ones go to the head, scans take from the tail.
//
// A linked list would wait for memory at each step. Here the frames behind the tail are known before they are needed, and can
// be fetched ahead. A frame that leaves from the middle leaves a gap; when the ring is full of them it is written anew.
// Everything is O(1) amortised. Memory: 4 bytes for each slot, twice as many slots as there may be frames, at most.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "trace/check.h"

namespace swaptrail::engine {

class FrameRing {
 public:
  static constexpr uint32_t kNone = ~uint32_t{0};

  uint64_t count() const { return count_; }
  // place_of(frame) is a reference to the uint32_t where the frame's place is kept, as long as it is on this list.
  template <typename PlaceOf>
  void push(uint32_t frame, const PlaceOf& place_of) {
    if (head_ - tail_ == slots_.size()) renew(place_of);
    const uint32_t place = static_cast<uint32_t>(head_++ & (slots_.size() - 1));
    slots_[place] = frame;
    place_of(frame) = place;
    ++count_;
  }
  void remove(uint32_t place) {
    SWAPTRAIL_DCHECK(slots_[place] != kNone && count_ > 0);
    slots_[place] = kNone;
    --count_;
  }
  // The frame that is longest on the list, kNone if it is empty. ahead(frame) is called for one that will soon be the tail.
  template <typename Ahead>
  uint32_t tail(const Ahead& ahead) {
    if (count_ == 0) return kNone;
    const uint64_t mask = slots_.size() - 1;
    while (slots_[tail_ & mask] == kNone) ++tail_;
    const uint32_t soon = slots_[(tail_ + kAhead) & mask];
    if (soon != kNone) ahead(soon);
    return slots_[tail_ & mask];
  }
  // visit(frame), from the tail to the head.
  template <typename Visit>
  void for_each(const Visit& visit) const {
    for (uint64_t at = tail_; at < head_; ++at) {
      const uint32_t frame = slots_[at & (slots_.size() - 1)];
      if (frame != kNone) visit(frame);
    }
  }

 private:
  static constexpr uint64_t kAhead = 8;
  static constexpr uint64_t kFewest = 64;

  // At most half full afterwards. Slots behind the head are gaps.
  template <typename PlaceOf>
  void renew(const PlaceOf& place_of) {
    std::vector<uint32_t> frames;
    frames.reserve(count_);
    for_each([&](uint32_t frame) { frames.push_back(frame); });
    uint64_t size = std::max<uint64_t>(kFewest, slots_.size());
    while (size < frames.size() * 2) size *= 2;
    slots_.assign(size, kNone);
    tail_ = 0, head_ = frames.size();
    for (uint32_t at = 0; at < frames.size(); ++at) {
      slots_[at] = frames[at];
      place_of(frames[at]) = at;
    }
  }

  std::vector<uint32_t> slots_;  // a power of two, or none yet
  uint64_t head_ = 0,
           tail_ = 0;  // behind the newest, at the oldest or a gap before it: they only grow
  uint64_t count_ = 0;
};

}  // namespace swaptrail::engine
