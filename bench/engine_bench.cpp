// The engine on one core: the free run, measured by what the machine does, and the validator on its
// stream.
//
// A step of the free run is an access, a fault, a step of shrink_folio's table, or an event made; one of
// the validator is a step of that table.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "engine/lockstep/lockstep.h"
#include "engine/machine/simulation.h"

namespace swaptrail::engine {
namespace {

// Reads every event, as the cheapest real output would.
class SummingOutput : public EventOutput {
 public:
  void on_event(const swaptrail_event& event, uint64_t sequence) override {
    sum += event.time_ns ^ event.folio ^ sequence ^ event.u.page.backend;
  }
  uint64_t sum = 0;
};

struct Scene {
  const char* features;
  Device device;
  Pattern pattern;
  bool zswap;
};
constexpr Scene kScenes[] = {
    {"7.3", Device::kSynchronous, Pattern::kUniform, false},
    {"7.3", Device::kAsynchronous, Pattern::kUniform, false},
    {"7.3", Device::kAsynchronous, Pattern::kHotCold, false},
    {"7.3", Device::kAsynchronous, Pattern::kSequential, true},
    {"5.10", Device::kAsynchronous, Pattern::kUniform, false},
};

SimulationOptions options_of(const Scene& scene) {
  SimulationOptions options;
  options.features = *features_named(scene.features);
  options.cpus = 1;
  options.limit_pages = 4096;
  options.max_events = ~uint64_t{0};
  options.workload = single_process(scene.pattern, 16384, 100'000, 50, 7);
  SimulatedArea area;
  area.area.pages = 65536;
  area.device = scene.device;
  area.zswap = scene.zswap;
  options.areas.push_back(area);
  return options;
}

void BM_free_run(benchmark::State& state) {
  const Scene& scene = kScenes[state.range(0)];
  const SimulationOptions options = options_of(scene);
  uint64_t steps = 0, events = 0;
  for (auto _ : state) {
    SummingOutput output;
    const auto result = simulate(options, output);
    if (!result.ok() || result->contents_wrong != 0) {
      std::fprintf(stderr, "the simulation failed\n");
      std::exit(1);
    }
    steps += result->steps;
    events += result->events;
    benchmark::DoNotOptimize(output.sum);
  }
  state.SetLabel(std::string(scene.features) + " " + std::string(pattern_name(scene.pattern)) +
                 (scene.device == Device::kSynchronous ? " synchronous" : " asynchronous") +
                 (scene.zswap ? " zswap" : ""));
  state.counters["steps/s"] =
      benchmark::Counter(static_cast<double>(steps), benchmark::Counter::kIsRate);
  state.counters["events/s"] =
      benchmark::Counter(static_cast<double>(events), benchmark::Counter::kIsRate);
}
BENCHMARK(BM_free_run)->DenseRange(0, std::size(kScenes) - 1)->Unit(benchmark::kMillisecond);

class KeepingOutput : public EventOutput {
 public:
  void on_event(const swaptrail_event& event, uint64_t sequence) override {
    events.push_back({event, sequence});
  }
  std::vector<std::pair<swaptrail_event, uint64_t>> events;
};

class CountingSink : public FindingSink {
 public:
  void on_finding(const Finding& finding) override {
    if (finding.kind != FindingKind::kDisagreement) ++findings;  // it gets no lifecycles
  }
  uint64_t findings = 0;
};

// The same stream through the validator, without trace/.
void BM_lockstep(benchmark::State& state) {
  const Scene& scene = kScenes[state.range(0)];
  const SimulationOptions simulation = options_of(scene);
  KeepingOutput stream;
  if (!simulate(simulation, stream).ok()) std::exit(1);
  LockstepOptions options;
  options.features = simulation.features;
  uint64_t events = 0, steps = 0;
  for (auto _ : state) {
    CountingSink findings;
    Lockstep lockstep(options, findings);
    for (const auto& [event, sequence] : stream.events) lockstep.on_event(event, sequence);
    events += lockstep.counters().events;
    steps += lockstep.counters().steps;
    if (findings.findings != 0) std::exit(1);
  }
  state.counters["events/s"] =
      benchmark::Counter(static_cast<double>(events), benchmark::Counter::kIsRate);
  state.counters["steps/s"] =
      benchmark::Counter(static_cast<double>(steps), benchmark::Counter::kIsRate);
}
BENCHMARK(BM_lockstep)->DenseRange(0, std::size(kScenes) - 1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace swaptrail::engine
