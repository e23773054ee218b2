#include "daemon/listen/acceptor.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "daemon/listen/peer.h"

namespace swaptrail::listen {
namespace {

constexpr int kAcceptsAtOnce = 64;  // then it looks whether connections were closed
constexpr int kEvents = 64;
constexpr int kNoMemoryPause_us = 10'000;

bool add(int epoll, int fd, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

Descriptor open_spare() { return Descriptor(open("/dev/null", O_RDONLY | O_CLOEXEC)); }

size_t index(Access access) { return static_cast<size_t>(access); }

}  // namespace

absl::StatusOr<std::unique_ptr<Acceptor>> Acceptor::start(Settings settings) {
  std::unique_ptr<Acceptor> made(new Acceptor(std::move(settings)));
  made->epoll_ = Descriptor(epoll_create1(EPOLL_CLOEXEC));
  made->stop_ = Descriptor(eventfd(0, EFD_CLOEXEC));
  made->spare_ = open_spare();
  bool ready = made->epoll_ && made->stop_ && made->spare_;
  for (const int fd :
       {made->stop_.get(), made->settings_.unix_listener, made->settings_.tcp_listener})
    ready = ready && (fd < 0 || add(made->epoll_.get(), fd, EPOLLIN));
  if (!ready) return absl::ErrnoToStatus(errno, "can't wait for connections");

  made->thread_ = std::thread([acceptor = made.get()] { acceptor->run(); });
  return made;
}

Acceptor::~Acceptor() {
  if (thread_.joinable()) stop();
  for (const auto& [watch, access] : watched_) close(watch);
}

void Acceptor::stop() {
  if (thread_.joinable()) {
    const uint64_t one = 1;
    if (write(stop_.get(), &one, sizeof(one)) == sizeof(one)) thread_.join();
  }
}

ConnectionCounts Acceptor::counts() const {
  const auto of = [this](Access access) {
    const Count& count = counts_[index(access)];
    return ConnectionCounts::Class{count.open, count.accepted, count.refused_full};
  };
  return {of(Access::kFull), of(Access::kReading), of(Access::kTcp),
          unknown_peer_,     no_descriptors_,      0};
}

void Acceptor::run() {
  epoll_event events[kEvents];
  for (;;) {
    const int count = epoll_wait(epoll_.get(), events, kEvents, -1);
    for (int i = 0; i < count; i++) {
      const int fd = events[i].data.fd;
      if (fd == stop_.get()) return;
      if (fd == settings_.unix_listener || fd == settings_.tcp_listener)
        accept_some(fd);
      else if (events[i].events & EPOLLHUP)
        closed(fd);
    }
  }
}

void Acceptor::accept_some(int listener) {
  for (int i = 0; i < kAcceptsAtOnce; i++) {
    Descriptor connection(accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (connection) {
      take(std::move(connection), listener == settings_.tcp_listener);
    } else if (errno == EMFILE || errno == ENFILE) {
      spare_.reset();
      Descriptor refused(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
      if (refused) no_descriptors_++;
      refused.reset();
      spare_ = open_spare();
      if (!spare_) usleep(kNoMemoryPause_us);
    } else if (errno == ENOBUFS || errno == ENOMEM) {
      usleep(kNoMemoryPause_us);
      return;
    } else if (errno == EAGAIN) {
      return;
    }  // else: that connection has gone before it was accepted
  }
}

void Acceptor::take(Descriptor connection, bool tcp) {
  Access access = Access::kTcp;
  if (!tcp) {
    const auto peer = peer_of(connection.get());
    if (!peer.ok()) {
      unknown_peer_++;
      return;
    }
    access = may_control(*peer, settings_.control_group) ? Access::kFull : Access::kReading;
  }
  Count& count = counts_[index(access)];
  if (!has_room(access)) {
    count.refused_full++;
    return;
  }
  // gRPC tells nobody when it closes a connection. It always shuts it down first, as the peer does:
  // a second descriptor of it sees a hang-up then, and is closed as well.
  Descriptor watch(fcntl(connection.get(), F_DUPFD_CLOEXEC, 0));
  if (!watch || !add(epoll_.get(), watch.get(), EPOLLET)) {
    no_descriptors_++;
    return;
  }
  watched_[watch.release()] = access;
  count.open++;
  count.accepted++;
  settings_.serve(access, connection.release());
}

bool Acceptor::has_room(Access access) const {
  const size_t limit = settings_.limits[index(access)];
  const uint64_t open = counts_[index(access)].open;
  if (access == Access::kTcp) return open < limit;
  const uint64_t both = counts_[index(Access::kFull)].open + counts_[index(Access::kReading)].open;
  return open < limit && both < settings_.limits[index(Access::kFull)];
}

void Acceptor::closed(int watch) {
  const auto found = watched_.find(watch);
  if (found == watched_.end()) return;
  counts_[index(found->second)].open--;
  watched_.erase(found);
  close(watch);
}

}  // namespace swaptrail::listen
