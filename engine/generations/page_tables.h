// Page tables of two levels, as the generations before the reverse map walk them: a directory of tables of 1024 entries.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>

namespace swaptrail::engine {

// A page table entry with the bits that the processor sets, and what the page must hold.
struct OldPte {
  enum class Kind : uint8_t { kNone, kPresent, kSwapped };
  uint64_t value = 0;  // kPresent: frame; kSwapped: swap entry (trace/decode.h: make_entry)
  uint64_t token = 0;  // what the process last wrote there: the oracle's, not the kernel's
  Kind kind = Kind::kNone;
  bool young = false;
  bool dirty = false;
  bool writable = false;

  bool present() const { return kind == Kind::kPresent; }
};

inline constexpr uint64_t kPtrsPerPte = 1024;  // PTRS_PER_PTE of i386
using PteTable = std::array<OldPte, kPtrsPerPte>;

// By the number of the table: in order of addresses.
class PageDirectory {
 public:
  // Makes the table if it is not there.
  OldPte& operator[](uint64_t page) {
    std::unique_ptr<PteTable>& table = tables_[page / kPtrsPerPte];
    if (!table) table = std::make_unique<PteTable>();
    return (*table)[page % kPtrsPerPte];
  }
  // Null: there is no table.
  OldPte* find(uint64_t page) {
    const auto found = tables_.find(page / kPtrsPerPte);
    return found == tables_.end() ? nullptr : &(*found->second)[page % kPtrsPerPte];
  }
  std::map<uint64_t, std::unique_ptr<PteTable>>& tables() { return tables_; }
  const std::map<uint64_t, std::unique_ptr<PteTable>>& tables() const { return tables_; }

 private:
  std::map<uint64_t, std::unique_ptr<PteTable>> tables_;
};

}  // namespace swaptrail::engine
