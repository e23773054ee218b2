// The cost of the metrics: for the pipeline thread with each lifecycle and return, and of a whole
// scrape.
#include <benchmark/benchmark.h>

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "daemon/metrics/collector.h"
#include "daemon/metrics/metric_counters.h"
#include "daemon/metrics/openmetrics.h"
#include "trace/decode.h"

namespace swaptrail::metrics {
namespace {

// Few enough for the second-level cache: the reconstructor passes on what it has just written.
constexpr size_t kReady = 1 << 11;
constexpr size_t kMany = 1 << 16;    // enough to reach every cgroup and its part of the matrix
constexpr uint64_t kAway = 200'000;  // folios in swap at a time

// A host with two swap areas where `cgroups` lose pages to kswapd, to their own limits, and to others.
std::vector<Lifecycle> usual_lifecycles(const std::vector<uint64_t>& cgroups, size_t count) {
  std::mt19937_64 random(1);
  std::vector<Lifecycle> all(count);
  for (Lifecycle& life : all) {
    life.entry = make_entry(static_cast<uint32_t>(random() % 2), 1 + random() % (1 << 22));
    life.nr_pages = random() % 20 == 0 ? 16 : 1;
    life.cgroup = cgroups[random() % cgroups.size()];
    uint64_t time = 1'000'000'000'000;
    for (uint64_t& stage : life.stage_ns) stage = time += uint64_t{1} << random() % 26;
    life.last.batch_ns = 1;
    life.last.origin = SWAPTRAIL_ORIGIN_KSWAPD;
    if (random() % 3 == 0) {
      life.last.origin = SWAPTRAIL_ORIGIN_MEMCG_LIMIT;
      life.last.cgroup = random() % 10 == 0 ? cgroups[random() % cgroups.size()] : life.cgroup;
    }
    life.backend = random() % 3 == 0 ? SWAPTRAIL_BACKEND_ZSWAP : SWAPTRAIL_BACKEND_DEVICE;
    life.outcome =
        life.backend == SWAPTRAIL_BACKEND_ZSWAP ? Outcome::kFreedZswap : Outcome::kFreedDevice;
    if (random() % 20 == 0) life.outcome = Outcome::kAborted;
  }
  return all;
}

std::vector<uint64_t> numbers(size_t count) {
  std::vector<uint64_t> all(count);
  std::iota(all.begin(), all.end(), 1000);
  return all;
}

// Folders that stand in for cgroups.
class Hierarchy {
 public:
  explicit Hierarchy(size_t count) {
    std::string name = (std::filesystem::temp_directory_path() / "bench-XXXXXX").string();
    root_ = mkdtemp(name.data());
    for (size_t number = 0; number < count; ++number) {
      const std::string path = root_ + "/kubepods-pod" + std::to_string(number) + ".slice";
      struct stat status {};
      std::filesystem::create_directory(path);
      if (stat(path.c_str(), &status) == 0) ids_.push_back(status.st_ino);
    }
  }
  ~Hierarchy() { std::filesystem::remove_all(root_); }
  Hierarchy(const Hierarchy&) = delete;
  Hierarchy& operator=(const Hierarchy&) = delete;
  const std::string& root() const { return root_; }
  const std::vector<uint64_t>& ids() const { return ids_; }

 private:
  std::string root_;
  std::vector<uint64_t> ids_;
};

class Load {
 public:
  explicit Load(const std::vector<uint64_t>& cgroups, size_t ready = kReady)
      : ready_(usual_lifecycles(cgroups, ready)) {}
  const Lifecycle& next() {
    Lifecycle& life = ready_[id_ % ready_.size()];
    life.id = ++id_;
    return life;
  }
  Return back() const {
    Return back;
    const Lifecycle& life = ready_[(id_ - kAway) % ready_.size()];
    back.lifecycle_id = id_ - kAway + 1;
    back.entry = life.entry;
    back.nr_pages = life.nr_pages;
    back.backend = life.backend;
    back.after_ns = id_ % 3000 * 1'000'000;
    back.fault_ns = 80'000;
    return back;
  }

