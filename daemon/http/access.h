// Who may connect and read, according to the current configuration file.
#pragma once

#include <openssl/ssl.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "daemon/http/passwords.h"
#include "daemon/http/web_config.h"

namespace swaptrail::http {

// Any thread. refresh() reads the file, certificates and keys again, each of them once, and uses the new
// ones if all of them are good. Otherwise it reports that on standard error, and keeps using the old ones. A
// reload only lets in fewer, or others: it does not switch TLS on or off, remove the last user, or check
// clients' certificates less strictly. A half-written file must not open anything; a restart may.
class Access {
 public:
  // `path` empty: plain HTTP for everybody. Errors: those of read_named_file(), parse_web_config(),
  // read_pem_file() and make_tls_context().
  static absl::StatusOr<std::unique_ptr<Access>> open(const std::string& path);

  // Reads a few small files, once a second at most; `now_ns` is monotonic.
  void refresh(uint64_t now_ns);
  std::shared_ptr<SSL_CTX> tls() const;          // null: plain HTTP
  std::shared_ptr<Passwords> passwords() const;  // never null
  // Why the current files are not the ones in use; empty: they are.
  std::string trouble() const;

 private:
  struct Loaded {
    std::string text;  // of the configuration file
    WebConfig config;
    std::optional<socket::TlsFiles> files;
    std::shared_ptr<SSL_CTX> tls;
    std::shared_ptr<Passwords> passwords;
  };
  explicit Access(std::string path) : path_(std::move(path)) {}
  absl::StatusOr<Loaded> load(const Loaded& before) const;
  static absl::Status check_reload(const Loaded& before, const Loaded& now);
  std::shared_ptr<const Loaded> loaded() const;

  const std::string path_;
  std::atomic<uint64_t> looked_ns_{0};
  std::mutex looking_;        // one at a time
  mutable std::mutex mutex_;  // of the next two
  std::string trouble_;
  std::shared_ptr<const Loaded> loaded_;
};

}  // namespace swaptrail::http
