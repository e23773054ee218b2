// Ends a stream that would otherwise go on for ever: by SIGINT, SIGTERM, or time.
#pragma once

#include <signal.h>

#include <atomic>
#include <functional>
#include <optional>
#include <thread>

#include "absl/time/time.h"

namespace swaptrail::online {

// Blocks both signals for this thread and those that it starts: make it before the connection. One
// at a time.
class Ending {
 public:
  explicit Ending(std::optional<absl::Duration> limit);
  // Restores the signals.
  ~Ending();
  Ending(const Ending&) = delete;
  Ending& operator=(const Ending&) = delete;

  // Calls `end` once, from another thread, when it is time. Call it at most once.
  void start(std::function<void()> end);
  bool reached() const { return reached_; }

 private:
  void wait(const std::function<void()>& end);

  const std::optional<absl::Duration> limit_;
  sigset_t before_{};
  int signals_ = -1;  // signalfd
  int stop_ = -1;     // eventfd
  std::atomic<bool> reached_ = false;
  std::thread thread_;
};

}  // namespace swaptrail::online
