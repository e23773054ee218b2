// The second pass over a recording: pools whose size is known only after the first.
#pragma once

#include <cstdint>
#include <vector>

#include "cli/offline/observation.h"
#include "cli/offline/time_range.h"
#include "engine/whatif/refusing_pool.h"
#include "trace/lifecycles/reconstructor.h"

namespace swaptrail::offline {

// `rooms`: of the pools, in pages. Damage ends it as it ended the first pass, which has reported it.
std::vector<engine::RefusingPool> play_to_pools(Observation& observation, const TimeRange& range,
                                                const lifecycles::ReconstructorOptions& options,
                                                const std::vector<uint64_t>& rooms);

}  // namespace swaptrail::offline
