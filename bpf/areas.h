/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * areas.h - what areas.bpf.c reports about the kernel's swap areas.
 */
#ifndef SWAPTRAIL_BPF_AREAS_H
#define SWAPTRAIL_BPF_AREAS_H

#ifndef __bpf__
#include <linux/types.h>
#endif

/* MAX_SWAPFILES is at most 30 of 32 (include/linux/swap.h, MAX_SWAPFILES_SHIFT) */
#define SWAPTRAIL_AREAS_MAX 32

#define SWAPTRAIL_AREA_USED 0x1 /* SWP_USED: the type is taken */

/* One element of swap_info[] (mm/swapfile.c), with the kernel's numbers. */
struct swaptrail_area {
	__u64 inode;  /* of the swap file, or of the device's node; 0 = it has no file (any more) */
	__u32 device; /* of a device: its own number; of a file: that of its file system */
	__u32 mode;   /* i_mode */
	__u32 flags;  /* the low half of enum SWP_* */
	__u32 pages;  /* usable ones */
	__s32 priority;
	__u32 type;
};

#endif /* SWAPTRAIL_BPF_AREAS_H */
