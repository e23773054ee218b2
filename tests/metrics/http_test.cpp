// What the HTTP server answers, refuses and survives.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "daemon/http/listener.h"
#include "tests/metrics/http_scene.h"

namespace swaptrail::http {
namespace {

TEST(Http, ServesTheMetrics) {
  Served served;
  const std::string response = served.ask(get("/metrics", "Accept: text/x\r\n"));
  EXPECT_EQ(status_of(response), 200);
  EXPECT_EQ(body_of(response), "metric 1\ntext/x");
  EXPECT_NE(response.find("Content-Type: text/plain; charset=utf-8\r\n"), std::string::npos);
  EXPECT_EQ(status_of(served.ask(get("/metrics?name[]=up"))), 200);
}

TEST(Http, HealthyAlwaysReadyWhenItIs) {
  Served served;
  EXPECT_EQ(status_of(served.ask(get("/-/healthy"))), 200);
  EXPECT_EQ(status_of(served.ask(get("/-/ready"))), 200);
  served.ready = false;
  EXPECT_EQ(status_of(served.ask(get("/-/healthy"))), 200);
  EXPECT_EQ(status_of(served.ask(get("/-/ready"))), 503);
  EXPECT_EQ(status_of(served.ask(get("/metrics"))), 200);
}

TEST(Http, ThePageHasLinks) {
  HttpOptions options;
  options.telemetry_path = "/elsewhere";
  Served served(options);
  const std::string page = body_of(served.ask(get("/")));
  EXPECT_NE(page.find("href=\"/elsewhere\""), std::string::npos);
  EXPECT_NE(page.find("1.2.3&lt;"), std::string::npos);
  EXPECT_EQ(status_of(served.ask(get("/elsewhere"))), 200);
  EXPECT_EQ(status_of(served.ask(get("/metrics"))), 404);
}

TEST(Http, HeadHasNoBody) {
  Served served;
  Client client(served.server->port());
  client.send("HEAD /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  std::string got;
  char buffer[4096];
  for (ssize_t count = 1; (count = recv(client.socket(), buffer, sizeof(buffer), 0)) > 0;) {
    got.append(buffer, static_cast<size_t>(count));
  }
  EXPECT_EQ(status_of(got), 200);
  EXPECT_NE(got.find("Content-Length: 9\r\n"), std::string::npos);
  EXPECT_EQ(body_of(got), "");
}

TEST(Http, TricksWithPathsFindNothing) {
  Served served;
  for (const char* path :
       {"/metrics/../etc/passwd", "/metrics/..", "/metrics/", "//metrics", "/%2e%2e/etc/passwd",
        "/%6detrics", "/metrics%00", "/./metrics", "/-/", "/-/healthy/", "/METRICS", "/\\metrics",
        "/metrics;x", "/etc/passwd", "http://localhost//metrics", "http://localhost/metrics/.."}) {
    EXPECT_EQ(status_of(served.ask(get(path))), 404) << path;
  }
  EXPECT_EQ(served.scrapes, 0);
}

TEST(Http, OnlyGetAndHead) {
  Served served;
  for (const char* method : {"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"}) {
    const std::string response =
        served.ask(std::string(method) + " /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(status_of(response), 405) << method;
    EXPECT_NE(response.find("Allow: GET, HEAD\r\n"), std::string::npos);
  }
  EXPECT_EQ(status_of(served.ask("BREW /metrics HTTP/1.1\r\nHost: a\r\n\r\n")), 501);
  EXPECT_EQ(served.scrapes, 0);
}

TEST(Http, ABodyIsRefusedAndTheConnectionEnds) {
  Served served;
  for (const char* line : {"Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"}) {
    Client client(served.server->port());
    client.send(get("/metrics", line) + get("/metrics"));
    EXPECT_EQ(status_of(client.receive()), 413);
    EXPECT_TRUE(client.is_closed(5000));
  }
  EXPECT_EQ(served.scrapes, 0);
}

TEST(Http, WhatIsNoRequestIsRefused) {
  Served served;
  EXPECT_EQ(status_of(served.ask("nonsense\r\n\r\n")), 400);
  EXPECT_EQ(status_of(served.ask("GET /metrics HTTP/9.9\r\n\r\n")), 505);
  EXPECT_EQ(status_of(served.ask("GET /metrics HTTP/1.1\nHost: a\r\n\r\n")), 400);
  EXPECT_EQ(status_of(served.ask(std::string("GET /\0 HTTP/1.1\r\n\r\n", 19))), 400);
  EXPECT_EQ(status_of(served.ask(get("/metrics"))), 200);
}

TEST(Http, HeadersOfAllSizes) {
  Served served;
  EXPECT_EQ(status_of(served.ask(get("/metrics", "X: " + std::string(8'000, 'x') + "\r\n"))), 200);
  EXPECT_EQ(status_of(served.ask(get("/metrics", "X: " + std::string(40'000, 'x') + "\r\n"))), 431);
  std::string many;
  for (int line = 0; line < 4'000; ++line) many += "A: b\r\n";
  EXPECT_EQ(status_of(served.ask(get("/metrics", many))), 431);
  EXPECT_EQ(status_of(served.ask(get("/" + std::string(9'000, 'a')))), 414);
  EXPECT_EQ(status_of(served.ask("GET /" + std::string(100'000, 'a'))), 414);
  // what can't become a request is not waited for
  EXPECT_EQ(status_of(served.ask("GET / HTTP/1.1\nHost: a\n\n")), 400);
  EXPECT_EQ(status_of(served.ask("\n")), 400);
}

TEST(Http, RangesAndEncodingsAreNotLookedAt) {
  Served served;
  const std::string response =
      served.ask(get("/metrics",
                     "Range: bytes=0-1,1-2,2-3\r\nAccept-Encoding: br, gzip\r\nExpect: "
                     "100-continue\r\n"));
  EXPECT_EQ(status_of(response), 200);
  EXPECT_EQ(body_of(response), "metric 1\n");
}

TEST(Http, AConnectionIsKeptAndRequestsMayFollowAtOnce) {
  Served served;
  Client client(served.server->port());
  for (int round = 0; round < 3; ++round) {
    client.send(get("/metrics"));
    EXPECT_EQ(status_of(client.receive()), 200);
  }
  client.send(get("/-/healthy") + get("/-/ready", "Connection: close\r\n"));
  std::string both = client.receive();
  while (both.find("Ready") == std::string::npos && !client.is_closed(0)) both += client.receive();
  EXPECT_NE(both.find("Healthy\n"), std::string::npos);
  EXPECT_TRUE(client.is_closed(5000));
  EXPECT_TRUE([&] {
    Client old(served.server->port());
    old.send("GET /metrics HTTP/1.0\r\n\r\n");
    return status_of(old.receive()) == 200 && old.is_closed(5000);
  }());
}

TEST(Http, AClientMayEndItsSide) {
  Served served;
  Client client(served.server->port());
  client.send(get("/metrics"));
  client.send_no_more();
  EXPECT_EQ(status_of(client.receive()), 200);
}

TEST(Http, ByteByByte) {
  Served served;
  Client client(served.server->port());
  for (const char byte : get("/metrics")) client.send(std::string(1, byte));
  EXPECT_EQ(status_of(client.receive()), 200);
}

TEST(Http, TwentyScrapersAtOnce) {
  const Served served({}, std::string(2 << 20, 'x') + "\n");
  std::vector<std::thread> scrapers;
  std::atomic<int> good{0};
  for (int number = 0; number < 20; ++number) {
    scrapers.emplace_back([&] {
      Client client(served.server->port());
      for (int round = 0; round < 5; ++round) {
        client.send(get("/metrics"));
        good += body_of(client.receive()).size() == served.text.size() ? 1 : 0;
      }
    });
  }
  for (std::thread& scraper : scrapers) scraper.join();
  EXPECT_EQ(good, 100);
}

// They say nothing, or half a request, or do not take their answer.
TEST(Http, TwoHundredSlowClientsTakeNobodysPlace) {
  HttpOptions options;
  options.max_connections = 150;  // fewer than there are
  options.head_timeout_ms = 600'000;
  options.write_timeout_ms = 600'000;
  const Served served(options, std::string(8 << 20, 'x'));
  std::vector<std::unique_ptr<Client>> slow;
  for (int number = 0; number < 200; ++number) {
    slow.push_back(std::make_unique<Client>(served.server->port()));
    if (number % 3 == 0) slow.back()->send("GET /metrics HTTP/1.1\r\nHos");
    if (number % 40 == 0) slow.back()->send("t: a\r\n\r\n");
  }
  for (int number = 0; number < 10; ++number) {
    EXPECT_EQ(status_of(served.ask(get("/-/healthy"))), 200) << number;
  }
}

TEST(Http, ASlowHeadIsGivenUp) {
  HttpOptions options;
  options.head_timeout_ms = 300;
  options.idle_timeout_ms = 600'000;
  Served served(options);
  Client silent(served.server->port()), half(served.server->port()), idle(served.server->port());
  half.send("GET / HT");
  idle.send(get("/-/healthy"));
  EXPECT_EQ(status_of(idle.receive()), 200);
  EXPECT_TRUE(silent.is_closed(10'000));
  EXPECT_TRUE(half.is_closed(10'000));
  EXPECT_FALSE(idle.is_closed(0));
}

TEST(Http, AnIdleConnectionIsGivenUp) {
  HttpOptions options;
  options.idle_timeout_ms = 300;
  Served served(options);
  Client client(served.server->port());
  client.send(get("/-/healthy"));
  EXPECT_EQ(status_of(client.receive()), 200);
  EXPECT_TRUE(client.is_closed(10'000));
}

TEST(Http, AFullQueueIsTold) {
  HttpOptions options;
  options.workers = 1;
  options.max_waiting = 1;
  options.listen_address = "127.0.0.1:0";
  std::atomic<bool> go{false};
  std::atomic<int> inside{0};
  Site site;
  site.metrics = [&](std::string_view) {
    ++inside;
    while (!go) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return Page{"text/plain", "x"};
  };
  site.ready = [] { return true; };
  const auto server = HttpServer::start(options, site);
  ASSERT_TRUE(server.ok());
  Client working((*server)->port());
  working.send(get("/metrics"));
  while (inside == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  Client first((*server)->port()), second((*server)->port());
  first.send(get("/metrics"));
  second.send(get("/metrics"));
  // one of the two waits, the other is refused
  pollfd waits[] = {{first.socket(), POLLIN, 0}, {second.socket(), POLLIN, 0}};
  ASSERT_EQ(poll(waits, 2, 10'000), 1);
  Client& refused = waits[0].revents != 0 ? first : second;
  Client& waiting = waits[0].revents != 0 ? second : first;
  EXPECT_EQ(status_of(refused.receive()), 503);
  go = true;
  EXPECT_EQ(status_of(working.receive()), 200);
  EXPECT_EQ(status_of(waiting.receive()), 200);
}

TEST(Http, OneTooManyTakesThePlaceOfAnIdleOne) {
  HttpOptions options;
  options.max_connections = 4;  // of which one address has half
  options.head_timeout_ms = options.idle_timeout_ms = 600'000;
  Served served(options);
  Client half(served.server->port()), idle(served.server->port());
  half.send("GET /-/healthy HT");
  idle.send(get("/-/healthy"));
  EXPECT_EQ(status_of(idle.receive()), 200);
  Client third(served.server->port());
  EXPECT_TRUE(idle.is_closed(10'000));
  half.send("TP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(status_of(half.receive()), 200);
  third.send(get("/-/healthy"));
  EXPECT_EQ(status_of(third.receive()), 200);
}

TEST(Http, OneTooManyIsClosedWhileAllOthersAreAnswered) {
  std::atomic<bool> go{false};
  std::atomic<int> inside{0};
  HttpOptions options;
  options.listen_address = "127.0.0.1:0";
  options.max_connections = 4;  // of which one address has half
  options.head_timeout_ms = options.idle_timeout_ms = 600'000;
  Site site;
  site.metrics = [&](std::string_view) {
    ++inside;
    while (!go) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return Page{"text/plain", "x"};
  };
  site.ready = [] { return true; };
  const auto server = HttpServer::start(options, site);
  ASSERT_TRUE(server.ok());
  Client first((*server)->port()), second((*server)->port());
  first.send(get("/metrics"));
  second.send(get("/metrics"));
  while (inside < 2) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  Client third((*server)->port());
  EXPECT_TRUE(third.is_closed(10'000));
  go = true;
  EXPECT_EQ(status_of(first.receive()), 200);
  EXPECT_EQ(status_of(second.receive()), 200);
}

TEST(Http, StopsWithConnectionsOpen) {
  auto served = std::make_unique<Served>();
  Client client(served->server->port()), half(served->server->port());
  half.send("GET /");
  served.reset();
  EXPECT_TRUE(client.is_closed(5000));
}

TEST(Http, AddressesAndPaths) {
  for (const char* address : {"", "9789", "localhost", "1.2.3.4:", "1.2.3.4:x", "1.2.3.4:70000",
                              "::1:9789", "[::1]", "no-such-host.invalid:1"}) {
    const auto listener = listen_on(address);
    EXPECT_EQ(listener.status().code(), absl::StatusCode::kInvalidArgument) << address;
  }
  for (const char* address : {":0", "127.0.0.1:0", "localhost:0"}) {
    const auto listener = listen_on(address);
    ASSERT_TRUE(listener.ok()) << listener.status();
    EXPECT_NE(listener->port, 0);
    const std::string again = "127.0.0.1:" + std::to_string(listener->port);
    EXPECT_EQ(listen_on(again).status().code(), absl::StatusCode::kUnavailable) << address;
    close(listener->socket);
  }
  for (const char* path : {"", "metrics", "/", "/-/ready", "/a b", "/a?b", "/%61"}) {
    HttpOptions options;
    options.listen_address = "127.0.0.1:0";
    options.telemetry_path = path;
    EXPECT_EQ(HttpServer::start(options, {}).status().code(), absl::StatusCode::kInvalidArgument)
        << path;
  }
}

}  // namespace
}  // namespace swaptrail::http
