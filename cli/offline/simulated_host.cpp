// The machine that `swaptrail simulate` observes: its devices, and the hooks its kernel would have.
#include <algorithm>
#include <span>

#include "absl/strings/str_cat.h"
#include "cli/offline/simulate.h"
#include "daemon/probe/hook_catalogue.h"
#include "trace/text.h"

namespace swaptrail::offline {
namespace {

constexpr uint64_t kPagesPerMib = 256;
constexpr int32_t kPriority = 10;  // the same for all, so that several devices take turns
constexpr uint64_t kPageFrames = 0xffffea0000000000;  // VMEMMAP_START of x86-64

struct NamedDevice {
  std::string_view name;
  engine::Device device;
  bool rotational;
  bool zswap;
};
constexpr NamedDevice kDevices[] = {
    {"ssd", engine::Device::kAsynchronous, false, false},
    {"zram", engine::Device::kSynchronous, false, false},
    {"zswap", engine::Device::kAsynchronous, false, true},
    {"hdd", engine::Device::kAsynchronous, true, false},
};

absl::StatusOr<NamedDevice> device_named(std::string_view name) {
  for (const NamedDevice& device : kDevices)
    if (device.name == name) return device;
  return absl::InvalidArgumentError(
      absl::StrCat("no device '", std::string(name), "'; there are ssd, zram, zswap and hdd"));
}

absl::StatusOr<engine::Workload> workload_of(const SimulateOptions& options, uint64_t pages,
                                             uint64_t accesses) {
  if (options.pattern == "mixed")
    return engine::mixture({pages, accesses, options.devices}, options.seed);
  const auto pattern = engine::pattern_named(options.pattern);
  if (!pattern.ok()) return pattern.status();
  constexpr uint32_t kWritePercent = 50;
  return engine::single_process(*pattern, pages, accesses, kWritePercent, options.seed);
}

}  // namespace

absl::StatusOr<engine::SimulationOptions> simulation_options(const SimulateOptions& options) {
  engine::SimulationOptions result;
  const auto features = engine::features_named(options.kernel);
  if (!features.ok()) return features.status();
  const auto observable = engine::observable_set_names();
  if (std::ranges::find(observable, options.kernel) == observable.end())
    return absl::InvalidArgumentError(
        absl::StrCat("swaptraild can't observe Linux ", options.kernel, ": 5.10 is the oldest"));
  const auto device = device_named(options.device);
  if (!device.ok()) return device.status();
  const uint64_t pages = options.mib * kPagesPerMib;
  const uint64_t accesses = options.accesses != 0 ? options.accesses : 4 * pages;
  auto workload = workload_of(options, pages, accesses);
  if (!workload.ok()) return workload.status();

  result.features = *features;
  result.workload = *std::move(workload);
  result.seed = options.seed;
  result.cpus = options.cpus;
  result.limit_pages = options.limit_mib != 0 ? options.limit_mib * kPagesPerMib : pages / 2;
  result.page_cluster = options.page_cluster;
  for (uint32_t type = 0; type < options.devices; ++type) {
    engine::SimulatedArea area;
    area.area.type = type;
    area.area.pages = 2 * pages + 1;  // each has room for all, even if the other is swapped off
    area.area.priority = kPriority;
    area.area.rotational = device->rotational;
    area.device = device->device;
    area.zswap = device->zswap;
    result.areas.push_back(std::move(area));
  }
  return result;
}

recording::RecordingHeader simulated_header(const SimulateOptions& options) {
  recording::RecordingHeader header;
  header.program = "swaptrail " SWAPTRAIL_VERSION " simulate";
  header.release = absl::StrCat(options.kernel, "-simulated");
  header.machine = "x86_64";
  header.boot_id = absl::StrCat("simulated, seed ", options.seed);
  header.mode = "full";
  header.mode_reason = "simulated";
  header.cpus = options.cpus;
  header.page_frames_base = kPageFrames;
  for (const probe::Hook& hook : probe::hooks_of(probe::Mode::kFull)) {
    const std::string target(engine::served_by(std_view(hook.name), options.kernel));
    const bool served = !target.empty();
    header.hooks.push_back({std::string(hook.name), served ? "chosen" : "absent", target,
                            served ? "" : "the kernel has none", "", hook.kinds});
  }
  return header;
}

recording::SwapArea simulated_area(const engine::SimulatedArea& simulated) {
  recording::SwapArea area;
  area.bytes = (simulated.area.pages - 1) * 4096;
  area.type = simulated.area.type;
  area.priority = simulated.area.priority;
  const auto known = [](bool yes) { return yes ? recording::Known::kYes : recording::Known::kNo; };
  area.rotational = known(simulated.area.rotational);
  area.synchronous = known(simulated.device == engine::Device::kSynchronous);
  area.zswap = known(simulated.zswap);
  area.path = absl::StrCat("/dev/simulated", area.type);
  return area;
}

}  // namespace swaptrail::offline
