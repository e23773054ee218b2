#include "daemon/listen/tls.h"

#include <fcntl.h>
#include <grpcpp/security/server_credentials.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "daemon/listen/descriptor.h"

namespace swaptrail::listen {
namespace {

constexpr off_t kMostPem_bytes = 1 << 20;

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};
using Bio = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;

absl::Status wrong(const char* option, const std::string& path, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat(option, " ", path, ": ", what));
}

struct Pem {
  std::string text;
  mode_t mode = 0;
};

absl::StatusOr<Pem> read_pem(const char* option, const std::string& path) {
  if (path.empty())
    return absl::InvalidArgumentError(absl::StrCat("TCP is served with TLS only: give ", option));
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) return wrong(option, path, absl::StrCat("can't be read: ", strerror(errno)));
  struct stat found {};
  if (fstat(file.get(), &found) != 0 || !S_ISREG(found.st_mode))
    return wrong(option, path, "is no file");
  if (found.st_size > kMostPem_bytes) return wrong(option, path, "is larger than 1 MiB: no PEM");
  Pem pem{std::string(static_cast<size_t>(found.st_size), '\0'), found.st_mode};
  const ssize_t size = pread(file.get(), pem.text.data(), pem.text.size(), 0);
  if (size != found.st_size) return wrong(option, path, "can't be read as a whole: try again");
  return pem;
}

Bio bio_of(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// The first certificate; `text` may hold the chain above it.
absl::StatusOr<Certificate> read_certificate(const char* option, const std::string& path,
                                             const std::string& text) {
  Certificate certificate(PEM_read_bio_X509(bio_of(text).get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  if (!certificate)
    return wrong(option, path, "holds no certificate in PEM ('-----BEGIN CERTIFICATE-----')");
  if (X509_cmp_current_time(X509_get0_notAfter(certificate.get())) < 0)
    return wrong(option, path, "the certificate has expired: renew it");
  return certificate;
}

absl::Status check_key(const std::string& path, const Pem& pem, X509* certificate) {
  if ((pem.mode & (S_IROTH | S_IWOTH)) != 0)
    return wrong("--tls-key", path,
                 absl::StrCat("everybody may read or write it: chmod o= ", path));
  const auto no_passphrase = [](char*, int, int, void*) { return 0; };
  const Key key(PEM_read_bio_PrivateKey(bio_of(pem.text).get(), nullptr, no_passphrase, nullptr));
  ERR_clear_error();
  if (!key)
    return wrong("--tls-key", path,
                 "holds no private key in PEM, or it has a passphrase: give one without");
  const bool fits = X509_check_private_key(certificate, key.get()) == 1;
  ERR_clear_error();
  if (!fits) return wrong("--tls-key", path, "is not the key of the certificate in --tls-cert");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TlsFiles> read_tls_files(const ListenOptions& options) {
  const auto cert = read_pem("--tls-cert", options.tls_cert);
  if (!cert.ok()) return cert.status();
  const auto certificate = read_certificate("--tls-cert", options.tls_cert, cert->text);
  if (!certificate.ok()) return certificate.status();
  const auto key = read_pem("--tls-key", options.tls_key);
  if (!key.ok()) return key.status();
  if (absl::Status status = check_key(options.tls_key, *key, certificate->get()); !status.ok())
    return status;
  TlsFiles files{cert->text, key->text, ""};
  if (options.tls_no_client_auth) {
    if (options.tls_client_ca.empty()) return files;
    return absl::InvalidArgumentError(
        "--tls-client-ca says who may come, --tls-no-client-auth that everybody may: give one");
  }
  const auto authority = read_pem("--tls-client-ca", options.tls_client_ca);
  if (!authority.ok()) return authority.status();
  const auto parsed = read_certificate("--tls-client-ca", options.tls_client_ca, authority->text);
  if (!parsed.ok()) return parsed.status();
  files.client_ca = authority->text;
  return files;
}

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> tls_credentials(const TlsFiles& files) {
  grpc::SslServerCredentialsOptions ssl(
      files.client_ca.empty() ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                              : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  ssl.pem_key_cert_pairs.push_back({files.key, files.cert});
  ssl.pem_root_certs = files.client_ca;
  auto credentials = grpc::SslServerCredentials(ssl);
  if (credentials == nullptr) return absl::InternalError("gRPC refuses the files of TLS");
  return credentials;
}

}  // namespace swaptrail::listen
