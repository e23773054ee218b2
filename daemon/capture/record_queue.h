// What a Sweeper takes records from.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/functional/function_ref.h"

namespace swaptrail::capture {

// Records of one CPU, in the order in which they were reserved: Ring, or a model of it.
class RecordQueue {
 public:
  virtual ~RecordQueue() = default;
  // Bytes ever reserved by programs, committed or not.
  virtual uint64_t producer_position() const = 0;
  // Bytes taken out by consume() so far.
  virtual uint64_t consumer_position() const = 0;
  // Passes on committed records up to `until` (a producer_position()), and frees their room. Stops when at least `most` events
  // were taken, and before a record that is reserved but not committed yet. `take` returns how many events the
  // record had, at least one; the record is valid during the call.
  virtual void consume(uint64_t until, size_t most,
                       absl::FunctionRef<size_t(const void* record, size_t size)> take) = 0;
};

}  // namespace swaptrail::capture
