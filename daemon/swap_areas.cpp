#include "daemon/swap_areas.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <filesystem>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "daemon/proc.h"
#include "daemon/session.h"

namespace swaptrail {
namespace {

// What can not be found stays unknown.
void describe_device(SwapArea& area) {
  struct stat status {};
  const auto known = [](bool yes) { return yes ? Known::kYes : Known::kNo; };
  const std::string zswap = first_line("/sys/module/zswap/parameters/enabled");
  if (!zswap.empty()) area.zswap = known(zswap == "Y");
  if (stat(area.path.c_str(), &status) != 0) return;
  const bool device = S_ISBLK(status.st_mode);
  const dev_t id = device ? status.st_rdev : status.st_dev;
  const std::string sysfs = absl::StrFormat("/sys/dev/block/%d:%d", major(id), minor(id));
  std::error_code error;
  const std::string name = std::filesystem::canonical(sysfs, error).filename().string();
  if (error) return;
  // a partition has its queue above it
  std::string rotational = first_line(sysfs + "/queue/rotational");
  if (rotational.empty()) rotational = first_line(sysfs + "/../queue/rotational");
  if (!rotational.empty()) area.rotational = known(rotational == "1");
  const auto driver = [&](absl::string_view prefix) { return absl::StartsWith(name, prefix); };
  area.synchronous = known(driver("zram") || driver("ram") || driver("pmem") || driver("btt"));
}

}  // namespace

// "Filename Type Size Used Priority", size in KiB. The kernel lists them by type (mm/swapfile.c
// swap_start), so the place is the type unless an area before it was swapped off.
std::vector<SwapArea> parse_swap_areas(std::string_view proc_swaps, uint64_t now_ns) {
  std::vector<SwapArea> areas;
  const absl::string_view text(proc_swaps.data(), proc_swaps.size());
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<absl::string_view> fields =
        absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    uint64_t kib = 0, used_kib = 0;
    SwapArea area;
    if (fields.size() != 5 || !absl::SimpleAtoi(fields[2], &kib)) continue;  // the heading
    if (!absl::SimpleAtoi(fields[4], &area.priority)) continue;
    if (absl::SimpleAtoi(fields[3], &used_kib)) area.used_bytes = used_kib * 1024;
    area.at_ns = now_ns;
    area.bytes = kib * 1024;
    area.type = static_cast<uint32_t>(areas.size());
    area.path = std::string(fields[0]);
    areas.push_back(std::move(area));
  }
  return areas;
}

std::vector<SwapArea> host_swap_areas() {
  const auto swaps = read_file("/proc/swaps");
  if (!swaps.ok()) return {};
  std::vector<SwapArea> areas = parse_swap_areas(*swaps, monotonic_ns());
  for (SwapArea& area : areas) describe_device(area);
  return areas;
}

}  // namespace swaptrail
