// A machine that is driven from outside: processes that appear, touch, fork and end, one step after another.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "engine/machine/machine.h"

namespace swaptrail::engine {
namespace {

constexpr uint64_t kMostTurns = 100'000'000;  // pieces of work for one access

}  // namespace

absl::Status Machine::begin() {
  if (options_.cpus != 1)
    return absl::InvalidArgumentError(absl::StrCat("a driven machine with CPUs: ", options_.cpus));
  driven_ = true;
  return status_ = set_up();
}

absl::StatusOr<uint32_t> Machine::start_process() {
  if (processes_.size() >= kMaxProcesses)
    return absl::ResourceExhaustedError(absl::StrCat("processes: ", processes_.size()));
  ProcessPlan plan;
  plan.populate = false;
  add_process(plan);
  return processes_.back()->index;
}

absl::StatusOr<uint32_t> Machine::fork_process(uint32_t index) {
  if (processes_.size() >= kMaxProcesses)
    return absl::ResourceExhaustedError(absl::StrCat("processes: ", processes_.size()));
  Process& parent = *processes_[index];
  run_as(parent);
  fork(parent, 0);
  processes_.back()->directory = parent.directory;
  tick(256);
  return processes_.back()->index;
}

// Who runs, for what happens in the middle of it.
void Machine::run_as(Process& process) {
  if (current_ == &process) return;
  current_ = &process;
  CpuRun& cpu = cpus_[cpu_];
  const auto found = std::ranges::find(cpu.processes, process.index);
  cpu.current = static_cast<size_t>(found - cpu.processes.begin());
}

// The page's place in the page table, which grows by a table where it has none.
uint64_t Machine::place_of(Process& process, uint64_t page) {
  const uint64_t place = process.directory.place_of(page);
  if (place < process.table.pages()) return place;
  const uint64_t pages = process.directory.pages();
  process.table.grow(pages);
  process.plan.anon_pages = process.populated = pages;
  process.young_tables.resize(pages / kPagesPerTable + 1, false);
  // walk_pmd_range: a walk that is filtered leaves out what is in no filter.
  for (std::vector<bool>& filter : process.walk_filters)
    if (!filter.empty()) filter.resize(pages / kPagesPerTable, false);
  return place;
}

uint64_t Machine::address_of(const Process& process, uint64_t place) const {
  return driven_ ? process.directory.page_at(place) * kPageBytes : user_address(place);
}

absl::Status Machine::touch(uint32_t index, uint64_t page, bool write) {
  Process& process = *processes_[index];
  SWAPTRAIL_CHECK(driven_ && process.alive);
  run_as(process);
  const Access wanted{place_of(process, page), write};
  if (write) process.table.prefetch_token(wanted.page);
  for (uint64_t turn = 0; process.alive && status_.ok(); ++turn) {
    if (now_ >= flights_.next_ns()) complete_due();
    if (process.reclaim.active) {
      reclaim_piece(process);
      continue;
    }
    if (access(process, wanted)) break;
    if (process.waits_for != kNoFrame) {  // nobody else runs who would unlock it
      unblock(process);
      status_ = absl::InternalError(absl::StrCat("page ", page, " is locked"));
    }
    if (turn == kMostTurns) status_ = absl::InternalError("an access of the machine does not end");
  }
  process.tried_page = 0;
  ++result_.accesses;
  tick(16);
  SWAPTRAIL_DCHECK(resident_ <= options_.limit_pages);
  return status_;
}

void Machine::prefetch_entry(uint32_t index, uint64_t page) const {
  const Process& process = *processes_[index];
  const uint64_t place = process.directory.known_place_of(page);
  if (place >= process.table.pages()) return;
  process.table.prefetch(place);
  process.table.prefetch_token(place);
}

void Machine::prefetch_named(uint32_t index, uint64_t page, bool write) const {
  const Process& process = *processes_[index];
  const uint64_t place = process.directory.known_place_of(page);
  if (place >= process.table.pages()) return;
  const Pte& pte = process.table[place];
  if (pte.present() && write) frames_.prefetch_content(pte.frame());
  if (pte.kind() == PteKind::kSwap) areas_[pte.type]->store.prefetch(entry_offset(pte.entry()));
}

void Machine::end_process(uint32_t index) {
  Process& process = *processes_[index];
  if (!process.alive) return;
  run_as(process);
  exit(process);
  // Its number is all that stays.
  process.directory = TableDirectory();
  process.young_tables = {};
  process.walk_filters = {};
  std::erase(cpus_[process.cpu].processes, index);
  current_ = nullptr;
}

// ---- by hand -----------------------------------------------------------------------------------

Pte Machine::entry_of(uint32_t process, uint64_t page) {
  Process& owner = *processes_[process];
  return owner.table[place_of(owner, page)];
}

Folio* Machine::folio_of(uint32_t process, uint64_t page) {
  const Pte pte = entry_of(process, page);
  uint32_t frame = kNoFrame;
  if (pte.present()) frame = pte.frame();
  if (pte.kind() == PteKind::kSwap) frame = cache_.find(pte.entry());
  return frame == kNoFrame ? nullptr : &frames_[frames_[frame].head].folio;
}

void Machine::free_removed(const Folio& folio) {
  SWAPTRAIL_CHECK(folio.mapped == 0 && !folio.swapcache && folio.extra_references == 0);
  const uint32_t head = FrameTable::of(folio);
  frames_[head].locked = false;
  free_reclaimed(head);
}

void Machine::end_write(const Folio& folio, bool failed) {
  Flight flight;
  flight.frame = FrameTable::of(folio);
  flight.cpu = cpu_;
  flight.failed = failed;
  complete(flight);
}

void Machine::flush_dirty_entries() {
  if (current_ != nullptr && current_->reclaim.tlb_writable) flush_deferred(current_->reclaim);
}

void Machine::wait_for_writes() {
  while (!flights_.empty()) {
    now_ = std::max(now_, flights_.next_ns());
    complete_due();
  }
}

}  // namespace swaptrail::engine
