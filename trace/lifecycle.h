// The vocabulary of the trace: what the reconstructor yields and everybody else reads.
//
// Plain values without behaviour, shared by trace/, engine/, recordings and gRPC. All times are
// CLOCK_MONOTONIC nanoseconds, 0 = not seen. Names of the enums are in trace/decode.h.
//
// If not all pages leave records (swaptraild --sample), one that does stands for weight() pages. Whoever counts adds each
// with its weight: then the counts are unbiased estimates, and exact where every weight is 1.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "bpf/event.h"

namespace swaptrail {

using Comm = std::array<char, SWAPTRAIL_COMM_LEN>;  // ends at the first NUL, or is full

// The text of a comm: never longer than 16 bytes, any bytes (a process may call itself anything).
inline std::string_view comm_text(const Comm& comm) {
  const std::string_view all(comm.data(), comm.size());
  return all.substr(0, all.find('\0'));
}

// The stages of one swap-out attempt, in the order in which a page passes them.
enum class Stage : uint8_t {
  kIsolated,        // its batch entered shrink_folio_list (the last batch that touched it first)
  kSlotAllocated,   // slot reserved, folio in the swap cache
  kUnmapped,        // no page table maps it any more
  kWriteBegin,      // swap_writepage / swap_writeout called
  kWriteIssued,     // handed to the device (Linux 7.3: queued for it)
  kWriteEnd,        // swap_writepage / swap_writeout returned
  kWriteCompleted,  // end of writeback
  kRemoved,         // __remove_mapping gave the page to the page allocator
  kCount,
};
inline constexpr size_t kStageCount = static_cast<size_t>(Stage::kCount);

enum class Outcome : uint8_t {
  kFreedDevice,
  kFreedZswap,
  kFreedZero,
  kFreedClean,  // no I/O in this lifecycle: still as it was last written
  kAborted,     // the page stayed in memory: see AbortReason
  kInFlight,    // the end of observation came first
  kUnknown,     // cannot be determined: see IncompleteReason
  kCount,
};
// The page left memory.
constexpr bool is_freed(Outcome outcome) { return outcome <= Outcome::kFreedClean; }
// Of a page that left memory once it was written to `backend`; unknown if that is none.
constexpr Outcome freed_to(uint8_t backend) {
  switch (backend) {
    case SWAPTRAIL_BACKEND_DEVICE:
      return Outcome::kFreedDevice;
    case SWAPTRAIL_BACKEND_ZSWAP:
      return Outcome::kFreedZswap;
    case SWAPTRAIL_BACKEND_ZERO:
      return Outcome::kFreedZero;
    default:
      return Outcome::kUnknown;
  }
}

enum class AbortReason : uint8_t {
  kNone,            // not aborted, or the reason is not known
  kNoSlot,          // no free slot, memcg swap limit, or no memory for the cache
  kStillMapped,     // try_to_unmap left some mapping
  kReferenced,      // refaulted or activated before it was freed
  kDirtied,         // dirty again when it was to be removed
  kWriteRefused,    // AOP_WRITEPAGE_ACTIVATE, or this reclaim may not write
  kWriteError,      // the device or the architecture failed the write
  kExtraReference,  // somebody else holds the folio
  kSplit,           // the pieces go on as lifecycles of their own
  kSlotGone,        // no page table refers to the slot any more: freed or exited
  kCount,
};

enum class IncompleteReason : uint8_t {
  kNone,
  kBeforeAttach,  // part of it happened before the programs were attached
  kDropped,       // an event that must have happened was not received
  kNotHooked,     // this kernel offers no hook that could show it
  kTableFull,     // a table of ours or of the BPF programs had no room
  kEnded,         // the observation stopped in the middle
  kCount,
};

// What a page in flight waits for.
enum class Waiting : uint8_t { kNothing, kWriteback, kSecondPass, kCount };

// One place where the folio was mapped. tgid 0 = the mm had no living owner.
struct Mapping {
  uint64_t address = 0;  // user virtual address of page `first_page`, 0 = not known
  uint32_t tgid = 0;
  uint16_t first_page = 0;  // index inside the folio, or SWAPTRAIL_PAGE_UNKNOWN
  uint16_t ptes = 0;        // page table entries replaced, or SWAPTRAIL_NOT_COUNTED
  Comm comm{};
};

// Who did a pass of reclaim.
struct Reclaimer {
  uint64_t batch_ns = 0;  // when its shrink_folio_list began, 0 = not seen
  uint64_t cgroup = 0;    // the cgroup being reclaimed, 0 = the whole node, or not known
  uint32_t tid = 0;
  uint32_t tgid = 0;
  uint8_t origin = 0;  // enum swaptrail_origin
  Comm comm{};         // empty if RECLAIM_BEGIN was not seen
};

inline constexpr size_t kMaxMappings = 4;  // kept in detail; all are counted

// A page of a file in a tmpfs, or of other shared memory. inode 0 = not known.
struct SharedObject {
  uint64_t inode = 0;
  uint64_t index = 0;   // of the folio's first page in the file, pages
  uint32_t device = 0;  // dev_t of the kernel: major << 20 | minor
};

// One swap-out attempt of one folio, from isolation until it is freed or given up.
struct Lifecycle {
  uint64_t id = 0;  // 1, 2, ... in order of beginning; never 0
  uint64_t folio = 0;
  uint64_t entry = 0;      // of the first page; 0 = never had a slot
  uint64_t cgroup = 0;     // to which the folio is charged, 0 = not known
  uint64_t closed_ns = 0;  // when the outcome was known
  std::array<uint64_t, kStageCount> stage_ns{};
  Reclaimer first;  // began it
  Reclaimer last;   // freed it or gave it up
  std::array<Mapping, kMaxMappings> mappings{};
  uint32_t mapping_count = 0;  // all UNMAPPED_ONE events; may exceed kMaxMappings
  SharedObject object;         // of shmem
  uint32_t generation = 0;     // how many times the slot had been freed before, as far as seen
  uint32_t passes = 1;         // batches of reclaim that touched it
  uint16_t nr_pages = 1;       // base pages
  // Base pages of the large folio that found no room in swap and was split: this is its first piece. 0 = none.
  uint16_t fallback_from = 0;
  uint8_t backend = SWAPTRAIL_BACKEND_NONE;  // of the last write in this lifecycle
  uint8_t sample_shift = 0;                  // log2 of weight()
  uint8_t visible_stages = 0;  // bit (1 << Stage): the stage has a hook on this kernel
  Outcome outcome = Outcome::kUnknown;
  AbortReason abort_reason = AbortReason::kNone;
  AbortReason kept_because = AbortReason::kNone;  // why the last pass but one did not free it
  IncompleteReason incomplete = IncompleteReason::kNone;
  Waiting waiting_for = Waiting::kNothing;
  bool shmem = false;
  bool ksm = false;
  bool rewritten = false;        // its slot held an older copy of it
  bool readahead = false;        // read in, and never mapped before it was reclaimed again
  bool owner_guessed = false;    // tracepoint mode
  bool overlapped_loss = false;  // some CPU lost events during its life

