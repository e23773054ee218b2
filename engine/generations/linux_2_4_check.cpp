// Linux 2.4: what must always hold of frames and lists.
#include "absl/strings/str_cat.h"
#include "engine/generations/linux_2_4.h"

namespace swaptrail::engine::linux_2_4 {

// Each list's frames know that they are on it, and all frames that say so are there.
absl::Status Linux24::check_lists() const {
  std::vector<uint32_t> seen(frames());
  const auto walk = [&](const FrameRing& ring, List24 list) {
    uint64_t count = 0;
    bool is_right = true;
    ring.for_each([&](uint32_t frame) {
      is_right &= pages_[frame].list == list && ++seen[frame] == 1;
      ++count;
    });
    return is_right && count == ring.count();
  };
  bool is_right = walk(pages_.active_list(), List24::kActive) &&
                  walk(pages_.inactive_dirty_list(), List24::kInactiveDirty);
  uint64_t free = 0, clean = 0;
  for (const Pages24::Zone& zone : pages_.zones()) {
    is_right &= walk(zone.inactive_clean_list, List24::kInactiveClean);
    clean += zone.inactive_clean_pages(), free += zone.free_pages();
    for (const uint32_t frame : zone.free)
      is_right &= pages_[frame].list == List24::kFree && ++seen[frame] == 1;
  }
  if (!is_right) return absl::InternalError("a list is not as its pages say");
  if (free != pages_.nr_free_pages() || clean != pages_.nr_inactive_clean_pages())
    return absl::InternalError("a count of pages is not that of the zones");
  for (uint32_t frame = 0; frame < frames(); ++frame) {
    if ((pages_[frame].list != List24::kNone) != (seen[frame] == 1))
      return absl::InternalError(absl::StrCat("frame ", frame, " is on no list, but says so"));
  }
  return absl::OkStatus();
}

absl::Status Linux24::check_frames(References& references) const {
  if (absl::Status status = check_lists(); !status.ok()) return status;
  for (uint32_t frame = 0; frame < frames(); ++frame) {
    const Page24& page = pages_[frame];
    const uint64_t users = references.frames[frame] + page.mapping();
    if (page.count != users)
      return absl::InternalError(
          absl::StrCat("frame ", frame, " has count ", page.count, " and ", users, " users"));
    if ((page.list == List24::kFree) != (users == 0))
      return absl::InternalError(absl::StrCat("frame ", frame, " is free and in use, or neither"));
    if (page.mapping() == (page.list == List24::kNone || page.list == List24::kFree))
      return absl::InternalError(absl::StrCat("frame ", frame,
                                              " is on a list and in no cache, or "
                                              "the other way round"));
    if (!page.in_swap_cache) continue;
    ++references.of_swap[page.index];
    if (swapper_space_[entry_type(page.index)][entry_offset(page.index)] != frame)
      return absl::InternalError(absl::StrCat("frame ", frame, " is not found by its slot"));
  }
  uint64_t cached = 0;
  for (const std::vector<uint32_t>& slots : swapper_space_)
    for (const uint32_t frame : slots) cached += frame != Pages24::kEnd;
  for (uint32_t frame = 0; frame < frames(); ++frame) cached -= pages_[frame].in_swap_cache;
  return cached == 0 ? absl::OkStatus() : absl::InternalError("a slot finds a page that left it");
}

}  // namespace swaptrail::engine::linux_2_4
