// What callers can do to the daemon, and that it goes on: limits, idlers, nonsense, shutdown.
#include "tests/api/listen_fixture.h"

namespace swaptrail::listen {
namespace {

constexpr char kPreface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// One WatchLifecycles stream, read until it ends.
class Watcher : public grpc::ClientReadReactor<v1::WatchLifecyclesResponse> {
 public:
  explicit Watcher(v1::TraceService::Stub& stub) {
    stub.async()->WatchLifecycles(&context_, &request_, this);
    StartRead(&response_);
    StartCall();
  }
  void OnReadDone(bool ok) override {
    if (ok) StartRead(&response_);
  }
  void OnDone(const grpc::Status& status) override {
    code = status.error_code();
    done = true;
  }
  void cancel() { context_.TryCancel(); }

  std::atomic<bool> done{false};
  grpc::StatusCode code = grpc::StatusCode::OK;

 private:
  grpc::ClientContext context_;
  v1::WatchLifecyclesRequest request_;
  v1::WatchLifecyclesResponse response_;
};

class ListenHostileTest : public ListenTest {
 protected:
  void SetUp() override {
    ListenTest::SetUp();
    if (getuid() != 0) GTEST_SKIP() << "uid 0 is who gets the full server";
    resident_before_ = resident_kib();
  }
  void TearDown() override {
    if (resident_before_ > 0)
      std::printf("[ memory ] resident %ld KiB before, %ld after\n", resident_before_,
                  resident_kib());
    ListenTest::TearDown();
  }
  using Watchers = std::vector<std::unique_ptr<Watcher>>;
  static Watchers watch(v1::TraceService::Stub& stub, int count) {
    Watchers watchers;
    for (int i = 0; i < count; ++i) watchers.push_back(std::make_unique<Watcher>(stub));
    return watchers;
  }
  static size_t ended(const Watchers& watchers) {
    return static_cast<size_t>(std::count_if(watchers.begin(), watchers.end(),
                                             [](const auto& w) { return w->done.load(); }));
  }
  static void end(Watchers& watchers) {
    for (const auto& watcher : watchers) watcher->cancel();
    EXPECT_TRUE(eventually([&] { return ended(watchers) == watchers.size(); }));
  }
  // A unary call by name, its message as bytes.
  std::pair<grpc::Status, std::string> raw_call(const std::shared_ptr<grpc::Channel>& to,
                                                const std::string& method,
                                                const std::string& message) {
    grpc::GenericStub stub(to);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    grpc::CompletionQueue queue;
    grpc::Slice slice(message);
    auto stream = stub.PrepareCall(&context, method, &queue);
    const auto wait = [&queue] {
      void* tag;
      bool ok = false;
      return queue.Next(&tag, &ok) && ok;
    };
    grpc::ByteBuffer answer;
    grpc::Status status;
    stream->StartCall(nullptr);
    wait();
    stream->Write(grpc::ByteBuffer(&slice, 1), nullptr);
    wait();
    stream->Read(&answer, nullptr);
    const bool read = wait();
    stream->WritesDone(nullptr);
    wait();
    stream->Finish(&status, nullptr);
    wait();
    std::string text;
    std::vector<grpc::Slice> slices;
    if (read && answer.Dump(&slices).ok())
      for (const grpc::Slice& part : slices)
        text.append(reinterpret_cast<const char*>(part.begin()), part.size());
    return {status, text};
  }
  std::string health(const std::shared_ptr<grpc::Channel>& to, const std::string& service) {
    const std::string request =
        service.empty() ? "" : std::string("\x0a") + static_cast<char>(service.size()) + service;
    return raw_call(to, "/grpc.health.v1.Health/Check", request).second;
  }

