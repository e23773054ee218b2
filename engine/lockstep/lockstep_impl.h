// The state of the lockstep validator. Internal to engine/.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/container/node_hash_map.h"
#include "engine/lockstep/lockstep.h"
#include "engine/lockstep/lockstep_records.h"
#include "engine/lockstep/stream_check.h"
#include "engine/lockstep/way_back.h"
#include "engine/steps/shrink.h"
#include "trace/decode.h"
#include "trace/kinds.h"

namespace swaptrail::engine {

class Lockstep::Impl {
 public:
  Impl(const LockstepOptions& options, FindingSink& sink);

  void on_area(const Area& area, uint64_t empty_at_ns);
  void on_event(const Event& event, uint64_t sequence);
  void on_loss(const Loss& loss);
  void on_lifecycle(const Lifecycle& lifecycle);
  void on_return(const Return& back) { way_back_.on_return(back); }
  void on_stay(const Stay& stay) { way_back_.on_stay(stay); }
  void finish(uint64_t now_ns);

  LockstepCounters counters;

 private:
  friend class ObservedPass;
  // ---- lockstep.cpp: the stream, batches and passes
  template <typename Receiver>
  friend void swaptrail::dispatch(const swaptrail_event& event, Receiver& to);
  void on_reclaim_begin(const Event& event);
  void on_reclaim_end(const Event& event);
  void on_pass_event(const Event& event);
  void on_slot_allocated(const Event& event) { on_pass_event(event); }
  void on_unmapped_one(const Event& event) { on_pass_event(event); }
  void on_unmapped(const Event& event) { on_pass_event(event); }
  void on_write_begin(const Event& event) { on_pass_event(event); }
  void on_zswap_stored(const Event& event) { on_pass_event(event); }
  void on_write_issued(const Event& event) { on_pass_event(event); }
  void on_write_end(const Event& event) { on_pass_event(event); }
  void on_removed(const Event& event) { on_pass_event(event); }
  void on_write_completed(const Event& event);
  void on_page_freed(const Event&) {}  // not in this mode
  void on_cache_deleted(const Event& event);
  void on_split(const Event& event);
  Batch& batch_of(const Event& event);
  bool is_foreign_write(const Batch& batch, const Event& event) const;
  void close_pass(Batch& batch);
  void run_pass(Batch& batch, FolioRecord& record, const std::vector<Event>& events);
  void end_batch(Batch& batch);
  void leave_reclaim(const Event& event);
  void check_batch(const Event& event);
  bool is_of_other_thread(const Event& event) const;
  void judge_strangers(const Batch& batch, FolioRecord& record, const std::vector<Event>& events,
                       const PassEnd& end);
  void drop_oldest_batch();
  Batch* pass_on(uint64_t folio);
  Batch* pass_of(uint64_t entry, uint32_t nr_pages);
  void outside(const Event& event);
  void foreign_write(const Event& event);
  bool is_tried_only(const Event& event);
  void note_removed(const FolioRecord& record, const std::vector<Event>& events);
  // Creates the entry, with `time_ns`, if it does not exist; if there is no room, all others are
  // forgotten.
  uint64_t& place_of(absl::flat_hash_map<uint32_t, uint64_t>& by_id, uint32_t id,
                     uint64_t time_ns = 0) {
    if (by_id.size() >= kMaxThreads && !by_id.contains(id)) {
      by_id.clear();
      ++counters.threads_full;
    }
    return by_id.try_emplace(id, time_ns).first->second;
  }

  // ---- lockstep_folios.cpp: folios and what happens to them outside their passes
  FolioRecord* enter(const Event& first, const Batch& batch);
  FolioRecord* adopt(const Event& event, const Batch* batch);
  FolioRecord* adopt_zswap(const Event& event);
  FolioRecord* claim_from(const Event& event, const Batch* batch);
  FolioRecord* record_of(const Event& event);
  void orphan(FolioRecord& record);
  void forget(FolioRecord& record);
  static bool gets_slot(const Event& event);
  void not_followed(const Event& event);
  void apply(FolioRecord& record, const Event& event);
  void check_state(FolioRecord& record, const Event& event, uint16_t more);
  void apply_completed(FolioRecord& record, const Event& event);
  bool leave_closed(const FolioRecord& record, const Event& event);
  void note_mapped(FolioRecord& record, const Event& event);
  void apply_left(FolioRecord& record, const Event& event);
  void apply_split(const Event& event);
  void begin_account(FolioRecord& record, const Event& first);
  void close_account(FolioRecord& record);
  void age_closed();
  void report_missing(const Account& account);
  void settle(FolioRecord& record, const PassEnd& end);
  void remember(FolioRecord& record, const Event& event);

