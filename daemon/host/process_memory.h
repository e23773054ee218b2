// The page tables of other processes, and MADV_PAGEOUT on them. These are the two privileged things
// that a query can ask for; a small separate process does them.
//
// swaptraild forks it before it starts any thread and drops its own capabilities; the child keeps
// CAP_SYS_ADMIN (page frame numbers in /proc/PID/pagemap and /proc/kpageflags: fs/proc/task_mmu.c
// pagemap_read), CAP_SYS_PTRACE (mm/madvise.c process_madvise, fs/proc mm_access: /proc/PID/maps too),
// CAP_DAC_READ_SEARCH (/proc/PID/pagemap is readable by its owner only) and CAP_SYS_NICE
// (process_madvise), reads fixed-size requests from a socket and does nothing else. It ends with the
// parent. A process between them starts another child when one has ended; the parent could not do that
// without those capabilities. So what talks to the network has no capability that reaches other processes.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/base/descriptor.h"

namespace swaptrail::host {
namespace memory_child {
struct Request;
struct Answer;
}  // namespace memory_child

// A page table entry as /proc/PID/pagemap shows it (Documentation/admin-guide/mm/pagemap.rst).
struct PageEntry {
  // kSpecial: migration, hardware poison, a marker or the like; it refers to no swap slot.
  enum class State : uint8_t { kNotMapped, kResident, kSwapped, kSpecial };
  State state = State::kNotMapped;
  uint64_t pfn = 0;          // kResident; 0 = not known
  uint32_t swap_type = 0;    // kSwapped
  uint64_t swap_offset = 0;  // kSwapped, in pages
  bool shared_or_file = false;
  // KPF_* bits of /proc/kpageflags for `pfn`; absent = not resident, or not readable.
  std::optional<uint64_t> flags;
};

// The file that is mapped at an address.
struct MappedFile {
  uint32_t major = 0, minor = 0;
  uint64_t inode = 0;
  // As /proc/PID/maps has it, with its escapes and " (deleted)"; at most 255 bytes.
  std::string path;
};

// Pages of a range by state.
struct RangeCount {
  uint64_t resident = 0;
  uint64_t swapped = 0;
  uint64_t other = 0;
};

// A page of a process that lies in swap.
struct SwapEntry {
  uint64_t page = 0;    // address / page size
  uint64_t offset = 0;  // in the area
  uint64_t type = 0;
};

// A part of the entries of a page table, in the order of addresses.
struct SwapEntries {
  std::vector<SwapEntry> entries;
  uint64_t next_address = 0;  // where the next part begins; 0 = there is none
  uint64_t used_cpu_ns = 0;   // by the process that read them
};

class ProcessMemory {
 public:
  static constexpr uint64_t kMaxRange_bytes = uint64_t{1} << 30;
  static constexpr uint64_t kMostPageOut_bytes = uint64_t{2} << 20;  // a call of page_out()

  // Forks the process. Call it before any thread is started and before capabilities are dropped,
  // from a thread that lives as long as the daemon: the child is killed when that thread ends.
  // Without `may_page_out` the child refuses every page_out(), and has no CAP_SYS_NICE. Errors:
  // Internal (no fork, no socket).
  static absl::StatusOr<std::unique_ptr<ProcessMemory>> start(bool may_page_out);
  ~ProcessMemory();  // ends the child and waits for it
  ProcessMemory(const ProcessMemory&) = delete;
  ProcessMemory& operator=(const ProcessMemory&) = delete;

  // Any thread; one request at a time.
  // Errors: NotFound (no such process, or it has no memory of its own), PermissionDenied,
  // InvalidArgument (not a user-space address; a range that is empty, too long or not of whole pages),
  // Unavailable (the child has ended, or did not answer for 10 s: another one is started within about a
  // second; requests meanwhile wait for it).
  absl::StatusOr<PageEntry> page(uint32_t pid, uint64_t address);
  // The /proc/PID/maps entry for an address; nothing if no file is mapped there.
  absl::StatusOr<std::optional<MappedFile>> file(uint32_t pid, uint64_t address);
  // Flags of a frame, KPF_* bits. Errors also: NotFound (no such frame).
  absl::StatusOr<uint64_t> frame_flags(uint64_t pfn);
  absl::StatusOr<RangeCount> count(uint32_t pid, uint64_t address, uint64_t length_bytes);
  // The pages from `address` on that lie in swap, of mappings that are not shared: at most 2,048, and of at most 512 Ki pages
  // looked at. A page that is read, mapped or freed meanwhile may be there or not.
  absl::StatusOr<SwapEntries> swapped(uint32_t pid, uint64_t address);
  // process_madvise(MADV_PAGEOUT) on the first min(length_bytes, kMostPageOut_bytes) of the range,
  // so that other requests need not wait for all of it. Returns how many bytes the kernel has gone
  // over: at least one, at most those; not all of them are swapped out by it. To do the whole
  // range, call again with the address that much higher and the length that much shorter, until
  // nothing is left. Files that the child may not write and pages that others map too are skipped.
  // Errors also: FailedPrecondition (started without may_page_out; the pages are locked, huge or of
  // a device), OutOfRange (a part of these bytes is not mapped: the parts before and after it may
  // have been swapped out), Unimplemented (before 5.10).
  absl::StatusOr<uint64_t> page_out(uint32_t pid, uint64_t address, uint64_t length_bytes);

  // Process id of the last child that answered; 0 = none yet. Any thread.
  pid_t child() const { return child_; }

 private:
  ProcessMemory(base::Descriptor requests, base::Descriptor control, pid_t starter)
      : requests_(std::move(requests)), control_(std::move(control)), starter_(starter) {}
  template <typename Answer>
  absl::StatusOr<Answer> ask(memory_child::Request request);

  std::mutex mutex_;
  base::Descriptor requests_, control_;  // none: the process that starts children has ended
  const pid_t starter_;
  std::atomic<pid_t> child_{0};
  uint64_t sequence_ = 0;  // of the last request
};

}  // namespace swaptrail::host
