// SPDX-License-Identifier: GPL-2.0
/*
 * calibrate.bpf.c - which struct page belongs to which page frame number.
 *
 * The daemon touches pages of its own, one at a time; this notes the address
 * of every struct page that its thread is given meanwhile. With the number
 * from /proc/self/pagemap that shows where the array of struct page begins
 * (daemon/host/page_frames). It works on every architecture and under lockdown,
 * where the kernel's vmemmap_base can't be read.
 */
#include "kernel_types.h"

#include <bpf/bpf_helpers.h>

#include <bpf/bpf_core_read.h>

#include "event.h"

volatile const __u32 thread = 0;

__u64 allocated[SWAPTRAIL_CALIBRATION_PAGES];
__u32 count = 0;
__u64 page_struct_size = 0;

struct raw_args {
	__u64 arg[2];
};

/* kmem:mm_page_alloc(page, order, gfp_flags, migratetype) */
SEC("raw_tp/mm_page_alloc") int note_page(struct raw_args *ctx)
{
	__u32 i = count;

	if ((__u32)bpf_get_current_pid_tgid() != thread || ctx->arg[1] || i >= SWAPTRAIL_CALIBRATION_PAGES)
		return 0;
	page_struct_size = bpf_core_type_size(struct page);
	allocated[i] = ctx->arg[0];
	count = i + 1;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
