#include "cli/offline/what_if_questions.h"

#include <cmath>
#include <string_view>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace swaptrail::offline {
namespace {

absl::Status bad(const std::string& text, const char* wanted) {
  return absl::InvalidArgumentError(absl::StrCat("'", text, "' is not ", wanted));
}

bool parse_digits(const std::string& text, uint64_t& value) {
  // SimpleAtoi accepts signs and spaces, which nobody means here.
  return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos &&
         absl::SimpleAtoi(text, &value);
}

int shift_of(char letter) {
  switch (letter) {
    case 'K':
    case 'k':
      return 10;
    case 'M':
    case 'm':
      return 20;
    case 'G':
    case 'g':
      return 30;
    default:
      return 0;
  }
}

}  // namespace

absl::StatusOr<AskedSize> parse_asked_size(const std::string& text) {
  constexpr const char* kWanted =
      "a size: give 4K or more, with K, M or G, such as 64M, or a share of the swap that was used, "
      "such as 50%";
  constexpr uint64_t kFewestBytes = 4096;
  constexpr uint64_t kMostBytes = uint64_t{1} << 60;
  constexpr uint64_t kMostPercent = 1000;
  std::string digits = text.starts_with('+') ? text.substr(1) : text;
  if (digits.empty()) return bad(text, kWanted);
  const char last = digits.back();
  const int shift = shift_of(last);
  if (shift != 0 || last == '%') digits.pop_back();
  uint64_t value = 0;
  if (!parse_digits(digits, value) || value == 0) return bad(text, kWanted);
  if (last == '%') {
    if (value > kMostPercent) return bad(text, kWanted);
    return AskedSize{.percent = static_cast<uint32_t>(value)};
  }
  if (value > kMostBytes >> shift || value << shift < kFewestBytes) return bad(text, kWanted);
  return AskedSize{.bytes = value << shift};
}

absl::StatusOr<AskedPool> parse_asked_pool(const std::string& text) {
  const size_t slash = text.find('/');
  const auto size = parse_asked_size(text.substr(0, slash));
  if (!size.ok()) return size.status();
  AskedPool pool{.size = *size};
  if (slash == std::string::npos) return pool;
  double ratio = 0;
  const std::string digits = text.substr(slash + 1);
  if (digits.find_first_not_of("0123456789.") != std::string::npos ||
      !absl::SimpleAtod(digits, &ratio) || !(ratio >= 1) || ratio > 100)
    return bad(text, "a pool: give its size and the ratio of compression, 1 to 100: 64M/2.5");
  pool.ratio_percent = static_cast<uint32_t>(std::lround(ratio * 100));
  return pool;
}

absl::StatusOr<uint64_t> parse_load_ns(const std::string& text) {
  absl::Duration duration;
  if (!absl::ParseDuration(text, &duration) || duration < absl::Nanoseconds(1) ||
      duration > absl::Seconds(1))
    return bad(text, "the time of a load: give a duration up to 1s, such as 20us");
  return static_cast<uint64_t>(absl::ToInt64Nanoseconds(duration));
}

absl::StatusOr<AskedPriority> parse_asked_priority(const std::string& text) {
  constexpr const char* kWanted =
      "a priority: give AREA=N, such as /dev/zram0=10, with N from -32768 to 32767";
  constexpr uint64_t kMost = 32767;
  const size_t equals = text.rfind('=');
  if (equals == std::string::npos || equals == 0) return bad(text, kWanted);
  const bool negative = text[equals + 1] == '-';
  uint64_t value = 0;
  if (!parse_digits(text.substr(equals + (negative ? 2 : 1)), value) || value > kMost + negative)
    return bad(text, kWanted);
  const auto priority = static_cast<int32_t>(value);
  return AskedPriority{text.substr(0, equals), negative ? -priority : priority};
}

}  // namespace swaptrail::offline
