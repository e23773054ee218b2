// Who may read: users, TLS, certificates of clients, and the file that says so.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/escaping.h"
#include "daemon/http/access.h"
#include "daemon/http/passwords.h"
#include "daemon/http/web_config.h"
#include "tests/metrics/http_scene.h"

namespace swaptrail::http {
namespace {

// "secret", with a cost of 4, by crypt(3) of another program (python3 -c 'import crypt').
constexpr char kHash[] = "$2b$04$iJgubGOExXU/amb91fjNK.7lesVkOmHt9VbM6sn2eQYooNEksXlK2";
// "other"
constexpr char kOtherHash[] = "$2b$05$KuuVcoDuI2Go4MD9zbFGv.HoD1luEoMHcE2TyCPRnHnkw2pQ4aOTi";

std::string users_text(const std::string& name, const std::string& hash) {
  return "basic_auth_users:\n  " + name + ": " + hash + "\n";
}

TEST(Passwords, RightAndWrong) {
  Passwords passwords({{"ann", kHash}, {"bob", kOtherHash}});
  for (int twice = 0; twice < 2; ++twice) {
    EXPECT_EQ(passwords.check({}, "ann", "secret"), PasswordCheck::kRight);
    EXPECT_EQ(passwords.check({}, "bob", "other"), PasswordCheck::kRight);
    EXPECT_EQ(passwords.check({}, "ann", "other"), PasswordCheck::kWrong);
    EXPECT_EQ(passwords.check({}, "bob", "secret"), PasswordCheck::kWrong);
    EXPECT_EQ(passwords.check({}, "eve", "secret"), PasswordCheck::kWrong);
    EXPECT_EQ(passwords.check({}, "ann", ""), PasswordCheck::kWrong);
    EXPECT_EQ(passwords.check({}, "ann", std::string("secret\0x", 8)), PasswordCheck::kWrong);
  }
}

TEST(Passwords, HashesThatAreNone) {
  EXPECT_TRUE(check_hash(kHash).ok());
  const std::string hash = kHash;
  for (const std::string& wrong :
       {std::string(), std::string("secret"), hash.substr(0, 59), hash + "x",
        "$1$" + hash.substr(3), "$2b$31$" + hash.substr(7), "$2b$03$" + hash.substr(7),
        "$2b$04$!!!!!!!!!!!!!!!!!!!!!!" + hash.substr(29)}) {
    EXPECT_FALSE(check_hash(wrong).ok()) << wrong;
  }
}

TEST(WebConfig, WhatItTakes) {
  const auto config = parse_web_config(
      "tls_server_config:\n  cert_file: a.pem\n  key_file: /keys/b.pem\n  client_ca_file: ca.pem\n"
      "  client_auth_type: RequireAndVerifyClientCert\n  min_version: TLS13\n" +
          users_text("ann", kHash),
      "/etc/swaptrail/web.yml");
  ASSERT_TRUE(config.ok()) << config.status();
  ASSERT_TRUE(config->tls.has_value());
  EXPECT_EQ(config->tls->cert_file, "/etc/swaptrail/a.pem");
  EXPECT_EQ(config->tls->key_file, "/keys/b.pem");
  EXPECT_EQ(config->tls->client_ca_file, "/etc/swaptrail/ca.pem");
  EXPECT_EQ(config->tls->client_auth, socket::ClientAuth::kRequireVerified);
  EXPECT_EQ(config->tls->min_version, TLS1_3_VERSION);
  EXPECT_EQ(config->users.at("ann"), kHash);
}

struct RefusedFile {
  const char* text;
  const char* begin;  // of the message
};
class WebConfigRefuses : public testing::TestWithParam<RefusedFile> {};
TEST_P(WebConfigRefuses, WithTheLine) {
  const auto config = parse_web_config(GetParam().text, "web.yml");
  ASSERT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument) << GetParam().text;
  EXPECT_EQ(std::string(config.status().message()).rfind(GetParam().begin, 0), 0u)
      << config.status();
}
#define TLS "tls_server_config:\n  cert_file: a\n  key_file: b\n"
INSTANTIATE_TEST_SUITE_P(
    All, WebConfigRefuses,
    testing::Values(
        RefusedFile{"a: [\n", "web.yml:2: is no YAML"},
        RefusedFile{"- a\n", "web.yml:1: must have"},
        RefusedFile{"", "web.yml: asks for neither TLS nor a user"},
        RefusedFile{"# nothing\n", "web.yml: asks for neither"},
        RefusedFile{"basic_auth_users: {}\n", "web.yml: asks for neither"},
        RefusedFile{TLS "---\n" TLS, "web.yml:4: a second document"},
        RefusedFile{TLS "---\n", "web.yml:4: a second document"},
        RefusedFile{"a: &b c\n", "web.yml:1: anchors"}, RefusedFile{"a: *b\n", "web.yml:1: "},
        RefusedFile{"a: &x [b]\nc: *x\n", "web.yml:1: anchors"},
        RefusedFile{"a: !!binary aGFsbG8=\n", "web.yml:1: tags"},
        RefusedFile{"a: [[[[[[b]]]]]]\n", "web.yml:1: is nested too deeply"},
        RefusedFile{TLS TLS, "web.yml:4: is there twice"},
        RefusedFile{TLS "  cert_file: c\n", "web.yml:4: is there twice"},
        RefusedFile{"? [a, b]\n: c\n", "web.yml:1: a field's name"},
        RefusedFile{"tls_server_config:\n  cert_file: \"a\\0b\"\n", "web.yml:2: cert_file must be"},
        RefusedFile{"basic_auth_users:\n  \"a\\nb\": c\n", "web.yml:2: the name of a user"},
        RefusedFile{"\nunknown: 1\n", "web.yml:2: unknown is not known"},
        RefusedFile{"http_server_config:\n  http2: true\n", "web.yml:1: http_server_config is not"},
        RefusedFile{"rate_limit:\n  burst: 1\n", "web.yml:1: rate_limit is not"},
        RefusedFile{"tls_server_config: 1\n", "web.yml:1: tls_server_config needs"},
        RefusedFile{"tls_server_config:\n  cert_file: a\n", "web.yml:2: tls_server_config needs"},
        RefusedFile{TLS "  cipher_suites: [a]\n", "web.yml:4: field cipher_suites"},
        RefusedFile{TLS "  min_version: TLS10\n", "web.yml:4: must be one of TLS12, TLS13"},
        RefusedFile{TLS "  min_version: TLS13\n  max_version: TLS12\n", "web.yml:2: max_version"},
        RefusedFile{TLS "  client_auth_type: Sometimes\n",
                    "web.yml:4: must be one of NoClientCert"},
        RefusedFile{TLS "  client_auth_type: RequireAndVerifyClientCert\n",
                    "web.yml:2: this client"},
        RefusedFile{TLS "  client_ca_file: ca\n", "web.yml:2: client_ca_file needs"},
        RefusedFile{"basic_auth_users:\n  ann: geheim\n",
                    "web.yml:2: a user's password: not a bcrypt"},
        RefusedFile{"basic_auth_users:\n  ann: [1]\n", "web.yml:2: a user needs"},
        RefusedFile{"basic_auth_users:\n  'a:b': x\n", "web.yml:2: the name of a user"}));

TEST(WebConfig, ASecretIsInNoMessage) {
  const auto config = parse_web_config("basic_auth_users:\n  ann: geheim\n", "web.yml");
  EXPECT_EQ(std::string(config.status().message()).find("geheim"), std::string::npos);
}

// One server for each; all pages alike.
TEST(Access, AUserHasToBeRight) {
  Folder folder;
  HttpOptions options;
  options.config_file = folder.file("web.yml", users_text("ann", kHash));
  Served served(options);
  for (const char* path : {"/metrics", "/", "/-/healthy", "/nothing"}) {
    const std::string refused = served.ask(get(path));
    EXPECT_EQ(status_of(refused), 401) << path;
    EXPECT_NE(refused.find("WWW-Authenticate: Basic"), std::string::npos);
  }
  EXPECT_EQ(status_of(served.ask(get("/metrics", basic("ann:secret")))), 200);
  EXPECT_EQ(status_of(served.ask(get("/metrics", basic("ann:secret")))), 200);
  EXPECT_EQ(served.scrapes, 2);
  for (const std::string& wrong :
       {basic("ann:wrong"), basic("eve:secret"), basic("ann"), basic(""), basic("ann:secret "),
        std::string("Authorization: Basic !!!\r\n"), std::string("Authorization: Bearer x\r\n"),
        std::string("Authorization: ann:secret\r\n")}) {
    EXPECT_EQ(status_of(served.ask(get("/metrics", wrong))), 401) << wrong;
  }
  EXPECT_EQ(served.scrapes, 2);
}

TEST(Access, TheFileMayChange) {
  Folder folder;
  HttpOptions options;
  options.config_file = folder.file("web.yml", users_text("ann", kHash));
  Served served(options);
  EXPECT_EQ(status_of(served.ask(get("/metrics", basic("ann:secret")))), 200);
  const auto becomes = [&](const std::string& pair, int status) {
    for (int tries = 0; tries < 200; ++tries) {
      if (status_of(served.ask(get("/metrics", basic(pair)))) == status) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return false;
  };
  folder.file("web.yml", users_text("bobby", kOtherHash));
  EXPECT_TRUE(becomes("ann:secret", 401));
  EXPECT_TRUE(becomes("bobby:other", 200));
  folder.file("web.yml", "nonsense: 1\n");  // reported on stderr; the old one stays in use
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  EXPECT_EQ(status_of(served.ask(get("/metrics", basic("bobby:other")))), 200);
  EXPECT_EQ(status_of(served.ask(get("/metrics"))), 401);
}

TEST(Access, AWrongFileIsRefusedAtTheStart) {
  Folder folder;
  HttpOptions options;
  options.listen_address = "127.0.0.1:0";
  options.config_file = folder.path() + "/missing.yml";
  EXPECT_FALSE(HttpServer::start(options, {}).ok());
  options.config_file =
      folder.file("web.yml", "tls_server_config:\n  cert_file: no.pem\n  key_file: no.pem\n");
  const auto server = HttpServer::start(options, {});
  EXPECT_EQ(server.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(std::string(server.status().message()).find("cert_file"), std::string::npos);
}

// Two authorities, a server, and a client of each, by the openssl program.
class Tls : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new Folder();
    const std::string at = "cd " + folder_->path() + " && ";
    const std::string key = "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes ";
    std::string all = at;
    for (const char* ca : {"ca", "other"}) {
      all += key + "-x509 -days 2 -subj /CN=" + ca + " -keyout " + ca + ".key -out " + ca +
             ".pem 2>/dev/null && ";
    }
    for (const auto& [name, ca] : {std::pair{"server", "ca"}, {"good", "ca"}, {"bad", "other"}}) {
      all += key + "-subj /CN=localhost -keyout " + name + ".key -out " + name +
             ".csr 2>/dev/null && openssl x509 -req -days 2 -in " + name + ".csr -CA " + ca +
             ".pem -CAkey " + ca + ".key -CAcreateserial -out " + name + ".pem 2>/dev/null && ";
    }
    ready_ = std::system((all + "true").c_str()) == 0;
  }
  static void TearDownTestSuite() { delete folder_; }
  void SetUp() override {
    ASSERT_TRUE(ready_) << "openssl is missing: it is in the package openssl";
  }

  static std::string web(const std::string& more) {
    return folder_->file(
        "web.yml", "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n" + more);
  }

  // The status of a request; 0 if TLS was not agreed on. `most`: the newest version that it knows.
  static int ask(uint16_t port, const std::string& who, const std::string& trusts = "ca",
                 int most = TLS1_3_VERSION, const std::string& more = "") {
    const std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context(SSL_CTX_new(TLS_client_method()),
                                                               SSL_CTX_free);
    const auto file = [](const std::string& name) { return folder_->path() + "/" + name; };
    SSL_CTX_set_security_level(context.get(), 0);
    SSL_CTX_set_min_proto_version(context.get(), TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context.get(), most);
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    SSL_CTX_load_verify_file(context.get(), file(trusts + ".pem").c_str());
    if (!who.empty()) {
      SSL_CTX_use_certificate_file(context.get(), file(who + ".pem").c_str(), SSL_FILETYPE_PEM);
      SSL_CTX_use_PrivateKey_file(context.get(), file(who + ".key").c_str(), SSL_FILETYPE_PEM);
    }
    const Client client(port);
    const std::unique_ptr<SSL, void (*)(SSL*)> tls(SSL_new(context.get()), SSL_free);
    SSL_set_fd(tls.get(), client.socket());
    if (SSL_connect(tls.get()) != 1) return 0;
    const std::string request = get("/metrics", more);
    if (SSL_write(tls.get(), request.data(), static_cast<int>(request.size())) <= 0) return 0;
    char buffer[4096];
    const int count = SSL_read(tls.get(), buffer, sizeof(buffer));
    return count <= 0 ? 0 : status_of(std::string(buffer, static_cast<size_t>(count)));
  }

  static Folder* folder_;
  static bool ready_;
};
Folder* Tls::folder_ = nullptr;
bool Tls::ready_ = false;

TEST_F(Tls, ServesAndHidesNothingFromPlainClients) {
  HttpOptions options;
  options.config_file = web("");
  Served served(options);
  EXPECT_TRUE(served.server->has_tls());
  EXPECT_EQ(ask(served.server->port(), ""), 200);
  EXPECT_EQ(ask(served.server->port(), "", "other"), 0);  // the client does not trust it
  EXPECT_NE(status_of(served.ask(get("/metrics"))), 200);
  EXPECT_EQ(served.scrapes, 1);
}

TEST_F(Tls, OldVersionsAreRefused) {
  HttpOptions options;
  options.config_file = web("");
  Served served(options);
  EXPECT_EQ(ask(served.server->port(), "", "ca", TLS1_1_VERSION), 0);
  EXPECT_EQ(ask(served.server->port(), "", "ca", TLS1_2_VERSION), 200);
  options.config_file = web("  min_version: TLS13\n");
  Served newer(options);
  EXPECT_EQ(ask(newer.server->port(), "", "ca", TLS1_2_VERSION), 0);
  EXPECT_EQ(ask(newer.server->port(), ""), 200);
  options.config_file = web("  max_version: TLS12\n");
  Served older(options);
  EXPECT_EQ(ask(older.server->port(), ""), 200);
}

TEST_F(Tls, CertificatesOfClients) {
  struct Case {
    const char* type;
    const char* ca;
    int none, good, bad;
  };
  for (const Case& one :
       {Case{"NoClientCert", "", 200, 200, 200}, Case{"RequestClientCert", "", 200, 200, 200},
        Case{"RequireAnyClientCert", "", 0, 200, 200},
        Case{"VerifyClientCertIfGiven", "ca.pem", 200, 200, 0},
        Case{"RequireAndVerifyClientCert", "ca.pem", 0, 200, 0}}) {
    HttpOptions options;
    std::string more = std::string("  client_auth_type: ") + one.type + "\n";
    if (*one.ca != 0) more += std::string("  client_ca_file: ") + one.ca + "\n";
    options.config_file = web(more);
    Served served(options);
    EXPECT_EQ(ask(served.server->port(), ""), one.none) << one.type;
    EXPECT_EQ(ask(served.server->port(), "good"), one.good) << one.type;
    EXPECT_EQ(ask(served.server->port(), "bad"), one.bad) << one.type;
  }
}

TEST_F(Tls, WithUsers) {
  HttpOptions options;
  options.config_file = web(users_text("ann", kHash));
  Served served(options);
  EXPECT_EQ(ask(served.server->port(), ""), 401);
  EXPECT_EQ(ask(served.server->port(), "", "ca", TLS1_3_VERSION, basic("ann:secret")), 200);
}

TEST_F(Tls, AHandshakeThatDoesNotGoOnIsGivenUp) {
  HttpOptions options;
  options.config_file = web("");
  options.head_timeout_ms = 300;
  Served served(options);
  Client silent(served.server->port()), nonsense(served.server->port());
  nonsense.send("GET /metrics HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(silent.is_closed(10'000));
  EXPECT_EQ(ask(served.server->port(), ""), 200);
}

TEST_F(Tls, LargeAnswers) {
  HttpOptions options;
  options.config_file = web("");
  const Served served(options, std::string(3 << 20, 'x'));
  const std::string command =
      "curl -sS --cacert " + folder_->path() +
      "/ca.pem --resolve localhost:" + std::to_string(served.server->port()) +
      ":127.0.0.1 https://localhost:" + std::to_string(served.server->port()) + "/metrics | wc -c";
  if (std::system("command -v curl >/dev/null") != 0) GTEST_SKIP() << "curl is missing";
  FILE* curl = popen(command.c_str(), "r");
  char text[64] = {};
  ASSERT_NE(fgets(text, sizeof(text), curl), nullptr);
  pclose(curl);
  EXPECT_EQ(std::strtoul(text, nullptr, 10), served.text.size() + 3);  // and "*/*"
}

}  // namespace
}  // namespace swaptrail::http
