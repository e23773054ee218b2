// The swap cache of Linux 2.6 (mm/swap_state.c, and of mm/swapfile.c what frees a slot together with its page).
//
// A page in the cache has its slot in page->private, and the cache has a reference to the page and one of the slot's users.
#include "engine/generations/linux_2_6.h"
#include "trace/check.h"

namespace swaptrail::engine::linux_2_6 {

// mm/swap_state.c: add_to_swap. The page is to leave memory: it gets a slot, and is in the cache until its data are there.
// No page table changes: those who have the page keep it. False: no slot is free.
bool Linux26::add_to_swap(uint32_t page) {
  call("add_to_swap");
  SWAPTRAIL_DCHECK(zone_.page(page).has(kPageLocked));
  while (true) {
    call("get_swap_page");
    const uint64_t entry = areas_.get_swap_page();
    if (entry == 0) {
      ++counters_.no_slot;
      return false;
    }
    if (__add_to_swap_cache(page, entry) == CacheAdd::kAdded) {
      zone_.page(page).set(kPageUptodate | kPageDirty);
      return true;
    }
    areas_.swap_free(entry);  // somebody has read that slot meanwhile: another one
  }
}

// mm/swap_state.c: add_to_swap_cache. A page that is to be read from a slot which is in use: the cache becomes one more of
// its users, and no slot is taken. Locks the page.
CacheAdd Linux26::add_to_swap_cache(uint32_t page, uint64_t entry) {
  call("add_to_swap_cache");
  if (!areas_.swap_duplicate(entry)) return CacheAdd::kNoEntry;
  const CacheAdd added = __add_to_swap_cache(page, entry);
  if (added != CacheAdd::kAdded) areas_.swap_free(entry);
  return added;
}

// mm/swap_state.c: __add_to_swap_cache. What both have in common: the page is found by its slot, and knows it.
CacheAdd Linux26::__add_to_swap_cache(uint32_t page, uint64_t entry) {
  call("__add_to_swap_cache");
  Page& of = zone_.page(page);
  SWAPTRAIL_DCHECK(!of.has(kPageSwapCache));
  uint32_t& place = swapper_space_[entry_type(entry)][entry_offset(entry)];
  if (place != kNoPage) return CacheAdd::kExists;
  place = page;
  ++of.count;
  of.set(kPageLocked | kPageSwapCache);
  of.entry = entry;
  return CacheAdd::kAdded;
}

// mm/swap_state.c: __delete_from_swap_cache. The slot's user and the reference stay the caller's.
void Linux26::delete_from_cache_only(uint32_t page) {
  Page& of = zone_.page(page);
  SWAPTRAIL_DCHECK(of.has(kPageSwapCache) && of.has(kPageLocked));
  swapper_space_[entry_type(of.entry)][entry_offset(of.entry)] = kNoPage;
  of.clear(kPageSwapCache);
  of.entry = 0;
}

// mm/swap_state.c: delete_from_swap_cache. The page is locked, and somebody else has a reference.
void Linux26::delete_from_swap_cache(uint32_t page) {
  const uint64_t entry = zone_.page(page).entry;
  delete_from_cache_only(page);
  areas_.swap_free(entry);
  put_page(page);
}

// mm/swap_state.c: lookup_swap_cache.
uint32_t Linux26::lookup_swap_cache(uint64_t entry) {
  const uint32_t page = cached(entry);
  if (page != kNoPage) get_page(page);
  return page;
}

uint32_t Linux26::cached(uint64_t entry) const {
  const std::vector<uint32_t>& pages = swapper_space_[entry_type(entry)];
  return entry_offset(entry) < pages.size() ? pages[entry_offset(entry)] : kNoPage;
}

// mm/swapfile.c: remove_exclusive_swap_page. Gives the slot back if nobody but the cache needs it, and nobody but the
// cache and the caller has the page, which is locked. Swap has no copy then: the page is dirty.
bool Linux26::remove_exclusive_swap_page(uint32_t page) {
  Page& of = zone_.page(page);
  SWAPTRAIL_DCHECK(of.has(kPageLocked));
  if (!of.has(kPageSwapCache) || of.count != 2 || areas_.swap_map(of.entry) != 1) return false;
  delete_from_swap_cache(page);
  of.set(kPageDirty);
  return true;
}

// mm/swapfile.c: can_share_swap_page. One page table has the page, or its slot, and no other: it may be written there.
bool Linux26::can_share_swap_page(uint32_t page) const {
  const Page& of = zone_.page(page);
  uint32_t users = of.mapcount;
  if (users <= 1 && of.has(kPageSwapCache))
    users += areas_.swap_map(of.entry) - 1u;  // without the cache
  return users == 1;
}

// mm/swapfile.c: free_swap_and_cache. An entry of a page table goes. If only the cache has the slot then, and nobody needs
// the page, or swap is more than half full, the slot is free at once.
void Linux26::free_swap_and_cache(uint64_t entry) {
  if (areas_.swap_free(entry) != 1) return;
  const uint32_t page = lookup_swap_cache(entry);
  if (page == kNoPage) return;
  if (trylock_page(page)) {
    if (zone_.page(page).count == 2 || areas_.vm_swap_full()) {
      delete_from_swap_cache(page);
      set_page_dirty(page);
    }
    unlock_page(page);
  }
  put_page(page);
}

// mm/swap_state.c: free_page_and_swap_cache. A page table no longer has the page.
void Linux26::free_page_and_swap_cache(uint32_t page) {
  if (zone_.page(page).has(kPageSwapCache) && trylock_page(page)) {
    remove_exclusive_swap_page(page);
    unlock_page(page);
  }
  put_page(page);
}

}  // namespace swaptrail::engine::linux_2_6
