// Measures the first page of ListLifecycles over a full store of 64 MiB, by the real service and a
// real unix socket: while nothing is added, while 500,000 lifecycles a second are added, and also
// with 10 watchers.
//
// Reports percentiles of single calls, and the rate that the writer really reached; `late_ms` is the
// longest delay of one batch of its work (1 ms). All run in one process: the CPU time that the caller
// and the watchers take is missing for the service.
#include <benchmark/benchmark.h>
#include <grpcpp/grpcpp.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bench/store_load.h"
#include "daemon/api/control_service.h"
#include "daemon/api/trace_service.h"
#include "daemon/listen/listen.h"
#include "swaptrail/v1/trace.grpc.pb.h"

namespace swaptrail::api {
namespace {

using Clock = std::chrono::steady_clock;
using Stub = v1::TraceService::Stub;
constexpr int kCalls = 3000;
constexpr int kPageSize = 100;
constexpr auto kBetweenCalls = std::chrono::milliseconds(1);

double ms(Clock::duration time) { return std::chrono::duration<double, std::milli>(time).count(); }

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "api_bench: %s\n", what.c_str());
  std::exit(1);
}

// A folder of its own, removed by the destructor.
struct Folder {
  Folder() {
    char name[] = "/tmp/swaptrail-bench-XXXXXX";
    if (mkdtemp(name) == nullptr) fail("can't make a folder in /tmp");
    path = name;
    chmod(name, 0755);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path;
};

// A full store, and the services over it on a socket.
class Daemon {
 public:
  Daemon() {
    load.fill();
    listen::ListenOptions options;
    options.socket_path = folder_.path + "/api.sock";
    options.socket_group.clear();
    auto bound = listen::ApiServer::bind(options);
    if (!bound.ok()) fail(std::string(bound.status().message()));
    server_ = *std::move(bound);
    if (const auto served = server_->serve({&trace_, &control_, &refusing_}); !served.ok()) {
      fail(std::string(served.message()));
    }
    address_ = "unix:" + options.socket_path;
  }
  ~Daemon() {
    trace_.stop_watchers();
    server_->shutdown(absl::Now() + absl::Seconds(2));
  }
  // A client with its own connection.
  std::unique_ptr<Stub> client() const {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return v1::TraceService::NewStub(
        grpc::CreateCustomChannel(address_, grpc::InsecureChannelCredentials(), arguments));
  }

  std::unique_ptr<store::Store> store = *store::Store::create(store::Store::Options{});
  store::Load load{*store};

 private:
  Folder folder_;
  pipeline::StatusBoard status_board_;
  pipeline::PipelineRequests requests_;
  host::Cgroups cgroups_{""};
  probe::AttachPlan plan_;
  host::AreaWatch areas_{{.lines = [] { return std::vector<host::SeenArea>(); },
                          .kernel =
                              [] {
                                return absl::StatusOr<std::vector<host::KernelArea>>(
                                    std::vector<host::KernelArea>());
                              },
                          .has_changed = [] { return false; },
                          .clock_ns = [] { return uint64_t{1}; }}};
  counters::Counters counters_{{}};
  Host host_{.store = *store,
             .counters = counters_,
             .status_board = status_board_,
             .requests = requests_,
             .cgroups = cgroups_,
             .plan = plan_,
             .areas = areas_,
             .frames = host::PageFrames(0xffffea0000000000, 64)};
  TraceService trace_{host_, nullptr};
  ControlService control_{host_, nullptr};
  RefusingControlService refusing_;
  std::unique_ptr<listen::ApiServer> server_;
  std::string address_;
};

// Reads everything that it is sent, until it is destroyed.
class Watcher {
 public:
  explicit Watcher(const Daemon& daemon)
      : stub_(daemon.client()), reader_(stub_->WatchLifecycles(&context_, {})) {
    reader_->WaitForInitialMetadata();  // the watch is open
    thread_ = std::thread([this] { read(); });
  }
  ~Watcher() { stop(); }
  void stop() {
    context_.TryCancel();
    if (thread_.joinable()) thread_.join();
  }
  uint64_t received() const { return received_; }  // after stop(), as the next one
  uint64_t missed() const { return missed_; }

 private:
  void read() {
    v1::WatchLifecyclesResponse response;
    while (reader_->Read(&response)) {
      received_ += static_cast<uint64_t>(response.lifecycles_size());
      missed_ += response.missed();
    }
    reader_->Finish();
  }
  grpc::ClientContext context_;
  std::unique_ptr<Stub> stub_;
  std::unique_ptr<grpc::ClientReader<v1::WatchLifecyclesResponse>> reader_;
  uint64_t received_ = 0, missed_ = 0;
  std::thread thread_;
};

// The time of one call.
double call_ms(Stub& stub) {
  grpc::ClientContext context;
  v1::ListLifecyclesRequest request;
  request.set_page_size(kPageSize);
  v1::ListLifecyclesResponse response;
  const auto begin = Clock::now();
  const grpc::Status status = stub.ListLifecycles(&context, request, &response);
  const double took_ms = ms(Clock::now() - begin);
  if (!status.ok()) fail(status.error_message());
  if (response.lifecycles_size() != kPageSize) fail("the page is not full");
  return took_ms;
}

void put_watchers(benchmark::State& state, std::vector<std::unique_ptr<Watcher>>& watchers) {
  uint64_t received = 0, missed = 0;
  for (const auto& watcher : watchers) {
    watcher->stop();
    received += watcher->received();
    missed += watcher->missed();
  }
  if (received + missed == 0) return;
  state.counters["missed_share"] =
      static_cast<double>(missed) / static_cast<double>(received + missed);
}

void BM_first_page(benchmark::State& state) {
  static Daemon daemon;
  const auto stub = daemon.client();
  call_ms(*stub);  // connects
  std::vector<std::unique_ptr<Watcher>> watchers;
  for (int64_t at = 0; at < state.range(1); ++at) {
    watchers.push_back(std::make_unique<Watcher>(daemon));
  }
  std::unique_ptr<store::Writer> writer;
  const uint64_t id_before =
      daemon.load.id();  // before the writer starts: then it belongs to the writer
  const uint64_t unstored = daemon.store->status().unstored;
  const auto begin = Clock::now();
  if (state.range(0) != 0) writer = std::make_unique<store::Writer>(daemon.load);
  std::vector<double> times_ms;
  for (auto _ : state) {
    const double took_ms = call_ms(*stub);
    times_ms.push_back(took_ms);
    state.SetIterationTime(took_ms / 1e3);
    std::this_thread::sleep_for(kBetweenCalls);
  }
  if (writer) writer->stop();
  const double took_s = ms(Clock::now() - begin) / 1e3;
  put_watchers(state, watchers);
  std::ranges::sort(times_ms);
  state.counters["p50_ms"] = times_ms[times_ms.size() / 2];
  state.counters["p99_ms"] = times_ms[times_ms.size() * 99 / 100];
  state.counters["max_ms"] = times_ms.back();
  if (!writer) return;
  state.counters["added_per_s"] = static_cast<double>(daemon.load.id() - id_before) / took_s;
  state.counters["late_ms"] = writer->late_ms();
  state.counters["unstored"] = static_cast<double>(daemon.store->status().unstored - unstored);
}
BENCHMARK(BM_first_page)
    ->ArgNames({"writer", "watchers"})
    ->Args({0, 0})
    ->Args({1, 0})
    ->Args({1, 10})
    ->Iterations(kCalls)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace swaptrail::api
