// A swaptraild on its own socket for the program to talk to: the daemon's services and listener, over a scene. A
// relay between them keeps the requests, and adds what no scene can cause.
#pragma once

#include <grp.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "daemon/capture/session.h"
#include "daemon/listen/listen.h"
#include "tests/api/api_scene.h"
#include "tests/online/program.h"
#include "tests/scene/scripted_kernel.h"

namespace swaptrail {

// Calls of one method.
template <typename Request, typename Response>
struct Calls {
  std::vector<Request> asked;
  std::function<void(int)> before;        // the services answer call 0, 1, ...
  std::function<void(Response&)> change;  // what they answered; of a stream: each message
};

class Relay final : public v1::TraceService::Service, public v1::ControlService::Service {
 public:
  // Both must outlive it.
  Relay(v1::TraceService::Stub& trace, v1::ControlService::Stub& control)
      : trace_(trace), control_(control) {}

  grpc::Status failure;  // instead of an answer, if it is one
  bool hangs = false;    // after the answer, until the caller has given up
  std::function<void(uint64_t)>
      told;  // after a message of a watch: lifecycles that were reported so far

  Calls<v1::GetStatusRequest, v1::GetStatusResponse> status;
  Calls<v1::ListLifecyclesRequest, v1::ListLifecyclesResponse> list;
  // `before`: the watch stands.
  Calls<v1::WatchLifecyclesRequest, v1::WatchLifecyclesResponse> watch;
  Calls<v1::ExplainPageRequest, v1::ExplainPageResponse> page;
  Calls<v1::GetSwapAreasRequest, v1::GetSwapAreasResponse> areas;
  Calls<v1::QueryStatsRequest, v1::QueryStatsResponse> stats;
  Calls<v1::GetCountersRequest, v1::GetCountersResponse> counters;
  Calls<v1::GetMatrixRequest, v1::GetMatrixResponse> matrix;
  Calls<v1::ListViolationsRequest, v1::ListViolationsResponse> violations;
  Calls<v1::TriggerFlightRecorderRequest, v1::TriggerFlightRecorderResponse> flight;
  Calls<v1::PageOutRequest, v1::PageOutResponse> pageout;

 private:
  using Context = grpc::ServerContext;

  template <typename Request, typename Response>
  void keep(Calls<Request, Response>& calls, const Request& request) {
    const std::lock_guard lock(mutex_);
    calls.asked.push_back(request);
  }
  template <typename Request, typename Response>
  static void happen_before(const Calls<Request, Response>& calls) {
    if (calls.before) calls.before(static_cast<int>(calls.asked.size()) - 1);
  }
  void hang(const Context* context) const {
    while (hangs && !context->IsCancelled())
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }

  template <typename Stub, typename Method, typename Request, typename Response>
  grpc::Status relay(Context* context, Stub& stub, Method method, Calls<Request, Response>& calls,
                     const Request& request, Response* response) {
    keep(calls, request);
    happen_before(calls);
    const auto onward = grpc::ClientContext::FromServerContext(*context);
    grpc::Status status = (stub.*method)(onward.get(), request, response);
    if (calls.change) calls.change(*response);
    hang(context);
    return failure.ok() ? status : failure;
  }

  // Message by message.
  template <typename Reader, typename Calls, typename Response>
  grpc::Status relay_stream(Context* context, Reader& reader, const Calls& calls,
                            grpc::ServerWriter<Response>* writer) {
    Response response;
    for (uint64_t lifecycles = 0; failure.ok() && reader.Read(&response);) {
      if (calls.change) calls.change(response);
      if (!writer->Write(response)) break;
      lifecycles += static_cast<uint64_t>(response.lifecycles_size());
      if (told) told(lifecycles);
    }
    hang(context);
    return failure.ok() ? reader.Finish() : failure;
  }

  grpc::Status GetStatus(Context* context, const v1::GetStatusRequest* request,
                         v1::GetStatusResponse* response) override {
    return relay(context, trace_, &v1::TraceService::Stub::GetStatus, status, *request, response);
  }
  grpc::Status ListLifecycles(Context* context, const v1::ListLifecyclesRequest* request,
                              v1::ListLifecyclesResponse* response) override {
    return relay(context, trace_, &v1::TraceService::Stub::ListLifecycles, list, *request,
                 response);
  }
  grpc::Status WatchLifecycles(Context* context, const v1::WatchLifecyclesRequest* request,
                               grpc::ServerWriter<v1::WatchLifecyclesResponse>* writer) override {
    keep(watch, *request);
    if (!failure.ok()) return failure;
    const auto onward = grpc::ClientContext::FromServerContext(*context);
    const auto reader = trace_.WatchLifecycles(onward.get(), *request);
    reader->WaitForInitialMetadata();  // the watch stands
    happen_before(watch);
    return relay_stream(context, *reader, watch, writer);
  }
  grpc::Status ExplainPage(Context* context, const v1::ExplainPageRequest* request,
                           v1::ExplainPageResponse* response) override {
    return relay(context, trace_, &v1::TraceService::Stub::ExplainPage, page, *request, response);
  }
  grpc::Status GetSwapAreas(Context* context, const v1::GetSwapAreasRequest* request,
                            v1::GetSwapAreasResponse* response) override {
    return relay(context, trace_, &v1::TraceService::Stub::GetSwapAreas, areas, *request, response);
  }
  grpc::Status QueryStats(Context* context, const v1::QueryStatsRequest* request,
                          v1::QueryStatsResponse* response) override {
    return relay(context, trace_, &v1::TraceService::Stub::QueryStats, stats, *request, response);
  }
  grpc::Status GetCounters(Context* context, const v1::GetCountersRequest* request,
                           v1::GetCountersResponse* response) override {
    return relay(context, trace_, &v1::TraceService::Stub::GetCounters, counters, *request,
                 response);
  }
  grpc::Status GetMatrix(Context* context, const v1::GetMatrixRequest* request,
                         v1::GetMatrixResponse* response) override {
    return relay(context, trace_, &v1::TraceService::Stub::GetMatrix, matrix, *request, response);
  }
  grpc::Status ListViolations(Context* context, const v1::ListViolationsRequest* request,
                              v1::ListViolationsResponse* response) override {
    return relay(context, trace_, &v1::TraceService::Stub::ListViolations, violations, *request,
                 response);
  }
  grpc::Status TriggerFlightRecorder(Context* context,
                                     const v1::TriggerFlightRecorderRequest* request,
                                     v1::TriggerFlightRecorderResponse* response) override {
    return relay(context, control_, &v1::ControlService::Stub::TriggerFlightRecorder, flight,
                 *request, response);
  }
  grpc::Status PageOut(Context* context, const v1::PageOutRequest* request,
                       grpc::ServerWriter<v1::PageOutResponse>* writer) override {
    keep(pageout, *request);
    if (!failure.ok()) return failure;
    const auto onward = grpc::ClientContext::FromServerContext(*context);
    const auto reader = control_.PageOut(onward.get(), *request);
    happen_before(pageout);
    return relay_stream(context, *reader, pageout, writer);
  }

