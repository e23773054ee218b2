// What Linux 2.6 knows of pages and processes: struct page, mm_struct, anon_vma; and how its functions end.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/generations/linux_2_6_tables.h"

namespace swaptrail::engine::linux_2_6 {

inline constexpr uint32_t kNoPage = ~uint32_t{0};
inline constexpr uint32_t kNoProcess = ~uint32_t{0};
inline constexpr uint32_t kNoAnonVma = ~uint32_t{0};

// Flags of struct page (include/linux/page-flags.h). There is no PG_writeback: a write has ended when it returns.
enum PageFlag : uint16_t {
  kPageLocked = 1,
  kPageError = 2,  // its write failed
  kPageReferenced = 4,
  kPageUptodate = 8,
  kPageDirty = 16,
  kPageLru = 32,     // on one of the two lists
  kPageActive = 64,  // on the active one, or on its way there
  kPageSwapCache = 128,
  kPageReadahead = 256,  // read for nobody yet: for the counters, the kernel has no such flag here
};

// struct page. Half a cache line.
struct alignas(32) Page {
  uint32_t count = 0;              // _count: page tables, the swap cache, and who works with it
  uint16_t mapcount = 0;           // _mapcount + 1: page tables
  uint16_t flags = 0;              // of PageFlag
  uint64_t entry = 0;              // private: the slot, while it is in the swap cache
  uint64_t index = 0;              // index: its page number in the processes that have it
  uint32_t anon_vma = kNoAnonVma;  // mapping: the way to them
  uint32_t place = 0;              // lru: on its list

  bool has(uint16_t flag) const { return (flags & flag) != 0; }
  void set(uint16_t flag) { flags |= flag; }
  void clear(uint16_t flag) { flags &= static_cast<uint16_t>(~flag); }
  bool test_and_clear(uint16_t flag) {
    const bool was = has(flag);
    clear(flag);
    return was;
  }
};
static_assert(sizeof(Page) == 32 && kMostWorkloadProcesses < 1 << 16);

// The processes that may have a page (include/linux/rmap.h): a process and all that were forked of it share one. So the
// reverse map asks each of them for its entry, in order of forks.
struct AnonVma {
  std::vector<uint32_t> processes;
};

// struct mm_struct, and of task_struct what the OOM killer asks for. All of its memory is one vma.
struct Mm {
  uint32_t process = 0;
  uint32_t anon_vma = kNoAnonVma;  // of the vma; none before its first page
  uint32_t parent = kNoProcess;
  std::vector<uint32_t> children;  // that live
  uint64_t total_vm = 0;           // pages that it has touched
  PageTables tables;
};

enum class CacheAdd : uint8_t { kAdded, kExists, kNoEntry };          // 0, -EEXIST, -ENOENT
enum class Unmap : uint8_t { kSuccess, kAgain, kFail };               // SWAP_SUCCESS, ...
enum class Pageout : uint8_t { kKeep, kActivate, kSuccess, kClean };  // PAGE_KEEP, ...
enum class Fault : uint8_t { kDone, kOom };                           // VM_FAULT_OOM

struct ScanControl {  // struct scan_control
  uint64_t nr_scanned = 0;
  bool all_unreclaimable = false;
};

}  // namespace swaptrail::engine::linux_2_6
