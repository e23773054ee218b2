// The reverse map of Linux 2.6 (mm/rmap.c): from a page to the entries that have it, by way of its anon_vma. Each process
// there has the page at the same address, or not at all.
#include "engine/generations/linux_2_6.h"
#include "trace/check.h"

namespace swaptrail::engine::linux_2_6 {
namespace {

// mm/rmap.c: page_check_address. The process's entry, if it has the page; else null.
Pte* page_check_address(uint32_t page, const Page& of, const Mm& mm) {
  Pte* pte = mm.tables.find(of.index);
  return pte != nullptr && pte->present() && pte->page() == page ? pte : nullptr;
}

}  // namespace

// The processor's memory is told what reclaim will look at, of the first process and the slot.
void Linux26::prefetch_entries(uint32_t page) const {
  const Page& of = zone_.page(page);
  if (of.mapcount > 0)
    __builtin_prefetch(mms_[anon_vmas_[of.anon_vma].processes.front()]->tables.find(of.index));
  __builtin_prefetch(&zone_.content(page));
  if (!of.has(kPageSwapCache)) return;
  __builtin_prefetch(&swapper_space_[entry_type(of.entry)][entry_offset(of.entry)]);
  areas_.prefetch(of.entry);
  device_.prefetch(of.entry);
}

// mm/rmap.c: page_referenced, page_referenced_anon. Clears what it counts.
uint32_t Linux26::page_referenced(uint32_t page) {
  Page& of = zone_.page(page);
  uint32_t referenced = of.test_and_clear(kPageReferenced) ? 1 : 0;
  uint32_t mapcount = of.mapcount;
  if (mapcount == 0) return referenced;
  for (uint32_t process : anon_vmas_[of.anon_vma].processes) {
    referenced += page_referenced_one(page, *mms_[process], mapcount);
    if (mapcount == 0) break;
  }
  return referenced;
}

// mm/rmap.c: page_referenced_one.
uint32_t Linux26::page_referenced_one(uint32_t page, Mm& mm, uint32_t& mapcount) {
  ++counters_.scanned;
  Pte* pte = page_check_address(page, zone_.page(page), mm);
  if (pte == nullptr) return 0;
  --mapcount;
  if (!pte->young()) return 0;
  pte->set_old();
  ++counters_.tlb_flushes;  // ptep_clear_flush_young
  return 1;
}

// mm/rmap.c: try_to_unmap, try_to_unmap_anon. Takes the page, which is locked, from all page tables.
Unmap Linux26::try_to_unmap(uint32_t page) {
  call("try_to_unmap");
  const Page& of = zone_.page(page);
  SWAPTRAIL_DCHECK(of.has(kPageLocked));
  Unmap result = Unmap::kAgain;
  if (of.mapcount > 0) {
    for (uint32_t process : anon_vmas_[of.anon_vma].processes) {
      result = try_to_unmap_one(page, *mms_[process]);
      if (result == Unmap::kFail || of.mapcount == 0) break;
    }
  }
  return of.mapcount == 0 ? Unmap::kSuccess : result;
}

// mm/rmap.c: try_to_unmap_one. In place of the page, the entry has the slot then, and is one of its users. Not if the process
// has used the page since reclaim looked: kFail.
Unmap Linux26::try_to_unmap_one(uint32_t page, Mm& mm) {
  call("try_to_unmap_one");
  ++counters_.scanned;
  Page& of = zone_.page(page);
  Pte* pte = page_check_address(page, of, mm);
  if (pte == nullptr) return Unmap::kAgain;
  if (pte->young()) {
    pte->set_old();
    ++counters_.tlb_flushes;
    return Unmap::kFail;
  }
  ++counters_.tlb_flushes;  // ptep_clear_flush
  ++counters_.unmapped;
  if (pte->dirty()) of.set(kPageDirty);
  SWAPTRAIL_CHECK(of.has(kPageSwapCache) && areas_.swap_duplicate(of.entry));
  pte->swap(of.entry);
  page_remove_rmap(page);
  put_page(page);
  return Unmap::kAgain;
}

// mm/rmap.c: page_add_anon_rmap, page_add_new_anon_rmap.
void Linux26::page_add_anon_rmap(uint32_t page, const Mm& mm, uint64_t address) {
  Page& of = zone_.page(page);
  if (of.mapcount++ > 0) return;
  of.anon_vma = mm.anon_vma;
  of.index = address;
  ++zone_.nr_anon_pages;
}

// mm/rmap.c: page_remove_rmap.
void Linux26::page_remove_rmap(uint32_t page) {
  SWAPTRAIL_DCHECK(zone_.page(page).mapcount > 0);
  if (--zone_.page(page).mapcount == 0) --zone_.nr_anon_pages;
}

// mm/rmap.c: anon_vma_prepare.
void Linux26::anon_vma_prepare(Mm& mm) {
  if (mm.anon_vma != kNoAnonVma) return;
  mm.anon_vma = static_cast<uint32_t>(anon_vmas_.size());
  anon_vmas_.push_back(AnonVma{.processes = {mm.process}});
}

}  // namespace swaptrail::engine::linux_2_6
