// Linux 2.4: kswapd and kreclaimd (mm/vmscan.c), allocation (mm/page_alloc.c), and what is done when memory is out
// (mm/oom_kill.c).
#include <algorithm>
#include <array>

#include "engine/generations/linux_2_4.h"
#include "trace/check.h"

namespace swaptrail::engine::linux_2_4 {
namespace {

constexpr uint64_t kDmaFrames = 4096;  // 16 MiB
constexpr int kInactiveShift = 6;      // INACTIVE_SHIFT: vm pressure is averaged over 64 seconds
// Rounds of kswapd before it gives way to others, if it does not come to sleep.
constexpr int kMostRounds = 8;
// Times that a process waits for memory before one is killed, if swap has room and still nothing comes: as when all writes
// fail. The kernel has no such limit, and would not go on.
constexpr int kMostWaits = 16;

std::vector<uint64_t> zones_of(const GenerationOptions& options, std::span<const uint64_t> zones) {
  if (!zones.empty()) return {zones.begin(), zones.end()};
  if (options.frames <= kDmaFrames + kFewestFrames) return {options.frames};
  return {kDmaFrames, options.frames - kDmaFrames};
}

}  // namespace

Linux24::Linux24(const GenerationOptions& options, std::span<const uint64_t> zones)
    : OldGeneration(options, SwapMap::kLinux24), pages_(zones_of(options, zones)) {
  swapper_space_.resize(swap_map_.types());
  for (uint32_t type = 0; type < swap_map_.types(); ++type)
    swapper_space_[type].assign(swap_map_.counts(type).size(), Pages24::kEnd);
  kswapd_init();
  page_cluster_ = options.page_cluster;  // as a user who writes to /proc/sys/vm/page-cluster
}

// mm/vmscan.c, 2.4: kswapd_init. Sets up page_cluster, and starts kswapd and kreclaimd, which go to sleep.
void Linux24::kswapd_init() {
  swap_setup();
  kswapd_woken_ = kreclaimd_woken_ = false;
}

// mm/swap.c, 2.4: swap_setup. Clusters of 4 pages below 16 MiB of memory, of 8 below 32 MiB, else of 16.
void Linux24::swap_setup() {
  const uint64_t num_physpages = frames();
  page_cluster_ = num_physpages < 4096 ? 2 : num_physpages < 8192 ? 3 : 4;
}

// mm/swap.c, 2.4: inactive_target. So many pages as are allocated in a second should be inactive; a quarter of memory at most.
uint64_t Linux24::inactive_target() const {
  return std::min(memory_pressure_ >> kInactiveShift, frames() / 4);
}

// mm/swap.c, 2.4: recalculate_vm_stats. Once a second: the pressure of long ago is forgotten.
void Linux24::recalculate_vm_stats() { memory_pressure_ -= memory_pressure_ >> kInactiveShift; }

void Linux24::timer() {
  if (jiffies() < next_timeout_) return;
  next_timeout_ = jiffies() + kHz;
  kswapd();
}

// What reclaim has moved so far: if it stays, a run was for nothing.
uint64_t Linux24::moves() const {
  return counters_.unmapped + counters_.swapped_out + more_.file_writes + more_.dead_pages +
         pages_.nr_free_pages() + pages_.nr_inactive_clean_pages() +
         pages_.nr_inactive_dirty_pages() + counters_.killed;
}

// mm/vmscan.c, 2.4: kswapd. One time awake, by a wake-up or because a second is over, until it sleeps again: frees pages while
// they lack, wakes who waits for it, and kills a process if there is no memory to be had. Once a second it takes a 64th of the
// active list, so that all of it was looked at in a minute.
//
// It sleeps if one of the shortages is gone: no page lacks, or what is inactive has to be written, and there is no use in
// looking on.
void Linux24::kswapd() {
  if (kswapd_runs_) return;
  kswapd_woken_ = false;
  kswapd_runs_ = true;
  ++more_.kswapd_runs;
  const uint64_t before = moves();
  for (int round = 0; round < kMostRounds; ++round) {
    if (inactive_shortage() > 0 || free_shortage() > 0) do_try_to_free_pages(kGfpKswapd, false);
    if (jiffies() >= recalculated_ + kHz) {
      recalculated_ = jiffies();
      refill_inactive_scan(kDefPriority, false);
      recalculate_vm_stats();
    }
    finish_writes();  // run_task_queue(&tq_disk); who waits for kswapd is woken
    if (free_shortage() == 0 || inactive_shortage() == 0) break;
    if (out_of_memory()) {
      oom_kill();
      break;
    }
  }
  idle_until_.reset();
  if (moves() == before && free_shortage() > 0) idle_until_ = jiffies() + kHz;
  kswapd_runs_ = false;
}

// mm/vmscan.c, 2.4: kreclaimd. Awake, it moves pages from inactive_clean to the free ones of each zone until pages_low are
// free; woken by __alloc_pages when a zone has fewer than pages_min.
void Linux24::kreclaimd() {
  kreclaimd_woken_ = false;
  ++more_.kreclaimd_runs;
  for (Pages24::Zone& zone : pages_.zones()) {
    while (zone.free_pages() < zone.pages_low) {
      const uint32_t frame = reclaim_page(zone);
      if (frame == Pages24::kEnd) break;
      put_page(frame);
    }
  }
}

// mm/vmscan.c, 2.4: wakeup_kswapd. kswapd will run; `block`: the caller sleeps until it has.
void Linux24::wakeup_kswapd(bool block) {
  if (kswapd_runs_) return;
  if (block) {
    kswapd();
  } else if (!idle_until_ || jiffies() >= *idle_until_) {
    kswapd_woken_ = true;
  }
}

// The process gives way: the daemons that are woken run.
void Linux24::schedule() {
  if (kswapd_woken_) kswapd();
  if (kreclaimd_woken_) kreclaimd();
}

// mm/page_alloc.c, 2.4: __alloc_pages_limit. From a zone that has more pages, free and inactive_clean, than the watermark:
// right from its inactive_clean list, if few are free.
uint32_t Linux24::alloc_pages_limit(Mark mark, bool direct_reclaim) {
  for (size_t at = pages_.zones().size(); at-- > 0;) {
    Pages24::Zone& zone = pages_.zones()[at];
    const uint64_t water_mark = mark == Mark::kHigh  ? zone.pages_high
                                : mark == Mark::kLow ? zone.pages_low
                                                     : zone.pages_min;
    if (zone.free_pages() + zone.inactive_clean_pages() <= water_mark) continue;
    uint32_t frame = Pages24::kEnd;
    if (direct_reclaim && zone.free_pages() < zone.pages_min + 8) frame = reclaim_page(zone);
    if (frame == Pages24::kEnd) frame = pages_.rmqueue(zone);
    if (frame != Pages24::kEnd) return frame;
  }
  return Pages24::kEnd;
}

// What __alloc_pages tries before it waits: zones with many free pages, then those above each watermark.
uint32_t Linux24::alloc_from_free(unsigned gfp_mask, bool direct_reclaim) {
  for (size_t at = pages_.zones().size(); at-- > 0;) {
    Pages24::Zone& zone = pages_.zones()[at];
    if (zone.free_pages() >= zone.pages_low) {
      if (const uint32_t frame = pages_.rmqueue(zone); frame != Pages24::kEnd) return frame;
    } else if (zone.free_pages() < zone.pages_min) {
      kreclaimd_woken_ = true;
    }
  }
  for (const Mark mark : {Mark::kHigh, Mark::kLow})
    if (const uint32_t frame = alloc_pages_limit(mark, direct_reclaim); frame != Pages24::kEnd)
      return frame;
  wakeup_kswapd(false);
  if ((gfp_mask & kGfpWait) != 0) schedule();
  return alloc_pages_limit(Mark::kMin, direct_reclaim);
}

// mm/page_alloc.c, 2.4: __alloc_pages. A page with one user and age 2. Who may wait for kswapd does so until there is one, or
// until he is killed. Who frees memory himself (PF_MEMALLOC) may take the last page.
uint32_t Linux24::__alloc_pages(unsigned gfp_mask) {
  ++memory_pressure_;
  const bool direct_reclaim = (gfp_mask & kGfpWait) != 0 && !memalloc_;
  const uint64_t lacking = free_shortage();
  if (lacking > 0 && inactive_shortage() > inactive_target() / 2) {
    wakeup_kswapd(false);
  } else if (lacking > 0 && pages_.nr_inactive_dirty_pages() > lacking &&
             pages_.nr_inactive_dirty_pages() >= pages_.freepages_high()) {
    ++more_.bdflush_wakeups;
  }
  for (int tries = 0;; ++tries) {
    const uint32_t frame = alloc_from_free(gfp_mask, direct_reclaim);
    if (frame != Pages24::kEnd) return frame;
    if (memalloc_ || (gfp_mask & kGfpWait) == 0) break;
    if (!wait_for_memory(gfp_mask, tries)) return Pages24::kEnd;
  }
  for (size_t at = pages_.zones().size(); at-- > 0;)
    if (const uint32_t frame = pages_.rmqueue(pages_.zones()[at]); frame != Pages24::kEnd)
      return frame;
  return Pages24::kEnd;
}

// False: the process that waits was killed.
bool Linux24::wait_for_memory(unsigned gfp_mask, int tries) {
  if ((gfp_mask & kGfpIo) != 0)
    wakeup_kswapd(true);
  else
    try_to_free_pages(gfp_mask);
  ++memory_pressure_;
  if (tries > 0 && tries % kMostWaits == 0) oom_kill();
  return is_alive(current_);
}

// mm/oom_kill.c, 2.4: out_of_memory. Few pages are free, fewer than low can be had at once, and swap is full.
bool Linux24::out_of_memory() const {
  return pages_.nr_free_pages() <= pages_.freepages_min() &&
         pages_.nr_free_pages() + pages_.nr_inactive_clean_pages() <= pages_.freepages_low() &&
         swap_map_.nr_swap_pages() == 0;
}

// mm/oom_kill.c, 2.4: oom_kill. Kills the process that is largest, in memory and in swap (badness, of which there is no more
// here: no CPU time, no privileges).
void Linux24::oom_kill() {
  OldProcess* worst = nullptr;
  for (OldProcess* mm = next_process(0); mm != nullptr; mm = next_process(mm->number + 1))
    if (worst == nullptr || mm->rss + mm->swapped > worst->rss + worst->swapped) worst = mm;
  if (worst == nullptr) return;
  ++more_.oom_kills;
  kill(*worst);
}

}  // namespace swaptrail::engine::linux_2_4
