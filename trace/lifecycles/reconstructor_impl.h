// The state of a Reconstructor. Internal to trace/. reconstructor.cpp has the frame, reclaim_events
// handles folios in reclaim, slot_events handles slots and their pages.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "trace/decode.h"
#include "trace/kinds.h"
#include "trace/lifecycles/attempts.h"
#include "trace/lifecycles/batches.h"
#include "trace/lifecycles/faults.h"
#include "trace/lifecycles/outcome_rules.h"
#include "trace/lifecycles/reconstructor.h"
#include "trace/lifecycles/slots.h"
#include "trace/lifecycles/swapped.h"

namespace swaptrail::lifecycles {

using Event = swaptrail_event;

class Reconstructor::Impl {
 public:
  Impl(const ReconstructorOptions& options, LifecycleSink& sink);

  void on_event(const Event& event);
  void on_loss(const Loss& loss);
  void on_time(uint64_t now_ns);
  bool has_due(uint64_t now_ns) const { return now_ns > next_due_ns(); }
  void finish(uint64_t now_ns);
  std::optional<Lifecycle> in_flight_of_frame(uint64_t struct_page);
  std::optional<Lifecycle> in_flight_of_entry(uint64_t entry);

  AttemptTable attempts;
  Pool<Swapped> swapped;
  SlotTable slots;
  ReconstructorCounters counters;

 private:
  enum class Claim : uint8_t { kAllocated, kKept, kRemoved };  // how it has its slots
  template <typename Receiver>
  friend void swaptrail::dispatch(const swaptrail_event& event, Receiver& to);
  void ignore(const Event& event);

  // reclaim_events.cpp: what shrink_folio_list does to a folio.
  void on_slot_allocated(const Event& event);
  void on_unmapped_one(const Event& event);
  void on_unmapped(const Event& event);
  void on_write_begin(const Event& event);
  void on_zswap_stored(const Event& event);
  void on_write_issued(const Event& event);
  void on_write_end(const Event& event);
  void on_write_completed(const Event& event);
  void on_removed(const Event& event);
  void on_split(const Event& event);
  void on_page_freed(const Event& event);
  void on_zswap_loaded(const Event& event) { ignore(event); }  // SWAP_READ reported it
  uint32_t written_attempt(const Event& event);
  void start_write(Attempt& attempt, const Event& event);
  void split_off(const Attempt& whole, const Event& event, uint32_t page);
  void check_write(const Attempt& attempt, const Event& event);
  void check_removed(const Attempt& attempt, const Event& event);

  // return_events.cpp: the way back, and pages that stay in swap.
  void on_swap_in(const Event& event);
  void on_shmem_swap_in(const Event& event);
  void on_swap_read(const Event& event);
  void on_zswap_writeback(const Event& event);
  bool on_unused_copy(const Event& event);
  bool was_copied(const Event& event);
  bool rewrites_unused_copy(const Event& event);
  void note_unused_copy(const Event& event);
  void on_fault(const Fault& fault);
  void settle_faults(uint64_t now_ns);
  uint32_t return_run(const Fault& fault, Return& back, uint32_t limit);
  uint32_t return_away(Return& back, uint32_t record, uint32_t limit);
  uint32_t return_pending(const Fault& fault, Return& back, uint32_t limit);
  uint32_t return_cached(const Fault& fault, Return& back, uint32_t index, uint32_t limit);
  void return_unknown(Return& back, Slot* slot);
  void name_lifecycle(Return& back);
  void credit(const Swapped& record, Return& back);
  void emit_stays(const Event& event, StayChange change);

