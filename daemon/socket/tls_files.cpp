#include "daemon/socket/tls_files.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace swaptrail::socket {
namespace {

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

absl::Status wrong(const PemFile& file, absl::string_view what) {
  ERR_clear_error();  // its texts are for OpenSSL's developers
  return absl::InvalidArgumentError(absl::StrCat(file.name, ": ", what));
}

Bio bio_of(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// Returns no passphrase, so that nobody is asked on a terminal.
int no_passphrase(char*, int, int, void*) { return 0; }

// A text that ends inside a certificate is refused as a whole: it may still be being written.
absl::StatusOr<std::vector<Certificate>> certificates_in(const PemFile& file) {
  const Bio bio = bio_of(file.text);
  std::vector<Certificate> found;
  ERR_clear_error();
  while (X509* one = PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr))
    found.emplace_back(one);
  const unsigned long why = ERR_peek_last_error();
  if (ERR_GET_LIB(why) != ERR_LIB_PEM || ERR_GET_REASON(why) != PEM_R_NO_START_LINE)
    return wrong(file, "a certificate in it is damaged or not whole: write the file again");
  if (found.empty())
    return wrong(file, "holds no certificate in PEM ('-----BEGIN CERTIFICATE-----')");
  ERR_clear_error();
  return found;
}

bool has_expired(const Certificate& certificate) {
  return X509_cmp_current_time(X509_get0_notAfter(certificate.get())) < 0;
}

// The first is the server's own, the others are the chain above it.
absl::Status use_certificates(const PemFile& file, SSL_CTX* tls) {
  const auto all = certificates_in(file);
  if (!all.ok()) return all.status();
  if (std::any_of(all->begin(), all->end(), has_expired))
    return wrong(file, "the certificate, or one of its chain, has expired: renew it");
  if (SSL_CTX_use_certificate(tls, all->front().get()) != 1)
    return wrong(file, "the key of the certificate is too weak, or of a kind that is not known");
  for (size_t at = 1; at < all->size(); ++at)
    if (SSL_CTX_add1_chain_cert(tls, (*all)[at].get()) != 1)
      return wrong(file, "a certificate of the chain is too weak, or of a kind that is not known");
  return absl::OkStatus();
}

absl::Status use_key(const TlsFiles& files, SSL_CTX* tls) {
  const Bio bio = bio_of(files.key.text);
  const Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
  if (!key)
    return wrong(files.key,
                 "holds no private key in PEM, or it has a passphrase: give one without");
  // compares the two
  if (SSL_CTX_use_PrivateKey(tls, key.get()) != 1 || SSL_CTX_check_private_key(tls) != 1)
    return wrong(files.key, absl::StrCat("is not the key of the certificate in ", files.cert.name));
  return absl::OkStatus();
}

int accept_any(int, X509_STORE_CTX*) { return 1; }

absl::Status set_client_auth(const TlsFiles& files, SSL_CTX* tls) {
  const ClientAuth auth = files.client_auth;
  if (auth == ClientAuth::kNone) return absl::OkStatus();
  const int need = needs_certificate(auth) ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
  const bool verify = verifies_certificate(auth);
  SSL_CTX_set_verify(tls, SSL_VERIFY_PEER | need, verify ? nullptr : accept_any);
  if (!verify) return absl::OkStatus();
  const auto all = certificates_in(files.client_ca);
  if (!all.ok()) return all.status();
  if (std::all_of(all->begin(), all->end(), has_expired))
    return wrong(files.client_ca, "the certificate has expired: renew it");
  for (const Certificate& one : *all)
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(tls), one.get()) != 1 ||
        SSL_CTX_add_client_CA(tls, one.get()) != 1)
      return wrong(files.client_ca, "a certificate in it can't be used");
  return absl::OkStatus();
}

}  // namespace

bool needs_certificate(ClientAuth auth) {
  return auth == ClientAuth::kRequireAny || auth == ClientAuth::kRequireVerified;
}

bool verifies_certificate(ClientAuth auth) {
  return auth == ClientAuth::kVerifyIfGiven || auth == ClientAuth::kRequireVerified;
}

absl::StatusOr<PemFile> read_pem_file(const std::string& option, const std::string& path,
                                      base::Secrecy secrecy) {
  auto text = base::read_named_file(path, secrecy);
  if (!text.ok())
    return absl::InvalidArgumentError(absl::StrCat(option, " ", text.status().message()));
  return PemFile{absl::StrCat(option, " ", path), *std::move(text)};
}

absl::StatusOr<std::shared_ptr<SSL_CTX>> make_tls_context(const TlsFiles& files) {
  std::shared_ptr<SSL_CTX> tls(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (!tls) return absl::InternalError("no memory for TLS");
  SSL_CTX_set_min_proto_version(tls.get(), files.min_version);
  SSL_CTX_set_max_proto_version(tls.get(), files.max_version);
  SSL_CTX_set_options(tls.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
                                     SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(tls.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(tls.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(tls.get(), 0);
  if (absl::Status status = use_certificates(files.cert, tls.get()); !status.ok()) return status;
  if (absl::Status status = use_key(files, tls.get()); !status.ok()) return status;
  if (absl::Status status = set_client_auth(files, tls.get()); !status.ok()) return status;
  return tls;
}

}  // namespace swaptrail::socket
