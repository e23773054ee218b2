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

// mm/swap_state.c: swap_aops. What is behind the pages of the swap cache.
struct address_space_operations {
  int (*writepage)(Folio& page, Machine& machine);
};

// include/linux/fs.h. Its tree is the part of SwapperSpaces::i_pages that has its slots.
struct address_space {
  const address_space_operations* a_ops = nullptr;
  uint64_t nrpages = 0;       // in the tree
  int i_mmap_writable = 0;    // nobody maps swap as a file
  unsigned flags = 0;         // AS_NO_WRITEBACK_TAGS
  unsigned xa_flags = 0;      // XA_FLAGS_LOCK_IRQ: the lock is taken with interrupts off
  bool xa_is_locked = false;  // the tree may be changed
};
inline constexpr unsigned XA_FLAGS_LOCK_IRQ = 1;
inline constexpr unsigned AS_NO_WRITEBACK_TAGS = 1 << 5;

// include/linux/mmzone.h: a node of memory, and what it counts. There is one.
enum node_stat_item { NR_FILE_PAGES, NR_VM_NODE_STAT_ITEMS };
struct pglist_data {
  std::array<int64_t, NR_VM_NODE_STAT_ITEMS> vm_stat{};  // pages
};

// swapper_spaces[]: an area has an address space for each 64 MiB, so that CPUs that use different parts of it do not wait
// for one lock.
struct SwapperSpaces {
  std::array<std::vector<address_space>, kMostAreaTypes> swapper_spaces;
  std::array<unsigned, kMostAreaTypes> nr_swapper_spaces{};
  SwapCache i_pages{false};  // the trees of all of them
  pglist_data node;
  uint64_t add_total = 0;  // swap_cache_info: pages that were added
};

// swapon: makes the address spaces of an area, each empty and with swap_aops. 0; -22 (-EINVAL) for a type that there can't
// be; -12 (-ENOMEM) for more than kMostSpaces of them.
int init_swap_address_space(SwapperSpaces& spaces, unsigned type, uint64_t nr_pages);
inline constexpr uint64_t kMostSpaces = uint64_t{1} << 20;  // 64 TiB
// In which the entry's page is looked for; null: there is no such area, or the entry is behind its end.
address_space* swap_address_space(SwapperSpaces& spaces, swp_entry_t entry);
// The page is in the swap cache from here on, and knows its entry. 0, or -17 (-EEXIST) if a page is there already: then
// nothing has changed. The slots of a large page must be in one address space, which there is.
// NOLINTNEXTLINE(bugprone-reserved-identifier): the kernel's name
int __add_to_swap_cache(SwapperSpaces& spaces, Folio& page, swp_entry_t entry);

// What these two are made of, by the kernel's names.
constexpr uint64_t DIV_ROUND_UP(uint64_t n, uint64_t d) { return n / d + (n % d != 0); }
// mm/util.c: so many of them, cleared; empty if there is no memory for them.
std::vector<address_space> kvcalloc(uint64_t n);
// include/linux/xarray.h: an empty tree, and the lock without which it may not be changed.
inline void xa_init_flags(address_space& space, unsigned flags) { space.xa_flags = flags; }
void xa_lock_irq(address_space& space);  // nobody may have it
void xa_unlock_irq(address_space& space);
inline void atomic_set(int& value, int to) { value = to; }
// include/linux/pagemap.h: pages of swap have no tags for those who search for dirty pages of a file.
inline void mapping_set_no_writeback_tags(address_space& space) {
  space.flags |= AS_NO_WRITEBACK_TAGS;
}
// include/linux/mm.h: page->private is the entry. Of a large page that of its first page.
void set_page_private(Folio& page, swp_entry_t entry);
// lib/radix-tree.c: the frame is found by the entry. 0, or -17 (-EEXIST). The tree is locked.
int radix_tree_insert(SwapperSpaces& spaces, swp_entry_t entry, uint32_t frame);
inline pglist_data& page_pgdat(SwapperSpaces& spaces, const Folio&) { return spaces.node; }
// mm/vmstat.c. NR_FILE_PAGES has the pages of the swap cache too.
// NOLINTNEXTLINE(bugprone-reserved-identifier): the kernel's name
inline void __mod_node_page_state(pglist_data& node, node_stat_item item, int64_t delta) {
  node.vm_stat[item] += delta;
}
inline void ADD_CACHE_INFO(uint64_t& total, uint64_t nr) { total += nr; }

// ---- from reclaim to the device

// mm/swap_slots.c: a free slot, from the cache of 64 that the CPU has; val 0: there is none.
swp_entry_t get_swap_page(SlotAllocator& slots, uint32_t cpu);

// mm/swap_state.c: between reclaim and swap. get_swap_page, add_to_swap_cache, and the page is dirty. 1, or 0: no slot.
int add_to_swap(Folio& page, Machine& machine);

// mm/rmap.c: every page table entry of the page becomes its swap entry. True if none is left that maps it.
bool try_to_unmap(Folio& page, Machine& machine);

// mm/swapfile.c: true if no page table refers to the slot any more: it is free, and the page is out of the swap cache.
bool try_to_free_swap(Folio& page, Machine& machine);
// mm/frontswap.c: 0 if zswap has the content now: nothing is left to write. Else the device must take it.
int frontswap_store(Folio& page, Machine& machine);
// mm/page-writeback.c: a write is under way, and reclaim leaves the page alone. Its end: a page that reclaim waits for goes to
// the tail of its list.
void set_page_writeback(Folio& page);
void end_page_writeback(Folio& page, Machine& machine);
void unlock_page(const Folio& page, Machine& machine);  // mm/filemap.c
// mm/page_io.c: the device is done. A page that it did not take is dirty again, so that it is not lost.
void end_swap_bio_write(Folio& page, bool failed, Machine& machine);
// mm/page_io.c: begins the write, and does not wait for it: end_swap_bio_write comes later.
// NOLINTNEXTLINE(bugprone-reserved-identifier): the kernel's name
int __swap_writepage(Folio& page, Machine& machine);
// mm/page_io.c: the real I/O of a swap-out: try_to_free_swap, or frontswap_store, or __swap_writepage. 0.
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
