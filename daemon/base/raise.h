// For counters that one thread adds to and any thread reads.
#pragma once

#include <atomic>
#include <cstdint>

namespace swaptrail::base {

// For the writer: a load and a store, without a lock prefix. The store is a release: a reader that loads
// the value with an acquire also sees what was written before.
inline void raise(std::atomic<uint64_t>& counter, uint64_t more = 1) {
  counter.store(counter.load(std::memory_order_relaxed) + more, std::memory_order_release);
}

}  // namespace swaptrail::base
