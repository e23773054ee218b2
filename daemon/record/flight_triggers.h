// What triggers a flight recorder: a signal, memory pressure, an OOM kill.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "daemon/base/descriptor.h"

namespace swaptrail::record {

// Checks that `threshold` is "some" or "full", then the microseconds of stall, and those of the window that
// they are in: 500000 to 10000000. Pure. Errors: InvalidArgument, with an example.
absl::Status check_pressure(const std::string& threshold);

// Pipeline thread only.
class FlightTriggers {
 public:
  FlightTriggers() = default;
  FlightTriggers(const FlightTriggers&) = delete;
  FlightTriggers& operator=(const FlightTriggers&) = delete;

  // A threshold as /proc/pressure/memory takes it (kernel/sched/psi.c psi_trigger_create), such as "some
  // 150000 2000000": stalled 150 ms within two seconds. Without CAP_SYS_RESOURCE the window must be a
  // multiple of two seconds, and before 6.4 it is refused: call it before capabilities are dropped.
  // Errors: InvalidArgument, PermissionDenied, NotFound or Unimplemented (no PSI in this kernel, or
  // switched off).
  absl::Status watch_pressure(const std::string& threshold);

  // The name of what has happened since the last call, or empty: "signal", "pressure", "oom". Cheap:
  // reads /proc/vmstat once a second.
  std::string poll(uint64_t now_ns);

  // From a signal handler.
  static void request();

 private:
  bool oom_happened(uint64_t now_ns);

  base::Descriptor pressure_;
  uint64_t looked_ns_ = 0;
  uint64_t oom_kills_ = 0;
  bool oom_known_ = false;
};

// When to write, so that repeated triggers do not write all the time. Pipeline thread only.
class FlightSchedule {
 public:
  struct Due {
    std::string reason;
    uint64_t suppressed =
        0;  // triggers since the writing before that had to wait, or came while one did
  };
  // At most one writing in `every_ns`; but "signal", which somebody asks for, writes at once.
  explicit FlightSchedule(uint64_t every_ns) : every_ns_(every_ns) {}

  // `reason`: as FlightTriggers::poll() returns it. A trigger that has to wait is due as soon as
  // writing is allowed.
  std::optional<Due> next(const std::string& reason, uint64_t now_ns);
  // Triggers that had to wait, since the start.
  uint64_t suppressed() const { return suppressed_; }

 private:
  const uint64_t every_ns_;
  std::optional<uint64_t> written_ns_;
  std::string waiting_;  // the first reason that has to wait
  uint64_t suppressed_ = 0, reported_ = 0;
};

}  // namespace swaptrail::record
