#include "daemon/listen/tls.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/socket/tls_files.h"

namespace swaptrail::listen {
namespace {

absl::StatusOr<socket::PemFile> read_option(const char* option, const std::string& path,
                                            base::Secrecy secrecy) {
  if (path.empty())
    return absl::InvalidArgumentError(absl::StrCat("TCP is served with TLS only: give ", option));
  return socket::read_pem_file(option, path, secrecy);
}

absl::StatusOr<socket::TlsFiles> read_files(const ListenOptions& options) {
  auto cert = read_option("--tls-cert", options.tls_cert, base::Secrecy::kPublic);
  if (!cert.ok()) return cert.status();
  auto key = read_option("--tls-key", options.tls_key, base::Secrecy::kSecret);
  if (!key.ok()) return key.status();
  socket::TlsFiles files{.cert = *std::move(cert), .key = *std::move(key), .client_ca = {}};
  if (options.tls_no_client_auth) {
    if (options.tls_client_ca.empty()) return files;
    return absl::InvalidArgumentError(
        "--tls-client-ca says who may come, --tls-no-client-auth that everybody may: give one");
  }
  auto authority = read_option("--tls-client-ca", options.tls_client_ca, base::Secrecy::kPublic);
  if (!authority.ok()) return authority.status();
  files.client_ca = *std::move(authority);
  files.client_auth = socket::ClientAuth::kRequireVerified;
  return files;
}

// The protocol that gRPC clients ask for; a client without it isn't one.
int choose_http2(SSL*, const uint8_t** chosen, uint8_t* chosen_size, const uint8_t* offered,
                 unsigned offered_size, void*) {
  static constexpr uint8_t kHttp2[] = {2, 'h', '2'};
  uint8_t* found = nullptr;
  if (SSL_select_next_proto(&found, chosen_size, kHttp2, sizeof(kHttp2), offered, offered_size) !=
      OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  *chosen = found;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

absl::StatusOr<std::shared_ptr<SSL_CTX>> tls_context(const ListenOptions& options) {
  const auto files = read_files(options);
  if (!files.ok()) return files.status();
  auto tls = socket::make_tls_context(*files);
  if (!tls.ok()) return tls.status();
  SSL_CTX_set_alpn_select_cb(tls->get(), choose_http2, nullptr);
  return tls;
}

}  // namespace swaptrail::listen