  uint64_t weight() const { return uint64_t{1} << sample_shift; }
  uint64_t at(Stage stage) const { return stage_ns[static_cast<size_t>(stage)]; }
  bool complete() const { return incomplete == IncompleteReason::kNone; }
};

// How a page that was swapped out ended its stay, or what became of a fault on it.
enum class ReturnHow : uint8_t {
  kSwappedIn,  // a fault or a read(2) needed it
  kSlotFreed,  // nobody ever will
  kSwapoff,    // swapoff brought it back
  kReadError,  // a fault failed: the page is where it was. The device, or its copy, is broken
  kNoMemory,   // a fault failed: no memory for the page. It is where it was
  kCount,
};
constexpr bool is_failed(ReturnHow how) {
  return how == ReturnHow::kReadError || how == ReturnHow::kNoMemory;
}

// Whose page a lifecycle took, and who took it. Counters need these after the lifecycle itself is
// gone.
struct Eviction {
  uint64_t cgroup = 0;     // to which it was charged, 0 = not known
  uint32_t victim = 0;     // tgid of its first mapping, 0 = not known
  uint32_t reclaimer = 0;  // tgid of the process that freed it or gave it up, 0 = not known
  uint8_t origin = SWAPTRAIL_ORIGIN_UNKNOWN;  // on whose behalf
};
inline Eviction eviction_of(const Lifecycle& lifecycle) {
  return {.cgroup = lifecycle.cgroup,
          .victim = lifecycle.mappings[0].tgid,
          .reclaimer = lifecycle.last.tgid,
          .origin = lifecycle.last.origin};
}

// The end of a stay in swap, or a fault on a swap entry. Each fault is reported once, however often the
// kernel retried it, and each freed page returns once.
struct Return {
  uint64_t lifecycle_id = 0;  // 0 = swapped out before we looked, or forgotten
  uint64_t entry = 0;  // of the first page of this range; a fault without pages: the one it wanted
  uint64_t time_ns = 0;
  uint64_t after_ns = 0;       // since removal, 0 = not known, or nothing came back
  uint64_t fault_ns = 0;       // how long the reader waited, all passes together; 0 = no reader
  uint64_t address = 0;        // of the fault, or of the first page; shmem: 0
  uint64_t reader_cgroup = 0;  // of the reader, 0 = not known
  uint32_t generation = 0;
  uint32_t tgid = 0;  // of the process that waited: the reader
  uint32_t tid = 0;
  uint32_t owner_tgid = 0;  // whose memory it is, 0 = not known, or shmem
  uint16_t nr_pages = 1;    // that came back from swap; 0 = they were back already, or did not come
  uint16_t mapped_pages = 0;  // page table entries that the fault filled (shmem: pages of the file)
  uint16_t passes = 0;        // of do_swap_page in this fault
  ReturnHow how = ReturnHow::kSwappedIn;
  uint8_t backend = SWAPTRAIL_BACKEND_UNKNOWN;  // where the page lay
  uint8_t sample_shift = 0;                     // as in Lifecycle
  bool major = false;  // as the kernel counts it (mm/memory.c, mm_account_fault)
  bool shmem = false;
  Comm comm{};  // of the reader
  // Of the lifecycle `lifecycle_id`; empty if that is 0. Set when the return is yielded: the store
  // does not keep it.
  Eviction eviction{};

