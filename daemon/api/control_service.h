// Requests that change something on the host: swaptrail.v1.ControlService.
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>

#include "daemon/api/clock.h"
#include "daemon/api/host.h"
#include "daemon/api/page_tables.h"
#include "swaptrail/v1/control.grpc.pb.h"

namespace swaptrail::api {

// For callers that have the right. Any thread of gRPC's.
class ControlService final : public v1::ControlService::Service {
 public:
  // Each call holds one of gRPC's threads as long as it lasts.
  static constexpr int kMostPageOuts = 4;
  // A range is done in steps of this size, so that other requests to the page tables get in
  // between.
  static constexpr uint64_t kStep_bytes = uint64_t{2} << 20;

  // `host` and `tables` must outlive it. Null: no process memory can be reached.
  ControlService(const Host& host, PageTables* tables) : host_(host), tables_(tables) {}

  grpc::Status TriggerFlightRecorder(grpc::ServerContext*, const v1::TriggerFlightRecorderRequest*,
                                     v1::TriggerFlightRecorderResponse*) override;
  grpc::Status PageOut(grpc::ServerContext*, const v1::PageOutRequest*,
                       grpc::ServerWriter<v1::PageOutResponse>*) override;

 private:
  const Host& host_;
  PageTables* tables_;
  Clock clock_;
  std::atomic<int> page_outs_{0};
};

// For callers without the right: PermissionDenied, with the condition.
class RefusingControlService final : public v1::ControlService::Service {
 public:
  grpc::Status TriggerFlightRecorder(grpc::ServerContext*, const v1::TriggerFlightRecorderRequest*,
                                     v1::TriggerFlightRecorderResponse*) override;
  grpc::Status PageOut(grpc::ServerContext*, const v1::PageOutRequest*,
                       grpc::ServerWriter<v1::PageOutResponse>*) override;
};

}  // namespace swaptrail::api
