// One call of ControlService.PageOut. Internal to daemon/api/: control_service.cpp.
#pragma once

#include <grpcpp/grpcpp.h>

#include "absl/status/status.h"
#include "daemon/api/clock.h"
#include "daemon/api/follower.h"
#include "daemon/api/host.h"
#include "daemon/api/page_tables.h"
#include "swaptrail/v1/control.pb.h"

namespace swaptrail::api {

// Errors: InvalidArgument, naming the field that is out of bounds.
absl::Status check_page_out(const v1::PageOutRequest& request);

// For a request that was checked. Swaps the range out step by step, and reports what becomes of its
// pages until as many as left have been reported, or the time is over. One thread.
class PageOut {
 public:
  PageOut(const Host& host, PageTables& tables, Clock& clock, const v1::PageOutRequest& request,
          const grpc::ServerContext& context, grpc::ServerWriter<v1::PageOutResponse>& writer);

  // Errors: those of PageTables; Cancelled if nobody reads any more.
  absl::Status run();

 private:
  absl::Status advise();
  absl::Status wait();
  absl::Status report_news();
  absl::StatusOr<host::RangeCount> count();
  bool is_in_range(const store::RecordView& record) const;
  void note_freed(const v1::Lifecycle& lifecycle);

  const Host& host_;
  PageTables& tables_;
  Clock& clock_;
  const v1::PageOutRequest& request_;
  const grpc::ServerContext& context_;
  grpc::ServerWriter<v1::PageOutResponse>& writer_;
  Follower follower_;
  store::PageSizes sizes_;
  host::RangeCount before_, now_;
  uint64_t advised_bytes_ = 0;
  uint64_t freed_pages_ = 0;  // of the range, as reported
};

}  // namespace swaptrail::api
