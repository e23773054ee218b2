// The answers to single queries of the TraceService. Internal to daemon/api/: trace_service.cpp.
#pragma once

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "daemon/api/clock.h"
#include "daemon/api/host.h"
#include "daemon/api/page_tables.h"
#include "daemon/api/page_token.h"
#include "daemon/store/snapshot.h"
#include "swaptrail/v1/queries.h"
#include "swaptrail/v1/trace.pb.h"

namespace swaptrail::api {

// Where an answer is cut off, so that its last part still fits into a message of 4 MiB.
inline constexpr size_t kAnswerBytes = size_t{3} << 20;

// What answers are made from, beside the request.
struct Query {
  const Host& host;
  Clock& clock;
  PageTables* tables;  // null: they can't be read
  const PageTokens& tokens;
  size_t watchers;
  Moment moment;  // when it was asked
  absl::Time deadline;
  store::Stop stop;  // has its caller gone?
};

// One for each query of the contract, in the files *_answer.cpp: if one is missing, the daemon does not link. Each fills an
// empty `response`. Any thread. Errors: InvalidArgument if the request is out of bounds. ExplainPage also: NotFound (no such
// process or frame), FailedPrecondition (the request needs page tables or frame numbers that can't be read), those of
// PipelineRequests::ask.
#define SWAPTRAIL_ANSWER(Name)                                              \
  absl::Status answer(const Query& asked, const v1::Name##Request& request, \
                      v1::Name##Response& response);
SWAPTRAIL_QUERIES(SWAPTRAIL_ANSWER)
#undef SWAPTRAIL_ANSWER

}  // namespace swaptrail::api
