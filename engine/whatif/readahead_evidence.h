// Whether the readahead that was seen went by slot or by address.
//
// Readahead by slot never reads outside of the aligned block of 2^5 slots around the fault's (vm.page-cluster is at most 5 by
// default). Reads outside of it show that it went by address. Reads inside show nothing: neighbours often have
// neighbouring slots.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "bpf/event.h"
#include "trace/decode.h"

namespace swaptrail::engine {

// Not thread-safe. Follows 4096 threads at a time.
class ReadaheadEvidence {
 public:
  void on_event(const swaptrail_event& event) {
    if (event.kind == SWAPTRAIL_SWAP_READ) on_read(event);
    if (event.kind == SWAPTRAIL_SWAP_IN) on_pass(event);
  }
  uint64_t beside() const { return beside_; }    // reads of other pages than the fault's
  uint64_t outside() const { return outside_; }  // of these, outside of the block

 private:
  static constexpr size_t kMostThreads = 4096;
  static constexpr size_t kMostReads = 32;  // of a pass
  static constexpr int kBlockShift = 5;
  struct Reads {
    uint64_t entries[kMostReads];
    size_t count = 0;
  };

  void on_read(const swaptrail_event& event) {
    if (threads_.size() >= kMostThreads) threads_.clear();
    Reads& reads = threads_[event.tid];
    if (reads.count < kMostReads) reads.entries[reads.count++] = event.entry;
  }
  void on_pass(const swaptrail_event& event) {
    const auto found = threads_.find(event.tid);
    if (found == threads_.end()) return;
    for (size_t at = 0; at < found->second.count; ++at) {
      const uint64_t entry = found->second.entries[at];
      if (entry == event.entry) continue;
      ++beside_;
      outside_ += entry >> kBlockShift != event.entry >> kBlockShift;
    }
    threads_.erase(found);
  }

  absl::flat_hash_map<uint32_t, Reads> threads_;
  uint64_t beside_ = 0, outside_ = 0;
};

}  // namespace swaptrail::engine
