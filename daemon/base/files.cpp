#include "daemon/base/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "daemon/base/descriptor.h"

namespace swaptrail::base {
namespace {

constexpr size_t kStep_bytes = 64 << 10;

absl::Status check_named(const std::string& path, const struct stat& found, Secrecy secrecy) {
  if (!S_ISREG(found.st_mode)) return bad_path(path, "is no regular file: name one");
  if (found.st_size > static_cast<off_t>(kMostNamedFile_bytes))
    return bad_path(path, "is larger than 1 MiB: is it the right file?");
  if (found.st_uid != 0 && found.st_uid != geteuid())
    return bad_path(path, absl::StrCat("belongs to user ", found.st_uid, ": chown root ", path));
  if ((found.st_mode & S_IWOTH) != 0)
    return bad_path(path, absl::StrCat("everybody may write it: chmod o-w ", path));
  if (secrecy == Secrecy::kSecret && (found.st_mode & S_IROTH) != 0)
    return bad_path(path, absl::StrCat("everybody may read it: chmod o= ", path));
  return absl::OkStatus();
}

// Reads to the end, until there are more than `most` bytes, or until `last` is among them. False: see errno.
bool read_all(int file, size_t most, std::string& text, absl::string_view last = {}) {
  size_t done = 0;
  for (;;) {
    text.resize(done + kStep_bytes);
    const ssize_t got = read(file, text.data() + done, kStep_bytes);
    if (got < 0 && errno == EINTR) continue;
    const size_t before = done;
    if (got > 0) done += static_cast<size_t>(got);
    const size_t from = before - std::min(before, last.size());  // it may have come in two pieces
    const bool found =
        !last.empty() && absl::StrContains(absl::string_view(text).substr(from, done - from), last);
    if (got > 0 && done <= most && !found) continue;
    text.resize(done);
    return got >= 0;
  }
}

bool streams_are_open = true;

// Nothing is initialised yet, not even sanitizers: plain system calls only.
__attribute__((no_sanitize("address", "thread", "undefined"))) void occupy_standard_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (syscall(SYS_fcntl, stream, F_GETFD) >= 0) continue;
    // open() gives the lowest free number, which is this one; opened in the direction that nobody
    // uses
    const int direction = stream == STDIN_FILENO ? O_WRONLY : O_RDONLY;
    if (syscall(SYS_openat, AT_FDCWD, "/dev/null", direction) != stream) streams_are_open = false;
  }
}

// The loader calls it before the libraries' own constructors.
[[gnu::section(".preinit_array"),
  gnu::used]] void (*const occupy_first)() = occupy_standard_streams;

}  // namespace

absl::Status bad_path(const std::string& path, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", what));
}

absl::StatusOr<std::string> read_file(const std::string& path) { return read_file_until(path, {}); }

absl::StatusOr<std::string> read_file_until(const std::string& path, absl::string_view line_end) {
  // O_NONBLOCK: people name some of these files, and opening a FIFO without a writer would wait
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  std::string text;
  const std::string last = line_end.empty() ? "" : absl::StrCat(line_end, "\n");
  if (!file || !read_all(file.get(), kMostKernelFile_bytes, text, last))
    return absl::ErrnoToStatus(errno, absl::StrCat("can't read ", path));
  if (text.size() > kMostKernelFile_bytes)
    return absl::ResourceExhaustedError(
        absl::StrCat(path, " is too large to be one of the kernel"));
  return text;
}

std::string first_line(const std::string& path) {
  const auto text = read_file(path);
  return text.ok() ? text->substr(0, text->find('\n')) : "";
}

std::string unmangled(absl::string_view name) {
  std::string out;
  for (size_t at = 0; at < name.size(); ++at) {
    const auto digit = [&](size_t i) { return at + i < name.size() ? name[at + i] - '0' : -1; };
    const bool escape = name[at] == '\\' && digit(1) >= 0 && digit(1) <= 3 && digit(2) >= 0 &&
                        digit(2) <= 7 && digit(3) >= 0 && digit(3) <= 7;
    out += escape ? static_cast<char>(digit(1) * 64 + digit(2) * 8 + digit(3)) : name[at];
    if (escape) at += 3;
  }
  return out;
}

absl::StatusOr<std::string> read_named_file(const std::string& path, Secrecy secrecy) {
  // O_NONBLOCK: opening a FIFO without a writer would wait
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file) return bad_path(path, absl::StrCat("can't be opened: ", strerror(errno)));
  struct stat found {};
  if (fstat(file.get(), &found) != 0) return bad_path(path, strerror(errno));
  if (absl::Status status = check_named(path, found, secrecy); !status.ok()) return status;
  std::string text;
  if (!read_all(file.get(), kMostNamedFile_bytes, text))
    return bad_path(path, absl::StrCat("can't be read: ", strerror(errno)));
  if (text.size() != static_cast<size_t>(found.st_size))
    return bad_path(path, "changes while it is read: try again");
  return text;
}

bool standard_streams_are_open() { return streams_are_open; }

absl::Status print_whole(absl::string_view text) {
  const bool whole = fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (whole && fflush(stdout) == 0) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("can't write to standard output: ", strerror(errno)));
}

}  // namespace swaptrail::base
