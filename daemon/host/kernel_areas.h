// The kernel's own list of swap areas, with their types.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "daemon/host/area_types.h"
#include "daemon/probe/symbol_table.h"

namespace swaptrail::host {

// Reads swap_info[] (mm/swapfile.c) by a small BPF program that is attached to nothing. One thread.
class KernelAreas {
 public:
  // `symbols` are the running kernel's. Errors: NotFound (the kernel has no data symbols, or hides
  // their addresses), Unavailable (no such program is permitted).
  static absl::StatusOr<std::unique_ptr<KernelAreas>> open(const probe::SymbolTable& symbols);
  ~KernelAreas();

  // The areas whose type is taken now, by type. Read without a lock: areas that change meanwhile
  // may be torn. Errors: Internal (the program does not run).
  absl::StatusOr<std::vector<KernelArea>> read();

 private:
  struct Loaded;
  explicit KernelAreas(std::unique_ptr<Loaded> loaded);
  std::unique_ptr<Loaded> loaded_;
};

}  // namespace swaptrail::host
