/* SPDX-License-Identifier: GPL-2.0 */
/*
 * batch.bpf.h - the current state of the reclaiming tasks, and records about folios.
 */
#ifndef SWAPTRAIL_BPF_BATCH_BPF_H
#define SWAPTRAIL_BPF_BATCH_BPF_H

#include "emit.bpf.h"

#define MAX_RECLAIMERS 16384

/* What one task's reclaim batch is doing right now. */
struct batch {
	__u64 begin_ns;
	__u64 nr_scanned; /* sc->nr_scanned at the begin */
	__u64 mm;         /* being unmapped from */
	__u64 unmapping;  /* the folio, and where: see on_unmap_one_end() */
	__u64 unmapping_vma;
	__u64 writing;  /* folio inside swap_writepage */
	__u64 removing; /* folio inside __remove_mapping */
	__u64 removing_entry;
	__u64 still_mapped; /* folio of which a mapping stayed */
	__u32 ptes;
	__u8 origin;
	__u8 backend;   /* of `writing` */
	__u8 slot_gone; /* `writing` left the swap cache inside swap_writepage */
	__u32 shmem_device;
	__u64 shmem_folio; /* the last one that entered shmem_writepage, and its place in the file */
	__u64 shmem_inode;
	__u64 shmem_index;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_RECLAIMERS);
	__type(key, __u32); /* tid */
	__type(value, struct batch);
} batches SEC(".maps");

/* tid -> enum swaptrail_origin, set by the callers of reclaim that leave no trace in scan_control */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_RECLAIMERS);
	__type(key, __u32);
	__type(value, __u32);
} origins SEC(".maps");

static __always_inline __u32 current_tid(void)
{
	return bpf_get_current_pid_tgid();
}

static __always_inline struct batch *current_batch(void)
{
	__u32 tid = current_tid();

	return bpf_map_lookup_elem(&batches, &tid);
}

static __always_inline void count_context_full(void)
{
	struct swaptrail_totals *t = this_totals();

	if (t)
		ADD(t->context_full, 1);
}

static __always_inline void name_batch(struct swaptrail_event *e, const struct batch *batch)
{
	if (!batch)
		return;
	e->batch_ns = batch->begin_ns;
	e->origin = batch->origin;
}

/* ... which also names the batch, if there is one. */
static __always_inline struct swaptrail_event *begin_batch_event(__u32 kind, const void *folio, __u64 flags,
								 __u16 pages, const struct batch *batch)
{
	struct swaptrail_event *e = begin_folio_event(kind, folio, flags, pages);

	if (e)
		name_batch(e, batch);
	return e;
}

#endif /* SWAPTRAIL_BPF_BATCH_BPF_H */
