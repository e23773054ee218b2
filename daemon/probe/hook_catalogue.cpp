#include "daemon/probe/hook_catalogue.h"

#include "bpf/event.h"

namespace swaptrail::probe {
namespace {

constexpr uint32_t bit(swaptrail_kind kind) { return 1U << kind; }
constexpr uint32_t args(int count) { return 1U << count; }

// bpf/programs.bpf.h has split_end_n* for these.
constexpr uint32_t kSplitArgs = args(2) | args(3) | args(6) | args(7);

// clang-format off: these are tables
constexpr Hook kFunctionHooks[] = {
    {"reclaim_batch", bit(SWAPTRAIL_RECLAIM_BEGIN) | bit(SWAPTRAIL_RECLAIM_END),
     "reclaim batches, and who asked for them", "", true},
    {"pageout_request", 0, "that a reclaim was asked for by MADV_PAGEOUT or DAMON", "", true},
    {"node_reclaim", 0, "that a reclaim was asked for by vm.zone_reclaim_mode", "", true},
    {"lru_gen_request", 0, "that a reclaim was asked for by a command to debugfs lru_gen",
     "the kernel has no multi-generational LRU", true},
    {"slot_allocated", bit(SWAPTRAIL_SLOT_ALLOCATED),
     "when a page got its swap slot, and failures to get one", ""},
    {"unmapped_one", bit(SWAPTRAIL_UNMAPPED_ONE), "whose page it is: process and virtual address",
     ""},
    {"swap_ptes", 0, "how many page table entries of a mapping were replaced", ""},
    {"unmapped", bit(SWAPTRAIL_UNMAPPED), "whether all mappings of a page were removed", ""},
    {"shmem_write", 0, "which file a page of shared memory belongs to", ""},
    {"write", bit(SWAPTRAIL_WRITE_BEGIN) | bit(SWAPTRAIL_WRITE_END),
     "the decision to write a page, and where it went", "", true},
    {"zswap_stored", bit(SWAPTRAIL_ZSWAP_STORED), "whether zswap took a page",
     "the kernel has no zswap/frontswap", true},
    {"write_issued", bit(SWAPTRAIL_WRITE_ISSUED), "when a page's write went to the device", "",
     true},
    {"write_completed", bit(SWAPTRAIL_WRITE_COMPLETED),
     "when a write ended, how long it took, and I/O errors", ""},
    {"removed", bit(SWAPTRAIL_REMOVED), "which pages reclaim really freed", ""},
    {"cache_deleted", bit(SWAPTRAIL_CACHE_DELETED),
     "pages that left the swap cache otherwise than by reclaim", "", true},
    {"slot_freed", bit(SWAPTRAIL_SLOT_FREED), "when slots become free again, so slots freed unread",
     ""},
    {"swap_in", bit(SWAPTRAIL_SWAP_IN), "faults on swapped pages, so regretted swap-outs", "",
     true},
    {"entries_dropped", 0, "how many page table entries a fault filled", "", true},
    {"shmem_swap_in", bit(SWAPTRAIL_SHMEM_SWAP_IN),
     "who reads shared memory back, and waits for it", "", true},
    {"swap_read", bit(SWAPTRAIL_SWAP_READ), "reads from swap, readahead among them", ""},
    {"zswap_loaded", bit(SWAPTRAIL_ZSWAP_LOADED), "whether a read was served by zswap",
     "the kernel has no zswap/frontswap"},
    {"split", bit(SWAPTRAIL_SPLIT), "large folios that were split while in the swap cache", ""},
};

#define SWAP_INFO "struct swap_info_struct *"
#define CLUSTER "struct swap_cluster_info *"
#define RECLAIM "struct list_head *, _, struct scan_control *, struct reclaim_stat *, _"

// Files and functions: docs/KERNELS.md. Programs: bpf/.
constexpr Candidate kFunctionCandidates[] = {
    // mm/vmscan.c. The sixth argument (memcg) came in 6.15 or 6.16.
    {"reclaim_batch", "shrink_folio_list", "", "int (" RECLAIM ")", 0, "reclaim_begin",
     "reclaim_end_n{n}"},
    {"reclaim_batch", "shrink_folio_list", "", "int (" RECLAIM ", _)", 0, "reclaim_begin",
     "reclaim_end_n{n}"},
    {"reclaim_batch", "shrink_page_list", "", "int (" RECLAIM ")", 0, "reclaim_begin",
     "reclaim_end_n{n}"},
    {"reclaim_batch", "shrink_page_list", "", "int (" RECLAIM ", _)", 0, "reclaim_begin",
     "reclaim_end_n{n}"},

    {"pageout_request", "reclaim_pages", "", "_ (struct list_head *, ...)", 0, "pageout_begin",
     "pageout_end"},
    {"node_reclaim", "node_reclaim", "", "_ (struct pglist_data *, ...)", 0, "node_begin",
     "node_end"},

    {"lru_gen_request", "lru_gen_seq_write", "", "_ (struct file *, ...)", args(4), "lru_gen_begin",
     "lru_gen_end"},

    // mm/swapfile.c and mm/swap_state.c. Up to 6.14 another folio_alloc_swap only reserves a slot
    // and returns it: a struct, which no row accepts.
    {"slot_allocated", "folio_alloc_swap", "", "int (folio, ...)", args(1) | args(2), "",
     "slot_allocated_zero_n{n}"},
    {"slot_allocated", "add_to_swap", "", "int (folio)", 0, "", "slot_allocated_true_n1"},
    {"slot_allocated", "add_to_swap", "", "bool (folio)", 0, "", "slot_allocated_true_n1"},

    // mm/rmap.c
    {"unmapped_one", "try_to_unmap_one", "", "bool (folio, struct vm_area_struct *, int, _)", 0,
     "unmap_one_begin", "unmap_one_end_n4"},
    {"swap_ptes", "mm_trace_rss_stat", "", "_ (struct mm_struct *, int, ...)", 0, "rss_changed",
     ""},
    {"unmapped", "try_to_unmap", "", "_ (folio, int)", 0, "", "unmapped_n2"},

    // mm/shmem.c. 7.3 puts a context before the folio.
    {"shmem_write", "shmem_writeout", "", "int (folio, ...)", 0, "shmem_write_f0", ""},
    {"shmem_write", "shmem_writeout", "", "int (_, folio, ...)", 0, "shmem_write_f1", ""},
    {"shmem_write", "shmem_writepage", "", "int (folio, _)", 0, "shmem_write_f0", ""},

    // mm/page_io.c. 7.3 puts a context before the folio.
    {"write", "swap_writeout", "", "int (folio, _)", 0, "write_begin_f0", "write_end_f0_n2"},
    {"write", "swap_writeout", "", "int (_, folio)", 0, "write_begin_f1", "write_end_f1_n2"},
    {"write", "swap_writepage", "", "int (folio, _)", 0, "write_begin_f0", "write_end_f0_n2"},
    {"write", "swap_writepage", "", "int (_, folio)", 0, "write_begin_f1", "write_end_f1_n2"},

    // mm/zswap.c; before 6.6 mm/frontswap.c, where 0 is success
    {"zswap_stored", "zswap_store", "", "bool (folio)", 0, "", "zswap_stored_true_n1"},
    {"zswap_stored", "__frontswap_store", "", "int (folio)", 0, "", "zswap_stored_zero_n1"},

    {"write_issued", "__swap_writepage", "", "_ (folio, ...)", 0, "write_issued_f0", ""},
    {"write_issued", "__swap_writepage", "", "_ (_, folio, ...)", 0, "write_issued_f1", ""},

    // mm/filemap.c. Where both exist end_page_writeback only calls folio_end_writeback.
    {"write_completed", "folio_end_writeback", "", "_ (folio)", 0, "write_completed", ""},
    {"write_completed", "end_page_writeback", "", "_ (folio)", 0, "write_completed", ""},

    // mm/vmscan.c
    {"removed", "__remove_mapping", "", "int (_, folio, _)", 0, "remove_begin", "remove_end_n3"},
    {"removed", "__remove_mapping", "", "int (_, folio, _, _)", 0, "remove_begin", "remove_end_n4"},

    // mm/swap_state.c
    {"cache_deleted", "swap_cache_del_folio", "", "_ (folio)", 0, "cache_deleted", ""},
    {"cache_deleted", "delete_from_swap_cache", "", "_ (folio)", 0, "cache_deleted", ""},

    // mm/swapfile.c: the innermost function that is not inlined
    {"slot_freed", "__swap_cluster_free_entries", "", "_ (" SWAP_INFO ", " CLUSTER ", int, int)", 0,
     "slot_freed_cluster", ""},
    {"slot_freed", "swap_entries_free", "", "_ (" SWAP_INFO ", " CLUSTER ", swp_entry_t, int)", 0,
     "slot_freed_ci_entry", ""},
    {"slot_freed", "swap_entries_free", "", "_ (" SWAP_INFO ", " CLUSTER ", int, int)", 0,
     "slot_freed_ci_offset", ""},
    {"slot_freed", "swap_entries_free", "", "_ (" SWAP_INFO ", swp_entry_t, int)", 0,
     "slot_freed_entry", ""},
    {"slot_freed", "swap_entry_range_free", "", "_ (" SWAP_INFO ", " CLUSTER ", swp_entry_t, int)",
     0, "slot_freed_ci_entry", ""},
    {"slot_freed", "swap_entry_range_free", "", "_ (" SWAP_INFO ", " CLUSTER ", int, int)", 0,
     "slot_freed_ci_offset", ""},
    {"slot_freed", "swap_entry_range_free", "", "_ (" SWAP_INFO ", swp_entry_t, int)", 0,
     "slot_freed_entry", ""},
    {"slot_freed", "swap_range_free", "", "_ (" SWAP_INFO ", int, int)", 0, "slot_freed_offset",
     ""},

    // mm/memory.c, mm/page_io.c, mm/zswap.c (0 is success where it returns an int)
    {"swap_in", "do_swap_page", "", "int (struct vm_fault *)", 0, "fault_begin", "fault_end_n1"},
    // mm/swapfile.c: a fault drops the swap entries that it replaces
    {"entries_dropped", "folio_put_swap", "", "_ (folio, folio)", 0, "folio_entries_dropped", ""},
    {"entries_dropped", "swap_free_nr", "", "_ (swp_entry_t, int)", 0, "entries_dropped", ""},
    {"entries_dropped", "swap_free", "", "_ (swp_entry_t)", 0, "entry_dropped", ""},
    // mm/shmem.c
    {"shmem_swap_in", "shmem_swapin_folio", "", "int (struct inode *, int, _, _, _, _, _)", 0,
     "shmem_swap_in_begin", "shmem_swap_in_end", true},
    {"shmem_swap_in", "shmem_swapin_page", "", "int (struct inode *, int, _, _, _, _, _)", 0,
     "shmem_swap_in_begin", "shmem_swap_in_end", true},
    {"swap_read", "swap_read_folio", "", "_ (folio, ...)", 0, "swap_read_f0", ""},
    {"swap_read", "swap_read_folio", "", "_ (_, folio, ...)", 0, "swap_read_f1", ""},
    {"swap_read", "swap_readpage", "", "_ (folio, ...)", 0, "swap_read_f0", ""},
    {"swap_read", "swap_readpage", "", "_ (_, folio, ...)", 0, "swap_read_f1", ""},
    {"zswap_loaded", "zswap_load", "", "bool (folio)", 0, "", "zswap_loaded_true_n1"},
    {"zswap_loaded", "zswap_load", "", "int (folio)", 0, "", "zswap_loaded_zero_n1"},
    {"zswap_loaded", "__frontswap_load", "", "int (folio)", 0, "", "zswap_loaded_zero_n1"},

    // mm/huge_memory.c. Where both exist the second calls the first.
    {"split", "__folio_split", "", "int (folio, _, ...)", kSplitArgs, "split_begin",
     "split_end_n{n}"},
    {"split", "split_huge_page_to_list_to_order", "", "int (folio, _, ...)", kSplitArgs,
     "split_begin", "split_end_n{n}"},
    {"split", "split_huge_page_to_list", "", "int (folio, _, ...)", kSplitArgs, "split_begin",
     "split_end_n{n}"},
};

constexpr Hook kTracepointHooks[] = {
    {"origin_direct", 0, "that a reclaim was direct: a task out of memory", ""},
    {"origin_memcg", 0, "that a reclaim was for a memory cgroup", ""},
    {"origin_node", 0, "that a reclaim was asked for by vm.zone_reclaim_mode", ""},
    {"owner", bit(SWAPTRAIL_UNMAPPED_ONE), "whose page it is, even as a guess", ""},
    {"write", bit(SWAPTRAIL_WRITE_END), "which pages are written, and where they went", ""},
    {"write_issued", bit(SWAPTRAIL_WRITE_ISSUED), "when a page's write went to the device", ""},
    {"write_completed_bio", bit(SWAPTRAIL_WRITE_COMPLETED),
     "when a write ended on devices without requests (zram, md, dm)", ""},
    {"write_completed_rq", bit(SWAPTRAIL_WRITE_COMPLETED), "when a write ended on disks", ""},
    {"page_freed", bit(SWAPTRAIL_PAGE_FREED), "when a written page was freed", ""},
};

// include/trace/events/vmscan.h, kmem.h and block.h
constexpr Candidate kTracepointCandidates[] = {
    {"origin_direct", "mm_vmscan_direct_reclaim_begin", "mm_vmscan_direct_reclaim_end", "_ (...)",
     0, "tp_direct_begin", "tp_direct_end"},
    {"origin_memcg", "mm_vmscan_memcg_reclaim_begin", "mm_vmscan_memcg_reclaim_end", "_ (...)", 0,
     "tp_memcg_begin", "tp_memcg_end"},
    {"origin_node", "mm_vmscan_node_reclaim_begin", "mm_vmscan_node_reclaim_end", "_ (...)", 0,
     "tp_node_begin", "tp_node_end"},
    {"owner", "rss_stat", "", "_ (struct mm_struct *, int, ...)", args(2) | args(3), "tp_rss", ""},
    {"write", "mm_vmscan_write_folio", "", "_ (folio)", 0, "tp_write", ""},
    {"write", "mm_vmscan_writepage", "", "_ (folio)", 0, "tp_write", ""},
    {"write_issued", "block_bio_queue", "", "_ (struct bio *)", 0, "tp_bio_queue_n1", ""},
    {"write_issued", "block_bio_queue", "", "_ (struct request_queue *, struct bio *)", 0,
     "tp_bio_queue_n2", ""},
    {"write_completed_bio", "block_bio_complete", "", "_ (struct request_queue *, struct bio *)", 0,
     "tp_bio_complete_n2", ""},
    {"write_completed_rq", "block_rq_complete", "", "_ (struct request *, int, int)", 0,
     "tp_rq_complete", ""},
    {"page_freed", "mm_page_free", "", "_ (struct page *, int)", 0, "tp_page_free", ""},
};

constexpr Unseen kUnseen[] = {
    {"reclaim_batch",
     "the vmscan tracepoints show no batch of pages: the reasons why a page was kept stay hidden"},
    {"pageout_request", "MADV_PAGEOUT passes no tracepoint that every kernel has"},
    {"slot_allocated", "no tracepoint where a slot is allocated"},
    {"unmapped_one",
     "no tracepoint where a page is unmapped: no virtual address, and the owner is a guess "
     "(hook owner)"},
    {"unmapped", "no tracepoint where a page is unmapped"},
    {"zswap_stored", "no tracepoint in zswap"},
    {"removed",
     "no tracepoint where the swap cache lets go of a page: a page freed clean looks like any "
     "free"},
    {"cache_deleted", "no tracepoint where the swap cache lets go of a page"},
    {"slot_freed", "no tracepoint where a slot is freed"},
    {"swap_in", "no tracepoint in do_swap_page"},
    {"shmem_swap_in", "no tracepoint where shared memory is read back"},
    {"swap_read",
     "reads from swap don't carry REQ_SWAP: they can't be distinguished from other reads"},
    {"zswap_loaded", "no tracepoint in zswap"},
    {"split", "no tracepoint where a folio is split"},
};
// clang-format on

}  // namespace

absl::string_view mode_name(Mode mode) {
  constexpr absl::string_view kNames[] = {"full", "kprobe", "tracepoint"};
  return kNames[static_cast<size_t>(mode)];
}

std::span<const Hook> hooks_of(Mode mode) {
  if (mode == Mode::kTracepoint) return kTracepointHooks;
  return kFunctionHooks;
}

std::span<const Candidate> candidates_of(Mode mode) {
  if (mode == Mode::kTracepoint) return kTracepointCandidates;
  return kFunctionCandidates;
}

std::span<const Unseen> unseen_by_tracepoints() { return kUnseen; }

}  // namespace swaptrail::probe
