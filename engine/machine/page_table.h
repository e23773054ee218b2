// The page table of a process, and what its pages must contain.
#pragma once

#include <cstdint>
#include <vector>

#include "trace/decode.h"

namespace swaptrail::engine {

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
  // What the process last wrote there (see fill() in engine/machine/frames.h).
  uint64_t& token(uint64_t page) { return tokens_[page]; }

  // fork (mm/memory.c: copy_present_pte): returns a copy; from now on the pages are read-only in
  // both.
  PageTable fork(uint64_t own_pages);

 private:
  std::vector<Pte> ptes_;
  std::vector<uint64_t> tokens_;
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
