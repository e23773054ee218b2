// Durations, sizes, moments, addresses and swap entries: parsed from and printed as people write
// them.
#pragma once

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "swaptrail/v1/lifecycle.pb.h"

namespace swaptrail::online {

inline constexpr const char* kMomentWords =
    "a duration ago (90s, 5m, 1h30m) or a time of day (2026-01-31T12:00:00Z)";

// "250ms", "1h30m": more than 0, at most about ten years. Errors: InvalidArgument, as all here.
absl::StatusOr<absl::Duration> parse_duration(const std::string& text);
// kMomentWords.
absl::StatusOr<absl::Time> parse_moment_ago(const std::string& text, absl::Time now);
// "4096", "64K", "2M", "1G", in powers of 1024, in bytes; more than 0.
absl::StatusOr<uint64_t> parse_size_bytes(const std::string& text);
// Hexadecimal with "0x", otherwise decimal.
absl::StatusOr<uint64_t> parse_number(const std::string& text);
// TYPE:OFFSET, as tables print it.
absl::StatusOr<v1::SwapEntry> parse_entry(const std::string& text);

google::protobuf::Timestamp timestamp_of(absl::Time time);
absl::Time time_of(const google::protobuf::Timestamp& timestamp);

// 0 if negative; at most 285 years.
uint64_t nanoseconds_of(const google::protobuf::Duration& duration);
std::string duration_text(uint64_t duration_ns);  // "5.50 ms"
std::string bytes_text(uint64_t bytes);           // "64.0 MiB"
std::string pages_text(uint64_t pages);           // "1 page", "12 pages"
std::string percent_text(uint64_t part, uint64_t whole);
// Local time, "-" for none: "2026-01-31 12:00:00.123", or without the day.
std::string time_text(const google::protobuf::Timestamp& timestamp);
std::string clock_text(const google::protobuf::Timestamp& timestamp);

}  // namespace swaptrail::online
