// Certificates and keys of a TLS server: read once, checked, and used from memory, so that what is used
// is what was checked. Stateless; any thread.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "daemon/base/files.h"

namespace swaptrail::socket {

// What a client has to present. Names as in the configuration file of Prometheus' exporters.
enum class ClientAuth : uint8_t {
  kNone,            // NoClientCert
  kRequest,         // RequestClientCert: asked for, not checked
  kRequireAny,      // RequireAnyClientCert, RequireClientCert: any certificate
  kVerifyIfGiven,   // VerifyClientCertIfGiven
  kRequireVerified  // RequireAndVerifyClientCert
};
// Is a client without a certificate refused? Is a certificate checked against `client_ca`?
bool needs_certificate(ClientAuth auth);
bool verifies_certificate(ClientAuth auth);

struct PemFile {
  std::string name;  // messages begin with it: an option or a field, and the path
  std::string text;
  bool operator==(const PemFile&) const = default;
};

// `option`: what named the file, such as "--tls-cert". Errors: those of read_named_file(), preceded by
// `option`.
absl::StatusOr<PemFile> read_pem_file(const std::string& option, const std::string& path,
                                      base::Secrecy secrecy);

struct TlsFiles {
  PemFile cert;       // the server's own certificate, and the chain above it
  PemFile key;        // without a passphrase
  PemFile client_ca;  // used with kVerifyIfGiven and kRequireVerified only
  ClientAuth client_auth = ClientAuth::kNone;
  int min_version = TLS1_2_VERSION;  // or TLS1_3_VERSION
  int max_version = 0;               // 0 = the newest
  bool operator==(const TlsFiles&) const = default;
};

// A server's context: no renegotiation, no compression, no tickets, no sessions; for non-blocking
// sockets. Errors: InvalidArgument, which say what is wrong with which file (no certificate in PEM, a
// damaged or expired one, a key of another certificate or with a passphrase) and never contain its text;
// Internal (no memory).
absl::StatusOr<std::shared_ptr<SSL_CTX>> make_tls_context(const TlsFiles& files);

}  // namespace swaptrail::socket
