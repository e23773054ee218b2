// What more room would have kept from swap, against a buffer of that size that is really there.
#include "engine/whatif/victim_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <random>
#include <vector>

namespace swaptrail::engine {
namespace {

Lifecycle leaving(uint64_t entry, uint8_t backend, uint16_t pages = 1) {
  Lifecycle lifecycle;
  lifecycle.entry = entry;
  lifecycle.nr_pages = pages;
  lifecycle.backend = backend;
  lifecycle.outcome = backend == SWAPTRAIL_BACKEND_NONE ? Outcome::kFreedClean : freed_to(backend);
  return lifecycle;
}

Lifecycle staying(uint64_t entry, uint8_t backend) {
  Lifecycle lifecycle = leaving(entry, backend);
  lifecycle.outcome = Outcome::kAborted;
  lifecycle.abort_reason = AbortReason::kReferenced;
  return lifecycle;
}

Return returning(uint64_t entry, uint64_t wait_ns = 1000, uint16_t pages = 1) {
  Return back;
  back.entry = entry;
  back.nr_pages = pages;
  back.fault_ns = wait_ns;
  back.major = true;
  return back;
}

Return freeing(uint64_t entry) {
  Return back = returning(entry, 0);
  back.how = ReturnHow::kSlotFreed;
  back.major = false;
  return back;
}

swaptrail_event event_of(swaptrail_kind kind, uint64_t entry) {
  swaptrail_event event{};
  event.kind = kind;
  event.entry = entry;
  event.nr_pages = 1;
  return event;
}

// A buffer of `room` pages between memory and swap: what comes in first goes to swap first.
class Buffer {
 public:
  explicit Buffer(size_t room) : room_(room) {}

  void leave(uint64_t entry, bool dirty) {
    if (dirty) in_swap_[entry] = false;
    pages_.push_front(entry);
    if (pages_.size() <= room_) return;
    const uint64_t last = pages_.back();
    pages_.pop_back();
    ++left;
    if (!in_swap_[last]) ++written;
    in_swap_[last] = true;
  }
  bool has(uint64_t entry) const { return std::ranges::find(pages_, entry) != pages_.end(); }
  void take(uint64_t entry) { std::erase(pages_, entry); }

  uint64_t left = 0, written = 0, returned = 0, read = 0, wait_ns = 0;

 private:
  size_t room_;
  std::deque<uint64_t> pages_;
  std::map<uint64_t, bool> in_swap_;  // its content is there
};

// The same stream to the estimate and to buffers of several sizes.
class Streams {
 public:
  explicit Streams(uint32_t seed) : random_(seed) {
    for (const size_t room : {0, 1, 2, 5, 10, 30, 100, 1000}) buffers_.emplace(room, Buffer(room));
  }

  void run(size_t steps, uint64_t pages) {
    for (size_t step = 0; step < steps; ++step) {
      const uint64_t entry = 1 + random_() % pages;
      if (away_.contains(entry)) {
        come_back(entry);
      } else {
        go(entry);
      }
    }
    cache_.finish();
  }

  void compare() const {
    for (const auto& [room, buffer] : buffers_) {
      SCOPED_TRACE(room);
      EXPECT_EQ(cache_.estimate(Quantity::kLeft, room).high, buffer.left);
      EXPECT_EQ(cache_.estimate(Quantity::kWritten, room).high, buffer.written);
      EXPECT_EQ(cache_.estimate(Quantity::kReturned, room).high, buffer.returned);
      EXPECT_EQ(cache_.estimate(Quantity::kMajorFaults, room).high, buffer.returned);
      EXPECT_EQ(cache_.estimate(Quantity::kRead, room).high, buffer.read);
      EXPECT_EQ(cache_.estimate(Quantity::kWaitNs, room).high, buffer.wait_ns);
      EXPECT_LE(cache_.estimate(Quantity::kReturned, room).low, buffer.returned);
    }
  }