  v1::TraceService::Stub& trace_;
  v1::ControlService::Stub& control_;
  std::mutex mutex_;
};

class OnlineTest : public testing::Test {
 protected:
  // `answers`: as in api::Scene.
  explicit OnlineTest(bool answers = true)
      : directory_(make_directory()),
        cgroup_(make_cgroup("swaptrail-demo")),
        scene(store_options(), {.cgroups = cgroup_root(), .answers = answers}),
        daemon(*scene.trace, *scene.change) {
    const group* own = getgrgid(getegid());
    options_.socket_path = socket();
    options_.socket_group = options_.control_group = own == nullptr ? "" : own->gr_name;
  }
  void TearDown() override {
    scene.service->stop_watchers();
    if (server_) server_->shutdown(absl::Now() + absl::Seconds(1));
    server_.reset();
    std::filesystem::remove_all(directory_);
  }
  static std::string make_directory() {
    char name[] = "/tmp/swaptrail-online-XXXXXX";
    return mkdtemp(name);
  }
  static store::Store::Options store_options() { return store::small_options(4 << 20); }

  std::string socket() const { return directory_ + "/api.sock"; }
  std::string cgroup_root() const { return directory_ + "/cgroup"; }
  // A cgroup of this name; returns its id.
  uint64_t make_cgroup(const std::string& name) const {
    const std::string path = cgroup_root() + "/" + name;
    std::filesystem::create_directories(path);
    struct stat file {};
    return ::stat(path.c_str(), &file) == 0 ? file.st_ino : 0;
  }
  // As kswapd freed a page of a workload just now, in two passes of 7.5 ms.
  Lifecycle life(uint64_t id) const {
    Lifecycle life;
    life.id = id;
    life.outcome = Outcome::kFreedDevice;
    life.backend = SWAPTRAIL_BACKEND_DEVICE;
    life.closed_ns = monotonic_ns();
    life.entry = make_entry(0, 131'984);
    life.cgroup = cgroup_;
    life.mappings[0] = {0x7f8946161000, 233, 0, 1, store::comm_of("workload")};
    life.mapping_count = 1;
    life.first.tid = 71;
    life.last.tid = life.last.tgid = 72;
    life.last.origin = SWAPTRAIL_ORIGIN_KSWAPD;
    life.last.comm = store::comm_of("kswapd0");
    const uint64_t begin_ns = life.closed_ns - 7'508'000;
    const std::pair<Stage, uint64_t> stages[] = {{Stage::kIsolated, 1},
                                                 {Stage::kSlotAllocated, 5'500'000},
                                                 {Stage::kUnmapped, 5'508'000},
                                                 {Stage::kRemoved, 6'508'001}};
    for (const auto& [stage, after_ns] : stages)
      life.stage_ns[static_cast<size_t>(stage)] = begin_ns + after_ns;
    life.passes = 2;
    return life;
  }
  void add(const Lifecycle& life) { scene.add(life); }
  // So many of them, with ids that go on.
  void add_lives(uint64_t count) {
    for (uint64_t made = 0; made < count; ++made) add(life(++last_id_));
  }

  // Serves; once.
  void serve() {
    auto bound = listen::ApiServer::bind(options_);
    ASSERT_TRUE(bound.ok()) << bound.status();
    server_ = *std::move(bound);
    const absl::Status served =
        server_->serve({static_cast<v1::TraceService::Service*>(&daemon),
                        static_cast<v1::TraceService::Service*>(&daemon),
                        static_cast<v1::ControlService::Service*>(&daemon), &refusing_});
    ASSERT_TRUE(served.ok()) << served;
  }
  // With the socket in the arguments; serves first if nobody does.
  std::vector<std::string> with_socket(std::vector<std::string> arguments) {
    if (!server_) serve();
    arguments.push_back("--socket=" + socket());
    return arguments;
  }
  Ended asked(std::vector<std::string> arguments, const Program::Environment& more = {}) {
    return run(with_socket(std::move(arguments)), more);
  }

  const std::string directory_;
  const uint64_t cgroup_;
  listen::ListenOptions options_;
  api::Scene scene;
  Relay daemon;
  api::RefusingControlService refusing_;
  std::unique_ptr<listen::ApiServer> server_;
  uint64_t last_id_ = 0;
};

}  // namespace swaptrail
