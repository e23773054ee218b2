// Times of day as people write them. Pure; any thread.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace swaptrail::cli {

// RFC 3339, "2026-01-31T12:00:00Z", for the years 1 to 9999; never infinite. Errors: InvalidArgument.
absl::StatusOr<absl::Time> parse_time_of_day(const std::string& text);

}  // namespace swaptrail::cli
