// What ends a stream that would go on for ever: SIGINT, SIGTERM, or time.
#pragma once

#include <signal.h>

#include <atomic>
#include <functional>
#include <optional>
#include <thread>

#include "absl/time/time.h"

namespace swaptrail::online {

// Blocks both signals for this thread and all that it starts: make it before the connection. One at
// a time.
class Ending {
 public:
  explicit Ending(std::optional<absl::Duration> limit);
  // Signals are as they were before.
  ~Ending();
  Ending(const Ending&) = delete;
  Ending& operator=(const Ending&) = delete;

  // Calls `end` from another thread, once, when it is time. Once at most.
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
