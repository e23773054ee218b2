// The page tables of processes, as the services need them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "daemon/host/process_memory.h"

namespace swaptrail::api {

// Those of this host through ProcessMemory, or a test's. Any thread.
class PageTables {
 public:
  virtual ~PageTables() = default;
  // All as in daemon/host/process_memory.h.
  virtual absl::StatusOr<host::PageEntry> page(uint32_t pid, uint64_t address) = 0;
  virtual absl::StatusOr<std::optional<host::MappedFile>> file(uint32_t pid, uint64_t address) = 0;
  virtual absl::StatusOr<uint64_t> frame_flags(uint64_t pfn) = 0;
  virtual absl::StatusOr<host::RangeCount> count(uint32_t pid, uint64_t address,
                                                 uint64_t length_bytes) = 0;
  // When the process that now has this pid began: monotonic nanoseconds, to 10 ms; 0 = not known.
  virtual uint64_t started_ns(uint32_t pid) = 0;
  virtual absl::StatusOr<uint64_t> page_out(uint32_t pid, uint64_t address,
                                            uint64_t length_bytes) = 0;
};

// Null if there is no `memory`, which must outlive it.
std::unique_ptr<PageTables> page_tables_of(host::ProcessMemory* memory);

}  // namespace swaptrail::api
