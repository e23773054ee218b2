// Clients that send what costs an HTTP/2 server more than it costs them, and read nothing, or
// everything. Memory is this process's, the clients' included.
#include <poll.h>

#include "tests/api/http2_frames.h"
#include "tests/api/listen_fixture.h"

namespace swaptrail::listen {
namespace {

constexpr int kClients = 8;
#ifdef __SANITIZE_ADDRESS__
constexpr long kKept_kib = 256 << 10;  // of what was freed: AddressSanitizer's quarantine
#else
constexpr long kKept_kib = 0;
#endif
constexpr long kMostGrowth_kib = kKept_kib + (48 << 10);
constexpr auto kFor = std::chrono::milliseconds(700);  // at least
constexpr int kAnswers = 11;                           // at least

std::string four(uint32_t value) { return number(value, 4); }

std::string text(const std::string& value) { return static_cast<char>(value.size()) + value; }

// RFC 7541: POST, http, and the others as literals that no table remembers.
std::string call_headers(const std::string& path) {
  return "\x83\x86" + std::string("\x04") + text(path) + "\x01" + text("x") + "\x0f\x10" +
         text("application/grpc") + std::string(1, '\0') + text("te") + text("trailers");
}

constexpr char kStatus[] = "/swaptrail.v1.TraceService/GetStatus";
constexpr char kWatch[] = "/swaptrail.v1.TraceService/WatchLifecycles";
const std::string kEmptyMessage(5, '\0');

struct Flood {
  const char* name;
  std::string (*bytes)(uint32_t round);  // a part of what is sent again and again
};

uint32_t stream(uint32_t round) { return 2 * round + 1; }

const Flood kFloods[] = {
    {"Ping", [](uint32_t) { return frame(6, 0, 0, "01234567"); }},
    {"Settings", [](uint32_t) { return frame(4, 0, 0, ""); }},
    {"SettingsOfWindows",
     [](uint32_t round) {
       return frame(4, 0, 0, std::string("\x00\x04", 2) + four(round % 2 ? 0 : 0x7fffffff));
     }},
    {"Window", [](uint32_t) { return frame(8, 0, 0, four(1)); }},
    {"Priority", [](uint32_t round) { return frame(2, 0, stream(round), four(0) + "\x10"); }},
    {"ResetsOfNothing", [](uint32_t) { return frame(3, 0, 1, four(8)); }},
    {"RapidReset",
     [](uint32_t round) {
       return frame(1, kEndHeaders, stream(round), call_headers(kStatus)) +
              frame(3, 0, stream(round), four(8));
     }},
    {"Calls",
     [](uint32_t round) {
       return frame(1, kEndHeaders, stream(round), call_headers(kStatus)) +
              frame(0, kEndStream, stream(round), kEmptyMessage);
     }},
    {"WatchesThatEnd",
     [](uint32_t round) {
       return frame(1, kEndHeaders, stream(round), call_headers(kWatch)) +
              frame(0, kEndStream, stream(round), kEmptyMessage) +
              frame(3, 0, stream(round), four(8));
     }},
    {"CallsWithoutAnEnd",
     [](uint32_t round) {
       return frame(1, kEndHeaders, stream(round), call_headers(kStatus)) +
              frame(0, 0, stream(round), kEmptyMessage.substr(0, 3));
     }},
    {"Continuation",
     [](uint32_t round) {
       return round == 0
                  ? frame(1, 0, 1, call_headers(kStatus))
                  : frame(9, 0, 1, std::string("\x00\x01y", 3) + text(std::string(100, 'z')));
     }},
    {"EmptyContinuation",
     [](uint32_t round) {
       return round == 0 ? frame(1, 0, 1, call_headers(kStatus)) : frame(9, 0, 1, "");
     }},
    {"EmptyData",
     [](uint32_t round) {
       return round == 0 ? frame(1, kEndHeaders, 1, call_headers(kStatus)) : frame(0, 0, 1, "");
     }},
    {"UnknownFrames", [](uint32_t) { return frame(0x77, 0, 0, std::string(1000, 'u')); }},
    {"LargeFrames", [](uint32_t) { return frame(0x77, 0, 0, std::string(1 << 20, 'u')); }},
};

class ListenFloodTest : public ListenTest,
                        public testing::WithParamInterface<std::tuple<Flood, bool>> {
 protected:
  void SetUp() override {
    ListenTest::SetUp();
    if (getuid() != 0) GTEST_SKIP() << "connects as another user";
    signal(SIGPIPE, SIG_IGN);
    ASSERT_TRUE(start().ok());
    ASSERT_TRUE(get_status(channel()).ok());
  }
  // As a member of the socket's group. Ends with the test, or when the daemon ends it.
  void flood(const Flood& kind, bool reads) {
    const int fd = connect_as(options_.socket_path, 65534, {0});
    if (fd < 0) return;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    std::string waiting = kPreface + frame(4, 0, 0, "");
    uint32_t round = 0;
    std::vector<char> room(64 << 10);
    while (!enough_) {
      while (waiting.size() < room.size()) waiting += kind.bytes(round++);
      const ssize_t count = write(fd, waiting.data(), waiting.size());
      if (count < 0 && errno != EAGAIN) break;
      if (count > 0) {
        waiting.erase(0, static_cast<size_t>(count));
        sent_ += static_cast<uint64_t>(count);
      }
      ssize_t got = 0;
      while (reads && (got = read(fd, room.data(), room.size())) > 0) {
      }
      if (reads && got == 0) break;
      pollfd ready{fd, static_cast<short>(POLLOUT | (reads ? POLLIN : 0)), 0};
      poll(&ready, 1, 10);
    }
    close(fd);
  }

  std::atomic<uint64_t> sent_{0};
  std::atomic<bool> enough_{false};
};

TEST_P(ListenFloodTest, TakesLittleAndOthersAreServed) {
  const auto& [kind, reads] = GetParam();
  const auto honest = channel();
  ASSERT_TRUE(get_status(honest).ok());
  const long before = resident_kib();
  const auto until = std::chrono::steady_clock::now() + kFor;
  std::vector<std::thread> clients;
  for (int i = 0; i < kClients; ++i)
    clients.emplace_back([&, &kind = kind, reads = reads] { flood(kind, reads); });
  long most = before;
  int answered = 0;
  // each has a deadline of its own; how many there are in a second is the benchmark's
  while (!HasFailure() && (answered < kAnswers || std::chrono::steady_clock::now() < until)) {
    EXPECT_TRUE(get_status(honest).ok());
    ++answered;
    most = std::max(most, resident_kib());
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  enough_ = true;
  for (std::thread& client : clients) client.join();
  std::printf("[ memory ] %s, reading %s: %.1f MB sent, at most %ld KiB more, %d honest answers\n",
              kind.name, reads ? "all" : "nothing", static_cast<double>(sent_) / 1e6, most - before,
              answered);
  EXPECT_GT(sent_, 0u);
  EXPECT_LT(most - before, kMostGrowth_kib);
  EXPECT_TRUE(eventually([&] { return server_->counts().reading.open == 0; }));
}

INSTANTIATE_TEST_SUITE_P(Kinds, ListenFloodTest,
                         testing::Combine(testing::ValuesIn(kFloods), testing::Bool()),
                         [](const auto& found) {
                           return std::string(std::get<0>(found.param).name) +
                                  (std::get<1>(found.param) ? "Read" : "Unread");
                         });

}  // namespace
}  // namespace swaptrail::listen
