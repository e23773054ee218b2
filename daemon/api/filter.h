// The filters of requests, checked against the bounds that the contract states.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "daemon/api/clock.h"
#include "daemon/host/cgroups.h"
#include "daemon/store/filter.h"
#include "swaptrail/v1/trace.pb.h"

namespace swaptrail::api {

// All errors are InvalidArgument, and name the field, its value and the limit.

// May search the hierarchy for the filter's cgroup.
absl::StatusOr<store::Filter> to_filter(const v1::LifecycleFilter& filter, host::Cgroups& cgroups,
                                        const Moment& moment);

// The number of results asked for: 1 to 1000; 0 = `usual`.
absl::StatusOr<size_t> to_count(absl::string_view field, int32_t wanted, size_t usual);

// The error for a value that is out of bounds.
absl::Status out_of_bounds(absl::string_view field, absl::string_view value,
                           absl::string_view limit);

}  // namespace swaptrail::api
