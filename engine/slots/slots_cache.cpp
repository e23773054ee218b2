// Selects the area, with the caches of 64 slots a CPU in front of that (mm/swap_slots.c).
#include <algorithm>
#include <utility>

#include "engine/slots/slots.h"
#include "trace/decode.h"

namespace swaptrail::engine {
namespace {

constexpr int64_t kActivateAt = 5 * 64;    // free slots a CPU: THRESHOLD_ACTIVATE_SWAP_SLOTS_CACHE
constexpr int64_t kDeactivateAt = 2 * 64;  // THRESHOLD_DEACTIVATE_SWAP_SLOTS_CACHE

}  // namespace

// folio_alloc_swap (get_swap_page before): from the CPU's cache, which is filled when it is empty.
uint64_t SlotCore::place(uint32_t cpu, uint32_t order) {
  uint64_t entry = 0;
  if (order != 0 || !caches_on()) {
    from_areas(cpu, order, 1, &entry);
    return entry;
  }
  CpuState& own = cpus_[cpu];
  if (own.cached == 0) {
    own.at = 0;
    own.cached = from_areas(cpu, 0, kSlotBatch, own.cache.data());
    for (uint32_t at = 0; at < own.cached; ++at) {
      areas_[entry_type(own.cache[at])]->held.set(entry_offset(own.cache[at]), 1);
    }
  }
  if (own.cached == 0) return 0;
  entry = own.cache[own.at++];
  --own.cached;
  areas_[entry_type(entry)]->held.clear(entry_offset(entry), 1);
  return entry;
}

// get_swap_pages, swap_alloc_slow: each area that is tried goes behind its equals. Returns how many
// were found.
uint32_t SlotCore::from_areas(uint32_t cpu, uint32_t order, uint32_t wanted, uint64_t* out) {
  if (reclaim_ && left() < int64_t{1} << order && half_full()) reclaim_when_full();
  const int64_t room = left() >> order;
  if (room <= 0) return 0;
  wanted = static_cast<uint32_t>(std::min<int64_t>(wanted, room));
  if (rules_.global_cluster) {
    out[0] = from_global_cursor(cpu, order);
    if (out[0] != 0) return 1;
  }
  std::array<uint8_t, kMostAreaTypes> types;
  const std::span<const uint8_t> available = order_.available();
  const auto end = std::copy(available.begin(), available.end(), types.begin());
  for (auto type = types.begin(); type != end; ++type) {
    order_.requeue(*type);
    AreaState& area = *areas_[*type];
    uint32_t found = 0;
    if (!rules_.lists || !area.clustered) {
      found = scan(area, cpu, order, wanted, out);
    } else {
      while (found < wanted) {
        const uint64_t slot = from_lists(area, cpu, order);
        if (slot == 0) break;
        out[found++] = slot;
      }
    }
    for (uint32_t at = 0; at < found; ++at) out[at] = make_entry(*type, out[at]);
    // Large folios get no second try: they are split instead.
    if (found > 0 || order != 0) return found;
  }
  return 0;
}

// check_cache_active: with few slots left, and during swapoff, no slot may wait in a cache.
void SlotCore::set_cache_activity(bool drain_all) {
  const auto cpus = static_cast<int64_t>(cpus_.size());
  if (!cache_active_) {
    cache_active_ = left() > kActivateAt * cpus;
  } else if (left() < kDeactivateAt * cpus) {
    cache_active_ = false;
  }
  if (caches_on() || !drain_all) return;
  for (uint32_t cpu = 0; cpu < cpus_.size(); ++cpu) drain(cpu);
}

void SlotCore::drain(uint32_t cpu) {
  CpuState& own = cpus_[cpu];
  while (own.cached > 0) {
    const uint64_t entry = own.cache[own.at++];
    --own.cached;
    AreaState& area = *areas_[entry_type(entry)];
    area.held.clear(entry_offset(entry), 1);
    released(area, entry_offset(entry), 1);
  }
  flush_returned(own);
}

void SlotCore::drop_from_caches(uint64_t entry) {
  AreaState* area = find(entry, 1);
  area->held.clear(entry_offset(entry), 1);
  for (CpuState& cpu : cpus_) {
    uint64_t* begin = cpu.cache.data() + cpu.at;
    cpu.cached = std::remove(begin, begin + cpu.cached, entry) - begin;
    uint64_t* back = cpu.back.data();
    cpu.back_count = std::remove(back, back + cpu.back_count, entry) - back;
  }
}

// swapcache_free_entries: by area, so that each is locked only once.
void SlotCore::flush_returned(CpuState& cpu) {
  std::array<uint64_t, 64> entries = cpu.back;
  const auto end = entries.begin() + std::exchange(cpu.back_count, 0);
  std::stable_sort(entries.begin(), end,
                   [](uint64_t a, uint64_t b) { return entry_type(a) < entry_type(b); });
  for (auto entry = entries.begin(); entry != end; ++entry) {
    AreaState& area = *areas_[entry_type(*entry)];
    area.held.clear(entry_offset(*entry), 1);
    released(area, entry_offset(*entry), 1);
  }
}

// free_swap_slot. Large ranges bypass the cache (swap_entry_range_free, swap_free_cluster).
absl::Status SlotAllocator::put(uint32_t cpu, uint64_t entry, uint32_t nr_pages) {
  if (!rules_.return_cache || !caches_on() || nr_pages != 1 || cpu >= cpus_.size() ||
      !in_use(entry)) {
    return free(cpu, entry, nr_pages);
  }
  CpuState& own = cpus_[cpu];
  if (own.back_count == own.back.size()) flush_returned(own);
  own.back[own.back_count++] = entry;
  areas_[entry_type(entry)]->held.set(entry_offset(entry), 1);
  return absl::OkStatus();
}

}  // namespace swaptrail::engine
