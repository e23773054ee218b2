#include "daemon/http/server.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <iterator>
#include <map>
#include <thread>
#include <tuple>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "daemon/base/client_address.h"
#include "daemon/base/descriptor.h"
#include "daemon/base/monotonic.h"
#include "daemon/http/access.h"
#include "daemon/http/connection.h"
#include "daemon/http/listener.h"
#include "daemon/http/request_head.h"
#include "daemon/http/workers.h"

namespace swaptrail::http {
namespace {

constexpr uint64_t kListener = 0, kBell = 1, kFirst = 2;  // what an epoll event is about
constexpr int kLook_ms = 200;                             // at those that take too long

using State = Connection::State;

absl::Status out_of_bounds(absl::string_view what, size_t least, size_t most) {
  return absl::InvalidArgumentError(absl::StrCat(what, " must be ", least, " to ", most));
}

absl::Status check_bounds(const HttpOptions& options) {
  const std::string& path = options.telemetry_path;
  const bool taken = path == "/" || absl::StartsWith(path, "/-/");
  if (!absl::StartsWith(path, "/") || taken || path.find_first_of("?#% \t\r\n\"<>") != path.npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", path, "' is no path for the metrics: say one such as /metrics"));
  }
  if (options.max_connections < 1 || options.max_connections > 10'000) {
    return out_of_bounds("connections", 1, 10'000);
  }
  if (options.workers < 1 || options.workers > 64) return out_of_bounds("workers", 1, 64);
  return absl::OkStatus();
}

}  // namespace

// Owns all sockets. Everything except the constructor, the destructor and ring() belongs to its
// thread.
class HttpServer::Reception {
 public:
  Reception(const HttpOptions& options, Site site, std::unique_ptr<Access> access,
            const Listener& listener)
      : options_(options),
        site_(std::move(site)),
        access_(std::move(access)),
        counts_(site_.counts ? site_.counts : std::make_shared<HttpCounts>()),
        router_(site_, *access_, *counts_),
        listener_(listener.socket),
        port_(listener.port),
        epoll_(epoll_create1(EPOLL_CLOEXEC)),
        bell_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
        workers_(router_, options.workers, options.max_waiting, [this] { ring(); }) {
    watch(EPOLL_CTL_ADD, listener_.get(), EPOLLIN, kListener);
    watch(EPOLL_CTL_ADD, bell_.get(), EPOLLIN, kBell);
    thread_ = std::thread([this] { run(); });
  }
  ~Reception() {
    stopped_ = true;
    ring();
    thread_.join();
  }

  uint16_t port() const { return port_; }
  bool has_tls() const { return access_->tls() != nullptr; }

 private:
  struct Place {
    Place(base::Descriptor socket, SSL_CTX* tls, uint64_t now_ns, const base::ClientAddress& client)
        : connection(std::move(socket), tls, now_ns), from(client) {}
    Connection connection;
    const base::ClientAddress from;
  };
  using Places = std::map<uint64_t, Place>;

  void run();
  int wait_ms() const { return places_.empty() && accepting_ ? -1 : kLook_ms; }
  void refresh();
  void accept_all();
  void accept_one(base::Descriptor socket, const base::ClientAddress& from);
  bool make_room(const base::ClientAddress& from);
  Places::iterator longest_waiter(const base::ClientAddress* of);
  size_t places_of(const base::ClientAddress& from) const;
  Places::iterator leave(Places::iterator at);
  void on_event(const epoll_event& event);
  void go_on(Places::iterator at);
  void hand_over(uint64_t number, Place& place);
  void refuse_request(uint64_t number);
  void take_answers();
  void close_slow();
  bool is_slow(const Connection& connection) const;
  void watch(int operation, int descriptor, uint32_t events, uint64_t what);
  void ring() {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(bell_.get(), &one, sizeof(one));
  }

