// Where a page comes from in Linux 2.6 when few are free (mm/page_alloc.c, mm/vmscan.c, mm/oom_kill.c).
//
// Below pages_low an allocation wakes kswapd, which frees pages up to pages_high. Below pages_min it frees pages itself:
// direct reclaim. If nothing can be reclaimed, a process is killed.
#include <algorithm>

#include "engine/generations/linux_2_6.h"

namespace swaptrail::engine::linux_2_6 {
namespace {

constexpr uint64_t kHopelessLooks = 6;  // at each page, without freeing one: balance_pgdat gives up

}  // namespace

// mm/page_alloc.c: __alloc_pages, for one page of a process.
uint32_t Linux26::alloc_page() {
  while (true) {
    if (zone_.watermark_ok(zone_.pages_low)) return zone_.take_free();
    kswapd_woken_ = true;
    if (zone_.watermark_ok(zone_.pages_min)) return zone_.take_free();
    while (!current_killed_) {
      if (try_to_free_pages()) {
        if (zone_.watermark_ok(zone_.pages_min)) return zone_.take_free();
        if (kswapd_woken_) balance_pgdat();  // it sleeps (congestion_wait), and kswapd gets the CPU
      } else {
        if (zone_.watermark_ok(zone_.pages_high)) return zone_.take_free();
        out_of_memory();
        break;
      }
    }
    if (current_killed_) return kNoPage;
  }
}

// mm/vmscan.c: try_to_free_pages, shrink_zones. Harder and harder, from priority 12 to 0, until 32 pages are free.
bool Linux26::try_to_free_pages() {
  call("try_to_free_pages");
  ScanControl sc;
  uint64_t freed = 0;
  int priority = kDefPriority;
  bool enough = false;
  for (; priority >= 0; --priority) {
    zone_.prev_priority = std::min(zone_.prev_priority, priority);
    sc.all_unreclaimable = zone_.all_unreclaimable && priority != kDefPriority;
    if (!sc.all_unreclaimable) freed += shrink_zone(priority, sc);
    enough = freed >= kSwapClusterMax;
    if (enough) break;
  }
  zone_.prev_priority = std::max(priority, 0);
  return enough || !sc.all_unreclaimable;
}

// mm/vmscan.c: balance_pgdat. It begins again at priority 12 as long as it frees pages, and gives up when it has looked at
// each page six times in vain: then the zone counts as unreclaimable until a page is freed.
uint64_t Linux26::balance_pgdat() {
  call("balance_pgdat");
  kswapd_woken_ = false;
  uint64_t total = 0;
  while (!zone_.watermark_ok(zone_.pages_high)) {
    ScanControl sc;
    uint64_t freed = 0;
    int last = kDefPriority;
    for (int priority = kDefPriority; priority >= 0 && freed < kSwapClusterMax; --priority) {
      if (zone_.all_unreclaimable && priority != kDefPriority) break;
      last = priority;
      zone_.prev_priority = std::min(zone_.prev_priority, priority);
      freed += shrink_zone(priority, sc);
      if (zone_.pages_scanned >= zone_.nr_lru() * kHopelessLooks) zone_.all_unreclaimable = true;
      if (zone_.watermark_ok(zone_.pages_high)) break;
    }
    zone_.prev_priority = last;
    total += freed;
    if (zone_.all_unreclaimable) break;
  }
  return total;
}

// mm/oom_kill.c: out_of_memory, select_bad_process, oom_kill_process. The process with the most memory (badness: its own,
// and half of its children's) is chosen, and a child of it goes first, if it has one. The kernel's badness also looks at how
// long a process has run, which is not known here.
void Linux26::out_of_memory() {
  call("out_of_memory");
  const Mm* chosen = nullptr;
  uint64_t most = 0;
  for (const std::unique_ptr<Mm>& mm : mms_) {
    if (!mm) continue;
    uint64_t points = mm->total_vm;
    for (uint32_t child : mm->children) points += mms_[child]->total_vm / 2 + 1;
    if (chosen != nullptr && points <= most) continue;
    chosen = mm.get();
    most = points;
  }
  if (chosen == nullptr) return;
  const uint32_t victim = chosen->children.empty() ? chosen->process : chosen->children.front();
  if (victim == current_) {
    current_killed_ = true;
  } else {
    kill(victim);
  }
}

}  // namespace swaptrail::engine::linux_2_6
