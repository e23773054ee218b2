// Simulated machines with everything at once, by seed.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "engine/machine/simulation.h"
#include "tests/scene/engine_replay.h"

namespace swaptrail::engine {

inline Features features_of_set(std::string_view name) { return *features_named(name); }

// The name of a set, for tests that run with each.
inline std::string set_label(const ::testing::TestParamInfo<std::string_view>& set) {
  std::string label = "linux_" + std::string(set.param);
  std::replace(label.begin(), label.end(), '.', '_');
  return label;
}

// Everything at once, drawn from the seed: devices, zswap, errors, CPUs, readahead, disturbances,
// and a mixture of processes.
inline SimulationOptions drawn(std::string_view set, uint64_t seed) {
  uint64_t state = seed * 1000003;
  const auto one_in = [&](uint64_t n) { return below(state, n) == 0; };
  const auto device = [&] { return one_in(2) ? Device::kSynchronous : Device::kAsynchronous; };
  SimulationOptions options;
  options.features = features_of_set(set);
  options.seed = seed;
  const bool tight = one_in(5);  // swap runs out at times
  const bool huge = !tight && seed % 20 == 0;
  options.areas.push_back(simulated_area(0, tight ? 560 : huge ? 32768 : 4096, device()));
  options.areas[0].zswap = one_in(3);
  options.areas[0].zswap_refuses = 0.2;
  options.areas[0].error_rate = one_in(3) ? 0.02 : 0;
  if (!tight && one_in(2)) {
    options.areas.push_back(simulated_area(1, 4096, device()));
    if (one_in(2)) options.areas[0].area.priority = options.areas[1].area.priority = 5;
  }
  options.cpus = 1 + static_cast<uint32_t>(below(state, 4));
  options.page_cluster = static_cast<uint32_t>(below(state, 4));
  options.disturbance = one_in(2) ? 0.01 : 0;
  options.limit_pages = (huge ? 2200 : 96) + below(state, 200);
  MixtureSize size;
  if (huge) size = {8192, 8000, 1};
  size.areas = static_cast<uint32_t>(options.areas.size());
  options.workload = mixture(size, seed);
  return options;
}

}  // namespace swaptrail::engine
