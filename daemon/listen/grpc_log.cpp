#include "daemon/listen/grpc_log.h"

#include <grpc/support/log.h>

#include <atomic>
#include <cstdio>
#include <ctime>
#include <mutex>
#include <string>
#include <string_view>

#include "trace/utf8.h"

namespace swaptrail::listen {
namespace {

constexpr int kMostInAMinute = 10;
constexpr size_t kMostLine_bytes = 500;

std::atomic<uint64_t> left_out{0};

// Is there room in this minute.
bool has_room() {
  static std::mutex mutex;
  static time_t minute = 0;
  static int written = 0;
  const std::lock_guard lock(mutex);
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  if (now.tv_sec / 60 != minute) {
    minute = now.tv_sec / 60;
    written = 0;
  }
  return written++ < kMostInAMinute;
}

void write_line(gpr_log_func_args* args) {
  if (!has_room()) {
    left_out++;
    return;
  }
  const std::string text = printable(std::string_view(args->message).substr(0, kMostLine_bytes));
  std::fprintf(stderr, "swaptraild: gRPC: %s\n", text.c_str());
}

}  // namespace

void bound_grpc_log() { gpr_set_log_function(write_line); }

uint64_t grpc_log_left_out() { return left_out; }

}  // namespace swaptrail::listen
