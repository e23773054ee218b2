// The kernel's own list of swap areas, with their types.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "daemon/area_types.h"

namespace swaptrail {

// Reads swap_info[] (mm/swapfile.c) by a small BPF program that is attached to nothing. One thread.
class KernelAreas {
 public:
  // `kallsyms` is the text of /proc/kallsyms. Errors: NotFound (the kernel has no symbols of data, or
  // hides their addresses), Unavailable (no such program is permitted).
  static absl::StatusOr<std::unique_ptr<KernelAreas>> open(std::string_view kallsyms);
  ~KernelAreas();

  // Those whose type is taken now, by type. Without a lock: what changes meanwhile may be torn.
  // Errors: Internal (the program does not run).
  absl::StatusOr<std::vector<KernelArea>> read();

 private:
  struct Loaded;
  explicit KernelAreas(std::unique_ptr<Loaded> loaded);
  std::unique_ptr<Loaded> loaded_;
};

// The address of a symbol that has this name alone, in the text of /proc/kallsyms; 0 if there is none,
// several, or the addresses are hidden (all 0).
uint64_t symbol_address(std::string_view kallsyms, std::string_view name);

}  // namespace swaptrail
