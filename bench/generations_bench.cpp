// What an access costs each generation, by the number of pages: it should not depend on it.
//
// Each generation makes the same accesses ("zipf", 30 % writes) to 10,000, 100,000 and a million pages, once in a memory
// that holds them all, and once in one that holds half of them. The steps are drawn before the clock starts, in blocks, and
// all pages are touched before the first that counts.
//
// What no program can avoid is measured in the same way: "none" keeps one line of the processor's cache for each page, and
// touches that. Whatever grows no faster than this grows by the distance of memory, not by its work. Instructions, which
// do not depend on the machine's caches nor on its neighbours:
//
//   valgrind --tool=callgrind --toggle-collect='*timed_block*' generations_bench --benchmark_filter=2.6/fits/10000$
//
// divided by the accesses that are printed.
#include <benchmark/benchmark.h>
#include <time.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/generations/generation.h"
#include "engine/workloads/synthetic.h"

namespace swaptrail::engine {
namespace {

constexpr uint64_t kBlockSteps = 4096;
constexpr uint64_t kSizes[] = {10'000, 100'000, 1'000'000};
constexpr uint64_t kFewestAccesses = 1'000'000;

// An access, and nothing else.
class NoGeneration final : public Generation {
 public:
  explicit NoGeneration(uint64_t pages) : lines_(pages) {}
  absl::Status step(const WorkloadStep& step) override {
    lines_[step.page].value += step.write ? 2 : 1;
    return absl::OkStatus();
  }
  const GenerationCounters& counters() const override { return counters_; }
  uint64_t resident() const override { return lines_.size(); }

 protected:
  void prefetch(const WorkloadStep&, const WorkloadStep&) const override {}

 private:
  struct alignas(64) Line {
    uint64_t value = 0;
  };
  std::vector<Line> lines_;
  GenerationCounters counters_;
};

struct Case {
  std::string generation;
  bool fits = true;
  uint64_t pages = 0;
  uint64_t accesses() const { return std::max(kFewestAccesses, 4 * pages); }
};

std::unique_ptr<Generation> generation_of(const Case& tried) {
  if (tried.generation == "none") return std::make_unique<NoGeneration>(tried.pages);
  GenerationOptions options;
  options.frames = tried.fits ? tried.pages * 5 / 4 : tried.pages / 2;
  GenerationArea area;
  area.area.pages = 4 * tried.pages + 1;
  options.areas.push_back(area);
  return *make_generation(tried.generation, options);
}

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

[[gnu::noinline]] void timed_block(Generation& generation, const std::vector<WorkloadStep>& block) {
  if (!generation.run(block).ok()) std::abort();
}

void touch_all(Generation& generation, uint64_t pages) {
  for (uint64_t page = 0; page < pages; ++page)
    if (!generation.step({StepKind::kTouch, true, 0, 0, page}).ok()) std::abort();
}

void run(benchmark::State& state, const Case& tried) {
  WorkloadParameters parameters;
  parameters.pages = tried.pages;
  parameters.accesses = tried.accesses();
  parameters.write_percent = 30;
  const auto source = *make_workload("zipf", parameters);
  std::vector<WorkloadStep> block;
  block.reserve(kBlockSteps);
  uint64_t steps = 0;
  for (auto _ : state) {
    const auto generation = generation_of(tried);
    touch_all(*generation, tried.pages);
    source->rewind();
    double seconds = 0;
    bool more = true;
    while (more) {
      block.clear();
      WorkloadStep step;
      while (block.size() < kBlockSteps && (more = source->next(step))) block.push_back(step);
      const double begin = cpu_seconds();
      timed_block(*generation, block);
      seconds += cpu_seconds() - begin;
      steps += block.size();
    }
    state.SetIterationTime(seconds);
    if (generation->counters().contents_wrong != 0) std::abort();
  }
  state.counters["accesses"] = static_cast<double>(parameters.accesses);
  state.counters["per_access"] = benchmark::Counter(
      static_cast<double>(steps), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

bool register_all() {
  std::vector<std::string> names = {"none"};
  for (const std::string_view name : generation_names()) names.emplace_back(name);
  for (const std::string& name : names) {
    for (const bool fits : {true, false}) {
      for (const uint64_t pages : kSizes) {
        const Case tried{name, fits, pages};
        benchmark::RegisterBenchmark(
            (name + (fits ? "/fits/" : "/half/") + std::to_string(pages)).c_str(),
            [tried](benchmark::State& state) { run(state, tried); })
            ->UseManualTime()
            ->Iterations(1)
            ->Unit(benchmark::kMillisecond);
      }
    }
  }
  return true;
}
const bool registered = register_all();

}  // namespace
}  // namespace swaptrail::engine
