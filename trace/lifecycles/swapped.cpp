#include "trace/lifecycles/swapped.h"

namespace swaptrail::lifecycles {

PendingFree* PendingFrees::find(uint64_t entry, uint64_t since_ns) {
  for (size_t back = 1; back <= count_; ++back) {
    PendingFree& item = items_[(head_ + count_ - back) % kMax];
    if (item.time_ns < since_ns) return nullptr;
    if (entry - item.entry < item.nr_pages) return &item;
  }
  return nullptr;
}

}  // namespace swaptrail::lifecycles
