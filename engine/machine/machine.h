// A simulated machine: processes, memory, swap, and the kernel between them. Internal to engine/.
//
// Steps of several CPUs interleave without threads: at every question of shrink_folio() the machine
// may let another CPU do a piece of its work, one fault or one folio, before it answers. So another
// process really can fault the page between two steps of its swap-out, and wait for its lock.
//
// machine.cpp: frame, clock, CPUs; machine_world.cpp: the questions; machine_reclaim.cpp: batches;
// machine_fault.cpp: accesses and faults; machine_readahead.cpp; machine_swap.cpp: slots and the swap cache;
// machine_process.cpp: fork, exit, munmap, MADV_PAGEOUT, swapoff; machine_driven.cpp: driven from outside.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/machine/device.h"
#include "engine/machine/frames.h"
#include "engine/machine/lru.h"
#include "engine/machine/machine_state.h"
#include "engine/machine/page_table.h"
#include "engine/machine/simulation.h"
#include "engine/machine/swap_cache.h"
#include "engine/machine/swap_out_log.h"
#include "engine/slots/slots.h"
#include "engine/steps/shrink.h"
#include "trace/check.h"

namespace swaptrail::engine {

class Machine final : private World {
 public:
  // The options must be possible (see simulate()); they and the output must outlive it.
  Machine(const SimulationOptions& options, EventOutput& output);
  absl::Status run();
  SimulationResult take_result() { return std::move(result_); }

  // ---- machine_driven.cpp: instead of run(). One access is done, with all its waiting, before the next begins; only the
  // end of writes comes in between. Memory that can't be had kills the process that wants it.

  // Before the first. Errors: InvalidArgument for areas that can't be, or more CPUs than one.
  absl::Status begin();
  // A process without memory: its index, from 0. Errors: ResourceExhausted after kMaxProcesses, living or not.
  absl::StatusOr<uint32_t> start_process();
  // A child with all that the process has. The process must be alive. Errors as above.
  absl::StatusOr<uint32_t> fork_process(uint32_t process);
  // `page`: below 2^36. The process must be alive, and may not be after. Errors: Internal for a broken invariant, or a
  // page that somebody has locked by hand and would never unlock.
  absl::Status touch(uint32_t process, uint64_t page, bool write);
  // Hints that touch() will come: the page's entry is needed, and later what the entry names. They change nothing.
  void prefetch_entry(uint32_t process, uint64_t page) const;
  void prefetch_named(uint32_t process, uint64_t page, bool write) const;
  void end_process(uint32_t process);  // no effect on one that has ended
  bool is_alive(uint32_t process) const { return processes_[process]->alive; }
  const SimulationResult& so_far() const { return result_; }
  uint64_t resident() const { return resident_; }  // base pages in memory: at most limit_pages

  // ---- for those who do one step of reclaim by hand, to a machine that nobody observes
  World& world() {
    SWAPTRAIL_CHECK(driven_ && !observed_);
    return *this;
  }
  Pte entry_of(uint32_t process, uint64_t page);  // what is in the page table
  Folio* folio_of(uint32_t process,
                  uint64_t page);  // mapped there, or in the swap cache; null: not in memory
  bool is_locked(const Folio& folio) const { return frames_[FrameTable::of(folio)].locked; }
  void unlock(const Folio& folio) { frames_[FrameTable::of(folio)].locked = false; }
  // Reclaim has taken it out of the swap cache, and nobody maps it: its frame is free.
  void free_removed(const Folio& folio);
  bool is_cached(uint64_t entry) const { return cache_.find(entry) != kNoFrame; }
  void wait_for_writes();  // until none is under way
  void end_write(const Folio& folio,
                 bool failed);  // of a folio that was marked as under writeback by hand
  // try_to_unmap_flush_dirty: if a processor may still write through an entry that this batch of reclaim took away, all of
  // them are flushed now.
  void flush_dirty_entries();

 private:
  // ---- machine_driven.cpp
  void run_as(Process& process);
  uint64_t place_of(Process& process, uint64_t page);
  uint64_t address_of(const Process& process, uint64_t place) const;

