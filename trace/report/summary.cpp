#include "trace/report/summary.h"

#include <algorithm>
#include <numeric>

#include "trace/decode.h"

namespace swaptrail::report {
uint64_t VictimRow::total() const {
  return std::accumulate(pages.begin(), pages.end(), uint64_t{0});
}

Summary::Summary() : Summary(Options()) {}
Summary::Summary(const Options& options) : options_(options) {
  victims_.reserve(options.max_victims);
}

double Summary::complete_share(uint64_t not_followed) const {
  const uint64_t all = total_.lifecycles + not_followed;
  if (all == 0) return 1.0;
  return static_cast<double>(complete_.lifecycles) / static_cast<double>(all);
}

void Summary::on_lifecycle(const Lifecycle& lifecycle) {
  const uint64_t pages = lifecycle.nr_pages, weight = lifecycle.weight();
  highest_weight_ = std::max(highest_weight_, weight);
  total_.add(pages, weight);
  if (lifecycle.complete()) complete_.add(pages, weight);
  if (lifecycle.overlapped_loss) overlapped_.add(pages, weight);
  outcomes_[static_cast<size_t>(lifecycle.outcome)].add(pages, weight);
  incomplete_[static_cast<size_t>(lifecycle.incomplete)].add(pages, weight);
  if (lifecycle.outcome == Outcome::kAborted) {
    aborts_[static_cast<size_t>(lifecycle.abort_reason)].add(pages, weight);
  }
  add_latencies(lifecycle);
  if (is_freed(lifecycle.outcome)) add_freed(lifecycle);
}

void Summary::add_latencies(const Lifecycle& lifecycle) {
  for (size_t at = 0; at < kStageLatencyCount; ++at) {
    const auto took = stage_latency_ns(lifecycle, lifecycle.backend, static_cast<Latency>(at));
    if (took) latencies_[at].add(*took, lifecycle.weight());
  }
}

void Summary::add_freed(const Lifecycle& lifecycle) {
  const uint64_t pages = lifecycle.nr_pages, weight = lifecycle.weight();
  origins_[known_origin(lifecycle.last.origin)].add(pages, weight);
  backends_[known_backend(lifecycle.backend)].add(pages, weight);
  VictimRow& row = victim_of(lifecycle);
  row.pages[known_origin(lifecycle.last.origin)] += pages * weight;
}

VictimRow& Summary::victim_of(const Lifecycle& lifecycle) {
  const Mapping& owner = lifecycle.mappings[0];
  const auto found = victims_.find(owner.tgid);
  if (found != victims_.end()) return found->second;
  if (victims_.size() >= options_.max_victims) return other_victims_;
  VictimRow& row = victims_[owner.tgid];
  row.tgid = owner.tgid;
  if (owner.tgid != 0) row.comm = owner.comm;
  return row;
}

void Summary::on_return(const Return& entry_return) {
  const uint64_t weight = entry_return.weight();
  highest_weight_ = std::max(highest_weight_, weight);
  if (entry_return.passes != 0) add_fault(entry_return);
  if (entry_return.nr_pages != 0 || is_failed(entry_return.how)) {
    returns_[static_cast<size_t>(entry_return.how)].add(entry_return.nr_pages, weight);
  }
  if (entry_return.how != ReturnHow::kSwappedIn || entry_return.nr_pages == 0) return;
  if (entry_return.after_ns == 0) return;
  latencies_[static_cast<size_t>(Latency::kTimeInSwap)].add(entry_return.after_ns, weight);
  if (is_regretted(entry_return, options_.regret_ns)) regretted_.add(entry_return.nr_pages, weight);
}

void Summary::add_fault(const Return& fault) {
  const uint64_t weight = fault.weight();
  faults_.faults += weight;
  faults_.major += fault.major ? weight : 0;
  faults_.wait_ns += fault.fault_ns * weight;
  latencies_[static_cast<size_t>(Latency::kFault)].add(fault.fault_ns, weight);
}

void Summary::on_violation(const Violation&) { ++violations_; }

void Summary::on_loss(const Loss& loss) {
  ++losses_;
  if (!loss.is_of_runs()) lost_events_ += loss.count;  // runs: StreamCounters::skipped_runs
}

std::vector<VictimRow> Summary::victims(size_t limit) const {
  std::vector<VictimRow> rows;
  rows.reserve(victims_.size());
  for (const auto& [tgid, row] : victims_) rows.push_back(row);
  std::sort(rows.begin(), rows.end(), [](const VictimRow& a, const VictimRow& b) {
    const uint64_t pages_a = a.total();
    const uint64_t pages_b = b.total();
    return pages_a != pages_b ? pages_a > pages_b : a.tgid < b.tgid;
  });
  if (rows.size() > limit) rows.resize(limit);
  return rows;
}

}  // namespace swaptrail::report
