// One page on its way out in Linux 2.6 (mm/vmscan.c: shrink_page_list and below; mm/page_io.c).
#include "engine/generations/linux_2_6.h"
#include "trace/check.h"

namespace swaptrail::engine::linux_2_6 {

// mm/vmscan.c: shrink_page_list. Pages that stay go back to the head of a list in their order: to the active one if they
// are in use or have no slot, else to the inactive one.
uint64_t Linux26::shrink_page_list(std::span<const uint32_t> pages, ScanControl& sc) {
  call("shrink_page_list");
  uint64_t freed = 0;
  for (uint32_t page : pages) {
    const Verdict verdict = shrink_page(page, sc);
    if (verdict == Verdict::kFreed) {
      ++freed;
    } else {
      zone_.add(page, verdict == Verdict::kActivate ? LruList::kActive : LruList::kInactive);
    }
    put_page(page);  // the reference since it was taken off its list
  }
  return freed;
}

// What shrink_page_list does with one page. "Keep" and "activate" leave it in memory, with its slot if it has one.
Linux26::Verdict Linux26::shrink_page(uint32_t page, ScanControl& sc) {
  Page& of = zone_.page(page);
  if (!trylock_page(page)) return Verdict::kKeep;
  ++sc.nr_scanned;
  if (of.mapcount > 0 || of.has(kPageSwapCache)) ++sc.nr_scanned;

  const auto ends = [&](Verdict verdict) {
    unlock_page(page);
    return verdict;
  };
  const bool referenced = page_referenced(page) > 0;
  const bool in_use = of.mapcount > 0 || of.has(kPageSwapCache);  // page_mapping_inuse
  if (referenced && in_use) return ends(Verdict::kActivate);
  if (!of.has(kPageSwapCache) && !add_to_swap(page)) return ends(Verdict::kActivate);
  if (of.mapcount > 0) {
    const Unmap unmapped = try_to_unmap(page);
    if (unmapped == Unmap::kFail) return ends(Verdict::kActivate);
    if (unmapped == Unmap::kAgain) return ends(Verdict::kKeep);
  }
  bool written = false;
  if (of.has(kPageDirty)) {
    if (referenced) return ends(Verdict::kKeep);
    const Pageout result = pageout(page);
    if (result == Pageout::kKeep) return ends(Verdict::kKeep);
    if (result == Pageout::kActivate) return ends(Verdict::kActivate);
    written = result == Pageout::kSuccess;
    // It was unlocked. Still dirty: the write failed, or there was nobody to write it for.
    if (written && (of.has(kPageDirty) || !trylock_page(page))) return Verdict::kKeep;
  }
  if (!remove_mapping(page)) return ends(Verdict::kKeep);
  if (!written) ++counters_.writes_saved;
  return ends(Verdict::kFreed);
}

// mm/vmscan.c: pageout. A page that has changed since swap had it is written; others need not be.
Pageout Linux26::pageout(uint32_t page) {
  call("pageout");
  Page& of = zone_.page(page);
  if (of.count != 2) return Pageout::kKeep;  // is_page_cache_freeable: the cache, and we
  if (!of.test_and_clear(kPageDirty)) return Pageout::kClean;  // clear_page_dirty_for_io
  swap_writepage(page);
  return Pageout::kSuccess;
}

// mm/page_io.c: swap_writepage, end_swap_bio_write. Writes the page to its slot, unless nobody needs the slot any more. A
// page whose write failed is dirty again, so that it is not lost; its slot stays the same.
bool Linux26::swap_writepage(uint32_t page) {
  call("swap_writepage");
  Page& of = zone_.page(page);
  if (remove_exclusive_swap_page(page)) {
    unlock_page(page);
    return true;
  }
  unlock_page(page);
  if (device_.write(of.entry, zone_.content(page))) return true;
  of.set(kPageError | kPageDirty);
  return false;
}

// mm/vmscan.c: remove_mapping. Out of the swap cache, if nobody else has the page and swap has it as it is.
bool Linux26::remove_mapping(uint32_t page) {
  call("remove_mapping");
  const Page& of = zone_.page(page);
  if (of.count != 2 || of.has(kPageDirty)) return false;
  delete_from_swap_cache(page);
  return true;
}

}  // namespace swaptrail::engine::linux_2_6
