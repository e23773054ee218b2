// Accepts connections, decides which server they go to, and counts them until they are closed.
#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <thread>

#include "absl/status/statusor.h"
#include "daemon/listen/descriptor.h"
#include "daemon/listen/listen.h"

namespace swaptrail::listen {

enum class Access : uint8_t { kFull, kReading, kTcp };
inline constexpr size_t kAccesses = 3;

class Acceptor {
 public:
  // Takes a connection over: it closes `fd`, which is non-blocking. On the acceptor's thread.
  using Serve = std::function<void(Access, int fd)>;
  struct Settings {
    int unix_listener = -1;  // non-blocking, and outlives stop()
    int tcp_listener = -1;   // -1: none
    std::optional<gid_t> control_group;
    // Most open connections; kReading's and kFull's are counted together against kFull's.
    std::array<size_t, kAccesses> limits{};
    Serve serve;
  };

  // Starts the thread. Errors: Internal (no descriptors).
  static absl::StatusOr<std::unique_ptr<Acceptor>> start(Settings settings);
  ~Acceptor();

  // No connection is taken from now on; those that are open stay. Once, from one thread.
  void stop();
  // Any thread.
  ConnectionCounts counts() const;

 private:
  struct Count {
    std::atomic<uint64_t> open{0}, accepted{0}, refused_full{0};
  };

  explicit Acceptor(Settings settings) : settings_(std::move(settings)) {}
  void run();
  void accept_some(int listener);
  void take(Descriptor connection, bool tcp);
  bool has_room(Access access) const;
  void closed(int watch);

  const Settings settings_;
  Descriptor epoll_, stop_, spare_;
  // A second descriptor of each open connection, and whose: it hears of its end.
  std::map<int, Access> watched_;
  std::array<Count, kAccesses> counts_;
  std::atomic<uint64_t> unknown_peer_{0}, no_descriptors_{0};
  std::thread thread_;
};

}  // namespace swaptrail::listen
