// A listening socket for an address in text.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace swaptrail::http {

struct Listener {
  int socket = -1;  // does not block; the caller closes it
  uint16_t port = 0;
};

// "HOST:PORT", "[IPv6]:PORT" or ":PORT" (all addresses, also IPv6 if available). Errors:
// InvalidArgument (not such a text, or no such host), Unavailable (it can't be bound, with the
// reason).
absl::StatusOr<Listener> listen_on(const std::string& address);

}  // namespace swaptrail::http
