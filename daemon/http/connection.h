// One client's socket, with TLS or without: the part of its request that was read, and what is left
// to write.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "daemon/socket/wire.h"

namespace swaptrail::http {

// Nothing here waits. One thread.
class Connection {
 public:
  enum class State : uint8_t {
    kShaking,  // the TLS handshake
    kReading,
    kWorking,  // a worker makes the answer
    kWriting,
    kDone,  // to be closed
  };

  // As Wire has them.
  Connection(base::Descriptor socket, SSL_CTX* tls, uint64_t now_ns);

  // Makes as much progress as it can. If kReading, head() may be complete now.
  void advance(uint64_t now_ns);
  // The whole head of a request, removed from what was read; empty: not complete yet.
  std::string take_head();
  // What was read but not taken: at most kMostHead_bytes.
  std::string_view begun() const { return in_; }
  // While kReading or kWorking. `close`: close after the last byte.
  void write(std::string bytes, bool close, uint64_t now_ns);

  State state() const { return state_; }
  int socket() const { return wire_.socket(); }
  bool wants_to_write() const { return state_ != State::kWorking && wire_.waits_to_write(); }
  uint64_t since_ns() const { return since_ns_; }  // when it entered its state
  bool idle() const { return state_ == State::kReading && in_.empty() && answered_; }

 private:
  void enter(State state, uint64_t now_ns);
  void shake(uint64_t now_ns);
  void read(uint64_t now_ns);
  void end(bool cleanly, uint64_t now_ns);
  void write_some(uint64_t now_ns);

  socket::Wire wire_;
  State state_;
  bool close_after_ = false, answered_ = false, ended_ = false;
  uint64_t since_ns_;
  std::string in_, out_;
  size_t sent_ = 0;
};

}  // namespace swaptrail::http
