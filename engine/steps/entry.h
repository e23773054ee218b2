// Swap entries: how a (type, offset) pair is packed into swp_entry_t and into a page table entry.
//
// Layouts have names, not versions. A value is refused if a field does not fit, or if bits are set that
// must be zero in the layout: a value that was decoded always encodes to the same value again.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"

namespace swaptrail::engine {

struct SwapEntry {
  uint32_t type = 0;    // index of the swap area
  uint64_t offset = 0;  // slot; 0 is the area's header and so never a real entry
  bool operator==(const SwapEntry&) const = default;
};

// swp_entry_t, the kernel's own value (include/linux/swapops.h: swp_entry, swp_type, swp_offset).
enum class EntryLayout : uint8_t {
  kLowType7,  // type in bits 1-7, offset from 8, 32 bits in all (Linux 2.0, i386)
  kLowType6,  // type in bits 1-6, offset from 8, 32 bits in all (2.4, i386)
  kTypeAt57,  // type in bits 57-61, offset below (4.x: two bits of the radix tree above)
  kTypeAt58,  // type in bits 58-62, offset below (5.8 and later: one bit of the xarray above)
  kCount,
};

// Page table entries of swapped-out pages (arch/*/include/asm/pgtable*.h: __swp_entry, __swp_type,
// __swp_offset).
enum class PteLayout : uint8_t {
  kX86Plain,        // type 1-5, offset from 9, soft-dirty 7 (4.4)
  kX86Inverted,     // type 59-63, inverted offset 9-58, soft-dirty 1, uffd-wp 2, exclusive 3
  kArm64Plain,      // type 2-7, offset 8-57
  kArm64Exclusive,  // type 3-7, offset 8-57, exclusive 2
  kArm64UffdWp,     // type 6-10, offset 12-61, exclusive 2, uffd-wp 3
  kCount,
};

struct SwapPte {
  SwapEntry entry;
  bool soft_dirty = false;
  bool uffd_wp = false;
  bool exclusive = false;
  bool operator==(const SwapPte&) const = default;
};

// Largest values that fit.
uint32_t max_type(EntryLayout layout);
uint64_t max_offset(EntryLayout layout);
uint32_t max_type(PteLayout layout);
uint64_t max_offset(PteLayout layout);

// Errors of all: OutOfRange if the type or offset does not fit, or the offset is 0; InvalidArgument
// if a flag has no bit in the layout, or bits are set that must be zero.
absl::StatusOr<uint64_t> encode_entry(EntryLayout layout, const SwapEntry& entry);
absl::StatusOr<SwapEntry> decode_entry(EntryLayout layout, uint64_t value);
absl::StatusOr<uint64_t> encode_pte(PteLayout layout, const SwapPte& pte);
absl::StatusOr<SwapPte> decode_pte(PteLayout layout, uint64_t value);

std::string_view entry_layout_name(EntryLayout layout);  // "type_at_58"; "unknown" outside the enum
std::string_view pte_layout_name(PteLayout layout);      // "x86_inverted"

}  // namespace swaptrail::engine
