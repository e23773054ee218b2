// Events in, lifecycles out.
//
// A state machine per folio (an *attempt*), an index of swap slots, and the reclaim batches that
// are running. An attempt begins with the first event of a folio that goes to swap, and closes when
// the folio is removed from the swap cache, or at the end of the batch that gave it up; on an
// asynchronous device it lives on from the pass that wrote it to the pass that frees it.
//
// It never invents. A stage that was not seen is not in the lifecycle. If a loss could explain what
// is missing, the outcome is `unknown`. docs/EVENTS.md says what each event means.
//
// One thing it cannot know: a loss that a CPU reports only after a lifecycle closed (its next event
// came later). Then only the Loss shows it, not the lifecycle.
//
// The stream must be in time order (trace/merger); late events are accepted and may leave
// lifecycles incomplete. Not thread-safe. No allocation per event once the tables have grown to
// what the load needs.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "bpf/event.h"
#include "trace/kinds.h"
#include "trace/lifecycle.h"
#include "trace/merger.h"

namespace swaptrail::lifecycles {

class LifecycleSink {
 public:
  virtual ~LifecycleSink() = default;
  virtual void on_lifecycle(const Lifecycle& lifecycle) = 0;
  virtual void on_return(const Return& entry_return) = 0;
  virtual void on_stay(const Stay&) {}
  virtual void on_violation(const Violation& violation) = 0;
  virtual void on_loss(const Loss& loss) = 0;  // passed through, in order
};

using swaptrail::kind_bit;  // in ReconstructorOptions::visible_kinds

// All hooks of mode full: every kind but PAGE_FREED.
inline constexpr uint64_t kAllKinds =
    (kind_bit(SWAPTRAIL_KIND_END) - 1) & ~kind_bit(0) & ~kind_bit(SWAPTRAIL_PAGE_FREED);
// What raw tracepoints can show.
inline constexpr uint64_t kTracepointKinds =
    kind_bit(SWAPTRAIL_UNMAPPED_ONE) | kind_bit(SWAPTRAIL_WRITE_ISSUED) |
    kind_bit(SWAPTRAIL_WRITE_END) | kind_bit(SWAPTRAIL_WRITE_COMPLETED) |
    kind_bit(SWAPTRAIL_PAGE_FREED);

struct ReconstructorOptions {
  uint64_t visible_kinds = kAllKinds;  // the hooks that are attached, see kind_bit()
  uint64_t start_ns = 0;               // when the last of them was attached
  // The kernel may skip a hook without a trace (kprobes inside kprobes): then a page whose end of
  // writeback was not seen is not called complete.
  bool may_miss_silently = false;
  size_t max_attempts = 1 << 20;   // folios on their way (about 500 bytes each, with the index)
  size_t max_slots = 1 << 22;      // swap slots followed (16 bytes each, in blocks of 512)
  size_t max_swapped = 1 << 22;    // freed folios whose return is awaited (44 bytes each)
  size_t max_batches = 8192;       // tasks in reclaim at the same time
  uint32_t page_struct_size = 64;  // sizeof(struct page), bytes
  uint32_t page_size = 4096;       // bytes
  uint32_t max_swapfiles = 23;     // entries of a higher type are migration and the like
  uint32_t event_abi = SWAPTRAIL_ABI_VERSION;  // of the stream: docs/EVENTS.md, Versions
};

struct ReconstructorCounters {
  uint64_t events = 0;
  uint64_t lifecycles = 0;  // yielded
  // Each freed page returns once: freed = returned + away + superseded, at any time.
  uint64_t freed_pages = 0;       // of lifecycles whose return is awaited
  uint64_t away_pages = 0;        // of these, now
  uint64_t returned_pages = 0;    // of these
  uint64_t superseded_pages = 0;  // of these: their slot went to another, their return was missed
  // Slots in use, as far as seen. `older_slots`: slots in use before we looked that were met or freed
  // since. `slot_changes`: pages of all allocations and frees that were seen.
  uint64_t used_slots = 0, older_slots = 0, slot_changes = 0;
  uint64_t unknown_returned_pages = 0;    // returned, and swapped out before we looked
  uint64_t readahead_dropped_pages = 0;   // read ahead, never used, and dropped: no lifecycle
  uint64_t old_copies_dropped_pages = 0;  // had come back, but nobody mapped their folios any more
  uint64_t zswap_writeback_pages = 0;     // zswap moved an old entry to the device: no lifecycle
  uint64_t shared_swap_ins = 0;           // faults on pages that were back already (fork)
  uint64_t failed_swap_ins = 0;           // faults that failed
  uint64_t read_errors = 0;               // of these: the page could not be read
  uint64_t cache_refaults = 0;            // faults on a page that had never left memory
  uint64_t ignored = 0;                   // events of folios that are not on their way to swap
  uint64_t unexplained_gaps = 0;          // lifecycles marked dropped although no loss was reported
  uint64_t superseded_slots = 0;          // allocated again, and we did not see them freed
  uint64_t not_followed = 0;              // lifecycles that found no room and were freed, and
  uint64_t not_followed_pages = 0;        //   their pages
  uint64_t attempts_full = 0;             // events that found no room in their table:
  uint64_t slots_full = 0;                //   (base pages)
  uint64_t swapped_full = 0;              //   (lifecycles: their return will have id 0)
  uint64_t batches_full = 0;              //   (the oldest batch was given up)
};

class Reconstructor : public EventSink {
 public:
  // The sink must outlive the reconstructor.
  Reconstructor(const ReconstructorOptions& options, LifecycleSink& sink);
  ~Reconstructor() override;
  Reconstructor(const Reconstructor&) = delete;
  Reconstructor& operator=(const Reconstructor&) = delete;

  void on_event(const swaptrail_event& event, uint64_t sequence) override;
  void on_loss(const Loss& loss) override;
  void on_time(uint64_t now_ns) override;
  // Has anything waited so long that on_time(now_ns) would end it?
  bool has_due(uint64_t now_ns) const;

  // The observation ends: closes everything that is still open. Call once, last.
  void finish(uint64_t now_ns);

  // The open attempt of a folio, as it stands (outcome kInFlight, closed_ns 0): by the address of
  // any of its struct pages, or by the slot `entry` (the generation does not count).
  std::optional<Lifecycle> in_flight_of_frame(uint64_t struct_page) const;
  std::optional<Lifecycle> in_flight_of_entry(uint64_t entry) const;

  size_t live_attempts() const;   // folios on their way now
  size_t swapped_folios() const;  // freed folios whose return is awaited
  size_t tracked_slots() const;   // room taken in the slot table
  ReconstructorCounters counters() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace swaptrail::lifecycles
