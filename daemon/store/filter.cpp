#include "daemon/store/filter.h"

#include <algorithm>
#include <cstring>

#include "trace/decode.h"

namespace swaptrail::store {
namespace {

// A larger set is not looked up in summaries: that would cost more than it saves.
constexpr size_t kMaxProbes = 256;

template <typename Value>
std::vector<Value> sorted(std::vector<Value> values) {
  std::ranges::sort(values);
  return values;
}

// Bits of the values below `end`.
template <typename Values>
uint64_t bits_of(const Values& values, unsigned end) {
  uint64_t bits = 0;
  for (const auto value : values) {
    const auto bit = static_cast<unsigned>(value);
    if (bit < end) bits |= uint64_t{1} << bit;
  }
  return bits;
}

}  // namespace

Matcher::Matcher(const Filter& filter)
    : pids_(sorted(filter.pids)),
      comms_(sorted(filter.comms)),
      any_comm_(filter.comms.empty()),
      any_cgroup_(!filter.cgroups.has_value()),
      areas_(bits_of(filter.areas, 64)),
      outcomes_(static_cast<uint32_t>(bits_of(filter.outcomes, 32))),
      origins_(static_cast<uint32_t>(bits_of(filter.origins, 32))),
      slower_than_(filter.slower_than),
      since_ns_(filter.since_ns),
      until_ns_(filter.until_ns),
      regretted_(filter.regretted),
      incomplete_(filter.incomplete) {
  if (filter.cgroups) cgroups_ = sorted(*filter.cgroups);
  for (const std::string& text : comms_) {
    Comm comm{};
    if (text.size() > comm.size()) continue;  // no process can have that name
    std::memcpy(comm.data(), text.data(), text.size());
    comm_hashes_.push_back(comm_hash(comm));
  }
  std::ranges::sort(comm_hashes_);
  never_ = (!any_cgroup_ && cgroups_.empty()) || (!any_comm_ && comm_hashes_.empty()) ||
           (!filter.areas.empty() && areas_ == 0) || (!filter.outcomes.empty() && outcomes_ == 0) ||
           (!filter.origins.empty() && origins_ == 0);
}

bool Matcher::may_match(const SegmentSummary& summary) const {
  if (never_ || summary.max_closed_ns < since_ns_ || summary.min_closed_ns >= until_ns_) {
    return false;
  }
  if ((outcomes_ != 0 && (outcomes_ & summary.outcomes) == 0) ||
      (origins_ != 0 && (origins_ & summary.origins) == 0) ||
      (areas_ != 0 && (areas_ & summary.areas) == 0) || (incomplete_ && !summary.incomplete)) {
    return false;
  }
  if (regretted_ && !summary.regretted.load(std::memory_order_relaxed)) return false;
  if (slower_than_) {
    const auto& longest = summary.longest_ns[static_cast<size_t>(slower_than_->span)];
    if (longest.load(std::memory_order_relaxed) <= slower_than_->longer_than_ns) return false;
  }
  return may_have_values(summary);
}

bool Matcher::may_have_values(const SegmentSummary& summary) const {
  const auto any_in = [](const auto& values, const Bloom& bloom, const auto& hash) {
    if (values.size() > kMaxProbes) return true;
    return std::ranges::any_of(values, [&](auto value) { return bloom.may_have(hash(value)); });
  };
  const auto as_it_is = [](uint64_t hash) { return hash; };
  return (pids_.empty() || any_in(pids_, summary.tgids, base::mixed)) &&
         (any_comm_ || any_in(comm_hashes_, summary.comms, as_it_is)) &&
         (any_cgroup_ || any_in(cgroups_, summary.cgroups, base::mixed));
}

bool Matcher::matches(const RecordView& record) const {
  if (!matches_hot(record.hot())) return false;
  if (regretted_ && record.back().regretted_pages == 0) return false;
  if ((!pids_.empty() || !any_comm_) && !matches_mappings(record)) return false;
  return !slower_than_ || is_slower(record);
}

bool Matcher::matches_hot(const Hot& hot) const {
  if (never_ || hot.closed_ns < since_ns_ || hot.closed_ns >= until_ns_) return false;
  if (outcomes_ != 0 && (outcomes_ >> (static_cast<unsigned>(hot.outcome) & 31) & 1) == 0) {
    return false;
  }
  if (origins_ != 0 && (origins_ >> (hot.first_origin & 31) & 1) == 0) return false;
  if (areas_ != 0 && (hot.entry == 0 || (areas_ >> entry_type(hot.entry) & 1) == 0)) return false;
  if (incomplete_ && hot.incomplete == IncompleteReason::kNone) return false;
  return any_cgroup_ || std::ranges::binary_search(cgroups_, hot.cgroup);
}

bool Matcher::matches_mappings(const RecordView& record) const {
  const Hot& hot = record.hot();
  bool pid = pids_.empty(), comm = any_comm_;
  if (hot.mappings == 1) {  // the usual case needs no look at the mapping itself
    if (!pid && !has_pid(hot.victim)) return false;
    const auto same_half = [&](uint64_t hash) {
      return static_cast<uint32_t>(hash) == hot.victim_comm;
    };
    if (!comm && !std::ranges::any_of(comm_hashes_, same_half)) return false;
  }
  for (const Mapping& mapping : record.mappings()) {
    pid = pid || has_pid(mapping.tgid);
    comm = comm || has_comm(mapping.comm);
  }
  return pid && comm;
}

bool Matcher::has_pid(uint32_t tgid) const { return std::ranges::binary_search(pids_, tgid); }

bool Matcher::has_comm(const Comm& comm) const {
  return std::binary_search(comms_.begin(), comms_.end(), comm_text(comm), std::less<>());
}

bool Matcher::is_slower(const RecordView& record) const {
  const Back back = slower_than_->span >= Latency::kFault ? record.back() : Back{};
  const auto took = record.span_ns(slower_than_->span, back);
  return took && *took > slower_than_->longer_than_ns;
}

}  // namespace swaptrail::store
