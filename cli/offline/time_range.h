// Moments of a recording as people write them.
#pragma once

#include <cstdint>
#include <limits>
#include <string>

#include "absl/status/statusor.h"
#include "trace/recording/contents.h"

namespace swaptrail::offline {

inline constexpr const char* kMomentSyntax =
    "seconds since the start (1.5, 1.5s, 200ms, 2m30s) or a time of day (2026-01-31T12:00:00Z)";

// from_ns <= time < to_ns, CLOCK_MONOTONIC.
struct TimeRange {
  uint64_t from_ns = 0;
  uint64_t to_ns = std::numeric_limits<uint64_t>::max();

  bool whole() const { return from_ns == 0 && to_ns == std::numeric_limits<uint64_t>::max(); }
};

// Parses kMomentSyntax. The start is the header's, which is also the zero of the seconds in printed
// text. A time of day before the machine was booted is 0. Errors: InvalidArgument.
absl::StatusOr<uint64_t> parse_moment(const std::string& text,
                                      const recording::RecordingHeader& header);

// Either may be empty: no limit. Errors: InvalidArgument, also if the range is empty.
absl::StatusOr<TimeRange> parse_range(const std::string& from, const std::string& to,
                                      const recording::RecordingHeader& header);

// The time of day of a moment: "2026-01-31T12:00:00.123Z".
std::string time_of_day(uint64_t time_ns, const recording::RecordingHeader& header);

}  // namespace swaptrail::offline
