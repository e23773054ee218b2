#include "daemon/http/access.h"

#include <openssl/err.h>

#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"

namespace swaptrail::http {
namespace {

constexpr uint64_t kLookEvery_ns = 1'000'000'000;

absl::Status tls_error(absl::string_view what, const std::string& file) {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = ERR_reason_error_string(code);
  ERR_clear_error();
  return absl::InvalidArgumentError(
      absl::StrCat(what, " ", file, ": ", reason != nullptr ? reason : "can't be used"));
}

int accept_any(int, X509_STORE_CTX*) { return 1; }

// No question on a terminal for the passphrase of a key.
int no_passphrase(char*, int, int, void*) { return 0; }

absl::Status set_client_auth(const TlsConfig& config, SSL_CTX* tls) {
  struct Rule {
    int mode;
    SSL_verify_cb check;
  };
  constexpr int kAsk = SSL_VERIFY_PEER, kNeed = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  constexpr Rule kRules[] = {{SSL_VERIFY_NONE, nullptr},
                             {kAsk, accept_any},
                             {kNeed, accept_any},
                             {kAsk, nullptr},
                             {kNeed, nullptr}};  // of ClientAuth
  const Rule& rule = kRules[static_cast<size_t>(config.client_auth)];
  SSL_CTX_set_verify(tls, rule.mode, rule.check);
  const std::string& file = config.client_ca_file;
  if (file.empty()) return absl::OkStatus();
  if (SSL_CTX_load_verify_file(tls, file.c_str()) != 1) return tls_error("client_ca_file", file);
  SSL_CTX_set_client_CA_list(tls, SSL_load_client_CA_file(file.c_str()));
  return absl::OkStatus();
}

absl::Status set_certificate(const TlsConfig& config, SSL_CTX* tls) {
  SSL_CTX_set_default_passwd_cb(tls, no_passphrase);
  if (SSL_CTX_use_certificate_chain_file(tls, config.cert_file.c_str()) != 1) {
    return tls_error("cert_file", config.cert_file);
  }
  if (SSL_CTX_use_PrivateKey_file(tls, config.key_file.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(tls) != 1) {
    return tls_error("key_file", config.key_file);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<SSL_CTX>> make_tls(const TlsConfig& config) {
  std::shared_ptr<SSL_CTX> tls(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (!tls) return absl::ResourceExhaustedError("no memory for TLS");
  SSL_CTX_set_min_proto_version(tls.get(), config.min_version);
  SSL_CTX_set_max_proto_version(tls.get(), config.max_version);
  SSL_CTX_set_options(tls.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
                                     SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(tls.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode(tls.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(tls.get(), 0);
  if (absl::Status status = set_certificate(config, tls.get()); !status.ok()) return status;
  if (absl::Status status = set_client_auth(config, tls.get()); !status.ok()) return status;
  return tls;
}

absl::StatusOr<std::unique_ptr<Access>> Access::open(const std::string& path) {
  std::unique_ptr<Access> access(new Access(path));
  auto loaded = access->load();
  if (!loaded.ok()) return loaded.status();
  access->loaded_ = *std::move(loaded);
  return access;
}

absl::StatusOr<Access::Loaded> Access::load() const {
  Loaded loaded;
  WebConfig config;
  if (!path_.empty()) {
    auto read = read_web_config(path_);
    if (!read.ok()) return read.status();
    config = *std::move(read);
    loaded.files.push_back(path_);
  }
  if (config.tls) {
    for (const auto* file :
         {&config.tls->cert_file, &config.tls->key_file, &config.tls->client_ca_file}) {
      if (!file->empty()) loaded.files.push_back(*file);
    }
    auto tls = make_tls(*config.tls);
    if (!tls.ok()) return tls.status();
    loaded.tls = *std::move(tls);
  }
  loaded.passwords = std::make_shared<Passwords>(std::move(config.users));
  loaded.stamps = stamps_of(loaded.files);
  return loaded;
}

std::vector<Access::Stamp> Access::stamps_of(const std::vector<std::string>& files) {
  std::vector<Stamp> stamps;
  for (const std::string& file : files) {
    struct stat status {};
    if (stat(file.c_str(), &status) != 0) {
      stamps.emplace_back();
      continue;
    }
    stamps.push_back({status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ino,
                      static_cast<uint64_t>(status.st_size)});
  }
  return stamps;
}

void Access::refresh(uint64_t now_ns) {
  std::vector<std::string> files;
  {
    const std::lock_guard lock(mutex_);
    if (loaded_.files.empty() || now_ns - looked_ns_ < kLookEvery_ns) return;
    looked_ns_ = now_ns;
    files = loaded_.files;
  }
  const std::vector<Stamp> stamps = stamps_of(files);
  const std::lock_guard lock(mutex_);
  if (stamps != loaded_.stamps) load_again(stamps);
}

// Under the lock: others wait for the few milliseconds that it takes.
void Access::load_again(const std::vector<Stamp>& stamps) {
  loaded_.stamps = stamps;  // what is wrong is told once, not once a second
  auto loaded = load();
  if (loaded.ok() && (loaded->tls == nullptr) != (loaded_.tls == nullptr)) {
    loaded = absl::FailedPreconditionError("TLS is switched on or off by a restart only");
  }
  if (!loaded.ok()) {
    std::fprintf(stderr, "swaptraild: the new web configuration is not used: %s\n",
                 std::string(loaded.status().message()).c_str());
    return;
  }
  loaded_ = *std::move(loaded);
}

std::shared_ptr<SSL_CTX> Access::tls() const {
  const std::lock_guard lock(mutex_);
  return loaded_.tls;
}

std::shared_ptr<Passwords> Access::passwords() const {
  const std::lock_guard lock(mutex_);
  return loaded_.passwords;
}

}  // namespace swaptrail::http
