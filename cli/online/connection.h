// The connection to a running swaptraild, and the meaning of its refusals.
#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "swaptrail/v1/control.grpc.pb.h"
#include "swaptrail/v1/trace.grpc.pb.h"

namespace CLI {
class App;
}  // namespace CLI

namespace swaptrail::online {

inline constexpr const char* kDefaultSocket = "/run/swaptrail/api.sock";

struct ConnectionOptions {
  std::string socket;   // empty: SWAPTRAIL_SOCKET, or kDefaultSocket
  std::string address;  // HOST:PORT, empty: SWAPTRAIL_ADDRESS, or the socket
  std::string tls_ca;   // files; empty: the host's certificates
  std::string tls_cert;
  std::string tls_key;
  std::string tls_server_name;
  std::string timeout = "10s";
};

// `options` must live as long as `command`.
void add_connection_options(CLI::App& command, ConnectionOptions& options);

// One thread, except what gRPC does by itself.
class Connection {
 public:
  // Flags override the environment. Waits for the connection, up to the timeout. Errors:
  // InvalidArgument (options, files), Unavailable, PermissionDenied, DeadlineExceeded.
  static absl::StatusOr<std::unique_ptr<Connection>> open(const ConnectionOptions& options);

  v1::TraceService::Stub& trace() { return *trace_; }
  v1::ControlService::Stub& control() { return *control_; }
  absl::Duration timeout() const { return timeout_; }

  // For a call that must end at most `extra` after the timeout.
  void limit(grpc::ClientContext& context, absl::Duration extra = absl::ZeroDuration()) const {
    context.set_deadline(absl::ToChronoTime(absl::Now() + timeout_ + extra));
  }

 private:
  Connection(std::shared_ptr<grpc::Channel> channel, absl::Duration timeout);
  absl::Status wait(const std::string& target);

  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::TraceService::Stub> trace_;
  std::unique_ptr<v1::ControlService::Stub> control_;
  absl::Duration timeout_;
};

absl::Status status_of(const grpc::Status& status);

// Prints the line on stderr and returns the exit code of docs/CLI.md for this status.
int complain_of_answer(const absl::Status& status);

}  // namespace swaptrail::online