  // ---- lockstep_slots.cpp
  void on_slot_freed(const Event& event);
  void free_slots(const Event& event, bool must_have_left);
  void judge_freed_early(Batch& batch, const Event& next);
  bool was_there(uint32_t process, uint64_t time_ns) const;
  void on_swap_in(const Event& event);
  void on_shmem_swap_in(const Event& event);
  void on_swap_read(const Event& event);
  void on_zswap_loaded(const Event& event);
  bool was_free(uint64_t entry) const;
  // Created if it does not exist; null: no room. What was known before a loss is not known any more:
  // the slot may have been freed, taken and written to meanwhile, and its next event would hide that.
  SlotRecord* slot_of(uint64_t entry);
  void claim_slots(FolioRecord& record, const Event& event);
  void store_slots(const FolioRecord& record, bool stored);
  void store_slots(uint64_t entry, uint32_t nr_pages, bool stored);
  // The page of the folio where an unmapping begins, or SWAPTRAIL_PAGE_UNKNOWN. Events of ABI 1 have a
  // wrong value for private pages of files on Linux 7.3.
  uint32_t first_page_of(const Event& event, uint32_t nr_pages) const {
    const bool known = event.u.map.first_page != SWAPTRAIL_PAGE_UNKNOWN;
    if (nr_pages == 1 && (!known || options_.event_abi < 2)) return 0;
    return event.u.map.first_page;
  }
  void uncache_slots(uint64_t entry, uint32_t nr_pages, uint64_t folio);
  void map_slots(const FolioRecord& record, const Event& event);
  void refault_closed(const FolioRecord& record);
  void check_fault(const SlotRecord& slot, const Event& event);
  bool read_later(const SlotRecord& slot, const Event& event) const;
  void check_removed(const FolioRecord& record, const Event& event);
  void read_slot(SlotRecord& slot, uint64_t entry, const Event& event);

  // ---- lockstep_findings.cpp
  void find(FindingKind kind, Rule rule, const Event& event, std::string text,
            FolioRecord* record = nullptr);
  // Something that happened since then may be hidden: by a loss, or because nobody looked yet.
  bool hidden(uint64_t since_ns) const {
    return loss_until_ns_ > since_ns || since_ns <= options_.start_ns;
  }
  std::string describe(const FolioRecord& record) const;
  void match(const Lifecycle& lifecycle);
  bool match_closed(const Lifecycle& lifecycle);
  void judge(Account& account, const Lifecycle& lifecycle);
  void report(Finding finding);
  void report_wrong(WayBack::Wrong wrong);
  void report_held();
  void report_strays();
  void report_missing();
  void take(Taken taken, uint64_t count = 1) {
    counters.taken[static_cast<size_t>(taken)] += count;
  }
  bool sampled(uint64_t folio) const {
    return options_.sample <= 1 || (folio / options_.page_struct_size) % options_.sample == 0;
  }
  bool is_slot(uint64_t entry) const {
    return entry != 0 && entry_type(entry) < options_.max_swapfiles;
  }

  const LockstepOptions options_;
  FindingSink& sink_;
  StreamCheck stream_;
  std::vector<Finding> held_;  // at most max_findings
  uint64_t loss_until_ns_ = 0;
  bool runs_skipped_ = false;  // a loss reported program runs
  uint64_t now_ns_ = 0;
  absl::flat_hash_map<uint32_t, std::unique_ptr<Batch>> batches_;  // by thread
  absl::flat_hash_set<Batch*> passes_;  // batches that work on a folio that we follow
  absl::node_hash_map<uint64_t, FolioRecord> folios_;  // by address
  absl::flat_hash_map<uint64_t, SlotRecord> slots_;    // by entry
  // Accounts that the model has closed, but trace/ not yet; by folio, in order.
  absl::flat_hash_map<uint64_t, std::deque<Account>> closed_;
  size_t closed_count_ = 0;  // of accounts; at most max_folios
  struct Closing {
    uint64_t folio = 0;
    uint64_t first_batch_ns = 0;
    uint64_t closed_ns = 0;
  };
  std::deque<Closing> closing_;  // of accounts in closed_, and of some that were reported since
  std::vector<Event> running_;   // the pass that is being looked at
  bool finished_ = false;
  WayBack way_back_;
  // Folios that left the cache: a fault that began before may still report that it took them.
  absl::flat_hash_map<uint64_t, uint64_t> leaving_;           // entry of a page -> folio
  absl::flat_hash_map<uint32_t, uint64_t> ended_;             // by thread: its last batch
  absl::flat_hash_map<uint32_t, uint64_t> first_of_process_;  // when it was first seen
  absl::flat_hash_map<uint32_t, uint64_t> last_of_thread_;    // when a thread's last event was
  // Pages that came back to another process or address: a fork or mremap moves many, a single one
  // is odd.
  struct Stray {
    uint64_t count = 0;        // of different unmappings
    uint64_t unmapped_ns = 0;  // the first
    Finding first;
  };
  absl::flat_hash_map<std::pair<uint64_t, uint64_t>, Stray> strays_;
  std::array<uint64_t, 32> area_pages_{};     // by type, 0 = not known (swapon came later)
  std::array<uint64_t, 32> area_empty_ns_{};  // 0 = it may have had slots in use
};

}  // namespace swaptrail::engine
