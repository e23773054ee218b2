// The files of TLS, checked before anybody connects.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "daemon/listen/listen.h"

namespace grpc {
class ServerCredentials;
}  // namespace grpc

namespace swaptrail::listen {

// What the tls_ options name, read and checked.
struct TlsFiles {
  std::string cert, key, client_ca;  // PEM; client_ca is empty with tls_no_client_auth
};

// No thread is made, as gRPC would. Errors: InvalidArgument, with the file and what to do about it
// (missing, not readable, no PEM, key of another certificate or readable by everybody, expired).
absl::StatusOr<TlsFiles> read_tls_files(const ListenOptions& options);

// Credentials of the TCP port: clients need a certificate signed by `client_ca`, if there is one.
// Errors: Internal.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> tls_credentials(const TlsFiles& files);

}  // namespace swaptrail::listen
