// Reads the store as it grows, in pieces.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>

#include "daemon/api/convert.h"
#include "daemon/store/filter.h"
#include "daemon/store/snapshot.h"
#include "swaptrail/v1/lifecycle.pb.h"

namespace swaptrail::api {

// From a sequence on, the oldest first. Lifecycles that the store drops before this gets to them
// are missed and counted, matching or not. One thread at a time.
class Follower {
 public:
  using Lifecycles = google::protobuf::RepeatedPtrField<v1::Lifecycle>;
  // A further condition; empty = none.
  using Also = std::function<bool(const store::RecordView&)>;

  // The most in one piece: lifecycles; bytes of them, which the last one may exceed; records looked at.
  static constexpr size_t kMostLifecycles = 256, kMostBytes = 256 << 10, kMostLooks = 65536;

  Follower(const store::Filter& filter, Also also, uint64_t from)
      : matcher_(filter), also_(std::move(also)), next_(from) {}

  // Adds the next piece to `out`, and the number missed to `missed`. True: there is more right
  // away.
  bool read(const store::Snapshot& snapshot, Converter& converter, Lifecycles& out,
            uint64_t& missed);

 private:
  store::Matcher matcher_;
  Also also_;
  uint64_t next_;  // sequence
};

}  // namespace swaptrail::api
