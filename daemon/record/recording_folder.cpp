#include "daemon/record/recording_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <optional>
#include <system_error>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "daemon/base/folders.h"
#include "trace/recording/format.h"

namespace swaptrail::record {
namespace {

constexpr std::string_view kEnding = ".swaptrail", kFlight = "flight-";
constexpr std::string_view kUnfinished = ".unfinished";
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

// The number of a file with this name; nothing if it is not of this kind.
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

// The size of a file, if it is a regular file of ours that begins as a recording does.
std::optional<uint64_t> recording_bytes(int folder, const std::string& name) {
  const base::Descriptor file(
      openat(folder, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file) return std::nullopt;
  struct stat known {};
  char begin[sizeof(recording::kRecordingMagic)];
  const bool is_one = fstat(file.get(), &known) == 0 && S_ISREG(known.st_mode) &&
                      known.st_uid == geteuid() &&
                      pread(file.get(), begin, sizeof(begin), 0) == sizeof(begin) &&
                      std::equal(std::begin(begin), std::end(begin), recording::kRecordingMagic);
  return is_one ? std::optional(static_cast<uint64_t>(known.st_size)) : std::nullopt;
}

// The name of a file while write() is writing it: it does not look like a recording.
std::string hidden(const std::string& name) { return "." + name + std::string(kUnfinished); }

bool is_hidden(std::string_view name, RecordingFolder::Kind kind) {
  if (!name.starts_with('.') || !name.ends_with(kUnfinished)) return false;
  name.remove_suffix(kUnfinished.size());
  return number_of(name.substr(1), kind).has_value();
}

// Does not replace a file at `name`. Nobody else writes to the folder, so nothing appears there meanwhile;
// not every file system supports RENAME_NOREPLACE.
absl::Status give_name(int folder, const std::string& draft, const std::string& name) {
  struct stat found {};
  if (fstatat(folder, name.c_str(), &found, AT_SYMLINK_NOFOLLOW) == 0)
    return absl::AlreadyExistsError(absl::StrCat(name, " exists already"));
  if (errno == ENOENT && renameat(folder, draft.c_str(), folder, name.c_str()) == 0)
    return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat("can't rename to ", name));
}

bool is_file_of_ours(int folder, const std::string& name) {
  struct stat known {};
  return fstatat(folder, name.c_str(), &known, AT_SYMLINK_NOFOLLOW) == 0 &&
         S_ISREG(known.st_mode) && known.st_uid == geteuid();
}

}  // namespace

absl::StatusOr<RecordingFolder> RecordingFolder::open(std::string path, Kind kind) {
  auto folder = base::open_folder(path, 0700);
  if (!folder.ok()) return folder.status();
  return RecordingFolder(*std::move(folder), std::move(path), kind);
}

RecordingFolder::RecordingFolder(base::Descriptor folder, std::string path, Kind kind)
    : folder_(std::move(folder)), path_(std::move(path)), kind_(kind) {
  look();
}

std::string RecordingFolder::next_name(uint64_t realtime_ns, std::string_view reason) {
  const std::string time = time_of_day(realtime_ns);
  const uint64_t number = next_number_++;
  return kind_ == Kind::kSeries
             ? absl::StrFormat("%s-%08d%s", time, number, kEnding)
             : absl::StrFormat("%s%s-%s-%08d%s", kFlight, time, reason, number, kEnding);
}

std::string RecordingFolder::path_of(std::string_view name) const {
  return absl::StrFormat("%s/%s", path_, name);
}

absl::StatusOr<std::unique_ptr<recording::FileSink>> RecordingFolder::create(
    const std::string& name) {
  auto file = recording::FileSink::create_in(folder_.get(), name, path_of(name));
  if (file.ok()) note_made(name);
  return file;
}

absl::Status RecordingFolder::write(const std::string& name, std::string_view bytes) {
  const std::string draft = hidden(name);
  auto file = recording::FileSink::create_in(folder_.get(), draft, path_of(name));
  if (!file.ok()) return file.status();
  absl::Status status = (*file)->append(bytes);
  if (status.ok()) status = (*file)->sync();
  if (status.ok()) status = give_name(folder_.get(), draft, name);
  if (!status.ok()) {
    unlinkat(folder_.get(), draft.c_str(), 0);
    return status;
  }
  note_made(name);
  return status;
}

void RecordingFolder::remove(const std::string& name) {
  unlinkat(folder_.get(), name.c_str(), 0);
  std::erase_if(files_, [&](const File& file) { return file.name == name; });
}

// Other daemons and people change it too: so files are looked up when the folder is opened, not only
// noted when made.
void RecordingFolder::look() {
  files_.clear();
  std::error_code error;
  const std::string open_folder = absl::StrCat("/proc/self/fd/", folder_.get());
  for (std::filesystem::directory_iterator entry(open_folder, error), end; !error && entry != end;
       entry.increment(error)) {
    std::string name = entry->path().filename().string();
    if (is_hidden(name, kind_) && is_file_of_ours(folder_.get(), name))
      unlinkat(folder_.get(), name.c_str(), 0);
    const auto number = number_of(name, kind_);
    const auto bytes = number ? recording_bytes(folder_.get(), name) : std::nullopt;
    if (bytes) files_.push_back({*number, *bytes, std::move(name)});
  }
  std::ranges::sort(files_, [](const File& a, const File& b) {
    return std::tie(a.number, a.name) < std::tie(b.number, b.name);
  });
  if (!files_.empty()) next_number_ = std::max(next_number_, files_.back().number + 1);
}

void RecordingFolder::note_made(std::string name) {
  const uint64_t number = *number_of(name, kind_);
  if (!files_.empty()) files_.back().bytes = bytes_of(files_.back());  // it has its final size now
  files_.push_back({number, 0, std::move(name)});
}

uint64_t RecordingFolder::bytes_of(const File& file) const {
  struct stat known {};
  return fstatat(folder_.get(), file.name.c_str(), &known, AT_SYMLINK_NOFOLLOW) == 0
             ? static_cast<uint64_t>(known.st_size)
             : 0;
}

uint64_t RecordingFolder::limit(const Limits& limits, std::string_view kept) {
  uint64_t sum = 0, removed = 0;
  if (!files_.empty()) files_.back().bytes = bytes_of(files_.back());
  for (const File& file : files_) sum += file.bytes;
  auto file = files_.begin();
  for (; file != files_.end() && file->name != kept; ++file) {
    const auto left = static_cast<uint64_t>(files_.end() - file);
    if (sum <= limits.bytes && left <= limits.files) break;
    // it may have been removed, or belong to somebody else by now
    if (recording_bytes(folder_.get(), file->name) &&
        unlinkat(folder_.get(), file->name.c_str(), 0) == 0)
      ++removed;
    sum -= file->bytes;
  }
  files_.erase(files_.begin(), file);
  return removed;
}

bool RecordingFolder::is_in_place() const {
  struct stat held {
  }, named{};
  return fstat(folder_.get(), &held) == 0 && stat(path_.c_str(), &named) == 0 &&
         held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

absl::Status RecordingFolder::open_again() {
  auto folder = base::open_folder(path_, 0700);
  if (!folder.ok()) return folder.status();
  folder_ = *std::move(folder);
  look();
  return absl::OkStatus();
}

}  // namespace swaptrail::record