  // ---- machine.cpp
  absl::Status set_up();
  void add_process(const ProcessPlan& plan);
  bool running() const { return alive_ != 0 && status_.ok() && !result_.truncated; }
  void run_cpu(uint32_t cpu);
  bool step(Process& process);  // false: it is blocked
  void pause();                 // between two steps: others may continue
  void run_other();
  void complete_due();
  void complete(const Flight& flight);
  void tick(uint32_t most_ns) {  // a power of two
    jitter_ = jitter_ * 6364136223846793005 + 1442695040888963407;
    now_ += 1 + (jitter_ >> 40 & (most_ns - 1));
  }
  uint64_t draw() { return splitmix64(random_); }
  bool chance(double share);
  bool disturbed() { return options_.disturbance > 0 && chance(options_.disturbance); }
  swaptrail_event& begin_event(swaptrail_kind kind);
  swaptrail_event& begin_folio_event(swaptrail_kind kind, const Folio& folio, bool in_batch);
  void name_batch(swaptrail_event& event);
  void send(swaptrail_event& event);

  // ---- machine_world.cpp: World
  bool lock(Folio& folio) override;
  References references(Folio& folio) override;
  bool pinned(Folio& folio) override { return folio.pinned; }
  bool split_first(Folio& folio) override;
  bool split(Folio& folio) override;
  SlotAnswer allocate(Folio& folio) override;
  UnmapAnswer unmap(Folio& folio) override;
  bool extra_reference(Folio& folio) override;
  bool has_user(Folio& folio) override;
  bool prepares(Folio&) override { return true; }
  bool zero_filled(Folio& folio) override;
  bool zswap_stores(Folio& folio) override;
  bool zswap_only(Folio&) override { return false; }
  void device_write(Folio& folio) override;
  bool relock(Folio& folio) override;
  bool freeze(Folio& folio) override;
  void report(swaptrail_kind kind, const Folio& folio, int32_t result, uint8_t backend) override;
  void leave_cache(Folio& folio, bool reclaimed) override;
  void forget_mapping(const Folio& folio);
  void go_away(const Folio& folio);
  void note(swaptrail_kind kind, const Folio& folio, int32_t result, uint8_t backend);
  uint32_t unmap_from(Folio& folio, const MappingNode& node);
  void report_unmapped_one(const Folio& folio, const MappingNode& node, uint32_t first,
                           uint32_t ptes);
  void defer_flush(bool dirty);
  void flush_deferred(Reclaim& reclaim);
  void move_head(const Folio& folio);
  void submit(Flight flight);
  void submit_queued(uint32_t cpu);
  void split_off(uint32_t head, uint32_t index);
  uint32_t take_young(uint32_t head);

  // ---- machine_reclaim.cpp
  bool has_room(Process& process, uint64_t pages);  // false: reclaim began, try again later
  void begin_pageout(Process& process, uint64_t first, uint64_t count);
  void reclaim_piece(Process& process);
  bool next_batch(Process& process);
  void fill_pageout(Process& process);
  void lower_priority(Process& process);
  void out_of_memory(Process& process);
  void begin_batch(Process& process);
  void shrink_one(Process& process);
  void free_reclaimed(uint32_t head);
  void account(Reclaim& reclaim, const Folio& folio, const PassEnd& end);
  void end_batch(Process& process);
  void put_back(Process& process);
  bool may_have_missed_rotation(const Folio& folio) const;
  void end_scan(Process& process);

  // ---- machine_scan.cpp
  void begin_scan(Reclaim& reclaim);
  void end_round(Reclaim& reclaim);
  void fill_batch(Reclaim& reclaim);
  void scan_generations(Reclaim& reclaim);
  void scan_bounded(Reclaim& reclaim);
  void balance_lists(uint64_t most);
  void prefetch(std::span<const uint32_t> heads);
  void walk_page_tables();
  bool may_clear_young(const Pte& pte) const;
  bool walk_page_table(Process& process, uint64_t first);
  uint32_t look_around(uint32_t head);
  void look_around(Process& process, uint64_t page);

