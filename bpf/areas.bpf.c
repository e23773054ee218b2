// SPDX-License-Identifier: GPL-2.0
/*
 * areas.bpf.c - which swap area has which type.
 *
 * /proc/swaps lists the areas by type, but leaves out the types that are free:
 * a line's place is not its type. This reads swap_info[] (mm/swapfile.c) each
 * time that user space runs it (BPF_PROG_TEST_RUN, 5.10 and later); it is
 * attached to nothing. No lock is held, so the reader compares the result with
 * /proc/swaps and reads again where they differ (daemon/host/kernel_areas).
 *
 * Two programs for the same: with probe reads; and with casts, for kernels
 * under confidentiality lockdown, where there are no probe reads (casts came
 * with 6.2).
 */
#include "kernel_types.h"

#include <bpf/bpf_helpers.h>

#include <bpf/bpf_core_read.h>

#include "areas.h"

/* the address of swap_info */
volatile const __u64 swap_info = 0;

struct swaptrail_area areas[SWAPTRAIL_AREAS_MAX];
__u32 runs = 0;

extern void *bpf_rdonly_cast(const void *object, __u32 type) __ksym __weak;

/* a word in memory, by a type that is in every kernel's BTF */
struct list_head {
	struct list_head *next;
};

SEC("raw_tp") int read_by_probe(void *ctx)
{
	for (int i = 0; i < SWAPTRAIL_AREAS_MAX; i++) {
		struct swaptrail_area *area = &areas[i];
		struct swap_info_struct *info = 0;
		struct inode *inode = 0;

		__builtin_memset(area, 0, sizeof(*area));
		bpf_probe_read_kernel(&info, sizeof(info), (void *)(swap_info + i * sizeof(info)));
		if (!info)
			break;
		area->type = (__u32)BPF_CORE_READ(info, type);
		if (area->type != (__u32)i) /* the array is shorter than we think */
			break;
		area->flags = (__u32)BPF_CORE_READ(info, flags);
		area->pages = BPF_CORE_READ(info, pages);
		area->priority = BPF_CORE_READ(info, prio);
		inode = BPF_CORE_READ(info, swap_file, f_inode);
		if (!inode)
			continue;
		area->inode = BPF_CORE_READ(inode, i_ino);
		area->mode = BPF_CORE_READ(inode, i_mode);
		area->device = BPF_CORE_READ(inode, i_rdev);
		if (!area->device)
			area->device = BPF_CORE_READ(inode, i_sb, s_dev);
	}
	runs++;
	return 0;
}

SEC("raw_tp") int read_by_cast(void *ctx)
{
	const __u32 word = bpf_core_type_id_kernel(struct list_head);
	const __u32 type = bpf_core_type_id_kernel(struct swap_info_struct);

	for (int i = 0; i < SWAPTRAIL_AREAS_MAX; i++) {
		struct swaptrail_area *area = &areas[i];
		struct swap_info_struct *info;
		struct list_head *at;
		struct inode *inode = 0;

		__builtin_memset(area, 0, sizeof(*area));
		at = bpf_rdonly_cast((void *)(swap_info + i * sizeof(info)), word);
		if (!at->next)
			break;
		info = bpf_rdonly_cast(at->next, type);
		area->type = (__u32)info->type;
		if (area->type != (__u32)i)
			break;
		area->flags = (__u32)info->flags;
		area->pages = info->pages;
		area->priority = info->prio;
		if (info->swap_file)
			inode = info->swap_file->f_inode;
		if (!inode)
			continue;
		area->inode = inode->i_ino;
		area->mode = inode->i_mode;
		area->device = inode->i_rdev;
		if (!area->device)
			area->device = inode->i_sb->s_dev;
	}
	runs++;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
