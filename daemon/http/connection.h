// One client's socket, with TLS or without: what was read of its request, what is left to be written.
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
    kShaking,  // TLS is being agreed on
    kReading,
    kWorking,  // a worker makes the answer
    kWriting,
    kDone,  // to be closed
  };

  // As Wire has them.
  Connection(Descriptor socket, SSL_CTX* tls, uint64_t now_ns);

  // Goes on as far as it can. kReading: head() may be whole now.
  void advance(uint64_t now_ns);
  // The whole head of a request, taken out of what was read; empty: it is not there yet.
  std::string take_head();
  // What was read and not taken: at most kMostHead_bytes.
  std::string_view begun() const { return in_; }
  // While kReading or kWorking. `close`: after the last byte.
  void write(std::string bytes, bool close, uint64_t now_ns);

  State state() const { return state_; }
  int socket() const { return wire_.socket(); }
  bool wants_to_write() const { return state_ != State::kWorking && wire_.waits_to_write(); }
  uint64_t since_ns() const { return since_ns_; }  // when it got into its state
  bool idle() const { return state_ == State::kReading && in_.empty() && answered_; }

 private:
  void enter(State state, uint64_t now_ns);
  void shake(uint64_t now_ns);
  void read(uint64_t now_ns);
  void end(bool cleanly, uint64_t now_ns);
  void write_some(uint64_t now_ns);

  Wire wire_;
  State state_;
  bool close_after_ = false, answered_ = false, ended_ = false;
  uint64_t since_ns_;
  std::string in_, out_;
  size_t sent_ = 0;
};

}  // namespace swaptrail::http
