// Access to the gRPC services, and how much of the daemon each client can take.
//
// gRPC 1.51 does not report to a service which user is at the other end of a unix socket. So
// swaptraild accepts connections itself, asks the kernel (SO_PEERCRED, SO_PEERGROUPS), and hands
// each to one of two servers: the full one for uid 0 and members of the control group, the reading
// one for all others who could open the socket, and for all TCP clients. A service needs no check
// of its own: what may change the host is not registered where it must not be called.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace grpc {
class Service;
}  // namespace grpc

namespace swaptrail::listen {

struct ListenOptions {
  std::string socket_path = "/run/swaptrail/api.sock";  // absolute, at most 107 bytes
  // May open the socket. Empty: only root. If there is no such group: the same, with a warning in
  // warnings().
  std::string socket_group = "swaptrail";
  // May call ControlService; its members need to be in socket_group too. Empty: uid 0 only.
  std::string control_group;
  // For the unix socket; a few of them are reserved for uid 0 and the control group. 32 to 4096.
  size_t max_connections = 256;
  size_t max_connections_of_user = 32;  // of any other uid; 1 to 4096

  // Calls at once of a user, or an address, on all connections; not for root and the control group.
  // A connection that opens one more is closed. 1 to 10000.
  size_t max_streams_of_user = 96;

  std::string tcp_address;                 // "192.0.2.1:9470", "[::]:9470"; empty: no TCP
  size_t max_tcp_connections = 64;         // 1 to 4096
  size_t max_connections_of_address = 32;  // 1 to 4096
  std::string tls_cert, tls_key;           // PEM files; needed with tcp_address
  std::string tls_client_ca;        // the CA of the clients; needed unless tls_no_client_auth
  bool tls_no_client_auth = false;  // everybody who reaches the port may read

  int max_concurrent_streams = 32;   // calls at once on a connection; more wait at the client
  int max_receive_bytes = 64 << 10;  // one message; larger: RESOURCE_EXHAUSTED
  int max_send_bytes = 4 << 20;      // the default limit of clients
  int max_metadata_bytes = 16 << 10;
  size_t max_memory_bytes = 64 << 20;  // of gRPC's buffers, all connections of a server together
  int max_threads = 256;               // of calls at once in a server; more: RESOURCE_EXHAUSTED
  absl::Duration max_idle = absl::Minutes(5);  // without a call; then the connection is closed
  absl::Duration handshake_limit = absl::Seconds(10);  // TLS and HTTP/2 begin within it
};

// They outlive the ApiServer. A long call must end once its context is cancelled.
struct Services {
  grpc::Service* trace;          // for root and the control group
  grpc::Service* reading_trace;  // for all others
  grpc::Service* control;
  grpc::Service* refusing_control;  // PERMISSION_DENIED to everything
};

// Since the start, except `open`. Connections of a class never exceed its limit.
struct ConnectionCounts {
  struct Class {
    uint64_t open = 0;
    uint64_t accepted = 0;
    uint64_t refused_full = 0;  // closed at once: its limit was reached
    uint64_t refused_user = 0;  // closed at once: the limit of its user was reached
    // Closed later: it was not HTTP/2, or TLS, or had too many open calls or endless headers.
    uint64_t closed_over_limits = 0;
    uint64_t throttled = 0;  // how often one was read from more slowly than it sent
  };
  Class full, reading, tcp;
  uint64_t refused_unknown_peer = 0;    // the kernel did not say whose connection it is
  uint64_t refused_no_descriptors = 0;  // RLIMIT_NOFILE
  uint64_t log_lines_left_out = 0;      // of gRPC, about connections that failed
};

class ApiServer {
 public:
  // Binds, and checks the TLS files, with the current privileges: call it as root, before
  // capabilities are dropped. Makes no thread, and doesn't use gRPC: a thread would keep the
  // capabilities. Makes the socket's folder if it is missing (its parent must exist). Replaces a
  // socket on which nobody answers. Clients that connect from now on wait for serve(). Errors, each
  // with what to do: InvalidArgument (an option, a TLS file, the socket's folder), AlreadyExists (a
  // daemon answers on the socket, the port is taken), FailedPrecondition (something else is at the
  // socket's path), PermissionDenied, Internal.
  static absl::StatusOr<std::unique_ptr<ApiServer>> bind(const ListenOptions& options);
  // Once. Errors: Internal (gRPC does not start, no descriptors).
  absl::Status serve(const Services& services);
  ~ApiServer();  // shutdown(now)
  ApiServer(const ApiServer&) = delete;
  ApiServer& operator=(const ApiServer&) = delete;

  // Warnings for the operator, from the start.
  const std::vector<std::string>& warnings() const;
  // The port of TCP; 0 = none.
  uint16_t tcp_port() const;
  // Any thread.
  ConnectionCounts counts() const;

  // Health reports NOT_SERVING, no connection is accepted any more, the socket is removed (if it is
  // still this server's), calls may continue until `deadline` and are then cancelled. Returns when
  // all have ended. Any thread, after serve() has returned; a second call does nothing.
  void shutdown(absl::Time deadline);

 private:
  struct Parts;
  explicit ApiServer(std::unique_ptr<Parts> parts);
  absl::Status accept_connections();
  std::unique_ptr<Parts> parts_;
};

}  // namespace swaptrail::listen
