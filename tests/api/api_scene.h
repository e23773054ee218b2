// The services over a real store, called through a real gRPC channel inside the process.
#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "daemon/api/control_service.h"
#include "daemon/api/trace_service.h"
#include "swaptrail/v1/control.grpc.pb.h"
#include "swaptrail/v1/trace.grpc.pb.h"
#include "tests/scene/made_areas.h"
#include "tests/scene/store_scene.h"

namespace swaptrail::api {

// Page tables that a test fills in.
class FakePageTables : public PageTables {
 public:
  absl::StatusOr<host::PageEntry> page(uint32_t, uint64_t) override {
    ++looks;
    if (!on_look.empty()) {
      const auto next = on_look.front();
      if (on_look.size() > 1) on_look.erase(on_look.begin());
      return next;
    }
    return absl::NotFoundError("no process has this pid");
  }
  absl::StatusOr<std::optional<host::MappedFile>> file(uint32_t, uint64_t) override {
    ++files;
    return mapped;
  }
  absl::StatusOr<uint64_t> frame_flags(uint64_t) override { return flags; }
  absl::StatusOr<host::RangeCount> count(uint32_t, uint64_t, uint64_t) override { return range; }
  absl::StatusOr<uint64_t> page_out(uint32_t, uint64_t address, uint64_t length_bytes) override {
    steps.emplace_back(address, length_bytes);
    return on_page_out ? on_page_out(address, length_bytes) : length_bytes;
  }

  uint64_t started_ns(uint32_t) override { return began_ns; }

  std::optional<host::MappedFile> mapped;
  int files = 0;  // asked for
  uint64_t began_ns = 0;
  int looks = 0;
  std::vector<absl::StatusOr<host::PageEntry>> on_look;  // the last one stays
  absl::StatusOr<uint64_t> flags = 0;
  host::RangeCount range;
  std::vector<std::pair<uint64_t, uint64_t>> steps;
  std::function<absl::StatusOr<uint64_t>(uint64_t, uint64_t)> on_page_out;
};

class NoSink : public lifecycles::LifecycleSink {
 public:
  void on_lifecycle(const Lifecycle&) override {}
  void on_return(const Return&) override {}
  void on_violation(const Violation&) override {}
  void on_loss(const Loss&) override {}
};

// What stands for the pipeline: answers requests until it ends.
class FakePipeline : public pipeline::PipelineView {
 public:
  FakePipeline(pipeline::PipelineRequests& requests, const host::AreaWatch& areas)
      : areas_(areas),
        reconstructor_(lifecycles::ReconstructorOptions{}, sink_),
        thread_([this, &requests] {
          while (!stop_) {
            requests.answer(*this);
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
          }
          requests.close();
        }) {}
  ~FakePipeline() override {
    stop_ = true;
    thread_.join();
  }
  const lifecycles::Reconstructor& reconstructor() const override { return reconstructor_; }
  lifecycles::Reconstructor& writable() { return reconstructor_; }  // before the first question
  absl::StatusOr<record::FlightFiles> write_flight(const std::string& reason) override {
    if (!flight) return absl::FailedPreconditionError("no flight recorder is running");
    return record::FlightFiles{{"/flight/" + reason}, flight_since_ns};
  }
  std::shared_ptr<const pipeline::SlotHolders> holders() override {
    return std::make_shared<pipeline::SlotHolders>(
        pipeline::slot_holders(has_ledger ? &ledger_ : nullptr, areas_, base::monotonic_ns()));
  }
  std::shared_ptr<const std::vector<ledger::HolderAges>> ages() override {
    return std::make_shared<const std::vector<ledger::HolderAges>>(
        has_ledger ? ledger_.ages(now_ns) : std::vector<ledger::HolderAges>());
  }
  uint64_t now_ns = 20'000'000'000;  // of ages
  std::shared_ptr<const pipeline::ReadaheadNow> readahead() override {
    return std::make_shared<const pipeline::ReadaheadNow>(readahead_now);
  }
  pipeline::ReadaheadNow readahead_now{.possible = true};  // written before the first question
  ledger::Ledger* ledger() override { return has_ledger ? &ledger_ : nullptr; }
  uint64_t passed_on_until() const override { return base::monotonic_ns(); }
  ledger::Ledger ledger_{{}};  // written before the first question
  bool has_ledger = true;      // likewise
  std::atomic<bool> flight{true};
  std::atomic<uint64_t> flight_since_ns{0};

 private:
  const host::AreaWatch& areas_;
  NoSink sink_;
  lifecycles::Reconstructor reconstructor_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

// A store, the services on it, and a client of each.
struct Scene {
  struct With {
    bool tables = true;   // page tables can be read
    std::string cgroups;  // a folder that stands for the hierarchy
    bool answers = true;  // requests are answered by a stand-in for the pipeline
    bool full_access = true;
  };

  Scene() : Scene(store::small_options(), With()) {}
  explicit Scene(const store::Store::Options& options) : Scene(options, With()) {}
  Scene(const store::Store::Options& options, const With& with)
      : store(store::store_of(options)),
        cgroups(with.cgroups),
        host{.store = *store,
             .counters = counters,
             .status_board = status_board,
             .requests = requests,
             .cgroups = cgroups,
             .plan = plan,
             .areas = area_watch,
             .frames = host::PageFrames(0xffffea0000000000, 64),
             .pageout_enabled = true,
             .full_access = with.full_access},
        pipeline(with.answers ? std::make_unique<FakePipeline>(requests, area_watch) : nullptr),
        service(std::make_unique<TraceService>(host, with.tables ? &tables : nullptr)),
        control(host, with.tables ? &tables : nullptr) {
    server = grpc::ServerBuilder()
                 .RegisterService(service.get())
                 .RegisterService(&control)
                 .BuildAndStart();
    grpc::ChannelArguments arguments;
    channel = server->InProcessChannel(arguments);
    trace = v1::TraceService::NewStub(channel);
    change = v1::ControlService::NewStub(channel);
  }
  ~Scene() {
    service->stop_watchers();
    server->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(5));
  }

  void add(const Lifecycle& life) {
    store->add(life);
    counters.on_lifecycle(life);
  }
  void add(const Return& back) {
    store->note_return(back);
    counters.on_return(back);
  }
  // Random ones, closed at their ids.
  void fill(uint64_t count, uint64_t seed = 1) {
    std::mt19937_64 random(seed);
    for (uint64_t id = 1; id <= count; ++id) {
      Lifecycle life = store::random_lifecycle(random, ++last_id);
      add(life);
      all.push_back(life);
    }
  }

  std::unique_ptr<store::Store> store;
  counters::Counters counters{{.since_ns = 5}};
  pipeline::StatusBoard status_board;
  pipeline::PipelineRequests requests;
  host::Cgroups cgroups;
  probe::AttachPlan plan;
  MadeAreas areas;
  host::AreaWatch area_watch{areas.sources()};
  FakePageTables tables;
  Host host;
  std::unique_ptr<FakePipeline> pipeline;
  std::unique_ptr<TraceService> service;
  ControlService control;
  std::unique_ptr<grpc::Server> server;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1::TraceService::Stub> trace;
  std::unique_ptr<v1::ControlService::Stub> change;
  std::vector<Lifecycle> all;
  uint64_t last_id = 0;
};

// One call. The answer is in `response`.
template <typename Stub, typename Method, typename Request, typename Response>
grpc::Status call(Stub& stub, Method method, const Request& request, Response& response) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  response.Clear();
  return (stub.*method)(&context, request, &response);
}

}  // namespace swaptrail::api
