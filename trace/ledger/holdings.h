// Who holds swap: rows of pages with the same owner, cgroup and area. Internal to trace/.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "trace/ledger/held_slots.h"
#include "trace/ledger/ledger.h"

namespace swaptrail::ledger {

// Where a page lies, and whether it is in memory too: 5 bits.
struct SlotState {
  static constexpr int kWhereBits = 3;
  static constexpr size_t kCount = size_t{1} << 5;
  static constexpr uint64_t of(Where where, Presence presence) {
    return static_cast<uint64_t>(where) | static_cast<uint64_t>(presence) << kWhereBits;
  }
  static constexpr Where where(uint64_t state) {
    return static_cast<Where>(state & ((1 << kWhereBits) - 1));
  }
  static constexpr Presence presence(uint64_t state) {
    return static_cast<Presence>(state >> kWhereBits);
  }
};
static_assert(kWhereCount <= 1 << SlotState::kWhereBits && kPresenceCount <= 4);

// Row 0 is nobody's. Row 1 + area is that of what finds no room, and never goes.
class Holdings {
 public:
  explicit Holdings(size_t max_rows);

  // The row of that owner, made if it has to be. Most pages have the owner of the last one of its kind.
  uint32_t of(const Holder& holder) {
    const Last& last = last_[static_cast<size_t>(holder.kind)];
    const bool same = last.row != 0 && last.cgroup == holder.cgroup && last.tgid == holder.tgid &&
                      last.area == holder.area && last.inode == holder.inode &&
                      last.device == holder.device;
    return same ? last.row : obtain(holder);
  }
  // Its pages are `more` or fewer, modulo 2^64.
  void count(const HeldSlot& slot, uint64_t more) {
    Row& row = rows_[slot.holding];
    more <<= slot.sample_shift;
    row.pages[slot.state] += more;
    if (slot.shared) row.shared += more;
    if (slot.found) row.found += more;
  }
  void move(const HeldSlot& slot, uint64_t state) {
    Row& row = rows_[slot.holding];
    row.pages[slot.state] -= uint64_t{1} << slot.sample_shift;
    row.pages[state] += uint64_t{1} << slot.sample_shift;
  }
  const Holder& holder(uint32_t row) const { return rows_[row].holder; }
  Holding snapshot(uint32_t row) const;
  uint64_t overflows() const { return overflows_; }
  size_t size() const { return rows_.size(); }
  size_t bytes() const { return rows_.capacity() * sizeof(Row); }

 private:
  struct Row {
    std::array<uint64_t, SlotState::kCount> pages{};  // by state
    uint64_t shared = 0, found = 0;
    Holder holder;
    bool is_empty() const;
  };
  static_assert(sizeof(Row) == 320);  // docs/ARCHITECTURE.md
  struct Last {
    uint64_t cgroup = 0, inode = 0;
    uint32_t device = 0, tgid = 0, area = 0;
    uint32_t row = 0;  // 0: none
  };
  struct Key {
    uint64_t cgroup, inode;
    uint32_t tgid, device;
    uint32_t kind_and_area;
    bool operator==(const Key&) const = default;
    template <typename H>
    friend H AbslHashValue(H hash, const Key& key) {
      return H::combine(std::move(hash), key.cgroup, key.inode, key.tgid, key.device,
                        key.kind_and_area);
    }
  };
  uint32_t obtain(const Holder& holder);
  void forget_empty();

  size_t max_rows_;
  std::vector<Row> rows_;
  std::vector<uint32_t> free_;
  absl::flat_hash_map<Key, uint32_t> index_;
  std::array<Last, static_cast<size_t>(OwnerKind::kCount)> last_;
  uint64_t overflows_ = 0;
};

}  // namespace swaptrail::ledger
