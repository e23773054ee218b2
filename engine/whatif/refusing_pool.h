// zswap with a pool that takes no more when it is full: what comes then goes to the device, until a page of the pool is needed
// again or freed. The opposite of VictimCache with Options::pool, where the oldest makes room. The kernel does some of each: a
// store that finds the pool at its limit is refused, and meanwhile the oldest are written (zswap_store and shrink_worker in
// mm/zswap.c). Under a loop over too many pages they differ most: LRU never has what is needed next.
//
// A page that is loaded leaves the pool, and counts as changed: when it leaves again, it is stored again (zswap_load, since
// Linux 6.8 always). Pages of zeros need no room.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "bpf/event.h"
#include "trace/lifecycle.h"

namespace swaptrail::engine {

struct RefusingPoolCounters {
  uint64_t written = 0;      // pages, to a device
  uint64_t read = 0;         // pages, from a device
  uint64_t loaded = 0;       // pages, from the pool
  uint64_t wait_ns = 0;      // of faults on pages that were not in the pool, as they waited
  uint64_t load_faults = 0;  // major ones, on pages that were
};

// Not thread-safe. About 40 bytes for each slot that is in use, 8 Mi of them at most.
class RefusingPool {
 public:
  // In pages.
  explicit RefusingPool(uint64_t room) : room_(room) {}

  void on_event(const swaptrail_event& event);
  void on_lifecycle(const Lifecycle& lifecycle);
  void on_return(const Return& back);
  // What was in the pool is forgotten: who left it meanwhile is not known.
  void on_loss(const Loss& loss);
  const RefusingPoolCounters& counters() const { return counters_; }

 private:
  static constexpr size_t kMostSlots = size_t{1} << 23;
  enum class Copy : uint8_t {
    kPool,
    kLoaded,
    kDevice
  };  // kLoaded: in memory, after it was in the pool

  void leave(const Lifecycle& lifecycle, uint64_t entry);
  void forget(uint64_t entry);

  const uint64_t room_;
  uint64_t used_ = 0;
  absl::flat_hash_map<uint64_t, Copy> slots_;
  RefusingPoolCounters counters_;
};

}  // namespace swaptrail::engine
