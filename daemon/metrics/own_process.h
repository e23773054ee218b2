// The kernel's figures for the daemon's own process. Stateless; any thread.
#pragma once

#include <cstdint>
#include <string_view>

namespace swaptrail::metrics {

struct OwnProcess {
  double cpu_seconds = 0;
  double start_seconds = 0;  // since 1970
  uint64_t resident_bytes = 0;
  uint64_t virtual_bytes = 0;
  uint64_t threads = 0;
  uint64_t open_fds = 0;
  uint64_t max_fds = 0;
};

// Sets the fields found in a text like /proc/self/stat (proc(5)). `boot_seconds`: when the machine
// was booted, since 1970. What can't be read stays 0.
void parse_stat(std::string_view text, double boot_seconds, OwnProcess& out);

OwnProcess own_process();

}  // namespace swaptrail::metrics
