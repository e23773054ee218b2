// Steps for a generation that is tested, and what is expected of it after all of them.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>

#include "engine/generations/old_generation.h"
#include "engine/machine/workload.h"

namespace swaptrail::engine {

inline constexpr uint64_t kFrames = 1024;  // of memory, where nothing else is said

inline GenerationOptions generation_options(uint64_t frames, uint64_t slots,
                                            double error_rate = 0) {
  GenerationOptions options;
  options.frames = frames;
  if (slots > 0) {
    GenerationArea area;
    area.area.pages = slots + 1;
    area.error_rate = error_rate;
    options.areas.push_back(area);
  }
  return options;
}

inline VmArea region(uint64_t start, uint64_t end) {
  VmArea area;
  area.start = start, area.end = end;
  return area;
}

inline void read_page(Generation& os, uint32_t process, uint64_t page) {
  ASSERT_TRUE(
      os.step({.kind = StepKind::kTouch, .write = false, .process = process, .page = page}).ok());
}
inline void write_page(Generation& os, uint32_t process, uint64_t page) {
  ASSERT_TRUE(
      os.step({.kind = StepKind::kTouch, .write = true, .process = process, .page = page}).ok());
}
inline void write_pages(Generation& os, uint32_t process, uint64_t first, uint64_t count) {
  for (uint64_t page = first; page < first + count; ++page) write_page(os, process, page);
}
inline void fork_process(Generation& os, uint32_t parent, uint32_t child) {
  ASSERT_TRUE(os.step({.kind = StepKind::kFork, .process = parent, .child = child}).ok());
}
inline void exit_process(Generation& os, uint32_t process) {
  ASSERT_TRUE(os.step({.kind = StepKind::kExit, .process = process}).ok());
}

inline void expect_sound(const OldGeneration& os) {
  EXPECT_TRUE(os.check().ok()) << os.check();
  EXPECT_EQ(os.counters().contents_wrong, 0u);
  EXPECT_LE(os.resident(), os.frames());
}

// Processes that read, write, fork and exit at random: at most `processes` numbers, each of `pages` pages.
class RandomSteps {
 public:
  RandomSteps(uint64_t seed, uint32_t processes, uint64_t pages)
      : state_(seed), processes_(processes), pages_(pages), alive_{0} {}

  WorkloadStep next() {
    const uint64_t dice = below(state_, 2000);
    WorkloadStep step;
    const size_t at = below(state_, alive_.size());
    step.process = alive_[at];
    if (dice == 0 && used_ < processes_) {
      step.kind = StepKind::kFork;
      step.child = used_++;
      alive_.push_back(step.child);
    } else if (dice == 1 && alive_.size() > 1) {
      step.kind = StepKind::kExit;
      alive_.erase(alive_.begin() + static_cast<int64_t>(at));
    } else {
      step.write = below(state_, 3) == 0;
      // Half of all in a tenth; some far away, in other tables.
      step.page = below(state_, below(state_, 2) == 0 ? pages_ : pages_ / 10 + 1);
      if (step.page % 7 == 0) step.page += uint64_t{5} << 30;
    }
    return step;
  }

 private:
  uint64_t state_;
  uint32_t processes_;
  uint64_t pages_;
  uint32_t used_ = 1;
  std::vector<uint32_t> alive_;
};

}  // namespace swaptrail::engine
