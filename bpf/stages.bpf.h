/* SPDX-License-Identifier: GPL-2.0 */
/*
 * stages.bpf.h - what is observed at each hook of the functions: one body a stage.
 *
 * The order in the kernel (mm/vmscan.c, shrink_folio_list): a batch of folios
 * is taken; per folio a slot is allocated, every mapping is replaced by the
 * swap entry, the folio is written, and removed from the swap cache, now or,
 * on an asynchronous device, in a later batch. programs.bpf.h attaches them.
 */
#ifndef SWAPTRAIL_BPF_STAGES_BPF_H
#define SWAPTRAIL_BPF_STAGES_BPF_H

#include "swap_in.bpf.h"

struct split {
	__u64 folio;
	__u64 entry;
	__u32 nr_pages;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_TASKS);
	__type(key, __u32); /* tid */
	__type(value, struct split);
} splits SEC(".maps");

/* ---- who asks for reclaim -------------------------------------------------- */

static __always_inline void on_origin_begin(__u32 origin)
{
	__u32 tid = current_tid();

	if (bpf_map_update_elem(&origins, &tid, &origin, BPF_ANY))
		count_context_full();
}

static __always_inline void on_origin_end(void)
{
	__u32 tid = current_tid();

	bpf_map_delete_elem(&origins, &tid);
}

/* mm/vmscan.c reclaim_pages: MADV_PAGEOUT, process_madvise, or DAMON from its kernel thread "kdamond.N" */
static __always_inline void on_pageout_begin(void)
{
	const char damon[] = "kdamond.";
	char comm[SWAPTRAIL_COMM_LEN] = {};
	bool same = true;

	bpf_get_current_comm(comm, sizeof(comm));
#pragma unroll
	for (int i = 0; i < sizeof(damon) - 1; i++)
		same = same && comm[i] == damon[i];
	/* a user's thread can have that name too */
	same = same && current_flags() & PF_KTHREAD;
	on_origin_begin(same ? SWAPTRAIL_ORIGIN_DAMON : SWAPTRAIL_ORIGIN_PAGEOUT);
}

static __always_inline __u8 origin_of(const struct scan_control *sc)
{
	__u32 tid = current_tid();
	__u32 *caller;

	if (current_flags() & PF_KSWAPD)
		return SWAPTRAIL_ORIGIN_KSWAPD;
	if (READ_BITFIELD(sc, hibernation_mode))
		return SWAPTRAIL_ORIGIN_HIBERNATION;
	caller = bpf_map_lookup_elem(&origins, &tid);
	if (caller && *caller != SWAPTRAIL_ORIGIN_NODE)
		return *caller;
	if (bpf_core_field_exists(sc->proactive) && READ_BITFIELD(sc, proactive))
		return SWAPTRAIL_ORIGIN_PROACTIVE;
	if (READ1(sc, target_mem_cgroup))
		return SWAPTRAIL_ORIGIN_MEMCG_LIMIT;
	return caller ? *caller : SWAPTRAIL_ORIGIN_DIRECT;
}

/* ---- the batch ---------------------------------------------------------------- */

static __always_inline void on_reclaim_begin(const struct scan_control *sc)
{
	__u32 tid = current_tid();
	struct batch *batch = batches_take(tid);
	__u8 origin = origin_of(sc);
	struct swaptrail_event *e;
	__u64 begin_ns;

	if (counts_only) {
		if (!batch)
			return;
		batch->writing = 0;
		batch->shmem_folio = 0;
		batch->origin = origin;
		return;
	}
	begin_ns = bpf_ktime_get_ns();
	if (batch) {
		close_pass(batch); /* left by a batch whose end the kernel has skipped */
		batch->head.begin_ns = begin_ns;
		barrier();
		batch->head.passes = 0; /* the daemon must not take it for that of the batch before */
		batch->nr_scanned = READ1(sc, nr_scanned);
		batch->mm = batch->unmapping = batch->writing = batch->removing = batch->still_mapped = 0;
		batch->skipped = 0;
		batch->shmem_folio = 0;
		batch->origin = origin;
	}

	e = begin_event(SWAPTRAIL_RECLAIM_BEGIN, NULL);
	if (!e)
		return;
	e->batch_ns = begin_ns;
	e->origin = origin;
	e->u.begin.cgroup = memcg_cgroup(READ1(sc, target_mem_cgroup));
	e->u.begin.gfp = READ1(sc, gfp_mask);
	e->u.begin.priority = READ1(sc, priority);
	e->u.begin.may_writepage = READ_BITFIELD(sc, may_writepage);
	e->u.begin.may_unmap = READ_BITFIELD(sc, may_unmap);
	e->u.begin.may_swap = READ_BITFIELD(sc, may_swap);
	bpf_get_current_comm(e->u.begin.comm, sizeof(e->u.begin.comm));
	end_event(e);
}

