// The state of the recording, for status and metrics.
#pragma once

#include <cstdint>

namespace swaptrail::record {

// Counters are since the start.
struct RecordingStatus {
  bool flight = false;  // in memory, until a trigger writes it to files
  // Writes were refused within 10 s, or the last flight recording could not be written: what happens
  // meanwhile is not all recorded.
  bool stopped = false;
  bool moved = false;          // the folder is no longer at its path; the recording continues in it
  uint64_t parts = 0;          // begun
  uint64_t parts_dropped = 0;  // the oldest ones, to stay below the limits
  uint64_t triggers = 0;       // flight recordings written
  uint64_t suppressed = 0;     // triggers that had to wait: see --flight-every
  uint64_t refused = 0;        // writes that the disk refused
};

}  // namespace swaptrail::record
