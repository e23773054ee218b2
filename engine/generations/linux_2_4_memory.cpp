// Linux 2.4: the swap cache (mm/swap_state.c), readahead (mm/swapfile.c, mm/memory.c), and faults (mm/memory.c).
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "engine/generations/linux_2_4.h"
#include "trace/check.h"

namespace swaptrail::engine::linux_2_4 {

// mm/swap_state.c, 2.4: add_to_swap_cache. The page can be found by its entry from now on, is on a list, and has one user
// more; the caller's use of the slot is the cache's now.
void Linux24::add_to_swap_cache(uint32_t frame, uint64_t entry) {
  Page24& page = pages_[frame];
  SWAPTRAIL_DCHECK(!page.mapping());
  page.in_swap_cache = true;
  page.index = entry;
  swapper_space_[entry_type(entry)][entry_offset(entry)] = frame;
  ++page.count;
  pages_.lru_cache_add(frame);
}

// mm/swap_state.c, 2.4: delete_from_swap_cache. The slot and the page have one user less each.
void Linux24::delete_from_swap_cache(uint32_t frame) {
  Page24& page = pages_[frame];
  SWAPTRAIL_DCHECK(page.in_swap_cache && !page.locked);
  const uint64_t entry = page.index;
  pages_.remove(frame);
  page.in_swap_cache = page.dirty = false;
  swapper_space_[entry_type(entry)][entry_offset(entry)] = Pages24::kEnd;
  swap_map_.swap_free(entry);
  --page.count;
}

// mm/swap_state.c, 2.4: lookup_swap_cache. Whoever looks for a page uses it: its age goes up, and an inactive one is active
// again (mm/filemap.c: __find_page_nolock). Pages24::kEnd: it is not there.
uint32_t Linux24::lookup_swap_cache(uint64_t entry) {
  const uint32_t frame = swapper_space_[entry_type(entry)][entry_offset(entry)];
  if (frame == Pages24::kEnd) return frame;
  pages_.age_page_up(frame);
  if (free_shortage() > 0 && inactive_shortage() > inactive_target() / 2) wakeup_kswapd(false);
  return frame;
}

// mm/swap_state.c, 2.4: read_swap_cache_async. The page in the swap cache, read there if it is not. Pages24::kEnd: nobody uses
// the slot, or the process was killed.
uint32_t Linux24::read_swap_cache_async(uint64_t entry) {
  if (!swap_map_.swap_duplicate(entry)) return Pages24::kEnd;  // the cache's use
  if (const uint32_t found = lookup_swap_cache(entry); found != Pages24::kEnd) {
    swap_map_.swap_free(entry);
    return found;
  }
  const uint32_t frame = __alloc_pages(kGfpUser);
  if (frame == Pages24::kEnd) {
    swap_map_.swap_free(entry);
    return frame;
  }
  SWAPTRAIL_DCHECK(swapper_space_[entry_type(entry)][entry_offset(entry)] == Pages24::kEnd);
  add_to_swap_cache(frame, entry);
  tokens_[frame] = device_.read(entry);
  put_page(frame);  // the cache alone has it
  return frame;
}

// mm/swapfile.c, 2.4: valid_swaphandles. The slots around the entry, from a multiple of 2^page_cluster to the first that is
// free, bad, or behind the end. How many.
uint32_t Linux24::valid_swaphandles(uint64_t entry, uint64_t& first) const {
  uint64_t toff = entry_offset(entry) >> page_cluster_ << page_cluster_;
  uint64_t left = uint64_t{1} << page_cluster_;
  if (toff == 0) ++toff, --left;  // the header
  first = toff;
  const uint32_t type = entry_type(entry);
  while (left > 0 && swap_map_.is_usable(make_entry(type, toff))) ++toff, --left;
  return static_cast<uint32_t>(toff - first);
}

// mm/memory.c, 2.4: swapin_readahead. Reads the slots around the entry: they were written together, and may be used together.
void Linux24::swapin_readahead(uint64_t entry) {
  uint64_t first = 0;
  const uint32_t type = entry_type(entry);
  const uint32_t number = valid_swaphandles(entry, first);
  for (uint64_t offset = first; offset < first + number; ++offset) {
    const uint64_t one = make_entry(type, offset);
    const uint64_t reads = counters_.swapped_in;
    const uint32_t frame = read_swap_cache_async(one);
    if (!is_alive(current_)) return;
    if (frame == Pages24::kEnd || one == entry || counters_.swapped_in == reads) continue;
    pages_[frame].readahead = true;
    ++counters_.readahead;
  }
}

// mm/swap_state.c, 2.4: is_page_shared. Somebody maps the page, or has its entry, beside the one that asks.
bool Linux24::is_page_shared(uint32_t frame) const {
  const Page24& page = pages_[frame];
  uint32_t count = page.count;
  if (page.in_swap_cache) count += swap_map_.swap_count(page.index) - 2u;
  return count > 1;
}

// mm/swap.c, 2.4: page_cache_release. One user less; a page without any is free.
void Linux24::put_page(uint32_t frame) {
  SWAPTRAIL_DCHECK(pages_[frame].count > 0);
  if (--pages_[frame].count == 0) pages_.free(frame);
}

// mm/swap_state.c, 2.4: free_page_and_swap_cache. A page that only this process has leaves the swap cache with it.
void Linux24::zap_page(uint32_t frame) {
  const Page24& page = pages_[frame];
  if (page.in_swap_cache && !page.locked && !is_page_shared(frame)) delete_from_swap_cache(frame);
  put_page(frame);
}

// mm/filemap.c, 2.4: __remove_inode_page.
void Linux24::remove_inode_page(uint32_t frame) {
  Page24& page = pages_[frame];
  page_hash_.erase({page.object, page.index});
  page.in_file = false;
  --page.count;
}

// A page for the process; Pages24::kEnd: it was killed.
uint32_t Linux24::alloc_user_page(OldProcess& process) {
  const uint32_t number = process.number;
  const uint32_t frame = __alloc_pages(kGfpUser);
  if (frame == Pages24::kEnd || is_alive(number)) return frame;
  put_page(frame);
  return Pages24::kEnd;
}

// mm/memory.c, 2.4: handle_pte_fault.
bool Linux24::handle_fault(OldProcess& process, const VmArea& area, uint64_t page, OldPte& pte,
                           bool write) {
  current_ = process.number;
  if (pte.present()) return do_wp_page(process, pte);
  if (pte.swapped()) return do_swap_page(process, pte, write);
  return do_no_page(process, area, page, pte);
}

// mm/memory.c, 2.4: do_no_page and do_anonymous_page. The page is on no list: reclaim finds it by the process. Each first
// touch gets a page of its own; the kernel would let all that is only read share one (ZERO_PAGE).
bool Linux24::do_no_page(OldProcess& process, const VmArea& area, uint64_t page, OldPte& pte) {
  if (area.kind == VmAreaKind::kImage || area.shared || area.method != nullptr)
    return do_file_page(process, area, page, pte);
  const uint32_t frame = alloc_user_page(process);
  if (frame == Pages24::kEnd) return false;
  ++counters_.first_touches;
  ++process.rss;
  tokens_[frame] = pte.token = 0;
  pte.map(frame, true, true);
  return true;
}

// mm/filemap.c, 2.4: filemap_nopage. From the page cache, or from the file into it. A shared segment is a file that can't be
// written anywhere.
bool Linux24::do_file_page(OldProcess& process, const VmArea& area, uint64_t page, OldPte& pte) {
  const bool is_image = area.kind == VmAreaKind::kImage;
  const FilePage key = {
      area.method != nullptr ? (process.number << 2) + 2 : (area.object << 2) + area.shared, page};
  if (const auto found = page_hash_.find(key); found != page_hash_.end()) {
    const uint32_t frame = found->second;
    ++counters_.minor_faults;
    pages_.age_page_up(frame);
    ++pages_[frame].count;
    pte.map(frame, !is_image, false);
  } else {
    const uint32_t frame = alloc_user_page(process);
    if (frame == Pages24::kEnd) return false;
    if (area.method != nullptr) methods_[key.first] = area.method;
    more_.image_reads += !area.shared, counters_.first_touches += area.shared;
    tokens_[frame] = is_image                 ? image_token(area.object, page)
                     : area.method != nullptr ? area.method->swapin(page)
                                              : 0;
    Page24& used = pages_[frame];
    used.object = key.first, used.index = page, used.in_file = true, used.dirty = area.shared;
    page_hash_[key] = frame;
    ++used.count;
    pages_.lru_cache_add(frame);
    pte.map(frame, !is_image, false);
  }
  ++process.rss;
  if (!area.shared && pte.token != 0) verify(pte, pte.frame());
  pte.token = tokens_[pte.frame()];
  return true;
}

// mm/memory.c, 2.4: do_swap_page. From the swap cache, or from swap with what is around it. The slot stays the page's, as long
// as the page is in the swap cache; who writes and is the only user may write at once.
bool Linux24::do_swap_page(OldProcess& process, OldPte& pte, bool write) {
  const uint32_t number = process.number;
  const uint64_t entry = pte.entry();
  uint32_t frame = lookup_swap_cache(entry);
  if (frame == Pages24::kEnd) {
    swapin_readahead(entry);
    if (!is_alive(number)) return false;
    frame = read_swap_cache_async(
        entry);  // read_swap_cache: is there by now, unless reclaim took it again
    if (!is_alive(number)) return false;
    SWAPTRAIL_CHECK(frame != Pages24::kEnd);
    ++counters_.major_faults;
  } else {
    ++counters_.minor_faults;
    counters_.readahead_hits += pages_[frame].readahead;
  }
  Page24& page = pages_[frame];
  page.readahead = false;
  if (page.locked) finish_writes();  // lock_page
  ++page.count;
  verify(pte, frame);
  ++process.rss, --process.swapped;
  swap_map_.swap_free(entry);
  const bool may_write = write && !is_page_shared(frame);
  pte.map(frame, may_write, may_write);
  return true;
}

// mm/memory.c, 2.4: do_wp_page. The only user writes in place, in the swap cache too: the slot stays, and will be written
// again. Any other gets a copy.
bool Linux24::do_wp_page(OldProcess& process, OldPte& pte) {
  const uint32_t old_page = pte.frame();
  const auto can_reuse = [&] {
    const Page24& page = pages_[old_page];
    return page.count == 1 || (page.count == 2 && page.in_swap_cache && !is_page_shared(old_page));
  };
  if (can_reuse()) {
    pte.writable = pte.dirty = true;
    return true;
  }
  ++pages_[old_page].count;  // it must not go while a page is sought
  const uint32_t number = process.number;
  const uint32_t new_page = alloc_user_page(process);
  if (new_page == Pages24::kEnd) {
    SWAPTRAIL_CHECK(!is_alive(number));
    zap_page(old_page);
    return false;
  }
  if (pte.present() && pte.frame() == old_page) {
    ++counters_.copies;
    verify(pte, old_page);
    tokens_[new_page] = tokens_[old_page];
    pte.map(new_page, true, true);
    put_page(old_page);
  } else {
    put_page(new_page);
  }
  zap_page(old_page);
  return true;
}

// mm/memory.c, 2.4: copy_page_range, of an entry. Both may only read from now on.
void Linux24::copy_one_pte(OldPte& from, OldPte& to) {
  if (from.swapped()) {
    SWAPTRAIL_CHECK(swap_map_.swap_duplicate(from.entry()));
    to.set_entry(from.entry());
    return;
  }
  from.writable = false;
  ++pages_[from.frame()].count;
  to.map(from.frame(), false, from.dirty);
  to.young = false;
}

}  // namespace swaptrail::engine::linux_2_4
