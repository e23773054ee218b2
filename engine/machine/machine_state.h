// The state of a simulated machine's processes, CPUs and swap areas. Internal to engine/.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "engine/machine/device.h"
#include "engine/machine/frames.h"
#include "engine/machine/page_table.h"
#include "engine/machine/simulation.h"
#include "engine/machine/swap_out_log.h"
#include "engine/machine/workload.h"
#include "engine/steps/shrink.h"

namespace swaptrail::engine {

// One request for pages: try_to_free_mem_cgroup_pages, or reclaim_pages of MADV_PAGEOUT.
struct Reclaim {
  struct Done {
    uint32_t frame = 0;
    PassEnd end;
  };
  // struct reclaim_stat, in base pages.
  struct Stat {
    uint32_t scanned = 0, writeback = 0, pageout = 0, activate = 0, ref_keep = 0, unmap_fail = 0;
  };

  bool active = false;
  bool in_batch = false;
  bool second_pass = false;  // rejects that could be freed now are tried once more (evict_folios)
  ScanControl control;
  int8_t priority = 0;
  uint32_t tries = 0;           // whole rounds that freed nothing
  uint64_t target = 0;          // pages
  uint64_t reclaimed = 0;       // by this call
  uint64_t to_scan = 0;         // left at this priority; 0: it is over
  uint64_t to_scan_active = 0;  // of the active list
  uint64_t scanned = 0;         // at this priority
  bool walked = false;          // page tables, at this priority (reclaim_state->mm_walk)
  bool may_deactivate = false;  // DEACTIVATE_ANON
  bool in_round = false;        // the inactive list was scanned, and the active one is next
  uint32_t batch_reclaimed = 0;
  bool tlb_pending = false;   // tlb_ubc->flush_required: entries are gone that a CPU may still have
  bool tlb_writable = false;  // ... and write through
  Stat stat;
  LogBatch log;                // its begin_ns names the batch in events
  std::vector<uint32_t> list;  // isolated for this batch; taken from the front
  size_t next = 0;
  std::vector<Done> rejects;
  std::vector<uint32_t> again;      // rejected folios for the second pass
  uint64_t page = 0, end_page = 0;  // MADV_PAGEOUT: the rest of the range
};

// vma->swap_readahead_info (mm/swap_state.c: swap_vma_readahead).
struct ReadaheadWindow {
  uint64_t page = 0;
  uint32_t window = 0;
  uint32_t hits = 4;
};

struct Process {
  uint32_t index = 0;
  uint32_t tgid = 0;
  uint32_t cpu = 0;
  bool alive = true;
  ProcessPlan plan;
  PageTable table;
  TableDirectory directory;  // if it is driven: `table` is in its order
  std::array<char, SWAPTRAIL_COMM_LEN> comm{};
  // its position in its plan
  uint64_t state = 0;      // of the generator
  uint64_t populated = 0;  // pages
  uint64_t done = 0;       // accesses
  std::vector<Action> actions;
  size_t next_action = 0;
  bool pending = false;        // `access` was begun, but could not be finished
  bool acting = false;         // swapoff was begun
  uint32_t unuse_process = 0;  // how far it got
  uint64_t unuse_page = 0;
  Access access;
  // what it is doing
  uint64_t fault_ns = 0;  // begin of the swap fault, 0 = none
  uint64_t fault_entry = 0;
  uint64_t tried_page = 0;        // of the fault that must be tried again, plus 1; 0 = none
  uint32_t passes = 0;            // of its fault
  bool brings_back = false;       // its fault ends a stay in swap
  uint32_t waits_for = kNoFrame;  // folio whose lock another task has; we hold a reference
  ReadaheadWindow readahead;
  // Page tables that the next walk looks at, by the parity of its generation; empty: all of them
  // (mm/vmscan.c: lru_gen_mm_state.filters).
  std::array<std::vector<bool>, 2> walk_filters;
  std::vector<bool> young_tables;  // accessed bits of the entries that point to page tables
  Reclaim reclaim;
};

struct CpuRun {
  std::vector<uint32_t> processes;  // the processes that run here, by index
  size_t current = 0;
  uint64_t sequence = 0;           // events so far
  bool busy = false;               // in the middle of a step
  std::vector<uint64_t> returned;  // slots that wait to be freed together
  std::vector<Flight> queued;      // writes that were queued, but not submitted (7.3)
};

struct AreaRun {
  AreaRun(const SimulatedArea& area, uint64_t pages) : options(area), store(pages) {}

  SimulatedArea options;
  Store store;
  uint64_t used = 0;       // slots
  bool going_off = false;  // swapoff has begun: no SWP_WRITEOK
  bool off = false;
};

inline constexpr uint64_t kCgroup = 4242;         // id of the one cgroup
inline constexpr uint64_t kSharedInode = 1000;    // of the first file of shared memory
inline constexpr uint32_t kGfpCharge = 0x100cca;  // GFP_HIGHUSER_MOVABLE, as a fault charges
inline constexpr uint32_t kGfpPageout = 0xcc0;    // GFP_KERNEL
inline constexpr uint32_t kReturnBatch = 64;      // SWAP_SLOTS_CACHE_SIZE
inline constexpr int8_t kDefPriority = 12;        // DEF_PRIORITY
inline constexpr uint32_t kReclaimTries = 16;     // MAX_RECLAIM_RETRIES

}  // namespace swaptrail::engine
