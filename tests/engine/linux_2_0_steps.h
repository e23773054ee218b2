// A Linux 2.0 that is tested: looks at its pages, one after the other.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "engine/generations/linux_2_0.h"
#include "tests/engine/generation_steps.h"

namespace swaptrail::engine::linux_2_0 {

// One look at each page of the only process, if none goes.
inline bool scan(Linux20& os) { return os.swap_out(6); }
inline uint32_t frame_of(Linux20& os, uint32_t process, uint64_t page) {
  return os.pte(process, page)->frame();
}
inline int age_of(Linux20& os, uint64_t page) { return os.age(frame_of(os, 0, page)); }
// Pages that were used a moment ago are old after one scan.
inline void make_all_old(Linux20& os) {
  os.swap_control.page_initial_age = os.swap_control.page_advance = 0;
}
// As many looks as it takes, from wherever the walk is.
inline void swap_page_out(Linux20& os, uint64_t page) {
  for (int look = 0; look < 50 && os.pte(0, page)->present(); ++look) scan(os);
}
inline uint64_t rss(Linux20& os, uint32_t process) { return os.process(process)->rss; }

}  // namespace swaptrail::engine::linux_2_0
