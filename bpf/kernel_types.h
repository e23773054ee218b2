/* SPDX-License-Identifier: GPL-2.0 */
/*
 * kernel_types.h - the few kernel types that the programs look into.
 *
 * Hand-kept: only the fields in use, each relocated by CO-RE against the
 * running kernel (preserve_access_index), so order and size mean nothing here.
 * A type with a `___suffix` is another shape of the same kernel type; which
 * one applies is asked with bpf_core_field_exists() in compat.bpf.h only.
 */
#ifndef SWAPTRAIL_BPF_KERNEL_TYPES_H
#define SWAPTRAIL_BPF_KERNEL_TYPES_H

typedef unsigned char __u8;
typedef signed char __s8;
typedef unsigned short __u16;
typedef short __s16;
typedef unsigned int __u32;
typedef int __s32;
typedef unsigned long long __u64;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef _Bool bool;

enum { false = 0, true = 1 };

#define BPF_MAP_TYPE_HASH 1
#define BPF_MAP_TYPE_ARRAY 2
#define BPF_MAP_TYPE_PERCPU_HASH 5
#define BPF_MAP_TYPE_PERCPU_ARRAY 6
#define BPF_MAP_TYPE_LRU_HASH 9
#define BPF_MAP_TYPE_ARRAY_OF_MAPS 12
#define BPF_MAP_TYPE_RINGBUF 27
#define BPF_ANY 0
#define BPF_RB_NO_WAKEUP 1

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	unsigned long val;
} swp_entry_t;

struct kernfs_node {
	__u64 id; /* 5.5 and later */
};

struct cgroup {
	struct kernfs_node *kn;
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
};

struct mem_cgroup {
	struct cgroup_subsys_state css;
};

/* 7.1 and later: a folio is charged to an obj_cgroup, whose memcg can change. */
struct obj_cgroup {
	struct mem_cgroup *memcg;
};
struct mem_cgroup_per_node___objcg {
	struct obj_cgroup *objcg;
};

struct super_block {
	__u32 s_dev;
};

struct inode {
	unsigned short i_mode;
	__u32 i_rdev;
	unsigned long i_ino;
	struct super_block *i_sb;
};

struct address_space {
	struct inode *host;
};

/* include/linux/mm_types.h: up to 6.17 flags is a word ... */
struct folio {
	unsigned long flags;
	struct address_space *mapping;
	unsigned long index;
	atomic_t _mapcount;
	unsigned long memcg_data;
};

/* ... from 6.18 on a struct of one word (memdesc_flags_t). */
typedef struct {
	unsigned long f;
} memdesc_flags_t;
struct folio___flags {
	memdesc_flags_t flags;
};
struct folio___entry { /* 6.6 and later */
	swp_entry_t swap;
};
struct folio___private { /* before */
	unsigned long private;
};
struct folio___mapcount { /* 6.10 and later */
	atomic_t _large_mapcount;
};
struct folio___pages { /* 6.15 and later */
	unsigned int _nr_pages;
};
struct folio___pages_old { /* 5.18 to 6.14 */
	unsigned int _folio_nr_pages;
};

/* 5.10 to 5.15: no folio yet */
struct page {
	unsigned long flags;
	struct address_space *mapping;
	unsigned long index;
	unsigned long private;
	atomic_t _mapcount;
};
struct page___compound {
	unsigned int compound_nr; /* in the first tail page */
};
struct page___memcg { /* up to 5.10 */
	struct mem_cgroup *mem_cgroup;
};
struct page___memcg_data { /* 5.11 and later */
	unsigned long memcg_data;
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

struct signal_struct {
	bool oom_flag_origin;
};

struct task_struct {
	unsigned int flags;
	struct signal_struct *signal;
	int tgid;
	char comm[16];
	struct css_set *cgroups;
};

struct mm_struct {
	struct task_struct *owner; /* CONFIG_MEMCG */
};

struct vm_area_struct {
	unsigned long vm_start;
	unsigned long vm_pgoff;
	struct mm_struct *vm_mm;
};
struct vm_area_struct___anon_pgoff { /* 7.3 and later */
	__u32 __vm_anon_pgoff_lo;
	__u32 __vm_anon_pgoff_hi;
};

typedef struct {
	unsigned long pte;
} pte_t;

struct vm_fault {
	struct vm_area_struct *vma;
	unsigned long address;
	pte_t orig_pte;
};
enum fault_flag {
	FAULT_FLAG_VMA_LOCK = 1 << 12, /* 6.4 and later; a placeholder, as below */
};
struct vm_fault___word { /* up to 5.15 */
	unsigned int flags;
};
struct vm_fault___enum {
	enum fault_flag flags;
};

/* arch/x86/include/asm/ptrace.h; kprobe mode takes the arguments from here */
struct pt_regs {
	unsigned long di;
	unsigned long si;
	unsigned long dx;
	unsigned long cx;
	unsigned long r8;
	unsigned long ax;
	unsigned long ip;
	unsigned long sp;
};

struct scan_control {
	struct mem_cgroup *target_mem_cgroup;
	unsigned int may_writepage : 1;
	unsigned int may_unmap : 1;
	unsigned int may_swap : 1;
	unsigned int proactive : 1; /* 6.0 and later */
	unsigned int hibernation_mode : 1;
	__s8 priority;
	unsigned int gfp_mask;
	unsigned long nr_scanned;
};

struct reclaim_stat {
	unsigned int nr_dirty;
	unsigned int nr_writeback;
	unsigned int nr_immediate;
	unsigned int nr_pageout; /* up to 7.2 */
	unsigned int nr_activate[2];
	unsigned int nr_ref_keep;
	unsigned int nr_unmap_fail;
	unsigned int nr_demoted; /* 6.12 and later */
};

struct swap_cluster_info {
	unsigned int count;
};

struct file {
	struct inode *f_inode;
};

struct swap_info_struct {
	unsigned long flags;
	signed short prio;
	signed char type;
	unsigned int pages;
	struct swap_cluster_info *cluster_info;
	struct file *swap_file;
};

struct swap_info_struct___zeromap { /* 6.12 to 7.1 */
	unsigned long *zeromap;
};

struct bio_vec {
	struct page *bv_page;
	unsigned int bv_len;
};

struct bio {
	struct bio *bi_next;
	unsigned int bi_opf;
	unsigned short bi_vcnt;
	__u8 bi_status;
	struct bio_vec *bi_io_vec;
	void *bi_end_io; /* a function */
};

struct request {
	unsigned int cmd_flags;
	struct bio *bio;
};

#pragma clang attribute pop

/* Values are relocated (bpf_core_enum_value); these are placeholders. */
enum pageflags {
	PG_dirty = 4,
	PG_swapbacked = 17,
	PG_swapcache = 10,
	PG_owner_priv_1 = 10,
	PG_writeback = 1,
	PG_head = 6,
};

enum req_flag_bits {
	__REQ_SWAP = 25,
};

enum vm_event_item {
	SWPOUT_ZERO = 1,
};

enum bpf_func_id___task {
	BPF_FUNC_get_current_task_btf___task = 158,
};

#endif /* SWAPTRAIL_BPF_KERNEL_TYPES_H */
