// Requests to the pipeline thread, which alone may look at lifecycles in flight.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "daemon/host/proc.h"
#include "daemon/pipeline/slot_holders.h"
#include "daemon/record/flight_files.h"
#include "trace/ledger/ledger.h"
#include "trace/lifecycles/reconstructor.h"
#include "trace/readahead/readahead_use.h"
#include "trace/recording/contents.h"

namespace swaptrail::pipeline {

// What became of pages that were read ahead, since the start.
struct ReadaheadNow {
  uint64_t at_ns = 0;     // monotonic
  bool possible = false;  // else the rest is empty: not every hook that it takes is attached
  std::vector<readahead::Row> rows{};
  std::shared_ptr<const host::VmstatReading>
      at_start{};  // when the counting began; null: it could not be read
};

// What a request may read and do. Runs on the pipeline thread, between two sweeps: keep it short.
class PipelineView {
 public:
  virtual ~PipelineView() = default;
  virtual const lifecycles::Reconstructor& reconstructor() const = 0;
  // Not older than a quarter of a second; never null.
  virtual std::shared_ptr<const SlotHolders> holders() = 0;
  // For how long their pages are away; not older than five seconds, as it takes a look at each slot. Never null; empty if there is
  // no ledger.
  virtual std::shared_ptr<const std::vector<ledger::HolderAges>> ages() = 0;
  // Not older than a quarter of a second; never null.
  virtual std::shared_ptr<const ReadaheadNow> readahead() = 0;
  // Null: not every hook that it takes is attached.
  virtual ledger::Ledger* ledger() = 0;
  // Every event until then was passed on; CLOCK_MONOTONIC ns.
  virtual uint64_t passed_on_until() const = 0;
  // Writes what the flight recorder holds to files. Errors: FailedPrecondition (none is running),
  // those of writing.
  virtual absl::StatusOr<record::FlightFiles> write_flight(const std::string& reason) = 0;
};

class PipelineRequests {
 public:
  static constexpr size_t kMostWaiting = 64;
  using Request = std::function<void(PipelineView&)>;

  // Any thread except the pipeline's. Returns once the request was answered. A request whose caller
  // has given up is not run any more, so it may refer to its caller's stack. Errors: ResourceExhausted
  // (too many wait), DeadlineExceeded, Unavailable (the pipeline has ended).
  absl::Status ask(Request request, absl::Time deadline);

  // For the pipeline thread: answers all that wait. Costs a load if there are none.
  void answer(PipelineView& view);
  // From now on waiting and new requests get Unavailable.
  void close();
  // Any thread.
  bool open() const { return open_.load(std::memory_order_relaxed); }

 private:
  struct Waiting;
  std::atomic<size_t> waiting_{0};
  std::mutex mutex_;
  std::condition_variable answered_;
  std::deque<std::shared_ptr<Waiting>> asked_;
  std::atomic<bool> open_{true};  // written with the lock
};

}  // namespace swaptrail::pipeline
