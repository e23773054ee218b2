#include "daemon/listen/grpc_log.h"

#include <grpc/support/log.h>

#include <string>

#include "daemon/base/log.h"
#include "trace/utf8.h"

namespace swaptrail::listen {
namespace {

constexpr size_t kMostLine_bytes = 500;

base::MinuteLimit& limit() {
  static base::MinuteLimit all(10);
  return all;
}

void write_line(gpr_log_func_args* args) {
  if (limit().passes()) base::log_always("gRPC: " + printable_line(args->message, kMostLine_bytes));
}

}  // namespace

void bound_grpc_log() { gpr_set_log_function(write_line); }

uint64_t grpc_log_left_out() { return limit().left_out(); }

}  // namespace swaptrail::listen
