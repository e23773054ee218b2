// Swap areas of a host that a test makes up.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "daemon/host/area_watch.h"

namespace swaptrail {

// Swap areas that a test may change; type and path of each.
struct MadeAreas {
  using List = std::vector<std::pair<uint32_t, std::string>>;

  host::AreaSources sources() {
    host::AreaSources out;
    out.lines = [this] { return lines(); };
    out.kernel = [this]() -> absl::StatusOr<std::vector<host::KernelArea>> {
      const std::lock_guard lock(mutex);
      std::vector<host::KernelArea> areas;
      for (const auto& [type, path] : on)
        areas.push_back({type, 256, -2, {.inode = std::hash<std::string>()(path)}});
      return areas;
    };
    out.has_changed = [this] {
      const std::lock_guard lock(mutex);
      return std::exchange(changed, false);
    };
    out.clock_ns = [this] { return clock_ns.load(); };
    return out;
  }
  std::vector<host::SeenArea> lines() {
    const std::lock_guard lock(mutex);
    std::vector<host::SeenArea> out;
    for (const auto& [type, path] : on) {
      host::SeenArea& seen = out.emplace_back();
      seen.area.path = path;
      seen.area.type = host::kTypeNotKnown;
      seen.area.bytes = 1 << 20;
      seen.area.used_bytes = used_bytes;
      seen.area.priority = -2;
      seen.file.inode = std::hash<std::string>()(path);
    }
    return out;
  }
  void put(List list, uint64_t now_ns, host::AreaWatch& watch) {
    clock_ns = now_ns;
    {
      const std::lock_guard lock(mutex);
      on = std::move(list);
      changed = true;
    }
    watch.poll();
  }

  std::mutex mutex;
  List on{{0, "/dev/one"}, {1, "/dev/two"}};
  std::atomic<uint64_t> used_bytes{4096};  // of each
  bool changed = false;
  std::atomic<uint64_t> clock_ns{1};
};

}  // namespace swaptrail
