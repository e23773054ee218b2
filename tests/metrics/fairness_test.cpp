// One client can't keep the others out: passwords, workers, the queue before them, and places.
#include <gtest/gtest.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/escaping.h"
#include "daemon/base/client_address.h"
#include "daemon/http/fair_queue.h"
#include "daemon/http/passwords.h"
#include "tests/metrics/http_scene.h"

namespace swaptrail::http {
namespace {

using Clock = std::chrono::steady_clock;

// By crypt(3) of another program (python3 -c 'import crypt'): "secret" at a cost of 4, "right" at 10.
constexpr char kCheap[] = "$2b$04$iJgubGOExXU/amb91fjNK.7lesVkOmHt9VbM6sn2eQYooNEksXlK2";
constexpr char kDear[] = "$2b$10$Lf.lcH6ayOtVMwQ4FSyOsOAQG3B.o8ikvOwsZegVllKfppOGrzk1e";

base::ClientAddress address_of(const std::string& text) {
  sockaddr_storage name{};
  auto* four = reinterpret_cast<sockaddr_in*>(&name);
  auto* six = reinterpret_cast<sockaddr_in6*>(&name);
  if (inet_pton(AF_INET, text.c_str(), &four->sin_addr) == 1) {
    name.ss_family = AF_INET;
  } else {
    EXPECT_EQ(inet_pton(AF_INET6, text.c_str(), &six->sin6_addr), 1) << text;
    name.ss_family = AF_INET6;
  }
  return base::client_address(name);
}

TEST(ClientAddress, WhoIsTheSame) {
  EXPECT_EQ(address_of("127.0.0.1"), address_of("::ffff:127.0.0.1"));
  EXPECT_NE(address_of("127.0.0.1"), address_of("127.0.0.2"));
  EXPECT_EQ(address_of("2001:db8:1:2::1"), address_of("2001:db8:1:2:ffff::"));
  EXPECT_NE(address_of("2001:db8:1:2::1"), address_of("2001:db8:1:3::1"));
}

TEST(FairQueue, TakesTurns) {
  FairQueue<int> queue(10, 20);
  const base::ClientAddress one = address_of("10.0.0.1"), two = address_of("10.0.0.2");
  for (const int item : {1, 2, 3}) EXPECT_FALSE(queue.push(one, item));
  EXPECT_FALSE(queue.push(two, 4));
  const auto anyone = [](const base::ClientAddress&) { return true; };
  std::vector<int> order;
  while (const auto next = queue.pop(anyone)) order.push_back(next->second);
  EXPECT_EQ(order, (std::vector<int>{1, 4, 2, 3}));
  EXPECT_EQ(queue.size(), 0u);
}

TEST(FairQueue, PassesOverWhoMayNot) {
  FairQueue<int> queue(10, 20);
  const base::ClientAddress one = address_of("10.0.0.1"), two = address_of("10.0.0.2");
  queue.push(one, 1);
  queue.push(two, 2);
  EXPECT_EQ(queue.pop([&](const base::ClientAddress& from) { return from == two; })->second, 2);
  EXPECT_FALSE(queue.pop([&](const base::ClientAddress& from) { return from == two; }));
  EXPECT_EQ(queue.size(), 1u);
}

TEST(FairQueue, BoundsAndWhoGivesWay) {
  FairQueue<int> queue(3, 4);
  const base::ClientAddress one = address_of("10.0.0.1"), two = address_of("10.0.0.2"),
                            three = address_of("10.0.0.3");
  for (const int item : {1, 2, 3}) EXPECT_FALSE(queue.push(one, item));
  EXPECT_EQ(queue.push(one, 4), 4) << "all that one may have";
  EXPECT_FALSE(queue.push(two, 5));
  EXPECT_EQ(queue.push(three, 6), 3) << "the newest of who has most";
  EXPECT_EQ(queue.push(two, 7), 7) << "nobody has more than it would have";
  EXPECT_EQ(queue.size(), 4u);
}

TEST(Fairness, AFloodOfWrongPasswordsLocksNobodyOut) {
  Folder folder;
  std::string users = "basic_auth_users:\n";
  for (int number = 0; number < 10; ++number)
    users += "  user" + std::to_string(number) + ": " + kDear + "\n";
  HttpOptions options;
  options.config_file = folder.file("web.yml", users);
  Served served(options);
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::vector<std::thread> flood;
  flood.reserve(20);
  for (int number = 0; number < 20; ++number) {
    flood.emplace_back([&, number] {
      for (int round = 0; !stop; ++round) {
        Client client(served.server->port(), "127.0.0.2");
        client.send(get("/metrics", basic("user" + std::to_string(number % 10) + ":wrong" +
                                          std::to_string(round))));
        const int status = status_of(client.receive());
        if (status == 401) ++wrong;
        // or else the clients, and not the server, would take the CPUs from the comparisons
        if (status == 503) std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
    });
  }
  while (wrong < 5) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  // each of them is right for the first time, so it has to be compared
  for (int number = 0; number < 10; ++number) {
    const auto begin = Clock::now();
    const int wrong_before = wrong;
    Client client(served.server->port(), "127.0.0.1");
    client.send(get("/metrics", basic("user" + std::to_string(number) + ":right")));
    EXPECT_EQ(status_of(client.receive()), 200) << number;
    // that which runs, one whose turn it was, and those whose answers were still on their way
    EXPECT_LE(wrong - wrong_before, 4) << number;
    EXPECT_LT(Clock::now() - begin, std::chrono::seconds(10)) << "as long as Prometheus waits";
  }
  stop = true;
  for (std::thread& thread : flood) thread.join();
  EXPECT_GT(served.counts->refused_passwords, 0u) << "there was no flood";
  EXPECT_EQ(served.scrapes, 10);
}

// In CPU time of this thread, so that a busy host makes no difference; the least of several, since what
// disturbs only adds.
std::chrono::nanoseconds least_time(Passwords& passwords, const std::string& name) {
  const auto now = [] {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  };
  auto least = std::chrono::nanoseconds::max();
  for (int round = 0; round < 7; ++round) {
    const auto begin = now();
    EXPECT_EQ(passwords.check({}, name, "wrong"), PasswordCheck::kWrong);
    least = std::min<std::chrono::nanoseconds>(least, now() - begin);
  }
  return least;
}

TEST(Fairness, TimeTellsNoNames) {
  Passwords passwords({{"cheap", kCheap}, {"dear", kDear}});
  const auto cheap = least_time(passwords, "cheap"), dear = least_time(passwords, "dear"),
             nobody = least_time(passwords, "nobody");
  // 64 times as much without any care
  for (const auto other : {cheap, nobody}) {
    EXPECT_LT(other, dear * 5 / 4);
    EXPECT_LT(dear, other * 5 / 4);
  }
  EXPECT_EQ(passwords.check({}, "cheap", "secret"), PasswordCheck::kRight);
  EXPECT_EQ(passwords.check({}, "dear", "right"), PasswordCheck::kRight);
  EXPECT_EQ(passwords.check({}, "dear", "secret"), PasswordCheck::kWrong);
  EXPECT_EQ(passwords.check({}, "cheap", "right"), PasswordCheck::kWrong);
}

// A page that is only finished when the test says so.
struct Held {
  explicit Held(HttpOptions options) {
    options.listen_address = "127.0.0.1:0";
    options.head_timeout_ms = options.idle_timeout_ms = 600'000;
    Site site;
    site.counts = counts;
    site.metrics = [this](std::string_view) {
      ++inside;
      while (!go) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      return Page{"text/plain", "x"};
    };
    site.ready = [] { return true; };
    server = *HttpServer::start(options, site);
  }
  ~Held() { go = true; }
  template <typename Condition>
  static bool becomes(const Condition& condition) {
    for (int tries = 0; tries < 5'000 && !condition(); ++tries)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return condition();
  }
  std::atomic<bool> go{false};
  std::atomic<int> inside{0};
  const std::shared_ptr<HttpCounts> counts = std::make_shared<HttpCounts>();
  std::unique_ptr<HttpServer> server;
};

using Clients = std::vector<std::unique_ptr<Client>>;

TEST(Fairness, OneAddressHasHalfOfTheWorkersAndOfTheirQueue) {
  HttpOptions options;
  options.workers = 4;
  options.max_waiting = 6;
  Held held(options);
  Clients hog;
  for (int number = 0; number < 12; ++number) {
    hog.push_back(std::make_unique<Client>(held.server->port(), "127.0.0.2"));
    hog.back()->send(get("/metrics"));
    // the first two have left the queue before others come to it
    if (number != 1) continue;
    EXPECT_TRUE(Held::becomes([&] { return held.inside == 2; }));
  }
  EXPECT_TRUE(Held::becomes([&] { return held.counts->refused_queue == 12 - 2 - 3; }));
  EXPECT_EQ(held.inside, 2);
  Client other(held.server->port(), "127.0.0.1");
  other.send(get("/-/healthy"));
  EXPECT_EQ(status_of(other.receive()), 200) << "before any of those is answered";
  held.go = true;
}

TEST(Fairness, OneAddressHasHalfOfThePlaces) {
  HttpOptions options;
  options.max_connections = 8;
  Held held(options);
  Clients hog;
  for (int number = 0; number < 6; ++number)
    hog.push_back(std::make_unique<Client>(held.server->port(), "127.0.0.2"));
  EXPECT_TRUE(Held::becomes([&] { return held.counts->closed_address == 2; }));
  EXPECT_TRUE(Held::becomes([&] { return held.counts->connections == 4; }));
  EXPECT_TRUE(hog[0]->is_closed(5'000)) << "its own longest waiter";
  EXPECT_TRUE(hog[1]->is_closed(5'000));
  EXPECT_FALSE(hog[5]->is_closed(0));
}

TEST(Fairness, WhoHasMostPlacesGivesOneUp) {
  HttpOptions options;
  options.max_connections = 8;
  Held held(options);
  // it waits for longest
  Client patient(held.server->port(), "127.0.0.1");
  EXPECT_TRUE(Held::becomes([&] { return held.counts->accepted == 1; }));
  Clients hog, others;
  for (int number = 0; number < 4; ++number)
    hog.push_back(std::make_unique<Client>(held.server->port(), "127.0.0.2"));
  for (int number = 0; number < 3; ++number)
    others.push_back(std::make_unique<Client>(held.server->port(), "127.0.0.3"));
  EXPECT_TRUE(Held::becomes([&] { return held.counts->accepted == 8; }));
  const Client newest(held.server->port(), "127.0.0.4");
  EXPECT_TRUE(hog[0]->is_closed(5'000));
  EXPECT_EQ(held.counts->closed_full, 1u);
  // one leaves before the other comes
  EXPECT_TRUE(Held::becomes([&] { return held.counts->connections == 8; }));
  EXPECT_FALSE(patient.is_closed(0));
  for (const auto& other : others) EXPECT_FALSE(other->is_closed(0));
}

}  // namespace
}  // namespace swaptrail::http