#define STAT(field) (bpf_core_field_exists(stat->field) ? READ1(stat, field) : ~0U)

static __always_inline void on_reclaim_end(const struct scan_control *sc, const struct reclaim_stat *stat,
					   __u32 reclaimed)
{
	struct batch *batch = current_batch();
	struct swaptrail_event *e;
	__u32 tid = current_tid();

	if (counts_only) {
		count_pages(SWAPTRAIL_RECLAIM_END, true, reclaimed);
		if (batch)
			batches_give_back(batch, tid);
		return;
	}
	if (batch)
		close_pass(batch);
	count_pages(SWAPTRAIL_RECLAIM_END, true, reclaimed);
	e = begin_event(SWAPTRAIL_RECLAIM_END, NULL);
	if (e) {
		name_batch(e, batch);
		e->result = reclaimed;
		e->u.end.nr_scanned = batch ? READ1(sc, nr_scanned) - batch->nr_scanned : ~0U;
		e->u.end.nr_writeback = STAT(nr_writeback);
		e->u.end.nr_immediate = STAT(nr_immediate);
		e->u.end.nr_pageout = STAT(nr_pageout);
		e->u.end.nr_activate = STAT(nr_activate[0]);
		e->u.end.nr_ref_keep = STAT(nr_ref_keep);
		e->u.end.nr_unmap_fail = STAT(nr_unmap_fail);
		e->u.end.nr_demoted = STAT(nr_demoted);
		e->u.end.nr_dirty = STAT(nr_dirty);
		end_event(e);
	}
	if (batch)
		batches_give_back(batch, tid);
}

/* ---- slot --------------------------------------------------------------------- */

/* mm/swapfile.c folio_alloc_swap (6.15 and later), mm/swap_state.c add_to_swap (before). */
static __always_inline void on_slot_allocated(const void *folio, int error)
{
	__u64 flags = folio_flags(folio);
	__u16 pages = folio_pages(folio, flags);
	struct batch *batch = current_batch();
	struct swaptrail_event *e;
	__u8 mark = 1;

	count_pages(SWAPTRAIL_SLOT_ALLOCATED, !error, pages);
	if (batch)
		close_pass(batch);
	if (samples) {
		mark = frame_mark(folio);
		if (batch)
			batch->skipped = mark ? 0 : (__u64)folio;
		if (mark && !error)
			mark_slots(folio_entry(folio), pages, mark);
	}
	if (!mark || (batch && !error && open_pass(batch, folio, flags, pages, MARK_STATE(mark))))
		return;
	e = begin_marked_event(SWAPTRAIL_SLOT_ALLOCATED, folio, flags, pages, mark);
	if (!e)
		return;
	name_batch(e, batch);
	e->result = error;
	e->u.page.cgroup = folio_cgroup(folio);
	end_event(e);
}

/*
 * The slots are free for reuse. Runs under the cluster's lock with the area's
 * description at hand; an area without SWP_WRITEOK is being swapped off (mm/swapfile.c).
 */
