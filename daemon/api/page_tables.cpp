#include "daemon/api/page_tables.h"

#include "daemon/host/proc.h"

namespace swaptrail::api {
namespace {

class HostPageTables : public PageTables {
 public:
  explicit HostPageTables(host::ProcessMemory& memory) : memory_(memory) {}

  absl::StatusOr<host::PageEntry> page(uint32_t pid, uint64_t address) override {
    return memory_.page(pid, address);
  }
  absl::StatusOr<std::optional<host::MappedFile>> file(uint32_t pid, uint64_t address) override {
    return memory_.file(pid, address);
  }
  absl::StatusOr<uint64_t> frame_flags(uint64_t pfn) override { return memory_.frame_flags(pfn); }
  absl::StatusOr<host::RangeCount> count(uint32_t pid, uint64_t address,
                                         uint64_t length_bytes) override {
    return memory_.count(pid, address, length_bytes);
  }
  uint64_t started_ns(uint32_t pid) override { return host::process_started_ns(pid); }
  absl::StatusOr<uint64_t> page_out(uint32_t pid, uint64_t address,
                                    uint64_t length_bytes) override {
    return memory_.page_out(pid, address, length_bytes);
  }

 private:
  host::ProcessMemory& memory_;
};

}  // namespace

std::unique_ptr<PageTables> page_tables_of(host::ProcessMemory* memory) {
  return memory == nullptr ? nullptr : std::make_unique<HostPageTables>(*memory);
}

}  // namespace swaptrail::api
