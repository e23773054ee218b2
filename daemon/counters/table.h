// Counts by key in a table of fixed size that never loses a count. Internal to daemon/counters/.
//
// One thread adds, any number read; nobody waits. All of it is atomic words: the versions before and
// after a row show a reader whether it read one row or parts of two. A row that has been idle for long
// gives up its place to a key that needs one. A key that finds no place is counted in `other`; but
// from time to time such a key takes the place of the row near it that has been idle longest, so that
// a frequent key soon has a row, and rare ones share what is left. The counts of a row that is given
// up go to `other`, and a key that comes back gets a new row with a new id: so no count of an id ever
// falls, nor does that of `other`, and the sum over all of them is exact.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "trace/lifecycle.h"

namespace swaptrail::counters {

// Base pages, except `lifecycles` and `faults`. The names are those of store::StatsCounts and of
// Return.
struct Counts {
  uint64_t lifecycles = 0;
  uint64_t pages = 0;
  uint64_t freed_pages = 0;
  uint64_t aborted_pages = 0;
  uint64_t unneeded_pages = 0;   // of the aborted: nobody needed them any more
  uint64_t returned_pages = 0;   // swapped in again
  uint64_t regretted_pages = 0;  // ... sooner than the regret time
  uint64_t faults = 0;           // on pages in swap, for which a thread waited
  uint64_t major_faults = 0;     // of those
  uint64_t wait_ns = 0;          // of all faults together

  bool operator==(const Counts&) const = default;
};
inline constexpr size_t kCounts = sizeof(Counts) / sizeof(uint64_t);

void add_to(Counts& sum, const Counts& more);

// The counts to add, prepared for several tables: for most events most of them are 0. Inline, so
// that the compiler knows which.
class Change {
 public:
  struct Part {
    uint32_t count;  // its place in Counts
    uint64_t more;
  };
  explicit Change(const Counts& more) {
    add(std::bit_cast<std::array<uint64_t, kCounts>>(more), std::make_index_sequence<kCounts>());
  }
  std::span<const Part> parts() const { return {parts_.data(), size_}; }

 private:
  template <size_t... kAt>
  void add(const std::array<uint64_t, kCounts>& more, std::index_sequence<kAt...>) {
    ((more[kAt] != 0 ? void(parts_[size_++] = {kAt, more[kAt]}) : void()), ...);
  }
  std::array<Part, kCounts> parts_;  // the first size_ of them
  uint32_t size_ = 0;
};

using Key = std::array<uint64_t, 2>;

// The name of a row.
struct Name {
  const Comm* comm = nullptr;  // null: this event does not have one
  bool of_thread = false;  // the process may have another name: used only if there is no better one
};

struct Row {
  uint64_t id = 0;  // 1, 2, ... in the order in which rows are made; never reused
  Key key{};
  Comm comm{};           // its last known name
  uint64_t used_ns = 0;  // when it was counted last
  Counts counts;
};

// The contents of a table at one moment: no row is in it twice or in part.
struct TableCopy {
  std::vector<Row> rows;
  Counts other;           // of keys without a row: they found no place, or gave it up
  uint64_t made = 0;      // rows so far: their ids go up to this
  uint64_t given_up = 0;  // of those
};

class Table {
 public:
  // A row that was idle for this long may be replaced by any other.
  static constexpr uint64_t kIdle_ns = 60'000'000'000;
  // One in this many of the keys that find no place takes one.
  static constexpr uint64_t kAdmitOneIn = 64;

  // Room for `most` rows, or some more if that is very few. Takes all its memory.
  explicit Table(size_t most);

  // The pipeline thread's.
  void add(const Key& key, const Name& name, uint64_t now_ns, const Change& change);

  // Any thread's.
  TableCopy copy() const;

 private:
  // A row is at one of this many places, starting at the hash of its key.
  static constexpr size_t kProbes = 16;
  enum Word : size_t { kId, kKey, kKey2, kComm, kComm2, kUsed, kFirstCount };
  static constexpr size_t kWords = kFirstCount + kCounts;
  using Words = std::array<uint64_t, kWords>;
  struct Place {
    std::atomic<uint64_t> version{0};  // odd while it is written; 0 = empty
    std::array<std::atomic<uint64_t>, kWords> words{};

    uint64_t at(size_t word) const { return words[word].load(std::memory_order_relaxed); }
    bool has(const Key& key) const { return at(kKey) == key[0] && at(kKey2) == key[1]; }
  };
  static constexpr size_t kNowhere = ~size_t{0};

  bool is_last(const Key& key) const { return tags_[last_] != 0 && places_[last_].has(key); }
  size_t place_of(const Key& key, uint64_t hash, uint64_t now_ns);
  static bool is_another(const Place& place, const Key& key, const Name& name, uint64_t now_ns);
  void make(Place& place, const Key& key, const Name& name, uint64_t now_ns, const Change& change);
  static void grow(Place& place, const Name& name, uint64_t now_ns, const Change& change);
  enum class Seen : uint8_t { kEmpty, kRow, kInPart };
  static Seen read(const Place& place, Words& words);
  bool try_copy(TableCopy& out) const;

  std::vector<Place> places_;
  // The pipeline thread's own, so that it need not look at all rows near a key: for each place a part
  // of the hash of its key, 0 = empty; and Row::used_ns.
  std::vector<uint32_t> tags_;
  std::vector<uint64_t> used_ns_;
  size_t last_ = 0;  // the place that was counted last: mostly the next one too
  std::array<std::atomic<uint64_t>, kCounts> other_{};
  std::atomic<uint64_t> moves_{0};  // odd while counts go from a row to `other`
  std::atomic<uint64_t> made_{0}, given_up_{0};
  uint64_t misses_ = 0;  // the pipeline thread's
};

}  // namespace swaptrail::counters
