#include "daemon/pipeline/outlet.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/base/descriptor.h"

namespace swaptrail::pipeline {
namespace {

// From this size on, the part of the buffer that was sent is dropped, and an empty buffer is freed.
constexpr size_t kForgetFrom_bytes = size_t{1} << 20;

// How much a pipe or socket takes without waiting when poll(2) calls it writable.
size_t most_at_once(int file_descriptor) {
  struct stat file {};
  const bool never_waits = (fcntl(file_descriptor, F_GETFL) & O_NONBLOCK) != 0 ||
                           (fstat(file_descriptor, &file) == 0 && S_ISREG(file.st_mode));
  return never_waits ? Outlet::kMost_bytes : PIPE_BUF;
}

uint64_t lines_of(std::string_view text) {
  return static_cast<uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace

// O_NONBLOCK belongs to the open file, which other processes may share: so the file is opened
// again.
void never_wait_for_reader(int file_descriptor) {
  struct stat file {};
  if (fstat(file_descriptor, &file) != 0) return;
  if (!S_ISFIFO(file.st_mode) && isatty(file_descriptor) == 0) return;
  const base::Descriptor own(open(absl::StrCat("/proc/self/fd/", file_descriptor).c_str(),
                                  O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (own) dup2(own.get(), file_descriptor);
}

Outlet::Outlet(int file_descriptor)
    : file_descriptor_(file_descriptor), most_at_once_(most_at_once(file_descriptor)) {}

void Outlet::put(std::string_view lines) {
  if (broken_) return;
  if (pending_.size() - sent_ + lines.size() > kMost_bytes) {
    lines_left_out_ += lines_of(lines);
    return;
  }
  pending_.append(lines);
  drain();
}

void Outlet::drain() {
  while (sent_ < pending_.size() && has_room(0))
    if (!write_some()) break;
  if (sent_ < pending_.size() && sent_ < kForgetFrom_bytes) return;
  pending_.erase(0, sent_);
  sent_ = 0;
  if (pending_.empty() && pending_.capacity() > kForgetFrom_bytes) pending_.shrink_to_fit();
}

void Outlet::finish(absl::Duration patience) {
  const absl::Time until = absl::Now() + patience;
  for (drain(); !pending_.empty(); drain()) {
    const absl::Duration left = until - absl::Now();
    if (left <= absl::ZeroDuration() ||
        !has_room(static_cast<int>(absl::ToInt64Milliseconds(left)) + 1))
      break;
  }
  give_up();
}

bool Outlet::has_room(int timeout_ms) const {
  pollfd file{file_descriptor_, POLLOUT, 0};
  return poll(&file, 1, timeout_ms) > 0;
}

// False: nothing could be written now, or ever again.
bool Outlet::write_some() {
  const size_t size = std::min(pending_.size() - sent_, most_at_once_);
  const ssize_t written = ::write(file_descriptor_, pending_.data() + sent_, size);
  if (written >= 0) {
    sent_ += static_cast<size_t>(written);
    return true;
  }
  if (errno == EINTR) return true;
  if (errno == EAGAIN) return false;
  broken_ = true;
  pending_.clear();
  sent_ = 0;
  return false;
}

// Keeps the rest of a line that the reader has begun to read: the next text must begin a line.
void Outlet::give_up() {
  const bool torn = sent_ > 0 && sent_ < pending_.size() && pending_[sent_ - 1] != '\n';
  const size_t keep_to = torn ? pending_.find('\n', sent_) + 1 : sent_;
  lines_left_out_ += lines_of(std::string_view(pending_).substr(keep_to));
  pending_.resize(keep_to);
}

}  // namespace swaptrail::pipeline
