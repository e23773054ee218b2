// The way back of every swapped-out page, from the events alone: what may be returned by whom, once.
//
// A *stay* of a page in swap begins when reclaim removes it from the swap cache. It ends when a fault
// maps it, or when its slot is freed. A *fault* is all passes of do_swap_page (mm/memory.c) that one
// thread makes for one address while the kernel returns VM_FAULT_RETRY, or one call of
// shmem_swapin_folio (mm/shmem.c). Each return that trace/ reports is checked against these two.
// Internal to engine/.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "engine/lockstep/lockstep.h"
#include "engine/lockstep/lockstep_records.h"
#include "engine/lockstep/rules.h"
#include "trace/lifecycle.h"

namespace swaptrail::engine {

class WayBack {
 public:
  struct Wrong {
    FindingKind kind = FindingKind::kDisagreement;
    Rule rule = Rule::kCount;
    uint64_t lifecycle_id = 0;
    uint64_t entry = 0;
    uint64_t time_ns = 0;
    std::string text;
  };
  using Report = std::function<void(Wrong wrong)>;
  // Whether something that happened since that time may be hidden.
  using Hidden = std::function<bool(uint64_t since_ns)>;

  // The options and the counters must outlive it.
  WayBack(const LockstepOptions& options, LockstepCounters& counters, Report report, Hidden hidden);

  // ---- what was observed, in the order of the stream
  void on_event(const Event& event);  // each; looks at reads, faults and freed slots
  void on_ignored(const Event& event) { ignored_ns_ = event.time_ns; }  // it came twice
  void on_loss(const Loss& loss);
  void on_allocated(uint64_t entry, uint32_t nr_pages, uint64_t time_ns);
  // A folio that is not followed got these slots.
  void on_reused(const Event& event);
  // Reclaim removed it: the stay begins. Call it after on_event() of the REMOVED.
  void on_removed(const Event& event);
  // A folio that nobody maps: its page was in swap all the time, or was copied. `is_reported`: trace/ must
  // report it.
  void on_dropped(const Event& event, bool is_reported);
  // Zswap writes an older page to the device (mm/zswap.c: zswap_writeback_entry).
  void on_zswap_written(const Event& event);
  void forget(uint64_t entry, uint32_t nr_pages);  // nothing is known of these slots any more

  // ---- what trace/ made of it
  void on_lifecycle(const Lifecycle& lifecycle);
  void on_return(const Return& back);
  void on_stay(const Stay& stay);
  void finish();

 private:
  // One stay of one page, or what is known of a slot without a stay.
  struct PageStay {
    uint64_t removed_ns = 0;     // 0: there was no stay since the slot was allocated
    uint64_t allocated_ns = 0;   // 0: not seen
    uint64_t freed_ns = 0;       // its slot, 0 = not
    uint64_t superseded_ns = 0;  // removed again, though it was not seen to come back; 0 = not
    uint64_t fault = 0;          // number of the fault that brought it back, 0 = none
    uint64_t lifecycle = 0;      // id of the lifecycle that began it, 0 = not reported
    uint64_t forgotten_ns = 0;  // until then the slot had a stay of which nothing is kept; 0 = none
    uint32_t freed_tid = 0;     // by this thread
    bool reported = false;      // returned, according to trace/
    bool swapoff = false;       // freed by swapoff
    bool inside = false;        // freed inside __remove_mapping
    bool read = false;          // since it began

    bool away() const { return removed_ns != 0 && !reported; }
    bool ended() const { return freed_ns != 0 || fault != 0; }
  };
  struct Fault {
    uint64_t number = 0;
    uint64_t begin_ns = 0;  // of the first pass
    uint64_t end_ns = 0;    // of the last
    uint64_t sum_ns = 0;    // of all passes
    uint64_t entry = 0;     // of the last pass
    uint64_t address = 0;
    uint64_t reader_cgroup = 0;
    uint32_t tgid = 0;
    uint32_t owner = 0;
    uint32_t passes = 0;
    uint32_t first_page = 0;  // pages between the first that was mapped and `entry`
    uint32_t mapped = 0;
    uint32_t due = 0;     // pages that it brings back
    uint32_t unsure = 0;  // pages of which it is not known
    uint32_t returned = 0;
    uint32_t mapped_reported = 0;
    int32_t result = 0;
    uint16_t state = 0;
    bool shmem = false;
    bool open = false;  // VM_FAULT_RETRY: another pass may come
    bool reported = false;
    bool any_major = false;  // one of its passes returned VM_FAULT_MAJOR
    bool counted = false;    // its page table entries were
    Comm comm{};

