// A Linux 2.4 that is tested: pages that are made old, taken away and reclaimed.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "engine/generations/linux_2_4.h"
#include "tests/engine/generation_steps.h"

namespace swaptrail::engine::linux_2_4 {

inline OldPte& entry_of(Linux24& os, uint32_t process, uint64_t page) {
  return os.process(process)->tables[page];
}
inline uint32_t frame_of(Linux24& os, uint32_t process, uint64_t page) {
  return os.pte(process, page)->frame();
}
inline Page24& page_of(Linux24& os, uint64_t page) { return os.pages()[frame_of(os, 0, page)]; }
// try_to_swap_out of a page, with as much of a turn left as it takes.
inline int try_to_swap_out(Linux24& os, uint32_t process, uint64_t page) {
  OldProcess& mm = *os.process(process);
  mm.swap_cnt = 100;
  return os.try_to_swap_out(mm, mm.areas.at(page), page, mm.tables[page], kGfpUser);
}
// Takes the entry of the page away, as if it had not been used for long.
inline void swap_page_out(Linux24& os, uint32_t process, uint64_t page) {
  entry_of(os, process, page).young = false;
  os.pages()[frame_of(os, process, page)].age = 0;
  ASSERT_EQ(try_to_swap_out(os, process, page), 0);
  ASSERT_FALSE(os.pte(process, page)->present());
}
// As if there were no free memory, until the next look at it: what is inactive is written and reclaimed.
inline void reclaim_all(Linux24& os) {
  for (int round = 0; round < 4; ++round) {
    std::vector<uint32_t> dirty;
    os.pages().inactive_dirty_list().for_each([&](uint32_t frame) { dirty.push_back(frame); });
    for (const uint32_t frame : dirty) {
      if (os.pages()[frame].dirty) os.writepage(frame);
    }
    os.finish_writes();
    os.page_launder(kGfpUser, false);
    for (Pages24::Zone& zone : os.pages().zones())
      for (uint32_t frame = os.reclaim_page(zone); frame != Pages24::kEnd;
           frame = os.reclaim_page(zone)) {
        os.pages()[frame].count = 0;
        os.pages().free(frame);
      }
  }
}

// A machine with `pages` pages of process 0 in the swap cache, with slots and on the list that is wanted.
class Linux24Fixture : public testing::Test {
 protected:
  Linux24Fixture() : os(generation_options(kFrames, 4096)) {}

  uint32_t frame_of(uint64_t page) { return os.pte(0, page)->frame(); }
  // The page is in the swap cache, dirty, on inactive_dirty; its frame.
  uint32_t inactive_dirty(uint64_t page) {
    write_page(os, 0, page);
    OldProcess& mm = *os.process(0);
    OldPte& pte = mm.tables[page];
    const uint32_t frame = pte.frame();
    pte.young = false;
    os.pages()[frame].age = 0;
    mm.swap_cnt = 1;
    os.try_to_swap_out(mm, mm.areas.at(page), page, pte, kGfpUser);
    EXPECT_EQ(list(frame), List24::kInactiveDirty);
    return frame;
  }
  uint32_t inactive_clean(uint64_t page) {
    const uint32_t frame = inactive_dirty(page);
    os.pages()[frame].dirty = false;
    os.pages().move(frame, List24::kInactiveClean);
    return frame;
  }
  // In the swap cache and on the active list, not mapped, with this age.
  uint32_t active(uint64_t page, uint8_t age) {
    const uint32_t frame = inactive_dirty(page);
    os.pages().move(frame, List24::kActive);
    os.pages()[frame].age = age;
    return frame;
  }
  List24 list(uint32_t frame) { return os.pages()[frame].list; }
  // From the tail to the head.
  std::vector<uint32_t> frames_of(const FrameRing& ring) {
    std::vector<uint32_t> frames;
    ring.for_each([&](uint32_t frame) { frames.push_back(frame); });
    return frames;
  }
  // Takes free frames until so many are left.
  void leave_free(Linux24& machine, uint64_t left) {
    for (Pages24::Zone& zone : machine.pages().zones())
      while (machine.pages().nr_free_pages() > left && zone.free_pages() > 0)
        taken.push_back(machine.pages().rmqueue(zone));
  }

  Linux24 os;
  std::vector<uint32_t> taken;
};

}  // namespace swaptrail::engine::linux_2_4
