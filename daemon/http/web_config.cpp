#include "daemon/http/web_config.h"

#include <openssl/ssl.h>
#include <yaml-cpp/yaml.h>

#include <filesystem>
#include <span>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/proc.h"

namespace swaptrail::http {
namespace {

constexpr size_t kMostBytes = 1 << 20;
constexpr size_t kMostUsers = 1000;

struct File {
  std::string path;
  absl::Status wrong(const YAML::Mark& mark, absl::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat(path, ":", mark.line + 1, ": ", what));
  }
  std::string beside(const std::string& name) const {
    return (std::filesystem::path(path).parent_path() / name).string();
  }
};

template <typename Value>
struct Choice {
  std::string_view name;
  Value value;
};

constexpr Choice<ClientAuth> kClientAuths[] = {
    {"NoClientCert", ClientAuth::kNone},
    {"RequestClientCert", ClientAuth::kRequest},
    {"RequireClientCert", ClientAuth::kRequireAny},
    {"RequireAnyClientCert", ClientAuth::kRequireAny},
    {"VerifyClientCertIfGiven", ClientAuth::kVerifyIfGiven},
    {"RequireAndVerifyClientCert", ClientAuth::kRequireVerified}};
constexpr Choice<int> kVersions[] = {{"TLS12", TLS1_2_VERSION}, {"TLS13", TLS1_3_VERSION}};

template <typename Value>
absl::Status choose(const File& file, const YAML::Node& node, std::span<const Choice<Value>> from,
                    Value& out) {
  std::string names;
  for (const Choice<Value>& choice : from) {
    if (node.Scalar() == choice.name) {
      out = choice.value;
      return absl::OkStatus();
    }
    absl::StrAppend(&names, names.empty() ? "" : ", ", std::string(choice.name));
  }
  return file.wrong(node.Mark(), absl::StrCat("must be one of ", names));
}

struct TlsField {
  std::string_view name;
  absl::Status (*set)(const File& file, const YAML::Node& node, TlsConfig& out);
};
constexpr TlsField kTlsFields[] = {
    {"cert_file",
     [](const File& file, const YAML::Node& node, TlsConfig& out) {
       out.cert_file = file.beside(node.Scalar());
       return absl::OkStatus();
     }},
    {"key_file",
     [](const File& file, const YAML::Node& node, TlsConfig& out) {
       out.key_file = file.beside(node.Scalar());
       return absl::OkStatus();
     }},
    {"client_ca_file",
     [](const File& file, const YAML::Node& node, TlsConfig& out) {
       out.client_ca_file = file.beside(node.Scalar());
       return absl::OkStatus();
     }},
    {"client_auth_type",
     [](const File& file, const YAML::Node& node, TlsConfig& out) {
       return choose<ClientAuth>(file, node, kClientAuths, out.client_auth);
     }},
    {"min_version",
     [](const File& file, const YAML::Node& node, TlsConfig& out) {
       return choose<int>(file, node, kVersions, out.min_version);
     }},
    {"max_version",
     [](const File& file, const YAML::Node& node, TlsConfig& out) {
       return choose<int>(file, node, kVersions, out.max_version);
     }},
};

absl::Status set_tls_field(const File& file, const YAML::Node& key, const YAML::Node& value,
                           TlsConfig& out) {
  for (const TlsField& field : kTlsFields) {
    if (key.Scalar() != field.name) continue;
    if (!value.IsScalar() || value.Scalar().empty()) {
      return file.wrong(key.Mark(), absl::StrCat(key.Scalar(), " must be a text"));
    }
    return field.set(file, value, out);
  }
  return file.wrong(
      key.Mark(), absl::StrCat("field ", key.Scalar(),
                               " of tls_server_config is not known or not supported; take it out"));
}

absl::Status check_tls(const File& file, const YAML::Node& section, TlsConfig& tls) {
  const auto wrong = [&](absl::string_view what) { return file.wrong(section.Mark(), what); };
  const bool verifies = tls.client_auth == ClientAuth::kVerifyIfGiven ||
                        tls.client_auth == ClientAuth::kRequireVerified;
  if (tls.cert_file.empty() || tls.key_file.empty()) {
    return wrong("tls_server_config needs cert_file and key_file");
  }
  if (verifies && tls.client_ca_file.empty()) {
    return wrong("this client_auth_type needs client_ca_file");
  }
  if (!verifies && !tls.client_ca_file.empty()) {
    return wrong(
        "client_ca_file needs client_auth_type RequireAndVerifyClientCert, or "
        "VerifyClientCertIfGiven");
  }
  if (tls.min_version == 0) tls.min_version = TLS1_2_VERSION;
  if (tls.max_version != 0 && tls.max_version < tls.min_version) {
    return wrong("max_version is below min_version");
  }
  return absl::OkStatus();
}

absl::Status read_tls(const File& file, const YAML::Node& section, WebConfig& config) {
  TlsConfig tls;
  for (const auto& field : section) {
    absl::Status status = set_tls_field(file, field.first, field.second, tls);
    if (!status.ok()) return status;
  }
  if (absl::Status status = check_tls(file, section, tls); !status.ok()) return status;
  config.tls = std::move(tls);
  return absl::OkStatus();
}

absl::Status read_users(const File& file, const YAML::Node& section, WebConfig& config) {
  for (const auto& user : section) {
    const YAML::Mark mark = user.first.Mark();
    const std::string& name = user.first.Scalar();
    if (name.empty() || name.find(':') != std::string::npos) {
      return file.wrong(mark, "the name of a user must not be empty nor have a colon in it");
    }
    if (!user.second.IsScalar()) return file.wrong(mark, "a user needs a bcrypt hash");
    if (const absl::Status status = check_hash(user.second.Scalar()); !status.ok()) {
      return file.wrong(mark, absl::StrCat("a user's password: ", status.message()));
    }
    if (!config.users.emplace(name, user.second.Scalar()).second) {
      return file.wrong(mark, "the user is there twice");
    }
    if (config.users.size() > kMostUsers) return file.wrong(mark, "more than 1000 users");
  }
  return absl::OkStatus();
}

absl::Status read_section(const File& file, const YAML::Node& key, const YAML::Node& value,
                          WebConfig& config) {
  const std::string& name = key.Scalar();
  if (name != "tls_server_config" && name != "basic_auth_users") {
    return file.wrong(key.Mark(), absl::StrCat(name,
                                               " is not known or not supported; there are "
                                               "tls_server_config and basic_auth_users"));
  }
  if (!value.IsMap()) return file.wrong(key.Mark(), absl::StrCat(name, " needs fields below it"));
  if (name == "tls_server_config") return read_tls(file, value, config);
  return read_users(file, value, config);
}

absl::StatusOr<WebConfig> read_document(const File& file, const YAML::Node& document) {
  WebConfig config;
  if (document.IsNull()) return config;  // an empty file: plain HTTP for everybody
  if (!document.IsMap()) return file.wrong(document.Mark(), "must have fields, as NAME: VALUE");
  for (const auto& section : document) {
    absl::Status status = read_section(file, section.first, section.second, config);
    if (!status.ok()) return status;
  }
  return config;
}

}  // namespace

absl::StatusOr<WebConfig> parse_web_config(const std::string& text, const std::string& path) {
  const File file{path};
  if (text.size() > kMostBytes) return file.wrong(YAML::Mark(), "larger than 1 MiB");
  try {
    return read_document(file, YAML::Load(text));
  } catch (const YAML::Exception& error) {
    return file.wrong(error.mark, absl::StrCat("is no YAML: ", error.msg));
  }
}

absl::StatusOr<WebConfig> read_web_config(const std::string& path) {
  const auto text = read_file(path);
  if (!text.ok()) return text.status();
  return parse_web_config(*text, path);
}

}  // namespace swaptrail::http
