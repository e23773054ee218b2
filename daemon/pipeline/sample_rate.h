// How many pages leave records, if swaptraild has a limit of CPU time (--cpu-limit).
//
// Once a second the CPU time of the process is compared with the limit. Above it, the sample becomes smaller at once, by as many powers
// of two as the limit was exceeded. It becomes larger again, by one power of two, when twice as much would have been well below
// the limit for half a minute; never larger than asked for.
#pragma once

#include <cstdint>
#include <optional>

#include "daemon/pipeline/status.h"

namespace swaptrail::pipeline {

// Pure; one thread. Times are ns.
class SampleRate {
 public:
  static constexpr uint32_t kMostShift = 15;
  static constexpr uint64_t kWindow_ns = 1'000'000'000;
  static constexpr uint32_t kCalmWindows = 30;

  // `asked`: a power of two. `limit`: percent of one CPU, 0 = none.
  SampleRate(uint32_t asked, uint32_t limit);

  // `used_ns`: CPU time of the process so far. The new shift, if it changes.
  std::optional<uint32_t> next(uint64_t now_ns, uint64_t used_ns);
  const Sampling& sampling() const { return sampling_; }

 private:
  std::optional<uint32_t> change(uint32_t shift, uint64_t now_ns);

  const uint32_t least_;  // shift
  uint32_t shift_;
  uint32_t calm_ = 0;  // windows in a row
  uint64_t window_ns_ = 0, used_ns_ = 0;
  Sampling sampling_;
};

}  // namespace swaptrail::pipeline
