// Clocks of CPUs that are a little early or late.
//
// Linux promises (arch/x86/kernel/tsc_sync.c: a warp that is seen makes the clock unstable) that a
// CPU which saw what another one did reads no earlier time. These clocks must keep that: events
// that share a page, a slot, a thread or a CPU keep their order. All others may change theirs.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "bpf/event.h"

namespace swaptrail::sim {

class Clocks {
 public:
  // Each CPU is at most `skew_ns` early or late.
  Clocks(uint64_t seed, uint32_t cpus, uint64_t skew_ns);

  // Puts the times that its CPU would have read into an event. Call in true order.
  void read(swaptrail_event& event);

 private:
  void collect_places(const swaptrail_event& event);
  uint64_t read_batch(const swaptrail_event& event, uint64_t time_ns);

  std::vector<int64_t> offset_ns_;
  absl::flat_hash_map<uint64_t, uint64_t> last_ns_;   // by place
  absl::flat_hash_map<uint64_t, uint64_t> batch_ns_;  // true to read
  std::vector<uint64_t> places_;
};

}  // namespace swaptrail::sim
