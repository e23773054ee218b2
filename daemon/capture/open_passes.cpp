#include "daemon/capture/open_passes.h"

#include <algorithm>

namespace swaptrail::capture {

void OpenPasses::look(uint64_t now_ns, Look look, TakeEarly take_early) {
  for (Batch& batch : batches_) {
    batch.looked_at = false;
    if (batch.ended_ns != 0) continue;
    const std::optional<swaptrail_batch> shown = look(batch.tid);
    const bool over = !shown || shown->begin_ns != batch.begin_ns;
    if (over) batch.ended_ns = now_ns;  // its end lies in a ring, or was lost
    if (!over) batch.submitted = shown->passes;
    if (!over && shown->changing != 0) {
      if (batch.changing_ns == 0) batch.changing_ns = now_ns;
      if (now_ns - batch.changing_ns > kLongestNs) batch.clear_ns = now_ns;
      continue;
    }
    batch.changing_ns = 0;
    batch.looked_at = !over;
    const bool open = !over && shown->pass.folio != 0;
    const uint64_t clear_ns = open ? clear_of(batch, shown->pass, now_ns, take_early) : now_ns;
    batch.clear_ns = std::max(batch.clear_ns, clear_ns);
  }
}

// Until when the events of its batch are in the rings or taken.
uint64_t OpenPasses::clear_of(const Batch& batch, const swaptrail_pass& pass, uint64_t now_ns,
                              TakeEarly take_early) {
  if (behind_ || !batch.begun) return pass.begin_ns - 1;
  const PassParts parts = pass_parts(pass);
  auto early = early_of(pass);
  if (early == early_.end()) {
    if (early_.size() >= kMostEarly) return pass.begin_ns - 1;
    early = early_.insert(early_.end(), {pass.tid, pass.batch_ns, pass.begin_ns, 0});
  }
  if (early->parts != parts) take_early(pass, early->parts);
  early->parts = parts;
  return now_ns;
}

std::vector<OpenPasses::Early>::iterator OpenPasses::early_of(const swaptrail_pass& pass) {
  return std::find_if(early_.begin(), early_.end(), [&](const Early& one) {
    return one.tid == pass.tid && one.begin_ns == pass.begin_ns;
  });
}

// The first record of a batch need not be its begin: they lie in the rings of several CPUs.
OpenPasses::Batch& OpenPasses::batch_of(uint32_t tid, uint64_t begin_ns) {
  const auto is_it = [&](const Batch& batch) {
    return batch.tid == tid && batch.begin_ns == begin_ns;
  };
  if (last_ < batches_.size() && is_it(batches_[last_])) return batches_[last_];
  const auto found = std::find_if(batches_.begin(), batches_.end(), is_it);
  last_ = static_cast<size_t>(found - batches_.begin());
  if (found == batches_.end())
    batches_.push_back(
        {.tid = tid, .begin_ns = begin_ns, .clear_ns = begin_ns, .taken_ns = begin_ns});
  return batches_[last_];
}

void OpenPasses::note(const swaptrail_event& event) {
  if (event.kind == SWAPTRAIL_RECLAIM_BEGIN) batch_of(event.tid, event.batch_ns).begun = true;
  if (event.kind != SWAPTRAIL_RECLAIM_END) return;
  for (Batch& batch : batches_)
    if (batch.tid == event.tid && batch.begin_ns == event.batch_ns) batch.ended_ns = event.time_ns;
}

PassParts OpenPasses::note(const swaptrail_pass& pass) {
  ++batch_of(pass.tid, pass.batch_ns).passes;
  const auto early = early_of(pass);
  if (early == early_.end()) return 0;
  const PassParts parts = early->parts;
  *early = early_.back();
  early_.pop_back();
  return parts;
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
  behind_ = !emptied_all;
  uint64_t until = taken_until_ns;
  for (Batch& batch : batches_) {
    const bool none_left = batch.looked_at && batch.passes >= batch.submitted;
    if (emptied_all || none_left) batch.taken_ns = batch.clear_ns;
    until = std::min(until, batch.taken_ns);
  }
  return until;
}

}  // namespace swaptrail::capture
