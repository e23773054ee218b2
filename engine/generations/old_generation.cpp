#include "engine/generations/old_generation.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "trace/check.h"

namespace swaptrail::engine {
namespace {

constexpr uint32_t kMostNumbers = 1 << 20;  // of processes in a workload, one after the other
// Faults for one access. Two are usual (read from swap, then copy); more, if reclaim takes the page again in between.
constexpr int kMostFaults = 1000;

}  // namespace

OldGeneration::OldGeneration(const GenerationOptions& options, SwapMap::Style style)
    : swap_map_(options, style),
      device_(options, counters_),
      tokens_(options.frames),
      steps_per_tick_(std::max<uint64_t>(1, options.frames / kHz)),
      until_tick_(steps_per_tick_) {}

absl::Status OldGeneration::step(const WorkloadStep& step) {
  ++counters_.steps;
  if (--until_tick_ == 0) {
    until_tick_ = steps_per_tick_;
    ++jiffies_;
    timer();
  }
  switch (step.kind) {
    case StepKind::kTouch:
      return touch(step);
    case StepKind::kFork:
      return fork(step.process, step.child);
    case StepKind::kExit:
      if (step.process >= kMostNumbers) return absl::InvalidArgumentError("too many processes");
      if (is_alive(step.process)) {
        exit_mm(*processes_[step.process]);
      } else if (step.process >= seen_.size() || !seen_[step.process]) {
        make_process(step.process);
        exit_mm(*processes_[step.process]);
      }
      return absl::OkStatus();
  }
  return absl::InvalidArgumentError("a step of no kind");
}

absl::Status OldGeneration::touch(const WorkloadStep& step) {
  if (step.page >= kMostWorkloadPages || step.process >= kMostNumbers)
    return absl::InvalidArgumentError("a page or process that no workload may have");
  OldProcess* process = step.process < processes_.size() ? processes_[step.process].get() : nullptr;
  if (process == nullptr) [[unlikely]] {
    process = make_process(step.process);
    if (process == nullptr) return absl::OkStatus();
  }
  OldPte& pte = process->tables[step.page];
  const bool is_fault = !pte.present() || (step.write && !pte.writable);
  if (is_fault) [[unlikely]] {
    if (!fault_in(*process, step.page, pte, step.write))
      return stuck_ ? absl::InternalError("an access can't be made") : absl::OkStatus();
  }
  pte.young = true;
  if (step.write) {
    pte.dirty = true;
    tokens_[pte.frame()] = pte.token = ++next_token_;
  }
  if (is_fault) after_fault();
  return absl::OkStatus();
}

// Null: there is none yet, or the step is none of a living process.
const OldPte* OldGeneration::entry_of(const WorkloadStep& step) const {
  const bool is_possible = is_alive(step.process) && step.page < kMostWorkloadPages;
  return is_possible ? processes_[step.process]->tables.find(step.page) : nullptr;
}

void OldGeneration::prefetch(const WorkloadStep& far, const WorkloadStep& near) const {
  if (const OldPte* pte = entry_of(far)) __builtin_prefetch(pte, 1);
  const OldPte* const pte = entry_of(near);
  if (pte == nullptr) return;
  if (pte->present() && near.write) __builtin_prefetch(&tokens_[pte->frame()], 1);
  if (pte->swapped()) device_.prefetch(pte->entry());
}

// False: the process is gone, and so is the entry; or stuck_.
bool OldGeneration::fault_in(OldProcess& process, uint64_t page, OldPte& pte, bool write) {
  const uint32_t number = process.number;
  for (int faults = 0; faults < kMostFaults; ++faults) {
    const bool is_done = handle_fault(process, process.areas.at(page), page, pte, write);
    SWAPTRAIL_CHECK(is_done == is_alive(number));
    if (!is_done) return false;
    if (pte.present() && (!write || pte.writable)) return true;
  }
  stuck_ = true;
  return false;
}

OldProcess* OldGeneration::process(uint32_t number) {
  return is_alive(number) ? processes_[number].get() : nullptr;
}

const OldPte* OldGeneration::pte(uint32_t process, uint64_t page) {
  return is_alive(process) && page < kMostWorkloadPages ? processes_[process]->tables.find(page)
                                                        : nullptr;
}

// Null: it had its time.
OldProcess* OldGeneration::make_process(uint32_t number) {
  if (number >= processes_.size()) processes_.resize(number + 1), seen_.resize(number + 1);
  if (seen_[number]) return nullptr;
  seen_[number] = true;
  processes_[number] = std::make_unique<OldProcess>();
  processes_[number]->number = number;
  ++alive_;
  return processes_[number].get();
}

OldProcess* OldGeneration::next_process(uint32_t number) const {
  for (size_t at = number; at < processes_.size(); ++at)
    if (processes_[at] != nullptr) return processes_[at].get();
  return nullptr;
}

absl::Status OldGeneration::map(uint32_t number, const VmArea& area) {
  if (area.start >= area.end || area.end > kMostWorkloadPages || number >= kMostNumbers)
    return absl::InvalidArgumentError("a region without pages");
  if (!is_alive(number) && make_process(number) == nullptr)
    return absl::FailedPreconditionError(absl::StrCat("process ", number, " is gone"));
  OldProcess& process = *processes_[number];
  bool is_used = false;
  process.tables.for_each([&](uint64_t page, const OldPte& pte) {
    is_used |= page >= area.start && page < area.end && pte.kind != OldPte::Kind::kNone;
  });
  if (is_used) return absl::FailedPreconditionError("there are pages in the region");
  process.areas.insert(area);
  return absl::OkStatus();
}

// kernel/fork.c: dup_mmap, mm/memory.c: copy_page_range. What is private is shared until one of them writes to it.
absl::Status OldGeneration::fork(uint32_t parent, uint32_t child) {
  if (parent >= kMostNumbers || child >= kMostNumbers)
    return absl::InvalidArgumentError("too many processes");
  if (child == parent || (child < seen_.size() && seen_[child]))
    return absl::InvalidArgumentError(absl::StrCat("process ", child, " is not new"));
  OldProcess* from = is_alive(parent) ? processes_[parent].get() : make_process(parent);
  OldProcess& to = *make_process(child);
  if (from == nullptr) {  // it was killed: there is no child, and its steps do nothing
    exit_mm(to);
    return absl::OkStatus();
  }
  to.areas = from->areas.of_child();
  size_t at = 0;
  from->tables.for_each([&](uint64_t page, OldPte& pte) {
    if (pte.kind == OldPte::Kind::kNone && pte.token == 0) return;
    while (page >= from->areas.all()[at].end) ++at;
    const VmArea& area = from->areas.all()[at];
    if (area.method != nullptr) return;
    OldPte& copy = to.tables[page];
    copy.token = pte.token;
    if (pte.kind == OldPte::Kind::kNone) return;
    if (area.shared) {
      copy.map(pte.frame(), pte.writable, pte.dirty);
      get_page(pte.frame());
    } else {
      copy_one_pte(pte, copy);
    }
    to.rss += copy.present(), to.swapped += copy.swapped();
  });
  return absl::OkStatus();
}

// kernel/exit.c: exit_mm, mm/memory.c: zap_page_range.
void OldGeneration::exit_mm(OldProcess& process) {
  const std::unique_ptr<OldProcess> gone = std::move(processes_[process.number]);
  --alive_;
  gone->tables.for_each([&](uint64_t, OldPte& pte) {
    if (pte.present())
      zap_page(pte.frame());
    else if (pte.swapped())
      swap_map_.swap_free(pte.entry());
  });
}

void OldGeneration::kill(OldProcess& process) {
  ++counters_.killed;
  exit_mm(process);
}

absl::Status OldGeneration::count_references(References& references) const {
  references.frames.assign(frames(), 0);
  std::string wrong;
  for (const std::unique_ptr<OldProcess>& process : processes_) {
    if (process == nullptr) continue;
    uint64_t rss = 0, swapped = 0;
    process->tables.for_each([&](uint64_t page, const OldPte& pte) {
      rss += pte.present(), swapped += pte.swapped();
      if (pte.swapped()) ++references.of_swap[pte.entry()];
      if (!pte.present()) return;
      ++references.frames[pte.frame()];
      if (!process->areas.at(page).shared && tokens_[pte.frame()] != pte.token)
        wrong = absl::StrCat("page ", page, " of process ", process->number, " holds another's");
    });
    if (rss != process->rss || swapped != process->swapped)
      wrong = absl::StrCat("rss or swapped of process ", process->number, ": ", process->rss, ", ",
                           process->swapped, ", not ", rss, ", ", swapped);
  }
  return wrong.empty() ? absl::OkStatus() : absl::InternalError(wrong);
}

absl::Status OldGeneration::check() const {
  References references;
  if (absl::Status status = count_references(references); !status.ok()) return status;
  if (absl::Status status = check_frames(references); !status.ok()) return status;
  uint64_t free = 0, used = 0;
  for (uint32_t type = 0; type < swap_map_.types(); ++type) {
    const std::vector<uint16_t>& counts = swap_map_.counts(type);
    for (uint64_t offset = 1; offset < counts.size(); ++offset) {
      if (counts[offset] == SwapMap::kBad) continue;
      (counts[offset] == 0 ? free : used) += 1;
      const auto found = references.of_swap.find(make_entry(type, offset));
      const uint32_t users = found == references.of_swap.end() ? 0 : found->second;
      if (counts[offset] != users)
        return absl::InternalError(absl::StrCat("slot ", offset, " of area ", type, " has count ",
                                                counts[offset], " and ", users, " users"));
    }
  }
  if (free != swap_map_.nr_swap_pages() || free + used != swap_map_.total())
    return absl::InternalError(
        absl::StrCat(free, " free slots, ", swap_map_.nr_swap_pages(), " by nr_swap_pages"));
  if (resident() > frames()) return absl::InternalError("more frames in use than there are");
  return absl::OkStatus();
}

}  // namespace swaptrail::engine
