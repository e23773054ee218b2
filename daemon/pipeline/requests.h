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
#include "daemon/pipeline/slot_holders.h"
#include "daemon/record/flight_files.h"
#include "trace/ledger/ledger.h"
#include "trace/lifecycles/reconstructor.h"
#include "trace/recording/contents.h"

namespace swaptrail::pipeline {

// What the used slots of the swap areas hold, in base pages, at one moment.
struct SlotUse {
  struct Area {
    recording::SwapArea area;  // with the kernel's used_bytes
    uint64_t since_ns = 0;     // 0 = on before the start
    uint64_t at_start = 0;     // in use when it was first seen
    uint64_t away = 0;         // of pages that left memory and have not returned
    uint64_t waiting = 0;      // of pages on their way out
    uint64_t kept = 0;         // of pages that are back in memory
  };
  uint64_t at_ns = 0;
  bool way_back_is_seen = false;    // if not, none of the above is reliable
  std::vector<Area> areas;          // those that are on
  uint64_t not_followed_pages = 0;  // found no room in a table, since the start
  uint64_t lost_records = 0;        // since the start
};

// What a request may read and do. Runs on the pipeline thread, between two sweeps: keep it short.
class PipelineView {
 public:
  virtual ~PipelineView() = default;
  virtual const lifecycles::Reconstructor& reconstructor() const = 0;
  // Not older than a second.
  virtual const SlotUse& slot_use() = 0;
  // Not older than a quarter of a second; never null.
  virtual std::shared_ptr<const SlotHolders> holders() = 0;
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
