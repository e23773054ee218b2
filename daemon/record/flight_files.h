// The files that the flight recorder wrote.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace swaptrail::record {

struct FlightFiles {
  std::vector<std::string> paths;  // oldest first
  // Monotonic: the files have everything that was observed from here on; 0 = there are no files.
  uint64_t since_ns = 0;
};

}  // namespace swaptrail::record
