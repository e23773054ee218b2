#include "daemon/api/rpc_status.h"

#include <string>
#include <string_view>

#include "trace/utf8.h"

namespace swaptrail::api {

grpc::Status to_rpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const std::string_view text(status.message().data(), status.message().size());
  return {static_cast<grpc::StatusCode>(status.code()), utf8(text)};
}

}  // namespace swaptrail::api
