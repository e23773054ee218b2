#include "daemon/api/control_service.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/api/filter.h"
#include "daemon/api/page_out.h"
#include "daemon/api/rpc_status.h"
#include "trace/utf8.h"

namespace swaptrail::api {
namespace {

constexpr size_t kReasonBytes = 64;
constexpr absl::Duration kMostWriting = absl::Minutes(1);
constexpr const char* kUsualReason = "request";

absl::Status check_reason(const std::string& reason) {
  if (reason.size() > kReasonBytes) {
    return out_of_bounds("reason", absl::StrCat(reason.size(), " bytes"), "at most 64");
  }
  const auto fits = [](char c) { return absl::ascii_isalnum(c) || c == '-' || c == '_'; };
  if (std::ranges::all_of(reason, fits)) return absl::OkStatus();
  return out_of_bounds("reason", "another character", "letters, digits, '-' and '_'");
}

grpc::Status refusal() {
  return {grpc::StatusCode::PERMISSION_DENIED, "needs uid 0 or the control group"};
}

// Occupies one of a few places while it lives.
class Place {
 public:
  Place(std::atomic<int>& taken, int most) : taken_(taken), has_(taken.fetch_add(1) < most) {}
  ~Place() { taken_.fetch_sub(1); }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  bool has() const { return has_; }

 private:
  std::atomic<int>& taken_;
  bool has_;
};

}  // namespace

grpc::Status ControlService::TriggerFlightRecorder(grpc::ServerContext* context,
                                                   const v1::TriggerFlightRecorderRequest* request,
                                                   v1::TriggerFlightRecorderResponse* response) {
  if (const auto status = check_reason(request->reason()); !status.ok()) return to_rpc(status);
  const std::string reason = request->reason().empty() ? kUsualReason : request->reason();
  absl::StatusOr<record::FlightFiles> files = absl::UnknownError("not asked");
  const absl::Status asked = host_.requests.ask(
      [&](pipeline::PipelineView& view) { files = view.write_flight(reason); },
      std::min(absl::FromChrono(context->deadline()), absl::Now() + kMostWriting));
  if (!asked.ok()) return to_rpc(asked);
  if (!files.ok()) return to_rpc(files.status());
  for (const std::string& path : files->paths) response->add_paths(utf8(path));
  if (files->since_ns != 0) *response->mutable_since() = clock_.now().wall(files->since_ns);
  return grpc::Status::OK;
}

grpc::Status ControlService::PageOut(grpc::ServerContext* context,
                                     const v1::PageOutRequest* request,
                                     grpc::ServerWriter<v1::PageOutResponse>* writer) {
  if (const auto status = check_page_out(*request); !status.ok()) return to_rpc(status);
  if (!host_.pageout_enabled || tables_ == nullptr) {
    return {grpc::StatusCode::FAILED_PRECONDITION,
            "swaptraild was started without leave to swap out pages of processes"};
  }
  const Place place(page_outs_, kMostPageOuts);
  if (!place.has()) {
    return {grpc::StatusCode::RESOURCE_EXHAUSTED,
            "4 ranges are being swapped out already: wait until one has ended"};
  }
  const absl::Status status =
      api::PageOut(host_, *tables_, clock_, *request, *context, *writer).run();
  if (const grpc::Status over = ended(*context); !over.ok()) return over;
  return to_rpc(status);
}

grpc::Status RefusingControlService::TriggerFlightRecorder(grpc::ServerContext*,
                                                           const v1::TriggerFlightRecorderRequest*,
                                                           v1::TriggerFlightRecorderResponse*) {
  return refusal();
}

grpc::Status RefusingControlService::PageOut(grpc::ServerContext*, const v1::PageOutRequest*,
                                             grpc::ServerWriter<v1::PageOutResponse>*) {
  return refusal();
}

}  // namespace swaptrail::api
