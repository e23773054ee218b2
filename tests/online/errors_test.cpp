// Errors: each with its exit code and with what to do.
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <fstream>

#include "tests/online/daemon_scene.h"

namespace swaptrail::online {
namespace {

using testing::HasSubstr;

class ErrorsTest : public OnlineTest {};

TEST_F(ErrorsTest, NoSocket) {
  const Ended ended = run({"status", "--socket=" + socket()});
  EXPECT_EQ(ended.code, 5);
  EXPECT_THAT(ended.err, HasSubstr(socket() + ": No such file"));
  EXPECT_THAT(ended.err, HasSubstr("is swaptraild running? systemctl status swaptraild"));
  EXPECT_EQ(ended.out, "");
}

TEST_F(ErrorsTest, NobodyListens) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socket().copy(address.sun_path, sizeof address.sun_path - 1);
  const int file = ::socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(::bind(file, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ::close(file);
  const Ended ended = run({"trace", "--socket=" + socket()});
  EXPECT_EQ(ended.code, 5);
  EXPECT_THAT(ended.err, HasSubstr("refused"));
}

TEST_F(ErrorsTest, SocketIsNotForThisUser) {
  serve();
  if (geteuid() == 0) {
    // Root may all: another user asks.
    if (::chmod(directory_.c_str(), 0755) != 0) GTEST_SKIP() << "can't change the mode";
    const std::string line = "setpriv --reuid=65534 --regid=65534 --clear-groups " +
                             std::string(SWAPTRAIL_PROGRAM) + " status --socket=" + socket() +
                             " 2>" + directory_ + "/err";
    const int code = WEXITSTATUS(std::system(line.c_str()));
    if (code == 126 || code == 127) GTEST_SKIP() << "no setpriv, or the program is out of reach";
    std::ifstream file(directory_ + "/err");
    const std::string err(std::istreambuf_iterator<char>(file), {});
    EXPECT_EQ(code, 6) << err;
    EXPECT_THAT(err, HasSubstr("join the group swaptrail"));
    return;
  }
  ASSERT_EQ(::chmod(socket().c_str(), 0), 0);
  const Ended ended = run({"status", "--socket=" + socket()});
  EXPECT_EQ(ended.code, 6);
  EXPECT_THAT(ended.err, HasSubstr("join the group swaptrail"));
}

TEST_F(ErrorsTest, EachStatusHasItsCode) {
  const std::pair<grpc::StatusCode, int> codes[] = {
      {grpc::INVALID_ARGUMENT, 2},  {grpc::UNAVAILABLE, 5},
      {grpc::PERMISSION_DENIED, 6}, {grpc::UNAUTHENTICATED, 6},
      {grpc::INTERNAL, 7},          {grpc::UNKNOWN, 7},
      {grpc::UNIMPLEMENTED, 7},     {grpc::ABORTED, 7},
      {grpc::OUT_OF_RANGE, 7},      {grpc::DATA_LOSS, 7},
      {grpc::CANCELLED, 7},         {grpc::DEADLINE_EXCEEDED, 8},
      {grpc::NOT_FOUND, 9},         {grpc::FAILED_PRECONDITION, 10},
      {grpc::ALREADY_EXISTS, 7},    {grpc::RESOURCE_EXHAUSTED, 11}};
  for (const auto& [status, code] : codes) {
    daemon.failure = grpc::Status(status, "told by the daemon");
    const Ended ended = asked({"matrix"});
    EXPECT_EQ(ended.code, code) << status;
    EXPECT_THAT(ended.err, HasSubstr("told by the daemon"));
    EXPECT_EQ(ended.out, "");
  }
}

TEST_F(ErrorsTest, EachCommandTellsIt) {
  daemon.failure = grpc::Status(grpc::NOT_FOUND, "gone");
  for (const std::vector<std::string>& command : online_questions()) {
    const Ended ended = asked(command);
    EXPECT_EQ(ended.code, 9) << command[0];
    EXPECT_THAT(ended.err, HasSubstr("gone")) << command[0];
  }
}

TEST_F(ErrorsTest, Deadline) {
  daemon.hangs = true;
  const Ended ended = asked({"status", "--timeout=200ms"});
  EXPECT_EQ(ended.code, 8) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("longer --timeout"));
}

TEST_F(ErrorsTest, HostileReasonDoesNotReachTheTerminal) {
  daemon.failure = grpc::Status(grpc::INTERNAL, "a\x1b[2Jb");
  EXPECT_THAT(asked({"status"}).err, HasSubstr("a?[2Jb"));
}

TEST_F(ErrorsTest, BadOptions) {
  for (const char* option :
       {"--timeout=soon", "--timeout=-1s", "--address=h:1", "-oxml", "--tls-cert=x"}) {
    const Ended ended = asked({"status", option, "--address=127.0.0.1:1"});
    EXPECT_EQ(ended.code, 2) << option;
  }
  const Ended ended = run({"status", "--address=127.0.0.1:1", "--tls-ca=/nonexistent"});
  EXPECT_EQ(ended.code, 2);
  EXPECT_THAT(ended.err, HasSubstr("--tls-ca /nonexistent: can't be opened"));
  EXPECT_EQ(run({"status", "--socket=/" + std::string(200, 'x')}).code, 2);
}

TEST_F(ErrorsTest, FullDisk) {
  const std::vector<std::string> arguments = with_socket({"status", "-o", "json"});
  std::string line = SWAPTRAIL_PROGRAM;
  for (const std::string& argument : arguments) line += " " + argument;
  EXPECT_EQ(WEXITSTATUS(std::system((line + " >/dev/full 2>/dev/null").c_str())), 3);
}

TEST_F(ErrorsTest, EnvironmentIsWeakerThanFlags) {
  serve();
  EXPECT_EQ(run({"status"}, {{"SWAPTRAIL_SOCKET", socket()}}).code, 0);
  EXPECT_EQ(asked({"status"}, {{"SWAPTRAIL_SOCKET", "/nonexistent"}}).code, 0);
  EXPECT_EQ(asked({"status"}, {{"SWAPTRAIL_ADDRESS", "127.0.0.1:1"}}).code, 0);
  EXPECT_EQ(
      run({"status"}, {{"SWAPTRAIL_ADDRESS", "127.0.0.1:1"}, {"SWAPTRAIL_SOCKET", socket()}}).code,
      5);
}

class TlsTest : public OnlineTest {
 protected:
  // A certificate that vouches for itself; the daemon wants the same one of its callers.
  bool serve_tls() {
    const std::string line =
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        "-subj /CN=swap.test -addext subjectAltName=DNS:swap.test -keyout " +
        directory_ + "/key.pem -out " + directory_ + "/cert.pem 2>/dev/null";
    if (std::system(line.c_str()) != 0) return false;
    options_.tcp_address = "127.0.0.1:0";
    options_.tls_cert = options_.tls_client_ca = directory_ + "/cert.pem";
    options_.tls_key = directory_ + "/key.pem";
    serve();
    return true;
  }
  // As the daemon's certificate says, or as another.
  std::vector<std::string> with_tls(const std::string& command, const std::string& name) const {
    return {command,
            "--address=127.0.0.1:" + std::to_string(server_->tcp_port()),
            "--timeout=5s",
            "--tls-ca=" + directory_ + "/cert.pem",
            "--tls-cert=" + directory_ + "/cert.pem",
            "--tls-key=" + directory_ + "/key.pem",
            "--tls-server-name=" + name};
  }
};

TEST_F(TlsTest, BothSidesShowWhoTheyAre) {
  if (!serve_tls()) GTEST_SKIP() << "no openssl";
  const Ended good = run(with_tls("status", "swap.test"));
  EXPECT_EQ(good.code, 0) << good.err;
  EXPECT_THAT(good.out, HasSubstr("swaptraild " SWAPTRAIL_VERSION));
  const std::vector<std::string> plain = {
      "status", "--address=127.0.0.1:" + std::to_string(server_->tcp_port()), "--timeout=5s"};
  EXPECT_EQ(run(plain).code, 5);  // nobody vouches for it
  EXPECT_EQ(run(with_tls("status", "other.test")).code, 5);
}

TEST_F(TlsTest, WhoComesByTcpMayOnlyRead) {
  if (!serve_tls()) GTEST_SKIP() << "no openssl";
  const Ended refused = run(with_tls("flight", "swap.test"));
  EXPECT_EQ(refused.code, 6);
  EXPECT_THAT(refused.err, HasSubstr("needs uid 0 or the control group"));
}

}  // namespace
}  // namespace swaptrail::online
