// The HTTP server's counts about itself, since its start.
#pragma once

#include <atomic>
#include <cstdint>

namespace swaptrail::http {

// Written by the server's threads, read by any.
struct HttpCounts {
  using Count = std::atomic<uint64_t>;
  Count connections{0};        // open now
  Count accepted{0};           // connections
  Count closed_full{0};        // all places were taken: one gave up its own, or came in vain
  Count closed_address{0};     // because all places of one client address were taken
  Count refused_malformed{0};  // requests: not HTTP, or larger than what is served
  Count refused_queue{0};      // requests: too many wait for a worker
  Count refused_passwords{0};  // requests: too many passwords wait to be compared
  std::atomic<bool> config_is_current{true};  // false: the current files are not the ones in use
};

}  // namespace swaptrail::http
