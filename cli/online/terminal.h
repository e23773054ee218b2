// The terminal of `swaptrail top`: another screen, keys without waiting, and everything restored
// afterwards.
#pragma once

#include <signal.h>
#include <termios.h>

#include <cstddef>

namespace swaptrail::online {

// Takes over stdin and stdout, which must be terminals. The destructor restores them, and so does a
// crash of the process. One at a time; one thread.
class Terminal {
 public:
  Terminal();
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  static bool there_is_one();
  size_t width() const;
  size_t height() const;

  // For a stop (SIGTSTP): restores the terminal, stops the process, and takes it over again when
  // the process continues.
  void stop();

 private:
  void enter();
  void leave();
};

}  // namespace swaptrail::online
