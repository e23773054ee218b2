// When an observation is none any more.
#pragma once

#include <cstdint>

namespace swaptrail {

// The rings were not read for so long, though a sweep takes milliseconds: what happens meanwhile may find no room. For
// readiness, and for `swaptrail status --check`.
inline constexpr uint64_t kSweepIsLate_ns = 10'000'000'000;

}  // namespace swaptrail
