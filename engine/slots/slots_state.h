// What a slot allocator keeps for one area: which slots are taken, its clusters, the place of each
// CPU.
//
// Internal to engine/slots/slots*.cpp. Bounded by the area: 2 bits a slot, 12 bytes a cluster, and a place
// for each CPU.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "engine/steps/area.h"

namespace swaptrail::engine {

inline constexpr uint32_t kNoCluster = ~uint32_t{0};
inline constexpr uint32_t kMaxOrders = 14;  // clusters of up to 8192 slots (64 KiB pages)

// A bit for each slot, and one for each word that is all ones: so the search for a free slot of a
// full area looks at one word in 4096 slots.
class SlotMap {
 public:
  explicit SlotMap(uint64_t slots = 0);  // all free; slots past the end count as taken
  bool test(uint64_t slot) const { return (words_[slot / 64] >> (slot % 64) & 1) != 0; }
  bool any(uint64_t first, uint32_t count) const;
  void set(uint64_t first, uint32_t count);
  void clear(uint64_t first, uint32_t count);
  // The first free slot in [from, end), or `end`.
  uint64_t find_free(uint64_t from, uint64_t end) const;
  // The first run of `count` free slots, aligned to `count` (a power of two), inside [from, end),
  // or `end`.
  uint64_t find_run(uint64_t from, uint64_t end, uint32_t count) const;
  // The first slot in [from, end) that is taken, or `end`.
  uint64_t find_taken(uint64_t from, uint64_t end) const;

 private:
  uint64_t next_open_word(uint64_t word, uint64_t end) const;
  std::vector<uint64_t> words_;
  std::vector<uint64_t> full_;
};

// The lists of mm/swapfile.c that a cluster may be on; kNonfull + order, kFrag + order.
inline constexpr uint8_t kOffLists = 0;
inline constexpr uint8_t kFree = 1;
inline constexpr uint8_t kFull = 2;
inline constexpr uint8_t kNonfull = 3;
inline constexpr uint8_t kFrag = kNonfull + kMaxOrders;
inline constexpr uint8_t kClusterListCount = kFrag + kMaxOrders;

struct Cluster {
  uint32_t previous = kNoCluster;
  uint32_t next = kNoCluster;
  uint16_t count = 0;  // slots taken, including nonexistent ones
  uint8_t order = 0;   // while it is not empty
  uint8_t list = kOffLists;
};

class ClusterLists {
 public:
  explicit ClusterLists(size_t count = 0) : clusters_(count) { heads_.fill({}); }
  Cluster& operator[](uint32_t cluster) { return clusters_[cluster]; }
  const Cluster& operator[](uint32_t cluster) const { return clusters_[cluster]; }
  uint32_t count() const { return static_cast<uint32_t>(clusters_.size()); }
  uint32_t front(uint8_t list) const { return heads_[list].first; }
  uint32_t size(uint8_t list) const { return heads_[list].size; }
  // Moves it off its list, if any, and behind `previous` on another (kNoCluster: to the front).
  void place(uint32_t cluster, uint8_t list, uint32_t previous);
  uint32_t back(uint8_t list) const { return heads_[list].last; }

 private:
  struct Head {
    uint32_t first = kNoCluster;
    uint32_t last = kNoCluster;
    uint32_t size = 0;
  };
  void unlink(uint32_t cluster);
  std::vector<Cluster> clusters_;
  std::array<Head, kClusterListCount> heads_;
};

struct Cursor {
  uint64_t next = 0;              // slot to try first, 0 = none
  uint32_t cluster = kNoCluster;  // only if clusters are not in lists (percpu_cluster.index)
};

// One CPU in one area (struct percpu_cluster). Rotational areas with clusters use only the first.
struct CpuPlace {
  std::array<Cursor, kMaxOrders> cursors{};
  uint64_t scan_next = 0;  // cluster_next_cpu: a scan of the whole area begins after it
};

struct AreaCounts {
  uint64_t in_use = 0;     // taken, including those in a CPU's cache
  uint64_t lowest = 0;     // lowest_bit and highest_bit: no free slot is outside
  uint64_t highest = 0;    // 0 = the area is full
  uint64_t scan_next = 0;  // cluster_next: of the whole area
  uint32_t run_left = 0;   // cluster_nr: slots until a rotational area looks for an empty run
};

// One change that a trial may have to undo. Kept in order, undone from the end.
struct Undo {
  uint8_t type = 0;  // of the area
  bool slots = false;
  uint8_t list = 0;  // slots: false. The cluster's previous list, and its predecessor there
  uint8_t order = 0;
  uint32_t cluster = 0;
  uint32_t previous_or_count = 0;
  uint64_t first = 0;  // slots: true. They were taken
};
using Journal = std::vector<Undo>;  // a trial takes at most 64 slots and moves each cluster twice

struct AreaState {
  AreaState(const Area& described, uint32_t slots_a_cluster, bool has_clusters, uint32_t cpus);

  void move_to_back(uint32_t cluster, uint8_t list);
  void move_to_front(uint32_t cluster, uint8_t list);
  void take_off(uint32_t cluster);
  // Slots inside one cluster. swap_range_alloc and swap_range_free (mm/swapfile.c), without lists.
  void mark(uint64_t first, uint32_t count);
  void unmark(uint64_t first, uint32_t count);
  void undo(const Undo& change);
  uint32_t cluster_of(uint64_t slot) const { return static_cast<uint32_t>(slot / cluster_slots); }
  uint64_t cluster_end(uint32_t cluster) const;  // the end of its slots, or of the area
  bool is_bad(uint64_t slot) const;

  Area area;  // bad_pages: sorted
  uint32_t cluster_slots;
  bool clustered;
  bool reclaim_due = false;  // it became full
  bool retired = false;      // swapoff empties it
  uint64_t usable = 0;       // slots that are neither the header nor bad
  SlotMap taken;
  SlotMap held;  // ... by a CPU's cache: not handed out yet, or given back
  ClusterLists clusters;
  AreaCounts now;
  std::vector<CpuPlace> cpus;
  Journal* journal = nullptr;  // set during a trial

 private:
  void note_move(uint32_t cluster);
};

}  // namespace swaptrail::engine
