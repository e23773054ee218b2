// Beside an observed kernel: try, and undo it if the kernel did something else.
#include <bit>

#include "engine/slots/slots.h"
#include "trace/decode.h"

namespace swaptrail::engine {

SlotCore::Trial SlotCore::begin(uint32_t cpu) {
  journal_.clear();
  saved_.clear();
  for (const uint8_t type : order_.available()) {
    AreaState& area = *areas_[type];
    area.journal = &journal_;
    const uint32_t place = area.area.rotational ? 0 : cpu;
    saved_.push_back({type, place, area.now, area.cpus[place]});
  }
  const CpuState& own = cpus_[cpu];
  return {order_, in_use_, random_, own.at, own.cached, own.cursors};
}

void SlotCore::end_trial() {
  for (const Saved& saved : saved_) areas_[saved.type]->journal = nullptr;
}

void SlotCore::undo(const Trial& trial, uint32_t cpu) {
  end_trial();
  for (auto change = journal_.rbegin(); change != journal_.rend(); ++change) {
    areas_[change->type]->undo(*change);
  }
  for (const Saved& saved : saved_) {
    areas_[saved.type]->now = saved.counts;
    areas_[saved.type]->cpus[saved.place] = saved.cpu;
  }
  order_ = trial.order;
  in_use_ = trial.in_use;
  random_ = trial.random;
  CpuState& own = cpus_[cpu];
  own.at = trial.at;
  own.cached = trial.cached;
  own.cursors = trial.cursors;
  for (uint32_t left = 0; left < own.cached; ++left) {
    const uint64_t entry = own.cache[own.at + left];
    areas_[entry_type(entry)]->held.set(entry_offset(entry), 1);
  }
}

std::optional<uint64_t> SlotAllocator::predict(uint32_t cpu, uint32_t nr_pages) {
  if (!possible(cpu, nr_pages)) return std::nullopt;
  if (rules_.alloc_cache) set_cache_activity(/*drain=*/false);
  const Trial trial = begin(cpu);
  const uint64_t entry = place(cpu, static_cast<uint32_t>(std::countr_zero(nr_pages)));
  undo(trial, cpu);
  return entry == 0 ? std::nullopt : std::optional(entry);
}

std::optional<uint64_t> SlotAllocator::step(uint32_t cpu, uint32_t nr_pages, uint64_t observed) {
  if (!possible(cpu, nr_pages)) return std::nullopt;
  if (rules_.alloc_cache) set_cache_activity(/*drain=*/false);
  const Trial trial = begin(cpu);
  const uint64_t entry = place(cpu, static_cast<uint32_t>(std::countr_zero(nr_pages)));
  if (entry == observed) {
    end_trial();
    return entry;
  }
  undo(trial, cpu);
  return entry == 0 ? std::nullopt : std::optional(entry);
}

// The kernel had no such cache as the model's: its slots were never taken.
void SlotCore::forget_cache(uint32_t cpu) {
  CpuState& own = cpus_[cpu];
  while (own.cached > 0) {
    const uint64_t entry = own.cache[own.at + --own.cached];
    AreaState& area = *areas_[entry_type(entry)];
    const uint64_t slot = entry_offset(entry);
    area.held.clear(slot, 1);
    if (area.retired) {
      released(area, slot, 1);
      continue;
    }
    area.unmark(slot, 1);
    --in_use_;
    order_.enter(area.area.type);
    const uint32_t cluster = area.clustered ? area.cluster_of(slot) : 0;
    if (area.clustered && area.clusters[cluster].count == 0) area.move_to_front(cluster, kFree);
  }
}

// Slots that were skipped in the CPU's own cache have left it unseen, or will still be seen on
// another CPU: they stay taken, without an owner.
bool SlotCore::adopt_from_cache(AreaState& area, uint32_t cpu, uint64_t entry) {
  if (!area.held.test(entry_offset(entry))) return false;
  area.held.clear(entry_offset(entry), 1);
  CpuState& own = cpus_[cpu];
  for (uint32_t passed = 0; passed < own.cached; ++passed) {
    if (own.cache[own.at + passed] != entry) continue;
    own.at += passed + 1;
    own.cached -= passed + 1;
    return true;
  }
  drop_from_caches(entry);  // the task ran on another CPU when it took it
  return true;
}

void SlotAllocator::adopt(uint32_t cpu, uint32_t nr_pages, uint64_t observed) {
  AreaState* area = possible(cpu, nr_pages) ? find(observed, nr_pages) : nullptr;
  if (area == nullptr) return;
  const uint64_t slot = entry_offset(observed);
  if (rules_.alloc_cache && nr_pages == 1) {
    if (adopt_from_cache(*area, cpu, observed)) return;
    forget_cache(cpu);
  }
  if (area->taken.any(slot, nr_pages)) return;
  if (area->clustered) {
    adopt_into_cluster(*area, cpu, slot, nr_pages);
    return;
  }
  area->now.scan_next = slot + 1;
  taken(*area, slot, nr_pages);
}

void SlotCore::adopt_into_cluster(AreaState& area, uint32_t cpu, uint64_t slot, uint32_t nr_pages) {
  const auto order = static_cast<uint32_t>(std::countr_zero(nr_pages));
  const uint32_t cluster = area.cluster_of(slot);
  const uint64_t end = area.cluster_end(cluster);
  if (rules_.lists) {
    claim(area, slot, order);
    if (rules_.isolates) relocate(area, cluster);
    const bool room = area.clusters[cluster].count < area.cluster_slots;
    set_cursor(area, cpu, order, room && slot + 2 * nr_pages <= end ? slot + nr_pages : 0);
    return;
  }
  Cursor& cursor = area.cpus[cpu].cursors[order];
  const bool begun = area.clusters[cluster].list == kFree || area.clusters.size(kFree) > 0;
  take(area, slot, nr_pages);
  if (begun || cursor.cluster == cluster || order != 0) {
    cursor = {slot + nr_pages, cluster};
    return;
  }
  // No cluster is free: the CPU scans, and took the following slots with it.
  cursor.cluster = kNoCluster;
  CpuState& own = cpus_[cpu];
  own.at = 0;
  own.cached = resume_scan(area, cpu, slot, own.cache.data()) - 1;
  own.at = 1;
  for (uint32_t at = 0; at < own.cached; ++at) {
    own.cache[1 + at] = make_entry(area.area.type, own.cache[1 + at]);
    area.held.set(entry_offset(own.cache[1 + at]), 1);
  }
}

std::optional<uint32_t> SlotAllocator::holder(uint64_t entry, uint32_t nr_pages) const {
  const AreaState* area = state_of(entry);
  if (area == nullptr || !area->clustered) return std::nullopt;
  const auto order = static_cast<uint32_t>(std::countr_zero(nr_pages));
  const uint32_t type = entry_type(entry);
  const uint32_t cluster = area->cluster_of(entry_offset(entry));
  for (uint32_t cpu = 0; cpu < cpus_.size(); ++cpu) {
    const uint64_t* cache = cpus_[cpu].cache.data() + cpus_[cpu].at;
    for (uint32_t at = 0; at < cpus_[cpu].cached; ++at) {
      if (cache[at] == entry) return cpu;
    }
  }
  for (uint32_t cpu = 0; cpu < cpus_.size(); ++cpu) {
    const GlobalCursor& global = cpus_[cpu].cursors[order];
    if (global.next != 0 && global.type == type && area->cluster_of(global.next) == cluster) {
      return cpu;
    }
    const Cursor& cursor = area->cpus[cpu].cursors[order];
    const bool here = rules_.lists ? cursor.next != 0 && area->cluster_of(cursor.next) == cluster
                                   : cursor.cluster == cluster;
    if (here) return cpu;
  }
  return std::nullopt;
}

}  // namespace swaptrail::engine
