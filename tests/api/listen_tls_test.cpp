// The TCP port: only with TLS, only with the right certificate, and only for reading.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>

#include "tests/api/listen_fixture.h"
#include "tests/api/tls_identity.h"

namespace swaptrail::listen {
namespace {

constexpr long kDay_s = 24 * 60 * 60;

class ListenTlsTest : public ListenTest {
 protected:
  void SetUp() override {
    ListenTest::SetUp();
    options_.tcp_address = "127.0.0.1:0";
    options_.tls_cert = write("server.pem", daemon_.certificate(), 0644);
    options_.tls_key = write("server.key", daemon_.key(), 0600);
    options_.tls_client_ca = write("ca.pem", authority_.certificate(), 0644);
  }
  std::string write(const std::string& name, const std::string& text, mode_t mode) const {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path) << text;
    chmod(path.c_str(), mode);
    return path;
  }
  std::string target() const { return "127.0.0.1:" + std::to_string(server_->tcp_port()); }
  // `client`: null = none.
  grpc::Status status_with(const Identity* client) const { return get_status(tls(client)); }
  std::shared_ptr<grpc::Channel> tls(const Identity* client) const {
    grpc::SslCredentialsOptions ssl;
    ssl.pem_root_certs = authority_.certificate();
    if (client != nullptr) {
      ssl.pem_private_key = client->key();
      ssl.pem_cert_chain = client->certificate();
    }
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(target(), grpc::SslCredentials(ssl), arguments);
  }
  int connect_tcp() const {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(server_->tcp_port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    return fd;
  }

  const Identity authority_{"swaptrail test", nullptr, -kDay_s, kDay_s};
  const Identity daemon_{"localhost", &authority_, -kDay_s, kDay_s};
  const Identity client_{"client", &authority_, -kDay_s, kDay_s};
};

TEST_F(ListenTlsTest, TheRightCertificateReads) {
  const absl::Status started = start();
  ASSERT_TRUE(started.ok()) << started;
  const auto to = tls(&client_);
  const grpc::Status status = get_status(to);
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(trigger(to).error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(control_.longest_reason, 0u);
  EXPECT_EQ(server_->counts().tcp.open, 1u);
  EXPECT_TRUE(get_status(channel()).ok()) << "and the socket serves beside it";
}

TEST_F(ListenTlsTest, WrongCertificatesStayOutside) {
  ASSERT_TRUE(start().ok());
  const Identity foreign("swaptrail test", nullptr, -kDay_s, kDay_s);  // the name only
  const Identity of_foreign("client", &foreign, -kDay_s, kDay_s);
  const Identity expired("client", &authority_, -2 * kDay_s, -kDay_s);
  const Identity not_yet("client", &authority_, kDay_s, 2 * kDay_s);
  const Identity self_signed("client", nullptr, -kDay_s, kDay_s);
  for (const Identity* client :
       {static_cast<const Identity*>(nullptr), &of_foreign, &expired, &not_yet, &self_signed})
    EXPECT_EQ(status_with(client).error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_TRUE(status_with(&client_).ok());
  EXPECT_TRUE(eventually([&] { return open() <= 1; })) << "none of them stays connected";
}

TEST_F(ListenTlsTest, PlainTextStaysOutside) {
  ASSERT_TRUE(start().ok());
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  EXPECT_EQ(
      get_status(grpc::CreateCustomChannel(target(), grpc::InsecureChannelCredentials(), arguments))
          .error_code(),
      grpc::StatusCode::UNAVAILABLE);
  const int fd = connect_tcp();
  const std::string request = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
  ASSERT_EQ(::write(fd, request.data(), request.size()), static_cast<ssize_t>(request.size()));
  std::string answer(4096, '\0');
  ssize_t size;
  while ((size = read(fd, answer.data(), answer.size())) > 0)
    EXPECT_EQ(answer.substr(0, static_cast<size_t>(size)).find("HTTP"), std::string::npos);
  close(fd);
  EXPECT_TRUE(eventually([&] { return server_->counts().tcp.open == 0; }));
}

TEST_F(ListenTlsTest, FailedHandshakesDoNotFillTheLog) {
  ASSERT_TRUE(start().ok());
  testing::internal::CaptureStderr();
  for (int i = 0; i < 50; ++i) {
    const int fd = connect_tcp();
    ASSERT_EQ(::write(fd, "GET / HTTP/1.1\r\n", 16), 16);
    char bytes[256];
    while (read(fd, bytes, sizeof(bytes)) > 0) {
    }
    close(fd);
  }
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_EQ(log, "") << "they are counted";
  EXPECT_TRUE(eventually([&] { return server_->counts().tcp.closed_over_limits == 50; }));
}

TEST_F(ListenTlsTest, OldTlsStaysOutside) {
  ASSERT_TRUE(start().ok());
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_security_level(context, 0);
  SSL_CTX_set_max_proto_version(context, TLS1_1_VERSION);
  SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
  SSL* ssl = SSL_new(context);
  const int fd = connect_tcp();
  SSL_set_fd(ssl, fd);
  EXPECT_NE(SSL_connect(ssl), 1);
  SSL_free(ssl);
  SSL_CTX_free(context);
  close(fd);
}

TEST_F(ListenTlsTest, NoClientAuthIsAskedFor) {
  options_.tls_no_client_auth = true;
  EXPECT_THAT(start_error(absl::StatusCode::kInvalidArgument), testing::HasSubstr("give one"));
  options_.tls_client_ca.clear();
  ASSERT_TRUE(start().ok());
  const auto to = tls(nullptr);
  EXPECT_TRUE(get_status(to).ok());
  EXPECT_EQ(trigger(to).error_code(), grpc::StatusCode::PERMISSION_DENIED);
}

TEST_F(ListenTlsTest, SilentConnectionsGo) {
  options_.handshake_limit = absl::Milliseconds(300);
  ASSERT_TRUE(start().ok());
  std::vector<int> silent;
  for (int i = 0; i < 8; ++i) silent.push_back(connect_tcp());
  for (const int fd : silent) {
    char byte;
    EXPECT_LE(read(fd, &byte, 1), 0) << "the daemon hangs up";
    close(fd);
  }
  EXPECT_TRUE(eventually([&] { return server_->counts().tcp.open == 0; }));
  EXPECT_EQ(server_->counts().tcp.accepted, 8u);
}

TEST_F(ListenTlsTest, ConnectionsAreBounded) {
  options_.max_tcp_connections = 10;
  ASSERT_TRUE(start().ok());
  std::vector<int> all;
  for (int i = 0; i < 100; ++i) all.push_back(connect_tcp());
  EXPECT_TRUE(eventually([&] {
    const auto counts = server_->counts().tcp;
    return counts.accepted + counts.refused_full == 100;
  }));
  EXPECT_EQ(server_->counts().tcp.open, 10u);
  EXPECT_TRUE(get_status(channel()).ok()) << "the socket has a limit of its own";
  for (const int fd : all) close(fd);
  EXPECT_TRUE(eventually([&] { return server_->counts().tcp.open == 0; }));
  EXPECT_TRUE(status_with(&client_).ok());
}

TEST_F(ListenTlsTest, FilesAreChecked) {
  const Identity other("localhost", &authority_, -kDay_s, kDay_s);
  const Identity expired("localhost", &authority_, -2 * kDay_s, -kDay_s);
  const std::string cert = options_.tls_cert, key = options_.tls_key, ca = options_.tls_client_ca;
  struct Case {
    std::string cert, key, ca, says;
  };
  const std::vector<Case> cases = {
      {"", key, ca, "--tls-cert"},
      {cert, "", ca, "--tls-key"},
      {cert, key, "", "--tls-client-ca"},
      {folder_ + "/none", key, ca, "can't be opened: No such file"},
      {folder_, key, ca, "is no regular file"},
      {cert, folder_ + "/none", ca, "can't be opened: No such file"},
      {cert, key, folder_ + "/none", "can't be opened: No such file"},
      {write("empty", "", 0644), key, ca, "no certificate in PEM"},
      {key, key, ca, "no certificate in PEM"},
      {cert, cert, ca, "--tls-key " + cert + ": everybody may read"},
      {cert, write("nonsense", "nonsense", 0600), ca, "no private key in PEM"},
      {cert, write("locked", other.key("secret"), 0600), ca, "passphrase"},
      {cert, write("other.key", other.key(), 0600), ca, "not the key of the certificate"},
      {cert, write("open.key", daemon_.key(), 0644), ca, "chmod o="},
      {cert, key, key, "no certificate in PEM"},
      {cert, key, write("large", std::string(2 << 20, 'x'), 0644), "larger than 1 MiB"},
      {write("expired", expired.certificate(), 0644), key, ca, "has expired"}};
  for (const Case& one : cases) {
    options_.tls_cert = one.cert;
    options_.tls_key = one.key;
    options_.tls_client_ca = one.ca;
    const std::string error = start_error(absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(error, testing::HasSubstr(one.says));
    EXPECT_THAT(error, testing::Not(testing::HasSubstr("PRIVATE")));
    EXPECT_FALSE(std::filesystem::exists(options_.socket_path));
  }
}

TEST_F(ListenTlsTest, BadAddresses) {
  for (const char* address :
       {"9470", ":9470", "nonsense:1", "127.0.0.1:70000x", "::1:9470", "[::1"}) {
    options_.tcp_address = address;
    EXPECT_THAT(start_error(absl::StatusCode::kInvalidArgument), testing::HasSubstr("--listen"));
  }
}

TEST_F(ListenTlsTest, ATakenPortIsTold) {
  ASSERT_TRUE(start().ok());
  ListenOptions second = options_;
  second.socket_path = folder_ + "/second.sock";
  second.tcp_address = target();
  const auto started = ApiServer::bind(second);
  EXPECT_TRUE(absl::IsAlreadyExists(started.status())) << started.status();
  EXPECT_FALSE(std::filesystem::exists(second.socket_path));
}

}  // namespace
}  // namespace swaptrail::listen
