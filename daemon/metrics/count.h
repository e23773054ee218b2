// Counters that one thread adds to and any thread reads.
#pragma once

#include <atomic>
#include <cstdint>

#include "daemon/base/raise.h"

namespace swaptrail::metrics {

// One writer. The store is a release and the read an acquire (both free on x86);
// CgroupLedger::copy() relies on that.
class Count {
 public:
  void add(uint64_t more) { base::raise(value_, more); }
  void set(uint64_t value) { value_.store(value, std::memory_order_release); }
  uint64_t read() const { return value_.load(std::memory_order_acquire); }

 private:
  std::atomic<uint64_t> value_{0};
};

// Lifecycles, and the base pages in them.
struct PageCount {
  Count lifecycles;
  Count pages;
  // `weight` of them, with that many pages each.
  void add(uint64_t nr_pages, uint64_t weight) {
    lifecycles.add(weight);
    pages.add(nr_pages * weight);
  }
};

}  // namespace swaptrail::metrics