static __always_inline void on_slot_freed(const struct swap_info_struct *si, __u64 offset, __u32 pages)
{
	__u64 entry = (__u64)READ1(si, type) << SWP_TYPE_SHIFT | offset;
	struct swaptrail_event *e;

	count_pages(SWAPTRAIL_SLOT_FREED, true, pages);
	if (samples && !mark_slots(entry, pages, 0))
		return;
	e = begin_event(SWAPTRAIL_SLOT_FREED, NULL);
	if (!e)
		return;
	e->entry = entry;
	e->nr_pages = pages;
	/* other tasks free its slots too: faults, exits */
	if (!(READ1(si, flags) & SWP_WRITEOK) && is_swapping_off())
		e->state = SWAPTRAIL_STATE_SWAPOFF;
	name_batch(e, current_batch());
	end_event(e);
}

/* mm/swapfile.c __swap_cluster_free_entries (7.1 and later): the offset is relative to the cluster. */
static __always_inline void on_cluster_slots_freed(const struct swap_info_struct *si,
						   const struct swap_cluster_info *ci, __u32 start, __u32 pages)
{
	/* pointers are subtracted as numbers: one of a cluster from one of the array's begin */
	__u64 bytes = (__u64)ci - (__u64)READ1(si, cluster_info);
	__u64 cluster = bytes / bpf_core_type_size(struct swap_cluster_info);

	on_slot_freed(si, cluster * cluster_slots + start, pages);
}

/* ---- unmap -------------------------------------------------------------------- */

static __always_inline bool is_swap_out(__u64 ttu_flags)
{
	return ttu_flags & TTU_BATCH_FLUSH;
}

static __always_inline void on_unmap_one_begin(const void *folio, const struct vm_area_struct *vma, __u64 ttu_flags)
{
	struct batch *batch;

	if (!is_swap_out(ttu_flags))
		return;
	batch = current_batch();
	if (!batch)
		return;
	batch->mm = (__u64)READ1(vma, vm_mm);
	batch->unmapping = (__u64)folio;
	batch->unmapping_vma = (__u64)vma;
	batch->ptes = 0;
}

/*
 * mm/memory.c mm_trace_rss_stat, called once for each counter of the mm that
 * changes: inside try_to_unmap_one it is called with MM_SWAPENTS (anon) or
 * MM_SHMEMPAGES (shmem) once for each page table entry replaced. Counting these
 * calls distinguishes a mapping that was really there from one that the rmap
 * walk only tried.
 */
static __always_inline void on_rss_changed(const void *mm, int member)
{
	struct batch *batch;

	if (member != MM_SWAPENTS && member != MM_SHMEMPAGES)
		return;
	/* PF_MEMALLOC would spare faults and exits the look-up, but 5.10's reclaim_pages() doesn't set it */
	batch = current_batch();
	if (batch && batch->mm == (__u64)mm)
		batch->ptes++;
}

/* Index in the folio of the page at `address`: the VMA can begin in the middle of a large folio (mm/internal.h vma_address). */
static __always_inline __u16 mapped_page(const void *folio, const struct vm_area_struct *vma, __u64 address,
					 __u16 pages, bool anon)
{
	__u64 page = (address - READ1(vma, vm_start)) >> page_shift;

	page += anon ? anon_pgoff(vma) : READ1(vma, vm_pgoff);
	page -= FOLIO_READ(folio, index);
	return page < pages ? page : SWAPTRAIL_PAGE_UNKNOWN;
}

