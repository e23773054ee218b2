#include "daemon/socket/wire.h"

#include <openssl/err.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace swaptrail::socket {
namespace {

constexpr size_t kMostAtOnce_bytes = 1 << 20;  // OpenSSL takes an int

}  // namespace

Wire::Wire(base::Descriptor socket, SSL_CTX* tls)
    : socket_(std::move(socket)),
      tls_(tls != nullptr ? SSL_new(tls) : nullptr, SSL_free),
      shaken_(tls == nullptr) {
  if (tls != nullptr) broken_ = !tls_ || SSL_set_fd(tls_.get(), socket_.get()) != 1;
}

Wire::~Wire() {
  if (tls_ && shaken_ && !broken_) SSL_shutdown(tls_.get());
  ERR_clear_error();
}

// Classifies the result of an OpenSSL call that did not succeed.
long Wire::outcome(int result) {
  const int error = SSL_get_error(tls_.get(), result);
  ERR_clear_error();
  waits_to_write_ = error == SSL_ERROR_WANT_WRITE;
  if (waits_to_write_ || error == SSL_ERROR_WANT_READ) return kLater;
  if (error == SSL_ERROR_ZERO_RETURN) return kEnded;
  broken_ = true;
  return kBroken;
}

long Wire::handshake() {
  waits_to_write_ = false;
  if (broken_) return kBroken;
  if (shaken_) return 1;
  ERR_clear_error();
  const int result = SSL_accept(tls_.get());
  if (result != 1) return outcome(result) == kLater ? kLater : kBroken;
  shaken_ = true;
  return 1;
}

long Wire::receive(char* to, size_t size) {
  waits_to_write_ = false;
  if (broken_) return kBroken;
  if (tls_) {
    ERR_clear_error();
    const int result =
        SSL_read(tls_.get(), to, static_cast<int>(std::min(size, kMostAtOnce_bytes)));
    return result > 0 ? result : outcome(result);
  }
  const ssize_t result = recv(socket_.get(), to, size, 0);
  if (result >= 0) return result;
  return errno == EAGAIN || errno == EINTR ? kLater : kBroken;
}

long Wire::send(const char* from, size_t size) {
  waits_to_write_ = false;
  if (broken_) return kBroken;
  if (tls_) {
    ERR_clear_error();
    const int result =
        SSL_write(tls_.get(), from, static_cast<int>(std::min(size, kMostAtOnce_bytes)));
    return result > 0 ? result : outcome(result);
  }
  const ssize_t result = ::send(socket_.get(), from, size, MSG_NOSIGNAL);
  if (result >= 0) return result;
  waits_to_write_ = errno == EAGAIN || errno == EINTR;
  return waits_to_write_ ? kLater : kBroken;
}

}  // namespace swaptrail::socket
