// The swap slot allocator of the kernel, by generation (mm/swapfile.c, mm/swap_slots.c).
//
// Deterministic: the same calls give the same slots. An allocation is O(1) amortised: bitmaps with a
// summary, and lists of clusters. Only searches of a nearly full area cost more, as in the kernel. Two
// ways to use it: a free run (allocate, put), or beside an observed kernel (step, free), which
// corrects the model after each miss. Discard is not modelled. One thread. Memory: see slots_state.h.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "engine/slots/slots_core.h"

namespace swaptrail::engine {

struct SlotUsage {
  uint64_t slots = 0;      // of all areas, without headers and bad pages
  uint64_t in_use = 0;     // used, as the kernel counts it: including the next two
  uint64_t cached = 0;     // taken by a CPU's cache, but not handed out yet
  uint64_t returning = 0;  // given back, but not free until their CPU's return cache is flushed
};

class SlotAllocator : private SlotCore {
 public:
  // Options out of range are set to the nearest possible value.
  explicit SlotAllocator(const SlotOptions& options) : SlotCore(options) {}

  // Errors: InvalidArgument if the area has no slot, or type or priority are out of range;
  // AlreadyExists.
  absl::Status swapon(const Area& area);
  // swapoff has begun: no slot is taken from the area any more, and caches are off until it is done.
  // As with swapoff(), it is done when the area's last slot is free. Errors: NotFound, or begun
  // before.
  absl::Status retire(uint32_t type);
  // Forgets the area with everything in it, and what CPUs hold of it. Errors: NotFound.
  absl::Status swapoff(uint32_t type);

  // The entry of the first of `nr_pages` slots (a power of two), contiguous and aligned to that, as
  // type << 58
  // offset; nothing if there is none, or cpu or nr_pages are impossible.
  std::optional<uint64_t> allocate(uint32_t cpu, uint32_t nr_pages);
  // The slots become free now: the moment that the hook of SLOT_FREED sees. A slot that only a
  // CPU's cache holds leaves it. They must be in one cluster. Errors: NotFound (no such area),
  // OutOfRange, FailedPrecondition (one was free already; nothing is done).
  absl::Status free(uint32_t cpu, uint64_t entry, uint32_t nr_pages);
  // Nobody needs the slots any more (count and cache pin are gone). If the generation collects
  // them, they become free only when there are 64. Errors as free().
  absl::Status put(uint32_t cpu, uint64_t entry, uint32_t nr_pages);

  SlotUsage usage() const;
  bool in_use(uint64_t entry) const { return handed_out(entry); }  // and neither put nor freed
  const Area* area(uint32_t type) const;
  const AreaOrder& order() const { return order_; }

  // Called for slots that perhaps only the swap cache needs, when more than half of all are used
  // and no cluster is free, or the area is full (vm_swap_full). True: the caller has dropped the
  // slot, and it becomes free. Only for generations with lists; predict() and step() never call it.
  void set_reclaim(std::function<bool(uint64_t entry)> reclaim) { reclaim_ = std::move(reclaim); }

  // ---- beside an observed kernel (engine/slots/slots_trial.cpp)
  // What allocate() would return; changes nothing.
  std::optional<uint64_t> predict(uint32_t cpu, uint32_t nr_pages);
  // An allocation was observed. Returns the prediction. If it equals `observed`, the model has made
  // the allocation; otherwise the model is unchanged: then call adopt().
  std::optional<uint64_t> step(uint32_t cpu, uint32_t nr_pages, uint64_t observed);
  // The kernel took other slots than predicted: the model takes them too, and continues from there.
  // No effect if they are not free, or cpu or nr_pages are impossible.
  void adopt(uint32_t cpu, uint32_t nr_pages, uint64_t observed);
  // The CPU whose cache, or cluster for that order, holds the slot; nothing if none does.
  std::optional<uint32_t> holder(uint64_t entry, uint32_t nr_pages) const;
  bool in_cache(uint64_t entry) const;  // in some CPU's cache, or on its way out of one
  bool retiring(uint32_t type) const;   // swapoff has begun, or there is no such area
  bool scans(uint32_t type) const;      // no cluster is free, and it has no other lists
  const SlotOptions& options() const { return options_; }
};

}  // namespace swaptrail::engine
