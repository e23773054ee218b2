// A raw client for the tests of the HTTP server: bytes out, bytes in, over TLS or not.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "daemon/http/server.h"
#include "tests/metrics/scene.h"

namespace swaptrail::http {

// `from`: an address of the loopback device; empty: any.
inline int connect_to(uint16_t port, const std::string& from = "") {
  const int made = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval limit{30, 0};  // a server that never answers fails a test and does not stop it
  setsockopt(made, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  if (!from.empty()) {
    EXPECT_EQ(inet_pton(AF_INET, from.c_str(), &address.sin_addr), 1);
    EXPECT_EQ(bind(made, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  }
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(made, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  return made;
}

class Client {
 public:
  explicit Client(uint16_t port, const std::string& from = "") : socket_(connect_to(port, from)) {}
  ~Client() { close(socket_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  bool send(const std::string& bytes) {
    return ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(bytes.size());
  }
  void send_no_more() { shutdown(socket_, SHUT_WR); }
  // One response, according to its length; or whatever there was if the server closes before.
  std::string receive() {
    std::string got;
    char buffer[4096];
    while (!is_whole(got)) {
      const ssize_t count = recv(socket_, buffer, sizeof(buffer), 0);
      if (count <= 0) break;
      got.append(buffer, static_cast<size_t>(count));
    }
    return got;
  }
  // True once the server has closed, within the time.
  bool is_closed(int within_ms) {
    char byte = 0;
    pollfd waits{socket_, POLLIN, 0};
    return poll(&waits, 1, within_ms) == 1 && recv(socket_, &byte, 1, 0) <= 0;
  }
  int socket() const { return socket_; }

 private:
  static bool is_whole(const std::string& text) {
    const size_t head = text.find("\r\n\r\n"), length = text.find("Content-Length: ");
    if (head == std::string::npos) return false;
    if (length == std::string::npos || length > head) return true;
    return text.size() >= head + 4 + std::strtoul(text.c_str() + length + 16, nullptr, 10);
  }
  const int socket_;
};

// "HTTP/1.1 200 OK..." -> 200; 0 if there was no response.
inline int status_of(const std::string& response) {
  return response.rfind("HTTP/1.1 ", 0) == 0 ? std::atoi(response.c_str() + 9) : 0;
}
inline std::string body_of(const std::string& response) {
  const size_t head = response.find("\r\n\r\n");
  return head == std::string::npos ? "" : response.substr(head + 4);
}

// The header of a user and password such as "ann:secret".
inline std::string basic(const std::string& pair) {
  return "Authorization: Basic " + absl::Base64Escape(pair) + "\r\n";
}
inline std::string get(const std::string& target, const std::string& more = "") {
  return "GET " + target + " HTTP/1.1\r\nHost: localhost\r\n" + more + "\r\n";
}

struct Served {
  explicit Served(HttpOptions options = {}, std::string metrics = "metric 1\n")
      : text(std::move(metrics)) {
    options.listen_address = "127.0.0.1:0";
    Site site;
    site.metrics = [this](std::string_view accept) {
      ++scrapes;
      return Page{"text/plain; charset=utf-8", text + std::string(accept)};
    };
    site.ready = [this] { return ready.load(); };
    site.version = "1.2.3<";
    site.counts = counts;
    auto started = HttpServer::start(options, std::move(site));
    EXPECT_TRUE(started.ok()) << started.status();
    if (started.ok()) server = *std::move(started);
  }
  std::string ask(const std::string& request) const {
    Client client(server->port());
    EXPECT_TRUE(client.send(request));
    return client.receive();
  }

  std::atomic<bool> ready{true};
  std::atomic<int> scrapes{0};
  const std::shared_ptr<HttpCounts> counts = std::make_shared<HttpCounts>();
  const std::string text;  // read by the server's threads
  std::unique_ptr<HttpServer> server;
};

}  // namespace swaptrail::http
