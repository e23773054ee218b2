/* SPDX-License-Identifier: GPL-2.0 */
/*
 * programs.bpf.h - the thin entry programs, one for each shape of arguments.
 *
 * daemon/probe/hook_catalogue names them; which one serves is read from the target's
 * prototype in BTF: _fN = the folio is argument N, _nN = N arguments (so that
 * the return value is found), _true / _zero = what the target returns when it
 * did it. The including object defines
 *   ENTRY_PROGRAM(name, call)       runs before the target
 *   EXIT_PROGRAM(name, n, call)     runs after the target of n arguments
 * where `call` may use arg(i) and, after the target, `ret`.
 */

ENTRY_PROGRAM(pageout_begin, on_pageout_begin())
EXIT_PROGRAM(pageout_end, 1, on_origin_end())
ENTRY_PROGRAM(node_begin, on_origin_begin(SWAPTRAIL_ORIGIN_NODE))
EXIT_PROGRAM(node_end, 3, on_origin_end())

ENTRY_PROGRAM(lru_gen_begin, on_origin_begin(SWAPTRAIL_ORIGIN_LRU_GEN))
EXIT_PROGRAM(lru_gen_end, 4, on_origin_end())

ENTRY_PROGRAM(reclaim_begin, on_reclaim_begin((const struct scan_control *)arg(2)))
EXIT_PROGRAM(reclaim_end_n5, 5,
	     on_reclaim_end((const struct scan_control *)arg(2), (const struct reclaim_stat *)arg(3), ret))
EXIT_PROGRAM(reclaim_end_n6, 6,
	     on_reclaim_end((const struct scan_control *)arg(2), (const struct reclaim_stat *)arg(3), ret))

EXIT_PROGRAM(slot_allocated_zero_n1, 1, on_slot_allocated((const void *)arg(0), (int)ret))
EXIT_PROGRAM(slot_allocated_zero_n2, 2, on_slot_allocated((const void *)arg(0), (int)ret))
EXIT_PROGRAM(slot_allocated_true_n1, 1, on_slot_allocated((const void *)arg(0), (ret & 0xff) ? 0 : -1))

ENTRY_PROGRAM(unmap_one_begin, on_unmap_one_begin((const void *)arg(0), (const struct vm_area_struct *)arg(1), arg(3)))
EXIT_PROGRAM(unmap_one_end_n4, 4,
	     on_unmap_one_end((const void *)arg(0), (const struct vm_area_struct *)arg(1), arg(2), arg(3), ret & 0xff))
ENTRY_PROGRAM(rss_changed, on_rss_changed((const void *)arg(0), (int)arg(1)))
EXIT_PROGRAM(unmapped_n2, 2, on_unmapped((const void *)arg(0), arg(1)))

ENTRY_PROGRAM(shmem_write_f0, on_shmem_write((const void *)arg(0)))
ENTRY_PROGRAM(shmem_write_f1, on_shmem_write((const void *)arg(1)))
ENTRY_PROGRAM(write_begin_f0, on_write_begin((const void *)arg(0)))
ENTRY_PROGRAM(write_begin_f1, on_write_begin((const void *)arg(1)))
EXIT_PROGRAM(write_end_f0_n2, 2, on_write_end((const void *)arg(0), (int)ret))
EXIT_PROGRAM(write_end_f1_n2, 2, on_write_end((const void *)arg(1), (int)ret))
EXIT_PROGRAM(zswap_stored_true_n1, 1, on_zswap_stored((const void *)arg(0), ret & 0xff))
EXIT_PROGRAM(zswap_stored_zero_n1, 1, on_zswap_stored((const void *)arg(0), !(int)ret))
ENTRY_PROGRAM(write_issued_f0, on_write_issued((const void *)arg(0)))
ENTRY_PROGRAM(write_issued_f1, on_write_issued((const void *)arg(1)))
ENTRY_PROGRAM(write_completed, on_write_completed((const void *)arg(0)))

ENTRY_PROGRAM(remove_begin, on_remove_begin((const void *)arg(1)))
EXIT_PROGRAM(remove_end_n3, 3, on_remove_end((const void *)arg(1), (int)ret))
EXIT_PROGRAM(remove_end_n4, 4, on_remove_end((const void *)arg(1), (int)ret))
ENTRY_PROGRAM(cache_deleted, on_cache_deleted((const void *)arg(0)))

#define SI ((const struct swap_info_struct *)arg(0))
#define OFFSET(entry) ((entry) & ((1ULL << SWP_TYPE_SHIFT) - 1))
ENTRY_PROGRAM(slot_freed_offset, on_slot_freed(SI, arg(1), (__u32)arg(2)))
ENTRY_PROGRAM(slot_freed_entry, on_slot_freed(SI, OFFSET(arg(1)), (__u32)arg(2)))
ENTRY_PROGRAM(slot_freed_ci_entry, on_slot_freed(SI, OFFSET(arg(2)), (__u32)arg(3)))
ENTRY_PROGRAM(slot_freed_ci_offset, on_slot_freed(SI, arg(2), (__u32)arg(3)))
ENTRY_PROGRAM(slot_freed_cluster,
	      on_cluster_slots_freed(SI, (const struct swap_cluster_info *)arg(1), (__u32)arg(2), (__u32)arg(3)))

ENTRY_PROGRAM(fault_begin, on_fault_begin((const struct vm_fault *)arg(0)))
EXIT_PROGRAM(fault_end_n1, 1, on_fault_end((int)ret))
ENTRY_PROGRAM(entry_dropped, on_entries_dropped(arg(0), 1))
ENTRY_PROGRAM(entries_dropped, on_entries_dropped(arg(0), (__u32)arg(1)))
ENTRY_PROGRAM(folio_entries_dropped, on_folio_entries_dropped((const void *)arg(0), (const void *)arg(1)))
ENTRY_PROGRAM(swap_read_f0, on_swap_read((const void *)arg(0)))
ENTRY_PROGRAM(swap_read_f1, on_swap_read((const void *)arg(1)))
EXIT_PROGRAM(zswap_loaded_true_n1, 1, on_zswap_loaded((const void *)arg(0), ret & 0xff))
EXIT_PROGRAM(zswap_loaded_zero_n1, 1, on_zswap_loaded((const void *)arg(0), !(int)ret))

/* A kprobe in every mode: see on_shmem_swap_in_begin(). */
SEC("?kprobe") int shmem_swap_in_begin(struct pt_regs *regs)
{
	on_shmem_swap_in_begin((const struct inode *)PT_REGS_PARM1(regs), (const __u64 *)PT_REGS_PARM3(regs),
			       (const __u64 *)PT_REGS_SP(regs));
	return 0;
}
SEC("?kretprobe") int shmem_swap_in_end(struct pt_regs *regs)
{
	on_shmem_swap_in_end((int)PT_REGS_RC(regs));
	return 0;
}

ENTRY_PROGRAM(split_begin, on_split_begin((const void *)arg(0)))
EXIT_PROGRAM(split_end_n2, 2, on_split_end((const void *)arg(0), (int)ret))
EXIT_PROGRAM(split_end_n3, 3, on_split_end((const void *)arg(0), (int)ret))
EXIT_PROGRAM(split_end_n6, 6, on_split_end((const void *)arg(0), (int)ret))
EXIT_PROGRAM(split_end_n7, 7, on_split_end((const void *)arg(0), (int)ret))
