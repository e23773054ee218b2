// The inside of the slot allocator: everything except its public interface, engine/slots/slots.h.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "engine/slots/slots_state.h"
#include "engine/steps/area.h"
#include "engine/steps/features.h"

namespace swaptrail::engine {

inline constexpr uint32_t kSlotBatch = 64;  // SWAP_SLOTS_CACHE_SIZE, SWAP_BATCH

struct SlotOptions {
  Allocator generation = Allocator::kSwapTable;
  DefaultPriority default_priority = DefaultPriority::kEqual;
  uint32_t cpus = 1;
  uint32_t cluster_slots = 512;  // SWAPFILE_CLUSTER: a power of two, 64 .. 8192
  uint64_t seed = 1;             // for the random slots at which the kernel begins
};

// The differences between the generations, as facts.
struct SlotRules {
  bool alloc_cache;   // 64 slots a CPU (mm/swap_slots.c)
  bool return_cache;  // freed slots are collected by 64 a CPU
  bool lists;         // clusters in lists by order: nonfull, frag, full
  bool isolates;      // a cluster is off its list while slots are taken, then it is relocated
  bool rotational_clusters;  // also for rotational areas, then one cluster for all CPUs
  bool global_cluster;       // one cluster per CPU for all areas (percpu_swap_cluster)
  bool nonfull_first;        // before free ones; also, an emptied cluster loses its CPU
  bool cpu_scan_start;       // cluster_next_cpu; otherwise one place for the whole area
  enum : uint8_t { kRotated, kColumns, kLinear } free_order;  // of the free list at swapon
};
const SlotRules& slot_rules(Allocator generation);

class SlotCore {
 protected:
  explicit SlotCore(const SlotOptions& options);

  struct GlobalCursor {
    uint8_t type = 0;
    uint64_t next = 0;
  };
  struct CpuState {
    std::array<uint64_t, 64> cache;  // entries, [at, at + cached)
    uint32_t at = 0;
    uint32_t cached = 0;
    std::array<uint64_t, 64> back;
    uint32_t back_count = 0;
    std::array<GlobalCursor, kMaxOrders> cursors{};
  };
  struct Scan;
  struct Saved {  // of one area, before a trial
    uint8_t type;
    uint32_t place;
    AreaCounts counts;
    CpuPlace cpu;
  };
  struct Trial {
    AreaOrder order;
    uint64_t in_use;
    uint64_t random;
    uint32_t at;
    uint32_t cached;
    std::array<GlobalCursor, kMaxOrders> cursors;
  };

  AreaState* find(uint64_t entry, uint32_t nr_pages);
  const AreaState* state_of(uint64_t entry) const;
  bool handed_out(uint64_t entry) const;
  bool possible(uint32_t cpu, uint32_t nr_pages) const;
  void set_free_order(AreaState& area);
  // nr_swap_pages, total_swap_pages. Below 0 while an area that is being emptied holds more.
  int64_t left() const { return static_cast<int64_t>(total_) - static_cast<int64_t>(in_use_); }
  bool half_full() const { return left() * 2 < static_cast<int64_t>(total_); }
  void forget(uint32_t type);
  uint64_t random();
  void taken(AreaState& area, uint64_t first, uint32_t count);     // mark, and leave if full
  void released(AreaState& area, uint64_t first, uint32_t count);  // free() without its checks

  // slots_cache.cpp
  uint64_t place(uint32_t cpu, uint32_t order);
  uint32_t from_areas(uint32_t cpu, uint32_t order, uint32_t wanted, uint64_t* out);
  bool caches_on() const { return cache_active_ && retiring_ == 0; }
  void set_cache_activity(bool drain_all);
  void drain(uint32_t cpu);
  void drop_from_caches(uint64_t entry);
  void flush_returned(CpuState& cpu);
  // slots_scan.cpp: areas without lists
  uint32_t scan(AreaState& area, uint32_t cpu, uint32_t order, uint32_t wanted, uint64_t* out);
  uint32_t run_scan(Scan& scan, uint32_t found, uint32_t wanted, uint64_t* out);
  uint32_t scan_large(AreaState& area, uint32_t cpu, uint32_t order, uint64_t* out);
  bool next_in_cluster(Scan& scan, uint32_t order);
  bool meets_free_cluster(const Scan& scan) const;
  void take(AreaState& area, uint64_t slot, uint32_t count);
  void begin_run(Scan& scan);
  bool settle(Scan& scan, bool first);
  bool search(Scan& scan);
  bool advance(Scan& scan);
  void end_scan(Scan& scan);
  uint32_t resume_scan(AreaState& area, uint32_t cpu, uint64_t slot, uint64_t* out);
  // slots_lists.cpp
  uint64_t from_lists(AreaState& area, uint32_t cpu, uint32_t order);
  uint64_t from_cursor(AreaState& area, uint32_t cpu, uint32_t order);
  uint64_t from_global_cursor(uint32_t cpu, uint32_t order);
  uint64_t from_list(AreaState& area, uint32_t cpu, uint8_t list, uint32_t order, uint32_t tries);
  uint64_t steal(AreaState& area, uint32_t cpu);
  uint64_t try_cluster(AreaState& area, uint32_t cpu, uint64_t from, uint32_t order);
  void claim(AreaState& area, uint64_t slot, uint32_t order);
  void relocate(AreaState& area, uint32_t cluster);
  void set_cursor(AreaState& area, uint32_t cpu, uint32_t order, uint64_t next);
  void reclaim_full(AreaState& area);
  void reclaim_when_full();
  // slots_trial.cpp
  Trial begin(uint32_t cpu);
  void end_trial();
  void undo(const Trial& trial, uint32_t cpu);
  bool adopt_from_cache(AreaState& area, uint32_t cpu, uint64_t entry);
  void adopt_into_cluster(AreaState& area, uint32_t cpu, uint64_t slot, uint32_t nr_pages);
  void forget_cache(uint32_t cpu);

  SlotOptions options_;
  SlotRules rules_;
  AreaOrder order_;
  uint32_t top_order_;  // of a whole cluster
  std::array<std::unique_ptr<AreaState>, kMostAreaTypes> areas_;
  std::vector<CpuState> cpus_;
  uint64_t total_ = 0;
  uint64_t in_use_ = 0;
  uint64_t random_;
  bool cache_active_ = false;
  uint32_t retiring_ = 0;     // areas that swapoff empties
  Journal journal_;           // of the trial under way
  std::vector<Saved> saved_;  // at most an entry for each area
  std::function<bool(uint64_t entry)> reclaim_;
};

}  // namespace swaptrail::engine
