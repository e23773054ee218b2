// Linux 2.0: frames (mm/page_alloc.c), the swap cache (mm/swap_state.c), and faults (mm/memory.c).
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "engine/generations/linux_2_0.h"
#include "trace/check.h"

namespace swaptrail::engine::linux_2_0 {

// mm/page_alloc.c, 2.0: free_area_init. A 128th of memory, and at least 24 pages, stay free; a memory below 2 MiB keeps fewer.
Linux20::Linux20(const GenerationOptions& options)
    : OldGeneration(options, SwapMap::kLinux20), mem_map_(options.frames) {
  min_free_pages_ = std::max(options.frames >> 7, std::min<uint64_t>(24, options.frames >> 4));
  free_pages_low_ = min_free_pages_ + min_free_pages_ / 2;
  free_pages_high_ = min_free_pages_ * 2;
  for (uint64_t frame = options.frames; frame-- > 0;)
    free_area_.push_back(static_cast<uint32_t>(frame));
}

// mm/page_alloc.c, 2.0: __get_free_pages. A page of age 3 with one user. If only the reserve is left, one must be freed
// first; if none can be, the process is out of memory and killed (mm/memory.c: oom). kNoFrame: it was.
uint32_t Linux20::get_free_page(OldProcess& process) {
  const uint32_t number = process.number;
  while (nr_free_pages() <= min_free_pages_) {
    const bool is_freed = try_to_free_page(true);
    if (!is_alive(number)) return kNoFrame;  // its own region's method failed
    if (is_freed) continue;
    kill(process);
    return kNoFrame;
  }
  const uint32_t frame = free_area_.back();
  free_area_.pop_back();
  Page& page = mem_map_[frame];
  SWAPTRAIL_DCHECK(page.count == 0 && mem_map_[frame].swap_cache == 0);
  page = {.count = 1, .age = static_cast<uint8_t>(swap_control.page_initial_age)};
  return frame;
}

// mm/page_alloc.c, 2.0: free_page. The last user's page goes back to free_area, and its slot, if it is a copy of one.
void Linux20::free_page(uint32_t frame) {
  Page& page = mem_map_[frame];
  SWAPTRAIL_DCHECK(page.count > 0);
  if (--page.count > 0) return;
  SWAPTRAIL_DCHECK(!page.inode);
  delete_from_swap_cache(frame);
  page.locked = false;
  free_area_.push_back(frame);
}

// mm/filemap.c, 2.0: page_unuse. If the page cache and one other have the page, the page cache lets it go.
bool Linux20::page_unuse(uint32_t frame) {
  if (mem_map_[frame].count != 2 || !mem_map_[frame].inode || mem_map_[frame].shared) return false;
  remove_from_page_cache(frame);
  return true;
}

void Linux20::remove_from_page_cache(uint32_t frame) {
  page_cache_.erase(files_[frame]);
  mem_map_[frame].inode = false;
  free_page(frame);
}

// mm/swap_state.c, 2.0: add_to_swap_cache. The page is an exact copy of the slot, whose use it takes over.
void Linux20::add_to_swap_cache(uint32_t frame, uint64_t entry) {
  SWAPTRAIL_DCHECK(mem_map_[frame].swap_cache == 0);
  mem_map_[frame].swap_cache = entry;
}

// include/linux/swap.h, 2.0: delete_from_swap_cache. True: it was one.
bool Linux20::delete_from_swap_cache(uint32_t frame) {
  const uint64_t entry = std::exchange(mem_map_[frame].swap_cache, 0);
  if (entry == 0) return false;
  swap_map_.swap_free(entry);
  return true;
}

// mm/memory.c, 2.0: handle_pte_fault.
bool Linux20::handle_fault(OldProcess& process, const VmArea& area, uint64_t page, OldPte& pte,
                           bool write) {
  if (pte.present()) return do_wp_page(process, pte);
  if (pte.swapped()) return swap_in(process, pte, write);
  return do_no_page(process, area, page, pte, write);
}

// mm/memory.c, 2.0: do_no_page. Zeros, or what the region's file or method has.
bool Linux20::do_no_page(OldProcess& process, const VmArea& area, uint64_t page, OldPte& pte,
                         bool write) {
  if (area.kind == VmAreaKind::kImage || area.shared) return do_file_page(process, area, page, pte);
  const uint32_t frame = get_free_page(process);
  if (frame == kNoFrame) return false;
  ++process.rss;
  if (area.method != nullptr) {
    tokens_[frame] = area.method->swapin(page);
    if (pte.token != 0) verify(pte, frame);
    ++image_reads_;
    pte.token = tokens_[frame];
    pte.map(frame, true, write);
  } else {  // get_empty_page: of its own from the first, for there is no zero page that all share
    ++counters_.first_touches;
    tokens_[frame] = pte.token = 0;
    pte.map(frame, true, true);
  }
  return true;
}

// mm/filemap.c, 2.0: filemap_nopage. From the page cache, or from the file into it.
bool Linux20::do_file_page(OldProcess& process, const VmArea& area, uint64_t page, OldPte& pte) {
  const FilePage key = {area.object * 2 + area.shared, page};
  if (const auto found = page_cache_.find(key); found != page_cache_.end()) {
    ++counters_.minor_faults;
    ++mem_map_[found->second].count;
    mem_map_[found->second].referenced = true;
    pte.map(found->second, area.shared, false);
  } else {
    const uint32_t frame = get_free_page(process);
    if (frame == kNoFrame) return false;
    if (area.shared)
      ++counters_.first_touches;
    else
      ++image_reads_;
    tokens_[frame] = area.shared ? 0 : image_token(area.object, page);
    if (files_.empty()) files_.resize(frames());
    files_[frame] = key;
    page_cache_[key] = frame;
    Page& used = mem_map_[frame];
    used.count = 2, used.inode = true, used.shared = area.shared;
    pte.map(frame, area.shared, false);
  }
  ++process.rss;
  if (!area.shared && pte.token != 0) verify(pte, pte.frame());
  pte.token = tokens_[pte.frame()];
  return true;
}

// mm/page_io.c and mm/swap.c, 2.0: swap_in. A page that is only read keeps its slot, in the swap cache: should it go again
// unchanged, it need not be written. One that is written to gives the slot up.
bool Linux20::swap_in(OldProcess& process, OldPte& pte, bool write) {
  const uint32_t frame = get_free_page(process);
  if (frame == kNoFrame) return false;
  const uint64_t entry = pte.entry();
  tokens_[frame] = device_.read(entry);
  verify(pte, frame);
  ++counters_.major_faults;
  ++process.rss, --process.swapped;
  pte.map(frame, write, write);
  if (write)
    swap_map_.swap_free(entry);
  else
    add_to_swap_cache(frame, entry);
  return true;
}

// mm/memory.c, 2.0: do_wp_page. The only user writes in place, any other gets a copy.
bool Linux20::do_wp_page(OldProcess& process, OldPte& pte) {
  const uint32_t old_page = pte.frame();
  if (mem_map_[old_page].count == 1) {
    pte.writable = pte.dirty = true;
    return true;
  }
  const uint32_t new_page = get_free_page(process);
  if (new_page == kNoFrame) return false;
  if (!pte.present() || pte.frame() != old_page || mem_map_[old_page].count == 1) {
    free_page(new_page);  // it went, or the others did, while one was sought
    return true;
  }
  ++counters_.copies;
  verify(pte, old_page);
  tokens_[new_page] = tokens_[old_page];
  pte.map(new_page, true, true);
  free_page(old_page);
  return true;
}

// mm/memory.c, 2.0: copy_one_pte. Both may only read from now on. The slot of which the page was a copy is given up, for one
// page can't stand for two entries.
void Linux20::copy_one_pte(OldPte& from, OldPte& to) {
  if (from.swapped()) {
    SWAPTRAIL_CHECK(swap_map_.swap_duplicate(from.entry()));
    to.set_entry(from.entry());
    return;
  }
  from.writable = false;
  if (delete_from_swap_cache(from.frame())) from.dirty = true;
  ++mem_map_[from.frame()].count;
  to.map(from.frame(), false, from.dirty);
  to.young = false;
}

absl::Status Linux20::check_frames(References& references) const {
  std::vector<bool> is_free(frames());
  for (const uint32_t frame : free_area_) {
    if (is_free[frame]) return absl::InternalError(absl::StrCat("frame ", frame, " twice free"));
    is_free[frame] = true;
  }
  for (uint32_t frame = 0; frame < frames(); ++frame) {
    const Page& page = mem_map_[frame];
    if (mem_map_[frame].swap_cache != 0) ++references.of_swap[mem_map_[frame].swap_cache];
    if (page.count != references.frames[frame] + page.inode)
      return absl::InternalError(absl::StrCat("frame ", frame, " has count ", page.count, " and ",
                                              references.frames[frame], " entries"));
    if (is_free[frame] != (page.count == 0) || (is_free[frame] && mem_map_[frame].swap_cache != 0))
      return absl::InternalError(absl::StrCat("frame ", frame, " is free and in use, or neither"));
  }
  return absl::OkStatus();
}

}  // namespace swaptrail::engine::linux_2_0
