// Shows the progress of long work to somebody who waits at a terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace swaptrail::cli {

// A bar on stderr: appears after half a second, is redrawn at most ten times a second, and is
// removed at the end. One thread.
class Progress {
 public:
  enum class Style {
    kSilent,
    kPlain,  // for NO_COLOR and dumb terminals: carriage returns, no other control codes
    kBar,
  };
  // Silent unless stderr is a terminal; also silent if stdout is one too and `prints` says that the
  // command writes there meanwhile.
  static Style style_here(bool prints);

  Progress(std::string label, Style style);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // What is counted is the caller's affair, as long as both count the same.
  void expect(uint64_t more) { expected_ += more; }
  void add(uint64_t more);

  // The line for `done` of `expected`, without control codes: "verify [####......]  42 %".
  static std::string line(const std::string& label, uint64_t done, uint64_t expected);

 private:
  void draw();
  void erase();

  const std::string label_;
  const Style style_;
  uint64_t expected_ = 0;
  uint64_t done_ = 0;
  size_t drawn_ = 0;  // length of the line on the screen
  std::chrono::steady_clock::time_point next_draw_;
};

}  // namespace swaptrail::cli
