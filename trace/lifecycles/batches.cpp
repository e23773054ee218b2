#include "trace/lifecycles/batches.h"

#include "trace/check.h"

namespace swaptrail::lifecycles {

BatchTable::BatchTable(size_t max) : pool_(max) { by_tid_.reserve(std::min<size_t>(max, 1024)); }

uint32_t BatchTable::find(uint32_t tid) const {
  if (found_ != kNoIndex && found_tid_ == tid) return found_;
  const auto found = by_tid_.find(tid);
  if (found == by_tid_.end()) return kNoIndex;
  found_tid_ = tid;
  return found_ = found->second;
}

uint32_t BatchTable::add(uint32_t tid) {
  SWAPTRAIL_DCHECK(find(tid) == kNoIndex);
  const uint32_t index = pool_.acquire();
  if (index == kNoIndex) return kNoIndex;
  Batch& batch = pool_.at(index);
  batch.live = true;
  batch.reclaimer.tid = tid;
  by_tid_[tid] = index;
  return index;
}

void BatchTable::remove(uint32_t index) {
  Batch& batch = pool_.at(index);
  SWAPTRAIL_DCHECK(batch.live);
  batch.live = false;
  by_tid_.erase(batch.reclaimer.tid);
  found_ = kNoIndex;
  pool_.release(index);
}

uint32_t BatchTable::oldest() const {
  uint32_t best = kNoIndex;
  for (uint32_t index = 0; index < pool_.touched(); ++index) {
    const Batch& batch = pool_.at(index);
    if (!batch.live) continue;
    if (best == kNoIndex || batch.reclaimer.batch_ns < pool_.at(best).reclaimer.batch_ns) {
      best = index;
    }
  }
  return best;
}

}  // namespace swaptrail::lifecycles
