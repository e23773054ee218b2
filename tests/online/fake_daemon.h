// A made-up swaptraild on a socket of its own: canned answers, and what it was asked.
#ifndef SWAPTRAIL_TESTS_ONLINE_FAKE_DAEMON_H_
#define SWAPTRAIL_TESTS_ONLINE_FAKE_DAEMON_H_

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "swaptrail/v1/control.grpc.pb.h"
#include "swaptrail/v1/trace.grpc.pb.h"
#include "tests/online/program.h"

namespace swaptrail {

inline v1::Lifecycle made_lifecycle(uint64_t id) {
  v1::Lifecycle lifecycle;
  lifecycle.set_id(id);
  lifecycle.set_outcome(v1::OUTCOME_FREED_DEVICE);
  lifecycle.set_backend(v1::BACKEND_DEVICE);
  lifecycle.mutable_closed()->set_seconds(1'700'000'000);  // 2023-11-14 22:13:20 UTC
  lifecycle.mutable_closed()->set_nanos(123'456'000);
  lifecycle.set_nr_pages(1);
  lifecycle.mutable_entry()->set_offset(131'984);
  lifecycle.mutable_cgroup()->set_path("/swaptrail-demo");
  v1::Mapping& mapping = *lifecycle.add_mappings();
  mapping.mutable_process()->set_pid(233);
  mapping.mutable_process()->set_comm("workload");
  mapping.set_address(0x7f8946161000);
  lifecycle.set_mapping_count(1);
  lifecycle.mutable_first_reclaimer()->set_tid(71);
  lifecycle.mutable_last_reclaimer()->set_tid(72);
  lifecycle.mutable_last_reclaimer()->set_origin(v1::ORIGIN_KSWAPD);
  lifecycle.mutable_last_reclaimer()->mutable_process()->set_pid(72);
  lifecycle.mutable_last_reclaimer()->mutable_process()->set_comm("kswapd0");
  const std::pair<v1::Stage, uint64_t> stages[] = {{v1::STAGE_ISOLATED, 1'000'000},
                                                   {v1::STAGE_SLOT_ALLOCATED, 6'500'000},
                                                   {v1::STAGE_UNMAPPED, 6'508'000},
                                                   {v1::STAGE_REMOVED, 7'508'000}};
  for (const auto& [stage, time_ns] : stages) {
    v1::StageTime& time = *lifecycle.add_stages();
    time.set_stage(stage);
    time.set_monotonic_ns(time_ns);
  }
  lifecycle.set_passes(2);
  return lifecycle;
}

// A request of each kind is kept; an answer is what its field holds. `failure` is given instead.
class FakeDaemon : public v1::TraceService::Service, public v1::ControlService::Service {
 public:
  grpc::Status failure;
  bool hangs = false;  // until the caller has given up

  v1::GetStatusResponse status;
  v1::WatchLifecyclesRequest watched;
  std::vector<v1::WatchLifecyclesResponse> watch;
  bool watch_ends = false;  // else it waits for the caller
  std::vector<v1::ListLifecyclesRequest> listed;
  std::vector<v1::ListLifecyclesResponse> lists;
  v1::ExplainPageRequest explained;
  v1::ExplainPageResponse page;
  v1::GetSwapAreasResponse areas;
  v1::QueryStatsRequest stats_asked;
  std::function<v1::QueryStatsResponse(int)> stats;  // of the call, 0, 1, ...
  v1::GetCountersRequest counters_asked;
  std::function<v1::GetCountersResponse(int)> counters;  // of the call, 0, 1, ...
  v1::GetMatrixRequest matrix_asked;
  v1::GetMatrixResponse matrix;
  std::vector<v1::ListViolationsRequest> violations_asked;
  std::vector<v1::ListViolationsResponse> violations;
  v1::PageOutRequest paged_out;
  std::vector<v1::PageOutResponse> pageout;
  bool pageout_hangs = false;
  v1::TriggerFlightRecorderRequest triggered;
  v1::TriggerFlightRecorderResponse flight;

 private:
  using Context = grpc::ServerContext;

  static void wait_until_given_up(const Context* context) {
    while (!context->IsCancelled()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }

  template <typename Request, typename Response>
  grpc::Status answer(const Context* context, const Request& request, Request& kept,
                      const Response& canned, Response* response) {
    kept = request;
    *response = canned;
    if (hangs) wait_until_given_up(context);
    return failure;
  }

  template <typename Request, typename Response>
  grpc::Status answer_page(const Request& request, std::vector<Request>& kept,
                           const std::vector<Response>& canned, Response* response) {
    kept.push_back(request);
    if (kept.size() <= canned.size()) *response = canned[kept.size() - 1];
    return failure;
  }

  grpc::Status GetStatus(Context* context, const v1::GetStatusRequest* request,
                         v1::GetStatusResponse* response) override {
    v1::GetStatusRequest kept;
    return answer(context, *request, kept, status, response);
  }
  grpc::Status ListLifecycles(Context*, const v1::ListLifecyclesRequest* request,
                              v1::ListLifecyclesResponse* response) override {
    return answer_page(*request, listed, lists, response);
  }
  grpc::Status WatchLifecycles(Context* context, const v1::WatchLifecyclesRequest* request,
                               grpc::ServerWriter<v1::WatchLifecyclesResponse>* writer) override {
    watched = *request;
    for (const auto& response : watch) writer->Write(response);
    if (failure.ok() && !watch_ends) wait_until_given_up(context);
    return failure;
  }
  grpc::Status ExplainPage(Context* context, const v1::ExplainPageRequest* request,
                           v1::ExplainPageResponse* response) override {
    return answer(context, *request, explained, page, response);
  }
  grpc::Status GetSwapAreas(Context* context, const v1::GetSwapAreasRequest* request,
                            v1::GetSwapAreasResponse* response) override {
    v1::GetSwapAreasRequest kept;
    return answer(context, *request, kept, areas, response);
  }
  grpc::Status QueryStats(Context* context, const v1::QueryStatsRequest* request,
                          v1::QueryStatsResponse* response) override {
    const std::lock_guard lock(mutex_);
    return answer(context, *request, stats_asked, stats ? stats(calls_++) : *response, response);
  }
  grpc::Status GetCounters(Context* context, const v1::GetCountersRequest* request,
                           v1::GetCountersResponse* response) override {
    const std::lock_guard lock(mutex_);
    return answer(context, *request, counters_asked,
                  counters ? counters(counter_calls_++) : *response, response);
  }
  grpc::Status GetMatrix(Context* context, const v1::GetMatrixRequest* request,
                         v1::GetMatrixResponse* response) override {
    return answer(context, *request, matrix_asked, matrix, response);
  }
  grpc::Status ListViolations(Context*, const v1::ListViolationsRequest* request,
                              v1::ListViolationsResponse* response) override {
    return answer_page(*request, violations_asked, violations, response);
  }
  grpc::Status TriggerFlightRecorder(Context* context,
                                     const v1::TriggerFlightRecorderRequest* request,
                                     v1::TriggerFlightRecorderResponse* response) override {
    return answer(context, *request, triggered, flight, response);
  }
  grpc::Status PageOut(Context* context, const v1::PageOutRequest* request,
                       grpc::ServerWriter<v1::PageOutResponse>* writer) override {
    paged_out = *request;
    for (const auto& response : pageout) writer->Write(response);
    if (pageout_hangs) wait_until_given_up(context);
    return failure;
  }

  std::mutex mutex_;
  int calls_ = 0, counter_calls_ = 0;
};

class OnlineTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/swaptrail-online-XXXXXX";
    directory_ = mkdtemp(name);
  }
  void TearDown() override {
    if (server_) server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(1));
    std::filesystem::remove_all(directory_);
  }

  std::string socket() const { return directory_ + "/api.sock"; }
  // Builds the server; once.
  void serve() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + socket(), grpc::InsecureServerCredentials());
    start(builder);
  }
  void start(grpc::ServerBuilder& builder) {
    builder.RegisterService(static_cast<v1::TraceService::Service*>(&daemon));
    builder.RegisterService(static_cast<v1::ControlService::Service*>(&daemon));
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
  }
  // With the socket in the environment; serves first if nobody does.
  std::vector<std::string> with_socket(std::vector<std::string> arguments) {
    if (!server_) serve();
    arguments.push_back("--socket=" + socket());
    return arguments;
  }
  Ended asked(std::vector<std::string> arguments, const Program::Environment& more = {}) {
    return run(with_socket(std::move(arguments)), more);
  }

  std::string directory_;
  FakeDaemon daemon;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace swaptrail

#endif  // SWAPTRAIL_TESTS_ONLINE_FAKE_DAEMON_H_
