// Folios that were freed, whose pages lie in swap. Internal to trace/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "bpf/event.h"
#include "trace/lifecycle.h"
#include "trace/lifecycles/pool.h"

namespace swaptrail::lifecycles {

// There may be millions of them, so each byte counts: small fields share one.
struct Swapped {
  Swapped() = default;
  explicit Swapped(const Lifecycle& life)
      : lifecycle_id(life.id),
        removed_ns(life.at(Stage::kRemoved)),
        cgroup(life.cgroup),
        generation(life.generation),
        victim(life.mappings[0].tgid),
        reclaimer(life.last.tgid),
        shmem(life.shmem),
        sample_shift(life.sample_shift & 0xf),
        backend(life.backend & 0xf),
        origin(life.last.origin & 0xf) {}

  Eviction eviction() const {
    return {.cgroup = cgroup, .victim = victim, .reclaimer = reclaimer, .origin = origin};
  }

  uint64_t lifecycle_id = 0;
  uint64_t removed_ns = 0;
  uint64_t cgroup = 0;
  uint32_t generation = 0;
  uint32_t victim = 0;
  uint32_t reclaimer = 0;
  uint16_t references = 0;  // slots and pending frees that point here
  bool shmem : 1 = false;
  uint8_t sample_shift : 4 = 0;
  uint8_t backend : 4 = SWAPTRAIL_BACKEND_UNKNOWN;
  uint8_t origin : 4 = SWAPTRAIL_ORIGIN_UNKNOWN;
};
static_assert(SWAPTRAIL_BACKEND_END <= 16 && SWAPTRAIL_ORIGIN_END <= 16);
static_assert(sizeof(Swapped) == 40);

// Slots that were freed after their page was read. The fault that freed them may still be running:
// do_swap_page (mm/memory.c) frees the slot before it returns and SWAP_IN is reported. Until then,
// or until `grace`, it is open whether the page was swapped in or thrown away.
struct PendingFree {
  uint64_t entry = 0;
  uint64_t time_ns = 0;
  uint32_t swapped = kNoIndex;
  uint16_t nr_pages = 0;  // 0 = settled
};

// A ring of bounded size, oldest first.
class PendingFrees {
 public:
  static constexpr size_t kMax = 4096;

  bool empty() const { return count_ == 0; }
  bool full() const { return count_ == kMax; }
  const PendingFree& front() const { return items_[head_]; }
  void pop() {
    head_ = (head_ + 1) % kMax;
    --count_;
  }
  void push(const PendingFree& item) { items_[(head_ + count_++) % kMax] = item; }
  // The newest that covers `entry` and is not older than `since_ns`; null if none.
  PendingFree* find(uint64_t entry, uint64_t since_ns);

 private:
  std::vector<PendingFree> items_ = std::vector<PendingFree>(kMax);
  size_t head_ = 0;
  size_t count_ = 0;
};

}  // namespace swaptrail::lifecycles
