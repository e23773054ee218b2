// What makes a flight recorder write: a signal, pressure on memory, an OOM kill.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace swaptrail {

// Pipeline thread only.
class FlightTriggers {
 public:
  FlightTriggers() = default;
  FlightTriggers(const FlightTriggers&) = delete;
  FlightTriggers& operator=(const FlightTriggers&) = delete;
  ~FlightTriggers();

  // A threshold as /proc/pressure/memory takes it (kernel/sched/psi.c psi_trigger_create), such as
  // "some 150000 2000000": stalled 150 ms within two seconds (without CAP_SYS_RESOURCE the window is a
  // multiple of that). Errors: InvalidArgument, PermissionDenied,
  // NotFound (no PSI in this kernel).
  absl::Status watch_pressure(const std::string& threshold);

  // The name of what has happened since the last call, or empty: "signal", "pressure", "oom". Cheap;
  // /proc/vmstat is read once a second.
  std::string poll(uint64_t now_ns);

  // From a signal handler.
  static void request();

 private:
  bool oom_happened(uint64_t now_ns);

  int pressure_ = -1;
  uint64_t looked_ns_ = 0;
  uint64_t oom_kills_ = 0;
  bool oom_known_ = false;
};

}  // namespace swaptrail
