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
#include <vector>

#include "bench/live_path.h"
#include "trace/merger.h"
#include "trace/recording/file.h"
#include "trace/recording/reader.h"

namespace swaptrail {
namespace {

Records recorded(const std::string& path) {
  auto source = recording::FileSource::open(path);
  fail(source.status());
  auto reader = recording::RecordingReader::open(**source);
  fail(reader.status());
  Keep keep;
  fail((*reader)->for_each(keep));
  return std::move(keep.records);
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
    Merger merger;
    state.ResumeTiming();
    run(records, merger, *live);
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
