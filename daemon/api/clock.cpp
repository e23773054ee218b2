#include "daemon/api/clock.h"

#include <time.h>

#include <cstdlib>
#include <limits>

namespace swaptrail::api {
namespace {

constexpr int64_t kSecond_ns = 1'000'000'000;

int64_t read_ns(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return now.tv_sec * kSecond_ns + now.tv_nsec;
}

}  // namespace

google::protobuf::Timestamp Moment::wall(uint64_t monotonic_ns) const {
  const int64_t real_ns = static_cast<int64_t>(monotonic_ns) + ahead_ns_;
  google::protobuf::Timestamp out;
  const int64_t nanos = (real_ns % kSecond_ns + kSecond_ns) % kSecond_ns;
  out.set_seconds((real_ns - nanos) / kSecond_ns);
  out.set_nanos(static_cast<int32_t>(nanos));
  return out;
}

uint64_t Moment::monotonic(const google::protobuf::Timestamp& time) const {
  // a valid timestamp does not fit into 64 bits of nanoseconds
  const auto real_ns = static_cast<__int128>(time.seconds()) * kSecond_ns + time.nanos();
  const __int128 monotonic_ns = real_ns - ahead_ns_;
  if (monotonic_ns <= 0) return 0;
  constexpr uint64_t kLast = std::numeric_limits<uint64_t>::max();
  return monotonic_ns > kLast ? kLast : static_cast<uint64_t>(monotonic_ns);
}

Moment Clock::now() {
  const int64_t before = read_ns(CLOCK_MONOTONIC);
  const int64_t real = read_ns(CLOCK_REALTIME);
  const int64_t after = read_ns(CLOCK_MONOTONIC);
  const int64_t fresh = real - (before + (after - before) / 2);
  int64_t ahead = ahead_ns_.load(std::memory_order_relaxed);
  if (ahead == 0 || std::abs(fresh - ahead) >= kFollowFrom_ns) {
    ahead = fresh;
    ahead_ns_.store(ahead, std::memory_order_relaxed);
  }
  return {static_cast<uint64_t>(after), ahead};
}

}  // namespace swaptrail::api
