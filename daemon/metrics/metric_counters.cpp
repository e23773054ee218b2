#include "daemon/metrics/metric_counters.h"

#include <algorithm>

#include "trace/decode.h"
#include "trace/lifecycles/slot_time.h"

namespace swaptrail::metrics {
MetricCounters::MetricCounters(const MetricOptions& options)
    : options_(options),
      lifecycles_(kOutcomes * kOrigins * kAreaPlaces * kBackends),
      awaited_(std::max<size_t>(options.max_awaited, 16)),
      ledger_(options.cgroups) {}

void MetricCounters::on_lifecycle(const Lifecycle& lifecycle) {
  awaited_.prefetch(lifecycle.id);
  ledger_.settle();
  const size_t origin = known_origin(lifecycle.last.origin);
  const size_t backend = known_backend(lifecycle.backend);
  const auto outcome = static_cast<size_t>(lifecycle.outcome);
  const uint64_t weight = lifecycle.weight();
  const size_t area = areas_.place_of(lifecycle.entry, lifecycles::slot_time_ns(lifecycle));
  lifecycles_[((outcome * kOrigins + origin) * kAreaPlaces + area) * kBackends + backend].add(
      lifecycle.nr_pages, weight);
  if (!lifecycle.complete()) incomplete_[static_cast<size_t>(lifecycle.incomplete)].add(weight);
  if (lifecycle.outcome == Outcome::kAborted) {
    aborts_[static_cast<size_t>(lifecycle.abort_reason)].add(weight);
  }
  add_spans(lifecycle, backend);
  if (is_freed(lifecycle.outcome)) add_freed(lifecycle, origin);
}

void MetricCounters::add_spans(const Lifecycle& lifecycle, size_t backend) {
  for (size_t span = 0; span < kStageLatencyCount; ++span) {
    const auto took = stage_latency_ns(lifecycle, lifecycle.backend, static_cast<Latency>(span));
    if (took) spans_[span][backend].add(kShortTimes, *took, lifecycle.weight());
  }
}

void MetricCounters::add_freed(const Lifecycle& lifecycle, size_t origin) {
  const uint64_t pages = lifecycle.nr_pages * lifecycle.weight();
  const bool by_itself = lifecycle.last.cgroup != 0 && lifecycle.last.cgroup == lifecycle.cgroup;
  const uint32_t victim = ledger_.row_of(lifecycle.cgroup, by_itself ? 2 * pages : pages);
  ledger_.add(victim, kSwappedOut, pages);
  // without a batch it is not known on whose behalf
  uint32_t reclaimer = ledger_.other();
  if (by_itself) {
    reclaimer = victim;
  } else if (lifecycle.last.cgroup != 0) {
    reclaimer = ledger_.row_of(lifecycle.last.cgroup, pages);
  } else if (lifecycle.last.batch_ns != 0) {
    reclaimer = ledger_.node();
  }
  ledger_.add(reclaimer, kReclaimed + origin, pages);
  ledger_.add_cell(victim, reclaimer, static_cast<uint8_t>(origin), pages);
  if (options_.returns_are_seen && lifecycle.id != 0) await(lifecycle, origin);
}

void MetricCounters::await(const Lifecycle& lifecycle, size_t origin) {
  bool is_new = false;
  Awaited* folio = awaited_.find_or_insert(lifecycle.id, is_new);
  if (!is_new) return;
  if (folio == nullptr) {
    awaited_.erase_an_old_one();
    folio = awaited_.insert(lifecycle.id);
  }
  *folio = {static_cast<uint32_t>(lifecycle.cgroup), static_cast<uint32_t>(lifecycle.cgroup >> 32),
            lifecycle.nr_pages, static_cast<uint8_t>(origin)};
  awaited_now_.set(awaited_.size());
}

// An unknown folio: no cgroup, and an unknown origin.
MetricCounters::Awaited MetricCounters::take_awaited(const Return& entry_return) {
  const uint64_t id = entry_return.lifecycle_id;
  Awaited* found = id == 0 ? nullptr : awaited_.find(id);
  if (found == nullptr) {
    unattributed_.add(entry_return.nr_pages * entry_return.weight());
    return {0, 0, 0, SWAPTRAIL_ORIGIN_UNKNOWN};
  }
  const Awaited folio = *found;
  if (found->pages > entry_return.nr_pages) {
    found->pages = static_cast<uint16_t>(found->pages - entry_return.nr_pages);
    return folio;
  }
  awaited_.erase_found(found);
  awaited_now_.set(awaited_.size());
  return folio;
}

void MetricCounters::on_return(const Return& entry_return) {
  ledger_.settle();
  add_wait(entry_return);
  // Without pages it was only a fault: the page was back already, or did not come.
  const bool failed = is_failed(entry_return.how);
  if (failed) {
    const size_t area = areas_.place_of(entry_return.entry, entry_return.time_ns);
    failed_faults_[area][static_cast<size_t>(entry_return.how)].add(entry_return.weight());
  }
  if (failed || entry_return.nr_pages == 0) return;
  const Awaited folio = take_awaited(entry_return);
  if (entry_return.how == ReturnHow::kSwappedIn) return add_swapped_in(entry_return, folio);
  freed_unread_[static_cast<size_t>(entry_return.how)].add(entry_return.nr_pages *
                                                           entry_return.weight());
}

// Charged to the cgroup of the thread that waited, whoever owns the page.
void MetricCounters::add_wait(const Return& entry_return) {
  if (entry_return.fault_ns == 0) return;
  const uint64_t weight = entry_return.weight();
  faults_[known_backend(entry_return.backend)][entry_return.major].add(
      kShortTimes, entry_return.fault_ns, weight);
  const uint32_t reader = ledger_.row_of(entry_return.reader_cgroup, weight);
  ledger_.add(reader, kFaults, weight);
  if (entry_return.major) ledger_.add(reader, kMajorFaults, weight);
  ledger_.add(reader, kFaultWait_ns, entry_return.fault_ns * weight);
}

void MetricCounters::add_swapped_in(const Return& entry_return, const Awaited& folio) {
  const uint64_t pages = entry_return.nr_pages * entry_return.weight();
  const size_t backend = known_backend(entry_return.backend);
  const uint32_t victim = ledger_.row_of(folio.cgroup(), pages);
  swapped_in_[areas_.place_of(entry_return.entry, entry_return.time_ns)][backend].add(pages);
  ledger_.add(victim, kSwappedIn, pages);
  if (entry_return.after_ns == 0) return;
  in_swap_[backend].add(kLongTimes, entry_return.after_ns, entry_return.weight());
  if (!is_regretted(entry_return, options_.regret_ns)) return;
  regretted_[folio.origin].add(pages);
  ledger_.add(victim, kRegretted, pages);
}

void MetricCounters::on_stay(const Stay& stay) {
  stays_[static_cast<size_t>(stay.change)].add(stay.nr_pages * stay.weight());
}

void MetricCounters::on_violation(const Violation&) { violations_.add(1); }

void MetricCounters::on_loss(const Loss&) { losses_.add(1); }

}  // namespace swaptrail::metrics