  // ---- machine_fault.cpp
  bool access(Process& process, const Access& access);  // false: blocked or reclaiming
  bool access_shared(Process& process, const Access& access);
  bool bring_in_shared(Process& process, uint32_t index);
  bool first_touch(Process& process, uint64_t page, bool write);
  bool write_fault(Process& process, uint64_t page);
  bool swap_fault(Process& process, uint64_t page, bool write);
  void report_pass(Process& process, uint64_t page, uint64_t entry, int32_t result, uint16_t ptes);
  void report_shared(Process& process, uint32_t index, uint64_t entry, bool read,
                     uint64_t begin_ns);
  void take_back(Process& process, uint64_t entry);
  void report_back(const Process& process, uint64_t entry, bool major);
  void copy_on_write(Process& process, uint64_t page);
  uint32_t read_for(Process& process, uint64_t page, uint64_t entry, int32_t& result);
  void map_swapped(Process& process, uint64_t page, uint32_t frame, uint64_t entry, bool write);
  uint64_t readahead_room() const;
  uint32_t readahead_window(ReadaheadWindow& before, uint64_t page) const;
  void hit_readahead(Process& process, uint64_t page, uint32_t frame);
  void read_ahead(Process& process, uint64_t page);
  void read_ahead_slots(uint64_t entry);
  void store(Process& process, uint64_t page, uint32_t frame);
  void check(uint32_t frame, uint64_t token);
  void map(Process& process, uint64_t page, uint32_t frame, bool writable);
  bool block_on(Process& process, uint32_t head);  // always false
  void unblock(Process& process);
  bool wait_for_writeback();
  uint32_t new_frame(uint32_t order);
  uint32_t order_for(const Process& process, uint64_t page) const;
  void free_folio(uint32_t head);
  bool maybe_free(uint32_t head);
  bool is_exclusive(const Folio& folio, uint32_t frame);

  // ---- machine_swap.cpp
  AreaRun& area_of(uint64_t entry) { return *areas_[entry_type(entry)]; }
  uint16_t& count_of(uint64_t entry) { return area_of(entry).store.count(entry_offset(entry)); }
  bool swap_full() const;
  bool any_count(const Folio& folio);
  void put_count(uint64_t entry);
  void release_slots(uint64_t entry, uint32_t nr_pages);
  void free_slots(uint64_t entry, uint32_t nr_pages);
  void flush_returned(uint32_t cpu);
  bool try_free_swap(uint32_t head);
  void drop_from_cache(uint32_t head);
  bool reclaim_slot(uint64_t entry);
  void read_slot(uint32_t frame, uint64_t entry);
  uint32_t read_into_cache(uint64_t entry, bool readahead);

  // ---- machine_process.cpp
  bool act(Process& process, const Action& action);
  void fork(Process& process, uint64_t accesses);
  void unmap_range(Process& process, uint64_t first, uint64_t count);
  void exit(Process& process);
  void zap(Process& process, uint64_t page);
  void unmap_page(Process& process, uint64_t page);
  void forget_mapping(Process& process, uint32_t head);
  bool start_swapoff(uint32_t type);
  bool swapoff_piece(Process& process, uint32_t type);
  bool unuse(Process& process, Process& owner, uint64_t page);
  uint32_t bring_back(Process& process, uint64_t entry);
  bool unuse_shared(Process& process, uint32_t type);
  bool drop_unused(Process& process, uint32_t type);

  const SimulationOptions& options_;
  EventOutput& output_;
  const Features& features_;
  bool observed_;  // events and truths are kept: until max_events
  bool driven_ = false;
  SimulationResult result_;
  absl::Status status_;
  uint64_t random_;
  uint64_t jitter_ = 1;
  uint64_t now_ = 1'000'000'000;
  uint64_t resident_ = 0;  // base pages charged
  uint64_t tokens_ = 0;
  uint32_t alive_ = 0;
  uint64_t activated_before_ = 0;    // lruvec->refaults: at the end of the last reclaim
  uint64_t cost_noted_ = 0;          // pages written that lru_note_cost has counted
  uint32_t stalls_ = 0;              // reclaims in a row that freed nothing
  uint64_t next_write_ = 0;          // entry behind the last write to a device; 0: there was none
  ReadaheadWindow slot_readahead_;   // where readahead is by slot
  bool slot_is_taken_back_ = false;  // by the allocator, see reclaim_slot()
  uint32_t cpu_ = 0;
  Process* current_ = nullptr;  // on that CPU; null: it is idle
  swaptrail_event event_{};
  std::vector<MappingNode> scratch_nodes_;
  std::vector<CpuRun> cpus_;
  std::vector<std::unique_ptr<Process>> processes_;
  std::vector<std::unique_ptr<AreaRun>> areas_;  // by type
  FrameTable frames_;
  Mappings mappings_;
  Lru lru_;
  SwapCache cache_;
  SlotAllocator slots_;
  SwapOutLog log_;
  Flights flights_;
  SharedObject shared_;
  absl::flat_hash_set<uint64_t> away_;  // slots of pages that reclaim has freed
};

}  // namespace swaptrail::engine
