#include "engine/machine/workload.h"

#include <algorithm>
#include <array>
#include <string>

#include "absl/strings/str_cat.h"

namespace swaptrail::engine {
namespace {

constexpr std::array<std::string_view, static_cast<size_t>(Pattern::kCount)> kPatternNames = {
    "sequential", "uniform", "hotcold"};
constexpr uint64_t kHotPercent = 80;  // this share of the accesses goes to a fifth of the pages

uint64_t pick_page(Pattern pattern, uint64_t index, uint64_t pages, uint64_t& state) {
  if (pattern == Pattern::kSequential) return index % pages;
  if (pattern == Pattern::kUniform) return below(state, pages);
  const uint64_t hot = std::max<uint64_t>(1, pages / 5);
  if (below(state, 100) < kHotPercent || hot == pages) return below(state, hot);
  return hot + below(state, pages - hot);
}

ProcessPlan draw_process(const MixtureSize& size, uint32_t processes, uint64_t& state) {
  ProcessPlan plan;
  plan.pattern = static_cast<Pattern>(below(state, static_cast<uint64_t>(Pattern::kCount)));
  plan.seed = splitmix64(state);
  plan.anon_pages = std::max<uint64_t>(16, size.pages / processes);
  plan.accesses = size.accesses / processes;
  plan.write_percent = static_cast<uint32_t>(below(state, 101));
  plan.zero_percent = below(state, 2) != 0 ? static_cast<uint32_t>(below(state, 40)) : 0;
  constexpr std::array<uint32_t, 6> kOrders = {0, 0, 0, 2, 4, 9};
  plan.folio_order = kOrders[below(state, kOrders.size())];
  while ((uint64_t{1} << plan.folio_order) * 4 > plan.anon_pages) --plan.folio_order;
  plan.populate = below(state, 4) != 0;
  return plan;
}

Action draw_action(const Workload& workload, uint32_t areas, uint64_t& state) {
  Action action;
  action.process = static_cast<uint32_t>(below(state, workload.processes.size()));
  const ProcessPlan& plan = workload.processes[action.process];
  const uint64_t pages = plan.anon_pages + (plan.shared ? workload.shmem_pages : 0);
  constexpr std::array<ActionKind, 8> kKinds = {
      ActionKind::kPageout, ActionKind::kPageout, ActionKind::kPageout, ActionKind::kUnmap,
      ActionKind::kFork,    ActionKind::kFork,    ActionKind::kExit,    ActionKind::kSwapoff};
  action.kind = kKinds[below(state, kKinds.size())];
  if (action.kind == ActionKind::kSwapoff && areas < 2) action.kind = ActionKind::kPageout;
  action.at_access = below(state, plan.accesses + 1);
  action.first_page = below(state, pages);
  action.nr_pages = 1 + below(state, std::min<uint64_t>(pages - action.first_page, 128));
  if (action.kind == ActionKind::kFork) action.nr_pages = plan.accesses / 4;
  if (areas >= 2) action.area = 1 + static_cast<uint32_t>(below(state, areas - 1));
  return action;
}

absl::Status broken(std::string_view text, uint64_t value) {
  return absl::InvalidArgumentError(absl::StrCat(std::string(text), ": ", value));
}

absl::Status check_process(const ProcessPlan& plan, uint64_t shmem_pages) {
  const uint64_t pages = plan.anon_pages + (plan.shared ? shmem_pages : 0);
  if (pages == 0 || pages > kMaxPages) return broken("pages of a process", pages);
  if (plan.folio_order > kMaxFolioOrder) return broken("folio order", plan.folio_order);
  if (plan.write_percent > 100) return broken("percent of writes", plan.write_percent);
  if (plan.zero_percent > 100) return broken("percent of zero pages", plan.zero_percent);
  if (plan.pattern >= Pattern::kCount) {
    return broken("pattern", static_cast<uint64_t>(plan.pattern));
  }
  return absl::OkStatus();
}

}  // namespace

std::string_view pattern_name(Pattern pattern) {
  const size_t index = static_cast<size_t>(pattern);
  return index < kPatternNames.size() ? kPatternNames[index] : "unknown";
}

absl::StatusOr<Pattern> pattern_named(std::string_view name) {
  const auto found = std::find(kPatternNames.begin(), kPatternNames.end(), name);
  if (found != kPatternNames.end()) return static_cast<Pattern>(found - kPatternNames.begin());
  std::string message = absl::StrCat("no pattern named ", std::string(name), "; there are");
  for (std::string_view one : kPatternNames) absl::StrAppend(&message, " ", std::string(one));
  return absl::InvalidArgumentError(message);
}

Access next_access(Pattern pattern, uint64_t index, uint64_t pages, uint32_t write_percent,
                   uint64_t& state) {
  Access access;
  access.page = pick_page(pattern, index, pages, state);
  access.write = below(state, 100) < write_percent;
  return access;
}

Workload single_process(Pattern pattern, uint64_t pages, uint64_t accesses, uint32_t write_percent,
                        uint64_t seed) {
  Workload workload;
  ProcessPlan& plan = workload.processes.emplace_back();
  plan.pattern = pattern;
  plan.seed = seed;
  plan.anon_pages = pages;
  plan.accesses = accesses;
  plan.write_percent = write_percent;
  return workload;
}

Workload mixture(const MixtureSize& size, uint64_t seed) {
  uint64_t state = seed;
  Workload workload;
  const uint32_t processes = 1 + static_cast<uint32_t>(below(state, 4));
  const bool shmem = below(state, 2) != 0;
  workload.shmem_pages = shmem ? std::max<uint64_t>(8, size.pages / 8) : 0;
  for (uint32_t i = 0; i < processes; ++i) {
    workload.processes.push_back(draw_process(size, processes, state));
    workload.processes.back().shared = shmem && below(state, 3) != 0;
  }
  const uint64_t actions = below(state, 12);
  for (uint64_t i = 0; i < actions; ++i) {
    workload.actions.push_back(draw_action(workload, size.areas, state));
  }
  std::stable_sort(
      workload.actions.begin(), workload.actions.end(),
      [](const Action& one, const Action& other) { return one.at_access < other.at_access; });
  return workload;
}

absl::Status check_workload(const Workload& workload) {
  const size_t processes = workload.processes.size();
  if (processes == 0 || processes > kMaxProcesses) return broken("processes", processes);
  if (workload.shmem_pages > kMaxPages) return broken("shared pages", workload.shmem_pages);
  for (const ProcessPlan& plan : workload.processes) {
    if (absl::Status status = check_process(plan, workload.shmem_pages); !status.ok()) {
      return status;
    }
  }
  for (const Action& action : workload.actions) {
    if (action.process >= processes) return broken("an action's process", action.process);
    if (action.kind >= ActionKind::kCount) {
      return broken("an action's kind", static_cast<uint64_t>(action.kind));
    }
  }
  return absl::OkStatus();
}

}  // namespace swaptrail::engine
