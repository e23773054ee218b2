// One connection: passes the client's bytes to gRPC, and gRPC's to the client.
//
// gRPC 1.51 answers what it reads at once and queues the answer: frames of a client that does not read
// would fill its memory. Here a client is read from only while it reads itself, and no faster than the
// rates of its connection and of its user allow. So a flood waits in its sender's sockets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "daemon/base/descriptor.h"
#include "daemon/listen/frame_meter.h"
#include "daemon/listen/rate_limit.h"
#include "daemon/socket/wire.h"

namespace swaptrail::listen {

// Costs are those of FrameMeter: 1,600 calls a second on a connection, 31 if they are cancelled; twice as
// many for a user.
inline constexpr uint64_t kConnectionRate_per_s = 8'000, kConnectionBurst = 4'000;
inline constexpr uint64_t kUserRate_per_s = 16'000, kUserBurst = 8'000;

// For all connections of a user. A connection that opens one call too many is closed.
struct Load {
  RateLimit rate;
  size_t most_streams;
  size_t streams = 0;
};

// Nothing here waits. One thread.
class Relay {
 public:
  // `server`: gRPC has the other end. `user`, the owner of the connection, must outlive it.
  Relay(socket::Wire client, base::Descriptor server, Load& user, uint64_t now_ns);
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  // Moves what can be moved now, up to about 100 KiB.
  void advance(uint64_t now_ns);
  // The client is gone in both directions.
  void on_client_gone() { done_ = true; }
  // gRPC has closed its end; what it sent before can still be read.
  void on_server_gone(uint64_t now_ns);

  bool done() const { return done_; }                // can be destroyed
  bool over_limits() const { return over_limits_; }  // the reason for that
  bool is_shaken() const { return shaken_; }         // TLS is agreed on
  // Which events advance() waits for: EPOLLIN, EPOLLOUT.
  uint32_t client_events() const { return client_events_; }
  uint32_t server_events() const { return server_events_; }
  // advance() has something to do even without an event.
  bool has_more() const { return more_; }
  // It is too fast: advance() has something to do after some time.
  bool throttled() const { return throttled_; }
  // When it entered a state that must not last: the TLS handshake, or one side has ended. 0: it is in none.
  uint64_t passing_since_ns() const {
    return shaken_ && !client_ended_ && !server_gone_ ? 0 : since_ns_;
  }
  int client() const { return client_.socket(); }
  int server() const { return server_.get(); }

 private:
  bool move_to_client();
  bool move_to_server(uint64_t now_ns);
  bool read_client(uint64_t now_ns);
  bool pass(std::string_view bytes, uint64_t now_ns);
  void count_streams(size_t before);
  bool write_server();
  void set_events();

  socket::Wire client_;
  base::Descriptor server_;
  FrameMeter meter_;
  RateLimit own_;
  Load& user_;
  std::string to_client_, to_server_;  // read, and not written yet
  uint64_t since_ns_;                  // of passing_since_ns()
  uint32_t client_events_ = 0, server_events_ = 0;
  bool shaken_ = false, client_ended_ = false, server_gone_ = false;
  bool throttled_ = false, more_ = false, done_ = false, over_limits_ = false;
};

}  // namespace swaptrail::listen