static __always_inline void on_unmap_one_end(const void *folio, const struct vm_area_struct *vma, __u64 address,
					     __u64 ttu_flags, bool go_on)
{
	struct batch *batch;
	struct swaptrail_event *e;
	__u64 flags;
	__u32 ptes;
	__u16 pages;

	if (!is_swap_out(ttu_flags))
		return;
	batch = current_batch();
	if (!batch)
		return;
	/* the kernel may have skipped the run at its begin, or runs at the end of earlier ones */
	ptes = batch->unmapping == (__u64)folio && batch->unmapping_vma == (__u64)vma ? batch->ptes : 0;
	batch->mm = 0;
	batch->unmapping = 0;
	flags = folio_flags(folio);
	if (!PAGE_FLAG(flags, swapbacked))
		return; /* a file page */
	if (!go_on)
		batch->still_mapped = (__u64)folio;
	if (!ptes)
		return;
	count_pages(SWAPTRAIL_UNMAPPED_ONE, go_on, ptes);
	pages = folio_pages(folio, flags);
	if (go_on && add_to_pass(batch, folio, flags, SWAPTRAIL_UNMAPPED_ONE, SWAPTRAIL_PART_UNMAPPED_ONE)) {
		batch->head.pass.address = address;
		batch->head.pass.ptes = ptes;
		batch->head.pass.first_page = pages > 1 ? mapped_page(folio, vma, address, pages, true) : 0;
		batch->head.pass.owner = read_owner(READ1(vma, vm_mm), &batch->head.pass.comm);
		end_change(batch);
		return;
	}
	e = begin_batch_event(SWAPTRAIL_UNMAPPED_ONE, folio, flags, pages, batch);
	if (!e)
		return;
	e->result = go_on;
	e->u.map.address = address;
	e->u.map.value = folio_cgroup(folio);
	e->u.map.ptes = ptes;
	if (pages > 1)
		e->u.map.first_page = mapped_page(folio, vma, address, pages, e->state & SWAPTRAIL_STATE_ANON);
	e->u.map.owner = read_owner(READ1(vma, vm_mm), &e->u.map.comm);
	end_event(e);
}

/* mm/rmap.c try_to_unmap: every mapping has been visited. */
static __always_inline void on_unmapped(const void *folio, __u64 ttu_flags)
{
	struct batch *batch;
	struct swaptrail_event *e;
	__u64 flags;
	__u16 pages;
	int mapped;

	if (!is_swap_out(ttu_flags))
		return;
	batch = current_batch();
	flags = folio_flags(folio);
	if (!batch || !PAGE_FLAG(flags, swapbacked))
		return;
	pages = folio_pages(folio, flags);
	mapped = folio_mapped(folio, flags);
	if (mapped < 0)
		mapped = batch->still_mapped == (__u64)folio;
	batch->still_mapped = 0;
	count_pages(SWAPTRAIL_UNMAPPED, !mapped, pages);
	if (add_to_pass(batch, folio, flags, SWAPTRAIL_UNMAPPED, SWAPTRAIL_PART_UNMAPPED)) {
		if (mapped)
			batch->head.pass.states[SWAPTRAIL_PART_UNMAPPED] |= SWAPTRAIL_STATE_MAPPED;
		end_change(batch);
		return;
	}
	e = begin_batch_event(SWAPTRAIL_UNMAPPED, folio, flags, pages, batch);
	if (!e)
		return;
	if (mapped)
		e->state |= SWAPTRAIL_STATE_MAPPED;
	end_event(e);
}

/* Is there a hook in shmem's write? Set by daemon/capture/session. */
volatile const bool names_files = false;

/* ---- write -------------------------------------------------------------------- */

/* mm/shmem.c shmem_writepage (shmem_writeout from 6.16 on): soon the folio is no longer a page of the file. */
static __always_inline void on_shmem_write(const void *folio)
{
	struct batch *batch = current_batch();
	const struct inode *inode;

	if (!batch)
		return;
	inode = folio_inode(folio);
	batch->shmem_folio = (__u64)folio;
	batch->shmem_inode = READ1(inode, i_ino);
	batch->shmem_device = READ2(inode, i_sb, s_dev);
	batch->shmem_index = FOLIO_READ(folio, index);
}

static __always_inline void name_file(struct swaptrail_event *e, const void *folio, struct batch *batch)
{
	if (batch && batch->shmem_folio == (__u64)folio) {
		e->u.page.inode = batch->shmem_inode;
		e->u.page.index = batch->shmem_index;
		e->u.page.device = batch->shmem_device;
		batch->shmem_folio = 0;
	} else if (!batch || !names_files) {
		e->u.page.inode = SWAPTRAIL_INODE_UNKNOWN;
	}
}

