#include "daemon/recording_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <system_error>
#include <tuple>
#include <utility>

#include "absl/strings/str_format.h"
#include "trace/recording/format.h"

namespace swaptrail {
namespace {

constexpr std::string_view kEnding = ".swaptrail", kFlight = "flight-";
constexpr size_t kMostDigits = 12;

std::string time_of_day(uint64_t realtime_ns) {
  const time_t seconds = static_cast<time_t>(realtime_ns / 1'000'000'000);
  tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  strftime(text, sizeof(text), "%Y%m%dT%H%M%SZ", &parts);
  return text;
}

bool is_digit(char one) { return one >= '0' && one <= '9'; }

// 20260131T120000Z
bool take_time(std::string_view& name) {
  constexpr std::string_view kPattern = "00000000T000000Z";
  if (name.size() < kPattern.size()) return false;
  for (size_t at = 0; at < kPattern.size(); ++at) {
    if (kPattern[at] == '0' ? !is_digit(name[at]) : name[at] != kPattern[at]) return false;
  }
  name.remove_prefix(kPattern.size());
  return true;
}

// The number of a file with this name; nothing if it is none of this kind.
std::optional<uint64_t> number_of(std::string_view name, RecordingFolder::Kind kind) {
  const bool flight = name.starts_with(kFlight);
  if (flight != (kind == RecordingFolder::Kind::kFlight)) return std::nullopt;
  if (flight) name.remove_prefix(kFlight.size());
  if (!name.ends_with(kEnding)) return std::nullopt;
  name.remove_suffix(kEnding.size());
  if (!take_time(name)) return std::nullopt;
  const size_t dash = name.rfind('-');
  if (dash == std::string_view::npos || (!flight && dash != 0)) return std::nullopt;
  const std::string_view digits = name.substr(dash + 1);
  if (digits.empty() || digits.size() > kMostDigits) return std::nullopt;
  if (!std::ranges::all_of(digits, is_digit)) return std::nullopt;
  uint64_t number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return number;
}

// A regular file that begins as a recording does: its size.
std::optional<uint64_t> recording_bytes(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  struct stat known {};
  char begin[sizeof(kRecordingMagic)];
  const bool is_one = fstat(fd, &known) == 0 && S_ISREG(known.st_mode) &&
                      pread(fd, begin, sizeof(begin), 0) == sizeof(begin) &&
                      std::equal(std::begin(begin), std::end(begin), kRecordingMagic);
  close(fd);
  return is_one ? std::optional(static_cast<uint64_t>(known.st_size)) : std::nullopt;
}

}  // namespace

RecordingFolder::RecordingFolder(std::string path, Kind kind)
    : path_(std::move(path)), kind_(kind) {
  const std::vector<File> known = files();
  if (!known.empty()) next_number_ = known.back().number + 1;
}

std::string RecordingFolder::next(uint64_t realtime_ns, std::string_view reason) {
  const std::string time = time_of_day(realtime_ns);
  const uint64_t number = next_number_++;
  return kind_ == Kind::kSeries
             ? absl::StrFormat("%s/%s-%08d%s", path_, time, number, kEnding)
             : absl::StrFormat("%s/%s%s-%s-%08d%s", path_, kFlight, time, reason, number, kEnding);
}

std::vector<RecordingFolder::File> RecordingFolder::files() const {
  std::vector<File> found;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(path_, error), end; !error && entry != end;
       entry.increment(error)) {
    const auto number = number_of(entry->path().filename().string(), kind_);
    if (!number) continue;
    std::string path = entry->path().string();
    const auto bytes = recording_bytes(path);
    if (bytes) found.push_back({*number, *bytes, std::move(path)});
  }
  std::ranges::sort(found, [](const File& a, const File& b) {
    return std::tie(a.number, a.path) < std::tie(b.number, b.path);
  });
  return found;
}

uint64_t RecordingFolder::limit(uint64_t most_bytes, std::string_view kept) const {
  const std::vector<File> known = files();
  uint64_t sum = 0, removed = 0;
  for (const File& file : known) sum += file.bytes;
  for (const File& file : known) {
    if (sum <= most_bytes || file.path == kept) break;
    std::error_code error;
    if (!std::filesystem::remove(file.path, error)) continue;
    sum -= file.bytes;
    ++removed;
  }
  return removed;
}

}  // namespace swaptrail
