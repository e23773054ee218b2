// What was counted in BPF maps (bpf/counted.h): with --detail=counters.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "bpf/counted.h"

namespace swaptrail::capture {

// Of all CPUs.
struct CountedRow {
  swaptrail_counted_key key{};
  swaptrail_counted counts{};
  // Of its key only the way is known: all that found no room for a row of its own.
  bool beyond = false;
};

// "out" or "in".
std::string_view way_name(uint8_t way);

bool is_nothing(const swaptrail_counted& counts);
void add_counted(const swaptrail_counted& other, swaptrail_counted& sum);

// By way, the busiest first, and what is beyond last. `counted`, `beyond`: the maps; a value has a part for each of `cpus`.
// Errors: Internal.
absl::StatusOr<std::vector<CountedRow>> read_counted(int counted, int beyond, size_t cpus);

}  // namespace swaptrail::capture
