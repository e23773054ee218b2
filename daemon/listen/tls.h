// TLS of the TCP port.
#pragma once

#include <openssl/ssl.h>

#include <memory>

#include "absl/status/statusor.h"
#include "daemon/listen/listen.h"

namespace swaptrail::listen {

// For HTTP/2, from the files that the tls_ options name: clients need a certificate signed by
// `tls_client_ca`, except with `tls_no_client_auth`. Makes no thread. Errors: InvalidArgument, which
// begin with the option (it is missing; those of read_pem_file() and make_tls_context()); Internal.
absl::StatusOr<std::shared_ptr<SSL_CTX>> tls_context(const ListenOptions& options);

}  // namespace swaptrail::listen
