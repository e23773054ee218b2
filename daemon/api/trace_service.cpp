#include "daemon/api/trace_service.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/api/answers.h"
#include "daemon/api/convert.h"
#include "daemon/api/filter.h"
#include "daemon/api/rpc_status.h"
#include "daemon/store/list.h"

namespace swaptrail::api {
namespace {

constexpr size_t kUsualPage = 100;
constexpr size_t kMaxMessageBytes = size_t{4} << 20;  // the default limit of gRPC clients

// What a token belongs to, besides its filter.
enum ListKind : uint32_t { kNewestFirst = 1, kOldestFirst = 2, kViolations = 3 };

store::Stop stop_of(const grpc::ServerContext& context) {
  return [&context] { return context.IsCancelled(); };
}

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

}  // namespace

TraceService::TraceService(const Host& host, PageTables* tables)
    : host_(host), tables_(tables), watchers_(host, clock_) {}

grpc::Status TraceService::GetStatus(grpc::ServerContext* context, const v1::GetStatusRequest*,
                                     v1::GetStatusResponse* response) {
  answer_status(host_, clock_.now(), host_.watchers ? host_.watchers() : watchers_.count(),
                *response);
  return end_of(*context, absl::OkStatus(), *response);
}

absl::Status TraceService::list_lifecycles(const v1::ListLifecyclesRequest& request,
                                           const store::Stop& stop,
                                           v1::ListLifecyclesResponse& response) {
  const Moment moment = clock_.now();
  auto filter = to_filter(request.filter(), host_.cgroups, moment);
  if (!filter.ok()) return filter.status();
  const auto page_size = to_count("page_size", request.page_size(), kUsualPage);
  if (!page_size.ok()) return page_size.status();
  if (!v1::LifecycleOrder_IsValid(request.order())) {
    return out_of_bounds("order", absl::StrCat(static_cast<int>(request.order())), "0 to 2");
  }
  const bool oldest_first = request.order() == v1::LIFECYCLE_ORDER_OLDEST_FIRST;
  const uint64_t list =
      tokens_.list_of(oldest_first ? kOldestFirst : kNewestFirst, request.filter());

  store::ListQuery query;
  query.filter = *std::move(filter);
  query.order = oldest_first ? store::Order::kOldestFirst : store::Order::kNewestFirst;
  query.page_size = *page_size;
  query.stop = stop;
  if (!request.page_token().empty()) {
    const auto place = tokens_.read(list, request.page_token());
    if (!place.ok()) return place.status();
    query.position = store::Position{place->sequence, place->oldest};
  }
  uint64_t oldest = 0;
  store::ListPage page;
  {
    const store::Snapshot snapshot = host_.store.snapshot();
    oldest = snapshot.oldest_sequence();
    page = store::list_lifecycles(snapshot, query);
  }
  Converter converter(host_, moment, true);
  size_t bytes = 0;
  for (const store::StoredLifecycle& stored : page.lifecycles) {
    v1::Lifecycle& added = *response.add_lifecycles();
    converter.put(stored, added);
    bytes += added.ByteSizeLong();
    if (bytes <= kAnswerBytes) continue;
    response.mutable_lifecycles()->RemoveLast();
    page.next = store::Position{stored.sequence, oldest};
    break;
  }
  if (page.next)
    response.set_next_page_token(tokens_.make(list, {page.next->sequence, page.next->oldest}));
  response.set_evicted_between(page.evicted_between);
  return absl::OkStatus();
}

grpc::Status TraceService::ListLifecycles(grpc::ServerContext* context,
                                          const v1::ListLifecyclesRequest* request,
                                          v1::ListLifecyclesResponse* response) {
  return end_of(*context, list_lifecycles(*request, stop_of(*context), *response), *response);
}

grpc::ServerWriteReactor<v1::WatchLifecyclesResponse>* TraceService::WatchLifecycles(
    grpc::CallbackServerContext* context, const v1::WatchLifecyclesRequest* request) {
  return watchers_.open(context, to_filter(request->filter(), host_.cgroups, clock_.now()));
}

grpc::Status TraceService::ExplainPage(grpc::ServerContext* context,
                                       const v1::ExplainPageRequest* request,
                                       v1::ExplainPageResponse* response) {
  const absl::Time deadline = absl::FromChrono(context->deadline());
  return end_of(*context, answer_page(host_, clock_, tables_, *request, deadline, *response),
                *response);
}

grpc::Status TraceService::GetSwapAreas(grpc::ServerContext* context,
                                        const v1::GetSwapAreasRequest*,
                                        v1::GetSwapAreasResponse* response) {
  return end_of(*context, answer_areas(host_, clock_.now(), stop_of(*context), *response),
                *response);
}

grpc::Status TraceService::QueryStats(grpc::ServerContext* context,
                                      const v1::QueryStatsRequest* request,
                                      v1::QueryStatsResponse* response) {
  return end_of(*context, answer_stats(host_, clock_.now(), *request, stop_of(*context), *response),
                *response);
}

grpc::Status TraceService::GetCounters(grpc::ServerContext* context,
                                       const v1::GetCountersRequest* request,
                                       v1::GetCountersResponse* response) {
  return end_of(*context, answer_counters(host_, clock_.now(), *request, *response), *response);
}

grpc::Status TraceService::GetMatrix(grpc::ServerContext* context,
                                     const v1::GetMatrixRequest* request,
                                     v1::GetMatrixResponse* response) {
  return end_of(*context,
                answer_matrix(host_, clock_.now(), *request, stop_of(*context), *response),
                *response);
}

absl::Status TraceService::list_violations(const v1::ListViolationsRequest& request,
                                           v1::ListViolationsResponse& response) {
  const auto page_size = to_count("page_size", request.page_size(), kUsualPage);
  if (!page_size.ok()) return page_size.status();
  const uint64_t list = tokens_.list_of(kViolations, v1::LifecycleFilter());
  uint64_t before = 0;
  if (!request.page_token().empty()) {
    const auto place = tokens_.read(list, request.page_token());
    if (!place.ok()) return place.status();
    before = place->sequence;
  }
  const store::ViolationPage page = host_.store.violations().page(before, *page_size);
  Converter converter(host_, clock_.now(), false);
  for (const Violation& violation : page.violations) {
    converter.put(violation, *response.add_violations());
  }
  if (page.next != 0) response.set_next_page_token(tokens_.make(list, {page.next, 0}));
  response.set_total(page.total);
  return absl::OkStatus();
}

grpc::Status TraceService::ListViolations(grpc::ServerContext* context,
                                          const v1::ListViolationsRequest* request,
                                          v1::ListViolationsResponse* response) {
  return end_of(*context, list_violations(*request, *response), *response);
}

}  // namespace swaptrail::api
