// A simulated machine: processes, memory, swap, and the kernel between them. Internal to engine/.
//
// Steps of several CPUs interleave without threads: at every question of shrink_folio() the machine
// may let another CPU do a piece of its work, one fault or one folio, before it answers. So another
// process really does fault the page between two steps of its swap-out, and waits for its lock.
//
// machine.cpp: frame, clock, CPUs; machine_world.cpp: the questions; machine_reclaim.cpp: batches;
// machine_fault.cpp: accesses and faults; machine_swap.cpp: slots and the swap cache;
// machine_process.cpp: fork, exit, munmap, MADV_PAGEOUT, swapoff.
#ifndef SWAPTRAIL_ENGINE_MACHINE_H_
#define SWAPTRAIL_ENGINE_MACHINE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "engine/device.h"
#include "engine/frames.h"
#include "engine/lru.h"
#include "engine/machine_state.h"
#include "engine/page_table.h"
#include "engine/shrink.h"
#include "engine/simulation.h"
#include "engine/slots.h"
#include "engine/swap_cache.h"
#include "engine/swap_out_log.h"

namespace swaptrail::engine {

class Machine final : private World {
 public:
  // The options must be possible (see simulate()); they and the output must outlive it.
  Machine(const SimulationOptions& options, EventOutput& output);
  absl::Status run();
  SimulationResult take_result() { return std::move(result_); }

 private:
  // ---- machine.cpp
  absl::Status set_up();
  void add_process(const ProcessPlan& plan);
  bool running() const { return alive_ != 0 && status_.ok() && !result_.truncated; }
  void run_cpu(uint32_t cpu);
  bool step(Process& process);  // false: it is blocked
  void pause();                 // between two steps: others may go on
  void run_other();
  void complete_due();
  void complete(const Flight& flight);
  void tick(uint32_t most_ns) { now_ += 1 + (random_ & (most_ns - 1)); }
  uint64_t draw() { return splitmix64(random_); }
  bool chance(double share);
  bool disturbed() { return options_.disturbance > 0 && chance(options_.disturbance); }
  swaptrail_event& begin_event(swaptrail_kind kind);
  swaptrail_event& begin_folio_event(swaptrail_kind kind, const Folio& folio, bool in_batch);
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
  DeviceAnswer device_write(Folio& folio) override;
  bool relock(Folio& folio) override;
  bool freeze(Folio& folio) override;
  void tell(swaptrail_kind kind, const Folio& folio, int32_t result, uint8_t backend) override;
  void leave_cache(Folio& folio, bool reclaimed) override;
  uint32_t unmap_from(Folio& folio, const MappingNode& node);
  void tell_unmapped_one(const Folio& folio, const MappingNode& node, uint32_t first,
                         uint32_t ptes);
  void split_off(uint32_t head, uint32_t index);
  uint32_t take_young(uint32_t head);

  // ---- machine_reclaim.cpp
  bool has_room(Process& process, uint64_t pages);  // false: reclaim began, try again later
  void begin_pageout(Process& process, uint64_t first, uint64_t count);
  void reclaim_piece(Process& process);
  bool next_batch(Process& process);
  void fill_batch(Process& process);
  void lower_priority(Process& process);
  void begin_batch(Process& process);
  void shrink_one(Process& process);
  void end_batch(Process& process);
  void put_back(Process& process);
  void put_back_one(Process& process, const Reclaim::Done& done);
  void account(Reclaim& reclaim, const Folio& folio, uint32_t nr_pages, const PassEnd& end);
  void out_of_memory(Process& process);
  void submit_queued(uint32_t cpu);
  void balance_lists();
  void walk_page_tables();

  // ---- machine_fault.cpp
  bool access(Process& process, const Access& access);  // false: blocked or reclaiming
  bool access_shared(Process& process, const Access& access);
  bool first_touch(Process& process, uint64_t page, bool write);
  bool swap_fault(Process& process, uint64_t page, bool write);
  bool write_fault(Process& process, uint64_t page);
  void copy_on_write(Process& process, uint64_t page);
  uint32_t read_for(Process& process, uint64_t page, uint64_t entry, uint32_t& result);
  void read_ahead(Process& process, uint64_t page, uint32_t window);
  void map_swapped(Process& process, uint64_t page, uint32_t frame, uint64_t entry, bool write);
  void store(Process& process, uint64_t page, uint32_t frame);
  void check(uint32_t frame, uint64_t token);
  void map(Process& process, uint64_t page, uint32_t frame, bool writable);
  bool block_on(Process& process, uint32_t head);  // always false
  void unblock(Process& process);
  uint32_t new_frame(uint32_t order, bool anon);
  uint32_t new_large(Process& process, uint64_t page, uint64_t& first);
  void maybe_free(uint32_t head);
  bool is_exclusive(const Folio& folio, uint32_t frame);

  // ---- machine_swap.cpp
  AreaRun& area_of(uint64_t entry) { return *areas_[entry_type(entry)]; }
  uint16_t& count_of(uint64_t entry) { return area_of(entry).store.count(entry_offset(entry)); }
  bool any_count(const Folio& folio);
  void put_count(uint64_t entry);
  void release_slots(uint64_t entry, uint32_t nr_pages);
  void free_slots(uint64_t entry, uint32_t nr_pages);
  void flush_returned(uint32_t cpu);
  bool try_free_swap(uint32_t head);  // folio_free_swap
  void drop_from_cache(uint32_t head);
  bool swap_full() const;  // vm_swap_full
  bool reclaim_slot(uint64_t entry);
  Home read_slot(uint32_t frame, uint64_t entry, bool cached);
  uint32_t read_into_cache(uint64_t entry, bool readahead);

  // ---- machine_process.cpp
  bool act(Process& process, const Action& action);  // false: not finished
  void fork(Process& process, uint64_t accesses);
  bool unmap_range(Process& process, uint64_t first, uint64_t count);
  void zap(Process& process, uint64_t page);
  void unmap_page(Process& process, uint64_t page, Pte pte);
  bool exit(Process& process);
  bool swapoff_piece(Process& process, uint32_t area);
  bool start_swapoff(uint32_t type);
  bool unuse(Process& process, uint64_t entry);
  bool unuse_page(Process& process, uint64_t entry, uint32_t frame);

  const SimulationOptions& options_;
  EventOutput& output_;
  const Features& features_;
  SimulationResult result_;
  absl::Status status_;
  uint64_t random_;
  uint64_t now_ = 1'000'000'000;
  uint64_t resident_ = 0;  // base pages charged
  uint64_t tokens_ = 0;
  uint32_t alive_ = 0;
  Process* current_ = nullptr;
  swaptrail_event event_{};
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
};

}  // namespace swaptrail::engine

#endif  // SWAPTRAIL_ENGINE_MACHINE_H_