  const HttpOptions options_;
  const Site site_;
  const std::unique_ptr<Access> access_;
  const std::shared_ptr<HttpCounts> counts_;
  Router router_;
  const base::Descriptor listener_;
  const uint16_t port_;
  const base::Descriptor epoll_, bell_;
  Places places_;
  std::map<base::ClientAddress, size_t> by_address_;  // how many places each has
  uint64_t next_ = kFirst;
  uint64_t now_ns_ = 0, looked_ns_ = 0;
  bool accepting_ = true;
  std::atomic<bool> stopped_{false};
  Workers workers_;
  std::thread thread_;
};

void HttpServer::Reception::watch(int operation, int descriptor, uint32_t events, uint64_t what) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = what;
  epoll_ctl(epoll_.get(), operation, descriptor, &event);
}

void HttpServer::Reception::run() {
  block_signals();
  std::array<epoll_event, 64> events;
  while (!stopped_) {
    const int count =
        epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), wait_ms());
    now_ns_ = base::monotonic_ns();
    for (int at = 0; at < count; ++at) on_event(events[static_cast<size_t>(at)]);
    if (now_ns_ - looked_ns_ >= uint64_t{kLook_ms} * 1'000'000) close_slow();
  }
  places_.clear();  // here, where a broken pipe raises no signal
}

void HttpServer::Reception::on_event(const epoll_event& event) {
  const uint64_t what = event.data.u64;
  if (what == kListener) return accept_all();
  if (what == kBell) return take_answers();
  const auto found = places_.find(what);
  if (found == places_.end()) return;
  // it broke while its answer was being made
  if (found->second.connection.state() == State::kWorking) {
    leave(found);
    return;
  }
  found->second.connection.advance(now_ns_);
  go_on(found);
}

// The files may have changed.
void HttpServer::Reception::refresh() {
  access_->refresh(now_ns_);
  counts_->config_is_current = access_->trouble().empty();
}

