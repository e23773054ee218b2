// The file of --web.config.file: TLS and users, in the format of Prometheus' exporter-toolkit.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "daemon/http/passwords.h"
#include "daemon/socket/tls_files.h"

namespace swaptrail::http {

inline constexpr size_t kMostWebConfig_bytes = size_t{256} << 10;

// Paths are ready to be opened.
struct TlsConfig {
  std::string cert_file;
  std::string key_file;
  socket::ClientAuth client_auth = socket::ClientAuth::kNone;
  std::string client_ca_file;
  int min_version = TLS1_2_VERSION;  // of OpenSSL: TLS1_2_VERSION or TLS1_3_VERSION
  int max_version = 0;               // 0 = the newest
};

struct WebConfig {
  std::optional<TlsConfig> tls;  // absent: plain HTTP
  Users users;                   // empty: everybody may read
};

// `text` is the file's, `path` its name: relative paths in it start at its folder, and messages begin
// with it and the line. Errors: InvalidArgument for text that is not YAML or too large, aliases, anchors,
// tags, deep nesting, more than one document, a field that is unknown, unsupported or there twice, a
// value out of bounds, and for a file that asks for neither TLS nor users: an empty file must not open
// the metrics. Messages contain no value of basic_auth_users.
absl::StatusOr<WebConfig> parse_web_config(const std::string& text, const std::string& path);

}  // namespace swaptrail::http
