#include "cli/offline/time_range.h"

#include <algorithm>
#include <cctype>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "cli/base/time_of_day.h"

namespace swaptrail::offline {

absl::StatusOr<uint64_t> parse_moment(const std::string& text,
                                      const recording::RecordingHeader& header) {
  const bool bare = !text.empty() && std::isdigit(static_cast<unsigned char>(text.back())) != 0;
  absl::Duration since;
  if (absl::ParseDuration(bare ? text + "s" : text, &since)) {
    // about ten years, so that no sum overflows
    if (since < absl::ZeroDuration() || since > absl::Hours(100'000))
      return absl::InvalidArgumentError(absl::StrCat("'", text, "' is no time of a recording"));
    return header.reconstruction.start_ns + static_cast<uint64_t>(absl::ToInt64Nanoseconds(since));
  }
  const auto time = cli::parse_time_of_day(text);
  if (!time.ok())
    return absl::InvalidArgumentError(
        absl::StrCat("'", text, "' is not a time: give ", kMomentSyntax));
  const absl::Duration up = *time - absl::FromUnixNanos(static_cast<int64_t>(header.realtime_ns)) +
                            absl::Nanoseconds(static_cast<int64_t>(header.monotonic_ns));
  return static_cast<uint64_t>(std::max<int64_t>(0, absl::ToInt64Nanoseconds(up)));
}

absl::StatusOr<TimeRange> parse_range(const std::string& from, const std::string& to,
                                      const recording::RecordingHeader& header) {
  TimeRange range;
  if (!from.empty()) {
    const auto moment = parse_moment(from, header);
    if (!moment.ok()) return moment.status();
    range.from_ns = *moment;
  }
  if (!to.empty()) {
    const auto moment = parse_moment(to, header);
    if (!moment.ok()) return moment.status();
    range.to_ns = *moment;
  }
  if (range.from_ns < range.to_ns) return range;
  return absl::InvalidArgumentError("--from is not before --to");
}

std::string time_of_day(uint64_t time_ns, const recording::RecordingHeader& header) {
  const absl::Time time = absl::FromUnixNanos(
      static_cast<int64_t>(header.realtime_ns + time_ns - header.monotonic_ns));  // modulo 2^64
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
}

}  // namespace swaptrail::offline
