#include "daemon/listen/proxy.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "daemon/base/monotonic.h"
#include "daemon/listen/peer.h"

namespace swaptrail::listen {
namespace {

constexpr int kAcceptsAtOnce = 64;  // then the open ones have their turn
constexpr int kEvents = 64;
constexpr int kNoMemoryPause_us = 10'000;
constexpr uint64_t kConnectionCost = 64;  // of FrameMeter's, for its user
constexpr size_t kMostUsers = 1024;
constexpr uint64_t kMostEnding_ns = 10'000'000'000;
constexpr uint64_t kDrain_ns = 500'000'000;  // at the end, for gRPC's last bytes
// How long it waits without an event, for changes that only time brings.
constexpr int kThrottled_ms = 5, kPassing_ms = 100;

// The keys of epoll events: these, and twice a connection's number, plus one for its server side.
enum Key : uint64_t { kBell, kUnixListener, kTcpListener, kFirst };
uint64_t client_key(uint64_t number) { return kFirst + 2 * number; }
uint64_t server_key(uint64_t number) { return kFirst + 2 * number + 1; }

bool add(int epoll, int fd, uint32_t events, uint64_t key) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = key;
  return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

void watch(int epoll, int fd, uint64_t key, uint32_t events, uint32_t& watched) {
  if (events == watched) return;
  watched = events;
  epoll_event event{};
  event.events = events;
  event.data.u64 = key;
  epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event);
}

base::Descriptor open_spare() { return base::Descriptor(open("/dev/null", O_RDONLY | O_CLOEXEC)); }

size_t index(Access access) { return static_cast<size_t>(access); }

}  // namespace

absl::StatusOr<std::unique_ptr<Proxy>> Proxy::start(Settings settings) {
  std::unique_ptr<Proxy> made(new Proxy(std::move(settings)));
  made->epoll_ = base::Descriptor(epoll_create1(EPOLL_CLOEXEC));
  made->bell_ = base::Descriptor(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  made->spare_ = open_spare();
  const int epoll = made->epoll_.get(), tcp = made->settings_.tcp_listener;
  const bool ready = made->epoll_ && made->bell_ && made->spare_ &&
                     add(epoll, made->bell_.get(), EPOLLIN, kBell) &&
                     add(epoll, made->settings_.unix_listener, EPOLLIN, kUnixListener) &&
                     (tcp < 0 || add(epoll, tcp, EPOLLIN, kTcpListener));
  if (!ready) return absl::ErrnoToStatus(errno, "can't wait for connections");

  made->thread_ = std::thread([proxy = made.get()] { proxy->run(); });
  return made;
}

Proxy::~Proxy() { finish(); }

void Proxy::ring() const {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(bell_.get(), &one, sizeof(one));
}

void Proxy::stop_accepting() {
  if (!thread_.joinable()) return;
  ring();
  closed_.wait(false);
}

void Proxy::finish() {
  if (!thread_.joinable()) return;
  ending_ = true;
  ring();
  thread_.join();
}

ConnectionCounts Proxy::counts() const {
  const auto of = [this](Access access) {
    const Count& count = counts_[index(access)];
    return ConnectionCounts::Class{count.open,         count.accepted,           count.refused_full,
                                   count.refused_user, count.closed_over_limits, count.throttled};
  };
  return {of(Access::kFull), of(Access::kReading), of(Access::kTcp),
          unknown_peer_,     no_descriptors_,      0};
}

void Proxy::run() {
  epoll_event events[kEvents];
  uint64_t end_ns = UINT64_MAX;
  while (now_ns_ < end_ns && (end_ns == UINT64_MAX || !connections_.empty())) {
    const int count = epoll_wait(epoll_.get(), events, kEvents, wait_ms());
    now_ns_ = base::monotonic_ns();
    for (int i = 0; i < count; ++i) on_event(events[i].data.u64, events[i].events);
    if (wait_ms() >= 0) look_at_all();
    if (ending_ && end_ns == UINT64_MAX) end_ns = now_ns_ + kDrain_ns;
  }
  connections_.clear();
  for (Count& count : counts_) count.open = 0;
}

// -1: only an event can bring something to do.
int Proxy::wait_ms() const {
  if (more_) return 0;
  if (throttled_) return kThrottled_ms;
  return passing_ || ending_ ? kPassing_ms : -1;
}

void Proxy::on_event(uint64_t key, uint32_t events) {
  if (key == kBell) return on_bell();
  if (key == kUnixListener) return accept_some(settings_.unix_listener);
  if (key == kTcpListener) return accept_some(settings_.tcp_listener);
  const auto found = connections_.find((key - kFirst) / 2);
  if (found == connections_.end()) return;  // an event before this one has ended it
  Relay& relay = found->second.relay;
  if ((events & (EPOLLHUP | EPOLLERR)) != 0) {
    // Without ending it these events would come again and again.
    if (key == client_key(found->first)) {
      relay.on_client_gone();
    } else {
      epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, relay.server(), nullptr);
      relay.on_server_gone(now_ns_);
    }
  }
  go_on(found);
}

void Proxy::on_bell() {
  uint64_t times = 0;
  if (read(bell_.get(), &times, sizeof(times)) < 0 || closed_) return;
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, settings_.unix_listener, nullptr);
  if (settings_.tcp_listener >= 0)
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, settings_.tcp_listener, nullptr);
  closed_ = true;
  closed_.notify_all();
}

