// Faults on swap entries: the passes of one fault, joined. Internal to trace/.
//
// A fault that has to wait for its page takes several passes of do_swap_page (mm/memory.c): in one of
// them the kernel waits without the lock of the address space, returns VM_FAULT_RETRY, and begins again.
// The flags of a pass show whether it continues a fault: the first pass may hold only the lock of its
// VMA (FAULT_FLAG_VMA_LOCK); every later one has FAULT_FLAG_TRIED, except the one after a pass under the
// VMA's lock. The last pass may never come, if another thread has filled the page table entry meanwhile.
// Then the thread's next fault, or a grace period, ends the wait.
//
// The kernel counts a fault once (mm/memory.c, mm_account_fault): as major if its last pass read the
// page, or was a retry (FAULT_FLAG_TRIED).
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "bpf/event.h"
#include "trace/lifecycle.h"
#include "trace/lifecycles/pool.h"

namespace swaptrail::lifecycles {

// One fault, from its first pass to its last, or one read of shared memory.
struct Fault {
  uint64_t entry = 0;  // the one that was wanted
  uint64_t address = 0;
  uint64_t begin_ns = 0;       // of the first pass
  uint64_t last_begin_ns = 0;  // of the last one
  uint64_t end_ns = 0;
  uint64_t cgroup = 0;
  uint32_t tid = 0;
  uint32_t tgid = 0;
  uint32_t owner_tgid = 0;
  int32_t result = 0;  // of the last pass
  uint16_t state = 0;  // its flags
  uint16_t passes = 0;
  uint16_t first_page = 0;  // the pages brought back begin this many before `entry`
  uint16_t filled = 0;      // pages brought back, 0 = none
  bool any_major = false;
  bool shmem = false;
  Comm comm{};

  // Its end was seen. If not, only the wait is known.
  bool ended() const { return shmem || !(static_cast<uint32_t>(result) & SWAPTRAIL_FAULT_RETRY); }
  bool major() const;
};

// A fault that consists of this one pass. `counted`: the pass reports how many page table entries
// it filled.
Fault fault_of(const swaptrail_event& pass, bool counted);
// A run of shmem_swapin_folio (mm/shmem.c): the whole of a fault, or its whole part of a read(2).
Fault shmem_fault_of(const swaptrail_event& event);

// Faults between two passes, by thread.
class FaultTable {
 public:
  // How long a thread may take from one pass to the next: it waits for the lock of its address space.
  static constexpr uint64_t kGraceNs = 2'000'000'000;
  static constexpr size_t kMax = 16384;

  // `with_flags`: passes report the flags that they ran with (event ABI 2).
  explicit FaultTable(bool with_flags) : with_flags_(with_flags), faults_(kMax) {}

  // Takes a pass, and hands on the faults that it ends: an older fault of the thread, and its own.
  template <typename Done>
  void add(const swaptrail_event& pass, Done&& done);
  // Hands on each fault that has waited for its next pass longer than the grace period at `now_ns`.
  template <typename Done>
  void settle(uint64_t now_ns, Done&& done);

  // After this time the grace period of the one that waits longest is over.
  uint64_t due_ns() const {
    const uint32_t oldest = waiting_.head();
    return oldest == kNoIndex ? ~uint64_t{0} : faults_.at(oldest).fault.end_ns + kGraceNs;
  }

 private:
  struct Open {
    Fault fault;
    Link link;
  };

  bool continues(const Fault& open, const Fault& pass) const;
  static void join(const Fault& pass, Fault& open);
  Fault take(uint32_t index);

  const bool with_flags_;
  absl::flat_hash_map<uint32_t, uint32_t> by_thread_;
  Pool<Open> faults_;
  PoolList<Open, &Open::link> waiting_;  // the one that waits longest first
};

template <typename Done>
void FaultTable::add(const swaptrail_event& event, Done&& done) {
  Fault pass = fault_of(event, with_flags_);
  const auto found = by_thread_.find(pass.tid);
  if (found != by_thread_.end()) {
    Fault open = take(found->second);
    if (continues(open, pass)) {
      join(pass, open);
      pass = open;
    } else {
      done(open);
    }
  }
  if (pass.ended()) return done(pass);
  uint32_t index = faults_.acquire();
  if (index == kNoIndex) {
    done(take(waiting_.head()));
    index = faults_.acquire();
  }
  faults_.at(index).fault = pass;
  by_thread_[pass.tid] = index;
  waiting_.append(faults_, index);
}

template <typename Done>
void FaultTable::settle(uint64_t now_ns, Done&& done) {
  while (now_ns > due_ns()) done(take(waiting_.head()));
}

}  // namespace swaptrail::lifecycles
