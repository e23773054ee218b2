// Converts the kernel's monotonic times to wall-clock times and back.
#pragma once

#include <google/protobuf/timestamp.pb.h>

#include <atomic>
#include <cstdint>

namespace swaptrail::api {

// One reading of both clocks. A value.
class Moment {
 public:
  // `ahead_ns`: realtime - monotonic.
  Moment(uint64_t monotonic_ns, int64_t ahead_ns) : now_ns_(monotonic_ns), ahead_ns_(ahead_ns) {}

  uint64_t now_ns() const { return now_ns_; }  // monotonic
  google::protobuf::Timestamp wall(uint64_t monotonic_ns) const;
  // Of a valid timestamp. Times before the boot become 0, times too far ahead the last moment.
  uint64_t monotonic(const google::protobuf::Timestamp& time) const;

 private:
  uint64_t now_ns_;
  int64_t ahead_ns_;
};

// Any thread. The distance of the two clocks varies a little with each reading; small differences
// are ignored, so a reported time that comes back in a filter means the same moment.
class Clock {
 public:
  Moment now();

 private:
  static constexpr int64_t kFollowFrom_ns = 1'000'000;
  std::atomic<int64_t> ahead_ns_{0};
};

}  // namespace swaptrail::api
