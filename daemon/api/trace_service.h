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
#include "swaptrail/v1/queries.h"
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

  grpc::ServerWriteReactor<v1::WatchLifecyclesResponse>* WatchLifecycles(
      grpc::CallbackServerContext*, const v1::WatchLifecyclesRequest*) override;

  // All others: answers.h.
#define SWAPTRAIL_METHOD(Name) \
  grpc::Status Name(grpc::ServerContext*, const v1::Name##Request*, v1::Name##Response*) override;
  SWAPTRAIL_QUERIES(SWAPTRAIL_METHOD)
#undef SWAPTRAIL_METHOD

 private:
  template <typename Request, typename Response>
  grpc::Status reply(const grpc::ServerContext& context, const Request& request,
                     Response& response);

  const Host& host_;
  PageTables* tables_;
  Clock clock_;
  const PageTokens tokens_;
  Watchers watchers_;  // last: its thread uses the others
};

}  // namespace swaptrail::api