 private:
  void go(uint64_t entry) {
    // A page that came back and kept its slot may leave as it is.
    const bool clean = kept_.contains(entry) && random_() % 2 == 0;
    if (!clean && kept_.contains(entry)) cache_.on_event(event_of(SWAPTRAIL_SLOT_FREED, entry));
    kept_.erase(entry);
    cache_.on_lifecycle(leaving(entry, clean ? SWAPTRAIL_BACKEND_NONE : SWAPTRAIL_BACKEND_DEVICE));
    for (auto& [room, buffer] : buffers_) buffer.leave(entry, !clean);
    away_[entry] = true;
  }

  void come_back(uint64_t entry) {
    away_.erase(entry);
    if (random_() % 4 == 0) {
      cache_.on_event(event_of(SWAPTRAIL_SLOT_FREED, entry));
      cache_.on_return(freeing(entry));
      for (auto& [room, buffer] : buffers_) buffer.take(entry);
      return;
    }
    const uint64_t wait_ns = 1 + random_() % 1000;
    cache_.on_event(event_of(SWAPTRAIL_SWAP_READ, entry));
    cache_.on_return(returning(entry, wait_ns));
    for (auto& [room, buffer] : buffers_) {
      if (!buffer.has(entry)) {
        ++buffer.returned;
        ++buffer.read;
        buffer.wait_ns += wait_ns;
      }
      buffer.take(entry);
    }
    kept_[entry] = true;
  }

