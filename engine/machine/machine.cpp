#include "engine/machine/machine.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "trace/decode.h"

namespace swaptrail::engine {
namespace {

constexpr uint32_t kBurst = 8;       // steps of a CPU before another has its turn
constexpr uint64_t kSliceEnds = 64;  // one turn in so many, the CPU switches to another process
constexpr uint64_t kOthersGoOn = 4;  // one question in so many, another CPU does something
constexpr uint64_t kIdleLimit = 100'000'000;  // turns in which nobody could continue

uint32_t largest_order(const Workload& workload) {
  uint32_t order = 0;
  for (const ProcessPlan& plan : workload.processes) order = std::max(order, plan.folio_order);
  return order;
}

// Room besides the limit: what one fault takes at once, and frames that are being freed.
FrameTable frames_for(const SimulationOptions& options) {
  const uint32_t limit = static_cast<uint32_t>(options.limit_pages);
  const uint32_t order = largest_order(options.workload);
  const uint32_t blocks = order == 0 ? 0 : (limit >> order) + 2;
  return FrameTable(limit + 512, blocks, order);
}

SlotOptions slot_options(const SimulationOptions& options) {
  SlotOptions slots;
  slots.generation = options.features.allocator;
  slots.cpus = options.cpus;
  slots.seed = options.seed;
  slots.default_priority = options.features.default_priority;
  return slots;
}

uint16_t state_of(const Folio& folio) {
  struct Flag {
    bool set;
    uint16_t bit;
  };
  const Flag flags[] = {{folio.anon, SWAPTRAIL_STATE_ANON},
                        {folio.ksm, SWAPTRAIL_STATE_KSM},
                        {folio.swapbacked, SWAPTRAIL_STATE_SWAPBACKED},
                        {folio.swapcache, SWAPTRAIL_STATE_SWAPCACHE},
                        {folio.dirty, SWAPTRAIL_STATE_DIRTY},
                        {folio.writeback, SWAPTRAIL_STATE_WRITEBACK}};
  uint16_t state = 0;
  for (const Flag& flag : flags) state |= flag.set ? flag.bit : 0;
  return state;
}

}  // namespace

Machine::Machine(const SimulationOptions& options, EventOutput& output)
    : options_(options),
      output_(output),
      features_(options.features),
      observed_(options.max_events != 0),
      random_(options.seed),
      cpus_(options.cpus),
      frames_(frames_for(options)),
      lru_(frames_, options.features),
      cache_(options.features.allocator == Allocator::kSwapTable),
      slots_(slot_options(options)),
      log_(frames_),
      shared_(options.workload.shmem_pages) {
  processes_.reserve(kMaxProcesses);
  slots_.set_reclaim([this](uint64_t entry) { return reclaim_slot(entry); });
}

absl::Status Machine::set_up() {
  for (const SimulatedArea& area : options_.areas) {
    if (absl::Status status = slots_.swapon(area.area); !status.ok()) return status;
    const uint32_t type = area.area.type;
    if (areas_.size() <= type) areas_.resize(type + 1);
    areas_[type] = std::make_unique<AreaRun>(area, area.area.pages);
    cache_.add_area(type, area.area.pages);
  }
  for (const ProcessPlan& plan : options_.workload.processes) add_process(plan);
  for (const Action& action : options_.workload.actions) {
    processes_[action.process]->actions.push_back(action);
  }
  return absl::OkStatus();
}

void Machine::add_process(const ProcessPlan& plan) {
  auto process = std::make_unique<Process>();
  process->index = static_cast<uint32_t>(processes_.size());
  process->tgid = 1000 + process->index;
  process->cpu = process->index % options_.cpus;
  process->plan = plan;
  process->state = plan.seed;
  const uint64_t shared = plan.shared ? shared_.size() : 0;
  process->table = PageTable(plan.anon_pages + shared);
  process->young_tables.assign(process->table.pages() / kPagesPerTable + 1, false);
  const std::string comm = absl::StrCat("process", process->index);
  std::copy(comm.begin(), comm.end(), process->comm.begin());
  process->reclaim.log.id = process->index + 1;
  if (!plan.populate) process->populated = process->table.pages();
  cpus_[process->cpu].processes.push_back(process->index);
  processes_.push_back(std::move(process));
  ++alive_;
}

absl::Status Machine::run() {
  status_ = set_up();
  uint64_t idle = 0;
  while (running()) {
    const uint64_t before = now_;
    run_cpu(options_.cpus == 1 ? 0 : static_cast<uint32_t>(below(random_, options_.cpus)));
    if (now_ >= flights_.next_ns()) complete_due();
    idle = now_ == before ? idle + 1 : 0;
    if (idle > kIdleLimit) status_ = absl::InternalError("the simulated machine stands still");
  }
  while (status_.ok() && !result_.truncated && !flights_.empty()) {
    now_ = std::max(now_, flights_.next_ns());
    complete_due();
  }
  log_.finish(now_);
  result_.swap_outs = log_.take();
  result_.dropped = log_.take_dropped();
  result_.end_ns = now_;
  result_.steps += result_.events + result_.accesses;
  return status_;
}

void Machine::run_cpu(uint32_t index) {
  CpuRun& cpu = cpus_[index];
  if (cpu.busy || cpu.processes.empty()) return;
  const uint32_t outer_cpu = cpu_;
  Process* const outer = current_;
  cpu.busy = true;
  cpu_ = index;
  const uint32_t most = outer == nullptr ? kBurst : 1;
  if (cpu.processes.size() > 1 && below(random_, kSliceEnds) == 0) ++cpu.current;
  for (uint32_t i = 0; i < most && running() && !cpu.processes.empty(); ++i) {
    if (cpu.current >= cpu.processes.size()) cpu.current = 0;
    current_ = processes_[cpu.processes[cpu.current]].get();
    const bool went_on = step(*current_);
    if (!current_->alive) {
      cpu.processes.erase(cpu.processes.begin() + static_cast<ptrdiff_t>(cpu.current));
    } else if (!went_on) {
      ++cpu.current;
      break;
    }
  }
  cpu.busy = false;
  cpu_ = outer_cpu;
  current_ = outer;
}

bool Machine::step(Process& process) {
  if (process.waits_for != kNoFrame) {
    if (frames_[process.waits_for].locked) return false;
    unblock(process);
  }
  if (process.reclaim.active) {
    reclaim_piece(process);
    return true;
  }
  const bool populated = process.populated == process.table.pages();
  if (!process.pending && populated && process.next_action < process.actions.size() &&
      process.actions[process.next_action].at_access <= process.done) {
    if (act(process, process.actions[process.next_action])) ++process.next_action;
    return process.waits_for == kNoFrame;
  }
  if (!process.pending) {
    if (populated && process.done == process.plan.accesses) {
      exit(process);
      return true;
    }
    process.access = populated
                         ? next_access(process.plan.pattern, process.done, process.table.pages(),
                                       process.plan.write_percent, process.state)
                         : Access{process.populated, true};
    process.pending = true;
  }
  if (!access(process, process.access)) return process.waits_for == kNoFrame;
  process.pending = false;
  process.tried_page = 0;
  ++(populated ? process.done : process.populated);
  ++result_.accesses;
  tick(16);
  return true;
}

void Machine::pause() {
  if (now_ >= flights_.next_ns()) complete_due();
  if (options_.cpus > 1 && below(random_, kOthersGoOn) == 0) run_other();
}

void Machine::run_other() {
  const uint32_t other = static_cast<uint32_t>(below(random_, options_.cpus));
  if (running()) run_cpu(other);
}

bool Machine::chance(double share) {
  return share > 0 && static_cast<double>(draw() >> 11) * 0x1p-53 < share;
}

// ---- the end of writes -------------------------------------------------------------------------

void Machine::complete_due() {
  while (now_ >= flights_.next_ns()) complete(flights_.take());
}

// end_swap_bio_write, folio_end_writeback: an interrupt, in the middle of whatever that CPU does.
void Machine::complete(const Flight& flight) {
  const uint32_t outer_cpu = cpu_;
  Process* const outer = current_;
  CpuRun& cpu = cpus_[flight.cpu];
  cpu_ = flight.cpu;
  const bool idle = cpu.processes.empty() || cpu.current >= cpu.processes.size();
  current_ = idle ? nullptr : processes_[cpu.processes[cpu.current]].get();
  Frame& frame = frames_[flight.frame];
  if (flight.failed) {
    frame.folio.dirty = true;
    frame.folio.reclaim = false;
  }
  report(SWAPTRAIL_WRITE_COMPLETED, frame.folio, 0, 0);
  frame.folio.writeback = false;
  if (frame.folio.reclaim) {
    frame.folio.reclaim = false;
    if (!frame.locked) lru_.rotate(flight.frame);
  }
  cpu_ = outer_cpu;
  current_ = outer;
}

// ---- events ------------------------------------------------------------------------------------

swaptrail_event& Machine::begin_event(swaptrail_kind kind) {
  tick(512);
  event_ = swaptrail_event{};
  event_.time_ns = now_;
  event_.kind = static_cast<uint8_t>(kind);
  event_.cpu = static_cast<uint16_t>(cpu_);
  event_.tid = event_.tgid = current_ == nullptr ? 0 : current_->tgid;
  return event_;
}

void Machine::name_batch(swaptrail_event& event) {
  if (current_ == nullptr || !current_->reclaim.in_batch) return;
  event.batch_ns = current_->reclaim.log.begin_ns;
  event.origin = current_->reclaim.control.origin;
}

swaptrail_event& Machine::begin_folio_event(swaptrail_kind kind, const Folio& folio,
                                            bool in_batch) {
  swaptrail_event& event = begin_event(kind);
  event.folio = folio.address;
  event.nr_pages = static_cast<uint16_t>(folio.nr_pages);
  event.state = state_of(folio);
  event.entry = folio.swapcache ? folio.entry : 0;
  if (in_batch) name_batch(event);
  return event;
}

void Machine::send(swaptrail_event& event) {
  if (!observed_) return;
  output_.on_event(event, cpus_[cpu_].sequence++);
  if (++result_.events < options_.max_events) return;
  result_.truncated = true;
  observed_ = false;
}

}  // namespace swaptrail::engine
