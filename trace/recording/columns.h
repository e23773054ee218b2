// The columns of a block: one byte string for each value that varies. Internal to trace/recording.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "trace/recording/history.h"
#include "trace/recording/varint.h"

namespace swaptrail::recording {

// In the order of the file: first those of the fields, then these.
enum Column : uint8_t {
  kMaskLow = kFieldCount,  // one byte an event
  kMaskHigh,               // likewise
  kTimeLow,                // likewise: the low byte of the time since the event before
  kTimeHigh,               // varints: the rest of it
  kLosses,                 // varints: five for each loss
  kColumnCount
};

// The most that one event, or one loss, puts into a column.
inline constexpr size_t kMaxColumnBytes = 5 * kMaxVarintBytes;
// The most that one event puts into all of them: a varint for each field, two more each for the
// task and for the batch, the rest of the time, and the three columns of one byte.
inline constexpr size_t kMaxEventRawBytes = (kFieldCount + 5) * kMaxVarintBytes + 3;

}  // namespace swaptrail::recording
