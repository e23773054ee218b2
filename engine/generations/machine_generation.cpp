#include "engine/generations/machine_generation.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "engine/generations/linux_4_19.h"
#include "engine/generations/linux_4_4.h"

namespace swaptrail::engine {
namespace {

SimulationOptions machine_options(const Features& features, const GenerationOptions& options) {
  SimulationOptions machine;
  machine.features = features;
  machine.seed = options.seed;
  machine.cpus = 1;
  machine.limit_pages = options.frames;
  machine.page_cluster = std::min<uint32_t>(options.page_cluster, 5);
  machine.max_events = 0;
  for (const GenerationArea& area : options.areas) {
    SimulatedArea& simulated = machine.areas.emplace_back();
    simulated.area = area.area;
    simulated.error_rate = area.error_rate;
  }
  return machine;
}

std::unique_ptr<Generation> made(const Features& features, const GenerationOptions& options) {
  return std::make_unique<MachineGeneration>(features, options);
}

Features named(std::string_view name) { return features_named(name).value(); }

}  // namespace

MachineGeneration::MachineGeneration(const Features& features, const GenerationOptions& options)
    : options_(machine_options(features, options)),
      machine_(options_, output_),
      status_(machine_.begin()) {}

absl::Status MachineGeneration::step(const WorkloadStep& step) {
  if (!status_.ok()) return status_;
  if (step.process >= processes_.size() || step.child >= processes_.size() ||
      step.page >= kMostWorkloadPages)
    return absl::InvalidArgumentError(absl::StrCat("a step of process ", step.process, ", page ",
                                                   step.page, ", child ", step.child));
  ++steps_;
  Known& process = processes_[step.process];
  if (process.state == State::kUnborn) status_ = born(step.process);
  if (!status_.ok()) return status_;
  switch (step.kind) {
    case StepKind::kTouch:
      status_ = touch(step);
      break;
    case StepKind::kFork:
      status_ = fork(step);
      break;
    case StepKind::kExit:
      if (process.state == State::kAlive) machine_.end_process(process.index);
      process.state = State::kGone;
      break;
  }
  return status_;
}

void MachineGeneration::prefetch(const WorkloadStep& far, const WorkloadStep& near) const {
  const auto is_alive = [&](const WorkloadStep& step) {
    return step.process < processes_.size() && step.page < kMostWorkloadPages &&
           processes_[step.process].state == State::kAlive;
  };
  if (is_alive(far)) machine_.prefetch_entry(processes_[far.process].index, far.page);
  if (is_alive(near))
    machine_.prefetch_named(processes_[near.process].index, near.page, near.write);
}

absl::Status MachineGeneration::born(uint32_t process) {
  const absl::StatusOr<uint32_t> index = machine_.start_process();
  if (!index.ok()) return index.status();
  processes_[process] = {State::kAlive, *index};
  return absl::OkStatus();
}

absl::Status MachineGeneration::touch(const WorkloadStep& step) {
  Known& process = processes_[step.process];
  if (process.state != State::kAlive) return absl::OkStatus();
  if (absl::Status status = machine_.touch(process.index, step.page, step.write); !status.ok())
    return status;
  if (!machine_.is_alive(process.index)) process.state = State::kGone;
  if (machine_.resident() > options_.limit_pages)
    return absl::InternalError(
        absl::StrCat(machine_.resident(), " pages in ", options_.limit_pages, " frames"));
  return absl::OkStatus();
}

// The child of a process that was killed before it could fork never lives.
absl::Status MachineGeneration::fork(const WorkloadStep& step) {
  Known& child = processes_[step.child];
  if (child.state != State::kUnborn)
    return absl::InvalidArgumentError(absl::StrCat("a fork of process ", step.child, " again"));
  child.state = State::kGone;
  if (processes_[step.process].state != State::kAlive) return absl::OkStatus();
  const absl::StatusOr<uint32_t> index = machine_.fork_process(processes_[step.process].index);
  if (!index.ok()) return index.status();
  child = {State::kAlive, *index};
  return absl::OkStatus();
}

const GenerationCounters& MachineGeneration::counters() const {
  const SimulationResult& result = machine_.so_far();
  const MachineCounters& from = result.counters;
  counters_.steps = steps_;
  counters_.first_touches = from.first_touches;
  counters_.minor_faults = from.minor_faults;
  counters_.major_faults = from.major_faults;
  counters_.copies = from.copies;
  counters_.swapped_out = result.swapped_out_pages - from.write_errors - from.zero_filled;
  counters_.swapped_in = result.swapped_in_pages;
  counters_.readahead = from.readahead;
  counters_.readahead_hits = from.readahead_hits;
  counters_.writes_saved = from.writes_saved;
  counters_.discarded = from.zero_filled;
  counters_.scanned = from.scanned;
  counters_.unmapped = from.unmapped;
  counters_.tlb_flushes = from.tlb_flushes;
  counters_.write_runs = from.write_runs;
  counters_.seek_slots = from.seek_slots;
  counters_.no_slot = from.no_slot;
  counters_.write_errors = from.write_errors;
  counters_.killed = from.killed;
  counters_.contents_checked = result.contents_checked;
  counters_.contents_wrong = result.contents_wrong;
  return counters_;
}

// mm/vmscan.c without lru_gen_enabled(): shrink_inactive_list and shrink_active_list in the place of evict_folios.
Features with_two_lists(Features features) {
  features.multi_gen_lru = false;
  features.promotes_referenced = false;
  features.bounded_eviction = false;
  return features;
}

std::unique_ptr<Generation> make_linux_4_4(const GenerationOptions& options) {
  return made(linux_4_4::features(), options);
}
std::unique_ptr<Generation> make_linux_4_19(const GenerationOptions& options) {
  return made(linux_4_19::features(), options);
}
std::unique_ptr<Generation> make_linux_6_12(const GenerationOptions& options) {
  return made(with_two_lists(named("6.12")), options);
}
std::unique_ptr<Generation> make_linux_6_12_mglru(const GenerationOptions& options) {
  return made(named("6.12"), options);
}
std::unique_ptr<Generation> make_linux_7_3(const GenerationOptions& options) {
  return made(with_two_lists(named("7.3")), options);
}
std::unique_ptr<Generation> make_linux_7_3_mglru(const GenerationOptions& options) {
  return made(named("7.3"), options);
}

}  // namespace swaptrail::engine
