#include "daemon/api/follower.h"

#include <algorithm>

namespace swaptrail::api {

bool Follower::read(const store::Snapshot& snapshot, Converter& converter, Lifecycles& out,
                    uint64_t& missed) {
  const uint64_t oldest = snapshot.oldest_sequence();
  if (oldest > next_) {
    missed += oldest - next_;
    next_ = oldest;
  }
  size_t bytes = 0, looks = 0;
  bool more = false;
  const auto wanted = [&](const store::SegmentSummary& summary) {
    return matcher_.may_match(summary);
  };
  const auto visit = [&](uint64_t sequence, const store::RecordView& record) {
    if (static_cast<size_t>(out.size()) >= kMostLifecycles || bytes >= kMostBytes ||
        looks++ >= kMostLooks) {
      next_ = sequence;
      more = true;
      return false;
    }
    if (!matcher_.matches(record) || (also_ && !also_(record))) return true;
    v1::Lifecycle& added = *out.Add();
    converter.put(record.stored(sequence), added);
    bytes += added.ByteSizeLong();
    return true;
  };
  visit_oldest_first(snapshot, next_, wanted, visit);
  if (!more) next_ = std::max(next_, snapshot.next_sequence());
  return more;
}

}  // namespace swaptrail::api
