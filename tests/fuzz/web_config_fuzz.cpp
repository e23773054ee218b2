// Any bytes as the file of --web.config.file: something that asks for TLS or a user, or a reason without a hash in it; no
// crash, and no more time or memory than the text is worth.
#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "daemon/http/web_config.h"
#include "tests/fuzz/fuzzed.h"

namespace swaptrail::http {
namespace {

using fuzz::check;

void check_config(const WebConfig& config) {
  check(config.tls.has_value() || !config.users.empty());
  check(config.users.size() <= 1000);
  for (const auto& [name, hash] : config.users) {
    check(!name.empty() && name.find(':') == std::string::npos);
    check(std::none_of(name.begin(), name.end(), absl::ascii_iscntrl));
    check(hash.size() == 60 && hash[0] == '$' && hash[3] == '$' && hash[6] == '$');
  }
  if (!config.tls) return;
  for (const std::string* file : {&config.tls->cert_file, &config.tls->key_file})
    check(!file->empty() && std::none_of(file->begin(), file->end(), absl::ascii_iscntrl));
  check(socket::verifies_certificate(config.tls->client_auth) ==
        !config.tls->client_ca_file.empty());
  check(config.tls->min_version >= TLS1_2_VERSION);
}

}  // namespace
}  // namespace swaptrail::http

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace swaptrail;
  const std::string text(fuzz::text_of(bytes, size));
  const auto config = http::parse_web_config(text, "web.yml");
  if (config.ok()) {
    http::check_config(*config);
    return 0;
  }
  const std::string why(config.status().message());
  fuzz::check(why.rfind("web.yml:", 0) == 0);
  return 0;
}
