// Counts by key in a table of fixed size, of which no count is ever lost. Internal to daemon/counters/.
//
// One thread adds, any number read; nobody waits. All of it is atomic words: a reader sees by the
// version in front and behind whether it read one row or parts of two. A row that has been idle for
// long gives up its place to who needs one. Who finds no place is counted in `other`; but now and then
// such a one takes the place of who has been idle longest near it, so that one who comes often soon
// has a row, and the seldom ones share what is left. The counts of a row that is given up go to
// `other`, and who comes back has a new row with a new id: so no count of an id ever falls, nor does
// that of `other`, and the sum over all of them is exact.
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

// Base pages, but for `lifecycles` and `faults`. The words are those of store::StatsCounts and of
// Return.
struct Counts {
  uint64_t lifecycles = 0;
  uint64_t pages = 0;
  uint64_t freed_pages = 0;
  uint64_t aborted_pages = 0;
  uint64_t unneeded_pages = 0;   // of the aborted: nobody needed them any more
  uint64_t returned_pages = 0;   // swapped in again
  uint64_t regretted_pages = 0;  // ... sooner than the regret time
  uint64_t faults = 0;           // on pages in swap, for which somebody waited
  uint64_t major_faults = 0;     // of those
  uint64_t wait_ns = 0;          // of all faults together

  bool operator==(const Counts&) const = default;
};
inline constexpr size_t kCounts = sizeof(Counts) / sizeof(uint64_t);

void add_to(Counts& sum, const Counts& more);

// What is to be added, made ready for several tables: of most events most counts are 0. Inline: then
// the compiler knows of which.
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

// What a row is called.
struct Name {
  const Comm* comm = nullptr;  // null: this event does not tell
  bool of_thread = false;  // its process may be called otherwise: used only if there is no better
};

struct Row {
  uint64_t id = 0;  // 1, 2, ... in the order of their making; never used again
  Key key{};
  Comm comm{};           // what it was called last
  uint64_t used_ns = 0;  // when it was counted last
  Counts counts;
};

// What a table held at one moment: rows do not appear in it twice, nor in part.
struct TableCopy {
  std::vector<Row> rows;
  Counts other;           // of who has no row: who found no place, or gave it up
  uint64_t made = 0;      // rows so far: their ids go up to this
  uint64_t given_up = 0;  // of those
};

class Table {
 public:
  // A row that was idle for so long may be replaced by any other.
  static constexpr uint64_t kIdle_ns = 60'000'000'000;
  // One in so many of those who find no place takes one.
  static constexpr uint64_t kAdmitOneIn = 64;

  // Room for `most` rows, or some more if that is very few. Takes all its memory.
  explicit Table(size_t most);

  // The pipeline thread's.
  void add(const Key& key, const Name& name, uint64_t now_ns, const Change& change);

  // Any thread's.
  TableCopy copy() const;

 private:
  // A row is at one of so many places from the hash of its key on.
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

  size_t place_of(const Key& key, uint64_t hash, uint64_t now_ns);
  static bool is_another(const Place& place, const Key& key, const Name& name, uint64_t now_ns);
  void make(Place& place, const Key& key, const Name& name, uint64_t now_ns, const Change& change);
  static void grow(Place& place, const Name& name, uint64_t now_ns, const Change& change);
  enum class Seen : uint8_t { kEmpty, kRow, kInPart };
  static Seen read(const Place& place, Words& words);
  bool try_copy(TableCopy& out) const;

  std::vector<Place> places_;
  // The pipeline thread's own, so that it need not look at all rows near a key: of each place a part of
  // the hash of its key, 0 = empty; and Row::used_ns.
  std::vector<uint32_t> tags_;
  std::vector<uint64_t> used_ns_;
  std::array<std::atomic<uint64_t>, kCounts> other_{};
  std::atomic<uint64_t> moves_{0};  // odd while counts go from a row to `other`
  std::atomic<uint64_t> made_{0}, given_up_{0};
  uint64_t misses_ = 0;  // the pipeline thread's
};

}  // namespace swaptrail::counters
