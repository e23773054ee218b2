// The live path behind many CPUs: their rings -> merger -> lifecycles -> store, counters and metrics. Does one thread keep up, and
// how late is a lifecycle?
//
// The records of the model come at a fixed rate, each on a CPU that is drawn: at millions a second neighbours in time are on
// different CPUs, which is the merger's worst case. Time is simulated: it passes by the CPU time that the work really took, and by the
// pipeline's 10 ms of sleep. So other load on this machine delays nothing, and rings are never full: `fullest` is the most that was
// in one of them, in rings of 8 MiB; beyond 1, records would have been lost.
//
//   ns_per_record   of CPU time, while there is more than it can take; and what that is as a rate: `keeps_up/s`
//   p50_ms, p99_ms  from the record that ends a lifecycle to the lifecycle; at 10 million records a second, at 50 % and
//                   at 90 % of `keeps_up/s`
//
// The first quarter of each run, in which tables grow, is not counted.
#include <benchmark/benchmark.h>
#include <time.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "bench/live_path.h"
#include "trace/decode.h"
#include "trace/merger.h"

namespace swaptrail {
namespace {

constexpr double kOffered = 10e6;  // records a second
constexpr uint64_t kStart_ns = 1'000'000'000'000;
// As daemon/pipeline/pipeline.cpp and the rings have it.
constexpr uint64_t kSweepEvery_ns = 10'000'000;
constexpr double kBusy = 0.05;
constexpr double kRingRecords = (8 << 20) / 104.0;

uint64_t cpu_time_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

// The rings of all CPUs, that fill as time goes on. Taken from as capture::Session does.
class Rings {
 public:
  Rings(const Records& records, uint32_t cpus, double rate) : rings_(cpus) {
    std::mt19937 random(1);
    for (size_t at = 0; at < records.size(); ++at) {
      swaptrail_event event = records[at];
      event.cpu = static_cast<uint16_t>(random() % cpus);
      event.time_ns = time_of(at, rate);
      if (event.batch_ns != 0) {
        const auto begin =
            std::ranges::lower_bound(records, event.batch_ns, {}, &swaptrail_event::time_ns);
        event.batch_ns = time_of(static_cast<size_t>(begin - records.begin()), rate);
      }
      rings_[event.cpu].records.push_back(event);
    }
  }

  // What comes until then is in the rings.
  void fill(uint64_t now_ns) {
    fullest_ = 0;
    for (Ring& ring : rings_) {
      while (ring.filled < ring.records.size() && ring.records[ring.filled].time_ns <= now_ns)
        ++ring.filled;
      fullest_ = std::max(fullest_, static_cast<double>(ring.filled - ring.taken) / kRingRecords);
    }
  }

  // Returns the watermark.
  uint64_t sweep(uint64_t now_ns, Merger& merger) {
    uint64_t complete_until = now_ns;
    emptied_ = true;
    for (uint32_t cpu = 0; cpu < rings_.size(); ++cpu) {
      Ring& ring = rings_[cpu];
      const size_t end = std::min(ring.filled, ring.taken + merger.room(cpu));
      for (; ring.taken < end; ++ring.taken) {
        const swaptrail_event& event = ring.records[ring.taken];
        if (is_valid_event(event)) merger.push(cpu, event);
      }
      if (ring.taken == ring.filled) continue;
      emptied_ = false;
      complete_until = std::min(complete_until, merger.settled_ns(cpu));
    }
    return complete_until;
  }
  double fullest() const { return fullest_; }
  bool busy() const { return fullest_ > kBusy || !emptied_; }

 private:
  struct Ring {
    Records records;
    size_t filled = 0;
    size_t taken = 0;
  };
  static uint64_t time_of(size_t at, double rate) {
    return kStart_ns + static_cast<uint64_t>(static_cast<double>(at) * 1e9 / rate);
  }
  std::vector<Ring> rings_;
  double fullest_ = 0;
  bool emptied_ = true;
};

// Which record ended each lifecycle, and which the merger had passed on by then.
class Ends : public lifecycles::LifecycleSink {
 public:
  explicit Ends(const Merger& merger) : merger_(merger) {}
  struct End {
    uint64_t closed_ns;
    uint64_t emitted;
  };
  void on_lifecycle(const Lifecycle& life) override {
    ends.push_back({life.closed_ns, merger_.counters().emitted});
  }
  void on_return(const Return&) override {}
  void on_violation(const Violation&) override { ++violations; }
  void on_loss(const Loss&) override {}
  std::vector<End> ends;  // of one sweep
  uint64_t violations = 0;

