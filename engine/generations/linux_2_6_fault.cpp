// Page faults of Linux 2.6 (mm/memory.c), and the way back from swap (and mm/swap_state.c).
#include "engine/generations/linux_2_6.h"
#include "trace/check.h"

namespace swaptrail::engine::linux_2_6 {

// mm/memory.c: handle_mm_fault, handle_pte_fault: what the processor's own fault handler calls. The access is tried again
// when it returns, and may fault again.
Fault Linux26::handle_mm_fault(Mm& mm, uint64_t address, Pte& pte, bool write) {
  call("handle_mm_fault");
  if (pte.none()) return do_anonymous_page(mm, address, pte);
  if (pte.swapped()) return do_swap_page(mm, address, pte, write);
  return write ? do_wp_page(mm, address, pte) : Fault::kDone;
}

// mm/memory.c: do_anonymous_page. A page of zeros, also for a read (the shared zero page is not used in 2.6.24).
Fault Linux26::do_anonymous_page(Mm& mm, uint64_t address, Pte& pte) {
  anon_vma_prepare(mm);
  const uint32_t page = alloc_page();
  if (page == kNoPage) return Fault::kOom;
  zone_.content(page) = 0;
  zone_.page(page).set(kPageUptodate);
  pte.map(page, true);
  pte.token = 0;
  zone_.add(page, LruList::kActive);  // lru_cache_add_active
  page_add_anon_rmap(page, mm, address);
  ++mm.total_vm;
  ++counters_.first_touches;
  return Fault::kDone;
}

// mm/memory.c: do_swap_page. The page comes from the swap cache, if it is there (minor fault), else from swap (major fault).
// The entry's use of the slot ends. The page stays in the cache for the others that use the slot; if there are none, and
// swap is more than half full, it leaves the cache, and the slot is free.
Fault Linux26::do_swap_page(Mm& mm, uint64_t address, Pte& pte, bool write) {
  call("do_swap_page");
  const uint64_t entry = pte.entry();
  uint32_t page = lookup_swap_cache(entry);
  if (page != kNoPage) {
    ++counters_.minor_faults;
  } else {
    swapin_readahead(entry);
    page = read_swap_cache_async(entry);
    if (page == kNoPage) return Fault::kOom;
    ++counters_.major_faults;
  }
  mark_page_accessed(page);
  lock_page(page);
  Page& of = zone_.page(page);
  if (of.test_and_clear(kPageReadahead)) ++counters_.readahead_hits;
  check_content(page, pte);
  const bool alone = write && can_share_swap_page(page);
  pte.map(page, alone);  // the reference is the entry's from now on
  page_add_anon_rmap(page, mm, address);
  areas_.swap_free(entry);
  if (areas_.vm_swap_full()) remove_exclusive_swap_page(page);
  unlock_page(page);
  return write && !alone ? do_wp_page(mm, address, pte) : Fault::kDone;
}

// mm/memory.c: swapin_readahead. Slots that were taken together were likely used together: the block of 2^page_cluster
// slots around this one is read.
void Linux26::swapin_readahead(uint64_t entry) {
  call("swapin_readahead");
  uint64_t first = 0;
  const uint32_t count = areas_.valid_swaphandles(entry, options_.page_cluster, first);
  zone_.prefetch_free(count);
  for (uint32_t at = 0; at < count; ++at) {
    const uint64_t near = make_entry(entry_type(entry), first + at);
    const uint64_t read_before = counters_.swapped_in;
    const uint32_t page = read_swap_cache_async(near);
    if (page == kNoPage) break;
    if (near != entry && counters_.swapped_in != read_before) {
      zone_.page(page).set(kPageReadahead);
      ++counters_.readahead;
    }
    put_page(page);
  }
}

// mm/swap_state.c: read_swap_cache_async. The page of the slot: the one in the cache, or a new one that is read. The read has
// ended when it returns.
uint32_t Linux26::read_swap_cache_async(uint64_t entry) {
  call("read_swap_cache_async");
  uint32_t page = kNoPage;
  CacheAdd added = CacheAdd::kExists;
  while (added == CacheAdd::kExists) {
    const uint32_t found = lookup_swap_cache(entry);
    if (found != kNoPage) {
      if (page != kNoPage) put_page(page);
      return found;
    }
    if (page == kNoPage) page = alloc_page();
    if (page == kNoPage) return kNoPage;
    added = add_to_swap_cache(page, entry);
  }
  if (added == CacheAdd::kNoEntry) {
    put_page(page);
    return kNoPage;
  }
  zone_.add(page, LruList::kActive);          // lru_cache_add_active
  zone_.content(page) = device_.read(entry);  // swap_readpage
  zone_.page(page).set(kPageUptodate);
  unlock_page(page);
  return page;
}

// mm/memory.c: do_wp_page. A write to a page that may not be written. If nobody else has it, it may from now on; else the
// process gets a copy. While there is no memory for the copy, reclaim may take the page: then the access is tried again.
Fault Linux26::do_wp_page(Mm& mm, uint64_t address, Pte& pte) {
  call("do_wp_page");
  const uint32_t old = pte.page();
  if (trylock_page(old)) {
    const bool alone = can_share_swap_page(old);
    unlock_page(old);
    if (alone) {
      pte.set_writable();
      ++counters_.tlb_flushes;  // ptep_set_access_flags
      return Fault::kDone;
    }
  }
  get_page(old);
  const uint32_t copy = alloc_page();
  if (copy == kNoPage || !pte.present() || pte.page() != old) {
    if (copy != kNoPage) put_page(copy);
    put_page(old);
    return copy == kNoPage ? Fault::kOom : Fault::kDone;
  }
  check_content(old, pte);
  zone_.content(copy) = zone_.content(old);
  zone_.page(copy).set(kPageUptodate);
  page_remove_rmap(old);
  pte.map(copy, true);
  zone_.add(copy, LruList::kActive);
  page_add_anon_rmap(copy, mm, address);
  put_page(old);  // ours
  put_page(old);  // the entry's
  ++counters_.tlb_flushes;
  ++counters_.copies;
  return Fault::kDone;
}

void Linux26::check_content(uint32_t page, const Pte& pte) {
  ++counters_.contents_checked;
  if (zone_.content(page) != pte.token) ++counters_.contents_wrong;
}

}  // namespace swaptrail::engine::linux_2_6
