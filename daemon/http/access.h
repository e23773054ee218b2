// Who may connect and read, as the configuration file says now.
#pragma once

#include <openssl/ssl.h>
#include <sys/stat.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "daemon/http/passwords.h"
#include "daemon/http/web_config.h"

namespace swaptrail::http {

// From certificates and limits. Errors: InvalidArgument, with the file and OpenSSL's reason.
absl::StatusOr<std::shared_ptr<SSL_CTX>> make_tls(const TlsConfig& config);

// Any thread. The file and the certificates are looked at again when refresh() finds that one of them
// is another than before. What is wrong then is told on standard error, and what was goes on. TLS is
// not switched on or off that way: that needs a restart.
class Access {
 public:
  // `path` empty: plain HTTP for everybody. Errors: those of read_web_config() and make_tls().
  static absl::StatusOr<std::unique_ptr<Access>> open(const std::string& path);

  // Costs a few stat() at most once a second, `now_ns` being monotonic.
  void refresh(uint64_t now_ns);
  std::shared_ptr<SSL_CTX> tls() const;          // null: plain HTTP
  std::shared_ptr<Passwords> passwords() const;  // never null

 private:
  struct Stamp {
    int64_t seconds = 0, nanoseconds = 0;
    uint64_t inode = 0, bytes = 0;
    bool operator==(const Stamp&) const = default;
  };
  struct Loaded {
    std::shared_ptr<SSL_CTX> tls;
    std::shared_ptr<Passwords> passwords;
    std::vector<std::string> files;  // that it was made from
    std::vector<Stamp> stamps;
  };
  explicit Access(std::string path) : path_(std::move(path)) {}
  absl::StatusOr<Loaded> load() const;
  static std::vector<Stamp> stamps_of(const std::vector<std::string>& files);
  void load_again(const std::vector<Stamp>& stamps);

  const std::string path_;
  mutable std::mutex mutex_;
  Loaded loaded_;
  uint64_t looked_ns_ = 0;
};

}  // namespace swaptrail::http
