// Plays a recording through the reconstructor, exactly as swaptraild ran it.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "cli/offline/observation.h"
#include "cli/offline/recorded_names.h"
#include "cli/offline/time_range.h"
#include "trace/lifecycles/reconstructor.h"

namespace swaptrail::offline {

struct Played {
  lifecycles::ReconstructorCounters counters;
  uint64_t late = 0;    // events older than one before them
  absl::Status damage;  // DataLoss: what comes after it was not played
};

// Plays what is in `range`; what began before it is incomplete, as in a recording that was cut.
// Advances `names` to the time of each event before the sink gets it.
Played play(Observation& observation, const TimeRange& range, RecordedNames& names,
            lifecycles::LifecycleSink& sink);

}  // namespace swaptrail::offline
