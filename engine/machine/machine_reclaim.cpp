// Reclaim: batches of folios through shrink_folio(), and what happens to them after that.
#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "engine/machine/machine.h"

namespace swaptrail::engine {
namespace {

constexpr uint32_t kNoField = ~uint32_t{0};  // RECLAIM_END: the kernel has no such counter
constexpr uint32_t kMostStalls = 1'000'000;  // turns without a page freed, while others hold some

}  // namespace

bool Machine::has_room(Process& process, uint64_t pages) {
  if (resident_ + pages <= options_.limit_pages) return true;
  Reclaim& reclaim = process.reclaim;
  reclaim.active = true;
  reclaim.control = ScanControl{};
  reclaim.control.origin = SWAPTRAIL_ORIGIN_MEMCG_LIMIT;
  reclaim.control.gfp = kGfpCharge;
  reclaim.priority = kDefPriority;
  reclaim.target = std::max<uint64_t>(kBatch, resident_ + pages - options_.limit_pages);
  reclaim.reclaimed = 0;
  reclaim.tries = 0;
  begin_scan(reclaim);
  return false;
}

void Machine::begin_pageout(Process& process, uint64_t first, uint64_t count) {
  Reclaim& reclaim = process.reclaim;
  reclaim.active = true;
  reclaim.control = ScanControl{};
  reclaim.control.origin = SWAPTRAIL_ORIGIN_PAGEOUT;
  reclaim.control.gfp = kGfpPageout;
  reclaim.priority = features_.pageout_ignores_references ? int8_t{0} : kDefPriority;
  reclaim.page = std::min(first, process.table.pages());
  reclaim.end_page = std::min(first + count, process.table.pages());
}

// One piece of work, so that other CPUs continue in between: the begin of a batch, a folio, or its
// end.
void Machine::reclaim_piece(Process& process) {
  Reclaim& reclaim = process.reclaim;
  if (!reclaim.in_batch) {
    if (next_batch(process)) begin_batch(process);
  } else if (reclaim.next < reclaim.list.size()) {
    shrink_one(process);
  } else {
    end_batch(process);
  }
}

// False: there is none; reclaim is over, or continues with more pressure.
bool Machine::next_batch(Process& process) {
  Reclaim& reclaim = process.reclaim;
  reclaim.list.clear();
  reclaim.next = 0;
  reclaim.second_pass = !reclaim.again.empty();
  if (reclaim.second_pass) {
    reclaim.list.swap(reclaim.again);
    return true;
  }
  if (reclaim.control.origin == SWAPTRAIL_ORIGIN_PAGEOUT) {
    fill_pageout(process);
    reclaim.active = !reclaim.list.empty();
    return reclaim.active;
  }
  if (reclaim.in_round) end_round(reclaim);
  if (reclaim.to_scan != 0) fill_batch(reclaim);
  if (reclaim.list.empty() && reclaim.to_scan == 0 && !reclaim.in_round) end_scan(process);
  return !reclaim.list.empty();
}

// Nothing more to scan at this priority.
void Machine::end_scan(Process& process) {
  Reclaim& reclaim = process.reclaim;
  if (!features_.multi_gen_lru && lru_.inactive_is_low()) balance_lists(kBatch);
  if (reclaim.reclaimed < reclaim.target) return lower_priority(process);
  reclaim.active = false;
  activated_before_ = lru_.activated();
}

// madvise_cold_or_pageout_pte_range: pages that only this process maps, one page table's worth.
void Machine::fill_pageout(Process& process) {
  Reclaim& reclaim = process.reclaim;
  while (reclaim.page < reclaim.end_page && reclaim.list.empty()) {
    const uint64_t end =
        std::min((reclaim.page / kPagesPerTable + 1) * kPagesPerTable, reclaim.end_page);
    for (; reclaim.page < end; ++reclaim.page) {
      const Pte& pte = process.table[reclaim.page];
      if (!pte.present()) continue;
      const uint32_t head = frames_[pte.frame()].head;
      Frame& frame = frames_[head];
      const bool whole = pte.frame() == head && reclaim.page + frame.folio.nr_pages <= end;
      const bool alone = frame.folio.mapped == frame.folio.nr_pages &&
                         mappings_.at(frame.mappings).next == kNoFrame;
      lru_.drain();
      if (!whole || !alone || !lru_.has(head)) continue;
      take_young(head);
      frame.folio.referenced = false;
      frame.isolated = true;
      lru_.remove(head);
      reclaim.list.push_back(head);
      reclaim.page += frame.folio.nr_pages - 1;
    }
  }
}

// do_try_to_free_pages
void Machine::lower_priority(Process& process) {
  Reclaim& reclaim = process.reclaim;
  if (reclaim.priority > 0) {
    --reclaim.priority;
    begin_scan(reclaim);
    return;
  }
  reclaim.priority = kDefPriority;
  begin_scan(reclaim);
  if (reclaim.reclaimed != 0) {
    reclaim.active = false;
    return;
  }
  // reclaim_throttle: too much is under writeback. Not for ever: every write may fail.
  if (!flights_.empty() && ++reclaim.tries < kReclaimTries) {
    now_ = std::max(now_, flights_.next_ns());
    complete_due();
    return;
  }
  reclaim.active = false;
  const bool others = std::any_of(processes_.begin(), processes_.end(), [&](const auto& other) {
    return other->alive && other.get() != &process &&
           (other->reclaim.in_batch || other->waits_for != kNoFrame);
  });
  if (++stalls_ >= (others ? kMostStalls : kReclaimTries)) out_of_memory(process);
}

// A machine that is driven kills the process that can't go on; else the simulation ends.
void Machine::out_of_memory(Process& process) {
  if (driven_) {
    stalls_ = 0;
    ++result_.counters.killed;
    return end_process(process.index);
  }
  status_ = absl::ResourceExhaustedError(
      absl::StrCat("out of memory: ", resident_, " pages in memory of ", options_.limit_pages, ", ",
                   slots_.usage().in_use, " slots used of ", slots_.usage().slots));
}

void Machine::begin_batch(Process& process) {
  Reclaim& reclaim = process.reclaim;
  tick(64);
  reclaim.in_batch = true;
  reclaim.log.begin_ns = now_;
  reclaim.stat = {};
  reclaim.batch_reclaimed = 0;
  reclaim.rejects.clear();
  swaptrail_event& event = begin_event(SWAPTRAIL_RECLAIM_BEGIN);
  name_batch(event);
  const bool pageout = reclaim.control.origin == SWAPTRAIL_ORIGIN_PAGEOUT;
  event.u.begin.cgroup = pageout ? 0 : kCgroup;
  event.u.begin.gfp = reclaim.control.gfp;
  event.u.begin.priority = reclaim.priority;
  event.u.begin.may_writepage = reclaim.control.may_writepage;
  event.u.begin.may_unmap = reclaim.control.may_unmap;
  event.u.begin.may_swap = reclaim.control.may_swap;
  std::memcpy(event.u.begin.comm, process.comm.data(), SWAPTRAIL_COMM_LEN);
  send(event);
}

void Machine::shrink_one(Process& process) {
  Reclaim& reclaim = process.reclaim;
  const uint32_t index = reclaim.list[reclaim.next++];
  Frame& frame = frames_[index];
  const PassEnd end = shrink_folio(features_, reclaim.control, frame.folio, *this);
  result_.steps += end.steps;
  if (end.why != Why::kLocked) frame.locked = false;
  account(reclaim, frame.folio, end);
  if (observed_) log_.end_pass(frame.folio, end);
  if (end.exit != Exit::kFreed) return reclaim.rejects.push_back({index, end});
  free_reclaimed(index);
}

void Machine::free_reclaimed(uint32_t head) {
  Frame& frame = frames_[head];
  if (!frame.written) result_.counters.writes_saved += frame.folio.nr_pages;
  frame.isolated = false;
  free_folio(head);
}

// struct reclaim_stat (mm/vmscan.c: shrink_folio_list).
void Machine::account(Reclaim& reclaim, const Folio& folio, const PassEnd& end) {
  const uint32_t nr_pages = folio.nr_pages;
  Reclaim::Stat& stat = reclaim.stat;
  if (end.why != Why::kLocked) stat.scanned += nr_pages;
  if (end.exit == Exit::kFreed) reclaim.batch_reclaimed += nr_pages;
  if (end.exit == Exit::kActivated) stat.activate += nr_pages;
  if (end.exit == Exit::kInFlight) stat.pageout += nr_pages;
  if (end.exit != Exit::kInFlight && end.why == Why::kWriteback) stat.writeback += nr_pages;
  if (end.exit == Exit::kKept && end.why == Why::kReferenced) stat.ref_keep += nr_pages;
  if (end.why == Why::kStillMapped) stat.unmap_fail += nr_pages;
}

void Machine::end_batch(Process& process) {
  Reclaim& reclaim = process.reclaim;
  flush_deferred(reclaim);
  submit_queued(process.cpu);
  swaptrail_event& event = begin_event(SWAPTRAIL_RECLAIM_END);
  name_batch(event);
  event.result = static_cast<int32_t>(reclaim.batch_reclaimed);
  event.u.end.nr_scanned = reclaim.stat.scanned;
  event.u.end.nr_writeback = reclaim.stat.writeback;
  event.u.end.nr_pageout = features_.queued_writes ? kNoField : reclaim.stat.pageout;
  event.u.end.nr_activate = reclaim.stat.activate;
  event.u.end.nr_ref_keep = reclaim.stat.ref_keep;
  event.u.end.nr_unmap_fail = reclaim.stat.unmap_fail;
  event.u.end.nr_demoted = features_.zero_map ? 0 : kNoField;
  if (observed_) log_.end_batch(reclaim.log, now_);
  send(event);
  reclaim.in_batch = false;
  reclaim.reclaimed += reclaim.batch_reclaimed;
  lru_.note_cost(result_.swapped_out_pages - cost_noted_);
  cost_noted_ = result_.swapped_out_pages;
  if (reclaim.batch_reclaimed != 0) stalls_ = 0;
  put_back(process);
}

// It could be freed now: its write ended while reclaim had it (evict_folios).
bool Machine::may_have_missed_rotation(const Folio& folio) const {
  if (folio.referenced && !features_.promotes_referenced) return false;
  return !folio.active && folio.mapped == 0 && !folio.dirty && !folio.writeback && folio.swapcache;
}

void Machine::put_back(Process& process) {
  Reclaim& reclaim = process.reclaim;
  const bool evicting =
      features_.multi_gen_lru && reclaim.control.origin != SWAPTRAIL_ORIGIN_PAGEOUT;
  for (const Reclaim::Done& done : reclaim.rejects) {
    Folio& folio = frames_[done.frame].folio;
    if (evicting && may_have_missed_rotation(folio) && !reclaim.second_pass) {
      reclaim.again.push_back(done.frame);
      continue;
    }
    const bool pending = folio.reclaim && (folio.dirty || folio.writeback);
    if (evicting && (features_.promotes_referenced || !pending)) lru_.keep_from_oldest(folio);
    frames_[done.frame].isolated = false;
    if (!maybe_free(done.frame)) lru_.put_back(done.frame);
  }
  reclaim.rejects.clear();
}

}  // namespace swaptrail::engine