/* Up to Linux 6.14 shmem gets its slot inside its write, where no hook sees it. */
static __always_inline void mark_shmem(const struct batch *batch, const void *folio, __u64 flags)
{
	__u64 entry = folio_entry(folio);
	__u8 mark = frame_mark(folio);

	if (mark && batch->skipped != (__u64)folio && !slot_mark(entry))
		mark_slots(entry, folio_pages(folio, flags), mark);
}

static __always_inline void on_write_begin(const void *folio)
{
	struct batch *batch = current_batch();
	__u64 flags = folio_flags(folio);
	struct swaptrail_event *e;
	__u8 mark;

	if (batch) {
		batch->writing = (__u64)folio;
		batch->backend = SWAPTRAIL_BACKEND_NONE;
		batch->slot_gone = 0;
		if (counts_only)
			batch->write_begin_ns = bpf_ktime_get_ns();
	}
	if (counts_only)
		return;
	if (add_to_pass(batch, folio, flags, SWAPTRAIL_WRITE_BEGIN, SWAPTRAIL_PART_WRITE_BEGIN)) {
		end_change(batch);
		batch->writing_mark = 1 + (batch->head.pass.state >> SWAPTRAIL_STATE_SAMPLE_SHIFT);
		return;
	}
	if (samples && batch && batch->shmem_folio == (__u64)folio)
		mark_shmem(batch, folio, flags);
	mark = mark_of(folio, flags, batch);
	if (batch)
		batch->writing_mark = mark;
	e = begin_marked_event(SWAPTRAIL_WRITE_BEGIN, folio, flags, folio_pages(folio, flags), mark);
	if (!e)
		return;
	name_batch(e, batch);
	e->u.page.cgroup = folio_cgroup(folio);
	if (!(e->state & SWAPTRAIL_STATE_ANON))
		name_file(e, folio, batch);
	end_event(e);
}

static __always_inline void note_backend(struct batch *batch, const void *folio, __u8 backend)
{
	/* zswap can write back another folio from inside its store */
	if (batch && batch->writing == (__u64)folio)
		batch->backend = backend;
}

/* mm/zswap.c zswap_store, mm/frontswap.c __frontswap_store */
static __always_inline void on_zswap_stored(const void *folio, bool stored)
{
	struct batch *batch = current_batch();
	__u64 flags = folio_flags(folio);
	__u16 pages = folio_pages(folio, flags);
	struct swaptrail_event *e;

	count_pages(SWAPTRAIL_ZSWAP_STORED, stored, pages);
	if (!stored)
		return;
	note_backend(batch, folio, SWAPTRAIL_BACKEND_ZSWAP);
	if (counts_only)
		return;
	if (add_to_pass(batch, folio, flags, SWAPTRAIL_ZSWAP_STORED, SWAPTRAIL_PART_ZSWAP_STORED)) {
		end_change(batch);
		return;
	}
	e = begin_batch_event(SWAPTRAIL_ZSWAP_STORED, folio, flags, pages, batch);
	if (e)
		end_event(e);
}

/* mm/page_io.c __swap_writepage: the device's turn; on 7.3 the folio is only queued here. */
static __always_inline void on_write_issued(const void *folio)
{
	struct batch *batch = current_batch();
	__u64 flags = folio_flags(folio);
	__u16 pages = folio_pages(folio, flags);
	struct swaptrail_event *e;

	count_pages(SWAPTRAIL_WRITE_ISSUED, true, pages);
	note_backend(batch, folio, SWAPTRAIL_BACKEND_DEVICE);
	if (counts_only)
		return;
	if (batch && batch->writing == (__u64)folio &&
	    add_to_pass(batch, folio, flags, SWAPTRAIL_WRITE_ISSUED, SWAPTRAIL_PART_WRITE_ISSUED)) {
		end_change(batch);
		/* the thread may have to wait for the device now: the record does not */
		if (!(synchronous_areas & AREA_BIT(batch->head.pass.entry)))
			close_pass(batch);
		return;
	}
	e = begin_batch_event(SWAPTRAIL_WRITE_ISSUED, folio, flags, pages, batch);
	if (!e)
		return;
	if (batch && batch->writing == (__u64)folio)
		e->u.page.backend = SWAPTRAIL_BACKEND_DEVICE;
	end_event(e);
}

