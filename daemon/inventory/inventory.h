// Finds out whose pages were in swap before the start: reads the page tables of all processes once, and gives what it finds to the
// ledger, which lets events go before it.
//
// A batch at a time: the ledger notes what leaves page tables from now on (Ledger::begin_reading()); page tables are read by the
// privileged child (host::ProcessMemory); when every event until after that has been passed on, the batch is added. A batch for
// which the ledger had to note too much is read again.
//
// Shared memory that was swapped out is in no page table (mm/shmem.c keeps it in the page cache), and pages that were back in memory
// and had kept their slots show as mapped: neither is found.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/host/cgroups.h"
#include "daemon/host/process_memory.h"
#include "daemon/host/swapping_processes.h"
#include "daemon/pipeline/requests.h"
#include "trace/ledger/ledger.h"

namespace swaptrail::inventory {

enum class State : uint8_t { kOff, kReading, kDone, kFailed };

struct Progress {
  State state = State::kOff;
  std::string why;  // it is off, or has failed
  uint64_t processes = 0, processes_read = 0;
  uint64_t processes_refused =
      0;  // of these, not read to their end: they have ended, or may not be looked at
  uint64_t entries = 0;                 // swap entries in their page tables
  uint64_t read_again = 0;              // batches
  uint64_t used_cpu_ns = 0;             // by the process that reads page tables
  uint64_t began_ns = 0, ended_ns = 0;  // CLOCK_MONOTONIC; 0 = not yet
};

// Where it looks; tests have others. Called by its thread.
struct Sources {
  std::function<std::vector<host::SwappingProcess>()> processes;
  std::function<absl::StatusOr<host::SwapEntries>(uint32_t pid, uint64_t address)> swapped;
  std::function<uint64_t(uint32_t pid)> cgroup;
};

class Inventory {
 public:
  static constexpr size_t kBatchEntries = size_t{1} << 15;
  static constexpr int kMostTries = 5;  // of a batch

  // `requests` must outlive it. `cpu_percent`: of one CPU that reading may take, 1 to 100.
  Inventory(Sources sources, pipeline::PipelineRequests& requests, uint32_t cpu_percent);
  static Sources on_host(host::ProcessMemory& memory, const host::Cgroups& cgroups);

  // Begins, in a thread of its own, with the privileges of the caller. Once.
  void start();
  // Instead: why there is none.
  void set_off(std::string why);
  // Waits until the thread has ended, which may take as long as a request to the child.
  void stop();

  // Any thread.
  Progress progress() const;

 private:
  struct Place {
    size_t process = 0;
    uint64_t address = 0;
  };
  struct Part {
    ledger::Holder process;
    std::vector<ledger::FoundEntry> entries;
    bool refused = false;  // it can't be read to its end
  };
  // Errors: of the pipeline, which has ended or can't do it.
  absl::Status run(const std::stop_token& stop);
  absl::Status run_batches(const std::stop_token& stop);
  absl::Status ask_ledger(const std::stop_token& stop,
                          absl::FunctionRef<void(pipeline::PipelineView&)> request);
  std::vector<Part> read_batch(Place& place, const std::stop_token& stop);
  void read_part(Place& place, Part& part, const std::stop_token& stop);
  absl::StatusOr<bool> add(const std::vector<Part>& batch, uint64_t read_ns,
                           const std::stop_token& stop);
  void pause(uint64_t ns, const std::stop_token& stop);
  template <typename Change>
  void note(const Change& change);

  const Sources sources_;
  pipeline::PipelineRequests& requests_;
  const uint64_t rest_;  // ns of rest for each 100 ns of work
  std::vector<host::SwappingProcess> processes_;
  mutable std::mutex mutex_;
  Progress progress_;
  std::jthread thread_;  // last: it uses the others
};

}  // namespace swaptrail::inventory
