// The differences between kernels, as named facts: never a version number.
//
// A recording names the kernel function that serves each hook; the features follow from these (see
// features_of). The simulator chooses a set by name.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "absl/status/statusor.h"
#include "engine/steps/area.h"

namespace swaptrail::engine {

// How swap slots are found (mm/swapfile.c, mm/swap_slots.c); from old to new.
enum class Allocator : uint8_t {
  kLinearScan,    // one slot at a time, from cluster_next
  kSlotCaches,    // per-CPU caches of 64 in front of per-CPU clusters; freed slots return by 64
  kClusterLists,  // the same caches, clusters in lists by order
  kClusterListsNoReturn,  // slots are freed at once
  kGlobalCluster,         // one cluster per CPU for all areas, no caches
  kSwapTable,             // lists in linear order, partly used clusters first
};

struct Features {
  Allocator allocator = Allocator::kSwapTable;
  bool rmap_rechecks_mapped = true;    // try_to_unmap is void: shrink_folio_list asks folio_mapped
  bool dirties_in_add_to_swap = true;  // otherwise the caller does, when the slot is there
  bool shmem_slot_hidden = true;       // shmem gets its slot without the slot hook seeing it
  bool zero_map = true;                // zero-filled folios do no I/O (mm/page_io.c)
  bool fake_zswap_writeback = false;   // a store in zswap starts and ends writeback
  bool large_zswap = true;             // zswap stores large folios
  bool any_order = true;               // folios of any order go out whole
  bool pinned_check_after_unmap = true;    // folio_maybe_dma_pinned once more (mm/vmscan.c)
  bool activates_at_writeback = true;      // under writeback: activate_locked, else keep_locked
  bool second_chance = true;               // one young page table entry keeps it, two activate it
  bool pageout_ignores_references = true;  // MADV_PAGEOUT does not look at page table entries
  bool multi_gen_lru = true;
  bool promotes_referenced = true;         // the youngest generation is for the second reference
  bool bounded_eviction = true;            // evict_folios gets the number of folios to look at
  bool slot_freed_inside_removal = false;  // no put_swap_folio: freed when it leaves the cache
  // A device with its own way to write single pages is tried first (block/bdev.c: bdev_write_page): zram
  // refuses a large folio, whose writeback then begins a second time.
  bool tries_rw_page = false;
  bool queued_writes = false;         // WRITE_ISSUED only queues: one bio for up to 32 folios
  bool swapin_bypasses_cache = true;  // synchronous devices, if the slot has one user
  DefaultPriority default_priority = DefaultPriority::kFallingFrom2;  // enable_swap_info
  // A first touch begins on the active list (mm/memory.c: do_anonymous_page, up to 5.8), else on the inactive one.
  bool touched_is_active = false;
  // So does a page that a fault brings back (do_swap_page: activate_page, 4.8 to 5.8).
  bool swapped_in_is_active = false;
  // A page that comes back soon after it left is activated (mm/workingset.c: workingset_refault, of anonymous pages
  // since 5.9).
  bool anon_refaults = true;
  // Readahead by address (mm/swap_state.c: swap_vma_readahead, 4.14), else by slot (swapin_readahead).
  bool vma_readahead = true;
  bool knows_synchronous = true;  // SWP_SYNCHRONOUS_IO: such areas are treated otherwise (4.15)
  bool whole_huge_pages = true;  // of 512 pages go out unsplit, if they can (CONFIG_THP_SWAP, 4.13)
  bool pageout_advice = true;    // MADV_PAGEOUT (mm/madvise.c: madvise_pageout, 5.4)
};

// A hook and the kernel function that serves it, as in a recording's header.
struct HookTarget {
  std::string_view hook;
  std::string_view target;  // empty: there is none
};

// The features of the kernel that has these hooks. Errors: InvalidArgument if a function that decides
// is missing or unknown; the text names it.
absl::StatusOr<Features> features_of(std::span<const HookTarget> hooks);

// For the simulator: "4.4", "4.19", "5.10", "6.1", "6.12", "6.16", "6.18", "7.0" or "7.3", the kernel that first had the
// set. Errors: InvalidArgument, naming those there are.
absl::StatusOr<Features> features_named(std::string_view name);
std::span<const std::string_view> feature_set_names();
// Of these, the sets of kernels that swaptraild can observe: "5.10" and later.
std::span<const std::string_view> observable_set_names();

// The kernel function that serves a hook in a set, as docs/KERNELS.md lists them; empty: none.
std::string_view served_by(std::string_view hook, std::string_view set);

}  // namespace swaptrail::engine
