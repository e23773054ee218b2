// Where one request ends and the next begins: what RFC 9110 and 9112 say, over a real socket.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/metrics/http_scene.h"

namespace swaptrail::http {
namespace {

// A request behind it: what is refused must not leave it to be answered.
constexpr char kNext[] = "GET /-/healthy HTTP/1.1\r\nHost: next\r\n\r\n";

struct Framed {
  const char* name;
  std::string request;
  int status;
  const char* rule;  // of RFC 9112, or 9110 where it says so
};

std::string with(const std::string& line, const std::string& start = "GET /metrics HTTP/1.1") {
  return start + "\r\nHost: a\r\n" + line + "\r\n";
}

std::string headers(int count) {
  std::string lines;
  for (int line = 0; line < count; ++line) lines += "X-" + std::to_string(line) + ": b\r\n";
  return lines;
}

class Refused : public testing::TestWithParam<Framed> {};

TEST_P(Refused, AndTheConnectionCloses) {
  Served served;
  Client client(served.server->port());
  ASSERT_TRUE(client.send(GetParam().request + kNext));
  const std::string response = client.receive();
  EXPECT_EQ(status_of(response), GetParam().status) << GetParam().rule << "\n" << response;
  EXPECT_NE(response.find("Connection: close\r\n"), std::string::npos) << response;
  EXPECT_TRUE(client.is_closed(5'000)) << "what follows was taken for a request";
  EXPECT_EQ(served.scrapes, 0);
  EXPECT_EQ(served.counts->refused_malformed, 1u);
}

INSTANTIATE_TEST_SUITE_P(
    Rfc9112, Refused,
    testing::Values(
        Framed{"LengthTwice", with("Content-Length: 0\r\nContent-Length: 5\r\n"), 400, "6.3"},
        Framed{"LengthTwiceTheSame", with("Content-Length: 0\r\nContent-Length: 0\r\n"), 400,
               "6.3"},
        Framed{"LengthList", with("Content-Length: 0, 0\r\n"), 400, "6.3"},
        Framed{"LengthSigned", with("Content-Length: +0\r\n"), 400, "9110 8.6"},
        Framed{"LengthNegative", with("Content-Length: -1\r\n"), 400, "9110 8.6"},
        Framed{"LengthHex", with("Content-Length: 0x0\r\n"), 400, "9110 8.6"},
        Framed{"LengthEmpty", with("Content-Length:\r\n"), 400, "9110 8.6"},
        Framed{"LengthHuge", with("Content-Length: 18446744073709551616\r\n"), 413, "9110 15.5.14"},
        Framed{"Body", with("Content-Length: 42\r\n"), 413, "9110 15.5.14"},
        Framed{"BodyOfHead", with("Content-Length: 1\r\n", "HEAD / HTTP/1.1"), 413, "9110 9.3.2"},
        Framed{"BodyOfPost", with("Content-Length: 1\r\n", "POST / HTTP/1.1"), 413, "9110 15.5.14"},
        Framed{"Chunked", with("Transfer-Encoding: chunked\r\n"), 413, "9110 15.5.14"},
        Framed{"CodingAndLength", with("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"), 400,
               "6.1"},
        Framed{"LengthAndCoding", with("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"), 400,
               "6.1"},
        Framed{"CodingNotKnown", with("Transfer-Encoding: cow, chunked\r\n"), 501, "6.1"},
        Framed{"CodingIdentity", with("Transfer-Encoding: identity\r\n"), 501, "6.1"},
        Framed{"ChunkedNotLast", with("Transfer-Encoding: chunked, gzip\r\n"), 400, "6.3"},
        Framed{"ChunkedTwice", with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
               400, "6.1"},
        Framed{"CodingEmpty", with("Transfer-Encoding:\r\n"), 400, "6.1"},
        Framed{"CodingInOldVersion", with("Transfer-Encoding: chunked\r\n", "GET / HTTP/1.0"), 400,
               "6.1"},
        Framed{"BlankBeforeColon", with("Content-Length : 0\r\n"), 400, "5.1"},
        Framed{"TabBeforeColon", with("X\t: 0\r\n"), 400, "5.1"},
        Framed{"NoName", with(": b\r\n"), 400, "5.1"}, Framed{"NoColon", with("b\r\n"), 400, "5.1"},
        Framed{"Folded", with("X: a\r\n b\r\n"), 400, "5.2"},
        Framed{"FoldedByTab", with("X: a\r\n\tb\r\n"), 400, "5.2"},
        Framed{"FirstFolded", "GET /metrics HTTP/1.1\r\n Host: a\r\n\r\n", 400, "2.2"},
        Framed{"BareCr", with("X: a\rb\r\n"), 400, "2.2"},
        Framed{"BareLf", with("X: a\nHost: b\r\n"), 400, "2.2"},
        Framed{"BareLfAfterStart", "GET /metrics HTTP/1.1\nHost: a\r\n\r\n", 400, "2.2"},
        Framed{"Nul", with(std::string("X: a\0b\r\n", 8)), 400, "9110 5.5"},
        Framed{"NulInTarget", with("", std::string("GET /\0 HTTP/1.1", 15)), 400, "3.2"},
        Framed{"Control", with("X: a\x01\r\n"), 400, "9110 5.5"},
        Framed{"Delete", with("X: a\x7f\r\n"), 400, "9110 5.5"},
        Framed{"ControlInName", with("X\x01: a\r\n"), 400, "5.1"},
        Framed{"NoHost", "GET /metrics HTTP/1.1\r\n\r\n", 400, "3.2"},
        Framed{"TwoHosts", with("Host: b\r\n"), 400, "3.2"},
        Framed{"TwoHostsTheSame", with("Host: a\r\n"), 400, "3.2"},
        Framed{"TwoHostsInOldVersion", with("Host: b\r\n", "GET / HTTP/1.0"), 400, "3.2"},
        Framed{"HostIsNone", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "3.2"},
        Framed{"HostWithPath", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, "3.2"},
        Framed{"AbsoluteWithoutHost", "GET http://a/metrics HTTP/1.1\r\n\r\n", 400, "3.2"},
        Framed{"AbsoluteOther", with("", "GET ftp://a/metrics HTTP/1.1"), 400, "3.2"},
        Framed{"AbsoluteNoAuthority", with("", "GET http:///metrics HTTP/1.1"), 400, "9110 4.2.1"},
        Framed{"NoForm", with("", "GET metrics HTTP/1.1"), 400, "3.2"},
        Framed{"Asterisk", with("", "GET * HTTP/1.1"), 400, "3.2.4"},
        Framed{"Fragment", with("", "GET /metrics#a HTTP/1.1"), 400, "3.2"},
        Framed{"TargetNotAscii", with("", "GET /\xc3\xa4 HTTP/1.1"), 400, "3.2"},
        Framed{"OldestVersion", "GET /metrics\r\n\r\n", 400, "2.3"},
        Framed{"Version0", with("", "GET /metrics HTTP/0.9"), 505, "9110 15.6.6"},
        Framed{"Version2", with("", "GET /metrics HTTP/2.0"), 505, "9110 15.6.6"},
        Framed{"Preface2", "PRI * HTTP/2.0\r\n\r\n", 505, "9110 15.6.6"},
        Framed{"VersionSmall", with("", "GET /metrics http/1.1"), 400, "2.3"},
        Framed{"VersionLong", with("", "GET /metrics HTTP/1.11"), 400, "2.3"},
        Framed{"TwoBlanks", with("", "GET  /metrics HTTP/1.1"), 400, "3"},
        Framed{"BlankAtEnd", with("", "GET /metrics HTTP/1.1 "), 400, "3"},
        Framed{"BlankInFront", with("", " GET /metrics HTTP/1.1"), 400, "3"},
        Framed{"TwoEmptyLines", "\r\n\r\n", 400, "2.2"},
        Framed{"MethodNotKnown", with("", "BREW /metrics HTTP/1.1"), 501, "9110 9.1"},
        Framed{"MethodSmall", with("", "get /metrics HTTP/1.1"), 501, "9110 9.1"},
        Framed{"MethodNone", with("", "G(T /metrics HTTP/1.1"), 400, "9110 9.1"},
        Framed{"LongTarget", with("", "GET /" + std::string(9'000, 'a') + " HTTP/1.1"), 414, "3"},
        Framed{"LongHeader", with("X: " + std::string(9'000, 'a') + "\r\n"), 431, "5.4"},
        Framed{"ManyHeaders", with(headers(100)), 431, "5.4"},
        Framed{"LongHead", with(std::string("X: ") + std::string(20'000, 'a') + "\r\n"), 431,
               "5.4"},
        Framed{"TwoAuthorizations", with("Authorization: Basic YTph\r\nAuthorization: a\r\n"), 400,
               "9110 5.3"}),
    [](const testing::TestParamInfo<Framed>& one) { return one.param.name; });

TEST(Framing, WhatIsOddAndGood) {
  Served served;
  for (const std::string& request :
       {with("", "GET http://other/metrics HTTP/1.1"),
        with("", "GET HTTPS://other:1/metrics HTTP/1.1"), with("", "GET /metrics HTTP/1.9"),
        "\r\n" + get("/metrics"), get("/metrics", "X:a\r\nY: \t b\t \r\nZ:\r\n"),
        get("/metrics", "X: \xc3\xa4\r\n"), get("/metrics", "Content-Length: 0\r\n"),
        get("/metrics", "Content-Length: 00\r\n"), get("/metrics", headers(99)),
        std::string("GET /metrics HTTP/1.1\r\nHost:\r\n\r\n"),
        std::string("GET /metrics HTTP/1.1\r\nHost: [::1]:9789\r\n\r\n"),
        std::string("GET /metrics HTTP/1.1\r\nhOsT: a\r\n\r\n"),
        std::string("GET /metrics HTTP/1.0\r\n\r\n"), get("/metrics?a=b")}) {
    EXPECT_EQ(status_of(served.ask(request)), 200) << request;
  }
  EXPECT_EQ(status_of(served.ask(with("", "GET http://other HTTP/1.1"))), 200) << "the page";
  EXPECT_EQ(status_of(served.ask(with("", "OPTIONS * HTTP/1.1"))), 405);
  EXPECT_EQ(status_of(served.ask(with("", "CONNECT a:1 HTTP/1.1"))), 405);
  EXPECT_EQ(served.counts->refused_malformed, 0u);
}

TEST(Framing, ConnectionIsAList) {
  Served served;
  const auto closes = [&](const std::string& request) {
    Client client(served.server->port());
    client.send(request);
    EXPECT_EQ(status_of(client.receive()), 200) << request;
    return client.is_closed(300);
  };
  EXPECT_TRUE(closes(get("/", "Connection: close\r\n")));
  EXPECT_TRUE(closes(get("/", "Connection: TE, Close\r\n")));
  EXPECT_TRUE(closes(get("/", "Connection: TE\r\nConnection: close\r\n")));
  EXPECT_FALSE(closes(get("/", "Connection: TE\r\n")));
  EXPECT_FALSE(closes(get("/")));
  EXPECT_TRUE(closes("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_FALSE(closes("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
}

// Each in its order, and none of them twice.
TEST(Framing, Pipelined) {
  Served served;
  Client client(served.server->port());
  const std::vector<std::string> paths = {"/-/healthy", "/nothing", "/metrics", "/-/ready"};
  std::string all;
  for (const std::string& path : paths) all += get(path);
  ASSERT_TRUE(client.send(all + with("X : b\r\n") + get("/metrics")));
  std::string got;
  char buffer[4096];
  for (ssize_t count = 0; (count = recv(client.socket(), buffer, sizeof(buffer), 0)) > 0;)
    got.append(buffer, static_cast<size_t>(count));
  std::vector<int> statuses;
  for (size_t at = 0; (at = got.find("HTTP/1.1 ", at)) != std::string::npos; ++at)
    statuses.push_back(status_of(got.substr(at)));
  EXPECT_EQ(statuses, (std::vector<int>{200, 404, 200, 200, 400}));
  EXPECT_EQ(served.scrapes, 1);
}

}  // namespace
}  // namespace swaptrail::http
