#include "engine/machine/simulation.h"

#include "absl/strings/str_cat.h"
#include "engine/machine/machine.h"

namespace swaptrail::engine {
namespace {

constexpr uint32_t kMostPageCluster = 5;

bool is_share(double value) { return value >= 0 && value <= 1; }

absl::Status check_area(const SimulatedArea& area) {
  if (area.area.type >= kMostAreaTypes || area.area.pages > kMaxPages) {
    return absl::InvalidArgumentError(
        absl::StrCat("a swap area of type ", area.area.type, " with ", area.area.pages, " pages"));
  }
  if (is_share(area.error_rate) && is_share(area.zswap_refuses)) return absl::OkStatus();
  return absl::InvalidArgumentError("a share is outside 0..1");
}

absl::Status check(const SimulationOptions& options) {
  if (options.cpus == 0 || options.cpus > kMaxCpus) {
    return absl::InvalidArgumentError(absl::StrCat("CPUs: ", options.cpus));
  }
  if (options.limit_pages < 2 * kBatch || options.limit_pages > kMaxLimitPages) {
    return absl::InvalidArgumentError(absl::StrCat("pages of memory: ", options.limit_pages));
  }
  if (options.page_cluster > kMostPageCluster) {
    return absl::InvalidArgumentError(absl::StrCat("readahead of 2^", options.page_cluster));
  }
  if (!is_share(options.disturbance)) {
    return absl::InvalidArgumentError("a share is outside 0..1");
  }
  if (options.areas.empty()) return absl::InvalidArgumentError("no swap area");
  for (const SimulatedArea& area : options.areas) {
    if (absl::Status status = check_area(area); !status.ok()) return status;
  }
  for (const Action& action : options.workload.actions) {
    const bool known = action.area < options.areas.size();
    if (action.kind == ActionKind::kSwapoff && !known) {
      return absl::InvalidArgumentError(absl::StrCat("swapoff of area ", action.area));
    }
  }
  return check_workload(options.workload);
}

}  // namespace

absl::StatusOr<SimulationResult> simulate(const SimulationOptions& options, EventOutput& output) {
  if (absl::Status status = check(options); !status.ok()) return status;
  Machine machine(options, output);
  if (absl::Status status = machine.run(); !status.ok()) return status;
  return machine.take_result();
}

}  // namespace swaptrail::engine
