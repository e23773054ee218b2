// The file of --web.config.file: TLS and users, in the format of Prometheus' exporter-toolkit.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "daemon/http/passwords.h"

namespace swaptrail::http {

// What a client has to show. Names as in the file.
enum class ClientAuth : uint8_t {
  kNone,            // NoClientCert
  kRequest,         // RequestClientCert: asked for, not looked at
  kRequireAny,      // RequireAnyClientCert, RequireClientCert: one, whoever made it
  kVerifyIfGiven,   // VerifyClientCertIfGiven
  kRequireVerified  // RequireAndVerifyClientCert
};

// Paths are ready to be opened.
struct TlsConfig {
  std::string cert_file;
  std::string key_file;
  ClientAuth client_auth = ClientAuth::kNone;
  std::string client_ca_file;
  int min_version = 0;  // of OpenSSL: TLS1_2_VERSION or TLS1_3_VERSION
  int max_version = 0;  // 0 = the newest
};

struct WebConfig {
  std::optional<TlsConfig> tls;  // absent: plain HTTP
  Users users;                   // empty: everybody may read
};

// `text` is the file's, `path` its name: relative paths in it begin at its folder, and messages begin
// with it and the line. Errors: InvalidArgument for what is no YAML, a field that is not known or not
// supported, a value out of bounds. Messages have no value of basic_auth_users in them.
absl::StatusOr<WebConfig> parse_web_config(const std::string& text, const std::string& path);
// Also the errors of reading it.
absl::StatusOr<WebConfig> read_web_config(const std::string& path);

}  // namespace swaptrail::http
