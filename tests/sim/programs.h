// What the programs of bpf/ record of an event: all of it, part of it, or nothing, depending on the
// attached hooks and on what they saw of the running batch. The rules: bpf/stages.bpf.h.
#pragma once

#include <cstdint>
#include <span>

#include "absl/container/flat_hash_map.h"
#include "bpf/event.h"

namespace swaptrail::sim {

// The kinds that one hook records: they are missing together. In the order of attaching.
std::span<const uint64_t> hook_groups();

// What can be seen without some hooks: also less of what the programs record only in a batch.
uint64_t visible_without(uint64_t hidden_kinds);

class Programs {
 public:
  // `zero_map`: the kernel recognizes zero-filled folios. They are found by elimination, which is
  // sound only if there are hooks for all else that can become of a write.
  Programs(uint64_t visible_kinds, bool zero_map);

  void attach(uint64_t kinds, uint64_t now_ns);

  // Turns what happened into what is recorded. False: nothing is recorded.
  bool record(swaptrail_event& event);

 private:
  // struct batch
  struct Batch {
    uint64_t writing = 0;
    uint8_t backend = SWAPTRAIL_BACKEND_NONE;
    bool slot_gone = false;
  };

  void follow(Batch& batch, swaptrail_event& event);
  uint8_t backend_of(const Batch* batch, const swaptrail_event& event) const;

  bool zero_map_;
  bool tells_backend_;  // by elimination too
  uint64_t attached_ = 0;
  uint64_t faults_since_ns_ = 0;
  absl::flat_hash_map<uint32_t, Batch> batches_;
};

}  // namespace swaptrail::sim
