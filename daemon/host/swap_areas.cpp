#include "daemon/host/swap_areas.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <filesystem>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "daemon/base/files.h"
#include "daemon/base/monotonic.h"
#include "trace/text.h"

namespace swaptrail::host {
namespace {

// The kernel's own form of a device number (include/linux/kdev_t.h MKDEV).
uint32_t kernel_device(dev_t device) { return major(device) << 20 | minor(device); }

}  // namespace

void describe(SeenArea& seen) {
  recording::SwapArea& area = seen.area;
  struct stat status {};
  const auto known = [](bool yes) { return yes ? recording::Known::kYes : recording::Known::kNo; };
  const std::string zswap = base::first_line("/sys/module/zswap/parameters/enabled");
  if (!zswap.empty()) area.zswap = known(zswap == "Y");
  if (stat(area.path.c_str(), &status) != 0) return;
  const bool device = S_ISBLK(status.st_mode);
  const dev_t id = device ? status.st_rdev : status.st_dev;
  seen.file = device ? AreaFile{.device = kernel_device(id)} : AreaFile{.inode = status.st_ino};
  const std::string sysfs = absl::StrFormat("/sys/dev/block/%d:%d", major(id), minor(id));
  std::error_code error;
  const std::string name = std::filesystem::canonical(sysfs, error).filename().string();
  if (error) return;
  // a partition's queue is one level up
  std::string rotational = base::first_line(sysfs + "/queue/rotational");
  if (rotational.empty()) rotational = base::first_line(sysfs + "/../queue/rotational");
  if (!rotational.empty()) area.rotational = known(rotational == "1");
  const auto driver = [&](absl::string_view prefix) { return absl::StartsWith(name, prefix); };
  area.synchronous = known(driver("zram") || driver("ram") || driver("pmem") || driver("btt"));
}

// "Filename Type Size Used Priority", size in KiB. The kernel lists them by type (mm/swapfile.c
// swap_start) and leaves out the types that are free.
std::vector<SeenArea> parse_swap_areas(std::string_view proc_swaps, uint64_t now_ns) {
  std::vector<SeenArea> areas;
  const absl::string_view text = absl_view(proc_swaps);
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<absl::string_view> fields =
        absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    uint64_t kib = 0, used_kib = 0;
    SeenArea seen;
    recording::SwapArea& area = seen.area;
    if (fields.size() != 5 || !absl::SimpleAtoi(fields[2], &kib)) continue;  // the heading
    if (!absl::SimpleAtoi(fields[4], &area.priority)) continue;
    if (absl::SimpleAtoi(fields[3], &used_kib)) area.used_bytes = used_kib * 1024;
    area.at_ns = now_ns;
    area.bytes = kib * 1024;
    area.type = kTypeNotKnown;
    area.path = base::unmangled(fields[0]);
    areas.push_back(std::move(seen));
  }
  return areas;
}

std::vector<SeenArea> host_swap_areas() {
  const auto swaps = base::read_file("/proc/swaps");
  if (!swaps.ok()) return {};
  std::vector<SeenArea> areas = parse_swap_areas(*swaps, base::monotonic_ns());
  for (SeenArea& area : areas) describe(area);
  return areas;
}

}  // namespace swaptrail::host
