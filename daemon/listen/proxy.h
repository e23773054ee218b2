// Accepts connections, decides which server they go to, and relays between their clients and gRPC.
//
// gRPC gets one end of a socket pair for each connection, so everything that a client can do to it passes
// here. For each user (a uid by unix socket, an address by TCP) the proxy knows the open connections and
// the rate of what they send.
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
#include <variant>

#include "absl/status/statusor.h"
#include "daemon/base/client_address.h"
#include "daemon/base/descriptor.h"
#include "daemon/listen/listen.h"
#include "daemon/listen/rate_limit.h"
#include "daemon/listen/relay.h"

namespace swaptrail::listen {

enum class Access : uint8_t { kFull, kReading, kTcp };
inline constexpr size_t kAccesses = 3;

class Proxy {
 public:
  // Takes over a connection: it closes `fd`, which is non-blocking. Runs on the proxy's thread.
  using Serve = std::function<void(Access, int fd)>;
  struct Settings {
    int unix_listener = -1;  // non-blocking, and outlives stop()
    int tcp_listener = -1;   // -1: none
    SSL_CTX* tls = nullptr;  // of TCP; outlives the proxy
    std::optional<gid_t> control_group;
    // The most open connections; kReading's and kFull's are counted together against kFull's.
    std::array<size_t, kAccesses> limits{};
    std::array<size_t, kAccesses> limits_of_user{};
    std::array<size_t, kAccesses> streams_of_user{};  // open at the same time
    uint64_t handshake_limit_ns = 0;                  // for TLS
    Serve serve;
  };

  // Starts the thread. Errors: Internal (no descriptors).
  static absl::StatusOr<std::unique_ptr<Proxy>> start(Settings settings);
  ~Proxy();  // finish()

  // No connection is accepted after it returns; open ones stay. From one thread.
  void stop_accepting();
  // Closes those as well, within half a second: until then gRPC's last bytes are sent.
  void finish();
  // Any thread.
  ConnectionCounts counts() const;

 private:
  struct User {
    Load load;
    std::array<size_t, kAccesses> open{};
    bool idle(uint64_t now_ns) { return open == decltype(open){} && load.rate.full(now_ns); }
  };
  using UserKey = std::variant<uid_t, base::ClientAddress>;
  using Users = std::map<UserKey, User>;
  struct Connection {
    Connection(Access type, Users::iterator owner, socket::Wire client, base::Descriptor server,
               uint64_t now_ns)
        : access(type),
          user(owner),
          relay(std::move(client), std::move(server), owner->second.load, now_ns) {}
    const Access access;
    const Users::iterator user;
    Relay relay;
    uint32_t client_watched = 0, server_watched = 0;  // events that epoll watches
    bool was_throttled = false;
  };
  using Connections = std::map<uint64_t, Connection>;
  struct Count {
    std::atomic<uint64_t> open{0}, accepted{0}, refused_full{0}, refused_user{0},
        closed_over_limits{0}, throttled{0};
  };

  explicit Proxy(Settings settings) : settings_(std::move(settings)) {}
  void run();
  void ring() const;
  void on_bell();
  void on_event(uint64_t key, uint32_t events);
  void accept_some(int listener);
  void take(base::Descriptor client, const sockaddr_storage& from);
  std::optional<Users::iterator> user_of(const UserKey& key, Access access);
  void forget_users();
  bool has_room(Access access) const;
  void relay(Access access, Users::iterator user, base::Descriptor client);
  void go_on(Connections::iterator at);
  void look_at_all();
  int wait_ms() const;

  const Settings settings_;
  base::Descriptor epoll_, bell_, spare_;
  std::atomic<bool> ending_{false};  // see finish()
  std::atomic<bool> closed_{false};  // to new connections
  Users users_;
  Connections connections_;
  uint64_t next_number_ = 1, now_ns_ = 0, looked_ns_ = 0;
  bool more_ = false, throttled_ = false, passing_ = false;  // whether any connection is
  std::array<Count, kAccesses> counts_;
  std::atomic<uint64_t> unknown_peer_{0}, no_descriptors_{0};
  std::thread thread_;
};

}  // namespace swaptrail::listen
