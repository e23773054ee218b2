// Linux 2.4: the lists, and how pages go from one to the other (mm/vmscan.c).
#include <algorithm>

#include "engine/generations/linux_2_4.h"
#include "trace/check.h"

namespace swaptrail::engine {

// Was used since it was put on an inactive list, or is mapped.
bool Linux24::is_in_use(const Page24& page) const {
  return page.referenced || page.age > 0 || page.count > 1;
}

// mm/vmscan.c, 2.4: reclaim_page. Takes the page that is longest on the zone's inactive_clean list, out of its cache, for the
// caller to use. On the way there, what is in use goes to the active list, what is dirty or locked to inactive_dirty.
uint32_t Linux24::reclaim_page(Pages24::Zone& zone) {
  for (uint64_t maxscan = zone.inactive_clean_pages(); maxscan > 0; --maxscan) {
    const uint32_t frame = pages_.oldest_inactive_clean(zone);
    Page24& page = pages_[frame];
    ++counters_.scanned;
    if (is_in_use(page)) {
      page.referenced = false;
      pages_.move(frame, List24::kActive);
      continue;
    }
    if (page.dirty || page.locked) {
      pages_.move(frame, List24::kInactiveDirty);
      continue;
    }
    account_reclaim(page);
    pages_.remove(frame);
    if (page.in_swap_cache)
      delete_from_swap_cache(frame);
    else
      remove_inode_page(frame);
    ++memory_pressure_;
    page = {.count = 1, .age = kPageAgeStart, .list = List24::kNone, .zone = page.zone};
    return frame;
  }
  ++memory_pressure_;
  return Pages24::kEnd;
}

// What reclaim_page() saved, for the counters.
void Linux24::account_reclaim(const Page24& page) {
  if (page.in_file)
    ++counters_.discarded;
  else if (!page.written && swap_map_.swap_count(page.index) > 1)
    ++counters_.writes_saved;
}

// mm/vmscan.c, 2.4: page_launder. Cleans inactive_dirty, from its tail: what is in use goes to the active list, what is clean
// to inactive_clean. What is dirty is left for later, at the head; only if memory is still short after that, a second time
// through (launder_loop) writes it.
//
// How many pages were moved to inactive_clean. `sync`, for a user process: if there was none, waits for the writes.
uint64_t Linux24::page_launder(unsigned gfp_mask, bool sync) {
  uint64_t cleaned_pages = 0;
  for (bool launder_loop = false;; launder_loop = true) {
    for (uint64_t maxscan = pages_.nr_inactive_dirty_pages();
         maxscan > 0 && pages_.nr_inactive_dirty_pages() > 0; --maxscan)
      launder_page(pages_.oldest_inactive_dirty(), launder_loop, cleaned_pages);
    const bool can_get_io_locks = (gfp_mask & kGfpIo) != 0;
    if (!can_get_io_locks || launder_loop || free_shortage() == 0) {
      if (launder_loop && sync) finish_writes();
      return cleaned_pages;
    }
    if (cleaned_pages > 0) sync = false;
    ++more_.bdflush_wakeups;
  }
}

// One page of inactive_dirty. (The loop in page_launder.)
void Linux24::launder_page(uint32_t frame, bool launder_loop, uint64_t& cleaned_pages) {
  Page24& page = pages_[frame];
  ++counters_.scanned;
  if (is_in_use(page)) {
    page.referenced = false;
    pages_.move(frame, List24::kActive);
  } else if (page.locked) {
    pages_.requeue(frame);
  } else if (page.dirty) {
    if (page.in_file && !methods_.contains(page.object))
      pages_.move(frame, List24::kActive);  // it can't be written anywhere
    else if (!launder_loop)
      pages_.requeue(frame);
    else if (!writepage(frame))
      pages_.requeue(frame);
  } else if (page.mapping()) {
    pages_.move(frame, List24::kInactiveClean);
    ++cleaned_pages;
  } else {
    pages_.move(frame, List24::kActive);  // nobody knows what it is
  }
}

// page->mapping->a_ops->writepage: the page is not dirty any more. True: it is clean now; false: it is locked, or the write
// failed.
bool Linux24::writepage(uint32_t frame) {
  Page24& page = pages_[frame];
  page.dirty = false;
  if (page.in_swap_cache) return swap_writepage(frame);
  ++more_.file_writes;
  page.dirty = !methods_[page.object]->swapout(page.index, tokens_[frame]);
  return !page.dirty;
}

// mm/swap_state.c, 2.4: swap_writepage. A page of which nobody has the entry any more need not be written. Else it is locked
// until the write is done. True: it was not written.
bool Linux24::swap_writepage(uint32_t frame) {
  Page24& page = pages_[frame];
  if (page.count <= 1 && swap_map_.swap_count(page.index) <= 1) {
    ++more_.dead_pages;
    return true;
  }
  page.locked = true;
  in_flight_.push_back({frame, !device_.write(page.index, tokens_[frame])});
  page.written = true;
  return false;
}

// fs/buffer.c, 2.4: end_buffer_io_async, of all writes. One that failed leaves the page dirty, and active: swap does not have
// it.
void Linux24::finish_writes() {
  for (const Write& write : in_flight_) {
    Page24& page = pages_[write.frame];
    page.locked = false;
    if (!write.failed) continue;
    page.dirty = true;
    page.written = false;
    pages_.activate_page(write.frame);
  }
  in_flight_.clear();
}

// mm/vmscan.c, 2.4: refill_inactive_scan. Takes a part of the active list, from its tail: half, a quarter and so on, by
// priority. What was referenced gets older in age, anything else younger; at age 0 it goes to inactive_dirty, if nobody maps
// it. The rest goes to the head of the list.
//
// 1: a page was deactivated. `oneshot`: stops at the first.
int Linux24::refill_inactive_scan(unsigned priority, bool oneshot) {
  int ret = 0;
  for (uint64_t maxscan = pages_.nr_active_pages() >> priority;
       maxscan > 0 && pages_.nr_active_pages() > 0; --maxscan) {
    const uint32_t frame = pages_.oldest_active();
    Page24& page = pages_[frame];
    ++counters_.scanned;
    aged_ += page.referenced || page.age > 0;
    if (page.referenced) {
      page.referenced = false;
      pages_.age_page_up(frame);
    } else {
      pages_.age_page_down_ageonly(frame);
      if (page.age == 0 && page.count <= 1) {
        pages_.deactivate_page(frame, 0);
        ret = 1;
        if (oneshot) break;
        continue;
      }
    }
    pages_.requeue(frame);
  }
  return ret;
}

// mm/vmscan.c, 2.4: inactive_shortage. How many pages the inactive lists and the free ones lack.
uint64_t Linux24::inactive_shortage() const {
  const uint64_t wanted = pages_.freepages_high() + inactive_target();
  const uint64_t have =
      pages_.nr_free_pages() + pages_.nr_inactive_clean_pages() + pages_.nr_inactive_dirty_pages();
  return have < wanted ? wanted - have : 0;
}

// mm/vmscan.c, 2.4: free_shortage. How many pages lack that are free or can be had at once: in all zones together, or else in
// those that have less than their minimum.
uint64_t Linux24::free_shortage() const {
  const uint64_t freeable = pages_.nr_free_pages() + pages_.nr_inactive_clean_pages();
  const uint64_t freetarget = pages_.freepages_high() + inactive_target() / 3;
  if (freeable < freetarget) return freetarget - freeable;
  uint64_t sum = 0;
  for (const Pages24::Zone& zone : pages_.zones()) {
    const uint64_t has = zone.free_pages() + zone.inactive_clean_pages();
    if (has < zone.pages_min + 1) sum += zone.pages_min + 1 - has;
  }
  return sum;
}

// mm/vmscan.c, 2.4: refill_inactive. Moves pages to inactive_dirty, as many as lack, or 2^page_cluster for a user process,
// which should not wait long. Always trims the slab first. Then by turns: pages of the active list; dcache and icache;
// swap_out(), which puts pages of processes on the lists. If nothing of that moves or ages a page it tries harder, and ends with a scan of
// the whole active list. 1: something was moved.
int Linux24::refill_inactive(unsigned gfp_mask, bool user) {
  const uint64_t wanted =
      user ? uint64_t{1} << page_cluster_ : inactive_shortage() + free_shortage();
  uint64_t count = wanted;
  ++more_.slab_reaps;
  for (int priority = kDefPriority; priority >= 0;) {
    const uint64_t aged = aged_;
    bool made_progress = false;
    while (refill_inactive_scan(static_cast<unsigned>(priority), true) != 0) {
      made_progress = true;
      if (--count == 0) return 1;
    }
    ++more_.dcache_shrinks, ++more_.icache_shrinks;
    const uint64_t unmapped = counters_.unmapped;
    swap_out(static_cast<unsigned>(priority), gfp_mask);
    if (counters_.unmapped != unmapped) --count;
    made_progress |= counters_.unmapped != unmapped || aged_ != aged;
    if (count == 0 || inactive_shortage() == 0 || free_shortage() == 0)
      return count < wanted ? 1 : 0;
    if (!made_progress) --priority;
  }
  while (refill_inactive_scan(0, true) != 0)
    if (--count == 0) break;
  return count < wanted ? 1 : 0;
}

// mm/vmscan.c, 2.4: do_try_to_free_pages. If free pages lack, or more are dirty than can be had at once, launders; if that is
// not enough, refills the inactive lists, else trims the slab. How many pages were cleaned, and 1 if something else was done.
int Linux24::do_try_to_free_pages(unsigned gfp_mask, bool user) {
  int ret = 0;
  if (free_shortage() > 0 ||
      pages_.nr_inactive_dirty_pages() > pages_.nr_free_pages() + pages_.nr_inactive_clean_pages())
    ret += static_cast<int>(page_launder(gfp_mask, user));
  if (free_shortage() > 0 || inactive_shortage() > 0) {
    ++more_.dcache_shrinks, ++more_.icache_shrinks;
    ret += refill_inactive(gfp_mask, user);
  } else {
    ++more_.slab_reaps;
    ret = 1;
  }
  return ret;
}

// mm/vmscan.c, 2.4: try_to_free_pages. For a process that wants memory and can't wait for kswapd, as it may hold locks that
// kswapd needs. 1 without having done anything, if it may not wait at all.
int Linux24::try_to_free_pages(unsigned gfp_mask) {
  if ((gfp_mask & kGfpWait) == 0) return 1;
  const bool was = std::exchange(memalloc_, true);
  const int ret = do_try_to_free_pages(gfp_mask, true);
  memalloc_ = was;
  return ret;
}

}  // namespace swaptrail::engine
