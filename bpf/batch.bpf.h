/* SPDX-License-Identifier: GPL-2.0 */
/*
 * batch.bpf.h - the current state of the reclaiming tasks, and records about folios.
 */
#ifndef SWAPTRAIL_BPF_BATCH_BPF_H
#define SWAPTRAIL_BPF_BATCH_BPF_H

#include "tasks.bpf.h"

/* What one task's reclaim batch is doing right now. */
struct batch {
	union {
		struct swaptrail_place place;
		struct swaptrail_batch head;
	};
	__u64 nr_scanned; /* sc->nr_scanned at the begin */
	__u64 mm;         /* being unmapped from */
	__u64 unmapping;  /* the folio, and where: see on_unmap_one_end() */
	__u64 unmapping_vma;
	__u64 writing;        /* folio inside swap_writepage */
	__u64 write_begin_ns; /* of it; only with counts_only */
	__u64 removing;       /* folio inside __remove_mapping */
	__u64 removing_entry;
	__u64 still_mapped; /* folio of which a mapping stayed */
	__u64 skipped;      /* folio that got a slot, and leaves no records */
	__u32 ptes;
	__u8 origin;
	__u8 backend;      /* of `writing` */
	__u8 slot_gone;    /* `writing` left the swap cache inside swap_writepage */
	__u8 writing_mark; /* of `writing`, and of `removing`: taken before they lose their slots */
	__u8 removing_mark;
	__u32 shmem_device;
	__u64 shmem_folio; /* the last one that entered shmem_writepage, and its place in the file */
	__u64 shmem_inode;
	__u64 shmem_index;
};

TASK_TABLE(batches, struct batch)

/* tid -> enum swaptrail_origin, set by the callers of reclaim that leave no trace in scan_control */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_TASKS);
	__type(key, __u32);
	__type(value, __u32);
} origins SEC(".maps");

static __always_inline struct batch *current_batch(void)
{
	return batches_of(current_tid());
}

static __always_inline void name_batch(struct swaptrail_event *e, const struct batch *batch)
{
	if (!batch)
		return;
	e->batch_ns = batch->head.begin_ns;
	e->origin = batch->origin;
}

/* ---- passes: see pass.h ---------------------------------------------------------- */

/*
 * Are the writes to an area of this type done when swap_writepage returns? Learned from them, by type; a wrong
 * answer makes a record come sooner or later, and no more.
 */
__u32 synchronous_areas = 0;

#define AREA_BIT(entry) (1U << ((entry) >> SWP_TYPE_SHIFT & 31))

/*
 * The daemon reads an open pass while it grows. A change of it shows before its time is read, so what does not show
 * is younger than the daemon's look: the count in between is a full barrier on x86-64. (On arm64 it is none, and an
 * event may show some ns late.) An interrupt can change the pass in the middle of another change.
 */
static __always_inline void begin_change(struct batch *batch, struct swaptrail_totals *t, __u32 kind)
{
	batch->head.changing++;
	barrier();
	ADD(t->emitted[kind], 1);
}

static __always_inline void end_change(struct batch *batch)
{
	barrier();
	batch->head.changing--;
}

/* Submits the pass that is open, if there is one. */
static __always_inline void close_pass(struct batch *batch)
{
	struct swaptrail_pass *pass = &batch->head.pass;
	struct swaptrail_totals *t;
	__u32 cpu;
	void *ring;

	if (!pass->folio)
		return;
	t = this_totals();
	if (!t)
		return;
	batch->head.folio = 0; /* what an interrupt adds from now on would be lost */
	barrier();
	cpu = bpf_get_smp_processor_id();
	pass->cpu = cpu;
	pass->lost = t->dropped[SWAPTRAIL_DROP_RING_FULL];
	pass->submitted_ns = bpf_ktime_get_ns();
	ring = bpf_map_lookup_elem(&rings, &cpu);
	if (!ring)
		ADD(t->dropped[SWAPTRAIL_DROP_NO_RING], pass->events);
	else if (bpf_ringbuf_output(ring, pass, sizeof(*pass), BPF_RB_NO_WAKEUP))
		ADD(t->dropped[SWAPTRAIL_DROP_RING_FULL], pass->events);
	barrier();
	batch->head.passes++; /* not before it is in its ring */
	barrier();
	pass->folio = 0; /* and not before it is counted */
}

/* False: its events must be records of their own. */
static __always_inline bool open_pass(struct batch *batch, const void *folio, __u64 flags, __u16 pages, __u16 marked)
{
	struct swaptrail_pass *pass = &batch->head.pass;
	__u16 state = folio_state(folio, flags);
	struct swaptrail_totals *t = this_totals();
	__u64 pid_tgid;

	if (!t || !(state & SWAPTRAIL_STATE_ANON) || !(state & SWAPTRAIL_STATE_SWAPCACHE))
		return false;
	begin_change(batch, t, SWAPTRAIL_SLOT_ALLOCATED);
	__builtin_memset(pass, 0, sizeof(*pass));
	pass->begin_ns = bpf_ktime_get_ns();
	pid_tgid = bpf_get_current_pid_tgid();
	pass->entry = folio_entry(folio);
	pass->batch_ns = batch->head.begin_ns;
	pass->cgroup = folio_cgroup(folio);
	pass->tid = pid_tgid;
	pass->tgid = pid_tgid >> 32;
	pass->state = state | marked;
	pass->nr_pages = pages;
	pass->origin = batch->origin;
	pass->cpu = bpf_get_smp_processor_id();
	pass->events = 1;
	pass->folio = (__u64)folio;
	batch->head.folio = (__u64)folio;
	end_change(batch);
	return true;
}

/*
 * False: the event does not fit into a pass that is open, and must be a record of its own. Else the caller adds what
 * only this event has, and then calls end_change().
 */
static __always_inline bool add_to_pass(struct batch *batch, const void *folio, __u64 flags, __u32 kind, __u32 part)
{
	struct swaptrail_totals *t;
	struct swaptrail_pass *pass;
	__u64 after_ns;

	if (!batch || batch->head.folio != (__u64)folio)
		return false;
	pass = &batch->head.pass;
	t = this_totals();
	if (!t)
		return false;
	if (pass->after_ns[part] || (part != SWAPTRAIL_PART_REMOVED && !in_swap_cache(flags)))
		return false;
	begin_change(batch, t, kind);
	after_ns = bpf_ktime_get_ns() - pass->begin_ns + 1;
	if (after_ns > ~0U) {
		ADD(t->emitted[kind], -1);
		end_change(batch);
		return false;
	}
	pass->after_ns[part] = after_ns;
	/* what kind of page it is does not change meanwhile */
	pass->states[part] = flag_state(flags) |
			     (pass->state & (SWAPTRAIL_STATE_ANON | SWAPTRAIL_STATE_KSM | SWAPTRAIL_STATE_SAMPLE));
	pass->events++;
	return true;
}

#endif /* SWAPTRAIL_BPF_BATCH_BPF_H */