/*
 * Where swap_writepage put it: the function that was called inside or, by elimination, the
 * zero map. Only a folio that goes to a device is under writeback by now, so that is seen
 * even if the kernel skipped the program that would have reported it (docs/ARCHITECTURE.md,
 * Loss).
 */
static __always_inline __u8 backend_of(const struct batch *batch, const void *folio, __u64 flags, int result)
{
	if (!batch || batch->writing != (__u64)folio)
		return SWAPTRAIL_BACKEND_UNKNOWN;
	if (batch->backend != SWAPTRAIL_BACKEND_NONE || result || batch->slot_gone)
		return batch->backend;
	if (PAGE_FLAG(flags, writeback))
		return SWAPTRAIL_BACKEND_DEVICE;
	if (!tells_backend)
		return SWAPTRAIL_BACKEND_UNKNOWN;
	return records_zero_folios() ? SWAPTRAIL_BACKEND_ZERO : SWAPTRAIL_BACKEND_NONE;
}

static __always_inline void on_write_end(const void *folio, int result)
{
	struct batch *batch = current_batch();
	struct swaptrail_totals *t = this_totals();
	__u64 flags = folio_flags(folio);
	__u8 backend = backend_of(batch, folio, flags, result);
	__u16 pages = folio_pages(folio, flags);
	struct swaptrail_event *e;
	__u8 mark;

	count_pages(SWAPTRAIL_WRITE_END, !result, pages);
	if (t)
		ADD(t->backend_pages[backend & SWAPTRAIL_BACKEND_MASK], pages);
	if (counts_only) {
		count_out(batch, folio, backend, pages, !result,
			  batch && batch->writing == (__u64)folio ? batch->write_begin_ns : 0);
		if (batch)
			batch->writing = 0;
		return;
	}
	mark = batch && batch->writing == (__u64)folio ? batch->writing_mark : mark_of(folio, flags, batch);
	if (batch)
		batch->writing = 0; /* from now on a completion that interrupts us leaves the pass alone */
	barrier();
	if (!result && add_to_pass(batch, folio, flags, SWAPTRAIL_WRITE_END, SWAPTRAIL_PART_WRITE_END)) {
		batch->head.pass.backend = backend;
		end_change(batch);
		if (PAGE_FLAG(flags, writeback)) { /* a later pass removes it */
			synchronous_areas &= ~AREA_BIT(batch->head.pass.entry);
			close_pass(batch);
		}
		return;
	}
	e = begin_marked_event(SWAPTRAIL_WRITE_END, folio, flags, pages, mark);
	if (!e)
		return;
	name_batch(e, batch);
	e->result = result;
	e->u.page.backend = backend;
	end_event(e);
}

/* mm/filemap.c folio_end_writeback; a folio that is dirty here failed to be written. */
static __always_inline void on_write_completed(const void *folio)
{
	__u64 flags = folio_flags(folio);
	struct swaptrail_event *e;
	struct batch *batch;
	__u16 pages;

	if (!in_swap_cache(flags))
		return;
	pages = folio_pages(folio, flags);
	count_pages(SWAPTRAIL_WRITE_COMPLETED, !PAGE_FLAG(flags, dirty), pages);
	batch = current_batch();
	if (batch && batch->writing == (__u64)folio) {
		__u32 area = AREA_BIT(folio_entry(folio));

		if (!(synchronous_areas & area))
			synchronous_areas |= area;
		if (add_to_pass(batch, folio, flags, SWAPTRAIL_WRITE_COMPLETED, SWAPTRAIL_PART_WRITE_COMPLETED)) {
			end_change(batch);
			return;
		}
	}
	e = begin_marked_event(SWAPTRAIL_WRITE_COMPLETED, folio, flags, pages, mark_of(folio, flags, NULL));
	if (e)
		end_event(e);
}

