// The whole live path on one core: rings -> merger -> swap areas -> lifecycles -> output, store, counters and metrics, as
// swaptraild --print=none connects them. Each record is copied out of its ring by the merger, as from a mapped one.
//
// The records are those of the model (a zram and an SSD), or of the recordings that SWAPTRAIL_BENCH_RECORDING names (separated
// by ':'). BM_copy is the limit: the same bytes, copied.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/live_path.h"
#include "engine/machine/simulation.h"
#include "trace/kinds.h"
#include "trace/recording/file.h"
#include "trace/recording/reader.h"

namespace swaptrail {
namespace {

using Records = std::vector<swaptrail_event>;

class Keep : public engine::EventOutput, public EventSink {
 public:
  void on_event(const swaptrail_event& event, uint64_t) override { records.push_back(event); }
  void on_loss(const Loss&) override {}
  Records records;
};

Records made(engine::Device device) {
  engine::SimulationOptions options;
  options.features = *engine::features_named("6.12");
  options.cpus = 4;
  options.limit_pages = 16384;
  options.max_events = ~uint64_t{0};
  options.workload = engine::single_process(engine::Pattern::kHotCold, 65536, 400'000, 50, 7);
  engine::SimulatedArea area;
  area.area.pages = 262144;
  area.device = device;
  options.areas.push_back(area);
  Keep keep;
  fail(engine::simulate(options, keep).status());
  return std::move(keep.records);
}

Records recorded(const std::string& path) {
  auto source = recording::FileSource::open(path);
  fail(source.status());
  auto reader = recording::RecordingReader::open(**source);
  fail(reader.status());
  Keep keep;
  fail((*reader)->for_each(keep));
  return std::move(keep.records);
}

// Folios that left memory, and pages that came back.
uint64_t moved_pages(const Records& records) {
  uint64_t pages = 0;
  for (const swaptrail_event& event : records) {
    if (event.kind == SWAPTRAIL_REMOVED && event.result == 1) pages += event.nr_pages;
    if (event.kind == SWAPTRAIL_SWAP_IN && event.u.map.ptes != SWAPTRAIL_NOT_COUNTED)
      pages += event.u.map.ptes;
  }
  return pages;
}

void report_rates(benchmark::State& state, const Records& records) {
  const auto rate = [&](uint64_t each) {
    return benchmark::Counter(static_cast<double>(each * state.iterations()),
                              benchmark::Counter::kIsRate);
  };
  state.counters["records/s"] = rate(records.size());
  state.counters["pages/s"] = rate(moved_pages(records));
}

void measure_live(benchmark::State& state, const Records& records) {
  uint64_t stored = 0;
  for (auto _ : state) {
    state.PauseTiming();
    auto live = std::make_unique<Live>();
    state.ResumeTiming();
    live->run(records);
    stored = live->stored();
    state.PauseTiming();
    live.reset();
    state.ResumeTiming();
  }
  if (stored == 0) state.SkipWithError("no lifecycle was stored");
  report_rates(state, records);
}

void measure_copy(benchmark::State& state, const Records& records) {
  Records copy(records.size());
  for (auto _ : state) {
    std::memcpy(copy.data(), records.data(), records.size() * sizeof(records[0]));
    benchmark::DoNotOptimize(copy.data());
    benchmark::ClobberMemory();
  }
  report_rates(state, records);
}

void add(const std::string& name, Records records) {
  const auto shared = std::make_shared<const Records>(std::move(records));
  const auto with = [&](const std::string& what, auto function) {
    benchmark::RegisterBenchmark((what + "/" + name).c_str(), [=](benchmark::State& state) {
      function(state, *shared);
    })->Unit(benchmark::kMillisecond);
  };
  with("live", measure_live);
  with("copy", measure_copy);
}

}  // namespace
}  // namespace swaptrail

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  swaptrail::add("zram", swaptrail::made(swaptrail::engine::Device::kSynchronous));
  swaptrail::add("ssd", swaptrail::made(swaptrail::engine::Device::kAsynchronous));
  std::string paths;
  if (const char* given = std::getenv("SWAPTRAIL_BENCH_RECORDING")) paths = given;
  for (size_t begin = 0; begin < paths.size();) {
    const size_t end = std::min(paths.find(':', begin), paths.size());
    const std::string path = paths.substr(begin, end - begin);
    swaptrail::add(path.substr(path.rfind('/') + 1), swaptrail::recorded(path));
    begin = end + 1;
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
