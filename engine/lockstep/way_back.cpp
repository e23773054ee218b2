// The way back, as it is observed: stays of pages in swap, and the faults that end them.
#include "engine/lockstep/way_back.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/slots/slots_core.h"
#include "trace/decode.h"

namespace swaptrail::engine {
namespace {

constexpr size_t kMostFaults = 64;  // of a thread, not reported
constexpr size_t kMostReads = 64;
constexpr uint64_t kLongestWaitNs = 60'000'000'000;  // of a fault, between two passes

bool covers(uint64_t first, uint32_t nr_pages, uint64_t entry) { return entry - first < nr_pages; }

}  // namespace

WayBack::WayBack(const LockstepOptions& options, LockstepCounters& counters, Report report,
                 Hidden hidden)
    : options_(options),
      counters_(counters),
      report_(std::move(report)),
      hidden_(std::move(hidden)),
      frees_at_once_(!slot_rules(options.features.allocator).return_cache) {}

void WayBack::report(FindingKind kind, Rule rule, const Event& event, std::string text) {
  report_({kind, rule, 0, event.entry, event.time_ns, std::move(text)});
}

bool WayBack::sure(const PageStay& stay) const {
  return !hidden_(std::max(stay.removed_ns, stay.allocated_ns));
}

WayBack::PageStay* WayBack::stay_at(uint64_t entry, bool make) {
  const auto found = stays_.find(entry);
  if (found != stays_.end()) return &found->second;
  if (!make || stays_.size() >= options_.max_slots) return nullptr;
  return &stays_[entry];
}

// The oldest stay that has ended and that trace/ has not reported to be back; otherwise the last
// one, if it is not reported; or null.
WayBack::PageStay* WayBack::unreported_at(uint64_t entry) {
  const auto older = older_.find(entry);
  if (older != older_.end()) {
    const auto one = std::find_if(older->second.begin(), older->second.end(),
                                  [](const PageStay& stay) { return stay.ended(); });
    if (one != older->second.end()) return &*one;
  }
  PageStay* stay = stay_at(entry, false);
  return stay != nullptr && stay->away() ? stay : nullptr;
}

// The stay that a fault whose last pass began at `from_ns` may have ended, or null.
WayBack::PageStay* WayBack::open_at(uint64_t entry, uint64_t from_ns) {
  const auto fits = [&](const PageStay& stay) {
    return stay.away() && stay.fault == 0 && (stay.freed_ns == 0 || stay.freed_ns >= from_ns) &&
           (stay.superseded_ns == 0 || stay.superseded_ns >= from_ns);
  };
  return first_stay(entry, fits);
}

// Another use of the slot begins. A missing report is still owed: a fault may have mapped the page,
// and reports when it returns. (Or swapoff did, which reports no mapping.) Of a stay that a loss may have
// changed only its end is kept: trace/ may report it later, and that is not about the next stay.
void WayBack::retire(uint64_t entry, PageStay& stay, uint64_t now_ns) {
  const auto older = older_.find(entry);
  if (older != older_.end()) {
    std::erase_if(older->second, [](const PageStay& one) { return !one.ended(); });
    if (older->second.empty()) older_.erase(older);
  }
  const bool kept = stay.away() && sure(stay) && older_.size() < options_.max_slots;
  const uint64_t forgotten_ns = stay.away() && !kept ? now_ns : stay.forgotten_ns;
  if (!stay.ended()) stay.superseded_ns = now_ns;
  if (kept) older_[entry].push_back(stay);
  stay = PageStay{};
  stay.forgotten_ns = forgotten_ns;
}

WayBack::Thread& WayBack::thread_of(uint32_t tid) {
  if (threads_.size() >= kMaxThreads && !threads_.contains(tid)) {
    threads_.clear();
    forgotten_ns_ = now_ns_;
    ++counters_.threads_full;
  }
  return threads_[tid];
}

void WayBack::on_event(const Event& event) {
  now_ns_ = std::max<uint64_t>(now_ns_, event.time_ns);
  if (!early_.empty() && event.kind != SWAPTRAIL_SLOT_FREED &&
      event.kind != SWAPTRAIL_WRITE_COMPLETED && event.kind != SWAPTRAIL_REMOVED) {
    early_.erase(event.tid);
  }
  switch (event.kind) {
    case SWAPTRAIL_SWAP_READ:
      return on_read(event);
    case SWAPTRAIL_SLOT_FREED:
      return on_freed(event);
    case SWAPTRAIL_SWAP_IN:
      return on_swap_in(event);
    case SWAPTRAIL_SHMEM_SWAP_IN:
      return on_shmem_swap_in(event);
    default:
      return;
  }
}

// ---- slots ---------------------------------------------------------------------------------------

void WayBack::on_loss(const Loss& loss) {
  lost_ = true;
  runs_skipped_ |= loss.is_of_runs();
}

void WayBack::on_allocated(uint64_t entry, uint32_t nr_pages, uint64_t time_ns) {
  for (uint32_t page = 0; page < nr_pages; ++page) {
    PageStay* stay = stay_at(entry + page, true);
    if (stay == nullptr) continue;
    retire(entry + page, *stay, time_ns);
    stay->allocated_ns = time_ns;
  }
}

void WayBack::on_reused(const Event& event) {
  for (uint32_t page = 0; page < pages_of(event); ++page) {
    PageStay* stay = stay_at(event.entry + page, false);
    if (stay == nullptr) continue;
    retire(event.entry + page, *stay, event.time_ns);
    stays_.erase(event.entry + page);
  }
}

void WayBack::on_removed(const Event& event) {
  const auto early = early_.find(event.tid);
  for (uint32_t page = 0; page < pages_of(event); ++page) {
    PageStay* stay = stay_at(event.entry + page, true);
    if (stay == nullptr) continue;
    retire(event.entry + page, *stay, event.time_ns);
    stay->removed_ns = event.time_ns;
    if (early == early_.end()) continue;
    for (const Early& one : early->second) {
      if (!covers(one.entry, one.nr_pages, event.entry + page)) continue;
      stay->freed_ns = one.time_ns;
      stay->inside = true;
    }
  }
  early_.erase(event.tid);
}

void WayBack::on_dropped(const Event& event, bool is_reported) {
  early_.erase(event.tid);
  for (uint32_t page = 0; page < pages_of(event) && is_reported; ++page) {
    const PageStay* stay = stay_at(event.entry + page, false);
    if (stay != nullptr && stay->freed_ns == 0 && sure(*stay)) ++drops_[event.entry + page];
  }
}

void WayBack::on_zswap_written(const Event& event) {
  for (uint32_t page = 0; page < pages_of(event); ++page) {
    const PageStay* stay = stay_at(event.entry + page, false);
    if (stay != nullptr && stay->freed_ns == 0 && sure(*stay)) ++moves_[event.entry + page];
  }
}

void WayBack::forget(uint64_t entry, uint32_t nr_pages) {
  for (uint32_t page = 0; page < nr_pages; ++page) {
    stays_.erase(entry + page);
    older_.erase(entry + page);
  }
}

void WayBack::on_freed(const Event& event) {
  const bool swapoff = event.state & SWAPTRAIL_STATE_SWAPOFF;
  bool fresh = false;
  for (uint32_t page = 0; page < pages_of(event); ++page) {
    PageStay* stay = stay_at(event.entry + page, false);
    if (stay == nullptr || stay->freed_ns != 0) continue;
    fresh |= stay->removed_ns == 0;
    stay->freed_ns = event.time_ns;
    stay->freed_tid = event.tid;
    stay->swapoff = swapoff;
    if (options_.sample > 1 && !stay->away()) stays_.erase(event.entry + page);
  }
  if (event.batch_ns != 0) {
    // Perhaps inside __remove_mapping, which reports REMOVED when it returns.
    early_[event.tid].push_back({event.entry, pages_of(event), event.time_ns, event.batch_ns});
    return;
  }
  if (swapoff || fresh || !frees_at_once_ || options_.event_abi < 2) return;
  const auto thread = threads_.find(event.tid);
  if (thread == threads_.end()) return;
  const auto& reads = thread->second.reads;
  const auto own = std::find_if(reads.begin(), reads.end(), [&](uint64_t entry) {
    return covers(event.entry, pages_of(event), entry);
  });
  if (own != reads.end()) thread->second.freed_entry = *own;
}

// ---- faults --------------------------------------------------------------------------------------

void WayBack::on_read(const Event& event) {
  for (uint32_t page = 0; page < pages_of(event); ++page) {
    if (PageStay* stay = stay_at(event.entry + page, false)) stay->read = true;
  }
  if (options_.event_abi < 2) return;
  Thread& thread = thread_of(event.tid);
  check_thread(thread, event, event.entry, 0);
  if (thread.reads.empty()) thread.begun_ns = event.time_ns;
  const bool cached = event.state & SWAPTRAIL_STATE_SWAPCACHE;
  const PageStay* stay = stay_at(event.entry, false);
  // Shared memory is also read past the cache; its fault may have no hook.
  if (!cached && stay != nullptr && stay->removed_ns != 0 && options_.shmem_faults_seen) {
    thread.read_entry = event.entry;
    thread.read_pages = pages_of(event);
  }
  for (uint32_t page = 0; page < pages_of(event); ++page) {
    if (thread.reads.size() < kMostReads) thread.reads.push_back(event.entry + page);
  }
}

// The thread ends a fault that mapped these pages, or (0 pages) reads for another fault.
void WayBack::check_thread(Thread& thread, const Event& event, uint64_t first, uint32_t nr_pages) {
  // If the program was skipped that notes the begin of a fault, its end is not reported.
  const bool known =
      thread.begun_ns != 0 && !hidden_(thread.begun_ns) && !(runs_skipped_ && began_hidden(thread));
  const uint64_t owed = thread.freed_entry != 0 ? thread.freed_entry : thread.read_entry;
  const bool other = owed != 0 && !covers(first, nr_pages, owed);
  if (!other) return;
  thread.read_entry = thread.freed_entry = 0;
  thread.reads.clear();
  if (!known || !options_.shmem_faults_seen) return;
  report_({FindingKind::kLoss, Rule::kFaultMissing, 0, owed, event.time_ns,
           absl::StrCat("thread ", event.tid, " read it for a fault that was not seen to end")});
}

// Drops faults that were reported; and the oldest if there are too many.
void WayBack::make_room(Thread& thread) {
  while (!thread.faults.empty() &&
         (thread.faults.front().reported || thread.faults.size() >= kMostFaults)) {
    close_fault(thread.faults.front());
    thread.faults.pop_front();
  }
}

// The fault that this pass belongs to: the thread's open one, or a new one.
WayBack::Fault& WayBack::pass_of(Thread& thread, const Event& event) {
  const bool tried = event.state & SWAPTRAIL_STATE_TRIED;
  if (!thread.faults.empty()) {
    Fault& last = thread.faults.back();
    const bool first = event.state & SWAPTRAIL_STATE_VMA_LOCK;  // always
    const bool same = !first && last.open && last.address == event.u.map.address && !last.shmem &&
                      last.tgid == event.tgid;
    // After a pass without the mmap lock, the next one need not say that it is the second.
    const bool next =
        tried || options_.event_abi < 2 || (last.state & SWAPTRAIL_STATE_VMA_LOCK) != 0;
    if (same && next) return last;
    if (last.open) last.open = false;
  }
  const bool forgot = forgotten_ns_ != 0 && fault_begin_ns(event) < forgotten_ns_ + kLongestWaitNs;
  const bool hides = hidden_(fault_begin_ns(event)) || (lost_ && began_hidden(thread));
  if (tried && !hides && !forgot) {
    report(FindingKind::kLoss, Rule::kFaultNotBegun, event, "its first pass was not seen");
  }
  return begin_fault(thread, event);
}

WayBack::Fault& WayBack::begin_fault(Thread& thread, const Event& event) {
  make_room(thread);
  Fault& fault = thread.faults.emplace_back();
  fault.number = ++faults_;
  fault.begin_ns = fault_begin_ns(event);
  return fault;
}

void WayBack::end_pass(Thread& thread, Fault& fault, const Event& event, bool done) {
  ++fault.passes;
  fault.end_ns = event.time_ns;
  fault.sum_ns += event.u.map.value;
  fault.entry = event.entry;
  fault.reader_cgroup = event.reader_cgroup;
  fault.tgid = event.tgid;
  fault.result = event.result;
  fault.state = event.state;
  std::memcpy(fault.comm.data(), event.u.map.comm, SWAPTRAIL_COMM_LEN);
  fault.any_major |= fault.has(SWAPTRAIL_FAULT_MAJOR);
  fault.counted = options_.event_abi >= 2 && event.u.map.ptes != SWAPTRAIL_NOT_COUNTED;
  fault.mapped = !done ? 0 : fault.counted ? event.u.map.ptes : 1;
  fault.first_page = fault.mapped == 0 || !fault.counted ? 0 : event.u.map.first_page;
  if (!done && fault.counted && event.u.map.ptes != 0) {
    report(FindingKind::kViolation, Rule::kFaultPages, event,
           absl::StrCat("it failed, or is to be tried again, and filled ", event.u.map.ptes));
  }
  const uint64_t first = fault.entry - fault.first_page;
  if (fault.mapped != 0) {
    check_mapped(thread, fault, event);
    check_not_swapoff(fault, event);
    check_thread(thread, event, first, fault.mapped);
    bring_back(fault, fault_begin_ns(event));
  }
  thread.read_entry = thread.freed_entry = 0;
  if (fault.open) return;
  thread.reads.clear();
  thread.begun_ns = 0;
  thread.left_ns = event.time_ns;
}

// A read past the swap cache fills a folio that is mapped as a whole, or not at all.
void WayBack::check_mapped(const Thread& thread, const Fault& fault, const Event& event) {
  const uint64_t first = fault.entry - fault.first_page;
  const bool outside =
      fault.first_page >= fault.mapped || entry_type(first) != entry_type(fault.entry);
  const bool by_read = thread.read_entry != 0 && !hidden_(thread.begun_ns) &&
                       covers(thread.read_entry, thread.read_pages, fault.entry);
  const bool other = by_read && !fault.shmem && fault.counted &&
                     (first != thread.read_entry || fault.mapped != thread.read_pages);
  if (!outside && !other) return;
  report(FindingKind::kViolation, Rule::kFaultPages, event,
         absl::StrCat(fault.mapped, " entries from ", fault.first_page, " pages before it on",
                      other ? absl::StrCat("; read for it: ", thread.read_pages) : ""));
}

// A thread that frees a slot in its fault is not in swapoff.
void WayBack::check_not_swapoff(const Fault& fault, const Event& event) {
  const PageStay* stay = stay_at(fault.entry, false);
  const bool freed = stay != nullptr && stay->swapoff && stay->freed_tid == event.tid &&
                     stay->freed_ns >= fault_begin_ns(event);
  if (!freed || options_.event_abi < 2 || hidden_(fault_begin_ns(event))) return;
  report(FindingKind::kViolation, Rule::kBadEvent, event,
         "its slot was freed in this fault, and by swapoff");
}

// It is certain that the page of this slot was not away.
bool WayBack::is_back(uint64_t entry, uint64_t from_ns) {
  const PageStay* stay = stay_at(entry, false);
  if (stay == nullptr || !sure(*stay)) return false;
  if (stay->freed_ns != 0 && stay->freed_ns < from_ns) return false;  // another page's by now
  return stay->removed_ns != 0 || stay->allocated_ns != 0;
}

void WayBack::bring_back(Fault& fault, uint64_t from_ns) {
  for (uint32_t page = 0; page < fault.mapped; ++page) {
    const uint64_t entry = fault.entry - fault.first_page + page;
    PageStay* stay = open_at(entry, from_ns);
    if (stay == nullptr) {
      fault.unsure += !is_back(entry, from_ns);
      continue;
    }
    if (!sure(*stay)) {
      ++fault.unsure;
      stay->fault = fault.number;
      continue;
    }
    stay->fault = fault.number;
    ++fault.due;
  }
}

void WayBack::on_swap_in(const Event& event) {
  if (entry_type(event.entry) >= options_.max_swapfiles || event.entry == 0) return;
  Thread& thread = thread_of(event.tid);
  Fault& fault = pass_of(thread, event);
  fault.address = event.u.map.address;
  fault.owner = event.u.map.owner;
  const uint32_t result = static_cast<uint32_t>(event.result);
  fault.open = result & SWAPTRAIL_FAULT_RETRY;
  end_pass(thread, fault, event, (result & SWAPTRAIL_FAULT_NOT_DONE) == 0);
}

void WayBack::on_shmem_swap_in(const Event& event) {
  if (entry_type(event.entry) >= options_.max_swapfiles || event.entry == 0) return;
  Thread& thread = thread_of(event.tid);
  if (!thread.faults.empty()) thread.faults.back().open = false;
  Fault& fault = begin_fault(thread, event);
  fault.shmem = true;
  const bool failed =
      event.result < 0 || (static_cast<uint32_t>(event.result) & SWAPTRAIL_FAULT_NOT_DONE) != 0;
  end_pass(thread, fault, event, !failed);
}

}  // namespace swaptrail::engine
