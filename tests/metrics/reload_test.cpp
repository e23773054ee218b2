// The web configuration: which files are refused, and that a reload takes what is whole and opens nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "daemon/http/access.h"
#include "tests/api/tls_identity.h"
#include "tests/metrics/http_scene.h"

namespace swaptrail::http {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr long kDay_s = 24 * 60 * 60;
// "secret", with a cost of 4, by crypt(3) of another program (python3 -c 'import crypt').
constexpr char kAnn[] =
    "basic_auth_users:\n  ann: $2b$04$iJgubGOExXU/amb91fjNK.7lesVkOmHt9VbM6sn2eQYooNEksXlK2\n";
constexpr char kBob[] =
    "basic_auth_users:\n  bob: $2b$04$iJgubGOExXU/amb91fjNK.7lesVkOmHt9VbM6sn2eQYooNEksXlK2\n";
constexpr char kTls[] = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n";
constexpr char kVerified[] =
    "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n";

class WebFiles : public testing::Test {
 protected:
  WebFiles() { use(server_); }
  void use(const Identity& identity) const {
    folder_.file("server.pem", identity.certificate());
    folder_.file("server.key", identity.key());
    folder_.file("ca.pem", authority_.certificate());
  }
  std::string web(const std::string& text) const { return folder_.file("web.yml", text); }
  static std::string complaint(const std::string& path) {
    const auto access = Access::open(path);
    EXPECT_EQ(access.status().code(), absl::StatusCode::kInvalidArgument) << path;
    const std::string message(access.status().message());
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    for (const char* words : {"PEM lib", "PRIVATE", "routines", "$2b$"})
      EXPECT_THAT(message, Not(HasSubstr(words)));
    return message;
  }

