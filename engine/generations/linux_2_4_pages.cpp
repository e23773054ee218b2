#include "engine/generations/linux_2_4_pages.h"

#include <algorithm>

#include "trace/check.h"

namespace swaptrail::engine::linux_2_4 {

// mm/page_alloc.c, 2.4: free_area_init_core. A 128th of each zone stays free, 10 to 255 pages; of a zone below 320 pages a
// 32nd. The marks low and high are two and three times that.
Pages24::Pages24(std::span<const uint64_t> zones) {
  for (const uint64_t size : zones) {
    Zone& zone = zones_.emplace_back();
    zone.size = size;
    zone.pages_min = std::clamp<uint64_t>(size / 128, std::min<uint64_t>(10, size / 32), 255);
    zone.pages_low = zone.pages_min * 2, zone.pages_high = zone.pages_min * 3;
    min_ += zone.pages_min, low_ += zone.pages_low, high_ += zone.pages_high;
    const uint64_t first = mem_map_.size();
    mem_map_.resize(first + size);
    for (uint64_t frame = first + size; frame-- > first;) {
      mem_map_[frame].zone = static_cast<uint8_t>(zones_.size() - 1);
      zone.free.push_back(static_cast<uint32_t>(frame));
    }
    nr_free_pages_ += size;
  }
}

uint32_t Pages24::rmqueue(Zone& zone) {
  if (zone.free.empty()) return kEnd;
  const uint32_t frame = zone.free.back();
  zone.free.pop_back();
  --nr_free_pages_;
  Page24& page = mem_map_[frame];
  SWAPTRAIL_DCHECK(page.list == List24::kFree);
  page = {.count = 1, .age = kPageAgeStart, .list = List24::kNone, .zone = page.zone};
  return frame;
}

void Pages24::free(uint32_t frame) {
  Page24& page = mem_map_[frame];
  SWAPTRAIL_DCHECK(page.list == List24::kNone && page.count == 0 && !page.mapping());
  page.list = List24::kFree;
  zones_[page.zone].free.push_back(frame);
  ++nr_free_pages_;
}

FrameRing& Pages24::chain(uint32_t frame, List24 list) {
  if (list == List24::kActive) return active_list_;
  if (list == List24::kInactiveDirty) return inactive_dirty_list_;
  SWAPTRAIL_DCHECK(list == List24::kInactiveClean);
  return zones_[mem_map_[frame].zone].inactive_clean_list;
}

void Pages24::add(uint32_t frame, List24 list) {
  SWAPTRAIL_DCHECK(mem_map_[frame].list == List24::kNone);
  chain(frame, list).push(frame, [this](uint32_t one) -> uint32_t& { return mem_map_[one].place; });
  mem_map_[frame].list = list;
  nr_inactive_clean_pages_ += list == List24::kInactiveClean;
}

void Pages24::remove(uint32_t frame) {
  Page24& page = mem_map_[frame];
  if (page.list == List24::kNone) return;
  chain(frame, page.list).remove(page.place);
  nr_inactive_clean_pages_ -= page.list == List24::kInactiveClean;
  page.list = List24::kNone;
}

// mm/swap.c, 2.4: activate_page. From an inactive list to the active one; a page on none stays there. It is not to go soon.
void Pages24::activate_page(uint32_t frame) {
  Page24& page = mem_map_[frame];
  if (page.list == List24::kInactiveDirty || page.list == List24::kInactiveClean)
    move(frame, List24::kActive);
  page.age = std::max(page.age, kPageAgeStart);
}

// mm/swap.c, 2.4: age_page_up. The page was used; one that was given up becomes active again.
void Pages24::age_page_up(uint32_t frame) {
  Page24& page = mem_map_[frame];
  if (page.age == 0) activate_page(frame);
  page.age = static_cast<uint8_t>(std::min<int>(page.age + kPageAgeAdv, kPageAgeMax));
}

// mm/swap.c, 2.4: age_page_down_ageonly. Half of its age; the list stays.
void Pages24::age_page_down_ageonly(uint32_t frame) { mem_map_[frame].age /= 2; }

// mm/swap.c, 2.4: deactivate_page. From the active list to inactive_dirty, if nobody uses it but the cache and the caller.
void Pages24::deactivate_page(uint32_t frame, uint32_t users) {
  Page24& page = mem_map_[frame];
  page.age = 0;
  page.referenced = false;
  if (page.list == List24::kActive && page.count <= 1 + users) move(frame, List24::kInactiveDirty);
}

// mm/swap.c, 2.4: lru_cache_add. A page that gets into a cache is active, unless it is old already.
void Pages24::lru_cache_add(uint32_t frame) {
  add(frame, List24::kActive);
  if (mem_map_[frame].age == 0) deactivate_page(frame);
}

}  // namespace swaptrail::engine::linux_2_4
