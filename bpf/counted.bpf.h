/* SPDX-License-Identifier: GPL-2.0 */
/*
 * counted.bpf.h - --detail=counters: pages are counted by who asked, where they went and whose they are, and no
 * record is made of any. Each program then has a short body of its own, which the verifier makes the only one.
 */
#ifndef SWAPTRAIL_BPF_COUNTED_BPF_H
#define SWAPTRAIL_BPF_COUNTED_BPF_H

#include "sample.bpf.h"

#include "counted.h"

/* Set by daemon/capture/session before load. */
volatile const bool counts_only = false;

/* The daemon sets max_entries. With room from the start: programs must not allocate where these run. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 1);
	__type(key, struct swaptrail_counted_key);
	__type(value, struct swaptrail_counted);
} counted SEC(".maps");

/* By way: what finds no row. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SWAPTRAIL_WAYS);
	__type(key, __u32);
	__type(value, struct swaptrail_counted);
} counted_beyond SEC(".maps");

static const struct swaptrail_counted nothing_counted = {};

static __always_inline struct swaptrail_counted *counted_row(__u64 cgroup, __u8 origin, __u8 backend, __u8 way)
{
	struct swaptrail_counted_key key = { .cgroup = cgroup, .origin = origin, .backend = backend, .way = way };
	struct swaptrail_counted *row = bpf_map_lookup_elem(&counted, &key);
	__u32 beyond = way;

	if (row)
		return row;
	bpf_map_update_elem(&counted, &key, &nothing_counted, BPF_NOEXIST);
	row = bpf_map_lookup_elem(&counted, &key);
	return row ? row : bpf_map_lookup_elem(&counted_beyond, &beyond);
}

static __always_inline __u32 time_place(__u64 ns)
{
	__u32 left = ns >> 31 ? ~0U : (__u32)ns;
	__u32 width = 0;

#pragma unroll
	for (__u32 half = 16; half; half /= 2) {
		if (left >> half) {
			left >>= half;
			width += half;
		}
	}
	width += left;
	return width < SWAPTRAIL_COUNTED_TIMES ? width : SWAPTRAIL_COUNTED_TIMES - 1;
}

/* Another program can run on this CPU in the middle of one, so all is added atomically. */
static __always_inline void count_time(struct swaptrail_counted *row, __u64 ns)
{
	__u64 place = time_place(ns);

	asm volatile(
		""
		: "+r"(place)); /* clang knows the bound and would leave out the mask, by which the verifier knows it */
	ADD(row->times[place & (SWAPTRAIL_COUNTED_TIMES - 1)], 1);
}

/* A write that has ended. `begin_ns` 0: its begin was not seen. */
static __always_inline void count_out(const struct batch *batch, const void *folio, __u8 backend, __u16 pages, bool ok,
				      __u64 begin_ns)
{
	__u8 origin = batch ? batch->origin : SWAPTRAIL_ORIGIN_NONE;
	struct swaptrail_counted *row = counted_row(folio_cgroup(folio), origin, backend, SWAPTRAIL_WAY_OUT);
	__u64 ns;

	if (!row)
		return;
	ADD(row->operations, 1);
	ADD(*(ok ? &row->pages : &row->failed), pages);
	if (!begin_ns)
		return;
	ns = bpf_ktime_get_ns() - begin_ns;
	ADD(row->wait_ns, ns);
	count_time(row, ns);
}

/*
 * A pass of a fault, or a read of shared memory. A fault that waits for a device has two passes: the one that waits, and
 * then returns VM_FAULT_RETRY, and the one that maps the page. Only one of them stands among the times: the one that read,
 * or if none did, the one that ended it.
 */
static __always_inline void count_in(int result, bool was_tried, __u32 pages, __u64 begin_ns)
{
	struct swaptrail_counted *row = counted_row(bpf_get_current_cgroup_id(), SWAPTRAIL_ORIGIN_NONE,
						    SWAPTRAIL_BACKEND_UNKNOWN, SWAPTRAIL_WAY_IN);
	__u64 ns = bpf_ktime_get_ns() - begin_ns;

	if (!row)
		return;
	ADD(row->wait_ns, ns);
	if (result & SWAPTRAIL_FAULT_MAJOR)
		ADD(row->major, 1);
	if (result & SWAPTRAIL_FAULT_MAJOR || !(result & SWAPTRAIL_FAULT_RETRY || was_tried))
		count_time(row, ns);
	if (result & SWAPTRAIL_FAULT_RETRY)
		return;
	ADD(row->operations, 1);
	if (result & SWAPTRAIL_FAULT_FAILED)
		ADD(row->failed, 1);
	else
		ADD(row->pages, pages);
}

#endif /* SWAPTRAIL_BPF_COUNTED_BPF_H */
