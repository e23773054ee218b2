// The processes that have pages in swap, by /proc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "trace/lifecycle.h"

namespace swaptrail::host {

struct SwappingProcess {
  uint32_t pid = 0;
  Comm comm{};
  uint64_t swapped_bytes = 0;  // VmSwap: of its own page tables, without shared memory
};

// The text of /proc/PID/status; nothing if it has no VmSwap: a kernel thread, or it has ended.
std::optional<SwappingProcess> parse_process_status(uint32_t pid, absl::string_view text);

// A process as it is now; nothing if it has ended, or is a kernel thread.
std::optional<SwappingProcess> swapping_process(uint32_t pid);

// All that have any now, in no order. Any thread; some 10 us for each process of the host.
std::vector<SwappingProcess> swapping_processes();

}  // namespace swaptrail::host