  std::mt19937 random_;
  VictimCache cache_;
  std::map<size_t, Buffer> buffers_;
  std::map<uint64_t, bool> away_;
  std::map<uint64_t, bool> kept_;
};

TEST(VictimCache, IsThatOfABufferOfThatSize) {
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    Streams streams(seed);
    streams.run(2000, 20 + 10 * seed);
    streams.compare();
  }
}

void expect_estimate(const VictimCache& cache, Quantity quantity, uint64_t pages, Estimate wanted) {
  const Estimate estimate = cache.estimate(quantity, pages);
  EXPECT_EQ(estimate.seen, wanted.seen);
  EXPECT_EQ(estimate.low, wanted.low);
  EXPECT_EQ(estimate.high, wanted.high);
}

TEST(VictimCache, WhatLeftBeforeItBeganHasNoDepth) {
  VictimCache cache;
  cache.on_event(event_of(SWAPTRAIL_SWAP_READ, 9));
  cache.on_return(returning(9));
  cache.finish();
  expect_estimate(cache, Quantity::kReturned, 1000, {1, 0, 1});
  expect_estimate(cache, Quantity::kRead, 1000, {1, 0, 1});
  expect_estimate(cache, Quantity::kWaitNs, 1000, {1000, 0, 1000});
  EXPECT_EQ(cache.counters().unknown_pages, 1u);
}

TEST(VictimCache, WhatWasInSwapAtALossHasNoDepth) {
  VictimCache cache;
  cache.on_lifecycle(leaving(1, SWAPTRAIL_BACKEND_DEVICE));
  cache.on_lifecycle(leaving(2, SWAPTRAIL_BACKEND_DEVICE));
  cache.on_loss({.from_ns = 1, .to_ns = 2, .count = 0, .cpu = 0});  // a mark of time
  cache.on_return(returning(2));
  cache.on_loss({.from_ns = 1, .to_ns = 2, .count = 7, .cpu = 0});
  cache.on_return(returning(1));
  cache.finish();
  expect_estimate(cache, Quantity::kReturned, 1, {2, 0, 1});
  expect_estimate(cache, Quantity::kWritten, 1, {2, 0, 1});
  EXPECT_EQ(cache.counters().lost_pages, 1u);
}

TEST(VictimCache, AWriteOfAPageThatStayedIsOnlyInTheUpperBound) {
  VictimCache memory, pool({.pool = true});
  for (VictimCache* cache : {&memory, &pool}) {
    cache->on_lifecycle(staying(1, SWAPTRAIL_BACKEND_DEVICE));
    cache->finish();
  }
  expect_estimate(memory, Quantity::kWritten, 1, {1, 0, 1});
  expect_estimate(pool, Quantity::kWritten, 1, {1, 0, 0});
}

TEST(VictimCache, AWriteOfAPageThatStayedServesItsNextStay) {
  VictimCache cache;
  cache.on_lifecycle(staying(1, SWAPTRAIL_BACKEND_DEVICE));
  cache.on_lifecycle(leaving(1, SWAPTRAIL_BACKEND_NONE));
  cache.on_lifecycle(leaving(2, SWAPTRAIL_BACKEND_DEVICE));
  cache.finish();
  expect_estimate(cache, Quantity::kWritten, 0, {2, 2, 2});
  expect_estimate(cache, Quantity::kWritten, 1, {2, 1, 1});
  expect_estimate(cache, Quantity::kWritten, 2, {2, 0, 0});
}

TEST(VictimCache, OnlyAPoolHasZerosForNothing) {
  VictimCache memory, pool({.pool = true});
  for (VictimCache* cache : {&memory, &pool}) {
    cache->on_lifecycle(leaving(1, SWAPTRAIL_BACKEND_DEVICE));
    cache->on_lifecycle(leaving(2, SWAPTRAIL_BACKEND_ZERO));
    cache->on_return(returning(1));
    cache->on_return(returning(2));
    cache->finish();
    EXPECT_EQ(cache->counters().unknown_pages, 0u);
  }
  EXPECT_EQ(memory.estimate(Quantity::kReturned, 1).high, 1u);
  EXPECT_EQ(pool.estimate(Quantity::kReturned, 1).high, 0u);
}

TEST(VictimCache, AFaultOfSeveralPagesWaitsForTheDeepest) {
  VictimCache cache;
  cache.on_lifecycle(leaving(1, SWAPTRAIL_BACKEND_DEVICE, 2));
  cache.on_return(returning(1, 500, 2));
  cache.finish();
  expect_estimate(cache, Quantity::kReturned, 1, {2, 1, 1});
  expect_estimate(cache, Quantity::kWaitNs, 1, {500, 500, 500});
  expect_estimate(cache, Quantity::kWaitNs, 2, {500, 0, 0});
}

TEST(VictimCache, WhatZswapWroteBackIsWrittenAndRead) {
  VictimCache cache;
  cache.on_lifecycle(leaving(1, SWAPTRAIL_BACKEND_ZSWAP));
  cache.on_stay({.lifecycle_id = 1, .entry = 1, .nr_pages = 1});
  cache.on_event(event_of(SWAPTRAIL_SWAP_READ, 1));
  cache.finish();
  expect_estimate(cache, Quantity::kStored, 0, {1, 1, 1});
  expect_estimate(cache, Quantity::kWritten, 0, {1, 1, 1});
  expect_estimate(cache, Quantity::kRead, 0, {1, 1, 1});
  expect_estimate(cache, Quantity::kLoaded, 0, {0, 0, 0});
}

TEST(VictimCache, ForgetsTheDeepestWhenItIsFull) {
  VictimCache cache({.pool = false, .most_pages = 10});
  for (uint64_t entry = 1; entry <= 15; ++entry)
    cache.on_lifecycle(leaving(entry, SWAPTRAIL_BACKEND_DEVICE));
  for (uint64_t entry = 1; entry <= 15; ++entry) cache.on_return(returning(entry));
  cache.finish();
  EXPECT_EQ(cache.counters().full, 5u);
  EXPECT_EQ(cache.counters().most_pages, 10u);
  EXPECT_EQ(cache.counters().unknown_pages, 5u);
  expect_estimate(cache, Quantity::kReturned, 9, {15, 1, 6});
}

}  // namespace
}  // namespace swaptrail::engine
