/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * counted.h - what the programs count with --detail=counters, in place of records.
 *
 * The maps stay between the programs and the daemon that loads them, so they need no version.
 */
#ifndef SWAPTRAIL_BPF_COUNTED_H
#define SWAPTRAIL_BPF_COUNTED_H

#include "event.h"

#define SWAPTRAIL_COUNTED_ROWS 4096
#define SWAPTRAIL_COUNTED_TIMES 32

enum swaptrail_way {
	SWAPTRAIL_WAY_OUT = 0, /* swap_writepage, swap_writeout */
	SWAPTRAIL_WAY_IN = 1,  /* do_swap_page, shmem_swapin_folio */
	SWAPTRAIL_WAYS
};

/* The padding is 0. */
struct swaptrail_counted_key {
	__u64 cgroup; /* out: that the folio is charged to, in: of the thread that waits; 0 = not known */
	__u8 origin;  /* enum swaptrail_origin; in: NONE */
	__u8 backend; /* enum swaptrail_backend; in: UNKNOWN */
	__u8 way;     /* enum swaptrail_way */
	__u8 pad[5];
};

/* Of one CPU. */
struct swaptrail_counted {
	__u64 operations; /* writes; faults and reads of files, those that failed among them */
	__u64 pages;      /* base pages: accepted by a backend; mapped, or brought back into their file */
	__u64 failed;     /* base pages of writes that were refused; faults and reads that failed */
	__u64 wait_ns;    /* in those functions, also in passes of a fault that are repeated */
	__u64 major;      /* passes that had to read, as the kernel counts them in pgmajfault */
	/* by the bit width of nanoseconds, the last place: all that took longer */
	__u64 times[SWAPTRAIL_COUNTED_TIMES];
};

SWAPTRAIL_STATIC_ASSERT(sizeof(struct swaptrail_counted_key) == 16);
SWAPTRAIL_STATIC_ASSERT(sizeof(struct swaptrail_counted) == 8 * (5 + SWAPTRAIL_COUNTED_TIMES));

#endif /* SWAPTRAIL_BPF_COUNTED_H */
