#include "cli/base/time_of_day.h"

#include "absl/strings/str_cat.h"

namespace swaptrail::cli {

absl::StatusOr<absl::Time> parse_time_of_day(const std::string& text) {
  static const absl::Time kFirst = absl::FromCivil(absl::CivilSecond(1), absl::UTCTimeZone());
  static const absl::Time kEnd = absl::FromCivil(absl::CivilSecond(10'000), absl::UTCTimeZone());
  absl::Time time;
  std::string why;
  if (absl::ParseTime(absl::RFC3339_full, text, &time, &why) && time >= kFirst && time < kEnd)
    return time;
  return absl::InvalidArgumentError(absl::StrCat("'", text, "' is no time of day"));
}

}  // namespace swaptrail::cli
