#include "daemon/host/page_frames.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include <algorithm>
#include <map>
#include <memory>
#include <vector>

#include "bpf/calibrate.skel.h"
#include "bpf/event.h"
#include "daemon/base/descriptor.h"

namespace swaptrail::host {
namespace {

constexpr int kPages = 16;   // touched
constexpr int kEnough = 12;  // so many must agree; page tables and other CPUs' frees disturb some

// Bits 0-54 of a pagemap entry: the page frame number; 0 without CAP_SYS_ADMIN (fs/proc/task_mmu.c).
uint64_t frame_of(int pagemap, const void* page, size_t page_size) {
  uint64_t entry = 0;
  const off_t at = static_cast<off_t>(reinterpret_cast<uintptr_t>(page) / page_size * 8);
  if (pread(pagemap, &entry, sizeof(entry), at) != sizeof(entry)) return 0;
  return entry >> 63 ? entry & ((uint64_t{1} << 55) - 1) : 0;
}

struct Unload {
  void operator()(calibrate_bpf* object) const { calibrate_bpf__destroy(object); }
};

// Touches the page and votes: each struct page noted meanwhile gives, with the page's number, a
// base.
void touch_and_vote(calibrate_bpf& object, volatile char* page, int pagemap, size_t page_size,
                    std::map<uint64_t, int>& votes) {
  object.bss->count = 0;
  *page = 1;
  const uint32_t noted = std::min<uint32_t>(object.bss->count, SWAPTRAIL_CALIBRATION_PAGES);
  const uint64_t frame = frame_of(pagemap, const_cast<const char*>(page), page_size);
  if (frame == 0) return;
  for (uint32_t i = 0; i < noted; ++i)
    votes[object.bss->allocated[i] - frame * object.bss->page_struct_size]++;
}

}  // namespace

absl::StatusOr<PageFrames> PageFrames::calibrate() {
  const size_t page_size = sysconf(_SC_PAGESIZE);
  std::unique_ptr<calibrate_bpf, Unload> object(calibrate_bpf__open());
  if (!object) return absl::UnavailableError("the calibration program does not open");
  object->rodata->thread = static_cast<uint32_t>(syscall(SYS_gettid));
  if (calibrate_bpf__load(object.get()) != 0 || calibrate_bpf__attach(object.get()) != 0)
    return absl::UnavailableError("the calibration program does not load");

  const base::Descriptor pagemap(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
  if (!pagemap) return absl::UnavailableError("can't open /proc/self/pagemap");
  void* memory =
      mmap(nullptr, kPages * page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  std::map<uint64_t, int> votes;
  if (memory != MAP_FAILED) {
    madvise(memory, kPages * page_size, MADV_NOHUGEPAGE);
    for (int i = 0; i < kPages; ++i)
      touch_and_vote(*object, static_cast<char*>(memory) + i * page_size, pagemap.get(), page_size,
                     votes);
    munmap(memory, kPages * page_size);
  }

  const auto best = std::max_element(
      votes.begin(), votes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  if (best == votes.end() || best->second < kEnough)
    return absl::UnavailableError("struct page addresses and page frame numbers do not agree");
  return PageFrames(best->first, object->bss->page_struct_size);
}

std::optional<uint64_t> PageFrames::number_of(uint64_t page_struct) const {
  const uint64_t offset = page_struct - base_;  // the base wraps below zero on some kernels
  if (page_struct == 0 || offset % page_struct_size_ != 0) return std::nullopt;
  return offset / page_struct_size_;
}

}  // namespace swaptrail::host
