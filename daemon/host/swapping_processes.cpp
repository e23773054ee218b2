#include "daemon/host/swapping_processes.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "daemon/base/files.h"

namespace swaptrail::host {
namespace {

// fs/proc/array.c proc_task_name: newlines and backslashes are escaped. The kernel's events have the name as it is.
Comm comm_of(absl::string_view escaped) {
  Comm comm{};
  size_t length = 0;
  for (size_t at = 0; at < escaped.size() && length + 1 < comm.size(); ++at) {
    char one = escaped[at];
    if (one == '\\' && at + 1 < escaped.size()) one = escaped[++at] == 'n' ? '\n' : escaped[at];
    comm[length++] = one;
  }
  return comm;
}

}  // namespace

std::optional<SwappingProcess> parse_process_status(uint32_t pid, absl::string_view text) {
  SwappingProcess process;
  process.pid = pid;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (absl::ConsumePrefix(&line, "Name:\t")) process.comm = comm_of(line);
    if (!absl::ConsumePrefix(&line, "VmSwap:")) continue;
    uint64_t kib = 0;
    if (!absl::ConsumeSuffix(&line, " kB") || !absl::SimpleAtoi(line, &kib)) return std::nullopt;
    process.swapped_bytes = kib << 10;
    return process;
  }
  return std::nullopt;
}

std::optional<SwappingProcess> swapping_process(uint32_t pid) {
  const auto text = base::read_file(absl::StrCat("/proc/", pid, "/status"));
  return text.ok() ? parse_process_status(pid, *text) : std::nullopt;
}

std::vector<SwappingProcess> swapping_processes() {
  std::vector<SwappingProcess> found;
  std::error_code error;
  for (std::filesystem::directory_iterator at("/proc", error), end; !error && at != end;
       at.increment(error)) {
    uint32_t pid = 0;
    if (!absl::SimpleAtoi(at->path().filename().string(), &pid)) continue;
    const auto process = swapping_process(pid);
    if (process && process->swapped_bytes != 0) found.push_back(*process);
  }
  return found;
}

}  // namespace swaptrail::host
