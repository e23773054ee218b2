// Who has waited for pages in swap: faults and their time by process, cgroup and swap area, since the
// start, whether or not the lifecycles are in the store.
//
// A table of fixed memory. One thread adds, any number read; nobody waits. All of it is atomic words:
// a reader sees by the version in front and behind whether it read one row or parts of two. When it is
// full, the row that has been idle longest gives up its place; its counts go to `departed`. Waits that
// find no place go to `other`. So the sum over rows, `departed` and `other` is exact at rest.
#ifndef SWAPTRAIL_DAEMON_STORE_WAITERS_H_
#define SWAPTRAIL_DAEMON_STORE_WAITERS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "trace/lifecycle.h"

namespace swaptrail::store {

struct Waits {
  uint64_t faults = 0;
  uint64_t major = 0;  // of those, as the kernel counts them
  uint64_t wait_ns = 0;

  bool empty() const { return faults == 0 && wait_ns == 0; }
  void add(const Waits& more) {
    faults += more.faults;
    major += more.major;
    wait_ns += more.wait_ns;
  }
};

struct Waiter {
  uint32_t tgid = 0;     // 0 = not known
  uint32_t area = 0;     // type of the entry: where the page lay
  uint64_t cgroup = 0;   // of the thread that waited, 0 = not known
  uint64_t used_ns = 0;  // its last fault
  Comm comm{};           // what it was called last
  Waits waits;
};

struct WaiterCopy {
  std::vector<Waiter> rows;
  Waits other;     // found no place
  Waits departed;  // of rows that gave up their place
};

class Waiters {
 public:
  // A row that was idle for so long may be replaced.
  static constexpr uint64_t kIdle_ns = 60'000'000'000;

  explicit Waiters(size_t most) : rows_(most < kProbes ? kProbes : most) {}
  static size_t bytes_for(size_t most) { return (most < kProbes ? kProbes : most) * sizeof(Row); }
  static size_t bytes_for_row() { return sizeof(Row); }

  // The pipeline thread's. From now on entries of this type (0 to 63) are of the area with this number:
  // who waits then has another row than who waited for pages of the one before.
  void set_area(uint32_t type, uint32_t number) { areas_[type % kTypes] = number; }
  // The pipeline thread's: a fault. Does nothing for a return that nobody waited for.
  void add(const Return& entry_return);

  // Any thread's.
  WaiterCopy copy() const;

 private:
  // A row is at one of so many places from the hash of its key on.
  static constexpr size_t kProbes = 16;
  static constexpr uint32_t kTypeBits = 6, kTypes = 1u << kTypeBits;  // of a swap entry
  enum Word : size_t { kWho, kCgroup, kComm, kComm2, kFaults, kMajor, kWait, kUsed, kWords };
  struct Row {
    std::atomic<uint64_t> version{0};  // odd while it is written; 0 = empty
    std::array<std::atomic<uint64_t>, kWords> words{};
  };
  struct Sum {
    std::atomic<uint64_t> faults{0}, major{0}, wait_ns{0};
    void add(const Waits& more);
    Waits read() const;
  };
  Row* place_of(uint64_t who, uint64_t cgroup, uint64_t now_ns);
  static bool read(const Row& row, std::array<uint64_t, kWords>& words);

  std::vector<Row> rows_;
  std::array<uint32_t, kTypes> areas_{};  // the pipeline thread's
  Sum other_, departed_;
};

}  // namespace swaptrail::store

#endif  // SWAPTRAIL_DAEMON_STORE_WAITERS_H_
