#include "daemon/metrics/own_process.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "daemon/base/files.h"
#include "daemon/base/page_bytes.h"
#include "trace/text.h"

namespace swaptrail::metrics {
namespace {

// Positions after the name, which may contain blanks and parentheses.
constexpr size_t kUserTime = 11, kSystemTime = 12, kThreads = 17, kStartTime = 19, kVirtual = 20,
                 kResident = 21, kFields = 22;

double boot_seconds() {
  const auto stat = base::read_file("/proc/stat");
  if (!stat.ok()) return 0;
  for (const absl::string_view line : absl::StrSplit(*stat, '\n')) {
    const std::vector<absl::string_view> fields = absl::StrSplit(line, ' ');
    double seconds = 0;
    if (fields.size() == 2 && fields[0] == "btime" && absl::SimpleAtod(fields[1], &seconds)) {
      return seconds;
    }
  }
  return 0;
}

uint64_t open_descriptors() {
  DIR* folder = opendir("/proc/self/fd");
  if (folder == nullptr) return 0;
  uint64_t count = 0;
  while (const dirent* entry = readdir(folder)) count += entry->d_name[0] != '.' ? 1 : 0;
  closedir(folder);
  return count - 1;  // the entry of the open folder itself
}

}  // namespace

void parse_stat(std::string_view text, double boot_seconds, OwnProcess& out) {
  const size_t name_end = text.rfind(") ");
  if (name_end == std::string_view::npos) return;
  const std::string_view rest = text.substr(name_end + 2);
  const std::vector<absl::string_view> fields = absl::StrSplit(absl_view(rest), ' ');
  if (fields.size() < kFields) return;
  const auto number = [&](size_t place) {
    uint64_t value = 0;
    return absl::SimpleAtoi(fields[place], &value) ? value : 0;
  };
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  out.cpu_seconds = static_cast<double>(number(kUserTime) + number(kSystemTime)) / ticks;
  out.start_seconds = boot_seconds + static_cast<double>(number(kStartTime)) / ticks;
  out.threads = number(kThreads);
  out.virtual_bytes = number(kVirtual);
  out.resident_bytes = number(kResident) * base::page_bytes();
}

OwnProcess own_process() {
  static const double kBoot = boot_seconds();
  OwnProcess process;
  if (const auto stat = base::read_file("/proc/self/stat"); stat.ok()) {
    parse_stat(*stat, kBoot, process);
  }
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) process.max_fds = limit.rlim_cur;
  process.open_fds = open_descriptors();
  return process;
}

}  // namespace swaptrail::metrics
