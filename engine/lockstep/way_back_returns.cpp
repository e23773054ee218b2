// Checks the returns that trace/ reports against the observed stays and faults.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/lockstep/way_back.h"
#include "trace/decode.h"

namespace swaptrail::engine {
namespace {

constexpr uint64_t kPage = 4096;

bool has_reader(const Return& back) { return back.tid != 0 || back.passes != 0; }

// How a fault with this result must be reported; kCount: not certain.
ReturnHow how_of(int32_t result, bool shmem) {
  if (shmem && result == -5) return ReturnHow::kReadError;  // -EIO
  if (shmem && result == -12) return ReturnHow::kNoMemory;  // -ENOMEM
  if (result < 0) return ReturnHow::kCount;
  const uint32_t bits = static_cast<uint32_t>(result);
  if (bits & SWAPTRAIL_FAULT_OOM) return ReturnHow::kNoMemory;
  return bits & SWAPTRAIL_FAULT_UNREADABLE ? ReturnHow::kReadError : ReturnHow::kSwappedIn;
}

std::string slot_text(uint64_t entry) {
  return absl::StrCat(entry_type(entry), ":", entry_offset(entry));
}

}  // namespace

void WayBack::on_lifecycle(const Lifecycle& lifecycle) {
  const uint64_t removed_ns = lifecycle.at(Stage::kRemoved);
  if (removed_ns == 0) return;
  for (uint32_t page = 0; page < lifecycle.nr_pages; ++page) {
    PageStay* stay = unreported_at(lifecycle.entry + page);
    if (stay == nullptr) continue;
    PageStay* last = stay_at(lifecycle.entry + page, false);
    for (PageStay* one : {stay, last}) {
      if (one != nullptr && one->removed_ns == removed_ns) one->lifecycle = lifecycle.id;
    }
  }
}

void WayBack::on_return(const Return& back) {
  if (!options_.returns) return;
  ++counters_.returns;
  std::string text;
  bool compared = true;
  const Rule rule = judge(back, text, compared);
  if (rule == Rule::kCount) {
    ++(compared ? counters_.returns_agreed : counters_.returns_not_compared);
    return;
  }
  report_({FindingKind::kDisagreement, rule, back.lifecycle_id, back.entry, back.time_ns,
           absl::StrCat("return of ", back.nr_pages, " pages, ", std::string(return_name(back.how)),
                        ": ", text)});
}

Rule WayBack::judge(const Return& back, std::string& text, bool& compared) {
  Rule rule = Rule::kCount;
  Fault* fault = nullptr;
  if (has_reader(back) || is_failed(back.how)) {
    fault = fault_of(back);
    if (fault == nullptr) {
      compared = back.time_ns != ignored_ns_ &&
                 !hidden_(back.time_ns - std::min(back.time_ns, back.fault_ns + 1));
      text = absl::StrCat("no such fault of thread ", back.tid);
      const bool other = std::any_of(threads_.begin(), threads_.end(), [&](const auto& one) {
        return !one.second.faults.empty() && one.second.faults.back().end_ns == back.time_ns;
      });
      if (compared) rule = other ? Rule::kReturnReader : Rule::kReturnUnseen;
    } else if (hidden_(fault->begin_ns)) {
      compared = false;
    } else {
      rule = check_reader(*fault, back, text);
      if (rule == Rule::kCount) rule = check_length(*fault, back, text);
    }
    if (fault != nullptr) {
      fault->reported = true;
      fault->returned += back.nr_pages;
      fault->mapped_reported += back.mapped_pages;
    }
  } else if (back.fault_ns != 0) {
    text = "nobody waited for it";
    rule = Rule::kReturnReader;
  }
  if (is_failed(back.how)) return rule;
  for (uint32_t page = 0; page < back.nr_pages; ++page) {
    const uint64_t entry = back.entry + page;
    PageStay* stay = stay_of(entry, fault, back);
    if (stay == nullptr && is_of_forgotten(entry, back)) {
      compared = false;
      continue;
    }
    if (stay == nullptr) stay = unreported_at(entry);
    Rule wrong = Rule::kCount;
    if (stay == nullptr) {
      wrong = check_unknown(entry, fault, text, compared);
    } else if (sure(*stay)) {
      wrong = check_page(*stay, fault, back, text);
    } else {
      compared = false;
    }
    if (rule == Rule::kCount) rule = wrong;
    if (stay != nullptr) mark_reported(entry, stay);
  }
  return rule;
}

// A fault that only waited, and whose thread was not seen to continue, may be reported after its end.
WayBack::Fault* WayBack::fault_of(const Return& back) {
  const auto thread = threads_.find(back.tid);
  if (thread == threads_.end()) return nullptr;
  Fault* waited = nullptr;
  for (Fault& fault : thread->second.faults) {
    if (fault.end_ns == back.time_ns) return &fault;
    const bool open = fault.has(SWAPTRAIL_FAULT_RETRY) && !fault.reported;
    if (open && waited == nullptr) waited = &fault;
  }
  return back.nr_pages == 0 ? waited : nullptr;
}

Rule WayBack::check_reader(const Fault& fault, const Return& back, std::string& text) const {
  const bool other = back.tgid != fault.tgid || back.comm != fault.comm ||
                     back.reader_cgroup != fault.reader_cgroup;
  if (other) {
    text = absl::StrCat("its reader is process ", fault.tgid, ", reported ", back.tgid);
    return Rule::kReturnReader;
  }
  if (back.shmem != fault.shmem || (!fault.shmem && back.owner_tgid != fault.owner)) {
    text = absl::StrCat("it is memory of process ", fault.owner, ", reported ", back.owner_tgid);
    return Rule::kReturnReader;
  }
  const uint64_t first = fault.address - fault.first_page * kPage;
  const uint64_t pages = std::max(1u, fault.mapped);
  if (!fault.shmem && back.address - first >= pages * kPage) {
    text = "it faulted at another address";
    return Rule::kReturnReader;
  }
  const ReturnHow how = how_of(fault.result, fault.shmem);
  if (how == ReturnHow::kCount || how == back.how) return Rule::kCount;
  text = absl::StrCat("the fault had the result ", fault.result);
  return Rule::kReturnHow;
}

// How long it waited, whether it was major, and how many pages it brought.
Rule WayBack::check_length(const Fault& fault, const Return& back, std::string& text) const {
  const uint64_t span = std::max(fault.sum_ns, fault.end_ns - fault.begin_ns);
  const bool passes = !fault.shmem && back.passes != fault.passes;
  const bool first = !fault.reported;  // a fault can end the stays of several swap-outs
  if (!first && (back.passes != 0 || back.fault_ns != 0 || back.major)) {
    text = "its wait was reported already";
    return Rule::kReturnTwice;
  }
  if (first && (passes || back.fault_ns < fault.sum_ns || back.fault_ns > span)) {
    text = absl::StrCat("model: ", fault.passes, " passes, ", fault.sum_ns,
                        " ns; reported: ", back.passes, ", ", back.fault_ns);
    return Rule::kReturnWait;
  }
  const bool bit = fault.has(SWAPTRAIL_FAULT_MAJOR);
  const bool waited = fault.has(SWAPTRAIL_FAULT_RETRY);
  // The end of a fault that only waited was not seen. It is major at least if its passes were.
  const bool major = waited ? fault.any_major : bit || (fault.state & SWAPTRAIL_STATE_TRIED);
  const bool knows = !waited || major;
  const bool same = back.major == major || (fault.any_major && back.major);
  if (first && knows && !same) {
    text = major ? "it was major" : "it was not major";
    return Rule::kReturnMajor;
  }
  const uint32_t all = fault.returned + back.nr_pages;
  const uint32_t mapped = fault.mapped_reported + back.mapped_pages;
  if (all > fault.due + fault.unsure || (fault.counted && mapped > fault.mapped)) {
    text = absl::StrCat("model: ", fault.due, " came back, ", fault.mapped,
                        " mapped; reported: ", all, ", ", mapped);
    return Rule::kReturnPages;
  }
  return Rule::kCount;
}

Rule WayBack::check_page(PageStay& stay, const Fault* fault, const Return& back,
                         std::string& text) const {
  const bool other_life = stay.lifecycle != 0 && back.lifecycle_id != stay.lifecycle;
  const uint64_t after_ns = back.time_ns - std::min(back.time_ns, stay.removed_ns);
  if (other_life || (back.after_ns != 0 && back.after_ns != after_ns && !stay.inside)) {
    text = absl::StrCat("it was swapped out by lifecycle ", stay.lifecycle, ", ", after_ns,
                        " ns before");
    return Rule::kReturnLifecycle;
  }
  switch (back.how) {
    case ReturnHow::kSwappedIn:
      if (fault != nullptr) {
        if (stay.fault == fault->number) return Rule::kCount;
        text = stay.fault != 0 ? "another fault brought it back" : "the fault did not map it";
        return Rule::kReturnUnseen;
      }
      // Shared memory, if no hook shows who read it.
      if (stay.fault == 0 && stay.freed_ns != 0 && stay.read) return Rule::kCount;
      text = "without a reader";
      return Rule::kReturnReader;
    case ReturnHow::kSlotFreed:
    case ReturnHow::kSwapoff: {
      const bool swapoff = back.how == ReturnHow::kSwapoff;
      const bool other_way = options_.event_abi >= 2 && swapoff != stay.swapoff;
      const bool other_time = stay.freed_ns != back.time_ns && !stay.inside;
      if (stay.fault == 0 && stay.freed_ns != 0 && !other_way && !other_time) return Rule::kCount;
      text = stay.fault != 0      ? "a fault brought it back"
             : stay.freed_ns == 0 ? "its slot was not freed"
             : other_way          ? "swapoff was reported wrongly"
                                  : "its slot was freed at another time";
      return Rule::kReturnHow;
    }
    default:
      return Rule::kCount;
  }
}

// A page that is not away, as far as known.
Rule WayBack::check_unknown(uint64_t entry, const Fault* fault, std::string& text, bool& compared) {
  const PageStay* stay = stay_at(entry, false);
  const bool known = stay != nullptr && sure(*stay) && options_.sample == 1 &&
                     (fault == nullptr || fault->unsure == 0) &&
                     (stay->allocated_ns != 0 || stay->removed_ns != 0);
  if (!known) {
    compared = false;
    return Rule::kCount;
  }
  text = absl::StrCat("slot ", slot_text(entry),
                      stay->reported ? ": it is back already" : ": it was not away");
  return stay->reported ? Rule::kReturnTwice : Rule::kReturnUnseen;
}

// The stay that this return ends, or null if none fits. The freeing of a slot is reported after the
// fault: it may have been inside one.
WayBack::PageStay* WayBack::stay_of(uint64_t entry, const Fault* fault, const Return& back) {
  const auto fits = [&](const PageStay& stay) {
    if (!stay.away()) return false;
    if (fault != nullptr) return stay.fault == fault->number;
    const bool inside =
        stay.inside && back.time_ns - stay.freed_ns <= stay.removed_ns - stay.freed_ns;
    return stay.fault == 0 && (stay.freed_ns == back.time_ns || inside);
  };
  return first_stay(entry, fits);
}

// In a sample the slot may have had a page before that is not followed.
bool WayBack::is_of_forgotten(uint64_t entry, const Return& back) {
  const PageStay* last = stay_at(entry, false);
  if (last == nullptr) return false;
  const uint64_t began_ns = last->allocated_ns != 0 ? last->allocated_ns : last->removed_ns;
  return back.time_ns <= last->forgotten_ns ||
         (options_.sample > 1 && !last->inside && back.time_ns < began_ns);
}

void WayBack::mark_reported(uint64_t entry, PageStay* stay) {
  const auto older = older_.find(entry);
  if (older != older_.end()) {
    std::deque<PageStay>& stays = older->second;
    const auto one = std::find_if(stays.begin(), stays.end(),
                                  [&](const PageStay& other) { return &other == stay; });
    if (one != stays.end()) {
      stays.erase(one);
      if (stays.empty()) older_.erase(older);
      return;
    }
  }
  stay->reported = true;
  if (options_.sample > 1 && stay->freed_ns != 0) stays_.erase(entry);
}

void WayBack::on_stay(const Stay& change) {
  if (!options_.returns) return;
  ++counters_.stays;
  auto& awaited = change.change == StayChange::kZswapWriteback ? moves_ : drops_;
  for (uint32_t page = 0; page < change.nr_pages; ++page) {
    const auto found = awaited.find(change.entry + page);
    if (found != awaited.end()) {
      if (--found->second == 0) awaited.erase(found);
      continue;
    }
    const PageStay* stay = stay_at(change.entry + page, false);
    if (stay == nullptr || !sure(*stay) || options_.sample > 1 || stay->freed_ns != 0) continue;
    report_({FindingKind::kDisagreement, Rule::kStayUnseen, change.lifecycle_id,
             change.entry + page, change.time_ns, "nothing of the kind was seen of its slot"});
    return;
  }
}

// No more reports of this fault will come.
void WayBack::close_fault(const Fault& fault) {
  if (!options_.returns || hidden_(fault.begin_ns)) return;
  const bool less =
      fault.returned < fault.due || (fault.counted && fault.mapped_reported < fault.mapped);
  if (fault.reported && less) {
    report_({FindingKind::kDisagreement, Rule::kReturnPages, 0, fault.entry, fault.end_ns,
             absl::StrCat("model: ", fault.due, " came back, ", fault.mapped,
                          " mapped; reported: ", fault.returned, ", ", fault.mapped_reported)});
  }
  if (fault.reported || fault.open) return;
  if (fault.has(SWAPTRAIL_FAULT_RETRY)) return;  // it only waited
  report_({FindingKind::kDisagreement, Rule::kReturnMissing, 0, fault.entry, fault.end_ns,
           absl::StrCat("a fault of process ", fault.tgid, " was not reported")});
}

void WayBack::report_missing(uint64_t entry, const PageStay& stay) {
  if (!stay.away() || !stay.ended() || !sure(stay)) return;
  report_({FindingKind::kDisagreement, Rule::kReturnMissing, stay.lifecycle, entry,
           std::max(stay.freed_ns, stay.removed_ns),
           stay.fault != 0 ? "a fault brought it back" : "its slot was freed"});
}

void WayBack::finish() {
  if (!options_.returns) return;
  for (const auto& [tid, thread] : threads_) {
    for (const Fault& fault : thread.faults) close_fault(fault);
  }
  for (const auto& [entry, stays] : older_) {
    for (const PageStay& stay : stays) report_missing(entry, stay);
  }
  for (const auto& [entry, stay] : stays_) report_missing(entry, stay);
  for (const auto* awaited : {&moves_, &drops_}) {
    for (const auto& [entry, count] : *awaited) {
      const PageStay* stay = stay_at(entry, false);
      if (stay != nullptr && (!sure(*stay) || stay->freed_ns != 0)) continue;
      report_({FindingKind::kDisagreement, Rule::kStayMissing, 0, entry, 0,
               awaited == &moves_ ? "zswap moved it to the device" : "read ahead, and dropped"});
    }
  }
}

}  // namespace swaptrail::engine
