// The page table of a process, and what its pages must contain.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "trace/decode.h"

namespace swaptrail::engine {

inline constexpr uint64_t kPagesPerTable = 512;  // PTRS_PER_PTE

enum class PteKind : uint8_t { kNone, kPresent, kSwap };

// 8 bytes. kNone in own memory reads as zeros; kNone in shared memory depends on the object.
struct Pte {
  uint64_t value : 50 = 0;  // kPresent: frame; kSwap: offset of the slot
  uint64_t type : 6 = 0;    // kSwap: swap area
  uint64_t kind_bits : 2 = 0;
  uint64_t young : 1 = 0;
  uint64_t dirty : 1 = 0;
  uint64_t writable : 1 = 0;
  uint64_t gone : 1 = 0;  // munmap: there is no memory here any more
  uint64_t zero : 1 = 0;  // kNone: it was read, as the kernel's page of zeros

  PteKind kind() const { return static_cast<PteKind>(kind_bits); }
  bool present() const { return kind() == PteKind::kPresent; }
  uint32_t frame() const { return static_cast<uint32_t>(value); }
  uint64_t entry() const { return make_entry(static_cast<uint32_t>(type), value); }
};
static_assert(sizeof(Pte) == 8);

Pte present_pte(uint32_t frame, bool writable);
Pte swap_pte(uint64_t entry);
inline Pte empty_pte() { return Pte{}; }

class PageTable {
 public:
  PageTable() = default;
  explicit PageTable(uint64_t pages) : ptes_(pages), tokens_(pages) {}

  Pte& operator[](uint64_t page) { return ptes_[page]; }
  const Pte& operator[](uint64_t page) const { return ptes_[page]; }
  uint64_t pages() const { return ptes_.size(); }
  // More pages, never touched: references to entries are void.
  void grow(uint64_t pages) { ptes_.resize(pages), tokens_.resize(pages); }
  // What the process last wrote there (see fill() in engine/machine/frames.h).
  uint64_t& token(uint64_t page) { return tokens_[page]; }
  void prefetch(uint64_t page) const { __builtin_prefetch(&ptes_[page]); }
  void prefetch_token(uint64_t page) const { __builtin_prefetch(&tokens_[page]); }

  // fork (mm/memory.c: copy_present_pte): returns a copy; from now on the pages are read-only in
  // both.
  PageTable fork(uint64_t own_pages);

 private:
  std::vector<Pte> ptes_;
  std::vector<uint64_t> tokens_;
};

// Pages of a large address space that are touched here and there, as places in a PageTable without holes: its tables are
// numbered as they are first used. What is near by in a table is so in both; only from one table to the next it is not.
class TableDirectory {
 public:
  // The place of a page below 2^36, whose table is the next one if it was never used.
  uint64_t place_of(uint64_t page) {
    const uint64_t table = page / kPagesPerTable;
    if (table != last_) {
      number_ = number_of(table);
      last_ = table;
    }
    return number_ * kPagesPerTable + page % kPagesPerTable;
  }
  // The same, for a hint: kNoPlace if the table was never used, or is one of the high ones, which take longer to find.
  static constexpr uint64_t kNoPlace = ~uint64_t{0};
  uint64_t known_place_of(uint64_t page) const {
    const uint64_t table = page / kPagesPerTable;
    const uint32_t number = table < low_.size() ? low_[table] : kUnused;
    return number == kUnused ? kNoPlace : number * kPagesPerTable + page % kPagesPerTable;
  }
  uint64_t page_at(uint64_t place) const {
    return tables_[place / kPagesPerTable] * kPagesPerTable + place % kPagesPerTable;
  }
  uint64_t pages() const { return tables_.size() * kPagesPerTable; }  // places so far
  bool empty() const { return tables_.empty(); }

 private:
  static constexpr uint64_t kLow = uint64_t{1} << 16;  // tables that a vector finds: 128 GiB
  static constexpr uint32_t kUnused = ~uint32_t{0};
  uint64_t number_of(uint64_t table);

  std::vector<uint64_t> tables_;  // by number
  std::vector<uint32_t> low_;     // numbers, by table
  absl::flat_hash_map<uint64_t, uint32_t> high_;
  uint64_t last_ = ~uint64_t{0};
  uint64_t number_ = 0;  // of that table
};

// Shared memory (mm/shmem.c): one object that processes map. A page is in memory, or in swap.
struct SharedPage {
  uint32_t frame = ~uint32_t{0};
  uint64_t entry = 0;
  uint64_t token = 0;
};
using SharedObject = std::vector<SharedPage>;

inline constexpr uint64_t kUserBase = 0x7f0000000000;  // where every process has its memory
inline constexpr uint64_t kPageBytes = 4096;
constexpr uint64_t user_address(uint64_t page) { return kUserBase + page * kPageBytes; }

}  // namespace swaptrail::engine
