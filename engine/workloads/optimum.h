// Belady's optimum for a workload: how many pages the best of all policies has to read, which knows what comes. No
// generation gets by with less.
//
// What it bounds: GenerationCounters::swapped_in of every generation with as many frames that killed no process. That
// counts readahead too: who reads ahead what is used later reads it all the same. major_faults can be fewer.
//
// Why none is better. What a page holds is an *object*: it begins with the first write to the page, or with the copy that
// a write to a shared page makes, and ends with the last process that has it. An object has to be in a frame whenever one
// of its pages is touched, by whatever process. Between two touches it is in a frame all the time, or it has to be read.
// At each touch there is room for `frames` - 1 objects besides. Retention (engine/workloads/retention.h) finds how many can
// be kept at most. All that is not certain for every generation goes in favour of the optimum:
//  - A page that nobody has written needs no frame and is never read: it is all zeros. (Linux maps the zero page at a read.)
//  - A fork costs nothing, and children share objects whether they lie in memory or in swap.
//  - A write to a shared page uses the old object, and after that begins a new one: the two need not be in memory together
//    with more than `frames` - 1 others each, and the old one may go before the new one comes.
//  - A process that is the last one with an object writes to it without a copy.
//  - Memory for page tables, and for pages that are being written to swap, is not counted.
// What it takes for granted: that a write touches a page in part, so that what was there has to be there.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "engine/workloads/retention.h"
#include "engine/workloads/workload_source.h"

namespace swaptrail::engine {

struct OptimumCounters {
  uint64_t steps = 0;
  uint64_t first_writes = 0;  // objects that began as zeros
  uint64_t copies = 0;        // objects that began as a copy of a shared one
  uint64_t zero_reads = 0;    // of pages that nobody had written
  uint64_t kept = 0;          // uses of an object that had been kept since the one before
  uint64_t reads = 0;         // uses of an object that had not: pages that must come from swap
};

// Takes the steps one by one, and knows after each what the optimum is up to there. Memory: about 100 bytes for a page
// that a process has written, whatever the number of steps.
class Optimum {
 public:
  static constexpr uint64_t kMostPages = uint64_t{1} << 26;  // of all processes together

  // `frames`: 1 .. kMostFrames.
  explicit Optimum(uint64_t frames, uint64_t most_pages = kMostPages);

  // Errors: InvalidArgument if the step is none that a WorkloadSource may give; ResourceExhausted beyond `most_pages`. The
  // counters are of the steps before it then.
  absl::Status step(const WorkloadStep& step);
  const OptimumCounters& counters() const { return counters_; }

  // Of all processes together, shared ones counted for each.
  uint64_t pages() const { return pages_; }
  // What is remembered of the past: at most twice the most objects at a time, and some 1000.
  uint64_t points() const { return retention_.points(); }

 private:
  enum class Life : uint8_t { kNotYet, kAlive, kGone };
  struct Process {
    Life life = Life::kNotYet;
    absl::flat_hash_map<uint64_t, uint32_t> objects;  // by page
  };

  absl::Status touch(Process& process, uint64_t page, bool write);
  absl::Status fork(Process& parent, uint32_t child);
  void exit(Process& process);
  void use(uint32_t object);
  uint32_t begin_object();
  void leave(uint32_t object);

  const uint64_t most_pages_;
  Retention retention_;
  std::array<Process, kMostWorkloadProcesses> processes_;
  std::vector<uint32_t> sharers_;  // by object: in how many processes it is; 0: its number is free
  std::vector<uint32_t> free_;     // numbers of objects
  uint64_t pages_ = 0;
  OptimumCounters counters_;
};

}  // namespace swaptrail::engine
