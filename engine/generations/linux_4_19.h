// Linux 4.19 by its names: swap entries, the address spaces of the swap cache, and how a page is written.
//
// The generation "4.19" runs on the engine's parts: slots on engine/slots/ (caches of 64 slots a CPU), the swap cache on
// engine/machine/swap_cache.h, the order of reclaim on engine/steps/shrink.h. Here these have the kernel's names, to be
// called one by one. The machine must be driven and not observed (Machine::world()).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "engine/machine/machine.h"
#include "engine/slots/slots.h"

namespace swaptrail::engine::linux_4_19 {

const Features& features();  // of the generation "4.19"

// ---- swap entries (include/linux/swapops.h)

struct swp_entry_t {
  uint64_t val = 0;
  bool operator==(const swp_entry_t&) const = default;
};
inline constexpr unsigned MAX_SWAPFILES_SHIFT = 5;  // types are below 32, some of them not of areas
inline constexpr unsigned RADIX_TREE_EXCEPTIONAL_SHIFT =
    2;  // an entry in a radix tree is no pointer
// The upper 7 bits are for the type; the lower 57 are the offset. As an EntryLayout: kTypeAt57 (engine/steps/entry.h).
inline constexpr unsigned SWP_TYPE_SHIFT =
    sizeof(swp_entry_t) * 8 - (MAX_SWAPFILES_SHIFT + RADIX_TREE_EXCEPTIONAL_SHIFT);
inline constexpr uint64_t SWP_OFFSET_MASK = (uint64_t{1} << SWP_TYPE_SHIFT) - 1;

// Stores both in a form that no processor dictates. What does not fit is cut off.
constexpr swp_entry_t swp_entry(uint64_t type, uint64_t offset) {
  return {type << SWP_TYPE_SHIFT | (offset & SWP_OFFSET_MASK)};
}
constexpr unsigned swp_type(swp_entry_t entry) {
  return static_cast<unsigned>(entry.val >> SWP_TYPE_SHIFT);
}
constexpr uint64_t swp_offset(swp_entry_t entry) { return entry.val & SWP_OFFSET_MASK; }

// ---- the swap cache (include/linux/swap.h, mm/swap_state.c)

inline constexpr unsigned SWAP_ADDRESS_SPACE_SHIFT = kAddressSpaceShift;
inline constexpr uint64_t SWAP_ADDRESS_SPACE_PAGES = uint64_t{1} << SWAP_ADDRESS_SPACE_SHIFT;

struct address_space {
  uint64_t nrpages = 0;
};

// swapper_spaces[]: an area has an address space for each 64 MiB, so that CPUs that use different parts of it do not wait
// for one lock.
struct SwapperSpaces {
  std::array<std::vector<address_space>, kMostAreaTypes> swapper_spaces;
  std::array<unsigned, kMostAreaTypes> nr_swapper_spaces{};
  SwapCache i_pages{false};  // the trees of all of them
};

// swapon: makes the address spaces of an area. 0, or -22 (-EINVAL) for a type that there can't be.
int init_swap_address_space(SwapperSpaces& spaces, unsigned type, uint64_t nr_pages);
// In which the entry's page is looked for; null: there is no such area, or the entry is behind its end.
address_space* swap_address_space(SwapperSpaces& spaces, swp_entry_t entry);
// The page is in the swap cache from here on, and knows its entry. 0, or -17 (-EEXIST) if a page is there already. The slots
// of a large page must be in one area.
int __add_to_swap_cache(SwapperSpaces& spaces, Folio& page, swp_entry_t entry);

// ---- from reclaim to the device

// mm/swap_slots.c: a free slot, from the cache of 64 that the CPU has; val 0: there is none.
swp_entry_t get_swap_page(SlotAllocator& slots, uint32_t cpu);

// mm/swap_state.c: between reclaim and swap. get_swap_page, add_to_swap_cache, and the page is dirty. 1, or 0: no slot.
int add_to_swap(Folio& page, Machine& machine);

// mm/swapfile.c: true if no page table refers to the slot any more: it is free, and the page is out of the swap cache.
bool try_to_free_swap(Folio& page, Machine& machine);
// mm/frontswap.c: 0 if zswap has the content now: nothing is left to write. Else the device must take it.
int frontswap_store(Folio& page, Machine& machine);
// mm/page_io.c: begins the write, and does not wait for it.
int __swap_writepage(Folio& page, Machine& machine);
// mm/page_io.c: the real I/O of a swap-out: one of the three above, in this order. 0.
int swap_writepage(Folio& page, Machine& machine);

// mm/vmscan.c: struct reclaim_stat, as far as it is filled here.
struct reclaim_stat {
  unsigned nr_activate = 0;
  unsigned nr_ref_keep = 0;
  unsigned nr_unmap_fail = 0;
  unsigned nr_writeback = 0;
};
// mm/vmscan.c: each page of the list once through the table of steps (engine/steps/shrink.h). The number that was freed; the
// others stay in the list.
uint64_t shrink_page_list(std::vector<Folio*>& page_list, const ScanControl& sc, reclaim_stat& stat,
                          Machine& machine);

}  // namespace swaptrail::engine::linux_4_19
