#include "daemon/http/access.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/base/log.h"

namespace swaptrail::http {
namespace {

constexpr uint64_t kLookEvery_ns = 1'000'000'000;

absl::StatusOr<socket::TlsFiles> read_files(const TlsConfig& config) {
  auto cert = socket::read_pem_file("cert_file", config.cert_file, base::Secrecy::kPublic);
  if (!cert.ok()) return cert.status();
  auto key = socket::read_pem_file("key_file", config.key_file, base::Secrecy::kSecret);
  if (!key.ok()) return key.status();
  socket::TlsFiles files{.cert = *std::move(cert),
                         .key = *std::move(key),
                         .client_ca = {},
                         .client_auth = config.client_auth,
                         .min_version = config.min_version,
                         .max_version = config.max_version};
  if (config.client_ca_file.empty()) return files;
  auto authority =
      socket::read_pem_file("client_ca_file", config.client_ca_file, base::Secrecy::kPublic);
  if (!authority.ok()) return authority.status();
  files.client_ca = *std::move(authority);
  return files;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Access>> Access::open(const std::string& path) {
  std::unique_ptr<Access> access(new Access(path));
  auto loaded = access->load({});
  if (!loaded.ok()) return loaded.status();
  access->loaded_ = std::make_shared<const Loaded>(*std::move(loaded));
  return access;
}

// A file whose text has not changed is not loaded again: passwords that are known stay known.
absl::StatusOr<Access::Loaded> Access::load(const Loaded& before) const {
  Loaded loaded = before;
  if (path_.empty()) {
    loaded.passwords = std::make_shared<Passwords>(Users());
    return loaded;
  }
  auto text = base::read_named_file(path_, base::Secrecy::kSecret);
  if (!text.ok()) return text.status();
  if (loaded.passwords == nullptr || *text != before.text) {
    auto config = parse_web_config(*text, path_);
    if (!config.ok()) return config.status();
    loaded.text = *std::move(text);
    loaded.config = *std::move(config);
    loaded.passwords = std::make_shared<Passwords>(loaded.config.users);
  }
  loaded.files.reset();
  if (loaded.config.tls) {
    auto files = read_files(*loaded.config.tls);
    if (!files.ok()) return files.status();
    loaded.files = *std::move(files);
  }
  if (loaded.files == before.files) return loaded;
  loaded.tls.reset();
  if (!loaded.files) return loaded;
  auto tls = socket::make_tls_context(*loaded.files);
  if (!tls.ok()) return tls.status();
  loaded.tls = *std::move(tls);
  return loaded;
}

absl::Status Access::check_reload(const Loaded& before, const Loaded& now) {
  if (before.config.tls.has_value() != now.config.tls.has_value())
    return absl::FailedPreconditionError("TLS is switched on or off by a restart only");
  if (!before.config.users.empty() && now.config.users.empty())
    return absl::FailedPreconditionError(
        "its last user is gone, and everybody could read: only a restart does that");
  if (!before.config.tls) return absl::OkStatus();
  const socket::ClientAuth was = before.config.tls->client_auth, is = now.config.tls->client_auth;
  if ((socket::needs_certificate(was) && !socket::needs_certificate(is)) ||
      (socket::verifies_certificate(was) && !socket::verifies_certificate(is)))
    return absl::FailedPreconditionError(
        "it asks less of the certificates of clients: only a restart does that");
  return absl::OkStatus();
}

void Access::refresh(uint64_t now_ns) {
  if (path_.empty() || now_ns - looked_ns_ < kLookEvery_ns) return;
  const std::unique_lock lock(looking_, std::try_to_lock);
  if (!lock) return;
  looked_ns_ = now_ns;
  const auto before = loaded();
  auto now = load(*before);
  const absl::Status status = now.ok() ? check_reload(*before, *now) : now.status();
  const std::lock_guard guard(mutex_);
  const std::string was = std::exchange(trouble_, std::string(status.message()));
  if (!status.ok()) {
    // report it once, not every second
    if (trouble_ != was)
      base::log_line(absl::StrCat("the new web configuration is not used: ", trouble_));
    return;
  }
  if (now->passwords == before->passwords && now->tls == before->tls) return;
  loaded_ = std::make_shared<const Loaded>(*std::move(now));
}

std::string Access::trouble() const {
  const std::lock_guard lock(mutex_);
  return trouble_;
}

std::shared_ptr<const Access::Loaded> Access::loaded() const {
  const std::lock_guard lock(mutex_);
  return loaded_;
}

std::shared_ptr<SSL_CTX> Access::tls() const { return loaded()->tls; }
std::shared_ptr<Passwords> Access::passwords() const { return loaded()->passwords; }

}  // namespace swaptrail::http