  // slot_events.cpp: who has a slot, and when it becomes free.
  void on_cache_deleted(const Event& event);
  void on_slot_freed(const Event& event);
  void free_run(const Event& event, uint64_t entry, uint32_t nr_pages, bool read, uint32_t record);
  void push_pending(const PendingFree& free);
  void forget_page(Slot& slot);
  void return_gone(const Lifecycle& life);
  void settle_free(const PendingFree& free);
  void settle_frees(uint64_t now_ns);
  void emit_return(const Swapped& record, Return entry_return);
  void unref(uint32_t record, uint32_t references);
  void infer_slot(uint32_t index, const Event& event);
  void claim_slots(uint32_t index, Claim claim);
  void take_slot(Slot& slot, bool allocated);
  void count_free(const Slot* slot);
  void evict_owner(Slot& slot, uint32_t index, uint64_t entry, bool allocated);
  void mark_leaving(uint32_t index, const Event& event);
  void end_leaving(uint32_t index);
  void settle_leaving(uint64_t now_ns);
  uint64_t leaving_due_ns() const;
  uint64_t frees_due_ns() const;

  // in_flight.cpp
  Lifecycle as_it_stands(const Attempt& attempt) const;

  // reconstructor.cpp: attempts and batches.
  uint64_t next_due_ns() const;
  // Something waits, or no longer waits, for its grace period to end.
  void note_due() { due_ns_ = std::min(due_ns_, next_due_ns()); }
  void on_reclaim_begin(const Event& event);
  void on_reclaim_end(const Event& event);
  uint32_t batch_of(const Event& event);  // kNoIndex: there are no batches
  uint32_t open_batch(const Event& event);
  void end_batch(uint32_t batch, uint64_t now_ns);
  void settle(uint32_t index, const Batch& batch, uint64_t now_ns);

  // The attempt that the event belongs to, which has joined the event's batch; a new one if the event can begin it; or
  // kNoIndex.
  uint32_t attempt_for(const Event& event);
  uint32_t live_attempt(const Event& event);
  uint32_t migrated_attempt(const Event& event);
  uint32_t begin(const Event& event, uint32_t batch);
  bool is_shmem_folio(const Event& event);
  void place_in_time(Attempt& attempt, const Event& event);
  void check_pass(Attempt& attempt, const Event& event);
  void inherit_slot(uint32_t index, const Event& event);
  bool is_new_in_write(const Attempt& attempt, const Slot* slot, const Event& event) const;
  uint32_t end_older_pass(uint32_t index, const Event& event);
  bool restarts(const Attempt& attempt, const Event& event) const;
  void restart(uint32_t index, const Event& event);
  void supersede(uint32_t index, Rule rule, const Event& event);
  // Joins `batch`, which is batch_of() the event; counts passes.
  void touch(uint32_t index, const Event& event, uint32_t batch);
  void touch_alone(Attempt& attempt, const Event& event);
  void leave_batch(uint32_t index);
  void wait_for_pass(uint32_t index);
  void end_wait(uint32_t index);
  uint32_t room_for(uint64_t folio, uint64_t now_ns);
  // An event on its way out. Other events close no gap: it may have been freed and read in again.
  void note(Attempt& attempt, const Event& event) { attempt.last_event_ns = event.time_ns; }

  void close(uint32_t index, const Judgement& judgement, uint64_t now_ns);
  void close_freed(uint32_t index, uint64_t now_ns);
  void hand_slots(uint32_t index, const Judgement& judgement);
  void discard(uint32_t index);
  void violate(Rule rule, const Attempt& attempt, uint64_t time_ns);

  // The value of Slot::cached now.
  uint32_t cached_mark() const { return 1 + losses_; }
  bool has_batches() const { return sight_.sees(SWAPTRAIL_RECLAIM_END); }
  bool tracepoint_mode() const { return sight_.tracepoints(); }
  bool is_swap_entry(uint64_t entry) const;

  ReconstructorOptions options_;
  LifecycleSink& sink_;
  Sight sight_;
  BatchTable batches_;
  AttemptList<&Attempt::in_leaving> leaving_;
  AttemptList<&Attempt::in_waiting> passed_;  // written or unmapped, in no batch: the oldest first
  PendingFrees pending_frees_;
  FaultTable faults_;
  std::vector<uint64_t>
      gone_;  // entries of the lifecycle that closes: their slots are free already
  uint64_t next_id_ = 1;
  uint64_t due_ns_ = 0;  // up to this time no grace period ends
  uint32_t losses_ = 0;  // reported so far
  uint8_t visible_stages_;
};

}  // namespace swaptrail::lifecycles
