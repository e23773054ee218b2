#include "daemon/flight_triggers.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "daemon/proc.h"

namespace swaptrail {
namespace {

constexpr uint64_t kLookEvery_ns = 1'000'000'000;
std::atomic<bool> requested{false};

}  // namespace

void FlightTriggers::request() { requested.store(true, std::memory_order_relaxed); }

FlightTriggers::~FlightTriggers() {
  if (pressure_ >= 0) close(pressure_);
}

absl::Status FlightTriggers::watch_pressure(const std::string& threshold) {
  pressure_ = open("/proc/pressure/memory", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (pressure_ < 0) return absl::ErrnoToStatus(errno, "can't open /proc/pressure/memory");
  // with its closing NUL, as the kernel wants it
  if (write(pressure_, threshold.c_str(), threshold.size() + 1) < 0)
    return absl::ErrnoToStatus(errno, "/proc/pressure/memory refuses this threshold");
  return absl::OkStatus();
}

bool FlightTriggers::oom_happened(uint64_t now_ns) {
  if (now_ns - looked_ns_ < kLookEvery_ns) return false;
  looked_ns_ = now_ns;
  const auto vmstat = read_vmstat();
  if (!vmstat.ok()) return false;
  const auto found = vmstat->values.find("oom_kill");
  if (found == vmstat->values.end()) return false;
  const bool more = oom_known_ && found->second > oom_kills_;
  oom_kills_ = found->second;
  oom_known_ = true;
  return more;
}

std::string FlightTriggers::poll(uint64_t now_ns) {
  if (requested.exchange(false, std::memory_order_relaxed)) return "signal";
  pollfd watched{pressure_, POLLPRI, 0};
  if (pressure_ >= 0 && ::poll(&watched, 1, 0) > 0 && (watched.revents & POLLPRI))
    return "pressure";
  return oom_happened(now_ns) ? "oom" : "";
}

}  // namespace swaptrail
