// The store of lifecycles: what adding costs the pipeline, and how long queries of a full one take,
// while nothing is added (writer 0) and while 500,000 lifecycles a second are added (writer 1).
//
// Queries report the 50th and 99th percentile of single calls. With a writer, `late_ms` is the longest
// delay of one batch of its work (1 ms): it shows what readers, and the host, cost it.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <new>
#include <random>
#include <thread>
#include <vector>

#include "bench/store_load.h"
#include "daemon/counters/counters.h"
#include "daemon/store/list.h"
#include "daemon/store/lookup.h"
#include "daemon/store/stats.h"
#include "daemon/store/store.h"
#include "trace/decode.h"

namespace {
std::atomic<uint64_t> allocations{0};
}  // namespace

// Not inlined: otherwise the compiler would see malloc and free as a mismatched pair.
[[gnu::noinline]] void* operator new(size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(size_t size, std::align_val_t align) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* memory = std::aligned_alloc(static_cast<size_t>(align), size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}

namespace swaptrail::store {
namespace {

using Clock = std::chrono::steady_clock;

// One full store for all.
struct Full {
  std::unique_ptr<Store> store = *Store::create(Store::Options{});
  Load load{*store};
  Full() { load.fill(); }
};
Full& full() {
  static Full one;
  return one;
}

void BM_add(benchmark::State& state) {
  Load& load = full().load;
  const uint64_t before = allocations;
  for (auto _ : state) load.one();
  const uint64_t made = allocations - before;
  state.SetItemsProcessed(state.iterations());
  state.counters["allocations"] = static_cast<double>(made);
  state.counters["lifecycles"] = static_cast<double>(full().store->status().lifecycles);
  state.counters["bytes"] = static_cast<double>(full().store->status().bytes);
}
BENCHMARK(BM_add);

// The same with the counters beside the store, as the pipeline has them.
void BM_add_and_count(benchmark::State& state) {
  counters::Counters counters({});
  Load& load = full().load;
  load.count_with(&counters);
  const uint64_t before = allocations;
  for (auto _ : state) load.one();
  state.counters["allocations"] = static_cast<double>(allocations - before);
  state.SetItemsProcessed(state.iterations());
  load.count_with(nullptr);
}
BENCHMARK(BM_add_and_count);

// The counters alone: each lifecycle comes back. `processes`: how many take turns; more than there are
// rows is the worst case.
void BM_count(benchmark::State& state) {
  counters::Counters counters({});
  std::vector<Lifecycle> ready = usual_lifecycles();
  std::mt19937_64 random(2);
  for (Lifecycle& life : ready) {
    life.mappings[0].tgid = 5000 + static_cast<uint32_t>(random() % state.range(0));
    life.cgroup = 1000 + life.mappings[0].tgid / 4;
  }
  uint64_t id = 0;
  for (auto _ : state) {
    Lifecycle& life = ready[id % ready.size()];
    life.closed_ns = kStart + ++id * 2000;
    counters.on_lifecycle(life);
    Return back;
    back.entry = life.entry;
    back.time_ns = life.closed_ns;
    back.after_ns = 1'000'000;
    back.fault_ns = 80'000;
    back.tgid = life.mappings[0].tgid;
    back.reader_cgroup = life.cgroup;
    back.eviction = eviction_of(life);
    counters.on_return(back);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_count)->ArgName("processes")->Arg(200)->Arg(100'000);

void BM_copy_of_counters(benchmark::State& state) {
  counters::Counters counters({});
  for (const Lifecycle& life : usual_lifecycles()) counters.on_lifecycle(life);
  for (auto _ : state) benchmark::DoNotOptimize(counters.copy(counters::Grouping::kProcess));
}
BENCHMARK(BM_copy_of_counters);

template <typename Query>
void measure(benchmark::State& state, const Query& query) {
  const Store& store = *full().store;
  const uint64_t unstored = store.status().unstored, evicted = store.status().evicted;
  std::unique_ptr<Writer> writer;
  if (state.range(0) != 0) writer = std::make_unique<Writer>(full().load);
  std::vector<double> times;
  for (auto _ : state) {
    const auto begin = Clock::now();
    query(store);
    times.push_back(std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
    if (writer) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (writer) {
    writer->stop();
    state.counters["late_ms"] = writer->late_ms();
  }
  std::ranges::sort(times);
  state.counters["p50_ms"] = times[times.size() / 2];
  state.counters["p99_ms"] = times[times.size() * 99 / 100];
  state.counters["unstored"] = static_cast<double>(store.status().unstored - unstored);
  state.counters["evicted"] = static_cast<double>(store.status().evicted - evicted);
}

void first_page(benchmark::State& state, const Filter& filter) {
  ListQuery query;
  query.filter = filter;
  measure(state, [&](const Store& store) {
    benchmark::DoNotOptimize(list_lifecycles(store.snapshot(), query));
  });
}

void BM_snapshot(benchmark::State& state) {
  measure(state, [](const Store& store) { benchmark::DoNotOptimize(store.snapshot()); });
}
void BM_first_page_of_all(benchmark::State& state) { first_page(state, Filter{}); }
void BM_first_page_of_a_process(benchmark::State& state) {
  Filter filter;
  filter.pids = {5100};
  first_page(state, filter);
}
void BM_first_page_of_nobody(benchmark::State& state) {
  Filter filter;
  filter.comms = {"nobody"};
  first_page(state, filter);
}
void BM_first_page_of_slow(benchmark::State& state) {  // looks at all: each segment has some
  Filter filter;
  filter.slower_than = SlowerThan{Latency::kIsolatedToRemoved, 10'000'000};
  first_page(state, filter);
}
void BM_first_page_of_a_contradiction(benchmark::State& state) {  // no summary can decide it
  Filter filter;
  filter.outcomes = {Outcome::kAborted};
  filter.comms = {"process-5100"};
  filter.pids = {5101};
  filter.slower_than = SlowerThan{Latency::kIsolatedToRemoved, 1};
  first_page(state, filter);
}
void BM_lookup_of_an_entry(benchmark::State& state) {
  uint64_t at = 0;
  measure(state, [&](const Store& store) {
    const uint64_t entry = make_entry(0, 1 + ++at * 7919 % (1 << 22));
    benchmark::DoNotOptimize(lifecycles_of_entry(store.snapshot(), entry, 20));
  });
}
void BM_stats(benchmark::State& state) {
  StatsQuery query;
  query.group_by = {GroupBy::kVictimCgroup, GroupBy::kVictimProcess, GroupBy::kOrigin};
  query.spans = {Latency::kIsolatedToRemoved, Latency::kDeviceWrite, Latency::kTimeInSwap};
  measure(state, [&](const Store& store) {
    benchmark::DoNotOptimize(query_stats(store.snapshot(), query));
  });
}
void BM_matrix(benchmark::State& state) {
  measure(state, [](const Store& store) {
    benchmark::DoNotOptimize(query_matrix(store.snapshot(), Filter{}, 50));
  });
}

#define SWAPTRAIL_BOTH(name) \
  BENCHMARK(name)->ArgName("writer")->Arg(0)->Arg(1)->UseRealTime()->Unit(benchmark::kMillisecond)
SWAPTRAIL_BOTH(BM_snapshot);
SWAPTRAIL_BOTH(BM_first_page_of_all);
SWAPTRAIL_BOTH(BM_first_page_of_a_process);
SWAPTRAIL_BOTH(BM_first_page_of_nobody);
SWAPTRAIL_BOTH(BM_first_page_of_slow);
SWAPTRAIL_BOTH(BM_first_page_of_a_contradiction);
SWAPTRAIL_BOTH(BM_lookup_of_an_entry);
SWAPTRAIL_BOTH(BM_stats);
SWAPTRAIL_BOTH(BM_matrix);

}  // namespace
}  // namespace swaptrail::store
