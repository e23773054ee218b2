#include "daemon/record/flight_triggers.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "daemon/host/proc.h"

namespace swaptrail::record {
namespace {

constexpr uint64_t kLeastWindow_us = 500'000, kMostWindow_us = 10'000'000;  // kernel/sched/psi.c
constexpr uint64_t kLookEvery_ns = 1'000'000'000;
std::atomic<bool> requested{false};

}  // namespace

void FlightTriggers::request() { requested.store(true, std::memory_order_relaxed); }

absl::Status check_pressure(const std::string& threshold) {
  const std::vector<std::string> words = absl::StrSplit(threshold, ' ', absl::SkipEmpty());
  uint64_t stall_us = 0, window_us = 0;
  if (words.size() == 3 && (words[0] == "some" || words[0] == "full") &&
      absl::SimpleAtoi(words[1], &stall_us) && absl::SimpleAtoi(words[2], &window_us) &&
      stall_us > 0 && stall_us <= window_us && window_us >= kLeastWindow_us &&
      window_us <= kMostWindow_us)
    return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("'", threshold,
                   "': give 'some' or 'full', the microseconds of stall and those of the window, ",
                   "500000 to 10000000, such as 'some 150000 2000000'"));
}

absl::Status FlightTriggers::watch_pressure(const std::string& threshold) {
  pressure_ = base::Descriptor(open("/proc/pressure/memory", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!pressure_) return absl::ErrnoToStatus(errno, "can't open /proc/pressure/memory");
  // with its closing NUL, as the kernel wants it
  if (write(pressure_.get(), threshold.c_str(), threshold.size() + 1) < 0)
    return absl::ErrnoToStatus(errno, "/proc/pressure/memory refuses this threshold");
  return absl::OkStatus();
}

bool FlightTriggers::oom_happened(uint64_t now_ns) {
  if (now_ns - looked_ns_ < kLookEvery_ns) return false;
  looked_ns_ = now_ns;
  const auto vmstat = host::read_vmstat();
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
  pollfd watched{pressure_.get(), POLLPRI, 0};
  if (pressure_ && ::poll(&watched, 1, 0) > 0 && (watched.revents & POLLPRI)) return "pressure";
  return oom_happened(now_ns) ? "oom" : "";
}

std::optional<FlightSchedule::Due> FlightSchedule::next(const std::string& reason,
                                                        uint64_t now_ns) {
  const bool may = !written_ns_ || now_ns - *written_ns_ >= every_ns_ || reason == "signal";
  if (!may && !reason.empty()) {
    ++suppressed_;
    if (waiting_.empty()) waiting_ = reason;
  }
  if (!may || (reason.empty() && waiting_.empty())) return std::nullopt;
  Due due{reason.empty() ? waiting_ : reason, suppressed_ - reported_};
  reported_ = suppressed_;
  waiting_.clear();
  written_ns_ = now_ns;
  return due;
}

}  // namespace swaptrail::record