  uint64_t weight() const { return uint64_t{1} << sample_shift; }
};

// A change to a page that is in swap and stays there.
enum class StayChange : uint8_t {
  kZswapWriteback,    // zswap moved it to the device
  kReadaheadDropped,  // read ahead, never used, and dropped by reclaim
  kCount,
};
struct Stay {
  uint64_t lifecycle_id = 0;  // 0 = swapped out before we looked, or forgotten
  uint64_t entry = 0;         // of the first page of this range
  uint64_t time_ns = 0;
  uint16_t nr_pages = 1;
  StayChange change = StayChange::kZswapWriteback;
  uint8_t sample_shift = 0;  // as in Lifecycle

  uint64_t weight() const { return uint64_t{1} << sample_shift; }
};

// A transition that the kernel cannot make. Either we are wrong, or the kernel, or the observation.
struct Violation {
  std::string_view rule;  // static storage
  uint64_t lifecycle_id = 0;
  uint64_t folio = 0;
  uint64_t entry = 0;
  uint64_t time_ns = 0;
  std::string text;
};

// A CPU that no machine has: see Loss.
inline constexpr uint32_t kNoCpu = 0xffff;

// Something is missing in this span of time: records of one CPU that found no room between two
// records that did; or, with kNoCpu, runs of our programs that the kernel skipped without saying
// where. A skipped run loses more than its record: the state that the programs share is wrong too.
struct Loss {
  uint64_t from_ns = 0;
  uint64_t to_ns = 0;
  uint64_t count = 0;  // of records, or of runs
  uint32_t cpu = 0;

  bool is_of_runs() const { return cpu == kNoCpu; }
  // A loss of nothing: a recording marks in this way that everything up to `to_ns` had come
  // (EventSink::on_time).
  bool is_time_mark() const { return count == 0; }
};

}  // namespace swaptrail
