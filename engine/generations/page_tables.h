// Page tables of three levels, as the generations before the reverse map walk them: a pgd of pmds of tables of 1024 entries.
//
// A look-up is three loads, and one if it is in the table of the look-up before. A walk passes over what is not there a word
// of 64 entries at a time. Memory: 16 bytes an entry, in tables of 16 KiB; 66 KiB for the pgd and each pmd.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <memory>

#include "trace/decode.h"

namespace swaptrail::engine {

// A page table entry with the bits that the processor sets, and what the page must hold.
struct OldPte {
  enum class Kind : uint8_t { kNone, kPresent, kSwapped };
  uint64_t token = 0;       // what the process last wrote there: the oracle's, not the kernel's
  uint64_t value : 48 = 0;  // kPresent: frame; kSwapped: slot
  uint64_t type : 6 = 0;    // kSwapped: of the area
  Kind kind : 2 = Kind::kNone;
  bool young : 1 = false;
  bool dirty : 1 = false;
  bool writable : 1 = false;

  bool present() const { return kind == Kind::kPresent; }
  bool swapped() const { return kind == Kind::kSwapped; }
  uint32_t frame() const { return static_cast<uint32_t>(value); }
  uint64_t entry() const { return make_entry(static_cast<uint32_t>(type), value); }

  // mk_pte: the page is there. i386 has the accessed bit in every protection (PAGE_COPY, PAGE_SHARED).
  void map(uint32_t frame, bool may_write, bool is_dirty) {
    kind = Kind::kPresent, value = frame, type = 0;
    young = true, dirty = is_dirty, writable = may_write;
  }
  // swp_entry_to_pte (trace/decode.h: make_entry)
  void set_entry(uint64_t entry) {
    clear();
    kind = Kind::kSwapped, value = entry_offset(entry), type = entry_type(entry);
  }
  // pte_clear: the token stays, which is no part of the entry.
  void clear() {
    kind = Kind::kNone, value = 0, type = 0;
    young = false, dirty = false, writable = false;
  }
};
static_assert(sizeof(OldPte) == 16);

inline constexpr uint64_t kPtrsPerPte = 1024;    // PTRS_PER_PTE of i386
inline constexpr uint64_t kPtrsPerLevel = 8192;  // of both levels above: 2^36 pages in all
inline constexpr int kPmdShift = 10;             // a page's table is page >> kPmdShift
inline constexpr int kPgdShift = 23;
using PteTable = std::array<OldPte, kPtrsPerPte>;

// A level above the tables: the entries that are there, and which they are.
template <typename Entry>
struct PageLevel {
  std::array<std::unique_ptr<Entry>, kPtrsPerLevel> entries;
  std::array<uint64_t, kPtrsPerLevel / 64> used{};

  Entry& make(uint64_t at) {
    if (!entries[at]) {
      entries[at] = std::make_unique<Entry>();
      used[at / 64] |= uint64_t{1} << at % 64;
    }
    return *entries[at];
  }
  // The first entry at or behind `from` that is there; kPtrsPerLevel: none.
  uint64_t next(uint64_t from) const {
    if (from >= kPtrsPerLevel) return kPtrsPerLevel;
    uint64_t word = used[from / 64] & ~uint64_t{0} << from % 64;
    for (uint64_t at = from / 64;; word = used[at]) {
      if (word != 0) return at * 64 + static_cast<uint64_t>(std::countr_zero(word));
      if (++at == used.size()) return kPtrsPerLevel;
    }
  }
};
using Pmd = PageLevel<PteTable>;
using Pgd = PageLevel<Pmd>;

class PageDirectory {
 public:
  // Makes the table if it is not there. `page` is below kMostWorkloadPages.
  OldPte& operator[](uint64_t page) {
    if (page >> kPmdShift != last_number_) {
      Pmd& pmd = pgd_->make(page >> kPgdShift);
      last_ = &pmd.make((page >> kPmdShift) % kPtrsPerLevel);
      last_number_ = page >> kPmdShift;
    }
    return (*last_)[page % kPtrsPerPte];
  }
  // Null: there is no table.
  const OldPte* find(uint64_t page) const {
    const Pmd* pmd = pgd_->entries[page >> kPgdShift].get();
    const PteTable* table =
        pmd == nullptr ? nullptr : pmd->entries[(page >> kPmdShift) % kPtrsPerLevel].get();
    return table == nullptr ? nullptr : &(*table)[page % kPtrsPerPte];
  }
  // visit(page, entry) for all entries of all tables, in order of addresses.
  template <typename Visit>
  void for_each(const Visit& visit) const {
    for (uint64_t top = pgd_->next(0); top < kPtrsPerLevel; top = pgd_->next(top + 1)) {
      const Pmd& pmd = *pgd_->entries[top];
      for (uint64_t at = pmd.next(0); at < kPtrsPerLevel; at = pmd.next(at + 1)) {
        PteTable& table = *pmd.entries[at];
        const uint64_t first = (top << kPgdShift) + (at << kPmdShift);
        for (uint64_t pte = 0; pte < kPtrsPerPte; ++pte) visit(first + pte, table[pte]);
      }
    }
  }
  Pgd& pgd() { return *pgd_; }

 private:
  std::unique_ptr<Pgd> pgd_ = std::make_unique<Pgd>();
  uint64_t last_number_ = ~uint64_t{0};
  PteTable* last_ = nullptr;  // of last_number_
};

}  // namespace swaptrail::engine
