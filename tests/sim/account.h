// trace/'s account of an observation: the merger and a reconstructor, run as the daemon runs them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tests/sim/distortion.h"
#include "trace/lifecycles/reconstructor.h"
#include "trace/merger.h"

namespace swaptrail::sim {

struct ToldLifecycle {
  Lifecycle life;
  size_t losses_before = 0;  // number of losses reported before
};

struct Account {
  std::vector<ToldLifecycle> lifecycles;
  std::vector<Loss> losses;
  std::vector<Violation> violations;
  std::vector<Return> returns;
  Merger::Counters merger;
  lifecycles::ReconstructorCounters counters;
};

Account watch(const Observation& observation);

}  // namespace swaptrail::sim
