// Everything since the start, counted as it comes: by process, cgroup, swap area, origin and reclaimer.
//
// Each event is counted once in each table, whether or not its lifecycle is, or ever was, in the
// store; and with its weight, if pages are sampled. Counts never fall, and the sum over a table is exact (table.h).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "daemon/counters/table.h"
#include "trace/lifecycles/reconstructor.h"

namespace swaptrail::counters {

// What a table counts by, and the contents of its rows' keys. Tables of processes and cgroups count
// faults and their time for the reader; the others count them for the page.
enum class Grouping : uint8_t {
  kProcess,    // tgid of the first mapping, or of the reader, 0 = not known; the cgroup
  kCgroup,     // to which the page was charged, or the reader's; 0 = not known
  kArea,       // area_key(), or kNoArea
  kOrigin,     // enum swaptrail_origin, of the pass that freed it or gave it up
  kReclaimer,  // tgid of the process that did, 0 = not known
  kCount,
};

// Of a lifecycle that never had a slot.
inline constexpr uint64_t kNoArea = ~uint64_t{0};
// Entries of one type (0 to 63) while the type belongs to the area with this number, 0 = not known.
constexpr uint64_t area_key(uint32_t type, uint32_t number) { return uint64_t{number} << 6 | type; }
constexpr uint32_t area_type_of(uint64_t key) { return key & 63; }
constexpr uint32_t area_number_of(uint64_t key) { return static_cast<uint32_t>(key >> 6); }

class Counters : public lifecycles::LifecycleSink {
 public:
  struct Options {
    uint64_t since_ns = 0;               // when counting begins, monotonic
    uint64_t regret_ns = 1'000'000'000;  // swapped in again sooner: the swap-out was a mistake
    // Rows of each table; 148 bytes each.
    size_t processes = 4096;
    size_t cgroups = 4096;
    size_t areas = 512;
    size_t reclaimers = 2048;
  };
  explicit Counters(const Options& options);

  // The pipeline thread's.
  void on_lifecycle(const Lifecycle& lifecycle) override;
  void on_return(const Return& entry_return) override;
  void on_violation(const Violation&) override {}
  void on_loss(const Loss&) override {}
  // From now on entries of this type (0 to 63) belong to the area with this number.
  void note_area(uint32_t type, uint32_t number) { areas_[type % kTypes] = number; }

  // Any thread's.
  TableCopy copy(Grouping grouping) const { return table(grouping).copy(); }
  uint64_t since_ns() const { return options_.since_ns; }

 private:
  static constexpr uint32_t kTypes = 64;  // 6 bits of an entry

  Table& table(Grouping grouping) { return tables_[static_cast<size_t>(grouping)]; }
  const Table& table(Grouping grouping) const { return tables_[static_cast<size_t>(grouping)]; }
  Key area_of(uint64_t entry) const;

  const Options options_;
  std::array<Table, static_cast<size_t>(Grouping::kCount)> tables_;
  std::array<uint32_t, kTypes> areas_{};  // numbers, by type
};

}  // namespace swaptrail::counters
