#include "engine/generations/swap_map.h"

#include <algorithm>
#include <bit>

#include "trace/check.h"
#include "trace/decode.h"

namespace swaptrail::engine {

SwapMap::SwapMap(const GenerationOptions& options, Style style) : style_(style) {
  int32_t least_priority = 0;
  for (const GenerationArea& area : options.areas) swapon(area.area, least_priority);
}

// mm/swapfile.c: sys_swapon. An area without a priority comes behind all that are there.
void SwapMap::swapon(const Area& area, int32_t& least_priority) {
  if (swap_info_.size() <= area.type) swap_info_.resize(area.type + 1);
  SwapInfo& si = swap_info_[area.type];
  SWAPTRAIL_CHECK(si.max == 0);
  si.max = area.pages;
  si.prio = area.priority == kDefaultPriority ? --least_priority : area.priority;
  si.swap_map.assign(area.pages, 0);
  si.used.assign(area.pages / 64 + 1, 0);
  for (uint64_t at = area.pages; at < si.used.size() * 64; ++at)
    si.used[at / 64] |= uint64_t{1} << at % 64;
  si.swap_map[0] = kBad, si.used[0] |= 1;
  uint64_t free = area.pages - 1;
  for (const uint64_t bad : area.bad_pages) {
    if (bad == 0 || bad >= area.pages || si.swap_map[bad] == kBad) continue;
    si.swap_map[bad] = kBad, si.used[bad / 64] |= uint64_t{1} << bad % 64;
    --free;
  }
  si.lowest_bit = si.cluster_next = 1, si.highest_bit = area.pages - 1;
  nr_swap_pages_ += free, total_ += free;

  int* link = &head_;
  while (*link != kNone && swap_info_[static_cast<size_t>(*link)].prio >= si.prio)
    link = &swap_info_[static_cast<size_t>(*link)].next;
  si.next = *link;
  *link = static_cast<int>(area.type);
  next_ = head_;
}

uint64_t SwapMap::next_free(const SwapInfo& si, uint64_t from) {
  if (from >= si.max) return si.max;
  uint64_t word = ~si.used[from / 64] & ~uint64_t{0} << from % 64;
  for (uint64_t at = from / 64;; word = ~si.used[at]) {
    if (word != 0) return at * 64 + static_cast<uint64_t>(std::countr_zero(word));
    if (++at == si.used.size()) return si.max;
  }
}

// The last slot in use of from .. to; 0 if none is.
uint64_t SwapMap::last_used(const SwapInfo& si, uint64_t from, uint64_t to) {
  uint64_t word = si.used[to / 64] & ~uint64_t{0} >> (63 - to % 64);
  for (uint64_t at = to / 64;; word = si.used[at]) {
    if (at == from / 64) word &= ~uint64_t{0} << from % 64;
    if (word != 0) return at * 64 + 63 - static_cast<uint64_t>(std::countl_zero(word));
    if (at-- == from / 64) return 0;
  }
}

// The first slot that begins a row of `cluster` free ones; 0: none does. A row can't begin at or before a slot in use that
// is in its way, so the search goes on behind the last such.
uint64_t SwapMap::find_empty_cluster(const SwapInfo& si) const {
  uint64_t offset = si.lowest_bit;
  while (offset + style_.cluster - 1 <= si.highest_bit) {
    const uint64_t in_the_way = last_used(si, offset, offset + style_.cluster - 1);
    if (in_the_way == 0) return offset;
    offset = in_the_way + 1;
  }
  return 0;
}

// mm/swapfile.c, 2.0 and 2.4: scan_swap_map. The slot behind the last one while the cluster lasts; then (2.4) the first empty
// cluster, then the lowest free slot. 0: none is free.
uint64_t SwapMap::scan_swap_map(SwapInfo& si) {
  uint64_t offset = 0;
  if (si.cluster_nr > 0) {
    offset = next_free(si, si.cluster_next);
    if (offset <= si.highest_bit)
      --si.cluster_nr;
    else
      offset = 0;
  }
  if (offset == 0) {
    si.cluster_nr = style_.cluster;
    if (style_.empty_clusters) offset = find_empty_cluster(si);
    if (offset == 0) offset = next_free(si, si.lowest_bit);
    if (offset > si.highest_bit) {
      si.lowest_bit = si.max, si.highest_bit = 0;
      return 0;
    }
  }
  if (offset == si.lowest_bit) ++si.lowest_bit;
  if (offset == si.highest_bit) --si.highest_bit;
  SWAPTRAIL_DCHECK(si.swap_map[offset] == 0);
  si.swap_map[offset] = 1;
  si.used[offset / 64] |= uint64_t{1} << offset % 64;
  --nr_swap_pages_;
  si.cluster_next = offset + 1;
  return offset;
}

// mm/swapfile.c, 2.0 and 2.4: get_swap_page. From swap_list.next on; areas of one priority take turns.
uint64_t SwapMap::get_swap_page() {
  int type = next_;
  bool wrapped = false;
  while (type != kNone) {
    SwapInfo& si = swap_info_[static_cast<size_t>(type)];
    const bool last_of_its_priority =
        si.next == kNone || swap_info_[static_cast<size_t>(si.next)].prio != si.prio;
    if (const uint64_t offset = scan_swap_map(si); offset != 0) {
      next_ = last_of_its_priority ? head_ : si.next;
      return make_entry(static_cast<uint32_t>(type), offset);
    }
    type = si.next;
    if (!wrapped && last_of_its_priority) type = head_, wrapped = true;
  }
  return 0;
}

bool SwapMap::is_usable(uint64_t entry) const {
  if (entry_type(entry) >= swap_info_.size()) return false;
  const SwapInfo& si = swap_info_[entry_type(entry)];
  const uint64_t offset = entry_offset(entry);
  return offset < si.max && si.swap_map[offset] != 0 && si.swap_map[offset] != kBad;
}

uint16_t SwapMap::swap_count(uint64_t entry) const {
  return swap_info_[entry_type(entry)].swap_map[entry_offset(entry)];
}

// mm/swapfile.c, 2.0 and 2.4: swap_duplicate.
bool SwapMap::swap_duplicate(uint64_t entry) {
  if (!is_usable(entry)) return false;
  uint16_t& count = swap_info_[entry_type(entry)].swap_map[entry_offset(entry)];
  if (count >= kMost) return false;
  ++count;
  return true;
}

// mm/swapfile.c, 2.0 and 2.4: swap_free. A better area that has room again is the next to be taken from.
uint16_t SwapMap::swap_free(uint64_t entry) {
  SWAPTRAIL_CHECK(is_usable(entry));
  SwapInfo& si = swap_info_[entry_type(entry)];
  const uint64_t offset = entry_offset(entry);
  if (--si.swap_map[offset] > 0) return si.swap_map[offset];
  si.used[offset / 64] &= ~(uint64_t{1} << offset % 64);
  si.lowest_bit = std::min(si.lowest_bit, offset);
  si.highest_bit = std::max(si.highest_bit, offset);
  if (si.prio > swap_info_[static_cast<size_t>(next_)].prio)
    next_ = static_cast<int>(entry_type(entry));
  ++nr_swap_pages_;
  return 0;
}

}  // namespace swaptrail::engine
