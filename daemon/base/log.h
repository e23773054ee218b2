// The lines that swaptraild writes on standard error. Any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

namespace swaptrail::base {

inline constexpr uint32_t kMostLogLines_minute = 60;

// Lets this many pass in each minute, and counts the others. Any thread.
class MinuteLimit {
 public:
  explicit MinuteLimit(uint32_t most) : most_(most) {}
  bool passes();
  uint64_t left_out() const { return left_out_; }

 private:
  const uint32_t most_;
  std::mutex mutex_;  // of the next two
  int64_t minute_ = 0;
  uint32_t passed_ = 0;
  std::atomic<uint64_t> left_out_{0};
};

// Writes "swaptraild: TEXT" as one line, with unprintable characters in `text` replaced. Beyond
// kMostLogLines_minute, lines are left out and counted; the first line that has room again reports how
// many.
void log_line(std::string_view text);
// The same for what must be reported whatever was written before: why the program ends.
void log_always(std::string_view text);
// Lines left out since the start.
uint64_t log_lines_left_out();

// A problem that keeps coming back: reported at once, and after that once a minute with how often it
// occurred meanwhile. One thread.
class RepeatedTrouble {
 public:
  // `now_ns`: monotonic.
  void happened(std::string_view text, uint64_t now_ns);
  // Call it from time to time: reports what was counted when its minute is over.
  void tick(uint64_t now_ns);
  // How often it occurred since the start.
  uint64_t count() const { return count_; }

 private:
  std::string text_;  // the newest
  uint64_t count_ = 0, reported_ = 0, reported_ns_ = 0;
};

}  // namespace swaptrail::base
