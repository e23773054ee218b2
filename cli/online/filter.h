// The lifecycle filter: the options that trace, list, stats, matrix and top share.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "swaptrail/v1/trace.pb.h"

namespace CLI {
class App;
}  // namespace CLI

namespace swaptrail::online {

struct FilterOptions {
  std::vector<uint32_t> pids;
  std::vector<std::string> comms;
  std::string cgroup;
  std::vector<uint32_t> areas;
  std::vector<std::string> outcomes;  // words
  std::vector<std::string> origins;   // words
  std::string slower_than;            // SPAN:DURATION
  std::string since;                  // kMomentWords, as the next
  std::string until;
  bool regretted = false;
  bool incomplete = false;
};

// `options` must live as long as `command`.
void add_lifecycle_filter(CLI::App& command, FilterOptions& options);

// Errors: InvalidArgument, naming the option.
absl::StatusOr<v1::LifecycleFilter> filter_of(const FilterOptions& options, absl::Time now);

}  // namespace swaptrail::online
