#include "daemon/pipeline/sample_rate.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "trace/check.h"

namespace swaptrail::pipeline {
namespace {
constexpr double kWellBelow = 0.7;
}  // namespace

SampleRate::SampleRate(uint32_t asked, uint32_t limit)
    : least_(static_cast<uint32_t>(std::countr_zero(asked))), shift_(least_) {
  SWAPTRAIL_CHECK(std::has_single_bit(asked) && least_ <= kMostShift);
  sampling_.one_in = sampling_.asked = asked;
  sampling_.cpu_limit = limit;
}

std::optional<uint32_t> SampleRate::next(uint64_t now_ns, uint64_t used_ns) {
  if (window_ns_ == 0 || now_ns < window_ns_ + kWindow_ns) {
    if (window_ns_ == 0) {
      window_ns_ = now_ns;
      used_ns_ = used_ns;
    }
    return std::nullopt;
  }
  sampling_.cpu =
      100.0 * static_cast<double>(used_ns - used_ns_) / static_cast<double>(now_ns - window_ns_);
  window_ns_ = now_ns;
  used_ns_ = used_ns;
  if (sampling_.cpu_limit == 0) return std::nullopt;
  const double exceeded = sampling_.cpu / sampling_.cpu_limit;
  if (exceeded > 1) {
    calm_ = 0;
    const auto steps = static_cast<uint32_t>(std::ceil(std::log2(exceeded)));
    return change(std::min(shift_ + std::max(steps, 1u), kMostShift), now_ns);
  }
  calm_ = 2 * exceeded < kWellBelow ? calm_ + 1 : 0;
  if (calm_ < kCalmWindows || shift_ == least_) return std::nullopt;
  calm_ = 0;
  return change(shift_ - 1, now_ns);
}

std::optional<uint32_t> SampleRate::change(uint32_t shift, uint64_t now_ns) {
  if (shift == shift_) return std::nullopt;
  shift_ = shift;
  sampling_.one_in = 1u << shift;
  sampling_.since_ns = now_ns;
  ++sampling_.changes;
  return shift;
}

}  // namespace swaptrail::pipeline