  long resident_before_ = 0;
};

TEST_F(ListenHostileTest, AThousandConnectionsAreBounded) {
  options_.max_connections = 64;
  ASSERT_TRUE(start().ok());
  ASSERT_TRUE(get_status(channel()).ok());
  ASSERT_TRUE(eventually([&] { return open() == 0; }));
  const long before = resident_kib();
  std::vector<int> all;
  for (int i = 0; i < 1000; ++i) {
    all.push_back(connect_raw());
    ASSERT_GE(all.back(), 0) << strerror(errno);
  }
  ASSERT_TRUE(eventually([&] {
    const auto counts = server_->counts().full;
    return counts.accepted + counts.refused_full == 1001;
  }));
  EXPECT_EQ(open(), 64u);
  EXPECT_EQ(server_->counts().full.refused_full, 936u);
  const long grown = resident_kib() - before;
  std::printf("[ memory ] 64 of 1000 connections took %ld KiB\n", grown);
  EXPECT_LT(grown, 64 * 1024);
  for (const int fd : all) close(fd);
  EXPECT_TRUE(eventually([&] { return open() == 0; }));
  EXPECT_TRUE(get_status(channel()).ok());
}

TEST_F(ListenHostileTest, ReadersLeaveRoomForRoot) {
  options_.max_connections = 32;
  ASSERT_TRUE(start().ok());
  std::vector<int> all;
  for (int i = 0; i < 40; ++i)  // the socket's group is `root` here
    all.push_back(connect_as(options_.socket_path, 65534, {0}));
  ASSERT_TRUE(eventually([&] {
    const auto counts = server_->counts().reading;
    return counts.accepted + counts.refused_full == 40;
  }));
  EXPECT_EQ(server_->counts().reading.open, 16u);
  EXPECT_TRUE(trigger(channel()).ok());
  for (const int fd : all) close(fd);
}

TEST_F(ListenHostileTest, AUserLeavesRoomForOthers) {
  options_.max_connections_of_user = 8;
  ASSERT_TRUE(start().ok());
  std::vector<int> all;
  for (int i = 0; i < 20; ++i) all.push_back(connect_as(options_.socket_path, 65534, {0}));
  ASSERT_TRUE(eventually([&] { return server_->counts().reading.refused_user == 12; }));
  EXPECT_EQ(server_->counts().reading.open, 8u);
  EXPECT_TRUE(get_status(channel_of(connect_as(options_.socket_path, 65533, {0}))).ok());
  for (const int fd : all) close(fd);
  EXPECT_TRUE(eventually([&] { return server_->counts().reading.open == 0; }));
  EXPECT_TRUE(get_status(channel_of(connect_as(options_.socket_path, 65534, {0}))).ok())
      << "what was given back can be had again";
}

TEST_F(ListenHostileTest, CallsOfAUserAreBoundedOverAllConnections) {
  options_.max_streams_of_user = 40;
  ASSERT_TRUE(start().ok());
  std::vector<std::unique_ptr<v1::TraceService::Stub>> stubs;
  std::vector<Watchers> watchers;
  for (int i = 0; i < 3; ++i) {  // the third one goes beyond
    stubs.push_back(
        v1::TraceService::NewStub(channel_of(connect_as(options_.socket_path, 65534, {0}))));
    watchers.push_back(watch(*stubs.back(), 15));
    ASSERT_TRUE(eventually([&] { return trace_.watching == 15 * std::min(i + 1, 2); }));
  }
  EXPECT_TRUE(eventually([&] { return ended(watchers[2]) == 15; }));
  EXPECT_EQ(server_->counts().reading.closed_over_limits, 1u);
  EXPECT_EQ(ended(watchers[0]) + ended(watchers[1]), 0u);
  EXPECT_TRUE(get_status(channel_of(connect_as(options_.socket_path, 65533, {0}))).ok());
  for (Watchers& some : watchers) end(some);
  EXPECT_TRUE(eventually([&] { return trace_.watching == 0; }));
  EXPECT_TRUE(get_status(channel_of(connect_as(options_.socket_path, 65534, {0}))).ok());
}

TEST_F(ListenHostileTest, ConnectionsComeAndGo) {
  ASSERT_TRUE(start().ok());
  const long before = resident_kib();
  for (int round = 0; round < 20; ++round) {
    std::vector<std::thread> clients;
    for (int i = 0; i < 4; ++i)
      clients.emplace_back([&, i] {
        for (int k = 0; k < 10; ++k) {
          const int fd = connect_raw();
          if (i % 2 == 0 && write(fd, kPreface, sizeof(kPreface) - 1) < 0) std::abort();
          close(fd);
          EXPECT_TRUE(get_status(channel()).ok());
        }
      });
    for (std::thread& client : clients) client.join();
  }
  EXPECT_TRUE(eventually([&] { return open() == 0; }));
  EXPECT_EQ(server_->counts().full.accepted, 1600u);
  std::printf("[ memory ] 1600 connections one after the other left %ld KiB\n",
              resident_kib() - before);
}

TEST_F(ListenHostileTest, WithoutDescriptorsItGoesOn) {
  ASSERT_TRUE(start().ok());
  ASSERT_TRUE(get_status(channel()).ok());
  int go[2];
  ASSERT_EQ(pipe2(go, O_CLOEXEC), 0);
  const pid_t flood = fork();
  if (flood == 0) {
    char byte;
    if (read(go[0], &byte, 1) != 1) _exit(1);
    for (int i = 0; i < 50; ++i) connect_raw();
    pause();
  }
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlim_t before = limit.rlim_cur;
  const int highest = dup(0);
  limit.rlim_cur = static_cast<rlim_t>(highest) + 12;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  ASSERT_EQ(write(go[1], "g", 1), 1);
  EXPECT_TRUE(eventually([&] { return server_->counts().refused_no_descriptors >= 30; }));
  limit.rlim_cur = before;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  kill(flood, SIGKILL);
  waitpid(flood, nullptr, 0);
  for (const int fd : {go[0], go[1], highest}) close(fd);
  EXPECT_TRUE(eventually([&] { return open() == 0; }));
  EXPECT_TRUE(get_status(channel()).ok());
}

TEST_F(ListenHostileTest, WhoNeverSpeaksHttp2Goes) {
  options_.handshake_limit = absl::Milliseconds(300);
  ASSERT_TRUE(start().ok());
  // Nothing; a part of the preface; all of it, but no SETTINGS.
  for (const size_t size : {size_t{0}, size_t{10}, sizeof(kPreface) - 1}) {
    const int fd = connect_raw();
    ASSERT_EQ(write(fd, kPreface, size), static_cast<ssize_t>(size));
    char bytes[256];
    while (read(fd, bytes, sizeof(bytes)) > 0) {
    }
    EXPECT_TRUE(eventually([&] { return open() == 0; })) << size;
    close(fd);
  }
  EXPECT_EQ(server_->counts().full.accepted, 3u);
}

TEST_F(ListenHostileTest, PlainHttpGetsNowhere) {
  ASSERT_TRUE(start().ok());
  for (const std::string& text :
       {std::string("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"), std::string(100000, '\xff'),
        std::string(kPreface) + std::string(5000, '\xff')}) {
    const int fd = connect_raw();
    signal(SIGPIPE, SIG_IGN);
    const ssize_t sent = write(fd, text.data(), text.size());
    EXPECT_TRUE(sent > 0 || errno == EPIPE);
    std::string answer;
    char bytes[4096];
    for (ssize_t size; (size = read(fd, bytes, sizeof(bytes))) > 0;)
      answer.append(bytes, static_cast<size_t>(size));
    EXPECT_EQ(answer.find("200 OK"), std::string::npos);
    EXPECT_TRUE(eventually([&] { return open() == 0; }));
    close(fd);
  }
  EXPECT_TRUE(get_status(channel()).ok());
}

TEST_F(ListenHostileTest, IdleConnectionsGo) {
  options_.max_idle = absl::Milliseconds(300);
  ASSERT_TRUE(start().ok());
  const auto idle = channel();
  ASSERT_TRUE(get_status(idle).ok());
  EXPECT_TRUE(eventually([&] { return open() == 0; }));
  // A call that the client sends before it has seen the close is refused: nobody retries it.
  ASSERT_TRUE(eventually([&] { return idle->GetState(false) != GRPC_CHANNEL_READY; }));
  EXPECT_TRUE(get_status(idle).ok()) << "gRPC connects again";

  const auto stub = v1::TraceService::NewStub(channel());
  Watchers watchers = watch(*stub, 1);
  ASSERT_TRUE(eventually([&] { return trace_.watching == 1; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(900));
  EXPECT_EQ(ended(watchers), 0u) << "a stream is not idle";
  end(watchers);
}

TEST_F(ListenHostileTest, OversizedMessagesAreRefused) {
  ASSERT_TRUE(start().ok());
  const auto to = channel();
  EXPECT_TRUE(trigger(to, std::string(60000, 'x')).ok());
  EXPECT_EQ(trigger(to, std::string((64 << 10) + 1, 'x')).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(trigger(to, std::string(4 << 20, 'x')).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(control_.longest_reason, 60000u);
  EXPECT_TRUE(get_status(to).ok());
}

TEST_F(ListenHostileTest, CompressedMessagesAreRefused) {
  ASSERT_TRUE(start().ok());
  const auto to = channel();
  // A few KiB on the wire, 64 MiB in memory.
  EXPECT_EQ(trigger(to, std::string(64 << 20, 'x'), true).error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(control_.longest_reason, 0u);
  EXPECT_TRUE(get_status(to).ok());
}

TEST_F(ListenHostileTest, LargeMetadataIsRefused) {
  ASSERT_TRUE(start().ok());
  const auto to = channel();
  grpc::ClientContext context;
  context.AddMetadata("x", std::string(40 << 10, 'x'));
  v1::GetStatusResponse response;
  const grpc::Status status = v1::TraceService::NewStub(to)->GetStatus(&context, {}, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << status.error_message();
  EXPECT_TRUE(get_status(channel()).ok());
}

TEST_F(ListenHostileTest, StreamsOfAConnectionAreHeldToTheLimit) {
  ASSERT_TRUE(start().ok());
  const auto stub = v1::TraceService::NewStub(channel());
  Watchers watchers = watch(*stub, 90);
  EXPECT_TRUE(eventually([&] { return trace_.watching == 32; }));
  EXPECT_TRUE(get_status(channel()).ok()) << "others are served";
  EXPECT_EQ(trace_.most_watching,
            32);  // a cancelled one makes room before its service has seen it
  end(watchers);
  EXPECT_TRUE(eventually([&] { return trace_.watching == 0; }));
}

TEST_F(ListenHostileTest, CallsBeyondTheThreadsAreRefused) {
  options_.max_threads = 24;
  ASSERT_TRUE(start().ok());
  const auto to = channel();
  const auto stub = v1::TraceService::NewStub(to);
  Watchers watchers = watch(*stub, 60);
  EXPECT_TRUE(eventually([&] {
    return ended(watchers) + static_cast<size_t>(trace_.watching) == 60 && ended(watchers) > 0;
  }));
  EXPECT_LE(trace_.most_watching, 24);
  for (const auto& watcher : watchers)
    EXPECT_TRUE(!watcher->done || watcher->code == grpc::StatusCode::RESOURCE_EXHAUSTED);
  end(watchers);
  EXPECT_TRUE(eventually([&] { return get_status(to).ok(); }));
}

TEST_F(ListenHostileTest, ManyLargeMessagesAtOnceStayInMemory) {
  ASSERT_TRUE(start().ok());
  const long before = resident_kib();
  std::vector<std::thread> clients;
  std::atomic<int> odd{0};
  for (int i = 0; i < 32; ++i)
    clients.emplace_back([&] {
      const auto to = channel();
      for (int k = 0; k < 10; ++k) {
        const auto code = trigger(to, std::string(60000, 'x')).error_code();
        if (code != grpc::StatusCode::OK && code != grpc::StatusCode::RESOURCE_EXHAUSTED) odd++;
      }
    });
  long most = 0;
  for (int i = 0; i < 50; ++i) {
    most = std::max(most, resident_kib());
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  for (std::thread& client : clients) client.join();
  std::printf("[ memory ] 32 clients with 60 KB messages: at most %ld KiB more, clients included\n",
              most - before);
  EXPECT_EQ(odd, 0);
  EXPECT_TRUE(get_status(channel()).ok());
}

TEST_F(ListenHostileTest, HealthAndReflectionAnswer) {
  ASSERT_TRUE(start().ok());
  const int fd = connect_as(options_.socket_path, 65534, {0});
  ASSERT_GE(fd, 0) << strerror(-fd);
  const auto full = channel(), reading = channel_of(fd);
  const std::string serving("\x08\x01"), not_serving("\x08\x02");
  for (const auto& to : {full, reading}) {
    EXPECT_EQ(health(to, ""), serving);
    EXPECT_EQ(health(to, "swaptrail.v1.TraceService"), serving);
    const auto [status, services] =
        raw_call(to, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                 std::string("\x3a\x01*"));
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_THAT(services, testing::HasSubstr("swaptrail.v1.TraceService"));
    EXPECT_THAT(services, testing::HasSubstr("swaptrail.v1.ControlService"));
  }
  EXPECT_EQ(health(full, "swaptrail.v1.ControlService"), serving);
  EXPECT_EQ(health(reading, "swaptrail.v1.ControlService"), not_serving);
}

TEST_F(ListenHostileTest, ShutdownEndsStreams) {
  ASSERT_TRUE(start().ok());
  const auto stub = v1::TraceService::NewStub(channel());
  const int fd = connect_as(options_.socket_path, 65534, {0});
  ASSERT_GE(fd, 0);
  const auto reading = v1::TraceService::NewStub(channel_of(fd));
  Watchers watchers = watch(*stub, 5), others = watch(*reading, 5);
  ASSERT_TRUE(eventually([&] { return trace_.watching == 10; }));
  std::vector<int> silent;
  for (int i = 0; i < 5; ++i) silent.push_back(connect_raw());
  server_->shutdown(absl::Now() + absl::Milliseconds(200));
  EXPECT_EQ(trace_.watching, 0);
  EXPECT_TRUE(eventually([&] { return ended(watchers) + ended(others) == 10; }));
  EXPECT_EQ(connect_raw(), -1);
  server_.reset();
  for (const int one : silent) {
    char bytes[256];
    while (read(one, bytes, sizeof(bytes)) > 0) {
    }
    close(one);
  }
}

TEST_F(ListenHostileTest, BadLimitsAreRefused) {
  options_.max_connections = 8;
  EXPECT_THAT(start_error(absl::StatusCode::kInvalidArgument), testing::HasSubstr("32 to 4096"));
  options_.max_connections = 256;
  options_.max_receive_bytes = -1;
  EXPECT_THAT(start_error(absl::StatusCode::kInvalidArgument), testing::HasSubstr("max_receive"));
}

}  // namespace
}  // namespace swaptrail::listen
