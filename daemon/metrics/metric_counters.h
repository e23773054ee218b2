// Counts everything that the reconstructor yields, for the metrics.
//
// The pipeline thread counts without a lock, an allocation or a wait; any thread reads at any time.
// Each number is exact and never falls, but a reader sees the numbers of one lifecycle change one
// after another.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "bpf/event.h"
#include "daemon/base/fixed_map.h"
#include "daemon/metrics/area_places.h"
#include "daemon/metrics/bucket_bounds.h"
#include "daemon/metrics/cgroup_ledger.h"
#include "daemon/metrics/count.h"
#include "trace/latency.h"
#include "trace/lifecycle.h"
#include "trace/lifecycles/reconstructor.h"

namespace swaptrail::metrics {

inline constexpr size_t kOutcomes = static_cast<size_t>(Outcome::kCount);
inline constexpr size_t kOrigins = SWAPTRAIL_ORIGIN_END;
inline constexpr size_t kBackends = SWAPTRAIL_BACKEND_END;

struct MetricOptions {
  uint32_t cgroups = 100;              // with series of their own, 1 to 10,000
  uint64_t regret_ns = 1'000'000'000;  // swapped in again sooner: the swap-out was a mistake
  // Freed folios whose cgroup and origin are kept until they return: 20 bytes each, twice over. If
  // there are more, an old one is forgotten and its return counts as unattributed.
  size_t max_awaited = 1 << 20;
  bool returns_are_seen = true;  // false: no hook reports returns, so nothing is kept for them
};

class MetricCounters : public lifecycles::LifecycleSink {
 public:
  explicit MetricCounters(const MetricOptions& options);

  // For a caller that learns it later; before the first event.
  void set_returns_are_seen(bool seen) { options_.returns_are_seen = seen; }

  // The pipeline thread's.
  void on_lifecycle(const Lifecycle& lifecycle) override;
  void on_return(const Return& entry_return) override;
  void on_stay(const Stay& stay) override;
  void on_violation(const Violation& violation) override;
  void on_loss(const Loss& loss) override;
  // A swap area came, went, or its type is known only now.
  void on_area(const host::AreaInstance& area) { areas_.on_area(area); }
  // Does what tick() asked for, if no event comes. Once a sweep; costs a load if there is nothing.
  void settle() { ledger_.settle(); }

  // Another thread's, once a second, after Cgroups::refresh().
  void tick(const host::Cgroups& cgroups) { ledger_.tick(cgroups); }

  // Any thread's. Areas are numbered by their place.
  const AreaPlaces& areas() const { return areas_; }
  const PageCount& lifecycles(size_t outcome, size_t origin, size_t area, size_t backend) const {
    return lifecycles_[((outcome * kOrigins + origin) * kAreaPlaces + area) * kBackends + backend];
  }
  uint64_t swapped_in_pages(size_t area, size_t backend) const {
    return swapped_in_[area][backend].read();
  }
  // Faults that failed: the page stayed in swap.
  uint64_t failed_faults(size_t area, ReturnHow how) const {
    return failed_faults_[area][static_cast<size_t>(how)].read();
  }
  uint64_t stay_pages(StayChange change) const {
    return stays_[static_cast<size_t>(change)].read();
  }
  uint64_t freed_unread_pages(ReturnHow how) const {
    return freed_unread_[static_cast<size_t>(how)].read();
  }
  uint64_t incomplete(size_t reason) const { return incomplete_[reason].read(); }
  uint64_t aborts(size_t reason) const { return aborts_[reason].read(); }
  uint64_t regretted_pages(size_t origin) const { return regretted_[origin].read(); }
  const TimeHistogram& span(size_t span, size_t backend) const { return spans_[span][backend]; }
  const TimeHistogram& fault(size_t backend, bool major) const { return faults_[backend][major]; }
  const TimeHistogram& time_in_swap(size_t backend) const { return in_swap_[backend]; }
  uint64_t violations() const { return violations_.read(); }
  uint64_t losses() const { return losses_.read(); }
  // Pages that came back or were freed unread, of an unknown or forgotten folio.
  uint64_t unattributed_pages() const { return unattributed_.read(); }
  uint64_t awaited() const { return awaited_now_.read(); }
  uint64_t awaited_room() const { return awaited_.room(); }
  const CgroupLedger& ledger() const { return ledger_; }

 private:
  static constexpr size_t kHows = static_cast<size_t>(ReturnHow::kCount);
  // A freed folio. The cgroup is in halves: an entry of the table then takes 20 bytes, and not 24.
  struct Awaited {
    uint32_t cgroup_low, cgroup_high;
    uint16_t pages;  // still away
    uint8_t origin;

    uint64_t cgroup() const { return uint64_t{cgroup_high} << 32 | cgroup_low; }
  };
  void add_spans(const Lifecycle& lifecycle, size_t backend);
  void add_freed(const Lifecycle& lifecycle, size_t origin);
  void await(const Lifecycle& lifecycle, size_t origin);
  Awaited take_awaited(const Return& entry_return);
  void add_swapped_in(const Return& entry_return, const Awaited& folio);
  void add_wait(const Return& entry_return);

  MetricOptions options_;
  AreaPlaces areas_;
  std::vector<PageCount> lifecycles_;
  std::array<std::array<Count, kBackends>, kAreaPlaces> swapped_in_;
  std::array<Count, kHows> freed_unread_;
  std::array<std::array<Count, kHows>, kAreaPlaces> failed_faults_;
  std::array<Count, static_cast<size_t>(StayChange::kCount)> stays_;
  std::array<Count, static_cast<size_t>(IncompleteReason::kCount)> incomplete_;
  std::array<Count, static_cast<size_t>(AbortReason::kCount)> aborts_;
  std::array<Count, kOrigins> regretted_;
  std::array<std::array<TimeHistogram, kBackends>, kStageLatencyCount> spans_;
  std::array<std::array<TimeHistogram, 2>, kBackends> faults_;
  std::array<TimeHistogram, kBackends> in_swap_;
  Count violations_, losses_, unattributed_, awaited_now_;
  base::FixedMap<Awaited> awaited_;
  CgroupLedger ledger_;
};

}  // namespace swaptrail::metrics
