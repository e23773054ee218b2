// A small simulated machine for a seed, and what happened on it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bpf/event.h"
#include "engine/machine/simulation.h"

namespace swaptrail::sim {

struct Machine {
  engine::SimulationOptions options;
  std::string text;
};

// Features, areas, devices, CPUs and workload, all drawn.
Machine draw_machine(uint64_t seed);

struct Run {
  std::vector<swaptrail_event> events;
  engine::SimulationResult result;
};

absl::StatusOr<Run> run_machine(const Machine& machine);

}  // namespace swaptrail::sim
