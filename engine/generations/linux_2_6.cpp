// Processes of Linux 2.6: what a step of the workload asks, fork and exit.
#include "engine/generations/linux_2_6.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "trace/check.h"

namespace swaptrail::engine::linux_2_6 {
namespace {

// A fault that has to begin again, since reclaim took the page away meanwhile. As often as that, it never ends.
constexpr uint32_t kMostTries = 1000;

}  // namespace

Linux26::Linux26(const GenerationOptions& options)
    : options_(options),
      device_(options, counters_),
      zone_(static_cast<uint32_t>(std::clamp(options.frames, kFewestFrames, kMostFrames))) {
  options_.page_cluster = std::min<uint32_t>(options_.page_cluster, 5);
  for (const GenerationArea& area : options.areas) {
    if (areas_.swapon(area.area)) swapper_space_[area.area.type].assign(area.area.pages, kNoPage);
  }
}

absl::Status Linux26::step(const WorkloadStep& step) {
  ++counters_.steps;
  const uint32_t process = step.process;
  if (process >= states_.size() || states_[process] != State::kAlive) [[unlikely]] {
    if (absl::Status status = refuse(step); !status.ok()) return status;
    if (states_[process] == State::kKilled) {
      // What a killed process would have forked never comes to be.
      if (step.kind == StepKind::kFork) states_[step.child] = State::kKilled;
      return absl::OkStatus();
    }
    begin(process);
  }
  if (step.kind == StepKind::kTouch) [[likely]] {
    if (step.page >= kMostWorkloadPages) return refuse(step);
    Mm& mm = *mms_[process];
    Pte& pte = mm.tables.make(step.page);
    if (!pte.allows(step.write)) [[unlikely]] {
      touch_slowly(mm, step.page, pte, step.write);
      return absl::OkStatus();
    }
    pte.set_accessed(step.write);
    if (step.write) pte.token = zone_.content(pte.page()) = ++last_token_;
    return absl::OkStatus();
  }
  if (step.kind == StepKind::kExit) {
    exit_mm(process, State::kExited);
    return absl::OkStatus();
  }
  if (absl::Status status = refuse(step); !status.ok()) return status;
  fork(process, step.child);
  return absl::OkStatus();
}

void Linux26::prefetch(const WorkloadStep& far, const WorkloadStep& near) const {
  const auto entry_of = [&](const WorkloadStep& step) -> const Pte* {
    const bool is_possible = step.process < mms_.size() && step.page < kMostWorkloadPages;
    const Mm* const mm = is_possible ? mms_[step.process].get() : nullptr;
    return mm == nullptr ? nullptr : mm->tables.find(step.page);
  };
  if (const Pte* pte = entry_of(far)) __builtin_prefetch(pte, 1);
  const Pte* const pte = entry_of(near);
  if (pte == nullptr) return;
  if (pte->present() && near.write) __builtin_prefetch(&zone_.content(pte->page()), 1);
  if (!pte->swapped()) return;
  const uint64_t entry = pte->entry();
  __builtin_prefetch(&swapper_space_[entry_type(entry)][entry_offset(entry)]);
  areas_.prefetch(entry);
  device_.prefetch(entry);
}

absl::Status Linux26::refuse(const WorkloadStep& step) const {
  const auto impossible = [&](const char* why) {
    return absl::InternalError(
        absl::StrCat("step ", counters_.steps, " of process ", step.process, " ", why));
  };
  if (step.process >= states_.size()) return impossible("is of too many processes");
  if (states_[step.process] == State::kExited) return impossible("is made after its exit");
  if (step.kind == StepKind::kTouch && step.page >= kMostWorkloadPages)
    return impossible("is beyond its memory");
  if (step.kind == StepKind::kFork &&
      (step.child >= states_.size() || states_[step.child] != State::kNew ||
       step.child == step.process))
    return impossible("forks a process that there was before");
  return absl::OkStatus();
}

Mm& Linux26::begin(uint32_t process) {
  mms_[process] = std::make_unique<Mm>();
  mms_[process]->process = process;
  states_[process] = State::kAlive;
  return *mms_[process];
}

// The processor's access, and the faults that it takes.
void Linux26::touch_slowly(Mm& mm, uint64_t address, Pte& pte, bool write) {
  current_ = mm.process;
  current_killed_ = false;
  uint32_t tries = 0;
  Fault fault = Fault::kDone;
  while (fault == Fault::kDone && !pte.allows(write)) {
    fault = ++tries > kMostTries ? Fault::kOom : handle_mm_fault(mm, address, pte, write);
  }
  if (fault == Fault::kOom || current_killed_) {
    kill(current_);
  } else {
    pte.set_accessed(write);
    if (write) pte.token = zone_.content(pte.page()) = ++last_token_;
  }
  if (kswapd_woken_) balance_pgdat();
}

// kernel/fork.c: dup_mmap; mm/memory.c: copy_page_range, copy_one_pte. The child shares each page, which neither may write
// any more, and each slot.
void Linux26::fork(uint32_t process, uint32_t child) {
  Mm& parent = *mms_[process];
  Mm& mm = begin(child);
  mm.parent = process;
  parent.children.push_back(child);
  mm.total_vm = parent.total_vm;
  mm.anon_vma = parent.anon_vma;
  if (mm.anon_vma != kNoAnonVma)
    anon_vmas_[mm.anon_vma].processes.push_back(child);  // anon_vma_link
  parent.tables.for_each([&](uint64_t address, Pte& pte) {
    if (pte.swapped()) {
      SWAPTRAIL_CHECK(areas_.swap_duplicate(pte.entry()));
    } else {
      pte.protect();
      get_page(pte.page());
      ++zone_.page(pte.page()).mapcount;  // page_dup_rmap
    }
    Pte& copy = mm.tables.make(address);
    copy = pte;
    if (copy.present()) copy.set_old();
  });
  ++counters_.tlb_flushes;
}

// mm/mmap.c: exit_mmap; mm/memory.c: zap_pte_range.
void Linux26::exit_mm(uint32_t process, State state) {
  Mm& mm = *mms_[process];
  mm.tables.for_each([&](uint64_t, Pte& pte) {
    if (pte.swapped()) {
      free_swap_and_cache(pte.entry());
    } else {
      page_remove_rmap(pte.page());
      free_page_and_swap_cache(pte.page());
    }
    pte.clear();
  });
  if (mm.anon_vma != kNoAnonVma) std::erase(anon_vmas_[mm.anon_vma].processes, process);
  for (uint32_t child : mm.children) mms_[child]->parent = kNoProcess;
  if (mm.parent != kNoProcess) std::erase(mms_[mm.parent]->children, process);
  mms_[process].reset();
  states_[process] = state;
}

void Linux26::kill(uint32_t process) {
  ++counters_.killed;
  exit_mm(process, State::kKilled);
}

uint32_t Linux26::isolate(uint32_t page) {
  get_page(page);
  zone_.del(page);
  return page;
}

void Linux26::lock_page(uint32_t page) { SWAPTRAIL_CHECK(trylock_page(page)); }

bool Linux26::trylock_page(uint32_t page) {
  if (zone_.page(page).has(kPageLocked)) return false;
  zone_.page(page).set(kPageLocked);
  return true;
}

// mm/swap.c: put_page, __page_cache_release.
void Linux26::put_page(uint32_t page) {
  Page& of = zone_.page(page);
  SWAPTRAIL_DCHECK(of.count > 0);
  if (--of.count > 0) return;
  if (of.has(kPageLru)) zone_.del(page);
  zone_.give_free(page);
}

}  // namespace swaptrail::engine::linux_2_6

namespace swaptrail::engine {

std::unique_ptr<Generation> make_linux_2_6(const GenerationOptions& options) {
  return std::make_unique<linux_2_6::Linux26>(options);
}

}  // namespace swaptrail::engine
