// Any text as a duration, size, moment, number or swap entry of the command line: refused, or within the bounds
// that the declarations promise, and the same number that the C library reads.
//
// The text may have a newline: what stands before it is --from, and after it --to.
#include <cerrno>
#include <cstdlib>
#include <limits>
#include <string>

#include "cli/offline/time_range.h"
#include "cli/online/quantities.h"
#include "tests/fuzz/fuzzed.h"

namespace swaptrail {
namespace {

using fuzz::check;

constexpr uint64_t kStart_ns = 1'000'000'000'000;

bool is_short_decimal(const std::string& text) {
  return !text.empty() && text.size() <= 18 &&
         text.find_first_not_of("0123456789") == std::string::npos;
}

// 2^64 - 1 in 20 digits: up to 18 of them always fit.
void check_numbers(const std::string& text) {
  const auto number = online::parse_number(text);
  const auto bytes = online::parse_size_bytes(text);
  if (is_short_decimal(text)) {
    const uint64_t value = std::strtoull(text.c_str(), nullptr, 10);
    check(number.ok() && *number == value);
    check(bytes.ok() == (value != 0) && (!bytes.ok() || *bytes == value));
  } else if (number.ok()) {
    errno = 0;
    char* end = nullptr;
    const bool hexadecimal = text.size() > 1 && (text[1] | 0x20) == 'x';
    check(std::strtoull(text.c_str(), &end, hexadecimal ? 16 : 10) == *number && errno == 0);
    check(end == text.c_str() + text.size());
  }
  check(!bytes.ok() || *bytes != 0);
  const auto entry = online::parse_entry(text);
  if (!entry.ok()) return;
  // leading zeros apart, it is printed as it was written
  const auto again =
      online::parse_entry(std::to_string(entry->type()) + ":" + std::to_string(entry->offset()));
  check(again.ok() && again->type() == entry->type() && again->offset() == entry->offset());
}

void check_times(const std::string& text) {
  const auto duration = online::parse_duration(text);
  check(!duration.ok() || (*duration > absl::ZeroDuration() && *duration <= absl::Hours(100'000)));
  const auto ago = online::parse_moment_ago(text, absl::UnixEpoch() + absl::Hours(1'000'000));
  if (!ago.ok()) return;
  const google::protobuf::Timestamp told = online::timestamp_of(*ago);
  check(told.nanos() >= 0 && told.nanos() < 1'000'000'000);
}

void check_range(const std::string& text) {
  recording::RecordingHeader header;
  header.reconstruction.start_ns = header.monotonic_ns = kStart_ns;
  header.realtime_ns = 1'800'000'000 * uint64_t{1'000'000'000};
  const size_t end = text.find('\n');
  const std::string from = text.substr(0, end);
  const std::string to = end == std::string::npos ? "" : text.substr(end + 1);
  const auto range = offline::parse_range(from, to, header);
  if (!range.ok()) return check(absl::IsInvalidArgument(range.status()));
  check(range->from_ns < range->to_ns);
  check(range->whole() == (from.empty() && to.empty()) || !range->whole() || range->from_ns == 0);
  if (!from.empty()) check(!offline::time_of_day(range->from_ns, header).empty());
}

}  // namespace
}  // namespace swaptrail

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string text(swaptrail::fuzz::text_of(bytes, size));
  swaptrail::check_numbers(text);
  swaptrail::check_times(text);
  swaptrail::check_range(text);
  return 0;
}
