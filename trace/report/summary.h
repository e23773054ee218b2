// Totals of a whole observation, in fixed memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "trace/latency.h"
#include "trace/lifecycle.h"
#include "trace/lifecycles/reconstructor.h"
#include "trace/report/histogram.h"

namespace swaptrail::report {

// Lifecycles (or returns), and the base pages in them.
struct Tally {
  uint64_t lifecycles = 0;
  uint64_t pages = 0;
  // `weight` of them, with that many pages each.
  void add(uint64_t nr_pages, uint64_t weight) {
    lifecycles += weight;
    pages += nr_pages * weight;
  }
};

// Faults, and how long they waited.
struct FaultTally {
  uint64_t faults = 0;
  uint64_t major = 0;
  uint64_t wait_ns = 0;
};

// Pages of one process that were swapped out, by who asked. tgid 0 = no owner (shmem, exited).
struct VictimRow {
  uint32_t tgid = 0;
  Comm comm{};
  std::array<uint64_t, SWAPTRAIL_ORIGIN_END> pages{};
  uint64_t total() const;
};

// Feed it everything that a Reconstructor yields. Not thread-safe; copy it for a snapshot (about 70
// KiB).
class Summary : public lifecycles::LifecycleSink {
 public:
  struct Options {
    uint64_t regret_ns = 1'000'000'000;  // swapped in again sooner: the swap-out was a mistake
    size_t max_victims = 256;            // processes with a row; the others are summed as `other`
  };

  Summary();
  explicit Summary(const Options& options);

  void on_lifecycle(const Lifecycle& lifecycle) override;
  void on_return(const Return& entry_return) override;
  void on_violation(const Violation& violation) override;
  void on_loss(const Loss& loss) override;

  const Tally& total() const { return total_; }
  const Tally& complete() const { return complete_; }
  // Share of lifecycles that are complete, 0 ... 1; 1 if there are none. `not_followed`: lifecycles
  // that found no room, counted as well.
  double complete_share(uint64_t not_followed) const;
  const Tally& by(Outcome value) const { return outcomes_[static_cast<size_t>(value)]; }
  const Tally& by(AbortReason value) const { return aborts_[static_cast<size_t>(value)]; }
  const Tally& by(IncompleteReason value) const { return incomplete_[static_cast<size_t>(value)]; }
  const Tally& by(ReturnHow value) const { return returns_[static_cast<size_t>(value)]; }
  // Freed lifecycles by the origin that freed them; by the backend that took them.
  const Tally& by_origin(uint8_t origin) const { return origins_[origin]; }
  const Tally& by_backend(uint8_t backend) const { return backends_[backend]; }
  const Histogram& latency(Latency value) const { return latencies_[static_cast<size_t>(value)]; }
  // Faults on swap entries, and reads of shared memory, however many pages they brought.
  const FaultTally& faults() const { return faults_; }
  const Tally& regretted() const { return regretted_; }
  const Tally& overlapped() const { return overlapped_; }
  uint64_t violations() const { return violations_; }
  uint64_t losses() const { return losses_; }
  uint64_t lost_events() const { return lost_events_; }
  uint64_t regret_ns() const { return options_.regret_ns; }
  // The highest weight of a lifecycle or a return. Above 1, what is counted of them is an estimate.
  uint64_t highest_weight() const { return highest_weight_; }

  // The processes that lost most pages, most first, at most `limit`; ties by tgid.
  std::vector<VictimRow> victims(size_t limit) const;
  // All processes for which there was no room in the table.
  const VictimRow& other_victims() const { return other_victims_; }

 private:
  void add_latencies(const Lifecycle& lifecycle);
  void add_freed(const Lifecycle& lifecycle);
  void add_fault(const Return& fault);
  VictimRow& victim_of(const Lifecycle& lifecycle);

  Options options_;
  Tally total_, complete_, regretted_, overlapped_;
  std::array<Tally, static_cast<size_t>(Outcome::kCount)> outcomes_{};
  std::array<Tally, static_cast<size_t>(AbortReason::kCount)> aborts_{};
  std::array<Tally, static_cast<size_t>(IncompleteReason::kCount)> incomplete_{};
  std::array<Tally, static_cast<size_t>(ReturnHow::kCount)> returns_{};
  std::array<Tally, SWAPTRAIL_ORIGIN_END> origins_{};
  std::array<Tally, SWAPTRAIL_BACKEND_END> backends_{};
  std::array<Histogram, kLatencyCount> latencies_{};
  FaultTally faults_;
  absl::flat_hash_map<uint32_t, VictimRow> victims_;
  VictimRow other_victims_;
  uint64_t violations_ = 0, losses_ = 0, lost_events_ = 0, highest_weight_ = 1;
};

}  // namespace swaptrail::report
