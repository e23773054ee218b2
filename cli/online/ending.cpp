#include "cli/online/ending.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <limits>

#include "absl/time/clock.h"

namespace swaptrail::online {
namespace {

int milliseconds_until(absl::Time end) {
  const int64_t left = absl::ToInt64Milliseconds(end - absl::Now() + absl::Microseconds(999));
  return static_cast<int>(std::clamp<int64_t>(left, 0, std::numeric_limits<int>::max()));
}

}  // namespace

Ending::Ending(std::optional<absl::Duration> limit) : limit_(limit) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, &before_);
  signals_ = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  stop_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

Ending::~Ending() {
  if (thread_.joinable()) {
    eventfd_write(stop_, 1);
    thread_.join();
  }
  // Takes a pending signal, which must not kill us now.
  signalfd_siginfo pending;
  while (::read(signals_, &pending, sizeof pending) == sizeof pending) {
  }
  ::close(signals_);
  ::close(stop_);
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

void Ending::start(std::function<void()> end) {
  thread_ = std::thread([this, end = std::move(end)] { wait(end); });
}

void Ending::wait(const std::function<void()>& end) {
  const absl::Time until = limit_ ? absl::Now() + *limit_ : absl::InfiniteFuture();
  pollfd files[] = {{signals_, POLLIN, 0}, {stop_, POLLIN, 0}};
  for (;;) {
    const int ready = ::poll(files, 2, limit_ ? milliseconds_until(until) : -1);
    if (files[1].revents != 0) return;
    const bool time_is_over = ready == 0 && limit_ && absl::Now() >= until;
    if (files[0].revents != 0 || time_is_over) break;
  }
  reached_ = true;
  end();
}

}  // namespace swaptrail::online