void HttpServer::Reception::accept_all() {
  refresh();
  for (size_t count = 0; count < options_.max_connections; ++count) {
    sockaddr_storage from{};
    socklen_t size = sizeof(from);
    base::Descriptor socket(accept4(listener_.get(), reinterpret_cast<sockaddr*>(&from), &size,
                                    SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (socket) {
      accept_one(std::move(socket), base::client_address(from));
      continue;
    }
    if (errno == EAGAIN) return;
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      accepting_ = false;  // until close_slow(): it would be reported again at once
      return watch(EPOLL_CTL_MOD, listener_.get(), 0, kListener);
    }
  }
}

void HttpServer::Reception::accept_one(base::Descriptor socket, const base::ClientAddress& from) {
  if (!make_room(from)) return;
  const uint64_t number = next_++;
  watch(EPOLL_CTL_ADD, socket.get(), EPOLLIN, number);
  const auto added =
      places_.try_emplace(number, std::move(socket), access_->tls().get(), now_ns_, from).first;
  ++by_address_[from];
  ++counts_->accepted;
  ++counts_->connections;
  added->second.connection.advance(now_ns_);
  go_on(added);
}

// A client that has half of all places gives up one of its own for a new one. When all places are
// taken, the client with most of them gives one up. False: all of that client's are waiting for their
// answers.
bool HttpServer::Reception::make_room(const base::ClientAddress& from) {
  const size_t most_of_one = std::max<size_t>(options_.max_connections / 2, 1);
  const bool is_full = places_.size() >= options_.max_connections;
  if (!is_full && places_of(from) < most_of_one) return true;
  const bool own = places_of(from) >= most_of_one;
  ++(own ? counts_->closed_address : counts_->closed_full);
  const auto waiter = longest_waiter(own ? &from : nullptr);
  if (waiter == places_.end()) return false;
  leave(waiter);
  return true;
}

// Of the client `of`, or of the client with most places (null). Chooses the connection that has been
// silent longest: first those between two requests, then those before a complete one, then those that are
// taking their answer.
HttpServer::Reception::Places::iterator HttpServer::Reception::longest_waiter(
    const base::ClientAddress* of) {
  const auto rank = [](const Connection& connection) {
    if (connection.state() == State::kWriting) return 1;
    return connection.idle() ? 3 : 2;
  };
  // greater: is closed first
  const auto order = [&](const Place& place) {
    return std::tuple(places_of(place.from), rank(place.connection),
                      UINT64_MAX - place.connection.since_ns());
  };
  auto worst = places_.end();
  for (auto at = places_.begin(); at != places_.end(); ++at) {
    const Place& place = at->second;
    if (place.connection.state() == State::kWorking || (of != nullptr && place.from != *of))
      continue;
    if (worst == places_.end() || order(place) > order(worst->second)) worst = at;
  }
  return worst;
}

size_t HttpServer::Reception::places_of(const base::ClientAddress& from) const {
  const auto found = by_address_.find(from);
  return found == by_address_.end() ? 0 : found->second;
}

// Returns the place after it.
HttpServer::Reception::Places::iterator HttpServer::Reception::leave(Places::iterator at) {
  const auto address = by_address_.find(at->second.from);
  if (--address->second == 0) by_address_.erase(address);
  --counts_->connections;
  return places_.erase(at);
}

// After advance() or write().
void HttpServer::Reception::go_on(Places::iterator at) {
  Connection& connection = at->second.connection;
  hand_over(at->first, at->second);
  if (connection.state() == State::kDone) {
    leave(at);
    return;
  }
  // while a worker has it, only its breaking is reported
  uint32_t events = connection.wants_to_write() ? EPOLLOUT : EPOLLIN;
  if (connection.state() == State::kWorking) events = 0;
  watch(EPOLL_CTL_MOD, connection.socket(), events, at->first);
}

void HttpServer::Reception::hand_over(uint64_t number, Place& place) {
  Connection& connection = place.connection;
  if (connection.state() != State::kReading) return;
  std::string head = connection.take_head();
  if (!head.empty()) {
    refresh();
    const auto refused = workers_.ask(number, place.from, std::move(head));
    if (!refused) return;
    ++counts_->refused_queue;
    if (*refused != number) return refuse_request(*refused);
    return connection.write(bare_response(503, "Service Unavailable"), true, now_ns_);
  }
  const auto refused = refuse_early(connection.begun());
  if (!refused) return;
  ++counts_->refused_malformed;
  connection.write(bare_response(refused->status, refused->reason), true, now_ns_);
}

// A request that was in the queue, and lost its place to another client's.
void HttpServer::Reception::refuse_request(uint64_t number) {
  const auto found = places_.find(number);
  if (found == places_.end()) return;
  found->second.connection.write(bare_response(503, "Service Unavailable"), true, now_ns_);
  go_on(found);
}

void HttpServer::Reception::take_answers() {
  uint64_t rung = 0;
  [[maybe_unused]] const ssize_t got = read(bell_.get(), &rung, sizeof(rung));
  for (Workers::Result& result : workers_.take()) {
    const auto found = places_.find(result.connection);
    if (found == places_.end()) continue;
    Connection& connection = found->second.connection;
    connection.write(std::move(result.answer.bytes), result.answer.close, now_ns_);
    connection.advance(now_ns_);  // the next request may be here
    go_on(found);
  }
}

bool HttpServer::Reception::is_slow(const Connection& connection) const {
  const uint64_t waited_ms = (now_ns_ - connection.since_ns()) / 1'000'000;
  switch (connection.state()) {
    case State::kWorking:
      return false;
    case State::kWriting:
      return waited_ms >= options_.write_timeout_ms;
    default:
      return waited_ms >= (connection.idle() ? options_.idle_timeout_ms : options_.head_timeout_ms);
  }
}

void HttpServer::Reception::close_slow() {
  looked_ns_ = now_ns_;
  for (auto at = places_.begin(); at != places_.end();)
    at = is_slow(at->second.connection) ? leave(at) : std::next(at);
  if (accepting_) return;
  accepting_ = true;
  watch(EPOLL_CTL_MOD, listener_.get(), EPOLLIN, kListener);
}

HttpServer::HttpServer(std::unique_ptr<Reception> reception) : reception_(std::move(reception)) {}
HttpServer::~HttpServer() = default;

absl::Status HttpServer::check(const HttpOptions& options) {
  if (absl::Status status = check_bounds(options); !status.ok()) return status;
  return Access::open(options.config_file).status();
}

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::start(const HttpOptions& options,
                                                              Site site) {
  if (absl::Status status = check_bounds(options); !status.ok()) return status;
  auto access = Access::open(options.config_file);
  if (!access.ok()) return access.status();
  const auto listener = listen_on(options.listen_address);
  if (!listener.ok()) return listener.status();
  site.telemetry_path = options.telemetry_path;
  return std::unique_ptr<HttpServer>(new HttpServer(
      std::make_unique<Reception>(options, std::move(site), *std::move(access), *listener)));
}

uint16_t HttpServer::port() const { return reception_->port(); }
bool HttpServer::has_tls() const { return reception_->has_tls(); }

}  // namespace swaptrail::http
