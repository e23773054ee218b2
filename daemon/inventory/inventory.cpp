#include "daemon/inventory/inventory.h"

#include <algorithm>
#include <condition_variable>

#include "daemon/base/log.h"
#include "daemon/base/monotonic.h"
#include "trace/decode.h"

namespace swaptrail::inventory {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(10);  // of one request to the pipeline
constexpr uint64_t kRetry_ns = 20'000'000;
constexpr uint64_t kRest_ns = 1'000'000'000;  // after an error that may go away
constexpr int kMostErrors = 5;

}  // namespace

Inventory::Inventory(Sources sources, pipeline::PipelineRequests& requests, uint32_t cpu_percent)
    : sources_(std::move(sources)),
      requests_(requests),
      rest_(100 * (100 - std::clamp(cpu_percent, 1U, 100U)) / std::clamp(cpu_percent, 1U, 100U)) {}

Sources Inventory::on_host(host::ProcessMemory& memory, const host::Cgroups& cgroups) {
  return {host::swapping_processes,
          [&memory](uint32_t pid, uint64_t address) { return memory.swapped(pid, address); },
          [&cgroups](uint32_t pid) { return cgroups.of_process(pid); }};
}

template <typename Change>
void Inventory::note(const Change& change) {
  const std::lock_guard lock(mutex_);
  change(progress_);
}

Progress Inventory::progress() const {
  const std::lock_guard lock(mutex_);
  return progress_;
}

void Inventory::set_off(std::string why) {
  note([&](Progress& progress) { progress.why = std::move(why); });
}

void Inventory::start() {
  note([](Progress& progress) {
    progress.state = State::kReading;
    progress.began_ns = base::monotonic_ns();
  });
  thread_ = std::jthread([this](const std::stop_token& stop) {
    const absl::Status status = run(stop);
    note([&](Progress& progress) {
      progress.state = status.ok() ? State::kDone : State::kFailed;
      progress.why = std::string(status.message());
      progress.ended_ns = base::monotonic_ns();
    });
    if (!status.ok() && !absl::IsUnavailable(status) && !absl::IsCancelled(status))
      base::log_line("what was in swap before the start: " + std::string(status.message()));
  });
}

void Inventory::stop() { thread_ = {}; }

void Inventory::pause(uint64_t ns, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  wake.wait_for(lock, stop, std::chrono::nanoseconds(ns), [] { return false; });
}

// A pipeline that is busy is asked again.
absl::Status Inventory::ask_ledger(const std::stop_token& stop,
                                   absl::FunctionRef<void(pipeline::PipelineView&)> request) {
  for (;;) {
    if (stop.stop_requested()) return absl::CancelledError("swaptraild ends");
    bool possible = false;
    const absl::Status asked = requests_.ask(
        [&](pipeline::PipelineView& view) {
          possible = view.ledger() != nullptr;
          if (possible) request(view);
        },
        absl::Now() + kPatience);
    if (asked.ok() && possible) return asked;
    if (asked.ok())
      return absl::FailedPreconditionError(
          "slots are not followed: not every hook that it takes is attached");
    if (absl::IsUnavailable(asked)) return asked;
    pause(kRest_ns, stop);
  }
}

absl::Status Inventory::run(const std::stop_token& stop) {
  processes_ = sources_.processes();
  // first those of which most is known then
  std::ranges::sort(processes_, [](const host::SwappingProcess& a, const host::SwappingProcess& b) {
    return a.swapped_bytes > b.swapped_bytes;
  });
  note([&](Progress& progress) { progress.processes = processes_.size(); });
  const absl::Status status = run_batches(stop);
  const absl::Status ended =
      ask_ledger(stop, [](pipeline::PipelineView& view) { view.ledger()->end_reading(); });
  return status.ok() ? ended : status;
}

absl::Status Inventory::run_batches(const std::stop_token& stop) {
  int tries = 0;
  for (Place place; place.process < processes_.size();) {
    const Place begin = place;
    absl::Status status =
        ask_ledger(stop, [](pipeline::PipelineView& view) { view.ledger()->begin_reading(); });
    if (!status.ok()) return status;
    const std::vector<Part> batch = read_batch(place, stop);
    const auto added = add(batch, base::monotonic_ns(), stop);
    if (!added.ok()) return added.status();
    if (*added) {
      tries = 0;
      note([&](Progress& progress) {
        progress.processes_read = place.process;
        for (const Part& part : batch) {
          progress.entries += part.entries.size();
          progress.processes_refused += part.refused;
        }
      });
      continue;
    }
    note([](Progress& progress) { ++progress.read_again; });
    if (++tries == kMostTries)
      return absl::ResourceExhaustedError(
          "pages go out and come back faster than page tables can be read");
    place = begin;
  }
  return absl::OkStatus();
}

std::vector<Inventory::Part> Inventory::read_batch(Place& place, const std::stop_token& stop) {
  std::vector<Part> batch;
  for (size_t entries = 0; entries < kBatchEntries && place.process < processes_.size();) {
    if (stop.stop_requested()) break;
    const host::SwappingProcess& process = processes_[place.process];
    Part& part = batch.emplace_back();
    part.process.kind = ledger::OwnerKind::kProcess;
    part.process.tgid = process.pid;
    part.process.comm = process.comm;
    part.process.cgroup = sources_.cgroup(process.pid);
    read_part(place, part, stop);
    entries += part.entries.size();
  }
  return batch;
}

// Reads on in one process, and moves on.
void Inventory::read_part(Place& place, Part& part, const std::stop_token& stop) {
  for (int errors = 0; part.entries.size() < kBatchEntries && !stop.stop_requested();) {
    const auto read = sources_.swapped(part.process.tgid, place.address);
    if (absl::IsUnavailable(read.status()) && ++errors < kMostErrors) {
      pause(kRest_ns, stop);  // another child is started
      continue;
    }
    if (read.ok()) {
      for (const host::SwapEntry& entry : read->entries)
        part.entries.push_back(
            {make_entry(static_cast<uint32_t>(entry.type), entry.offset), entry.page});
      note([&](Progress& progress) { progress.used_cpu_ns += read->used_cpu_ns; });
      pause(read->used_cpu_ns / 100 * rest_, stop);
    }
    place.address = read.ok() ? read->next_address : 0;
    if (place.address != 0) continue;
    ++place.process;
    part.refused = !read.ok();
    return;
  }
}

// False: it has to be read again.
absl::StatusOr<bool> Inventory::add(const std::vector<Part>& batch, uint64_t read_ns,
                                    const std::stop_token& stop) {
  for (bool passed_on = false, added = true;;) {
    const absl::Status asked = ask_ledger(stop, [&](pipeline::PipelineView& view) {
      passed_on = view.passed_on_until() >= read_ns;
      if (!passed_on) return;
      for (const Part& part : batch)
        added = added && view.ledger()->add_found(part.process, part.entries);
    });
    if (!asked.ok()) return asked;
    if (passed_on) return added;
    pause(kRetry_ns, stop);
  }
}

}  // namespace swaptrail::inventory
