// The memory store of recent lifecycles: limited in bytes, filled by one thread, read by many.
//
// The pipeline thread adds and never waits: no lock, and no allocation once the store is full. Any
// thread takes a snapshot and queries it (list.h, lookup.h, stats.h, areas.h). Only closed
// lifecycles are in it. When it is full the oldest segment is evicted as a whole.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "daemon/base/fixed_map.h"
#include "daemon/store/snapshot.h"
#include "daemon/store/violations.h"
#include "trace/lifecycle.h"

namespace swaptrail::store {

// Everything since the start, except `lifecycles` and `bytes`.
struct StoreStatus {
  uint64_t lifecycles = 0;  // in it now
  uint64_t bytes = 0;       // in use now; never falls
  uint64_t max_bytes = 0;
  uint64_t evicted = 0;            // lifecycles that were evicted
  uint64_t unstored = 0;           // lifecycles that found no room because of snapshots
  uint64_t returns_joined = 0;     // returns whose lifecycle was in the store
  uint64_t returns_unmatched = 0;  // ... was not, or is not known
  uint64_t violations = 0;
  uint64_t notes = 0;         // made
  uint64_t notes_kept = 0;    // the most that can be kept
  uint64_t last_loss_ns = 0;  // when the newest loss ended, 0 = there was none
};

class Store {
 public:
  struct Options {
    size_t max_bytes = size_t{64} << 20;     // all that it ever takes, see create()
    size_t segment_bytes = size_t{1} << 20;  // 16 KiB to 16 MiB
    // Segments reserved for what snapshots hold of evicted lifecycles; 0 = an eighth of all.
    size_t spare_segments = 0;
    uint64_t regret_ns = 1'000'000'000;  // swapped in again sooner: the swap-out was a mistake
    size_t max_violations = 1000;
    size_t max_notes = 0;  // 0 = as many as an eighth of max_bytes holds
    PageSizes sizes;
  };

  // Errors: InvalidArgument if `max_bytes` is less than four segments, the index and the violations,
  // or a number is out of bounds. Snapshots may outlive it.
  static absl::StatusOr<std::unique_ptr<Store>> create(const Options& options);
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // The pipeline thread's. The ids of lifecycles must differ.
  void add(const Lifecycle& lifecycle);
  void note_return(const Return& entry_return);
  void note_stay(const Stay& stay);
  void note_violation(const Violation& violation) { violations_.add(violation); }
  void note_loss(const Loss& loss);

  // Any thread's.
  Snapshot snapshot() const { return Snapshot(ring_); }
  StoreStatus status() const;
  const Violations& violations() const { return violations_; }

 private:
  // How `max_bytes` is divided.
  struct Division {
    size_t segments = 0;  // in all
    size_t live = 0;      // of those: with lifecycles that are not evicted
    size_t index_records = 0;
    size_t notes = 0;
    size_t fixed_bytes = 0;  // everything except segments
  };
  static Division divide(const Options& options);
  static uint32_t place_of(uint32_t owned, uint32_t index) { return owned << kIndexBits | index; }

  Store(const Options& options, const Division& division);
  // Where the lifecycle is; kNone: it is not there, or being evicted.
  uint32_t find(uint64_t id) const;
  bool roll();
  bool take_segment(uint32_t& owned);
  void evict_oldest();
  void forget_retired(uint32_t most);
  void open(uint32_t owned, uint64_t first_sequence);
  Segment& segment(uint32_t owned) const { return *ring_->owned[owned]; }

  static uint32_t part_of(uint32_t place) { return place & ((1u << kIndexBits) - 1); }

  static constexpr uint32_t kIndexBits = 18;  // records of a segment; the rest counts segments
  static constexpr uint32_t kNone = ~uint32_t{0};

  const Options options_;
  const Division division_;
  std::shared_ptr<SegmentRing> ring_;
  base::FixedMap<uint32_t> index_;  // id -> place
  Violations violations_;
  std::vector<uint32_t> live_;        // ring: number of the owned segment, by ordinal
  uint64_t oldest_ = 1, newest_ = 0;  // ordinals of live segments
  uint32_t open_ = kNone;
  // Evicted, with ids that are still in the index: must not be used before they are out of it.
  uint32_t retired_ = kNone;
  uint32_t retired_left_ = 0;

  // Written by the pipeline thread alone.
  std::atomic<uint64_t> stored_{0}, evicted_{0}, unstored_{0}, joined_{0}, unmatched_{0}, bytes_{0};
  std::atomic<uint64_t> last_loss_ns_{0};
};

}  // namespace swaptrail::store
