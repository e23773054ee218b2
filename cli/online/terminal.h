// The terminal of `swaptrail top`: another screen, keys at once, and all as it was afterwards.
#pragma once

#include <signal.h>
#include <termios.h>

#include <cstddef>

namespace swaptrail::online {

// Takes stdin and stdout, which must be terminals. Given back by the destructor, and if the process
// dies of a fault of its own. One at a time; one thread.
class Terminal {
 public:
  Terminal();
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  static bool there_is_one();
  size_t width() const;
  size_t height() const;

  // For a stop (SIGTSTP): gives it back, stops the process, and takes it again when it goes on.
  void stop();

 private:
  void enter();
  void leave();
};

}  // namespace swaptrail::online
