// Linux 2.0: the swap daemon (mm/vmscan.c). Faults and frames are in linux_2_0_memory.cpp.
#include "engine/generations/linux_2_0.h"

#include <algorithm>

#include "trace/check.h"

namespace swaptrail::engine::linux_2_0 {
namespace {

constexpr uint64_t kSwapoutInterval = kHz / 4;  // ticks between runs if memory is not low
constexpr uint64_t kLongestPause = 64 * kHz;    // ticks, after runs that freed nothing
constexpr int kGentlest = 6;                    // priority of the first try; 0 is the hardest

}  // namespace

// include/linux/swapctl.h, 2.0: touch_page. The page was used: it gets younger.
void Linux20::touch_page(uint32_t frame) {
  Page& page = mem_map_[frame];
  page.age = static_cast<uint8_t>(
      std::min(page.age + swap_control.page_advance, swap_control.max_page_age));
}

// include/linux/swapctl.h, 2.0: age_page. The page was not used since the last look.
void Linux20::age_page(uint32_t frame) {
  Page& page = mem_map_[frame];
  page.age = static_cast<uint8_t>(std::max(page.age - swap_control.page_decline, 0));
}

// include/linux/swapctl.h, 2.0: AGE_CLUSTER_SIZE. Pages that are taken of a process with so many in its turn.
uint64_t Linux20::age_cluster_size(uint64_t resources) const {
  return std::max<uint64_t>(resources * static_cast<uint64_t>(swap_control.age_cluster_fract) >> 10,
                            static_cast<uint64_t>(swap_control.age_cluster_min));
}

// mm/vmscan.c, 2.0: swap_tick, from the timer interrupt. Wakes kswapd at each tick while memory is low, and at each
// swapout_interval while it is not high.
//
// A run that freed nothing puts off the next one, twice as long each time. The kernel's kswapd would not stop at all then.
void Linux20::swap_tick() {
  const bool is_due = jiffies() >= next_swap_jiffies_;
  const bool is_low = nr_free_pages() < free_pages_low_;
  if (!is_due && (!is_low || pause_ > 1)) return;
  if (nr_free_pages() >= free_pages_high_) return;
  const bool freed = kswapd() > 0;
  pause_ = freed ? 1 : std::min(pause_ * 2, kLongestPause);
  next_swap_jiffies_ = jiffies() + (freed ? kSwapoutInterval : pause_);
}

// mm/vmscan.c, 2.0: kswapd. Frees pages until free_pages_high are free, or none can be; then it sleeps. The next time it
// wakes it turns to the next process, even if it did not get its whole share of this one.
uint64_t Linux20::kswapd() {
  ++wakeups_;
  uint64_t freed = 0;
  while (nr_free_pages() < free_pages_low_ && try_to_free_page(true)) ++freed;
  while (nr_free_pages() < free_pages_high_ && try_to_free_page(false)) ++freed;
  OldProcess* process = next_process(swap_task_);
  if (freed > 0 && process != nullptr && process->number == swap_task_ && process->swap_cnt > 0) {
    process->swap_cnt = 0;
    ++swap_task_;
  }
  return freed;
}

// mm/vmscan.c, 2.0: try_to_free_page. Turns between the page cache and the processes: it stays with what gave a page last,
// and tries harder each time that neither did.
bool Linux20::try_to_free_page(bool wait) {
  for (int priority = kGentlest; priority >= (wait ? 0 : 3); --priority) {
    if (use_cache_ && shrink_mmap(priority)) return true;
    use_cache_ = false;
    if (swap_out(priority)) return true;
    use_cache_ = true;
  }
  return false;
}

// mm/filemap.c, 2.0: shrink_mmap. The clock goes over all of memory: a page that the page cache holds alone gets a second
// chance, then it is freed.
bool Linux20::shrink_mmap(int priority) {
  if (page_cache_.empty()) return false;
  int64_t count_max = static_cast<int64_t>((frames() << 1) >> (priority >> 1));
  int64_t count_min = static_cast<int64_t>((frames() << 1) >> priority);
  do {
    const uint32_t frame = clock_;
    Page& page = mem_map_[frame];
    ++counters_.scanned;
    clock_ = clock_ + 1 == frames() ? 0 : clock_ + 1;
    --count_max, count_min -= page.inode;
    if (page.locked || page.count == 0) continue;
    if (page.count > 1) {
      page.referenced = true;
    } else if (page.referenced) {
      page.referenced = false;
      if (priority < 4) age_page(frame);
    } else if (page.inode && !page.shared) {
      remove_from_page_cache(frame);
      ++counters_.discarded;
      return true;
    }
  } while (count_max > 0 && count_min > 0);
  return false;
}

// The process at swap_task or behind it, around, that can be swapped and has pages; null: none. (A loop in swap_out.)
OldProcess* Linux20::next_swap_task() {
  for (int round = 0; round < 2; ++round) {
    for (OldProcess* process = next_process(swap_task_); process != nullptr;
         process = next_process(process->number + 1)) {
      swap_task_ = process->number;
      if (process->swappable && process->rss > 0) return process;
    }
    swap_task_ = 0;
  }
  return nullptr;
}

// mm/vmscan.c, 2.0: swap_out. Turns to the processes, one after the other; each has swap_cnt pages taken, then it is the
// next one's turn. True when a page is free.
bool Linux20::swap_out(int priority) {
  int64_t counter = (swap_control.pageout_weight * static_cast<int64_t>(alive()) >> 10) >> priority;
  for (; counter >= 0; --counter) {
    OldProcess* process = next_swap_task();
    if (process == nullptr) return false;
    if (process->swap_cnt == 0) process->swap_cnt = age_cluster_size(process->rss);
    if (--process->swap_cnt == 0) ++swap_task_;
    const int result = swap_out_process(*process);
    if (sigbus_) {
      sigbus_ = false;
      kill(*process);
      return true;
    }
    if (result != 0) return true;
    if (process->swap_cnt != 0) ++swap_task_;  // it has none to give
  }
  return false;
}

// mm/vmscan.c, 2.0: swap_out_process. From where the last walk of the process stopped to the end of its memory. 1: a page
// was freed.
int Linux20::swap_out_process(OldProcess& process) {
  uint64_t page = std::exchange(process.swap_address, 0);
  if (page >= kMostWorkloadPages) return 0;
  for (size_t at = process.areas.find_vma(page); at < process.areas.all().size(); ++at) {
    const VmArea& area = process.areas.all()[at];
    if (const int result = swap_out_vma(process, area, std::max(page, area.start)); result != 0)
      return result;
  }
  process.swap_address = 0;
  return 0;
}

// mm/vmscan.c, 2.0: swap_out_vma. Shared regions have their own way to be swapped, and locked ones must stay.
int Linux20::swap_out_vma(OldProcess& process, const VmArea& area, uint64_t page) {
  if (area.shared || area.locked) return 0;
  Pgd& pgd = process.tables.pgd();
  const uint64_t last = (area.end - 1) >> kPgdShift;
  for (uint64_t at = pgd.next(page >> kPgdShift); at <= last && at < kPtrsPerLevel;
       at = pgd.next(at + 1)) {
    const uint64_t from = std::max(page, at << kPgdShift);
    const uint64_t end = std::min(area.end, (at + 1) << kPgdShift);
    if (const int result = swap_out_pgd(process, area, *pgd.entries[at], from, end); result != 0)
      return result;
  }
  return 0;
}

// mm/vmscan.c, 2.0: swap_out_pgd.
int Linux20::swap_out_pgd(OldProcess& process, const VmArea& area, Pmd& pmd, uint64_t page,
                          uint64_t end) {
  const uint64_t first = page >> kPgdShift << (kPgdShift - kPmdShift);  // table of pmd.entries[0]
  const uint64_t last = ((end - 1) >> kPmdShift) - first;
  for (uint64_t at = pmd.next((page >> kPmdShift) - first); at <= last && at < kPtrsPerLevel;
       at = pmd.next(at + 1)) {
    const uint64_t from = std::max(page, (first + at) << kPmdShift);
    const uint64_t to = std::min(end, (first + at + 1) << kPmdShift);
    if (const int result = swap_out_pmd(process, area, *pmd.entries[at], from, to); result != 0)
      return result;
  }
  return 0;
}

// mm/vmscan.c, 2.0: swap_out_pmd.
int Linux20::swap_out_pmd(OldProcess& process, const VmArea& area, PteTable& table, uint64_t page,
                          uint64_t end) {
  for (; page < end; ++page) {
    const OldPte& soon = table[std::min(page % kPtrsPerPte + 8, kPtrsPerPte - 1)];
    if (soon.present()) __builtin_prefetch(&mem_map_[soon.frame()], 1);
    process.swap_address = page + 1;
    if (const int result = try_to_swap_out(process, area, page, table[page % kPtrsPerPte]);
        result != 0)
      return result;
  }
  return 0;
}

// mm/vmscan.c, 2.0: try_to_swap_out. Ages the page, and if it is old lets it go: to swap if it is dirty, else without a
// write. 1: a frame is free by it.
int Linux20::try_to_swap_out(OldProcess& process, const VmArea& area, uint64_t page, OldPte& pte) {
  ++counters_.scanned;
  if (!pte.present()) return 0;
  const uint32_t frame = pte.frame();
  if (mem_map_[frame].locked) return 0;
  // What was written to is no copy of its slot any more.
  if ((pte.dirty && delete_from_swap_cache(frame)) || pte.young) {
    pte.young = false;
    touch_page(frame);
    return 0;
  }
  age_page(frame);
  if (mem_map_[frame].age > 0) return 0;
  return pte.dirty ? swap_out_dirty(process, area, page, pte) : discard(process, pte);
}

// The page's content is nowhere else: to the region's own method, or to a slot. (A part of try_to_swap_out.)
int Linux20::swap_out_dirty(OldProcess& process, const VmArea& area, uint64_t page, OldPte& pte) {
  const uint32_t frame = pte.frame();
  if (area.method != nullptr) {
    sigbus_ = !area.method->swapout(page, tokens_[frame]);
    unmap(process, pte, 0);
    free_page(frame);
    return 1;
  }
  if (mem_map_[frame].count != 1) return 0;  // others have entries of it, which can't be found
  const uint64_t entry = swap_map_.get_swap_page();
  if (entry == 0) {
    ++counters_.no_slot;
    return 0;
  }
  if (!device_.write(entry, tokens_[frame])) {
    swap_map_.swap_free(entry);
    return 0;
  }
  unmap(process, pte, entry);
  free_page(frame);
  return 1;
}

// The page can be had again: from the slot that has it as it is, or from its file. (A part of try_to_swap_out.)
int Linux20::discard(OldProcess& process, OldPte& pte) {
  const uint32_t frame = pte.frame();
  if (const uint64_t entry = std::exchange(mem_map_[frame].swap_cache, 0); entry != 0) {
    SWAPTRAIL_CHECK(mem_map_[frame].count == 1);
    ++counters_.writes_saved;
    unmap(process, pte, entry);  // it has the swap cache's use of the slot now
    free_page(frame);
    return 1;
  }
  unmap(process, pte, 0);
  if (!mem_map_[frame].inode) {
    free_page(frame);
    ++counters_.discarded;
    return 1;
  }
  const bool is_freed = page_unuse(frame);
  counters_.discarded += is_freed;
  free_page(frame);
  return is_freed;
}

// The entry becomes a swap entry, or nothing if `entry` is 0; the processor must forget what it had.
void Linux20::unmap(OldProcess& process, OldPte& pte, uint64_t entry) {
  --process.rss;
  ++counters_.unmapped;
  if (entry != 0) {
    pte.set_entry(entry);
    ++process.swapped;
  } else {
    pte.clear();
  }
  ++counters_.tlb_flushes;  // flush_tlb_page
}

}  // namespace swaptrail::engine::linux_2_0
