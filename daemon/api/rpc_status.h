// The daemon's errors as gRPC errors.
#pragma once

#include <grpcpp/support/status.h>

#include <chrono>

#include "absl/status/status.h"

namespace swaptrail::api {

// The codes have the same numbers. The text stays, as valid UTF-8.
grpc::Status to_rpc(const absl::Status& status);

// Why a call ends that nobody waits for any more: its deadline or its caller. OK while it goes on.
// `Context` is a grpc::ServerContext or a grpc::CallbackServerContext.
template <typename Context>
grpc::Status ended(const Context& context) {
  if (!context.IsCancelled()) return grpc::Status::OK;
  if (context.deadline() <= std::chrono::system_clock::now()) {
    return {grpc::StatusCode::DEADLINE_EXCEEDED, "the deadline is over"};
  }
  return {grpc::StatusCode::CANCELLED, "the caller has gone"};
}

}  // namespace swaptrail::api
