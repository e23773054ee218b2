// A generation of Linux swapping, as something that runs: it is given the steps of a workload, keeps the pages in a memory
// that is too small for them, and counts what that takes.
//
// All generations have the same memory and swap areas, and verify what they bring back: each page has a token that the last
// write gave it, which goes to swap and comes back with the page. `contents_wrong` must stay 0.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/steps/area.h"
#include "engine/workloads/workload_source.h"

namespace swaptrail::engine {

struct GenerationArea {
  Area area;
  double error_rate = 0;  // of writes, 0..1, drawn from the seed
};

struct GenerationOptions {
  uint64_t frames = 0;  // of memory for the pages of all processes: kFewestFrames .. kMostFrames
  std::vector<GenerationArea> areas;  // may be none: then nothing can be swapped
  uint32_t page_cluster =
      3;  // readahead of up to 2^n pages, where the generation has it; at most 5
  uint64_t seed = 1;
};
inline constexpr uint64_t kFewestFrames = 128;
inline constexpr uint64_t kMostFrames = uint64_t{1} << 26;

// In pages, unless said otherwise. They only grow.
struct GenerationCounters {
  uint64_t steps = 0;           // of the workload
  uint64_t first_touches = 0;   // filled with zeros
  uint64_t minor_faults = 0;    // the page was still in memory: in the swap cache, or on a list
  uint64_t major_faults = 0;    // the page was read from swap for this fault
  uint64_t copies = 0;          // a write to a page that others share (copy on write)
  uint64_t swapped_out = 0;     // written to swap
  uint64_t swapped_in = 0;      // read from swap, readahead too
  uint64_t readahead = 0;       // of these: not asked for
  uint64_t readahead_hits = 0;  // of these: used before they went again
  uint64_t writes_saved = 0;    // left memory without a write, for swap had them as they were
  uint64_t discarded =
      0;  // left memory without a write, for they can be had from a file or are all zeros
  uint64_t scanned = 0;   // page table entries and list entries that reclaim looked at
  uint64_t unmapped = 0;  // page table entries that reclaim took away
  uint64_t tlb_flushes = 0;
  uint64_t write_runs = 0;  // writes that did not go on where the one before ended
  uint64_t seek_slots = 0;  // sum of the distances there
  uint64_t no_slot = 0;     // swap was full, or there was none
  uint64_t write_errors = 0;
  uint64_t killed = 0;  // processes, for want of memory
  uint64_t contents_checked = 0;
  uint64_t contents_wrong = 0;  // must be 0
};

class Generation {
 public:
  virtual ~Generation() = default;
  // Does the step whole, reclaim and I/O included. Steps of a process that was killed are counted, and nothing else.
  // Errors: Internal if an invariant is broken; the generation is not to be used any more.
  virtual absl::Status step(const WorkloadStep& step) = 0;
  // Does the steps in order. The same as step() with each of them, but faster where there are many pages: the next steps are
  // known, and what they will need is fetched before they begin. Errors: that of the first step that has one; those behind
  // it are not done.
  absl::Status run(std::span<const WorkloadStep> steps);
  virtual const GenerationCounters& counters() const = 0;
  virtual uint64_t resident() const = 0;  // frames in use: at most GenerationOptions::frames

 protected:
  // Hints to the processor, and nothing else: the page table entry of `far` will be needed, and that of `near` is there by
  // now, so what it names can be fetched too. Neither step need be one that a workload may have.
  virtual void prefetch(const WorkloadStep& far, const WorkloadStep& near) const = 0;
};

// A generation by name: "2.0", "2.4", "2.6", "4.4", "4.19", "6.12", "6.12-mglru", "7.3", "7.3-mglru"; oldest first.
std::span<const std::string_view> generation_names();
// Errors: InvalidArgument for a name that there is not, naming those there are, or for options out of range.
absl::StatusOr<std::unique_ptr<Generation>> make_generation(std::string_view name,
                                                            const GenerationOptions& options);

}  // namespace swaptrail::engine
