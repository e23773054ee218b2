// Names as a recording has them, at the moment that is being replayed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "cli/offline/observation.h"
#include "trace/recording/contents.h"
#include "trace/report/print.h"

namespace swaptrail::offline {

// A cgroup has a name from the moment when the daemon learnt it: before that, live output had only
// its number. One thread.
class RecordedNames : public report::Names {
 public:
  // Copies what it needs.
  explicit RecordedNames(const Observation& observation);

  // The current time of the replay; never goes back.
  void advance(uint64_t now_ns) {
    if (now_ns > now_ns_) now_ns_ = now_ns;
  }
  uint64_t now_ns() const { return now_ns_; }

  std::optional<uint64_t> pfn_of(uint64_t folio) const override;
  std::optional<std::string_view> cgroup_path(uint64_t id) const override;

  // The swap area that has that type at the moment being replayed, or had it last; before the first
  // one was noted, the first one. Null if the recording has none.
  const recording::SwapArea* area(uint32_t type) const;

 private:
  uint64_t page_frames_base_ = 0;
  uint32_t page_struct_size_ = 0;
  uint64_t now_ns_ = 0;
  absl::flat_hash_map<uint64_t, std::vector<recording::CgroupName>> cgroups_;  // each by time
  absl::flat_hash_map<uint32_t, std::vector<recording::SwapArea>> areas_;      // each by time
};

}  // namespace swaptrail::offline
