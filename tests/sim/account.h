// What trace/ tells of an observation: the merger and a reconstructor, run as the daemon runs them.
#ifndef SWAPTRAIL_TESTS_SIM_ACCOUNT_H_
#define SWAPTRAIL_TESTS_SIM_ACCOUNT_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tests/sim/distortion.h"
#include "trace/merger.h"
#include "trace/reconstructor.h"

namespace swaptrail::sim {

struct ToldLifecycle {
  Lifecycle life;
  size_t losses_before = 0;  // so many losses had been told
};

struct Account {
  std::vector<ToldLifecycle> lifecycles;
  std::vector<Loss> losses;
  std::vector<Violation> violations;
  std::vector<Return> returns;
  Merger::Counters merger;
  ReconstructorCounters counters;
};

Account watch(const Observation& observation);

}  // namespace swaptrail::sim

#endif  // SWAPTRAIL_TESTS_SIM_ACCOUNT_H_
