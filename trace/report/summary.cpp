#include "trace/report/summary.h"

#include <algorithm>
#include <numeric>

#include "trace/decode.h"

namespace swaptrail {
namespace {

constexpr std::string_view kLatencyNames[] = {"isolated_to_slot",
                                              "slot_to_unmapped",
                                              "unmapped_to_write",
                                              "device_write",
                                              "completed_to_removed",
                                              "isolated_to_removed",
                                              "fault",
                                              "time_in_swap"};
static_assert(std::size(kLatencyNames) == kLatencyCount);

struct StagePair {
  Latency latency;
  Stage from;
  Stage to;
};
constexpr StagePair kStagePairs[] = {
    {Latency::kIsolatedToSlot, Stage::kIsolated, Stage::kSlotAllocated},
    {Latency::kSlotToUnmapped, Stage::kSlotAllocated, Stage::kUnmapped},
    {Latency::kUnmappedToWrite, Stage::kUnmapped, Stage::kWriteBegin},
    {Latency::kDeviceWrite, Stage::kWriteIssued, Stage::kWriteCompleted},
    {Latency::kCompletedToRemoved, Stage::kWriteCompleted, Stage::kRemoved},
    {Latency::kIsolatedToRemoved, Stage::kIsolated, Stage::kRemoved},
};

}  // namespace

std::string_view latency_name(Latency latency) {
  const auto index = static_cast<size_t>(latency);
  return index < kLatencyCount ? kLatencyNames[index] : "unknown";
}

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
  const uint64_t pages = lifecycle.nr_pages;
  total_.add(pages);
  if (lifecycle.complete()) complete_.add(pages);
  if (lifecycle.overlapped_loss) overlapped_.add(pages);
  outcomes_[static_cast<size_t>(lifecycle.outcome)].add(pages);
  incomplete_[static_cast<size_t>(lifecycle.incomplete)].add(pages);
  if (lifecycle.outcome == Outcome::kAborted) {
    aborts_[static_cast<size_t>(lifecycle.abort_reason)].add(pages);
  }
  add_latencies(lifecycle);
  if (is_freed(lifecycle.outcome)) add_freed(lifecycle);
}

void Summary::add_latencies(const Lifecycle& lifecycle) {
  for (const StagePair& pair : kStagePairs) {
    const uint64_t from = lifecycle.at(pair.from);
    const uint64_t to = lifecycle.at(pair.to);
    const bool other_write =
        pair.latency == Latency::kDeviceWrite && lifecycle.backend != SWAPTRAIL_BACKEND_DEVICE;
    if (from == 0 || to < from || other_write) continue;
    latencies_[static_cast<size_t>(pair.latency)].add(to - from);
  }
}

void Summary::add_freed(const Lifecycle& lifecycle) {
  origins_[known_origin(lifecycle.last.origin)].add(lifecycle.nr_pages);
  backends_[known_backend(lifecycle.backend)].add(lifecycle.nr_pages);
  VictimRow& row = victim_of(lifecycle);
  row.pages[known_origin(lifecycle.last.origin)] += lifecycle.nr_pages;
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
  if (entry_return.passes != 0) add_fault(entry_return);
  if (entry_return.nr_pages != 0 || is_failed(entry_return.how)) {
    returns_[static_cast<size_t>(entry_return.how)].add(entry_return.nr_pages);
  }
  if (entry_return.how != ReturnHow::kSwappedIn || entry_return.nr_pages == 0) return;
  if (entry_return.after_ns == 0) return;
  latencies_[static_cast<size_t>(Latency::kTimeInSwap)].add(entry_return.after_ns);
  if (entry_return.after_ns < options_.regret_ns) regretted_.add(entry_return.nr_pages);
}

void Summary::add_fault(const Return& fault) {
  ++faults_.faults;
  faults_.major += fault.major;
  faults_.wait_ns += fault.fault_ns;
  latencies_[static_cast<size_t>(Latency::kFault)].add(fault.fault_ns);
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

}  // namespace swaptrail
