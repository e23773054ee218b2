// One client's socket, with TLS or without: what was read of its request, what is left to be written.
#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace swaptrail::http {

// Nothing here waits. One thread.
class Connection {
 public:
  static constexpr size_t kMostHead = 16 * 1024;  // request line and headers together

  enum class State : uint8_t {
    kShaking,  // TLS is being agreed on
    kReading,
    kWorking,  // a worker makes the answer
    kWriting,
    kDone,  // to be closed
  };

  // Takes the socket, which does not block. `tls` may be null.
  Connection(int socket, SSL_CTX* tls, uint64_t now_ns);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Goes on as far as it can. kReading: head() may be whole now.
  void advance(uint64_t now_ns);
  // The whole head of a request, taken out of what was read; empty: it is not there yet.
  std::string take_head();
  bool head_is_too_long() const { return in_.size() >= kMostHead; }
  // While kReading or kWorking. `close`: after the last byte.
  void write(std::string bytes, bool close, uint64_t now_ns);

  State state() const { return state_; }
  int socket() const { return socket_; }
  bool wants_to_write() const { return wants_write_; }
  uint64_t since_ns() const { return since_ns_; }  // when it got into its state
  bool idle() const { return state_ == State::kReading && in_.empty() && answered_; }

 private:
  void enter(State state, uint64_t now_ns);
  void shake(uint64_t now_ns);
  void read(uint64_t now_ns);
  void end(bool cleanly, uint64_t now_ns);
  void write_some(uint64_t now_ns);
  long receive(char* to, size_t size);
  long send(const char* from, size_t size);
  // What a call of OpenSSL wants: true if it only has to be tried again later.
  bool try_later(int result);

  const int socket_;
  std::unique_ptr<SSL, void (*)(SSL*)> tls_;
  State state_;
  bool wants_write_ = false, close_after_ = false, answered_ = false, ended_ = false;
  uint64_t since_ns_;
  std::string in_, out_;
  size_t sent_ = 0;
};

}  // namespace swaptrail::http
