#include "daemon/base/log.h"

#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "absl/strings/str_cat.h"
#include "trace/utf8.h"

namespace swaptrail::base {
namespace {

constexpr uint64_t kMinute_ns = 60'000'000'000;
constexpr size_t kMostLine_bytes = 2000;

MinuteLimit& limit() {
  static MinuteLimit all(kMostLogLines_minute);
  return all;
}

}  // namespace

bool MinuteLimit::passes() {
  const std::lock_guard lock(mutex_);
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  if (now.tv_sec / 60 != minute_) {
    minute_ = now.tv_sec / 60;
    passed_ = 0;
  }
  if (passed_ < most_) {
    ++passed_;
    return true;
  }
  ++left_out_;
  return false;
}

void log_line(std::string_view text) {
  static std::mutex mutex;
  static uint64_t reported = 0;
  if (!limit().passes()) return;
  const std::lock_guard lock(mutex);
  const uint64_t left_out = log_lines_left_out();
  if (left_out != reported)
    log_always(absl::StrCat(left_out - reported, " lines were left out: too many"));
  reported = left_out;
  log_always(text);
}

// One write(2) a line, so that lines of several threads are not mixed.
void log_always(std::string_view text) {
  const std::string line = "swaptraild: " + printable_line(text, kMostLine_bytes) + "\n";
  for (std::string_view left = line; !left.empty();) {
    const ssize_t written = ::write(STDERR_FILENO, left.data(), left.size());
    if (written < 0 && errno == EINTR) continue;  // stdio would drop the line
    if (written <= 0) return;
    left.remove_prefix(static_cast<size_t>(written));
  }
}

uint64_t log_lines_left_out() { return limit().left_out(); }

void RepeatedTrouble::happened(std::string_view text, uint64_t now_ns) {
  ++count_;
  text_ = text;
  if (reported_ns_ != 0) return tick(now_ns);
  reported_ = count_;
  reported_ns_ = now_ns;
  log_line(text_);
}

void RepeatedTrouble::tick(uint64_t now_ns) {
  if (reported_ns_ == 0 || now_ns - reported_ns_ < kMinute_ns) return;
  if (count_ != reported_)
    log_line(absl::StrCat(text_, " (", count_ - reported_, " times in a minute)"));
  // After a quiet minute the next one is reported at once.
  reported_ns_ = count_ != reported_ ? now_ns : 0;
  reported_ = count_;
}

}  // namespace swaptrail::base
