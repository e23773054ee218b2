// Whether the pages that readahead brings from swap are used, by area and cgroup.
//
// A fault that reads a page into the swap cache reads its neighbours too (mm/swap_state.c: swapin_readahead). Each page that is read is
// pending until it is known what for. It was *wanted* if the fault that read it is the one that asked for it: it was read in a pass of
// do_swap_page (mm/memory.c) for its own slot, or of shmem_swapin_folio (mm/shmem.c). It was *used* if a later fault maps it. It was *dropped*
// if it leaves memory, or its slot is freed, and no fault has mapped it. A fault frees the slot before it reports, so what became of such
// a page is open for a moment. What swapoff reads is wanted by it. Pages that are read past the swap cache belong to no readahead.
//
// In a sample each page stands for others: then all counts are estimates. A loss may hide a fault: then a page counts as dropped.
//
// Not thread-safe. Bounds: pages that are pending, and rows; what finds no room is counted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "bpf/event.h"
#include "trace/merger.h"

namespace swaptrail::readahead {

// Base pages.
struct Counts {
  uint64_t read = 0;  // into the swap cache; what is not in the following is still there
  uint64_t wanted = 0;
  uint64_t used = 0;
  uint64_t dropped = 0;
  uint64_t not_followed = 0;  // found no room

  uint64_t pending() const { return read - wanted - used - dropped - not_followed; }
  void add(const Counts& more);
};

struct Row {
  uint32_t area = 0;    // entry_type()
  uint64_t cgroup = 0;  // to which the page is charged; 0 = not known
  Counts counts;
};

class ReadaheadUse final : public EventSink {
 public:
  struct Options {
    size_t max_pages = size_t{1} << 18;  // pending; about 60 bytes each
    size_t max_rows = 4096;              // the last of each area is for what finds no row
  };

  explicit ReadaheadUse(const Options& options);
  // Can it be known if these kinds are seen (kind_bit())?
  static bool is_possible(uint64_t visible_kinds);
  // Who gets everything next. It must outlive this.
  void hand_on_to(EventSink& next) { next_ = &next; }

  void on_event(const swaptrail_event& event, uint64_t sequence) override;
  void on_loss(const Loss& loss) override;
  void on_time(uint64_t now_ns) override;

  // What became of some pages is known at `now_ns`, by the time that has passed: on_time() is due.
  bool has_due(uint64_t now_ns) const;

  // Those that counted anything. Of cgroups that found no row, in one with cgroup 0.
  std::vector<Row> rows() const;

 private:
  struct Page {
    uint64_t read_ns = 0;
    uint64_t left_ns = 0;  // the cache, or its slot was freed; 0 = not
    uint32_t tid = 0;      // read it
    uint32_t row = 0;
    uint16_t before = 0;  // pages of the same read before it,
    uint16_t after = 0;   // and after it
    uint8_t sample_shift = 0;
  };
  using Pages = absl::flat_hash_map<uint64_t, Page>;

  void take(const swaptrail_event& event);
  void on_read(const swaptrail_event& event);
  void on_fault(const swaptrail_event& event);
  void on_left(const swaptrail_event& event);
  void on_dropped(const swaptrail_event& event);
  void settle(uint64_t now_ns);
  void end(Pages::iterator page, uint64_t Counts::*how);
  uint32_t row_of(uint32_t area, uint64_t cgroup);

  const Options options_;
  EventSink* next_ = nullptr;
  Pages pages_;
  std::deque<std::pair<uint64_t, uint64_t>> leaving_;  // when, entry
  std::vector<Row> rows_;                              // the first is of each area without a cgroup
  absl::flat_hash_map<std::pair<uint32_t, uint64_t>, uint32_t> index_;
};

}  // namespace swaptrail::readahead