/* ---- out of the swap cache ------------------------------------------------------ */

/* The entry must be read before __remove_mapping, which clears it. */
static __always_inline void on_remove_begin(const void *folio)
{
	__u64 flags = folio_flags(folio);
	struct batch *batch;

	if (!in_swap_cache(flags))
		return;
	batch = current_batch();
	if (!batch)
		return;
	batch->removing = (__u64)folio;
	batch->removing_entry = folio_entry(folio);
	batch->removing_mark = mark_of(folio, flags, batch);
}

static __always_inline void on_remove_end(const void *folio, bool removed)
{
	struct batch *batch = current_batch();
	struct swaptrail_event *e;
	__u64 flags;
	__u16 pages;

	if (!batch || batch->removing != (__u64)folio)
		return;
	batch->removing = 0;
	flags = folio_flags(folio);
	pages = folio_pages(folio, flags);
	count_pages(SWAPTRAIL_REMOVED, removed, pages);
	if (removed && batch->removing_entry == batch->head.pass.entry &&
	    add_to_pass(batch, folio, flags, SWAPTRAIL_REMOVED, SWAPTRAIL_PART_REMOVED)) {
		end_change(batch);
		close_pass(batch);
		return;
	}
	e = begin_marked_event(SWAPTRAIL_REMOVED, folio, flags, pages, batch->removing_mark);
	if (!e)
		return;
	name_batch(e, batch);
	e->entry = batch->removing_entry;
	e->result = removed;
	end_event(e);
}

/* mm/swap_state.c delete_from_swap_cache, swap_cache_del_folio (6.18 and later) */
static __always_inline void on_cache_deleted(const void *folio)
{
	struct batch *batch = current_batch();
	__u64 flags = folio_flags(folio);
	__u16 pages = folio_pages(folio, flags);
	struct swaptrail_event *e;

	count_pages(SWAPTRAIL_CACHE_DELETED, true, pages);
	if (batch && batch->writing == (__u64)folio)
		batch->slot_gone = 1;
	note_shmem_folio(folio_entry(folio), pages);
	if (counts_only)
		return;
	e = begin_batch_event(SWAPTRAIL_CACHE_DELETED, folio, flags, pages, batch);
	if (e)
		end_event(e);
}

/* mm/huge_memory.c: the head of a folio that is about to be split */
static __always_inline void on_split_begin(const void *folio)
{
	__u64 flags = folio_flags(folio);
	struct split split = {};
	__u32 tid = current_tid();

	if (!in_swap_cache(flags) || !PAGE_FLAG(flags, head))
		return;
	split.folio = (__u64)folio;
	split.entry = folio_entry(folio);
	split.nr_pages = folio_pages(folio, flags);
	if (bpf_map_update_elem(&splits, &tid, &split, BPF_ANY))
		count_context_full();
}

static __always_inline void on_split_end(const void *folio, int error)
{
	__u32 tid = current_tid();
	struct split *split = bpf_map_lookup_elem(&splits, &tid);
	struct swaptrail_event *e;
	__u64 flags;

	if (!split || split->folio != (__u64)folio)
		return;
	if (!error) {
		struct batch *batch = current_batch();

		if (batch && batch->head.folio == (__u64)folio)
			close_pass(batch); /* what follows is about a smaller folio */
		flags = folio_flags(folio);
		count_pages(SWAPTRAIL_SPLIT, true, split->nr_pages);
		e = begin_batch_event(SWAPTRAIL_SPLIT, folio, flags, folio_pages(folio, flags), batch);
		if (e) {
			e->entry = split->entry;
			e->result = split->nr_pages;
			end_event(e);
		}
	}
	bpf_map_delete_elem(&splits, &tid);
}

#endif /* SWAPTRAIL_BPF_STAGES_BPF_H */
