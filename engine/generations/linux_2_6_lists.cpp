// The two lists of Linux 2.6 (mm/vmscan.c: shrink_zone and below; mm/swap.c).
//
// New pages, and pages that come back from swap, begin at the head of the active list. From its tail they go to the head of
// the inactive one if they have not been used since, and from the tail of that one they leave memory. A page that has been
// used when reclaim comes to it gets a second chance at the head of the active list.
#include <algorithm>
#include <utility>

#include "engine/generations/linux_2_6.h"

namespace swaptrail::engine::linux_2_6 {

// mm/vmscan.c: shrink_zone. How many pages of each list are due depends on its length and the priority: 1 in 4096 at
// priority 12, all at 0. Fewer than 32 wait until they are 32.
uint64_t Linux26::shrink_zone(int priority, ScanControl& sc) {
  call("shrink_zone");
  const auto due = [&](uint64_t& looks, LruList list) -> uint64_t {
    looks += (zone_.nr_list(list) >> priority) + 1;
    return looks >= kSwapClusterMax ? std::exchange(looks, 0) : 0;
  };
  uint64_t active = due(zone_.nr_scan_active, LruList::kActive);
  uint64_t inactive = due(zone_.nr_scan_inactive, LruList::kInactive);
  uint64_t freed = 0;
  while (active > 0 || inactive > 0) {
    if (active > 0) {
      const uint64_t batch = std::min<uint64_t>(active, kSwapClusterMax);
      active -= batch;
      shrink_active_list(batch, priority);
    }
    if (inactive > 0) {
      const uint64_t batch = std::min<uint64_t>(inactive, kSwapClusterMax);
      inactive -= batch;
      freed += shrink_inactive_list(batch, sc);
    }
  }
  return freed;
}

// mm/vmscan.c: shrink_active_list (refill_inactive_zone before). Pages that are not mapped go to the inactive list; mapped
// ones only if memory is short enough, there is swap, and they were not used since the last look.
void Linux26::shrink_active_list(uint64_t nr_pages, int priority) {
  call("shrink_active_list");
  const bool reclaim_mapped = may_reclaim_mapped(priority) && areas_.total_swap_pages() > 0;
  isolate_lru_pages(nr_pages, LruList::kActive, active_batch_);
  for (uint32_t page : active_batch_) {
    const bool stays =
        zone_.page(page).mapcount > 0 && (!reclaim_mapped || page_referenced(page) > 0);
    zone_.add(page, stays ? LruList::kActive : LruList::kInactive);
    put_page(page);
  }
}

// The part of shrink_active_list that weighs how hard reclaim is (distress), how much of memory is mapped, and how unequal
// the lists are.
bool Linux26::may_reclaim_mapped(int priority) const {
  if (zone_.pages_scanned >= zone_.nr_lru() * 3) return true;  // zone_is_near_oom
  const uint64_t distress = 100u >> std::min(zone_.prev_priority, priority);
  const uint64_t mapped_ratio = zone_.nr_anon_pages * 100 / zone_.frames();
  uint64_t imbalance = zone_.nr_list(LruList::kActive) / (zone_.nr_list(LruList::kInactive) + 1);
  imbalance = imbalance * (kSwappiness + 1) / 100 * mapped_ratio / 100;
  return mapped_ratio / 2 + distress + kSwappiness + imbalance >= 100;
}

// mm/vmscan.c: shrink_inactive_list.
uint64_t Linux26::shrink_inactive_list(uint64_t max_scan, ScanControl& sc) {
  call("shrink_inactive_list");
  uint64_t freed = 0;
  for (uint64_t scanned = 0; scanned < max_scan;) {
    isolate_lru_pages(kSwapClusterMax, LruList::kInactive, inactive_batch_);
    if (inactive_batch_.empty()) break;
    scanned += inactive_batch_.size();
    freed += shrink_page_list(inactive_batch_, sc);
  }
  return freed;
}

// mm/vmscan.c: isolate_lru_pages. From the tail, with a reference, so that the pages stay pages while they are on no list.
void Linux26::isolate_lru_pages(uint64_t nr_to_scan, LruList list, std::vector<uint32_t>& pages) {
  zone_.oldest(list, nr_to_scan, pages);
  for (uint32_t page : pages) {
    isolate(page);
    prefetch_entries(page);
  }
  counters_.scanned += pages.size();
  zone_.pages_scanned += pages.size();
}

// mm/swap.c: activate_page.
void Linux26::activate_page(uint32_t page) {
  zone_.del(page);
  zone_.add(page, LruList::kActive);
}

// mm/swap.c: mark_page_accessed. Used once: referenced. Used again on the inactive list: to the active one.
void Linux26::mark_page_accessed(uint32_t page) {
  Page& of = zone_.page(page);
  if (!of.has(kPageReferenced)) {
    of.set(kPageReferenced);
  } else if (of.has(kPageLru) && !of.has(kPageActive)) {
    of.clear(kPageReferenced);
    activate_page(page);
  }
}

}  // namespace swaptrail::engine::linux_2_6
