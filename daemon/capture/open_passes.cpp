#include "daemon/capture/open_passes.h"

#include <algorithm>

namespace swaptrail::capture {

void OpenPasses::look(uint64_t now_ns, Look look, TakeEarly take_early) {
  for (Batch& batch : batches_) {
    if (batch.ended_ns != 0) continue;
    const std::optional<swaptrail_batch> shown = look(batch.tid);
    const bool over = !shown || shown->begin_ns != batch.begin_ns;
    if (over) batch.ended_ns = now_ns;  // its end lies in a ring, or was lost
    if (!over && shown->changing != 0) {
      if (batch.changing_ns == 0) batch.changing_ns = now_ns;
      if (now_ns - batch.changing_ns > kLongestNs) batch.clear_ns = now_ns;
      continue;
    }
    batch.changing_ns = 0;
    if (over || shown->pass.folio == 0 || look_at(shown->pass, take_early)) batch.clear_ns = now_ns;
  }
}

// False: its events can't be taken now.
bool OpenPasses::look_at(const swaptrail_pass& pass, TakeEarly take_early) {
  const PassParts parts = pass_parts(pass);
  auto early = std::find_if(early_.begin(), early_.end(), [&](const Early& one) {
    return one.tid == pass.tid && one.begin_ns == pass.begin_ns;
  });
  if (early == early_.end()) {
    if (early_.size() >= kMostEarly) return false;
    early = early_.insert(early_.end(), {pass.tid, pass.batch_ns, pass.begin_ns, 0});
  }
  if (early->parts != parts) take_early(pass, early->parts);
  early->parts = parts;
  return true;
}

void OpenPasses::note(const swaptrail_event& event) {
  const bool begins = event.kind == SWAPTRAIL_RECLAIM_BEGIN;
  if (!begins && event.kind != SWAPTRAIL_RECLAIM_END) return;
  if (begins) {
    batches_.push_back({event.tid, event.batch_ns, 0, event.batch_ns, event.batch_ns, 0});
    return;
  }
  for (Batch& batch : batches_)
    if (batch.tid == event.tid && batch.begin_ns == event.batch_ns) batch.ended_ns = event.time_ns;
}

PassParts OpenPasses::taken_early(const swaptrail_pass& pass) {
  for (Early& early : early_) {
    if (early.tid != pass.tid || early.begin_ns != pass.begin_ns) continue;
    const PassParts parts = early.parts;
    early = early_.back();
    early_.pop_back();
    return parts;
  }
  return 0;
}

uint64_t OpenPasses::clear_until(uint64_t taken_until_ns, bool emptied_all) {
  const auto is_taken = [&](const Batch& batch) {
    return batch.ended_ns != 0 && batch.ended_ns <= taken_until_ns;
  };
  // The record of a pass that was taken early may have been lost: its batch forgets it.
  for (const Batch& batch : batches_)
    if (is_taken(batch))
      std::erase_if(early_, [&](const Early& early) {
        return early.tid == batch.tid && early.batch_ns == batch.begin_ns;
      });
  std::erase_if(batches_, is_taken);
  uint64_t until = taken_until_ns;
  for (Batch& batch : batches_) {
    if (emptied_all) batch.taken_ns = batch.clear_ns;
    until = std::min(until, batch.taken_ns);
  }
  return until;
}

}  // namespace swaptrail::capture
