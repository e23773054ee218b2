// Linux 4.4 by its names: how one page goes to swap, as functions that can be called one by one on a page of a machine.
//
//   add_to_swap          a slot, and into the swap cache. Nothing else: the page table still maps the page.
//   try_to_unmap         now the page tables have the swap entry in the place of the page.
//   pageout              clear_page_dirty_for_io, then ->writepage, which for a slot is swap_writepage.
//   __remove_mapping     out of the swap cache, if nobody else uses the page and it is clean.
//   __clear_page_locked  and then it is free.
//
// shrink_page_list does them in this order. The generation "4.4" runs the same as a table (engine/steps/shrink.h), one
// page after another; a test holds the two against each other. What each says of errors is what the kernel's does.
// The machine must be driven and not observed (Machine::world()).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/machine/machine.h"

namespace swaptrail::engine::linux_4_4 {

const Features& features();  // of the generation "4.4"

// include/linux/page-flags.h, include/linux/mm.h. A struct page is the engine's Folio of one page.
inline bool PageAnon(const Folio& page) { return page.anon; }
inline bool PageSwapCache(const Folio& page) { return page.swapcache; }
inline bool PageDirty(const Folio& page) { return page.dirty; }
inline bool PageWriteback(const Folio& page) { return page.writeback; }
inline bool page_mapped(const Folio& page) { return page.mapped != 0; }
inline void SetPageReclaim(Folio& page) { page.reclaim = true; }
inline void ClearPageReclaim(Folio& page) { page.reclaim = false; }

// include/linux/list.h: whether pages are left in what remains of the list.
inline bool list_empty(std::span<Folio* const> list) { return list.empty(); }

// include/linux/mmzone.h: what a zone counts, as far as the functions below do.
enum zone_stat_item { NR_VMSCAN_WRITE, NR_VM_ZONE_STAT_ITEMS };
struct zone {
  std::array<uint64_t, NR_VM_ZONE_STAT_ITEMS> vm_stat{};  // pages
};

// include/trace/events/vmscan.h: the tracepoint mm_vmscan_writepage, and its flags.
inline constexpr int RECLAIM_WB_ANON = 1;
inline constexpr int RECLAIM_WB_ASYNC = 8;
struct mm_vmscan_writepage {
  const Folio* page = nullptr;
  int reclaim_flags = 0;
};

// mm/vmscan.c: struct scan_control, and who looks on.
struct scan_control : ScanControl {
  linux_4_4::zone* zone = nullptr;  // counts; null: nobody does
  std::vector<mm_vmscan_writepage>* trace =
      nullptr;  // the tracepoint is enabled; it grows by one for each write
};

// mm/vmstat.c: one page more. Here the zone is the caller's; the kernel finds it by the page.
void inc_zone_page_state(zone* zone, zone_stat_item item);

// Who waits for the write: nobody. Anonymous pages are in no file.
inline int trace_reclaim_flags(const Folio&) { return RECLAIM_WB_ANON | RECLAIM_WB_ASYNC; }
inline void trace_mm_vmscan_writepage(const scan_control& sc, const Folio& page, int flags) {
  if (sc.trace != nullptr) sc.trace->push_back({&page, flags});
}

struct address_space_operations {
  int (*writepage)(Folio& page, const ScanControl& sc, Machine& machine);
};
struct address_space {
  const address_space_operations* a_ops;
};

// mm/util.c: where the page belongs. An anonymous page belongs nowhere (null) until it is in the swap cache; then to the
// swapper space, whose ->writepage is swap_writepage.
const address_space* page_mapping(const Folio& page);

// mm/swap_state.c: 1 if the page has a slot now and is in the swap cache, dirty; 0 if there was no slot. It only allocates:
// page table, content and frame stay as they are. The page must be locked, anonymous, and without a slot.
int add_to_swap(Folio& page, Machine& machine);

// mm/rmap.c. Of TTU_BATCH_FLUSH: inside a batch of reclaim the flush of the TLB waits for its end; alone it is at once.
enum ttu_flags : uint32_t { TTU_UNMAP = 1, TTU_BATCH_FLUSH = 1 << 11 };
enum { SWAP_SUCCESS, SWAP_AGAIN };
// SWAP_SUCCESS: every page table entry has the swap entry now; what was dirty in one of them made the page dirty.
int try_to_unmap(Folio& page, uint32_t flags, Machine& machine);
// mm/rmap.c: before a page is written. If a processor may still write through an entry that is gone, the flush of the batch
// is made now: what is written must not change meanwhile.
void try_to_unmap_flush_dirty(Machine& machine);

// mm/page-writeback.c: true if the page was dirty, and it is clean from here on: what is written after this makes it dirty
// again, and is not lost.
bool clear_page_dirty_for_io(Folio& page);

// mm/page_io.c: ->writepage of the swap cache. 0 once the write was begun, or was not needed; the page is unlocked.
int swap_writepage(Folio& page, const ScanControl& sc, Machine& machine);

enum pageout_t { PAGE_KEEP, PAGE_ACTIVATE, PAGE_SUCCESS, PAGE_CLEAN };
// mm/vmscan.c: writes a dirty page. PAGE_KEEP: somebody else holds it, or it belongs nowhere. PAGE_SUCCESS: it was handed to
// the device, is under writeback unless that was fast, and is counted (NR_VMSCAN_WRITE). PAGE_CLEAN: there was nothing to write.
pageout_t pageout(Folio& page, const address_space* mapping, const scan_control& sc,
                  Machine& machine);

// mm/vmscan.c: true if the page has left the swap cache: it was clean, and nobody used it.
// NOLINTNEXTLINE(bugprone-reserved-identifier): the kernel's name
bool __remove_mapping(const address_space* mapping, Folio& page, Machine& machine);

// include/linux/pagemap.h: the lock goes, without an atomic operation, as nobody else can have a reference.
// NOLINTNEXTLINE(bugprone-reserved-identifier): the kernel's name
void __clear_page_locked(Folio& page, Machine& machine);

// mm/vmscan.c: takes each page through all of the above, and frees those that get through. How many; the others stay in
// the list, unlocked, active if that is where they are to go.
uint64_t shrink_page_list(std::vector<Folio*>& page_list, const scan_control& sc, Machine& machine);

}  // namespace swaptrail::engine::linux_4_4
