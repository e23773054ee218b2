// Areas without lists of partly used clusters: a CPU's cluster, or a scan (mm/swapfile.c:
// scan_swap_map, later scan_swap_map_slots).
#include <algorithm>

#include "engine/slots/slots_core.h"

namespace swaptrail::engine {
namespace {

constexpr int64_t kLatencyLimit = 256;  // LATENCY_LIMIT: slots looked at before a break

}  // namespace

struct SlotCore::Scan {
  AreaState& area;
  uint32_t cpu;
  uint64_t slot;  // looked at
  uint64_t base;  // where the scan began
  int64_t budget = kLatencyLimit;
  bool long_scan = false;  // the budget was used up: then only one slot

  Cursor& cursor(uint32_t order) { return area.cpus[cpu].cursors[order]; }
};

// scan_swap_map_slots: up to `wanted` slots of the area.
uint32_t SlotCore::scan(AreaState& area, uint32_t cpu, uint32_t order, uint32_t wanted,
                        uint64_t* out) {
  if (order != 0) return scan_large(area, cpu, order, out);
  const bool by_cpu = rules_.cpu_scan_start && !area.area.rotational;
  const uint64_t start = by_cpu ? area.cpus[cpu].scan_next : area.now.scan_next;
  Scan scan{area, cpu, start, start};
  if (!area.clustered) {
    begin_run(scan);
  } else if (!next_in_cluster(scan, 0) && rules_.alloc_cache && !search(scan)) {
    return 0;
  }
  return run_scan(scan, 0, wanted, out);
}

// A whole cluster, or any order if folios are written unsplit: only from clusters that were free.
uint32_t SlotCore::scan_large(AreaState& area, uint32_t cpu, uint32_t order, uint64_t* out) {
  if (!area.clustered || !area.area.block_device || !rules_.alloc_cache) return 0;
  Scan scan{area, cpu, 0, 0};
  do {
    if (!next_in_cluster(scan, order)) return 0;
    if (!meets_free_cluster(scan)) break;
    scan.cursor(order).cluster = kNoCluster;
  } while (true);
  take(area, scan.slot, 1u << order);
  out[0] = scan.slot;
  return 1;
}

// Takes slots from scan.slot on. `found` of them are already taken.
uint32_t SlotCore::run_scan(Scan& scan, uint32_t found, uint32_t wanted, uint64_t* out) {
  while (settle(scan, found == 0)) {
    take(scan.area, scan.slot, 1);
    out[found++] = scan.slot;
    if (found == wanted || scan.slot >= scan.area.now.highest) break;
    if (--scan.budget < 0 || !advance(scan)) break;
  }
  if (found > 0) end_scan(scan);
  return found;
}

// alloc_cluster: a cluster is on the free list until its first slot is taken.
void SlotCore::take(AreaState& area, uint64_t slot, uint32_t count) {
  if (area.clustered && area.clusters[area.cluster_of(slot)].list == kFree) {
    area.take_off(area.cluster_of(slot));
  }
  taken(area, slot, count);
}

// scan_swap_map_try_ssd_cluster: the next free slot of the CPU's cluster, or of the first free one.
bool SlotCore::next_in_cluster(Scan& scan, uint32_t order) {
  AreaState& area = scan.area;
  Cursor& cursor = scan.cursor(order);
  const uint32_t count = 1u << order;
  while (true) {
    if (cursor.cluster == kNoCluster) {
      const uint32_t first = area.clusters.front(kFree);
      if (first == kNoCluster) return false;
      cursor = {uint64_t{first} * area.cluster_slots, first};
    }
    const uint64_t end = area.cluster_end(cursor.cluster);
    const uint64_t slot = area.taken.find_run(cursor.next, end, count);
    if (slot < end) {
      cursor.next = slot + count;
      scan.slot = scan.base = slot;
      return true;
    }
    cursor.cluster = kNoCluster;
  }
}

// A rotational area (cluster_nr): after each 512 slots it starts at the lowest run of 512 free
// ones.
void SlotCore::begin_run(Scan& scan) {
  AreaCounts& now = scan.area.now;
  const uint64_t run = scan.area.cluster_slots;
  if (now.run_left-- != 0) return;
  now.run_left = static_cast<uint32_t>(run - 1);
  if (scan.area.usable - now.in_use < run) return;
  scan.base = scan.slot = now.lowest;
  const SlotMap& taken = scan.area.taken;
  uint64_t first = taken.find_free(now.lowest, now.highest + 1);
  while (first + run <= now.highest + 1) {
    const uint64_t end = taken.find_taken(first, first + run);
    if (end == first + run) {
      scan.slot = now.scan_next = first;
      return;
    }
    first = taken.find_free(end, now.highest + 1);
  }
}

// scan_swap_map_ssd_cluster_conflict: of free clusters, only the first may be started.
bool SlotCore::meets_free_cluster(const Scan& scan) const {
  if (!scan.area.clustered || scan.slot >= scan.area.area.pages) return false;
  const uint32_t cluster = scan.area.cluster_of(scan.slot);
  return scan.area.clusters[cluster].list == kFree && scan.area.clusters.front(kFree) != cluster;
}

// Moves the scan to a slot that may be taken. False: there is none or, if it is not the first slot,
// the batch ends here.
bool SlotCore::settle(Scan& scan, bool first) {
  while (meets_free_cluster(scan)) {
    scan.cursor(0).cluster = kNoCluster;
    if (!first || !next_in_cluster(scan, 0)) return false;
  }
  const AreaCounts& now = scan.area.now;
  if (now.highest == 0) return false;
  if (scan.slot > now.highest) scan.base = scan.slot = now.lowest;
  if (!scan.area.taken.test(scan.slot)) return true;
  return first && search(scan) && settle(scan, first);
}

// The next free slot anywhere: first after this one, then from the lowest.
bool SlotCore::search(Scan& scan) {
  const AreaCounts& now = scan.area.now;
  const uint64_t from = scan.slot;
  scan.slot = scan.area.taken.find_free(from + 1, now.highest + 1);
  int64_t looks = static_cast<int64_t>(scan.slot) - static_cast<int64_t>(from);
  if (scan.slot > now.highest) {
    scan.slot = scan.area.taken.find_free(now.lowest, scan.base);
    if (scan.slot >= scan.base) return false;
    looks += static_cast<int64_t>(scan.slot - now.lowest);
  }
  if (looks <= scan.budget) {
    scan.budget -= looks;
  } else {
    scan.budget = kLatencyLimit - (looks - scan.budget - 1) % (kLatencyLimit + 1);
    scan.long_scan = true;
  }
  return true;
}

// Moves to the next slot of a batch: in the cluster or run, otherwise among the next few hundred.
bool SlotCore::advance(Scan& scan) {
  AreaCounts& now = scan.area.now;
  if (scan.area.clustered) {
    if (next_in_cluster(scan, 0)) return true;
  } else if (now.run_left != 0 && !scan.area.taken.test(++scan.slot)) {
    --now.run_left;
    return true;
  }
  if (scan.long_scan || scan.budget <= 1) return false;
  const uint64_t limit = scan.slot < scan.base ? scan.base : now.highest;
  const uint64_t end = std::min(limit + 1, scan.slot + static_cast<uint64_t>(scan.budget) - 1);
  const uint64_t from = scan.slot;
  scan.slot = scan.area.taken.find_free(from, end);
  scan.budget -= static_cast<int64_t>(scan.slot - from) + 1;
  return scan.slot < end;
}

// set_cluster_next: a CPU that leaves its 64 MiB continues at a random place.
void SlotCore::end_scan(Scan& scan) {
  AreaCounts& now = scan.area.now;
  uint64_t next = scan.slot + 1;
  if (!rules_.cpu_scan_start || scan.area.area.rotational) {
    now.scan_next = next;
    return;
  }
  uint64_t& own = scan.area.cpus[scan.cpu].scan_next;
  if (own >> kAddressSpaceShift != next >> kAddressSpaceShift) {
    if (now.highest <= now.lowest) return;
    next = now.lowest + random() % (now.highest - now.lowest + 1);
    next = std::max(next >> kAddressSpaceShift << kAddressSpaceShift, now.lowest);
  }
  own = next;
}

// The rest of a batch whose first slot, out[0], is known. Returns how many, including that one.
uint32_t SlotCore::resume_scan(AreaState& area, uint32_t cpu, uint64_t slot, uint64_t* out) {
  Scan scan{area, cpu, slot, slot};
  out[0] = slot;
  --scan.budget;
  if (slot >= area.now.highest || !advance(scan)) {
    end_scan(scan);
    return 1;
  }
  return run_scan(scan, 1, kSlotBatch, out);
}

}  // namespace swaptrail::engine
