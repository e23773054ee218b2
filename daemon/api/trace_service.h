// The queries: swaptrail.v1.TraceService.
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <vector>

#include "daemon/api/clock.h"
#include "daemon/api/host.h"
#include "daemon/api/page_tables.h"
#include "daemon/api/page_token.h"
#include "daemon/api/watchers.h"
#include "swaptrail/v1/trace.grpc.pb.h"
#include "trace/recording/contents.h"

namespace swaptrail::api {

// Watches are served by their own thread, everything else on gRPC's. No answer is larger than 4 MiB. A
// long query checks from time to time whether its caller still waits.
class TraceService final
    : public v1::TraceService::WithCallbackMethod_WatchLifecycles<v1::TraceService::Service> {
 public:
  // `host` and `tables` must outlive it. Null: page tables can't be read.
  TraceService(const Host& host, PageTables* tables);

  // Ends the streams of WatchLifecycles, and takes no more. Call it before the server is shut down,
  // which waits for streams. Any thread.
  void stop_watchers() { watchers_.close(); }
  size_t watchers() const { return watchers_.count(); }

  grpc::Status GetStatus(grpc::ServerContext*, const v1::GetStatusRequest*,
                         v1::GetStatusResponse*) override;
  grpc::Status ListLifecycles(grpc::ServerContext*, const v1::ListLifecyclesRequest*,
                              v1::ListLifecyclesResponse*) override;
  grpc::ServerWriteReactor<v1::WatchLifecyclesResponse>* WatchLifecycles(
      grpc::CallbackServerContext*, const v1::WatchLifecyclesRequest*) override;
  grpc::Status ExplainPage(grpc::ServerContext*, const v1::ExplainPageRequest*,
                           v1::ExplainPageResponse*) override;
  grpc::Status GetSwapAreas(grpc::ServerContext*, const v1::GetSwapAreasRequest*,
                            v1::GetSwapAreasResponse*) override;
  grpc::Status QueryStats(grpc::ServerContext*, const v1::QueryStatsRequest*,
                          v1::QueryStatsResponse*) override;
  grpc::Status GetCounters(grpc::ServerContext*, const v1::GetCountersRequest*,
                           v1::GetCountersResponse*) override;
  grpc::Status GetMatrix(grpc::ServerContext*, const v1::GetMatrixRequest*,
                         v1::GetMatrixResponse*) override;
  grpc::Status ListViolations(grpc::ServerContext*, const v1::ListViolationsRequest*,
                              v1::ListViolationsResponse*) override;

 private:
  absl::Status list_lifecycles(const v1::ListLifecyclesRequest& request, const store::Stop& stop,
                               v1::ListLifecyclesResponse& response);
  absl::Status list_violations(const v1::ListViolationsRequest& request,
                               v1::ListViolationsResponse& response);

  const Host& host_;
  PageTables* tables_;
  Clock clock_;
  const PageTokens tokens_;
  Watchers watchers_;  // last: its thread uses the others
};

}  // namespace swaptrail::api
