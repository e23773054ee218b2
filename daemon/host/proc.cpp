#include "daemon/host/proc.h"

#include <time.h>
#include <unistd.h>

#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "daemon/base/files.h"
#include "daemon/base/page_bytes.h"

namespace swaptrail::host {

void parse_vmstat(absl::string_view text, report::Vmstat& values) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<absl::string_view> parts = absl::StrSplit(line, ' ');
    uint64_t value = 0;
    if (parts.size() == 2 && absl::SimpleAtoi(parts[1], &value))
      values[std::string_view(parts[0].data(), parts[0].size())] = value;
  }
}

absl::StatusOr<VmstatReading> read_vmstat() {
  auto text = base::read_file("/proc/vmstat");
  if (!text.ok()) return text.status();
  VmstatReading reading;
  reading.text = std::make_unique<const std::string>(*std::move(text));
  parse_vmstat(*reading.text, reading.values);
  return reading;
}

// The second number of /proc/self/statm is in pages.
uint64_t resident_bytes() {
  const auto text = base::read_file("/proc/self/statm");
  if (!text.ok()) return 0;
  const std::vector<absl::string_view> fields = absl::StrSplit(*text, ' ');
  uint64_t pages = 0;
  if (fields.size() < 2 || !absl::SimpleAtoi(fields[1], &pages)) return 0;
  return pages * base::page_bytes();
}

// Field 22 of /proc/PID/stat, in clock ticks since the boot, including time asleep (fs/proc/array.c
// do_task_stat): so the difference of the two clocks is subtracted. A name may contain blanks and
// brackets.
uint64_t process_started_ns(uint32_t pid) {
  constexpr size_t kAfterName = 19;  // field 22, counted from the third
  constexpr uint64_t kSecond_ns = 1'000'000'000;
  const auto text = base::read_file(absl::StrCat("/proc/", pid, "/stat"));
  if (!text.ok()) return 0;
  const size_t name_end = text->rfind(") ");
  if (name_end == std::string::npos) return 0;
  const std::vector<absl::string_view> fields =
      absl::StrSplit(absl::string_view(*text).substr(name_end + 2), ' ');
  uint64_t ticks = 0;
  if (fields.size() <= kAfterName || !absl::SimpleAtoi(fields[kAfterName], &ticks)) return 0;
  const auto now_ns = [](clockid_t clock) {
    timespec now{};
    clock_gettime(clock, &now);
    return static_cast<uint64_t>(now.tv_sec) * kSecond_ns + static_cast<uint64_t>(now.tv_nsec);
  };
  const uint64_t monotonic_ns = now_ns(CLOCK_MONOTONIC), boot_ns = now_ns(CLOCK_BOOTTIME);
  const uint64_t asleep_ns = boot_ns > monotonic_ns ? boot_ns - monotonic_ns : 0;
  const auto per_second = static_cast<uint64_t>(sysconf(_SC_CLK_TCK));
  const uint64_t since_boot_ns =
      ticks / per_second * kSecond_ns + ticks % per_second * kSecond_ns / per_second;
  return since_boot_ns > asleep_ns ? since_boot_ns - asleep_ns : 1;
}

}  // namespace swaptrail::host
