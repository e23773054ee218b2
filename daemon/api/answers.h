// The answers to single queries of the TraceService. Internal to daemon/api/: trace_service.cpp.
#pragma once

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "daemon/api/clock.h"
#include "daemon/api/host.h"
#include "daemon/api/page_tables.h"
#include "daemon/api/trace_service.h"
#include "daemon/store/snapshot.h"
#include "swaptrail/v1/trace.pb.h"

namespace swaptrail::api {

// Where an answer is cut off, so that its last part still fits into a message of 4 MiB.
inline constexpr size_t kAnswerBytes = size_t{3} << 20;

// All fill an empty `response`. Any thread. Errors: InvalidArgument if the request is out of bounds.
void answer_status(const Host& host, const Moment& moment, size_t watchers,
                   v1::GetStatusResponse& response);
absl::Status answer_areas(const Host& host, const Moment& moment, const store::Stop& stop,
                          v1::GetSwapAreasResponse& response);
absl::Status answer_stats(const Host& host, const Moment& moment,
                          const v1::QueryStatsRequest& request, const store::Stop& stop,
                          v1::QueryStatsResponse& response);
absl::Status answer_counters(const Host& host, const Moment& moment,
                             const v1::GetCountersRequest& request,
                             v1::GetCountersResponse& response);
absl::Status answer_matrix(const Host& host, const Moment& moment,
                           const v1::GetMatrixRequest& request, const store::Stop& stop,
                           v1::GetMatrixResponse& response);
// Errors also: NotFound (no such process or frame), FailedPrecondition (the request needs page
// tables or frame numbers that can't be read), those of PipelineRequests::ask.
absl::Status answer_page(const Host& host, Clock& clock, PageTables* tables,
                         const v1::ExplainPageRequest& request, absl::Time deadline,
                         v1::ExplainPageResponse& response);

}  // namespace swaptrail::api
