#include "engine/generations/linux_2_6_zone.h"

#include <algorithm>
#include <bit>

#include "trace/check.h"

namespace swaptrail::engine::linux_2_6 {
namespace {

constexpr uint64_t kFrameKib = 4;
constexpr uint64_t kLeastFreeKib = 128, kMostFreeKib = 65536;  // of min_free_kbytes

uint64_t int_sqrt(uint64_t square) {
  uint64_t root = 0;
  for (uint64_t bit = uint64_t{1} << 31; bit != 0; bit >>= 1) {
    if ((root + bit) * (root + bit) <= square) root += bit;
  }
  return root;
}

}  // namespace

LruRing::LruRing(uint32_t frames)
    : ring_(std::bit_ceil(uint64_t{frames}) * 2, kNoPage), mask_(ring_.size() - 1) {}

void LruRing::del(uint32_t place) {
  SWAPTRAIL_DCHECK(ring_[place] != kNoPage);
  ring_[place] = kNoPage;
  --size_;
  while (tail_ != head_ && ring_[tail_ & mask_] == kNoPage) ++tail_;
}

void LruRing::oldest(uint64_t count, std::vector<uint32_t>& frames) const {
  frames.clear();
  for (uint64_t at = tail_; at != head_ && frames.size() < count; ++at) {
    if (ring_[at & mask_] != kNoPage) frames.push_back(ring_[at & mask_]);
  }
}

uint32_t LruRing::towards_head(uint32_t place) const {
  for (uint64_t at = tail_ + ((place - tail_) & mask_) + 1; at < head_; ++at) {
    if (ring_[at & mask_] != kNoPage) return ring_[at & mask_];
  }
  return kNoPage;
}

// Watermarks as mm/page_alloc.c sets them: init_per_zone_pages_min, setup_per_zone_pages_min.
Zone::Zone(uint32_t frames)
    : frames_(frames), pages_(frames), contents_(frames), lists_{LruRing(frames), LruRing(frames)} {
  const uint64_t min_free_kib = int_sqrt(frames * kFrameKib * 16);
  pages_min = std::clamp(min_free_kib, kLeastFreeKib, kMostFreeKib) / kFrameKib;
  pages_low = pages_min + pages_min / 4;
  pages_high = pages_min + pages_min / 2;
  free_.resize(frames);
  for (uint32_t at = 0; at < frames; ++at) free_[at] = frames - 1 - at;
}

uint32_t Zone::take_free() {
  SWAPTRAIL_DCHECK(!free_.empty());
  const uint32_t frame = free_.back();
  free_.pop_back();
  pages_[frame] = Page{};
  pages_[frame].count = 1;
  return frame;
}

void Zone::prefetch_free(uint64_t count) const {
  for (uint64_t at = 0; at < std::min<uint64_t>(count, free_.size()); ++at) {
    const uint32_t frame = free_[free_.size() - 1 - at];
    __builtin_prefetch(&pages_[frame], 1);
    __builtin_prefetch(&contents_[frame], 1);
  }
}

void Zone::give_free(uint32_t frame) {
  SWAPTRAIL_DCHECK(pages_[frame].count == 0 && !pages_[frame].has(kPageLru | kPageSwapCache));
  free_.push_back(frame);
  pages_scanned = 0;
  all_unreclaimable = false;
}

void Zone::add(uint32_t frame, LruList list) {
  Page& page = pages_[frame];
  SWAPTRAIL_DCHECK(!page.has(kPageLru));
  page.set(kPageLru);
  page.clear(kPageActive);
  if (list == LruList::kActive) page.set(kPageActive);
  page.place = lists_[index(list)].add(
      frame, [&](uint32_t moved, uint32_t place) { pages_[moved].place = place; });
}

void Zone::del(uint32_t frame) {
  Page& page = pages_[frame];
  SWAPTRAIL_DCHECK(page.has(kPageLru));
  lists_[index(list_of(frame))].del(page.place);
  page.clear(kPageLru);
}

void Zone::oldest(LruList list, uint64_t count, std::vector<uint32_t>& frames) const {
  lists_[index(list)].oldest(count, frames);
  for (uint32_t frame : frames) __builtin_prefetch(&pages_[frame], 1);
}

}  // namespace swaptrail::engine::linux_2_6
