/* SPDX-License-Identifier: GPL-2.0 */
/*
 * emit.bpf.h - the maps that every object shares, and how a record gets out.
 *
 * Per CPU: one ring and one array of exact totals. Totals are added to with
 * atomic operations, because an interrupt (end of writeback) can run another
 * program in the middle of one, and programs can be preempted.
 */
#ifndef SWAPTRAIL_BPF_EMIT_BPF_H
#define SWAPTRAIL_BPF_EMIT_BPF_H

#include "compat.bpf.h"

struct ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
};

/* The daemon sets max_entries to the number of possible CPUs and puts a ring into each slot. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct ring);
} rings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct swaptrail_totals);
} totals SEC(".maps");

#define ADD(counter, n) __sync_fetch_and_add(&(counter), (n))

static __always_inline struct swaptrail_totals *this_totals(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&totals, &zero);
}

/* Base pages that passed the stage `kind` (or failed): exact, even if the record is dropped. */
static __always_inline void count_pages(__u32 kind, bool ok, __u64 pages)
{
	struct swaptrail_totals *t = this_totals();

	if (t)
		ADD(*(ok ? &t->pages[kind] : &t->failed_pages[kind]), pages);
}

/*
 * Reserves a record of `kind` and fills in what every record has. NULL: no
 * room; counted, and reported by `lost` in the next record of this CPU.
 */
static __always_inline struct swaptrail_event *begin_event(__u32 kind, const void *folio)
{
	struct swaptrail_totals *t = this_totals();
	__u32 cpu = bpf_get_smp_processor_id();
	struct swaptrail_event *e;
	__u64 pid_tgid;
	void *ring;

	if (!t)
		return NULL;
	ADD(t->emitted[kind], 1);
	ring = bpf_map_lookup_elem(&rings, &cpu);
	if (!ring) {
		ADD(t->dropped[SWAPTRAIL_DROP_NO_RING], 1);
		return NULL;
	}
	e = bpf_ringbuf_reserve(ring, sizeof(*e), 0);
	if (!e) {
		ADD(t->dropped[SWAPTRAIL_DROP_RING_FULL], 1);
		return NULL;
	}
	__builtin_memset(e, 0, sizeof(*e));
	pid_tgid = bpf_get_current_pid_tgid();
	e->time_ns = bpf_ktime_get_ns(); /* after the reservation: see event.h */
	e->folio = (__u64)folio;
	e->tid = pid_tgid;
	e->tgid = pid_tgid >> 32;
	e->lost = t->dropped[SWAPTRAIL_DROP_RING_FULL];
	e->cpu = cpu;
	e->kind = kind;
	return e;
}

/* A record about one folio, with its present state. */
static __always_inline struct swaptrail_event *begin_folio_event(__u32 kind, const void *folio, __u64 flags,
								 __u16 pages)
{
	struct swaptrail_event *e = begin_event(kind, folio);

	if (!e)
		return NULL;
	e->nr_pages = pages;
	e->state = folio_state(folio, flags);
	e->entry = entry_of(folio, flags);
	return e;
}

/* No wake-up: the daemon sweeps the rings on its own clock. */
static __always_inline void end_event(struct swaptrail_event *e)
{
	bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
}

#endif /* SWAPTRAIL_BPF_EMIT_BPF_H */
