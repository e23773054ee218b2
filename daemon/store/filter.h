// Selects the lifecycles that a query wants.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "daemon/store/segment.h"
#include "trace/latency.h"
#include "trace/lifecycle.h"

namespace swaptrail::store {

// A span that took longer than a given time.
struct SlowerThan {
  Latency span = Latency::kIsolatedToRemoved;
  uint64_t longer_than_ns = 0;
};

// Fields are combined by AND, the values of one field by OR; an empty field accepts everything. The
// caller limits how many values there are.
struct Filter {
  std::vector<uint32_t> pids;      // of any mapping that is kept
  std::vector<std::string> comms;  // of any mapping that is kept, exactly
  // Charged to one of these. Present but empty (a path that does not exist): nothing passes.
  std::optional<std::vector<uint64_t>> cgroups;
  std::vector<uint32_t> areas;  // a lifecycle without a slot has no area
  std::vector<Outcome> outcomes;
  std::vector<uint8_t> origins;  // of the reclaim that began it
  std::optional<SlowerThan> slower_than;
  uint64_t since_ns = 0;             // closed at or after this time, monotonic
  uint64_t until_ns = ~uint64_t{0};  // closed before this time, monotonic
  bool regretted = false;            // only those of which a page came back too soon
  bool incomplete = false;           // only incomplete lifecycles
};

// A filter prepared for use on many lifecycles. Copies what it needs; const use from any thread.
class Matcher {
 public:
  explicit Matcher(const Filter& filter);

  // False: none of the segment's records matches. O(values in the filter).
  bool may_match(const SegmentSummary& summary) const;
  bool matches(const RecordView& record) const;

 private:
  bool matches_hot(const Hot& hot) const;
  bool matches_mappings(const RecordView& record) const;
  bool has_pid(uint32_t tgid) const;
  bool has_comm(const Comm& comm) const;
  bool is_slower(const RecordView& record) const;
  bool may_have_values(const SegmentSummary& summary) const;

  std::vector<uint32_t> pids_;         // sorted
  std::vector<uint64_t> comm_hashes_;  // sorted; of comms_
  std::vector<std::string> comms_;     // sorted
  std::vector<uint64_t> cgroups_;      // sorted
  bool any_comm_, any_cgroup_;
  uint64_t areas_ = 0;                   // bits; 0 = any
  uint32_t outcomes_ = 0, origins_ = 0;  // bits; 0 = any
  bool never_ = false;                   // all its values are ones that no lifecycle has
  std::optional<SlowerThan> slower_than_;
  uint64_t since_ns_, until_ns_;
  bool regretted_, incomplete_;
};

}  // namespace swaptrail::store
