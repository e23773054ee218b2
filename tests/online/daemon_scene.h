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
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "cli/online/commands.h"
#include "daemon/capture/session.h"
#include "daemon/listen/listen.h"
#include "swaptrail/v1/queries.h"
#include "tests/api/api_scene.h"
#include "tests/online/program.h"
#include "tests/scene/scripted_kernel.h"

namespace swaptrail::online {

// Each command that asks swaptraild, as it is when it is answered with something.
inline std::vector<std::vector<std::string>> online_questions() {
  const std::map<std::string, std::vector<std::string>> needed = {
      {"trace", {"--count=1"}},
      {"page", {"--entry=0:131984"}},
      {"swapoff-plan", {"/dev/one"}},
      {"top", {"--batch=1", "--interval=50ms"}},
      {"stats", {"--by=victim_cgroup,victim_process"}},
      {"pageout", {"--pid=233", "--addr=0x7f0000000000", "--length=4K", "--wait=50ms"}}};
  std::vector<std::vector<std::string>> questions;
  for (const Command& command : kCommands) {
    questions.push_back({command.name});
    if (const auto found = needed.find(command.name); found != needed.end())
      questions.back().insert(questions.back().end(), found->second.begin(), found->second.end());
  }
  return questions;
}

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

  struct Queries {
#define SWAPTRAIL_CALLS(Name) Calls<v1::Name##Request, v1::Name##Response> Name;
    SWAPTRAIL_QUERIES(SWAPTRAIL_CALLS)
#undef SWAPTRAIL_CALLS
  } queries;
  // `before`: the watch stands.
  Calls<v1::WatchLifecyclesRequest, v1::WatchLifecyclesResponse> watch;
  Calls<v1::TriggerFlightRecorderRequest, v1::TriggerFlightRecorderResponse> flight;
  Calls<v1::PageOutRequest, v1::PageOutResponse> pageout;

  // With the calls of each method.
  template <typename Visit>
  void for_all(const Visit& visit) {
#define SWAPTRAIL_VISIT(Name) visit(queries.Name);
    SWAPTRAIL_QUERIES(SWAPTRAIL_VISIT)
#undef SWAPTRAIL_VISIT
    visit(watch);
    visit(flight);
    visit(pageout);
  }

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

#define SWAPTRAIL_METHOD(Name)                                                           \
  grpc::Status Name(Context* context, const v1::Name##Request* request,                  \
                    v1::Name##Response* response) override {                             \
    return relay(context, trace_, &v1::TraceService::Stub::Name, queries.Name, *request, \
                 response);                                                              \
  }
  SWAPTRAIL_QUERIES(SWAPTRAIL_METHOD)
#undef SWAPTRAIL_METHOD
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
    life.closed_ns = base::monotonic_ns();
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

}  // namespace swaptrail::online
