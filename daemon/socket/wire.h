// A client's stream socket, with TLS or without, that never waits.
#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <memory>

#include "daemon/base/descriptor.h"

namespace swaptrail::socket {

// One thread.
class Wire {
 public:
  // Returned instead of a number of bytes.
  static constexpr long kEnded = 0;    // the other side sends no more
  static constexpr long kLater = -1;   // try again when the socket is ready, see waits_to_write()
  static constexpr long kBroken = -2;  // close it

  // `socket` is non-blocking. `tls` null: no TLS.
  Wire(base::Descriptor socket, SSL_CTX* tls);
  ~Wire();
  Wire(Wire&&) = default;

  // As a server. 1: the TLS handshake is done, or there is no TLS; kLater or kBroken.
  long handshake();
  long receive(char* to, size_t size);
  long send(const char* from, size_t size);

  int socket() const { return socket_.get(); }
  // After kLater: whether it waits to write to the socket. Otherwise it waits to read.
  bool waits_to_write() const { return waits_to_write_; }

 private:
  long outcome(int result);

  base::Descriptor socket_;
  std::unique_ptr<SSL, void (*)(SSL*)> tls_;
  bool shaken_ = false, broken_ = false, waits_to_write_ = false;
};

}  // namespace swaptrail::socket
