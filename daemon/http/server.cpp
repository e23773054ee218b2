#include "daemon/http/server.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <map>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "daemon/http/access.h"
#include "daemon/http/connection.h"
#include "daemon/http/listener.h"
#include "daemon/http/workers.h"

namespace swaptrail::http {
namespace {

constexpr uint64_t kListener = 0, kBell = 1, kFirst = 2;  // what an epoll event is about
constexpr int kLook_ms = 200;                             // for those that take too long

using State = Connection::State;

uint64_t now_ns() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

absl::Status out_of_bounds(absl::string_view what, size_t least, size_t most) {
  return absl::InvalidArgumentError(absl::StrCat(what, " must be ", least, " to ", most));
}

absl::Status check(const HttpOptions& options) {
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

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }

 private:
  const int number_;
};

}  // namespace

// Has all sockets. Everything but the constructor, the destructor and ring() is its thread's.
class HttpServer::Reception {
 public:
  Reception(const HttpOptions& options, Site site, std::unique_ptr<Access> access,
            const Listener& listener)
      : options_(options),
        site_(std::move(site)),
        access_(std::move(access)),
        router_(site_, *access_),
        listener_(listener.socket),
        port_(listener.port),
        epoll_(epoll_create1(EPOLL_CLOEXEC)),
        bell_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
        workers_(router_, options.workers, options.max_waiting, [this] { ring(); }) {
    watch(EPOLL_CTL_ADD, listener_.number(), EPOLLIN, kListener);
    watch(EPOLL_CTL_ADD, bell_.number(), EPOLLIN, kBell);
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
  using Connections = std::map<uint64_t, Connection>;

  void run();
  int wait_ms() const { return connections_.empty() && accepting_ ? -1 : kLook_ms; }
  void accept_all();
  void accept_one(int socket);
  bool make_room();
  void on_event(const epoll_event& event);
  void go_on(Connections::iterator at);
  void hand_over(uint64_t number, Connection& connection);
  void take_answers();
  void close_slow();
  bool is_slow(const Connection& connection) const;
  void watch(int operation, int descriptor, uint32_t events, uint64_t what);
  void ring() {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(bell_.number(), &one, sizeof(one));
  }

  const HttpOptions options_;
  const Site site_;
  const std::unique_ptr<Access> access_;
  Router router_;
  const Descriptor listener_;
  const uint16_t port_;
  const Descriptor epoll_, bell_;
  Connections connections_;
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
  epoll_ctl(epoll_.number(), operation, descriptor, &event);
}

void HttpServer::Reception::run() {
  block_signals();
  std::array<epoll_event, 64> events;
  while (!stopped_) {
    const int count =
        epoll_wait(epoll_.number(), events.data(), static_cast<int>(events.size()), wait_ms());
    now_ns_ = now_ns();
    for (int at = 0; at < count; ++at) on_event(events[static_cast<size_t>(at)]);
    if (now_ns_ - looked_ns_ >= uint64_t{kLook_ms} * 1'000'000) close_slow();
  }
  connections_.clear();  // here, where a broken pipe is no signal
}

void HttpServer::Reception::on_event(const epoll_event& event) {
  const uint64_t what = event.data.u64;
  if (what == kListener) return accept_all();
  if (what == kBell) return take_answers();
  const auto found = connections_.find(what);
  if (found == connections_.end()) return;
  // it broke while its answer is made
  if (found->second.state() == State::kWorking) {
    connections_.erase(found);
    return;
  }
  found->second.advance(now_ns_);
  go_on(found);
}

void HttpServer::Reception::accept_all() {
  access_->refresh(now_ns_);
  for (size_t count = 0; count < options_.max_connections; ++count) {
    const int socket = accept4(listener_.number(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket >= 0) {
      accept_one(socket);
      continue;
    }
    if (errno == EAGAIN) return;
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      accepting_ = false;  // until close_slow(): it would be told again at once
      return watch(EPOLL_CTL_MOD, listener_.number(), 0, kListener);
    }
  }
}

void HttpServer::Reception::accept_one(int socket) {
  if (connections_.size() >= options_.max_connections && !make_room()) {
    close(socket);
    return;
  }
  const uint64_t number = next_++;
  const auto added = connections_.try_emplace(number, socket, access_->tls().get(), now_ns_).first;
  watch(EPOLL_CTL_ADD, socket, EPOLLIN, number);
  added->second.advance(now_ns_);
  go_on(added);
}

// The one that has been silent for longest goes: between two requests, or else before a whole one,
// or else while it takes its answer. False: all are waiting for theirs.
bool HttpServer::Reception::make_room() {
  const auto rank = [](const Connection& connection) {
    if (connection.state() == State::kWorking) return 0;
    if (connection.state() == State::kWriting) return 1;
    return connection.idle() ? 3 : 2;
  };
  auto worst = connections_.end();
  for (auto at = connections_.begin(); at != connections_.end(); ++at) {
    if (rank(at->second) == 0) continue;
    const bool worse = worst == connections_.end() || rank(at->second) > rank(worst->second) ||
                       (rank(at->second) == rank(worst->second) &&
                        at->second.since_ns() < worst->second.since_ns());
    if (worse) worst = at;
  }
  if (worst == connections_.end()) return false;
  connections_.erase(worst);
  return true;
}

// After advance() or write().
void HttpServer::Reception::go_on(Connections::iterator at) {
  auto& [number, connection] = *at;
  hand_over(number, connection);
  if (connection.state() == State::kDone) {
    connections_.erase(at);
    return;
  }
  // while a worker has it, only that it broke is told
  uint32_t events = connection.wants_to_write() ? EPOLLOUT : EPOLLIN;
  if (connection.state() == State::kWorking) events = 0;
  watch(EPOLL_CTL_MOD, connection.socket(), events, number);
}

void HttpServer::Reception::hand_over(uint64_t number, Connection& connection) {
  if (connection.state() != State::kReading) return;
  std::string head = connection.take_head();
  if (!head.empty()) {
    access_->refresh(now_ns_);
    if (workers_.ask(number, std::move(head))) return;
    return connection.write(bare_response(503, "Service Unavailable"), true, now_ns_);
  }
  if (!connection.head_is_too_long()) return;
  connection.write(bare_response(431, "Request Header Fields Too Large"), true, now_ns_);
}

void HttpServer::Reception::take_answers() {
  uint64_t rung = 0;
  [[maybe_unused]] const ssize_t got = read(bell_.number(), &rung, sizeof(rung));
  for (Workers::Result& result : workers_.take()) {
    const auto found = connections_.find(result.connection);
    if (found == connections_.end()) continue;
    found->second.write(std::move(result.answer.bytes), result.answer.close, now_ns_);
    found->second.advance(now_ns_);  // the next request may be here
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
  std::erase_if(connections_, [this](const auto& entry) { return is_slow(entry.second); });
  if (accepting_) return;
  accepting_ = true;
  watch(EPOLL_CTL_MOD, listener_.number(), EPOLLIN, kListener);
}

HttpServer::HttpServer(std::unique_ptr<Reception> reception) : reception_(std::move(reception)) {}
HttpServer::~HttpServer() = default;

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::start(const HttpOptions& options,
                                                              Site site) {
  if (absl::Status status = check(options); !status.ok()) return status;
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