    // Did its last pass return this bit of enum swaptrail_fault?
    bool has(swaptrail_fault bit) const {
      return result > 0 && (static_cast<uint32_t>(result) & bit) != 0;
    }
  };
  // What a thread does between a read and the end of its fault.
  struct Thread {
    std::deque<Fault> faults;  // not reported yet, and the last that was
    uint64_t read_entry = 0;   // read past the swap cache in this fault, 0 = nothing
    uint32_t read_pages = 0;
    uint64_t freed_entry = 0;     // freed in this fault by itself, after it had read it
    std::vector<uint64_t> reads;  // entries read since its last fault; at most kMostReads
    uint64_t begun_ns = 0;        // the begin of the earliest of the above
    uint64_t left_ns = 0;         // it was in no fault then, 0 = not known
  };
  struct Early {  // freed before the REMOVED of its folio was reported
    uint64_t entry = 0;
    uint32_t nr_pages = 0;
    uint64_t time_ns = 0;
    uint64_t batch_ns = 0;
  };

  // way_back.cpp: events
  void on_read(const Event& event);
  void on_freed(const Event& event);
  void on_swap_in(const Event& event);
  void on_shmem_swap_in(const Event& event);
  Fault& pass_of(Thread& thread, const Event& event);
  Fault& begin_fault(Thread& thread, const Event& event);
  void make_room(Thread& thread);
  void end_pass(Thread& thread, Fault& fault, const Event& event, bool done);
  void bring_back(Fault& fault, uint64_t from_ns);
  void check_mapped(const Thread& thread, const Fault& fault, const Event& event);
  void check_not_swapoff(const Fault& fault, const Event& event);
  void check_thread(Thread& thread, const Event& event, uint64_t first, uint32_t nr_pages);
  PageStay* stay_at(uint64_t entry, bool make);
  PageStay* unreported_at(uint64_t entry);
  PageStay* open_at(uint64_t entry, uint64_t from_ns);
  template <typename Fits>
  PageStay* first_stay(uint64_t entry, const Fits& fits);
  bool is_back(uint64_t entry, uint64_t from_ns);
  void retire(uint64_t entry, PageStay& stay, uint64_t now_ns);
  Thread& thread_of(uint32_t tid);
  bool sure(const PageStay& stay) const;
  // A loss may hide how the fault that the thread is in began: the fault can be much older than what was
  // seen of it.
  bool began_hidden(const Thread& thread) const { return hidden_(thread.left_ns); }
  void report(FindingKind kind, Rule rule, const Event& event, std::string text);

  // way_back_returns.cpp: returns
  Rule judge(const Return& back, std::string& text, bool& compared);
  Fault* fault_of(const Return& back);
  Rule check_reader(const Fault& fault, const Return& back, std::string& text) const;
  Rule check_length(const Fault& fault, const Return& back, std::string& text) const;
  Rule check_page(PageStay& stay, const Fault* fault, const Return& back, std::string& text) const;
  Rule check_unknown(uint64_t entry, const Fault* fault, std::string& text, bool& compared);
  PageStay* stay_of(uint64_t entry, const Fault* fault, const Return& back);
  bool is_of_forgotten(uint64_t entry, const Return& back);
  void mark_reported(uint64_t entry, PageStay* stay);
  void close_fault(const Fault& fault);
  void report_missing(uint64_t entry, const PageStay& stay);

  const LockstepOptions& options_;
  LockstepCounters& counters_;
  Report report_;
  Hidden hidden_;
  absl::flat_hash_map<uint64_t, PageStay> stays_;  // the last one of each slot, by entry
  absl::flat_hash_map<uint64_t, std::deque<PageStay>> older_;  // ended, not reported yet
  absl::flat_hash_map<uint32_t, Thread> threads_;
  absl::flat_hash_map<uint32_t, std::vector<Early>> early_;  // by thread
  absl::flat_hash_map<uint64_t, uint32_t> moves_;  // by entry: zswap's writes, not reported
  absl::flat_hash_map<uint64_t, uint32_t> drops_;  // by entry: of pages read ahead, not reported
  uint64_t faults_ = 0;
  uint64_t now_ns_ = 0;
  uint64_t forgotten_ns_ = 0;  // all threads were forgotten then
  uint64_t ignored_ns_ = 0;    // the time of an event that was left out
  bool lost_ = false;          // there was a loss
  bool runs_skipped_ = false;  // there was one of program runs
  const bool frees_at_once_;   // the task that drops a slot's last reference frees it
};

// The oldest that fits, or null.
template <typename Fits>
WayBack::PageStay* WayBack::first_stay(uint64_t entry, const Fits& fits) {
  const auto older = older_.find(entry);
  if (older != older_.end()) {
    const auto one = std::find_if(older->second.begin(), older->second.end(), fits);
    if (one != older->second.end()) return &*one;
  }
  PageStay* stay = stay_at(entry, false);
  return stay != nullptr && fits(*stay) ? stay : nullptr;
}

}  // namespace swaptrail::engine
