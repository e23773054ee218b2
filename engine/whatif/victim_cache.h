// What room for X more pages, behind memory, would have kept from swap: for every X at once.
//
// The argument. Linux swaps out what was not used for longest, more or less. So memory and swap are one LRU stack, of which
// the upper part is in memory. With X more pages of memory, X more of the stack would be. DepthStack knows for each page in
// swap how deep it lies below what is in memory:
//  - a page that was never deeper than X would not have left, and nobody would have waited for it;
//  - a page that was written, and came back and left again unchanged, was written once for all these stays: that write is
//    needed if it was deeper than X in one of them.
// It assumes:
//  - that pages leave in LRU order, and that reclaim would have gone on as it did, but X pages later;
//  - that all of the room is for these pages, not for files, page tables or other cgroups;
//  - that readahead would have read what it read.
// Two answers bound the truth about pages that left swap while a page was there. Under LRU what counts is the most that the
// page's depth has been (`high`). If the place that others left were of use to it, its depth when it was needed (`low`).
//
// What is not known is never guessed. Pages that left before the recording began, or before a loss of events, have no
// depth. `low` takes them for avoided, `high` for not avoided. The same for writes of pages that never left: a process
// needed them again while they were written. With more memory reclaim is later, and may meet such a page or not.
//
// The same holds for a pool that takes what is to be written: zswap, with room for X pages (Options::pool). Pages that are all
// zeros need no room there, and one that does not leave in the end was not written to a device either.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "bpf/event.h"
#include "engine/whatif/depth_curve.h"
#include "engine/whatif/depth_stack.h"
#include "trace/lifecycle.h"

namespace swaptrail::engine {

enum class Quantity : uint8_t {
  kLeft,         // pages that left memory
  kWritten,      // ... and were written to a device
  kStored,       // ... or stored by zswap
  kRead,         // pages read from a device, with readahead
  kLoaded,       // ... or from zswap
  kReturned,     // pages that a process needed again
  kMajorFaults,  // faults that had to wait for a page, as the kernel counts them
  kWaitNs,       // how long processes waited for pages that returned
  kCount,
};
inline constexpr size_t kQuantities = static_cast<size_t>(Quantity::kCount);

struct Estimate {
  uint64_t seen = 0;  // as it was
  uint64_t low = 0;   // as it would have been
  uint64_t high = 0;
};

struct VictimCounters {
  uint64_t most_pages = 0;      // in swap at a time, of those that are followed
  uint64_t unknown_pages = 0;   // returned, and it was not seen how they left
  uint64_t lost_pages = 0;      // in swap when events were lost: their depths are not known
  uint64_t doubtful_pages = 0;  // of lifecycles with an unknown outcome: perhaps in swap
  uint64_t superseded = 0;      // left again, and were not seen to return
  uint64_t full = 0;            // of the deepest pages, forgotten: they found no room
};

// Events, lifecycles and returns in the order of the stream. Not thread-safe.
class VictimCache {
 public:
  struct Options {
    bool pool = false;
    // Followed in swap; the deepest are forgotten. About 250 bytes each.
    uint32_t most_pages = uint32_t{1} << 22;
  };

  VictimCache();
  explicit VictimCache(const Options& options);

  void on_event(const swaptrail_event& event);
  void on_lifecycle(const Lifecycle& lifecycle);
  void on_return(const Return& back);
  void on_stay(const Stay& stay);
  void on_loss(const Loss& loss);
  // What is still in swap counts. Once, after the last event.
  void finish();

  // With room for `pages`: 0 gives what was seen, as far as it is known. After finish().
  Estimate estimate(Quantity quantity, uint64_t pages) const;
  const VictimCounters& counters() const { return counters_; }

 private:
  // A slot whose page is, or was, in swap.
  struct Slot {
    uint32_t page = DepthStack::kNone;  // in the stack; kNone: it came back, the slot has a copy
    Depth write{};                      // of the stay that needed the write: the deepest so far
    uint8_t backend = SWAPTRAIL_BACKEND_UNKNOWN;  // where the page lies
    Quantity written_to = Quantity::kCount;       // by a write that was seen, and costs something
    bool counted = false;                         // the write is on the curve
    bool raced = false;                           // when it was written the page did not leave
    bool freed = false;                           // the end of the stay is still to be reported
  };
  struct Curves {
    DepthCurve now, most;
    uint64_t unknown = 0;  // not on the curves
    uint64_t raced = 0;    // on the curves, at depth 0
  };

  void leave(const Lifecycle& lifecycle, uint64_t entry);
  void stay_after_write(const Lifecycle& lifecycle, uint64_t entry);
  void on_read(const swaptrail_event& event);
  void on_slot_freed(const swaptrail_event& event);
  void return_page(const Return& back, uint64_t entry, Depth& deepest, bool& known);
  Depth end_stay(Slot& slot);
  void forget_deepest();
  void count_write(Slot& slot, Depth depth);
  void add(Quantity quantity, Depth depth, uint64_t amount);
  void add_unknown(Quantity quantity, uint64_t amount) { of(quantity).unknown += amount; }
  Curves& of(Quantity quantity) { return curves_[static_cast<size_t>(quantity)]; }

  const Options options_;
  DepthStack stack_;
  std::vector<uint64_t> entries_;  // by page of the stack
  absl::flat_hash_map<uint64_t, Slot> slots_;
  std::array<Curves, kQuantities> curves_;
  VictimCounters counters_;
};

}  // namespace swaptrail::engine
