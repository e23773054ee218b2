#include "daemon/api/trace_service.h"

#include <type_traits>

#include "absl/strings/str_cat.h"
#include "daemon/api/answers.h"
#include "daemon/api/filter.h"
#include "daemon/api/rpc_status.h"

namespace swaptrail::api {
namespace {

constexpr size_t kMaxMessageBytes = size_t{4} << 20;  // the default limit of gRPC clients

// The end of each call: a caller that is gone gets no partial answer.
template <typename Response>
grpc::Status end_of(const grpc::ServerContext& context, const absl::Status& status,
                    Response& response) {
  if (const grpc::Status over = ended(context); !over.ok()) return over;
  if (!status.ok()) return to_rpc(status);
  const size_t bytes = response.ByteSizeLong();
  if (bytes < kMaxMessageBytes) return grpc::Status::OK;
  return to_rpc(absl::ResourceExhaustedError(absl::StrCat(
      "the answer would have ", bytes, " bytes, more than 4 MiB: ask for fewer groups")));
}

// With --detail=counters there are no lifecycles. An answer made from none would look as if nothing had happened.
absl::Status has_lifecycles(const Host& host) {
  if (!host.status_board.newest()->counts_only) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "swaptraild runs with --detail=counters and follows no page; what it counted is in GetStatus (swaptrail status)");
}

template <typename Request>
constexpr bool kNeedsLifecycles = !std::is_same_v<Request, v1::GetStatusRequest> &&
                                  !std::is_same_v<Request, v1::GetSwapAreasRequest>;

}  // namespace

TraceService::TraceService(const Host& host, PageTables* tables)
    : host_(host), tables_(tables), watchers_(host, clock_) {}

template <typename Request, typename Response>
grpc::Status TraceService::reply(const grpc::ServerContext& context, const Request& request,
                                 Response& response) {
  if (kNeedsLifecycles<Request>)
    if (absl::Status status = has_lifecycles(host_); !status.ok()) return to_rpc(status);
  const Query query{.host = host_,
                    .clock = clock_,
                    .tables = tables_,
                    .tokens = tokens_,
                    .watchers = host_.watchers ? host_.watchers() : watchers_.count(),
                    .moment = clock_.now(),
                    .deadline = absl::FromChrono(context.deadline()),
                    .stop = [&context] { return context.IsCancelled(); }};
  return end_of(context, answer(query, request, response), response);
}

#define SWAPTRAIL_METHOD(Name)                                                                    \
  grpc::Status TraceService::Name(grpc::ServerContext* context, const v1::Name##Request* request, \
                                  v1::Name##Response* response) {                                 \
    return reply(*context, *request, *response);                                                  \
  }
SWAPTRAIL_QUERIES(SWAPTRAIL_METHOD)
#undef SWAPTRAIL_METHOD

grpc::ServerWriteReactor<v1::WatchLifecyclesResponse>* TraceService::WatchLifecycles(
    grpc::CallbackServerContext* context, const v1::WatchLifecyclesRequest* request) {
  if (absl::Status status = has_lifecycles(host_); !status.ok())
    return watchers_.open(context, status);
  return watchers_.open(context, to_filter(request->filter(), host_.cgroups, clock_.now()));
}

}  // namespace swaptrail::api
