// A free run: a simulated machine under a workload, and the event stream that its kernel's hooks
// would produce.
//
// Deterministic: the same options give the same stream, byte for byte.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "bpf/event.h"
#include "engine/machine/device.h"
#include "engine/machine/swap_out_log.h"
#include "engine/machine/workload.h"
#include "engine/steps/area.h"
#include "engine/steps/features.h"
#include "trace/lifecycle.h"

namespace swaptrail::engine {

struct SimulatedArea {
  Area area;
  Device device = Device::kAsynchronous;
  bool zswap = false;        // in front of it
  double zswap_refuses = 0;  // share of folios that zswap refuses, 0..1
  double error_rate = 0;     // of writes, 0..1
};

struct SimulationOptions {
  Features features;
  std::vector<SimulatedArea> areas;
  Workload
      workload;  // processes, what they touch, fork, exit, MADV_PAGEOUT, ... (engine/machine/workload.h)
  uint64_t seed = 1;
  uint32_t cpus = 2;          // 1 .. kMaxCpus
  uint64_t limit_pages = 0;   // how much may stay in memory (a cgroup's memory.max), base pages
  uint32_t page_cluster = 0;  // readahead: up to 2^n pages (vm.page-cluster), at most 5
  double disturbance = 0;     // how often something disturbs a step for a moment, 0..1:
                              // a lock is held, a page table is busy, somebody looks at the page
  // It stops there, and says so. 0: nothing is told, and nothing kept but totals and counters.
  uint64_t max_events = 10'000'000;
};

inline constexpr uint32_t kMaxCpus = 64;
inline constexpr uint64_t kMaxLimitPages = uint64_t{1} << 26;

// How one page that reclaim had freed really came back.
struct TrueReturn {
  uint64_t entry = 0;
  uint64_t time_ns = 0;
  ReturnHow how = ReturnHow::kSwappedIn;
  uint32_t reader = 0;  // process, 0 = nobody
  uint32_t passes = 0;  // of its fault
  bool major = false;
};

// What it took, in base pages unless said otherwise.
struct MachineCounters {
  uint64_t first_touches = 0;  // by a read or a write, whichever came first
  uint64_t minor_faults = 0;   // on swap entries whose page was in the swap cache
  uint64_t major_faults = 0;   // ... whose page had to be read
  uint64_t copies = 0;         // wp_page_copy
  uint64_t readahead = 0;      // of the pages read: not asked for
  uint64_t readahead_hits = 0;
  uint64_t writes_saved =
      0;  // freed as they are in their slots: not written since they were last mapped
  uint64_t zero_filled = 0;  // zeros, that the zero map remembers
  uint64_t scanned = 0;      // entries of lists and of page tables that reclaim looked at
  uint64_t unmapped = 0;     // page table entries that became swap entries
  // Reclaim flushes once for the entries of a batch (TTU_BATCH_FLUSH), and before a write if one of them may have been
  // written through (mm/rmap.c: try_to_unmap_flush, try_to_unmap_flush_dirty).
  uint64_t tlb_flushes = 0;
  uint64_t write_runs = 0;    // writes to a device that did not go on where the one before ended
  uint64_t seek_slots = 0;    // sum of the distances there, within one area
  uint64_t no_slot = 0;       // folios that got none
  uint64_t write_errors = 0;  // of swapped_out_pages
  uint64_t killed = 0;        // processes, for want of memory: only where a machine is driven
};

struct SimulationResult {
  MachineCounters counters;
  std::vector<TrueReturn> returns;     // in order
  std::vector<TrueSwapOut> swap_outs;  // in order of end (engine/machine/swap_out_log.h)
  std::vector<DroppedCopy> dropped;
  uint64_t swapped_out_pages =
      0;  // written, stored or zero-filled (pswpout + zswpout + swpout_zero)
  uint64_t swapped_in_pages = 0;  // read back (not from the swap cache), including readahead
  uint64_t swap_faults = 0;       // on swap entries of page tables, that mapped their page
  uint64_t fault_passes = 0;      // SWAP_IN events: a fault that waits has several
  uint64_t accesses = 0;
  uint64_t events = 0;
  uint64_t steps = 0;             // accesses, faults, steps of shrink_folio, ends of writes, events
  uint64_t contents_checked = 0;  // pages compared byte for byte at swap-in
  uint64_t contents_wrong = 0;    // must be 0
  uint64_t end_ns = 0;            // after the last event
  bool truncated = false;         // max_events
};

class EventOutput {
 public:
  virtual ~EventOutput() = default;
  // In time order. `sequence`: the number of events of this CPU before it.
  virtual void on_event(const swaptrail_event& event, uint64_t sequence) = 0;
};

// Errors: InvalidArgument for options that make no machine (no memory, no area, a workload that
// can't run); ResourceExhausted if memory and swap are both full and nothing can be reclaimed.
absl::StatusOr<SimulationResult> simulate(const SimulationOptions& options, EventOutput& output);

}  // namespace swaptrail::engine
