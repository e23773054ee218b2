#include "tests/sim/machine.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/sim/dice.h"

namespace swaptrail::sim {
namespace {

using engine::Device;
using engine::SimulatedArea;

constexpr uint64_t kMostEvents = 20'000;  // never reached: a run that is cut has no whole truth
constexpr uint64_t kLeastMemory = 64;     // pages: two batches of reclaim

class Kept : public engine::EventOutput {
 public:
  explicit Kept(std::vector<swaptrail_event>& events) : events_(events) {}
  void on_event(const swaptrail_event& event, uint64_t) override { events_.push_back(event); }

 private:
  std::vector<swaptrail_event>& events_;
};

SimulatedArea draw_area(Dice& dice, uint32_t type, uint64_t pages) {
  SimulatedArea area;
  area.area.type = type;
  area.area.pages = pages;
  area.area.rotational = dice.chance(0.2);
  area.area.block_device = !dice.chance(0.2);
  area.device = dice.chance(0.4) ? Device::kSynchronous : Device::kAsynchronous;
  area.zswap = dice.chance(0.3);
  if (dice.chance(0.5)) area.zswap_refuses = 0.3;
  if (dice.chance(0.15)) area.error_rate = 0.05;
  return area;
}

std::string describe(const engine::SimulationOptions& options, std::string_view set) {
  std::string text =
      absl::StrFormat("%s, %d CPUs, %d pages of memory", set, options.cpus, options.limit_pages);
  for (const SimulatedArea& area : options.areas) {
    absl::StrAppendFormat(&text, ", area %d of %d pages, %s%s, errors %.2f", area.area.type,
                          area.area.pages,
                          area.device == Device::kSynchronous ? "synchronous" : "asynchronous",
                          area.zswap ? " behind zswap" : "", area.error_rate);
  }
  for (const engine::ProcessPlan& plan : options.workload.processes) {
    absl::StrAppendFormat(&text, ", a process with %d pages of order %d, %d accesses",
                          plan.anon_pages, plan.folio_order, plan.accesses);
  }
  absl::StrAppendFormat(&text, ", %d actions", options.workload.actions.size());
  return text;
}

}  // namespace

Machine draw_machine(uint64_t seed) {
  Dice dice(seed);
  Machine machine;
  engine::SimulationOptions& options = machine.options;
  const auto sets = engine::observable_set_names();
  const std::string_view set = sets[dice.below(sets.size())];
  options.features = *engine::features_named(set);
  options.seed = dice.next();
  options.cpus = static_cast<uint32_t>(1 + dice.below(4));
  options.page_cluster = static_cast<uint32_t>(dice.below(4));
  if (dice.chance(0.6)) options.disturbance = 0.01 * static_cast<double>(1 + dice.below(15));
  options.max_events = kMostEvents;

  const uint32_t areas = static_cast<uint32_t>(1 + dice.below(3));
  engine::MixtureSize size;
  size.pages = kLeastMemory + 8 + dice.below(70);
  size.accesses = 10 + dice.below(100);
  size.areas = areas;
  options.workload = engine::mixture(size, dice.next());
  // Enough swap in most runs, for memory and swap that are both full end a run.
  const uint64_t all = 2 * (size.pages + options.workload.shmem_pages);
  for (uint32_t type = 0; type < areas; ++type) {
    options.areas.push_back(draw_area(dice, type, 512 + all * (1 + dice.below(2))));
  }
  uint64_t used = options.workload.shmem_pages;
  for (const engine::ProcessPlan& plan : options.workload.processes) used += plan.anon_pages;
  options.limit_pages = kLeastMemory;
  if (used > kLeastMemory) options.limit_pages += dice.below((used - kLeastMemory) / 2 + 1);
  machine.text = describe(options, set);
  return machine;
}

absl::StatusOr<Run> run_machine(const Machine& machine) {
  Run run;
  Kept kept(run.events);
  auto result = engine::simulate(machine.options, kept);
  if (!result.ok()) return result.status();
  run.result = *std::move(result);
  return run;
}

}  // namespace swaptrail::sim
