#include "daemon/capture/open_passes.h"

#include <algorithm>

namespace swaptrail::capture {

void OpenPasses::look(uint64_t now_ns, Look look) {
  for (Batch& batch : batches_) {
    if (batch.ended_ns != 0) continue;
    const std::optional<swaptrail_batch> shown = look(batch.tid);
    const bool over = !shown || shown->begin_ns != batch.begin_ns;
    if (over) batch.ended_ns = now_ns;  // its end lies in a ring, or was lost
    if (over || shown->open_ns == 0 || shown->open_ns + kLongestNs < now_ns)
      batch.clear_ns = now_ns;
    else if (shown->open_ns != 1)
      batch.clear_ns = std::max<uint64_t>(batch.clear_ns, shown->open_ns - 1);
  }
}

void OpenPasses::note(const swaptrail_event& event) {
  const bool begins = event.kind == SWAPTRAIL_RECLAIM_BEGIN;
  if (!begins && event.kind != SWAPTRAIL_RECLAIM_END) return;
  if (begins) {
    batches_.push_back({event.tid, event.batch_ns, 0, event.batch_ns, event.batch_ns});
    return;
  }
  for (Batch& batch : batches_)
    if (batch.tid == event.tid && batch.begin_ns == event.batch_ns) batch.ended_ns = event.time_ns;
}

uint64_t OpenPasses::clear_until(uint64_t taken_until_ns, bool emptied_all) {
  const auto is_taken = [&](const Batch& batch) {
    return batch.ended_ns != 0 && batch.ended_ns <= taken_until_ns;
  };
  batches_.erase(std::remove_if(batches_.begin(), batches_.end(), is_taken), batches_.end());
  uint64_t until = taken_until_ns;
  for (Batch& batch : batches_) {
    if (emptied_all) batch.taken_ns = batch.clear_ns;
    until = std::min(until, batch.taken_ns);
  }
  return until;
}

}  // namespace swaptrail::capture
