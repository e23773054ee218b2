#include "engine/generations/linux_2_6_slots.h"

#include <algorithm>
#include <bit>

#include "trace/check.h"
#include "trace/decode.h"

namespace swaptrail::engine::linux_2_6 {
namespace {

constexpr uint64_t kWordBits = 64;
constexpr uint64_t kWordsPerBlock = kSwapfileCluster / kWordBits;
constexpr uint64_t kNoBit64 = ~uint64_t{0};

void set_bit(std::vector<uint64_t>& bits, uint64_t at, bool value) {
  const uint64_t mask = uint64_t{1} << (at % kWordBits);
  uint64_t& word = bits[at / kWordBits];
  word = value ? word | mask : word & ~mask;
}

// The first bit that is set, from `from` on.
uint64_t find_bit(const std::vector<uint64_t>& bits, uint64_t from) {
  uint64_t at = from / kWordBits;
  if (at >= bits.size()) return kNoBit64;
  uint64_t word = bits[at] >> (from % kWordBits) << (from % kWordBits);
  while (word == 0) {
    if (++at == bits.size()) return kNoBit64;
    word = bits[at];
  }
  return at * kWordBits + static_cast<uint64_t>(std::countr_zero(word));
}

}  // namespace

FreeSlots::FreeSlots(uint64_t slots) {
  const uint64_t blocks = (slots + kSwapfileCluster - 1) / kSwapfileCluster;
  words_.assign(blocks * kWordsPerBlock, 0);
  some_.assign((words_.size() + kWordBits - 1) / kWordBits, 0);
  runs_.assign((blocks + kWordBits - 1) / kWordBits, 0);
}

void FreeSlots::take(uint64_t slot) {
  words_[slot / kWordBits] &= ~(uint64_t{1} << (slot % kWordBits));
  changed(slot);
}

void FreeSlots::put(uint64_t slot) {
  words_[slot / kWordBits] |= uint64_t{1} << (slot % kWordBits);
  changed(slot);
}

uint64_t FreeSlots::first_free(uint64_t from, uint64_t end) const {
  if (from >= end) return end;
  const uint64_t word = words_[from / kWordBits] >> (from % kWordBits) << (from % kWordBits);
  if (word != 0) {
    const uint64_t first = from / kWordBits * kWordBits;
    return std::min(end, first + static_cast<uint64_t>(std::countr_zero(word)));
  }
  const uint64_t at = find_bit(some_, from / kWordBits + 1);
  if (at == kNoBit64) return end;
  const auto bit = static_cast<uint64_t>(std::countr_zero(words_[at]));
  return std::min(end, at * kWordBits + bit);
}

std::optional<uint64_t> FreeSlots::first_run() const {
  const uint64_t block = find_bit(runs_, 0);
  if (block == kNoBit64) return std::nullopt;
  return (block + 1) * kSwapfileCluster - free_at_end(block);
}

uint64_t FreeSlots::free_at_begin(uint64_t block) const {
  const uint64_t first = block * kWordsPerBlock;
  if (first >= words_.size()) return 0;
  for (uint64_t at = 0; at < kWordsPerBlock; ++at) {
    const auto ones = static_cast<uint64_t>(std::countr_one(words_[first + at]));
    if (ones < kWordBits) return at * kWordBits + ones;
  }
  return kSwapfileCluster;
}

uint64_t FreeSlots::free_at_end(uint64_t block) const {
  const uint64_t last = (block + 1) * kWordsPerBlock - 1;
  for (uint64_t at = 0; at < kWordsPerBlock; ++at) {
    const auto ones = static_cast<uint64_t>(std::countl_one(words_[last - at]));
    if (ones < kWordBits) return at * kWordBits + ones;
  }
  return kSwapfileCluster;
}

// A run of 256 that begins in a block goes to the end of it, and on into the next.
void FreeSlots::note_run(uint64_t block) {
  const uint64_t end = free_at_end(block);
  set_bit(runs_, block, end > 0 && end + free_at_begin(block + 1) >= kSwapfileCluster);
}

void FreeSlots::changed(uint64_t slot) {
  const uint64_t word = slot / kWordBits;
  set_bit(some_, word, words_[word] != 0);
  const uint64_t block = slot / kSwapfileCluster;
  note_run(block);
  if (block > 0) note_run(block - 1);
}

bool SwapAreas::swapon(const Area& area) {
  if (area.type >= kMostAreaTypes || swap_info_[area.type].used || area.pages < 2) return false;
  SwapInfo info;
  info.used = true;
  info.prio = area.priority == kDefaultPriority ? --least_priority_ : area.priority;
  info.max = area.pages;
  info.lowest_bit = info.cluster_next = 1;
  info.highest_bit = area.pages - 1;
  info.swap_map.assign(area.pages, 0);
  info.swap_map[0] = kSwapMapBad;
  for (uint64_t bad : area.bad_pages) {
    if (bad < area.pages) info.swap_map[bad] = kSwapMapBad;
  }
  info.free = FreeSlots(area.pages);
  for (uint64_t slot = 1; slot < area.pages; ++slot) {
    if (info.swap_map[slot] != 0) continue;
    info.free.put(slot);
    ++info.pages;
  }
  if (info.pages == 0) return false;
  nr_swap_pages_ += info.pages;
  total_swap_pages_ += info.pages;
  swap_info_[area.type] = std::move(info);
  insert(area.type);
  return true;
}

void SwapAreas::insert(uint32_t type) {
  SwapInfo& info = swap_info_[type];
  int32_t previous = -1;
  int32_t at = swap_list_.head;
  while (at >= 0 && swap_info_[at].prio > info.prio) {
    previous = at;
    at = swap_info_[at].next;
  }
  info.next = at;
  if (previous < 0) {
    swap_list_.head = swap_list_.next = static_cast<int32_t>(type);
  } else {
    swap_info_[previous].next = static_cast<int32_t>(type);
  }
}

// mm/swapfile.c: get_swap_page. From the area in use through its equals; then once through the whole list, from the head on.
// So areas of lower priority come when those above them are full, and they take turns with their equals too.
uint64_t SwapAreas::get_swap_page() {
  if (nr_swap_pages_ == 0) return 0;
  bool from_head = false;
  int32_t type = swap_list_.next;
  while (type >= 0) {
    SwapInfo& area = swap_info_[type];
    if (const uint64_t offset = scan_swap_map(area); offset != 0) {
      swap_list_.next = next_of_equals(type);
      --nr_swap_pages_;
      return make_entry(static_cast<uint32_t>(type), offset);
    }
    type = area.next;
    const bool last = type < 0 || swap_info_[type].prio != area.prio;
    if (!from_head && last) {
      from_head = true;
      type = swap_list_.head;
    }
  }
  return 0;
}

int32_t SwapAreas::next_of_equals(int32_t type) const {
  const SwapInfo& area = swap_info_[type];
  if (area.next >= 0 && swap_info_[area.next].prio == area.prio) return area.next;
  int32_t first = swap_list_.head;
  while (swap_info_[first].prio != area.prio) first = swap_info_[first].next;
  return first;
}

// mm/swapfile.c: scan_swap_map.
uint64_t SwapAreas::scan_swap_map(SwapInfo& area) {
  if (area.highest_bit == 0) return 0;
  uint64_t offset = area.cluster_next;
  if (area.cluster_nr > 0) {
    --area.cluster_nr;
  } else {
    // The cluster is used up: on with the first empty one, or else with the lowest slot.
    area.cluster_nr = kSwapfileCluster - 1;
    offset = area.lowest_bit;
    if (area.pages - area.inuse_pages >= kSwapfileCluster)
      offset = area.free.first_run().value_or(offset);
  }
  if (offset > area.highest_bit) offset = area.lowest_bit;
  const uint64_t end = area.highest_bit + 1;
  uint64_t found = area.free.first_free(offset, end);
  if (found == end) found = area.free.first_free(area.lowest_bit, end);
  return found == end ? 0 : take(area, found);
}

uint64_t SwapAreas::take(SwapInfo& area, uint64_t offset) {
  SWAPTRAIL_DCHECK(area.swap_map[offset] == 0);
  if (offset == area.lowest_bit) ++area.lowest_bit;
  if (offset == area.highest_bit) --area.highest_bit;
  if (++area.inuse_pages == area.pages) {
    area.lowest_bit = area.max;
    area.highest_bit = 0;
  }
  area.swap_map[offset] = 1;
  area.free.take(offset);
  area.cluster_next = offset + 1;
  return offset;
}

// mm/swapfile.c: swap_duplicate.
bool SwapAreas::swap_duplicate(uint64_t entry) {
  const uint16_t count = swap_map(entry);
  if (count == 0 || count == kSwapMapBad) return false;
  if (count < kSwapMapMax) ++swap_info_[entry_type(entry)].swap_map[entry_offset(entry)];
  return true;
}

// mm/swapfile.c: swap_free, swap_entry_free. An area that is better than the one in use becomes the one in use.
uint16_t SwapAreas::swap_free(uint64_t entry) {
  SwapInfo& area = swap_info_[entry_type(entry)];
  const uint64_t offset = entry_offset(entry);
  uint16_t& count = area.swap_map[offset];
  SWAPTRAIL_CHECK(count != 0 && count != kSwapMapBad);
  if (count == kSwapMapMax) return count;
  if (--count > 0) return count;
  area.lowest_bit = std::min(area.lowest_bit, offset);
  area.highest_bit = std::max(area.highest_bit, offset);
  area.free.put(offset);
  if (area.prio > swap_info_[swap_list_.next].prio)
    swap_list_.next = static_cast<int32_t>(entry_type(entry));
  --area.inuse_pages;
  ++nr_swap_pages_;
  return 0;
}

// mm/swapfile.c: valid_swaphandles.
uint32_t SwapAreas::valid_swaphandles(uint64_t entry, uint32_t page_cluster,
                                      uint64_t& first) const {
  if (page_cluster == 0) return 0;
  const SwapInfo& area = swap_info_[entry_type(entry)];
  const uint64_t begin = entry_offset(entry) >> page_cluster << page_cluster;
  const uint64_t end = std::min(begin + (uint64_t{1} << page_cluster), area.max);
  first = std::max<uint64_t>(begin, 1);  // slot 0 is the header
  uint64_t at = first;
  while (at < end && area.swap_map[at] != 0 && area.swap_map[at] != kSwapMapBad) ++at;
  return static_cast<uint32_t>(at - first);
}

uint16_t SwapAreas::swap_map(uint64_t entry) const {
  const uint32_t type = entry_type(entry);
  if (type >= kMostAreaTypes || entry_offset(entry) >= swap_info_[type].max) return 0;
  return swap_info_[type].swap_map[entry_offset(entry)];
}

}  // namespace swaptrail::engine::linux_2_6
