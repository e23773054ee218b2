#include "daemon/listen/relay.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

namespace swaptrail::listen {
namespace {

constexpr int kSteps = 4;  // then the others have their turn
constexpr size_t kFromServer_bytes = 32 << 10;
// Small: with what fits between here and gRPC, it is all that gRPC may still read from a client that
// stopped reading.
constexpr size_t kFromClient_bytes = 4 << 10;
constexpr int kServerBuffer_bytes = 8 << 10;

}  // namespace

Relay::Relay(socket::Wire client, base::Descriptor server, Load& user, uint64_t now_ns)
    : client_(std::move(client)),
      server_(std::move(server)),
      own_(kConnectionRate_per_s, kConnectionBurst, now_ns),
      user_(user),
      since_ns_(now_ns) {
  setsockopt(server_.get(), SOL_SOCKET, SO_SNDBUF, &kServerBuffer_bytes, sizeof(int));
}

Relay::~Relay() { user_.streams -= meter_.open_streams(); }

void Relay::on_server_gone(uint64_t now_ns) {
  server_gone_ = true;
  since_ns_ = now_ns;
}

void Relay::advance(uint64_t now_ns) {
  if (!shaken_) {
    const long result = client_.handshake();
    done_ = over_limits_ = result == socket::Wire::kBroken;
    shaken_ = result > 0;
    if (shaken_) since_ns_ = now_ns;
  }
  more_ = false;
  for (int step = 0; shaken_ && !done_; ++step) {
    const bool to_client = move_to_client(), to_server = move_to_server(now_ns);
    if (!to_client && !to_server) break;
    more_ = step + 1 == kSteps;
    if (more_) break;
  }
  set_events();
}

// True: something was moved, and there may be more.
bool Relay::move_to_client() {
  static thread_local std::array<char, kFromServer_bytes> room;
  std::string_view rest = to_client_;
  if (rest.empty()) {
    const ssize_t got = recv(server_.get(), room.data(), room.size(), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (got <= 0) {
      done_ = true;  // it has ended, and everything that it sent is written
      return false;
    }
    rest = {room.data(), static_cast<size_t>(got)};
    const size_t streams = meter_.open_streams();
    meter_.on_server(rest);
    count_streams(streams);
  }
  const long sent = client_.send(rest.data(), rest.size());
  if (sent == socket::Wire::kBroken) done_ = true;
  if (sent > 0) rest.remove_prefix(static_cast<size_t>(sent));
  to_client_ = std::string(rest);
  return sent > 0;
}

bool Relay::move_to_server(uint64_t now_ns) {
  if (to_server_.empty() && !client_ended_) return read_client(now_ns) && write_server();
  return write_server();
}

bool Relay::read_client(uint64_t now_ns) {
  throttled_ = own_.in_debt(now_ns) || user_.rate.in_debt(now_ns);
  if (throttled_ || !to_client_.empty()) return false;
  std::array<char, kFromClient_bytes> room;
  const long got = client_.receive(room.data(), room.size());
  if (got == socket::Wire::kLater) return false;
  if (got == socket::Wire::kEnded) {
    client_ended_ = true;
    since_ns_ = now_ns;
    return true;
  }
  const bool passes = got > 0 && pass({room.data(), static_cast<size_t>(got)}, now_ns);
  done_ = done_ || !passes;
  return passes;
}

// Takes what the client sent, and charges its cost. False: the connection must be closed.
bool Relay::pass(std::string_view bytes, uint64_t now_ns) {
  const size_t streams = meter_.open_streams();
  const auto cost = meter_.on_client(bytes);
  count_streams(streams);
  over_limits_ = !cost || user_.streams > user_.most_streams;
  if (over_limits_) return false;
  own_.spend(*cost, now_ns);
  user_.rate.spend(*cost, now_ns);
  to_server_ = std::string(bytes);
  return true;
}

void Relay::count_streams(size_t before) { user_.streams += meter_.open_streams() - before; }

bool Relay::write_server() {
  if (to_server_.empty()) {
    if (client_ended_) shutdown(server_.get(), SHUT_WR);  // doing it again does no harm
    return false;
  }
  const ssize_t sent = ::send(server_.get(), to_server_.data(), to_server_.size(), MSG_NOSIGNAL);
  if (sent > 0) {
    to_server_.erase(0, static_cast<size_t>(sent));
    return true;
  }
  const bool later = errno == EAGAIN || errno == EINTR;
  if (!later) to_server_.clear();  // gRPC has closed it: its last bytes are still read
  if (!later) client_ended_ = true;
  return false;
}

void Relay::set_events() {
  const uint32_t ready = client_.waits_to_write() ? EPOLLOUT : EPOLLIN;
  client_events_ = server_events_ = 0;
  if (!shaken_ || !to_client_.empty()) {
    client_events_ = ready;
  } else {
    server_events_ = EPOLLIN;
    if (to_server_.empty() && !client_ended_ && !throttled_) client_events_ = ready;
  }
  if (!to_server_.empty()) server_events_ |= EPOLLOUT;
}

}  // namespace swaptrail::listen
