// Objects by index, in blocks that never move, with a free list. Internal to trace/.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "trace/check.h"
#include "trace/lifecycles/slots.h"

namespace swaptrail::lifecycles {

// T is default-constructible. Grows by blocks up to `max`, then is full. A released
// object is reused first.
template <typename T>
class Pool {
 public:
  explicit Pool(size_t max) : max_(std::min<size_t>(max, kNoIndex)) {}

  // A fresh T, or kNoIndex if full.
  uint32_t acquire() {
    if (!free_.empty()) {
      const uint32_t index = free_.back();
      free_.pop_back();
      std::destroy_at(&at(index));
      std::construct_at(&at(index));  // in its place: a T may be large
      return index;
    }
    if (size_ >= max_) return kNoIndex;
    if (size_ == blocks_.size() * kBlock) add_block();
    return static_cast<uint32_t>(size_++);
  }
  void release(uint32_t index) {
    SWAPTRAIL_DCHECK(index < size_ && live() > 0);
    free_.push_back(index);
  }

  T& at(uint32_t index) {
    SWAPTRAIL_DCHECK(index < size_);
    return blocks_[index / kBlock][index % kBlock];
  }
  const T& at(uint32_t index) const {
    SWAPTRAIL_DCHECK(index < size_);
    return blocks_[index / kBlock][index % kBlock];
  }
  size_t live() const { return size_ - free_.size(); }
  size_t touched() const { return size_; }  // indexes below it were used at least once

 private:
  static constexpr size_t kBlock = 1024;

  void add_block() {
    blocks_.push_back(std::make_unique<T[]>(kBlock));
    free_.reserve(blocks_.size() * kBlock);  // so that release() never allocates
  }

  size_t max_;
  size_t size_ = 0;
  std::vector<std::unique_ptr<T[]>> blocks_;
  std::vector<uint32_t> free_;
};

// Links of one intrusive list, by pool index.
struct Link {
  uint32_t previous = kNoIndex;
  uint32_t next = kNoIndex;
};

// A doubly linked list threaded through the objects of a pool by one of their links.
template <typename T, Link T::*kLink>
class PoolList {
 public:
  uint32_t head() const { return head_; }
  void append(Pool<T>& pool, uint32_t index) {
    pool.at(index).*kLink = Link{tail_, kNoIndex};
    (tail_ == kNoIndex ? head_ : (pool.at(tail_).*kLink).next) = index;
    tail_ = index;
  }
  void remove(Pool<T>& pool, uint32_t index) {
    const Link link = pool.at(index).*kLink;
    SWAPTRAIL_DCHECK(link.previous != kNoIndex || head_ == index);
    SWAPTRAIL_DCHECK(link.next != kNoIndex || tail_ == index);
    (link.previous == kNoIndex ? head_ : (pool.at(link.previous).*kLink).next) = link.next;
    (link.next == kNoIndex ? tail_ : (pool.at(link.next).*kLink).previous) = link.previous;
    pool.at(index).*kLink = Link{};
  }

 private:
  uint32_t head_ = kNoIndex;
  uint32_t tail_ = kNoIndex;
};

}  // namespace swaptrail::lifecycles