 private:
  const Merger& merger_;
};

struct Outcome {
  uint64_t lifecycles = 0;
  uint64_t wrong = 0;  // lost or late records, violations, records that are not through
  double busy_ns = 0, counted = 0;
  double fullest = 0;
  std::vector<double> delays_ms;

  double percentile(double share) {
    const auto at = delays_ms.begin() +
                    static_cast<ptrdiff_t>(share * static_cast<double>(delays_ms.size() - 1));
    std::ranges::nth_element(delays_ms, at);
    return *at;
  }
};

Outcome run(const Records& records, uint32_t cpus, double rate) {
  Rings rings(records, cpus, rate);
  Merger::Options options;
  options.max_cpus = cpus;
  Merger merger(options);
  Ends ends(merger);
  const auto live = std::make_unique<Live>(&ends);
  Outcome outcome;
  uint64_t now_ns = kStart_ns;
  while (merger.counters().emitted < records.size()) {
    rings.fill(now_ns);
    const uint64_t before = merger.counters().emitted;
    const uint64_t began_ns = cpu_time_ns();
    const uint64_t complete_until_ns = rings.sweep(now_ns, merger);
    const uint64_t swept_ns = cpu_time_ns();
    live->advance(complete_until_ns, merger);
    const uint64_t ended_ns = cpu_time_ns();

    const double emitted = static_cast<double>(merger.counters().emitted - before);
    outcome.lifecycles += ends.ends.size();
    if (before >= records.size() / 4) {
      outcome.fullest = std::max(outcome.fullest, rings.fullest());
      outcome.busy_ns += static_cast<double>(ended_ns - began_ns);
      outcome.counted += emitted;
      for (const Ends::End& end :
           ends.ends) {  // the work of one advance is spread evenly over its records
        const double share = static_cast<double>(end.emitted - before) / emitted;
        const double at_ns = static_cast<double>(now_ns - end.closed_ns + swept_ns - began_ns) +
                             share * static_cast<double>(ended_ns - swept_ns);
        outcome.delays_ms.push_back(at_ns / 1e6);
      }
    }
    ends.ends.clear();
    now_ns += ended_ns - began_ns;
    if (!rings.busy()) now_ns += kSweepEvery_ns;
  }
  outcome.wrong = merger.counters().lost + merger.counters().late + ends.violations +
                  (merger.counters().pushed - merger.counters().emitted);
  return outcome;
}

void BM_cpus(benchmark::State& state) {
  static const Records records = made(engine::Device::kSynchronous);
  static uint64_t lifecycles = 0;  // by the first
  const auto cpus = static_cast<uint32_t>(state.range(0));
  for (auto _ : state) {
    Outcome most = run(records, cpus, kOffered);
    const double keeps_up = 1e9 * most.counted / most.busy_ns;
    Outcome half = run(records, cpus, 0.5 * keeps_up);
    Outcome nearly = run(records, cpus, 0.9 * keeps_up);
    if (lifecycles == 0) lifecycles = most.lifecycles;
    for (const Outcome* one : {&most, &half, &nearly}) {
      if (one->wrong != 0) return state.SkipWithError("records were lost, late or misunderstood");
      if (one->lifecycles != lifecycles || lifecycles == 0)
        return state.SkipWithError("other lifecycles than before");
    }
    state.SetIterationTime(most.busy_ns / 1e9);
    state.counters["ns_per_record"] = most.busy_ns / most.counted;
    state.counters["keeps_up/s"] = keeps_up;
    const auto put = [&](const std::string& at, Outcome& outcome) {
      state.counters["p50_ms_" + at] = outcome.percentile(0.5);
      state.counters["p99_ms_" + at] = outcome.percentile(0.99);
      state.counters["fullest_" + at] = outcome.fullest;
    };
    put("10M", most);
    put("50%", half);
    put("90%", nearly);
  }
}
BENCHMARK(BM_cpus)
    ->ArgName("cpus")
    ->Arg(1)
    ->Arg(2)
    ->Arg(16)
    ->Arg(64)
    ->Arg(256)
    ->Iterations(1)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace swaptrail

BENCHMARK_MAIN();
