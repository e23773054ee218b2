#include "engine/generations/linux_2_6_zone.h"

#include <algorithm>

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

// Watermarks as mm/page_alloc.c sets them: init_per_zone_pages_min, setup_per_zone_pages_min.
Zone::Zone(uint32_t frames) : frames_(frames), pages_(frames + 2), contents_(frames) {
  const uint64_t min_free_kib = int_sqrt(frames * kFrameKib * 16);
  pages_min = std::clamp(min_free_kib, kLeastFreeKib, kMostFreeKib) / kFrameKib;
  pages_low = pages_min + pages_min / 4;
  pages_high = pages_min + pages_min / 2;
  free_.resize(frames);
  for (uint32_t at = 0; at < frames; ++at) free_[at] = frames - 1 - at;
  for (uint32_t list : {frames, frames + 1}) pages_[list].previous = pages_[list].next = list;
}

uint32_t Zone::take_free() {
  SWAPTRAIL_DCHECK(!free_.empty());
  const uint32_t frame = free_.back();
  free_.pop_back();
  pages_[frame] = Page{};
  pages_[frame].count = 1;
  return frame;
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
  const uint32_t sentinel = head(list);
  page.previous = sentinel;
  page.next = pages_[sentinel].next;
  pages_[page.next].previous = frame;
  pages_[sentinel].next = frame;
  ++nr_[index(list)];
}

void Zone::del(uint32_t frame) {
  Page& page = pages_[frame];
  SWAPTRAIL_DCHECK(page.has(kPageLru));
  --nr_[index(list_of(frame))];
  page.clear(kPageLru);
  pages_[page.previous].next = page.next;
  pages_[page.next].previous = page.previous;
}

uint32_t Zone::tail(LruList list) const {
  const uint32_t last = pages_[head(list)].previous;
  return last >= frames_ ? kNoPage : last;
}

uint32_t Zone::towards_head(uint32_t frame) const {
  const uint32_t before = pages_[frame].previous;
  return before >= frames_ ? kNoPage : before;
}

}  // namespace swaptrail::engine::linux_2_6
