#include "daemon/http/connection.h"

#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace swaptrail::http {
namespace {

constexpr char kHeadEnd[] = "\r\n\r\n";
constexpr long kLater = -1, kBroken = -2;  // of receive() and send(); 0 = the other side is done

long outcome_of(ssize_t result) {
  if (result >= 0) return result;
  return errno == EAGAIN || errno == EINTR ? kLater : kBroken;
}

}  // namespace

Connection::Connection(int socket, SSL_CTX* tls, uint64_t now_ns)
    : socket_(socket),
      tls_(tls != nullptr ? SSL_new(tls) : nullptr, SSL_free),
      state_(tls != nullptr ? State::kShaking : State::kReading),
      since_ns_(now_ns) {
  if (tls == nullptr) return;
  if (!tls_ || SSL_set_fd(tls_.get(), socket) != 1) state_ = State::kDone;
}

Connection::~Connection() {
  if (tls_ && state_ != State::kShaking) SSL_shutdown(tls_.get());
  ERR_clear_error();
  close(socket_);
}

void Connection::enter(State state, uint64_t now_ns) {
  state_ = state;
  since_ns_ = now_ns;
  wants_write_ = state == State::kWriting;
}

void Connection::advance(uint64_t now_ns) {
  if (state_ == State::kShaking) shake(now_ns);
  if (state_ == State::kWriting) write_some(now_ns);
  if (state_ == State::kReading) read(now_ns);
}

bool Connection::try_later(int result) {
  const int error = SSL_get_error(tls_.get(), result);
  ERR_clear_error();
  wants_write_ = error == SSL_ERROR_WANT_WRITE;
  return wants_write_ || error == SSL_ERROR_WANT_READ;
}

void Connection::shake(uint64_t now_ns) {
  ERR_clear_error();
  const int result = SSL_accept(tls_.get());
  if (result == 1) {
    state_ = State::kReading;  // with the time that it has used up
    wants_write_ = false;
  } else if (!try_later(result)) {
    enter(State::kDone, now_ns);
  }
}

long Connection::receive(char* to, size_t size) {
  if (!tls_) return outcome_of(recv(socket_, to, size, 0));
  ERR_clear_error();
  const int result = SSL_read(tls_.get(), to, static_cast<int>(size));
  if (result > 0) return result;
  return try_later(result) ? kLater : kBroken;
}

long Connection::send(const char* from, size_t size) {
  if (!tls_) return outcome_of(::send(socket_, from, size, MSG_NOSIGNAL));
  ERR_clear_error();
  const int most = static_cast<int>(std::min<size_t>(size, 1 << 20));
  const int result = SSL_write(tls_.get(), from, most);
  if (result > 0) return result;
  return try_later(result) ? kLater : kBroken;
}

void Connection::read(uint64_t now_ns) {
  std::array<char, 4096> buffer;
  while (in_.size() < kMostHead) {
    const size_t room = std::min(buffer.size(), kMostHead - in_.size());
    const long got = receive(buffer.data(), room);
    if (got == kLater) return;
    if (got <= 0) return end(got == 0, now_ns);
    if (in_.empty() && answered_) since_ns_ = now_ns;  // another request begins
    in_.append(buffer.data(), static_cast<size_t>(got));
  }
}

// A client that has sent its request, and will send no more, still gets its answer.
void Connection::end(bool cleanly, uint64_t now_ns) {
  ended_ = true;
  if (!cleanly || in_.find(kHeadEnd) == std::string::npos) enter(State::kDone, now_ns);
}

std::string Connection::take_head() {
  if (state_ != State::kReading) return {};
  const size_t end = in_.find(kHeadEnd);
  if (end == std::string::npos) return {};
  std::string head = in_.substr(0, end + 4);
  in_.erase(0, end + 4);
  state_ = State::kWorking;
  wants_write_ = false;
  return head;
}

void Connection::write(std::string bytes, bool close, uint64_t now_ns) {
  out_ = std::move(bytes);
  sent_ = 0;
  close_after_ = close || ended_;
  enter(State::kWriting, now_ns);
  write_some(now_ns);
}

void Connection::write_some(uint64_t now_ns) {
  while (sent_ < out_.size()) {
    const long count = send(out_.data() + sent_, out_.size() - sent_);
    if (count == kLater) {
      if (!tls_) wants_write_ = true;
      return;
    }
    if (count <= 0) return enter(State::kDone, now_ns);
    sent_ += static_cast<size_t>(count);
  }
  out_ = std::string();
  answered_ = true;
  enter(close_after_ ? State::kDone : State::kReading, now_ns);
}

}  // namespace swaptrail::http
