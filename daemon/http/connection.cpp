#include "daemon/http/connection.h"

#include <algorithm>
#include <array>
#include <utility>

#include "daemon/http/request_head.h"

namespace swaptrail::http {
namespace {

constexpr char kHeadEnd[] = "\r\n\r\n";

}  // namespace

Connection::Connection(base::Descriptor socket, SSL_CTX* tls, uint64_t now_ns)
    : wire_(std::move(socket), tls),
      state_(tls != nullptr ? State::kShaking : State::kReading),
      since_ns_(now_ns) {}

void Connection::enter(State state, uint64_t now_ns) {
  state_ = state;
  since_ns_ = now_ns;
}

void Connection::advance(uint64_t now_ns) {
  if (state_ == State::kShaking) shake(now_ns);
  if (state_ == State::kWriting) write_some(now_ns);
  if (state_ == State::kReading) read(now_ns);
}

void Connection::shake(uint64_t now_ns) {
  const long result = wire_.handshake();
  if (result == socket::Wire::kBroken) enter(State::kDone, now_ns);
  if (result > 0) state_ = State::kReading;  // its time limit includes the handshake
}

void Connection::read(uint64_t now_ns) {
  std::array<char, 4096> buffer;
  while (in_.size() < kMostHead_bytes) {
    const size_t room = std::min(buffer.size(), kMostHead_bytes - in_.size());
    const long got = wire_.receive(buffer.data(), room);
    if (got == socket::Wire::kLater) return;
    if (got <= 0) return end(got == socket::Wire::kEnded, now_ns);
    if (in_.empty() && answered_) since_ns_ = now_ns;  // another request begins
    in_.append(buffer.data(), static_cast<size_t>(got));
  }
}

// A client that has sent its request and closed its sending side still gets its answer.
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
    const long count = wire_.send(out_.data() + sent_, out_.size() - sent_);
    if (count == socket::Wire::kLater) return;
    if (count <= 0) return enter(State::kDone, now_ns);
    sent_ += static_cast<size_t>(count);
  }
  out_ = std::string();
  answered_ = true;
  enter(close_after_ ? State::kDone : State::kReading, now_ns);
}

}  // namespace swaptrail::http
