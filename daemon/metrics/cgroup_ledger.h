// What each of a bounded number of cgroups lost and took, and the sum of all others.
//
// Only the pipeline thread writes and moves. It never waits: tick(), on another thread, only marks
// what must move, and the pipeline moves it at its next event (settle()). While it moves counts from
// one row to another, a version is odd; a reader that sees that starts again.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "bpf/event.h"
#include "daemon/base/fixed_map.h"
#include "daemon/host/cgroups.h"
#include "daemon/metrics/count.h"
#include "daemon/metrics/heavy_hitters.h"

namespace swaptrail::metrics {

// The columns of a row: base pages, except faults and their time, which belong to the reader.
// Reclaimed pages have one column for each origin.
inline constexpr size_t kSwappedOut = 0, kSwappedIn = 1, kRegretted = 2, kFaultWait_ns = 3;
inline constexpr size_t kFaults = 4, kMajorFaults = 5;
inline constexpr size_t kReclaimed = 6, kColumns = kReclaimed + SWAPTRAIL_ORIGIN_END;
using Columns = std::array<uint64_t, kColumns>;

// All rows and cells of one moment.
struct LedgerCopy {
  struct Row {
    uint64_t cgroup = 0;  // 0: empty, and neither `other` nor `node`
    uint64_t serial = 0;  // differs each time that a cgroup gets a row
    Columns counts{};
  };
  struct Cell {
    uint32_t victim = 0;  // rows
    uint32_t reclaimer = 0;
    uint8_t origin = 0;
    bool used = false;
    uint64_t pages = 0;
  };
  std::vector<Row> rows;  // the tracked ones, then `other`, then `node`
  std::vector<Cell> cells;
  std::array<uint64_t, SWAPTRAIL_ORIGIN_END> matrix_other{};  // pages that are in no cell
  uint64_t collapsed = 0;                                     // rows merged into `other` so far
};

class CgroupLedger {
 public:
  static constexpr uint32_t kMostTracked = 10'000;
  static constexpr uint32_t kMostMoves = 512;  // of one settle(): about 50 us
  // A cgroup whose path is not found for this many ticks gives up its row.
  static constexpr uint32_t kNamelessTicks = 3;

  // `tracked`: rows, 1 to kMostTracked (a larger number is cut). The matrix has four cells for
  // each, but at least 64.
  explicit CgroupLedger(uint32_t tracked);

  // For the pipeline thread.
  uint32_t row_of(uint64_t cgroup, uint64_t weight);  // gives it one if there is room
  uint32_t other() const { return tracked_; }
  uint32_t node() const { return tracked_ + 1; }
  void add(uint32_t row, size_t column, uint64_t more) { rows_[row].counts[column].add(more); }
  void add_cell(uint32_t victim, uint32_t reclaimer, uint8_t origin, uint64_t pages);
  // Does what tick() asked for. Costs a load if there is nothing.
  void settle() {
    if (turn_.load(std::memory_order_acquire) != settled_) settle_turn();
  }

  // For one thread, once a second: marks the rows of cgroups that are gone, and gives rows of the
  // idlest to untracked cgroups that were busier since the last call.
  void tick(const host::Cgroups& cgroups);

  // Any thread's.
  void copy(LedgerCopy& out) const;
  uint32_t tracked() const { return tracked_; }
  size_t cells() const { return cells_.size(); }

 private:
  struct Row {
    std::atomic<uint64_t> cgroup{0};
    std::atomic<uint64_t> serial{0};
    std::atomic<uint64_t> doomed{0};  // the serial that must go: tick() writes it
    std::array<Count, kColumns> counts;
  };
  struct Cell {
    std::atomic<uint64_t> key{0};  // 0 = free
    Count pages;
  };
  struct Nameless {
    uint64_t serial = 0;
    uint32_t ticks = 0;
  };

  bool copy_once(LedgerCopy& out) const;
  uint32_t admit(uint64_t cgroup);
  void settle_turn();
  bool take_doomed();
  void find_idle(size_t most);
  void take_idle();
  void collapse(uint32_t row);
  void free_cells();
  bool is_gone(const host::Cgroups& cgroups, uint32_t row, uint64_t cgroup, uint64_t serial);

  const uint32_t tracked_;
  std::vector<Row> rows_;
  std::vector<Cell> cells_;
  std::array<Count, SWAPTRAIL_ORIGIN_END> matrix_other_;
  Count collapsed_;
  std::atomic<uint64_t> version_{0};  // odd while counts move
  std::atomic<uint64_t> turn_{0};     // tick() writes it

  // The pipeline thread's alone.
  base::FixedMap<uint32_t> row_index_;   // cgroup -> row
  base::FixedMap<uint32_t> cell_index_;  // key -> cell
  std::vector<uint32_t> free_rows_, free_cells_;
  std::vector<uint64_t> busy_;  // by row, since the last turn
  std::vector<uint32_t> going_;
  std::vector<bool> is_going_;
  HeavyHitters heavy_hitters_;
  uint64_t serials_ = 0, settled_ = 0;

  std::vector<Nameless> nameless_;  // tick()'s alone
};

}  // namespace swaptrail::metrics