  const Folder folder_;
  const Identity authority_{"authority", nullptr, -kDay_s, kDay_s};
  const Identity server_{"localhost", &authority_, -kDay_s, kDay_s};
  const Identity renewed_{"localhost", &authority_, -kDay_s, kDay_s};
};

TEST_F(WebFiles, WhichConfigurationIsNone) {
  const std::string fifo = folder_.path() + "/fifo", path = web(kAnn);
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  for (const std::string& none : {folder_.path(), fifo, std::string("/dev/zero")})
    EXPECT_THAT(complaint(none), HasSubstr(none + ": is no regular file"));
  EXPECT_THAT(complaint(folder_.path() + "/none"), HasSubstr("No such file"));
  EXPECT_TRUE(Access::open(path).ok());
  chmod(path.c_str(), 0640);
  EXPECT_TRUE(Access::open(path).ok());
  chmod(path.c_str(), 0644);
  EXPECT_THAT(complaint(path), HasSubstr("everybody may read it: chmod o="));
  EXPECT_THAT(complaint(web("")), HasSubstr("or leave --web.config.file out"));
  EXPECT_THAT(complaint(web(std::string(kMostWebConfig_bytes, '#') + "\n")), HasSubstr("256 KiB"));
}

TEST_F(WebFiles, WhichFilesOfTlsAreNone) {
  const Identity expired("localhost", &authority_, -2 * kDay_s, -kDay_s);
  const std::string cert = server_.certificate(), key = server_.key();
  const std::string ca = authority_.certificate();
  struct Case {
    std::string cert, key, ca, says;
  };
  for (const Case& one :
       {Case{"", key, ca, "server.pem: holds no certificate in PEM"},
        Case{key, key, ca, "server.pem: holds no certificate in PEM"},
        Case{cert.substr(0, cert.size() / 2), key, ca,
             "server.pem: a certificate in it is damaged"},
        Case{cert + ca.substr(0, ca.size() / 2), key, ca, "server.pem: a certificate in it is dam"},
        Case{cert.substr(0, cert.size() - 8), key, ca,
             "server.pem: a certificate in it is damaged"},
        Case{expired.certificate(), expired.key(), ca,
             "server.pem: the certificate, or one of its"},
        Case{cert + expired.certificate(), key, ca, "server.pem: the certificate, or one of its"},
        Case{cert, "", ca, "server.key: holds no private key in PEM"},
        Case{cert, cert, ca, "server.key: holds no private key in PEM"},
        Case{cert, key.substr(0, key.size() / 2), ca, "server.key: holds no private key in PEM"},
        Case{cert, server_.key("secret"), ca, "passphrase"},
        Case{cert, renewed_.key(), ca,
             "server.key: is not the key of the certificate in cert_file"},
        Case{cert, key, "", "ca.pem: holds no certificate in PEM"},
        Case{cert, key, ca.substr(0, ca.size() / 2), "ca.pem: a certificate in it is damaged"},
        Case{cert, key, expired.certificate(), "ca.pem: the certificate has expired"}}) {
    folder_.file("server.pem", one.cert);
    folder_.file("server.key", one.key);
    folder_.file("ca.pem", one.ca);
    EXPECT_THAT(complaint(web(std::string(kTls) + kVerified)), HasSubstr(one.says));
  }
  use(server_);
  EXPECT_TRUE(Access::open(web(std::string(kTls) + kVerified)).ok());
  chmod((folder_.path() + "/server.key").c_str(), 0644);
  EXPECT_THAT(complaint(web(kTls)), HasSubstr("server.key: everybody may read it"));
  std::filesystem::remove(folder_.path() + "/server.key");
  EXPECT_THAT(complaint(web(kTls)), HasSubstr("key_file " + folder_.path() + "/server.key: can't"));
  folder_.file("server.key", key);
  folder_.file("ca.pem", expired.certificate() + ca);
  EXPECT_TRUE(Access::open(web(std::string(kTls) + kVerified)).ok()) << "one of them is good";
}

// Looks at the files once a second of its own.
class Reload : public WebFiles {
 protected:
  void open(const std::string& text) {
    auto access = Access::open(web(text));
    ASSERT_TRUE(access.ok()) << access.status();
    access_ = *std::move(access);
  }
  void look() { access_->refresh(now_ns_ += 1'000'000'000); }
  // Why the files are not used after a look; empty: they are.
  std::string trouble() {
    look();
    return access_->trouble();
  }
  bool may(const std::string& name) const {
    return access_->passwords()->check({}, name, "secret") == PasswordCheck::kRight;
  }
  // The public key of the certificate that is shown, as DER.
  std::string shown() const {
    unsigned char* der = nullptr;
    const int size = i2d_X509(SSL_CTX_get0_certificate(access_->tls().get()), &der);
    std::string text(reinterpret_cast<char*>(der), static_cast<size_t>(size));
    OPENSSL_free(der);
    return text;
  }

  std::unique_ptr<Access> access_;
  uint64_t now_ns_ = 1'000'000'000'000;
};

TEST_F(Reload, TakesWhatIsWhole) {
  open(kAnn);
  EXPECT_TRUE(may("ann"));
  web(kBob);
  EXPECT_EQ(trouble(), "");
  EXPECT_TRUE(may("bob"));
  EXPECT_FALSE(may("ann"));
}

TEST_F(Reload, TellsItOnce) {
  open(kAnn);
  web("nonsense: 1\n");
  testing::internal::CaptureStderr();
  for (int looks = 0; looks < 3; ++looks) look();
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "swaptraild: the new web configuration is not used: " + access_->trouble() + "\n");
  EXPECT_THAT(access_->trouble(), HasSubstr("web.yml:1: nonsense is not known"));
}

// A file of the same size, name, inode and second.
TEST_F(Reload, SeesWhatNoTimeTells) {
  open(kAnn);
  const std::string path = folder_.path() + "/web.yml";
  const auto time = std::filesystem::last_write_time(path);
  std::fstream(path) << kBob;
  std::filesystem::last_write_time(path, time);
  look();
  EXPECT_TRUE(may("bob"));
}

TEST_F(Reload, KnowsPasswordsStillWhenOnlyTheCertificateIsRenewed) {
  open(std::string(kTls) + kAnn);
  const auto before = access_->passwords();
  const std::string old = shown();
  use(renewed_);
  look();
  EXPECT_NE(shown(), old);
  EXPECT_EQ(access_->passwords(), before);
}

TEST_F(Reload, EveryBeginningOfTheFileOpensNothing) {
  const std::string whole = std::string(kTls) + kVerified + kAnn;
  open(whole);
  for (size_t size = 0; size < whole.size(); ++size) {
    web(whole.substr(0, size));
    look();
    ASSERT_NE(access_->tls(), nullptr) << size;
    EXPECT_EQ(SSL_CTX_get_verify_mode(access_->tls().get()),
              SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT)
        << size;
    EXPECT_FALSE(access_->passwords()->empty()) << size;
    EXPECT_TRUE(may("ann")) << size;
    EXPECT_EQ(access_->trouble().empty(), size + 1 == whole.size())
        << size;  // all but the last newline
  }
}

TEST_F(Reload, WhatItDoesNotOpen) {
  struct Case {
    std::string before, now, says;
  };
  const std::string tls = kTls;
  for (const Case& one :
       {Case{kAnn, "", "asks for neither"},
        Case{kAnn, "basic_auth_users: {}\n", "asks for neither"}, Case{kAnn, tls, "a restart only"},
        Case{tls + kAnn, kAnn, "a restart only"}, Case{tls + kAnn, tls, "its last user is gone"},
        Case{tls + kVerified, tls, "asks less of the certificates"},
        Case{tls + kVerified, tls + "  client_auth_type: RequireAnyClientCert\n", "asks less"},
        Case{tls + kVerified,
             tls + "  client_auth_type: VerifyClientCertIfGiven\n  "
                   "client_ca_file: ca.pem\n",
             "asks less"},
        Case{tls + "  client_auth_type: RequireAnyClientCert\n", tls, "asks less"}}) {
    open(one.before);
    const auto passwords = access_->passwords();
    const auto context = access_->tls();
    web(one.now);
    EXPECT_THAT(trouble(), HasSubstr(one.says)) << one.now;
    EXPECT_EQ(access_->passwords(), passwords);
    EXPECT_EQ(access_->tls(), context);
    web(one.before);
    EXPECT_EQ(trouble(), "");
  }
}

TEST_F(Reload, MoreMayBeAskedFor) {
  open(kTls);
  web(std::string(kTls) + kVerified + kAnn);
  EXPECT_EQ(trouble(), "");
  EXPECT_NE(SSL_CTX_get_verify_mode(access_->tls().get()), SSL_VERIFY_NONE);
  EXPECT_FALSE(access_->passwords()->empty());
}

TEST_F(Reload, WaitsForTheKeyOfANewCertificate) {
  open(kTls);
  const std::string old = shown();
  folder_.file("server.pem", renewed_.certificate());
  EXPECT_THAT(trouble(), HasSubstr("is not the key of the certificate"));
  EXPECT_EQ(shown(), old);
  std::filesystem::remove(folder_.path() + "/server.key");
  EXPECT_THAT(trouble(), HasSubstr("No such file"));
  EXPECT_EQ(shown(), old);
  folder_.file("server.key", renewed_.key());
  EXPECT_EQ(trouble(), "");
  EXPECT_NE(shown(), old);
}

TEST_F(Reload, FilesThatVanishOrBecomeOthersChangeNothing) {
  open(std::string(kTls) + kAnn);
  for (const char* name : {"web.yml", "server.pem", "server.key"}) {
    const std::string path = folder_.path() + "/" + name, aside = path + ".aside";
    std::filesystem::rename(path, aside);
    EXPECT_THAT(trouble(), HasSubstr("No such file")) << name;
    ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
    EXPECT_THAT(trouble(), HasSubstr("is no regular file")) << name;
    std::filesystem::remove(path);
    std::filesystem::rename(aside, path);
    EXPECT_TRUE(may("ann"));
    EXPECT_NE(access_->tls(), nullptr);
    EXPECT_EQ(trouble(), "");
  }
}

}  // namespace
}  // namespace swaptrail::http
