#include "daemon/http/web_config.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <span>
#include <sstream>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace swaptrail::http {
namespace {

constexpr size_t kMostUsers = 1000;
constexpr int kMostDepth = 3;           // the document, a section, and one more for invalid fields
constexpr size_t kMostValues = 10'000;  // scalars, maps and lists of the document

struct File {
  std::string path;
  absl::Status wrong(const YAML::Mark& mark, absl::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat(path, ":", mark.line + 1, ": ", what));
  }
  std::string beside(const std::string& name) const {
    return (std::filesystem::path(path).parent_path() / name).string();
  }
};

bool has_control(const std::string& text) {
  return std::any_of(text.begin(), text.end(), absl::ascii_iscntrl);
}

// Walks through the document before anything is built from it, and stops at features that the format
// doesn't need: each of them can make much of a small text, or hide something in it.
class Limits : public YAML::EventHandler {
 public:
  struct Broken {
    YAML::Mark mark;
    const char* what;
  };

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ > 0) throw Broken{mark, "a second document begins: one is read only"};
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { count(mark, "", anchor); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw Broken{mark, "aliases (*NAME) are not supported: write the value"};
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string&) override {
    count(mark, tag == "!" ? "" : tag, anchor);  // "!": it has quotes
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    enter(mark, tag, anchor);
  }
  void OnSequenceEnd() override { --depth_; }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    enter(mark, tag, anchor);
  }
  void OnMapEnd() override { --depth_; }

 private:
  void enter(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    count(mark, tag, anchor);
    if (++depth_ > kMostDepth) throw Broken{mark, "is nested too deeply"};
  }
  void count(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor)
      throw Broken{mark, "anchors (&NAME) are not supported: take it out"};
    if (!tag.empty() && tag != "?")
      throw Broken{mark, "tags (!NAME) are not supported: take it out"};
    if (++values_ > kMostValues) throw Broken{mark, "has too many values"};
  }

  int depth_ = 0, documents_ = 0;
  size_t values_ = 0;
};

// Throws Limits::Broken, and the parser's exceptions.
void check_limits(const std::string& text) {
  std::istringstream in(text);
  YAML::Parser parser(in);
  Limits limits;
  while (parser.HandleNextDocument(limits)) {
  }
}

absl::Status check_unique(const File& file, const YAML::Node& fields) {
  std::set<std::string> names;
  for (const auto& field : fields) {
    if (!field.first.IsScalar())
      return file.wrong(field.first.Mark(), "a field's name must be a text");
    if (!names.insert(field.first.Scalar()).second)
      return file.wrong(field.first.Mark(), "is there twice: leave one");
  }
  return absl::OkStatus();
}

template <typename Value>
struct Choice {
  std::string_view name;
  Value value;
};

constexpr Choice<socket::ClientAuth> kClientAuths[] = {
    {"NoClientCert", socket::ClientAuth::kNone},
    {"RequestClientCert", socket::ClientAuth::kRequest},
    {"RequireClientCert", socket::ClientAuth::kRequireAny},
    {"RequireAnyClientCert", socket::ClientAuth::kRequireAny},
    {"VerifyClientCertIfGiven", socket::ClientAuth::kVerifyIfGiven},
    {"RequireAndVerifyClientCert", socket::ClientAuth::kRequireVerified}};
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
       return choose<socket::ClientAuth>(file, node, kClientAuths, out.client_auth);
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
    if (!value.IsScalar() || value.Scalar().empty() || has_control(value.Scalar()))
      return file.wrong(key.Mark(), absl::StrCat(key.Scalar(), " must be a text of one line"));
    return field.set(file, value, out);
  }
  return file.wrong(
      key.Mark(), absl::StrCat("field ", key.Scalar(),
                               " of tls_server_config is not known or not supported; take it out"));
}

absl::Status check_tls(const File& file, const YAML::Node& section, TlsConfig& tls) {
  const auto wrong = [&](absl::string_view what) { return file.wrong(section.Mark(), what); };
  const bool verifies = socket::verifies_certificate(tls.client_auth);
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
  if (tls.max_version != 0 && tls.max_version < tls.min_version) {
    return wrong("max_version is below min_version");
  }
  return absl::OkStatus();
}

absl::Status read_tls(const File& file, const YAML::Node& section, WebConfig& config) {
  TlsConfig tls;
  if (absl::Status status = check_unique(file, section); !status.ok()) return status;
  for (const auto& field : section) {
    absl::Status status = set_tls_field(file, field.first, field.second, tls);
    if (!status.ok()) return status;
  }
  if (absl::Status status = check_tls(file, section, tls); !status.ok()) return status;
  config.tls = std::move(tls);
  return absl::OkStatus();
}

absl::Status read_users(const File& file, const YAML::Node& section, WebConfig& config) {
  if (absl::Status status = check_unique(file, section); !status.ok()) return status;
  for (const auto& user : section) {
    const YAML::Mark mark = user.first.Mark();
    const std::string& name = user.first.Scalar();
    if (name.empty() || name.find(':') != std::string::npos || has_control(name))
      return file.wrong(
          mark,
          "the name of a user must not be empty nor have a colon or control characters in it");
    if (!user.second.IsScalar()) return file.wrong(mark, "a user needs a bcrypt hash");
    if (const absl::Status status = check_hash(user.second.Scalar()); !status.ok()) {
      return file.wrong(mark, absl::StrCat("a user's password: ", status.message()));
    }
    config.users.emplace(name, user.second.Scalar());
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
  if (!document.IsNull() && !document.IsMap())
    return file.wrong(document.Mark(), "must have fields, as NAME: VALUE");
  if (absl::Status status = check_unique(file, document); !status.ok()) return status;
  for (const auto& section : document) {
    absl::Status status = read_section(file, section.first, section.second, config);
    if (!status.ok()) return status;
  }
  if (config.tls || !config.users.empty()) return config;
  return absl::InvalidArgumentError(
      absl::StrCat(file.path,
                   ": asks for neither TLS nor a user, and everybody could read: write "
                   "tls_server_config or basic_auth_users, or leave --web.config.file out"));
}

}  // namespace

absl::StatusOr<WebConfig> parse_web_config(const std::string& text, const std::string& path) {
  const File file{path};
  if (text.size() > kMostWebConfig_bytes)
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": is larger than 256 KiB: is it the right file?"));
  try {
    check_limits(text);
    return read_document(file, YAML::Load(text));
  } catch (const Limits::Broken& broken) {
    return file.wrong(broken.mark, broken.what);
  } catch (const YAML::Exception& error) {
    return file.wrong(error.mark, absl::StrCat("is no YAML: ", error.msg));
  }
}

}  // namespace swaptrail::http
