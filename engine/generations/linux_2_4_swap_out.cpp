// Linux 2.4: swap_out() and what it calls, down to the page table entry (mm/vmscan.c).
#include <algorithm>

#include "engine/generations/linux_2_4.h"
#include "trace/check.h"

namespace swaptrail::engine {
namespace {

constexpr int kSwapShift = 5;     // SWAP_SHIFT: a 32nd of a process is looked at before another is
constexpr uint64_t kSwapMin = 8;  // SWAP_MIN: but so many pages at least

}  // namespace

// The process with the most left to look at, or null. (A loop in swap_out.)
OldProcess* Linux24::largest_swap_cnt() const {
  OldProcess* best = nullptr;
  for (OldProcess* mm = next_process(0); mm != nullptr; mm = next_process(mm->number + 1))
    if (mm->rss > 0 && mm->swap_cnt > (best == nullptr ? 0 : best->swap_cnt)) best = mm;
  return best;
}

// mm/vmscan.c, 2.4: swap_out. Chooses the process with the largest swap_cnt, a shadow of its rss, and goes on with it where it
// stopped last. If all have none left, each gets a 32nd of its rss.
//
// 1: so much of it was looked at; 0: its end was reached, or there is no process with pages. How many pages it took away is not
// told by that.
int Linux24::swap_out(unsigned, unsigned gfp_mask) {
  OldProcess* best = largest_swap_cnt();
  if (best == nullptr) {
    for (OldProcess* mm = next_process(0); mm != nullptr; mm = next_process(mm->number + 1))
      if (mm->rss > 0) mm->swap_cnt = std::max(mm->rss >> kSwapShift, kSwapMin);
    best = largest_swap_cnt();
  }
  return best == nullptr ? 0 : swap_out_mm(*best, gfp_mask);
}

// mm/vmscan.c, 2.4: swap_out_mm. From swap_address to the end of its memory; there its turn ends. 1: swap_cnt was used up.
int Linux24::swap_out_mm(OldProcess& mm, unsigned gfp_mask) {
  const uint64_t page = mm.swap_address;
  if (page < kMostWorkloadPages) {
    for (size_t at = mm.areas.find_vma(page); at < mm.areas.all().size(); ++at) {
      const VmArea& vma = mm.areas.all()[at];
      if (const int result = swap_out_vma(mm, vma, std::max(page, vma.start), gfp_mask);
          result != 0)
        return result;
    }
  }
  mm.swap_address = 0;
  mm.swap_cnt = 0;
  return 0;
}

// mm/vmscan.c, 2.4: swap_out_vma. Passes over what is locked.
int Linux24::swap_out_vma(OldProcess& mm, const VmArea& vma, uint64_t page, unsigned gfp_mask) {
  if (vma.locked) return 0;
  Pgd& pgd = mm.tables.pgd();
  const uint64_t last = (vma.end - 1) >> kPgdShift;
  for (uint64_t at = pgd.next(page >> kPgdShift); at <= last && at < kPtrsPerLevel;
       at = pgd.next(at + 1)) {
    const uint64_t from = std::max(page, at << kPgdShift);
    const uint64_t end = std::min(vma.end, (at + 1) << kPgdShift);
    if (const int result = swap_out_pgd(mm, vma, *pgd.entries[at], from, end, gfp_mask);
        result != 0)
      return result;
  }
  return 0;
}

// mm/vmscan.c, 2.4: swap_out_pgd.
int Linux24::swap_out_pgd(OldProcess& mm, const VmArea& vma, Pmd& dir, uint64_t page, uint64_t end,
                          unsigned gfp_mask) {
  const uint64_t first = page >> kPgdShift << (kPgdShift - kPmdShift);  // table of dir.entries[0]
  const uint64_t last = ((end - 1) >> kPmdShift) - first;
  for (uint64_t at = dir.next((page >> kPmdShift) - first); at <= last && at < kPtrsPerLevel;
       at = dir.next(at + 1)) {
    const uint64_t from = std::max(page, (first + at) << kPmdShift);
    const uint64_t to = std::min(end, (first + at + 1) << kPmdShift);
    if (const int result = swap_out_pmd(mm, vma, *dir.entries[at], from, to, gfp_mask); result != 0)
      return result;
  }
  return 0;
}

// mm/vmscan.c, 2.4: swap_out_pmd.
int Linux24::swap_out_pmd(OldProcess& mm, const VmArea& vma, PteTable& dir, uint64_t page,
                          uint64_t end, unsigned gfp_mask) {
  for (; page < end; ++page) {
    const OldPte& soon = dir[std::min(page % kPtrsPerPte + 8, kPtrsPerPte - 1)];
    if (soon.present()) __builtin_prefetch(&pages_[soon.frame()], 1);
    mm.swap_address = page;
    if (const int result = try_to_swap_out(mm, vma, page, dir[page % kPtrsPerPte], gfp_mask);
        result != 0)
      return result;
    mm.swap_address = page + 1;
  }
  return 0;
}

// mm/vmscan.c, 2.4: try_to_swap_out. Ages the page by the entry's accessed bit, and takes the entry away if it is old.
//
// 0 always, whether the page was kept or not: for no memory is free by that, the page only is in a cache, and so the walk goes
// on. 1: the process's swap_cnt is used up; nothing was looked at.
int Linux24::try_to_swap_out(OldProcess& mm, const VmArea&, uint64_t, OldPte& page_table,
                             unsigned) {
  ++counters_.scanned;
  if (!page_table.present()) return 0;
  if (mm.swap_cnt == 0) return 1;
  --mm.swap_cnt;
  const uint32_t frame = page_table.frame();
  Page24& page = pages_[frame];
  const uint8_t age = page.age;
  if (page_table.young) {
    ++aged_;
    page_table.young = false;
    pages_.age_page_up(frame);
    return 0;
  }
  // What is on the active list is aged there.
  if (page.list != List24::kActive) pages_.age_page_down_ageonly(frame);
  aged_ += page.age != age;
  if (page.age > 0 || page.locked) return 0;

  if (page.in_swap_cache) {  // it has a slot: if it was not written to, swap has it as it is
    page.dirty |= page_table.dirty;
    drop_pte(mm, page_table, page.index);
  } else if (!page_table.dirty) {  // its file has it
    drop_pte(mm, page_table, 0);
  } else if (page.in_file) {
    page.dirty = true;  // page_launder() will write it
    drop_pte(mm, page_table, 0);
  } else if (const uint64_t entry = swap_map_.get_swap_page(); entry != 0) {
    add_to_swap_cache(frame, entry);
    page.dirty = true;
    drop_pte(mm, page_table, entry);
  } else {
    ++counters_.no_slot;  // the entry stays
  }
  return 0;
}

// One user less. The entry becomes a swap entry, or nothing if `entry` is 0. (The end of try_to_swap_out.)
void Linux24::drop_pte(OldProcess& mm, OldPte& pte, uint64_t entry) {
  const uint32_t frame = pte.frame();
  if (entry != 0) {
    SWAPTRAIL_CHECK(swap_map_.swap_duplicate(entry));
    pte.set_entry(entry);
    ++mm.swapped;
  } else {
    pte.clear();
  }
  ++counters_.unmapped;
  ++counters_.tlb_flushes;  // flush_tlb_page
  --mm.rss;
  pages_.deactivate_page(frame);
  put_page(frame);
}

}  // namespace swaptrail::engine
