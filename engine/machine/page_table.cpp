#include "engine/machine/page_table.h"

namespace swaptrail::engine {

Pte present_pte(uint32_t frame, bool writable) {
  Pte pte;
  pte.kind_bits = static_cast<uint64_t>(PteKind::kPresent);
  pte.value = frame;
  pte.young = 1;
  pte.writable = writable;
  return pte;
}

Pte swap_pte(uint64_t entry) {
  Pte pte;
  pte.kind_bits = static_cast<uint64_t>(PteKind::kSwap);
  pte.value = entry_offset(entry);
  pte.type = entry_type(entry);
  return pte;
}

uint64_t TableDirectory::number_of(uint64_t table) {
  const bool low = table < kLow;
  if (low && table >= low_.size()) low_.resize(table + 1, kUnused);
  uint32_t& number = low ? low_[table] : high_.try_emplace(table, kUnused).first->second;
  if (number == kUnused) {
    number = static_cast<uint32_t>(tables_.size());
    tables_.push_back(table);
  }
  return number;
}

PageTable PageTable::fork(uint64_t own_pages) {
  for (uint64_t page = 0; page < own_pages; ++page) ptes_[page].writable = 0;
  PageTable child = *this;
  // Shared memory is not copied: the child faults it in (mm/memory.c: vma_needs_copy).
  for (uint64_t page = own_pages; page < child.pages(); ++page) {
    const bool gone = child.ptes_[page].gone;
    child.ptes_[page] = Pte{};
    child.ptes_[page].gone = gone;
  }
  return child;
}

}  // namespace swaptrail::engine
