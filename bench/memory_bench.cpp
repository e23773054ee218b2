// What the live path takes of memory, and what its first touches cost: resident bytes and minor faults of this process, as
// swaptraild --print=none, before and after three loads of the model. Rings, libraries and servers are not in it.
//
// The model is another process, so that only the path's own memory is counted. Memory is locked as it is touched, as the
// daemon's is.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "bench/live_path.h"
#include "daemon/host/own_memory.h"
#include "daemon/host/proc.h"
#include "engine/machine/simulation.h"

namespace swaptrail {
namespace {

// Writes the records to a pipe.
class Send : public engine::EventOutput {
 public:
  explicit Send(FILE* to) : to_(to) {}
  void on_event(const swaptrail_event& event, uint64_t) override {
    if (std::fwrite(&event, sizeof event, 1, to_) != 1) std::exit(1);
  }

 private:
  FILE* to_;
};

struct Load {
  const char* name;
  uint64_t pages;     // of the process
  uint64_t accesses;  // after all were written once: writes, one page after the other
  bool fills;         // the store, so that it evicts
};
// The second is the load of bench/overhead.sh: 160 MiB, twice, under a limit of 64 MiB.
constexpr uint64_t kLimitPages = 16384;
constexpr Load kLoads[] = {{"nothing swapped", 1000, 1, false},
                           {"160 MiB written twice under 64 MiB", 40960, 40960, false},
                           {"a million pages in swap, the store full", 1'070'000, 1, true}};

void simulate(const Load& load, int to) {
  engine::SimulationOptions options;
  options.features = *engine::features_named("6.12");
  options.cpus = 1;
  options.limit_pages = kLimitPages;
  options.max_events = ~uint64_t{0};
  options.workload =
      engine::single_process(engine::Pattern::kSequential, load.pages, load.accesses, 100, 7);
  engine::SimulatedArea area;
  area.area.pages = 2'000'000;
  area.device = engine::Device::kSynchronous;
  options.areas.push_back(area);
  FILE* out = fdopen(to, "w");
  Send send(out);
  fail(engine::simulate(options, send).status());
  std::fclose(out);
}

uint64_t faults() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  return static_cast<uint64_t>(used.ru_minflt);
}

double mib(uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

void measure(const Load& load) {
  int ends[2];
  if (pipe(ends) != 0) std::exit(1);
  const pid_t model = fork();
  if (model == 0) {
    close(ends[0]);
    simulate(load, ends[1]);
    std::exit(0);
  }
  close(ends[1]);
  FILE* in = fdopen(ends[0], "r");
  std::vector<swaptrail_event> records(Merger::kMostAtOnce);
  fail(host::lock_memory());
  const uint64_t before = host::resident_bytes(), faults_before = faults();
  Live live;
  Merger merger;
  fail(host::lock_memory());
  const uint64_t made = host::resident_bytes(), faults_made = faults();
  // At the end the process exits, and its slots are freed.
  uint64_t all = 0, most = made, away = 0;
  while (const size_t count = std::fread(records.data(), sizeof records[0], records.size(), in)) {
    run(std::span(records).first(count), merger, live);
    all += count;
    most = std::max(most, host::resident_bytes());
    away = std::max<uint64_t>(away, live.reconstructor().swapped_folios());
  }
  std::printf("%-42s %9.1f %9.1f %8zu %8zu %9zu %8zu %9zu\n", load.name, mib(made - before),
              mib(most - before), faults_made - faults_before, faults() - faults_made, all, away,
              live.reconstructor().tracked_slots());
  if (load.fills && live.evicted() == 0) fail(absl::InternalError("the store is not full"));
  std::fclose(in);
  int status = 0;
  waitpid(model, &status, 0);
  if (status != 0) std::exit(1);
}

}  // namespace
}  // namespace swaptrail

// Each load in a process of its own: what one leaves behind is not the next one's.
int main() {
  std::printf("%-42s %9s %9s %8s %8s %9s %8s %9s\n", "load", "MiB made", "MiB most", "faults",
              "later", "records", "away", "slots");
  std::fflush(stdout);
  for (const swaptrail::Load& load : swaptrail::kLoads) {
    const pid_t one = fork();
    if (one == 0) {
      swaptrail::measure(load);
      return 0;
    }
    int status = 0;
    waitpid(one, &status, 0);
    if (status != 0) return 1;
  }
  return 0;
}
