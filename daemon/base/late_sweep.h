// When an observation no longer counts as one.
#pragma once

#include <cstdint>

namespace swaptrail::base {

// The rings were not read for this long, though a sweep takes milliseconds: new events may find no room. For
// readiness, and for `swaptrail status --check`.
inline constexpr uint64_t kSweepIsLate_ns = 10'000'000'000;

}  // namespace swaptrail::base
