#include "cli/online/quantities.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/base/time_of_day.h"
#include "trace/report/print.h"

namespace swaptrail::online {
namespace {

struct SizeUnit {
  char letter;
  int shift;
};
constexpr SizeUnit kSizeUnits[] = {{'K', 10}, {'M', 20}, {'G', 30}};
constexpr const char* kByteUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};

absl::Status bad(const std::string& text, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("'", text, "' is not ", what));
}

bool parse_decimal(const std::string& text, uint64_t& value) {
  // SimpleAtoi accepts signs and spaces, which nobody means here.
  return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos &&
         absl::SimpleAtoi(text, &value);
}

}  // namespace

absl::StatusOr<absl::Duration> parse_duration(const std::string& text) {
  absl::Duration duration;
  if (!absl::ParseDuration(text, &duration) || duration <= absl::ZeroDuration() ||
      duration > absl::Hours(100'000))
    return bad(text, "a duration: give a number with a unit, such as 250ms, 90s, 5m or 1h30m");
  return duration;
}

absl::StatusOr<absl::Time> parse_moment_ago(const std::string& text, absl::Time now) {
  if (const auto ago = parse_duration(text); ago.ok()) return now - *ago;
  if (const auto time = cli::parse_time_of_day(text); time.ok()) return time;
  return bad(text, absl::StrCat("a time: give ", kMomentWords));
}

absl::StatusOr<uint64_t> parse_size_bytes(const std::string& text) {
  std::string digits = text;
  int shift = 0;
  for (const SizeUnit& unit : kSizeUnits)
    if (!text.empty() && (text.back() == unit.letter || text.back() == (unit.letter | 0x20))) {
      shift = unit.shift;
      digits.pop_back();
      break;
    }
  uint64_t value = 0;
  if (!parse_decimal(digits, value) || value == 0 ||
      value > std::numeric_limits<uint64_t>::max() >> shift)
    return bad(text, "a size: give bytes, or a number with K, M or G, such as 64M");
  return value << shift;
}

absl::StatusOr<uint64_t> parse_number(const std::string& text) {
  uint64_t value = 0;
  const bool hexadecimal = text.starts_with("0x") || text.starts_with("0X");
  const bool parsed =
      hexadecimal ? text.find_first_not_of("0123456789abcdefABCDEF", 2) == std::string::npos &&
                        absl::SimpleHexAtoi(text.substr(2), &value)
                  : parse_decimal(text, value);
  if (!parsed) return bad(text, "a number: give it in decimal, or as 0x...");
  return value;
}

absl::StatusOr<v1::SwapEntry> parse_entry(const std::string& text) {
  const size_t colon = text.find(':');
  uint64_t type = 0, offset = 0;
  if (colon == std::string::npos || !parse_decimal(text.substr(0, colon), type) ||
      !parse_decimal(text.substr(colon + 1), offset) || type > std::numeric_limits<uint32_t>::max())
    return bad(text, "a swap entry: give TYPE:OFFSET, such as 0:131984");
  v1::SwapEntry entry;
  entry.set_type(static_cast<uint32_t>(type));
  entry.set_offset(offset);
  return entry;
}

google::protobuf::Timestamp timestamp_of(absl::Time time) {
  google::protobuf::Timestamp timestamp;
  const int64_t seconds = absl::ToUnixSeconds(time);
  timestamp.set_seconds(seconds);
  timestamp.set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
  return timestamp;
}

absl::Time time_of(const google::protobuf::Timestamp& timestamp) {
  return absl::FromUnixSeconds(timestamp.seconds()) + absl::Nanoseconds(timestamp.nanos());
}

uint64_t nanoseconds_of(const google::protobuf::Duration& duration) {
  const int64_t seconds = std::clamp<int64_t>(duration.seconds(), 0, 9'000'000'000);
  return static_cast<uint64_t>(std::max<int64_t>(seconds * 1'000'000'000 + duration.nanos(), 0));
}

std::string duration_text(uint64_t duration_ns) {
  std::string text;
  report::append_duration(duration_ns, text);
  return text;
}

std::string bytes_text(uint64_t bytes) {
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 1024 && unit + 1 < std::size(kByteUnits); ++unit) value /= 1024;
  return absl::StrFormat("%.*f %s", unit == 0 ? 0 : 1, value, kByteUnits[unit]);
}

std::string pages_text(uint64_t pages) {
  return absl::StrCat(pages, pages == 1 ? " page" : " pages");
}

std::string percent_text(uint64_t part, uint64_t whole) {
  if (whole == 0) return "-";
  return absl::StrFormat("%.1f %%", 100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

std::string time_text(const google::protobuf::Timestamp& timestamp) {
  if (timestamp.seconds() == 0 && timestamp.nanos() == 0) return "-";
  return absl::FormatTime("%Y-%m-%d %H:%M:%E3S", time_of(timestamp), absl::LocalTimeZone());
}

std::string clock_text(const google::protobuf::Timestamp& timestamp) {
  if (timestamp.seconds() == 0 && timestamp.nanos() == 0) return "-";
  return absl::FormatTime("%H:%M:%E6S", time_of(timestamp), absl::LocalTimeZone());
}

}  // namespace swaptrail::online