void Proxy::go_on(Connections::iterator at) {
  Connection& connection = at->second;
  Relay& relay = connection.relay;
  if (!relay.done()) relay.advance(now_ns_);
  if (relay.done()) {
    if (relay.over_limits()) counts_[index(connection.access)].closed_over_limits++;
    counts_[index(connection.access)].open--;
    --connection.user->second.open[index(connection.access)];
    connections_.erase(at);
    return;
  }
  watch(epoll_.get(), relay.client(), client_key(at->first), relay.client_events(),
        connection.client_watched);
  watch(epoll_.get(), relay.server(), server_key(at->first), relay.server_events(),
        connection.server_watched);
  if (relay.throttled() && !connection.was_throttled) counts_[index(connection.access)].throttled++;
  connection.was_throttled = relay.throttled();
  more_ |= relay.has_more();
  throttled_ |= relay.throttled();
  passing_ |= relay.passing_since_ns() != 0;
}

// Looks at the connections that change by time alone.
void Proxy::look_at_all() {
  more_ = throttled_ = passing_ = false;
  for (auto at = connections_.begin(); at != connections_.end();) {
    const auto next = std::next(at);
    Relay& relay = at->second.relay;
    const uint64_t since_ns = relay.passing_since_ns();
    const uint64_t most_ns = relay.is_shaken() ? kMostEnding_ns : settings_.handshake_limit_ns;
    if (since_ns != 0 && now_ns_ - since_ns > most_ns) relay.on_client_gone();
    if (since_ns != 0 || relay.has_more() || relay.throttled()) go_on(at);
    at = next;
  }
}

void Proxy::accept_some(int listener) {
  for (int i = 0; i < kAcceptsAtOnce; ++i) {
    sockaddr_storage from{};
    socklen_t size = sizeof(from);
    base::Descriptor connection(
        accept4(listener, reinterpret_cast<sockaddr*>(&from), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (connection) {
      take(std::move(connection), from);
    } else if (errno == EMFILE || errno == ENFILE) {
      spare_.reset();
      base::Descriptor refused(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
      if (refused) no_descriptors_++;
      refused.reset();
      spare_ = open_spare();
      if (!spare_) usleep(kNoMemoryPause_us);
    } else if (errno == ENOBUFS || errno == ENOMEM) {
      usleep(kNoMemoryPause_us);
      return;
    } else if (errno == EAGAIN) {
      return;
    }  // else: that connection was gone before it was accepted
  }
}

void Proxy::take(base::Descriptor client, const sockaddr_storage& from) {
  Access access = Access::kTcp;
  UserKey key = base::client_address(from);
  if (from.ss_family == AF_UNIX) {
    const auto peer = peer_of(client.get());
    if (!peer.ok()) {
      ++unknown_peer_;
      return;
    }
    access = may_control(*peer, settings_.control_group) ? Access::kFull : Access::kReading;
    key = peer->uid;
  }
  Count& count = counts_[index(access)];
  const auto user = user_of(key, access);
  if (!user || !has_room(access)) {
    ++count.refused_full;
    return;
  }
  if ((*user)->second.open[index(access)] >= settings_.limits_of_user[index(access)]) {
    ++count.refused_user;
    return;
  }
  relay(access, *user, std::move(client));
}

bool Proxy::has_room(Access access) const {
  const size_t limit = settings_.limits[index(access)];
  const uint64_t open = counts_[index(access)].open;
  if (access == Access::kTcp) return open < limit;
  const uint64_t both = counts_[index(Access::kFull)].open + counts_[index(Access::kReading)].open;
  return open < limit && both < settings_.limits[index(Access::kFull)];
}

// Forgets users about whom nothing needs to be remembered.
void Proxy::forget_users() {
  for (auto at = users_.begin(); at != users_.end();)
    at = at->second.idle(now_ns_) ? users_.erase(at) : std::next(at);
}

// Nothing: there are too many users, and none can be forgotten.
std::optional<Proxy::Users::iterator> Proxy::user_of(const UserKey& key, Access access) {
  if (users_.size() >= kMostUsers) forget_users();
  const auto found = users_.find(key);
  if (found != users_.end()) return found;
  if (users_.size() >= kMostUsers) return std::nullopt;
  const RateLimit rate(kUserRate_per_s, kUserBurst, now_ns_);
  const size_t most_streams = settings_.streams_of_user[index(access)];
  return users_.try_emplace(key, User{{rate, most_streams}, {}}).first;
}

void Proxy::relay(Access access, Users::iterator user, base::Descriptor client) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) {
    ++no_descriptors_;
    return;
  }
  base::Descriptor ours(ends[0]), grpcs(ends[1]);
  const uint64_t number = next_number_++;
  if (!add(epoll_.get(), client.get(), 0, client_key(number)) ||
      !add(epoll_.get(), ours.get(), 0, server_key(number))) {
    ++no_descriptors_;
    return;
  }
  user->second.load.rate.spend(kConnectionCost, now_ns_);
  ++user->second.open[index(access)];
  counts_[index(access)].open++;
  counts_[index(access)].accepted++;
  SSL_CTX* const tls = access == Access::kTcp ? settings_.tls : nullptr;
  const auto added = connections_
                         .try_emplace(number, access, user, socket::Wire(std::move(client), tls),
                                      std::move(ours), now_ns_)
                         .first;
  settings_.serve(access, grpcs.release());
  go_on(added);
}

}  // namespace swaptrail::listen
