// Clusters in lists by order (mm/swapfile.c from cluster_alloc_swap_entry on).
#include <utility>

#include "engine/slots/slots_core.h"
#include "trace/decode.h"

namespace swaptrail::engine {
namespace {

bool on_frag_list(const Cluster& cluster) { return cluster.list >= kFrag; }

}  // namespace

// cluster_alloc_swap_entry: a slot of this area, or 0.
uint64_t SlotCore::from_lists(AreaState& area, uint32_t cpu, uint32_t order) {
  if (order != 0 && !area.area.block_device) return 0;
  uint64_t slot = 0;
  if (!rules_.global_cluster || area.area.rotational) slot = from_cursor(area, cpu, order);
  if (slot != 0) return slot;
  const bool whole = order == top_order_;
  const auto list = [&](uint8_t kind) { return static_cast<uint8_t>(kind + order); };
  const auto partly_used = [&] {
    return whole ? 0
                 : from_list(area, cpu, list(kNonfull), order, area.clusters.size(list(kNonfull)));
  };
  if (rules_.nonfull_first && (slot = partly_used()) != 0) return slot;
  if ((slot = from_list(area, cpu, kFree, order, 1)) != 0) return slot;
  if (reclaim_ && area.journal == nullptr && half_full()) reclaim_full(area);
  if (!rules_.nonfull_first && (slot = partly_used()) != 0) return slot;
  if (!whole) {
    const uint32_t tries = rules_.nonfull_first ? 1 : area.clusters.size(list(kFrag));
    slot = from_list(area, cpu, list(kFrag), order, tries);
  }
  return slot != 0 || order != 0 ? slot : steal(area, cpu);
}

// Order 0 takes from clusters of higher orders if nothing else is left.
uint64_t SlotCore::steal(AreaState& area, uint32_t cpu) {
  for (uint32_t order = 1; order <= top_order_; ++order) {
    for (const uint8_t kind : {kFrag, kNonfull}) {
      const auto list = static_cast<uint8_t>(kind + order);
      const uint64_t slot = from_list(area, cpu, list, 0, area.clusters.size(list));
      if (slot != 0) return slot;
    }
  }
  return 0;
}

// The cluster that the CPU used last; for rotational areas, that all CPUs used last.
uint64_t SlotCore::from_cursor(AreaState& area, uint32_t cpu, uint32_t order) {
  uint64_t next = area.cpus[area.area.rotational ? 0 : cpu].cursors[order].next;
  if (next == 0) return 0;
  const uint32_t cluster = area.cluster_of(next);
  const Cluster& last = area.clusters[cluster];
  if (rules_.isolates) {
    // cluster_is_usable. With swap tables, a free cluster has no table any more.
    if (last.list == kFull || (rules_.nonfull_first && last.list == kFree)) return 0;
    if (order != 0 && last.count != 0 && last.order != order) return 0;
    if (last.count == 0) next = uint64_t{cluster} * area.cluster_slots;
  }
  return try_cluster(area, cpu, next, order);
}

// swap_alloc_fast: ignores the area's current priority.
uint64_t SlotCore::from_global_cursor(uint32_t cpu, uint32_t order) {
  const GlobalCursor& own = cpus_[cpu].cursors[order];
  AreaState* area = own.next == 0 ? nullptr : areas_[own.type].get();
  if (area == nullptr || area->retired) return 0;
  const uint32_t cluster = area->cluster_of(own.next);
  const Cluster& last = area->clusters[cluster];
  if (last.list == kFull || (rules_.nonfull_first && last.list == kFree)) return 0;
  if (order != 0 && last.count != 0 && last.order != order) return 0;
  const uint64_t from = last.count == 0 ? uint64_t{cluster} * area->cluster_slots : own.next;
  const uint64_t slot = try_cluster(*area, cpu, from, order);
  return slot == 0 ? 0 : make_entry(area->area.type, slot);
}

// alloc_swap_scan_list: at most `tries` clusters from the front.
uint64_t SlotCore::from_list(AreaState& area, uint32_t cpu, uint8_t list, uint32_t order,
                             uint32_t tries) {
  for (; tries > 0; --tries) {
    const uint32_t cluster = area.clusters.front(list);
    if (cluster == kNoCluster) break;
    if (rules_.isolates) {
      area.take_off(cluster);
    } else if (list == kNonfull + order || list == kFrag + order) {
      area.move_to_back(cluster, static_cast<uint8_t>(kFrag + order));
    }
    const uint64_t slot = try_cluster(area, cpu, uint64_t{cluster} * area.cluster_slots, order);
    if (slot != 0) return slot;
  }
  return 0;
}

// alloc_swap_scan_cluster: the first place for the order in the cluster, not before `from`.
uint64_t SlotCore::try_cluster(AreaState& area, uint32_t cpu, uint64_t from, uint32_t order) {
  const uint32_t cluster = area.cluster_of(from);
  const uint64_t end = area.cluster_end(cluster);
  const uint32_t count = 1u << order;
  uint64_t found = 0;
  uint64_t next = 0;
  if (area.clusters[cluster].count + count <= area.cluster_slots) {
    const uint64_t slot = area.taken.find_run(from, end, count);
    if (slot < end) {
      claim(area, slot, order);
      found = slot;
      const bool room = area.clusters[cluster].count < area.cluster_slots;
      if (room && slot + 2 * count <= end) next = slot + count;
    }
  }
  if (rules_.isolates) relocate(area, cluster);
  set_cursor(area, cpu, order, next);
  return found;
}

// cluster_alloc_range. Without isolation it also sorts the cluster into its list.
void SlotCore::claim(AreaState& area, uint64_t slot, uint32_t order) {
  const uint32_t cluster = area.cluster_of(slot);
  const uint32_t count = 1u << order;
  const bool was_free = area.clusters[cluster].count == 0;
  if (!rules_.isolates && was_free && count < area.cluster_slots) {
    area.move_to_back(cluster, static_cast<uint8_t>(kNonfull + order));
  }
  if (was_free) area.clusters[cluster].order = static_cast<uint8_t>(order);
  taken(area, slot, count);
  if (!rules_.isolates && area.clusters[cluster].count == area.cluster_slots) {
    area.move_to_back(cluster, kFull);
  }
}

// relocate_cluster, after slots were taken, or could not be.
void SlotCore::relocate(AreaState& area, uint32_t cluster) {
  const Cluster& used = area.clusters[cluster];
  if (used.count == 0) {
    if (used.list != kFree) area.move_to_back(cluster, kFree);
  } else if (used.count == area.cluster_slots) {
    if (used.list != kFull) area.move_to_back(cluster, kFull);
  } else if (!on_frag_list(used)) {
    area.move_to_back(cluster, static_cast<uint8_t>(kFrag + used.order));
  }
}

void SlotCore::set_cursor(AreaState& area, uint32_t cpu, uint32_t order, uint64_t next) {
  if (rules_.global_cluster && !area.area.rotational) {
    cpus_[cpu].cursors[order] = {static_cast<uint8_t>(area.area.type), next};
  } else {
    area.cpus[area.area.rotational ? 0 : cpu].cursors[order].next = next;
  }
}

// swap_reclaim_full_clusters: tries every slot of the cluster that has been full longest.
void SlotCore::reclaim_full(AreaState& area) {
  const uint32_t cluster = area.clusters.front(kFull);
  if (cluster == kNoCluster) return;
  area.move_to_back(cluster, kFull);
  const uint64_t end = area.cluster_end(cluster);
  for (uint64_t slot = uint64_t{cluster} * area.cluster_slots; slot < end; ++slot) {
    const uint64_t entry = make_entry(area.area.type, slot);
    if (handed_out(entry) && reclaim_(entry)) released(area, slot, 1);
  }
}

// swap_reclaim_work, which an area schedules when it becomes full: all its full clusters.
void SlotCore::reclaim_when_full() {
  for (const auto& area : areas_) {
    if (area == nullptr || !area->reclaim_due || area->journal != nullptr) continue;
    area->reclaim_due = false;
    for (uint32_t left = area->clusters.size(kFull); left > 0; --left) reclaim_full(*area);
  }
}

}  // namespace swaptrail::engine