 private:
  std::vector<Lifecycle> ready_;
  uint64_t id_ = 0;
};

// Range: cgroups; there is room for 100. For each lifecycle one comes back, so that equally many are
// away all the time.
void BM_lifecycle_and_return(benchmark::State& state) {
  MetricCounters metric_counters(MetricOptions{});
  Load load(numbers(static_cast<size_t>(state.range(0))));
  for (uint64_t count = 0; count < kAway; ++count) metric_counters.on_lifecycle(load.next());
  for (auto _ : state) {
    metric_counters.on_lifecycle(load.next());
    metric_counters.on_return(load.back());
  }
}
BENCHMARK(BM_lifecycle_and_return)->ArgName("cgroups")->Arg(50)->Arg(1000);

// As if nothing ever came back: the table of awaited folios is full, and each new one evicts an old
// one.
void BM_lifecycle_full(benchmark::State& state) {
  MetricCounters metric_counters(MetricOptions{});
  Load load(numbers(static_cast<size_t>(state.range(0))));
  while (metric_counters.awaited() < metric_counters.awaited_room())
    metric_counters.on_lifecycle(load.next());
  for (auto _ : state) metric_counters.on_lifecycle(load.next());
}
BENCHMARK(BM_lifecycle_full)->ArgName("cgroups")->Arg(50)->Arg(1000);

struct Host {
  explicit Host(uint32_t count)
      : hierarchy(count),
        metric_counters(MetricOptions{.cgroups = count}),
        load(hierarchy.ids(), kMany) {
    cgroups.refresh();
    for (int number = 0; number < 500'000; ++number) metric_counters.on_lifecycle(load.next());
    for (size_t number = 0; number < kMany; ++number) fill_histograms(number);
  }
  // Every stage and backend, every fault.
  void fill_histograms(size_t count) {
    Lifecycle life = load.next();
    life.backend = static_cast<uint8_t>(count % SWAPTRAIL_BACKEND_END);
    metric_counters.on_lifecycle(life);
    Return back;
    back.backend = life.backend;
    back.lifecycle_id = life.id;
    back.fault_ns = uint64_t{1} << count % 38;
    back.after_ns = uint64_t{1} << count % 48;
    back.major = count / 8 % 2 == 0;
    metric_counters.on_return(back);
  }
  Hierarchy hierarchy;
  MetricCounters metric_counters;
  Load load;
  pipeline::StatusBoard status_board;
  std::unique_ptr<store::Store> store = *store::Store::create({});
  host::Cgroups cgroups{hierarchy.root()};
  probe::AttachPlan plan = all_chosen();

  static probe::AttachPlan all_chosen() {
    probe::AttachPlan plan;
    for (const probe::Hook& hook : probe::hooks_of(probe::Mode::kFull)) {
      probe::HookPlan one;
      one.hook = std::string(hook.name);
      one.state = probe::HookState::kChosen;
      plan.hooks.push_back(one);
    }
    return plan;
  }
};

void BM_scrape(benchmark::State& state) {
  Host host(static_cast<uint32_t>(state.range(0)));
  const Collector collector(Sources{.metric_counters = host.metric_counters,
                                    .status_board = host.status_board,
                                    .store = *host.store,
                                    .cgroups = host.cgroups,
                                    .plan = host.plan,
                                    .areas = [] { return std::vector<recording::SwapArea>(); },
                                    .api = {},
                                    .revision = {}});
  const char* accept = state.range(1) != 0 ? "application/openmetrics-text" : "";
  size_t bytes = 0;
  for (auto _ : state) bytes = exposition_of(collector, accept).text.size();
  state.counters["bytes"] = static_cast<double>(bytes);
}
BENCHMARK(BM_scrape)
    ->ArgNames({"cgroups", "openmetrics"})
    ->Args({100, 0})
    ->Args({100, 1})
    ->Args({10'000, 1})
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace swaptrail::metrics
