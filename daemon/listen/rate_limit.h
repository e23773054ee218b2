// A token bucket that may go into debt: work that was done must be paid for before more is done.
#pragma once

#include <algorithm>
#include <cstdint>

namespace swaptrail::listen {

// One thread. Times are monotonic nanoseconds and never fall.
class RateLimit {
 public:
  // Full at first. `rate_per_s` and `burst` are above 0.
  RateLimit(uint64_t rate_per_s, uint64_t burst, uint64_t now_ns)
      : rate_(static_cast<double>(rate_per_s) / 1e9),
        burst_(static_cast<double>(burst)),
        tokens_(burst_),
        known_ns_(now_ns) {}

  void spend(uint64_t cost, uint64_t now_ns) {
    refill(now_ns);
    tokens_ -= static_cast<double>(cost);
  }
  bool in_debt(uint64_t now_ns) {
    refill(now_ns);
    return tokens_ < 0;
  }
  bool full(uint64_t now_ns) {
    refill(now_ns);
    return tokens_ >= burst_;
  }

 private:
  void refill(uint64_t now_ns) {
    tokens_ = std::min(burst_, tokens_ + static_cast<double>(now_ns - known_ns_) * rate_);
    known_ns_ = now_ns;
  }

  double rate_, burst_, tokens_;
  uint64_t known_ns_;
};

}  // namespace swaptrail::listen
