/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * event.h - the one ABI between the programs in the kernel and the daemon.
 *
 * One fixed-size record per observation. A record is reserved in the ring of
 * the CPU it was made on, and its time is read *after* the reservation: so a
 * record that a sweep of the rings did not see yet is younger than the start
 * of that sweep, which is what lets trace/merger put all rings in one exact
 * order without guessing at a delay.
 *
 * The order inside a ring is the per-CPU sequence; `lost` says how many
 * records of that CPU could not be reserved before this one, so that a gap is
 * seen at the place where it happened. (A counter of our own instead would
 * need an atomic with a result, which BPF has only since Linux 5.12.)
 *
 * Change anything here and SWAPTRAIL_ABI_VERSION goes up.
 */
#ifndef SWAPTRAIL_BPF_EVENT_H
#define SWAPTRAIL_BPF_EVENT_H

#ifndef __bpf__
#include <linux/types.h>
#endif

#define SWAPTRAIL_ABI_VERSION 3
#define SWAPTRAIL_ABI_OLDEST 1 /* the oldest that trace/ still reads from a recording: docs/EVENTS.md, Versions */
#define SWAPTRAIL_COMM_LEN 16
#define SWAPTRAIL_CALIBRATION_PAGES 64 /* struct pages that calibrate.bpf.c can note */

/* What was observed. daemon/probe/hook_catalogue has the hook for each kind. */
enum swaptrail_kind {
	SWAPTRAIL_RECLAIM_BEGIN = 1,    /* a batch of isolated folios enters shrink_folio_list */
	SWAPTRAIL_RECLAIM_END = 2,      /* it returns; result = base pages reclaimed */
	SWAPTRAIL_SLOT_ALLOCATED = 3,   /* result 0: entry is reserved and cached; else -errno or -1 */
	SWAPTRAIL_UNMAPPED_ONE = 4,     /* page table entries of one mapping were replaced */
	SWAPTRAIL_UNMAPPED = 5,         /* all mappings were visited; STATE_MAPPED: some are left */
	SWAPTRAIL_WRITE_BEGIN = 6,      /* swap_writepage or swap_writeout was called */
	SWAPTRAIL_ZSWAP_STORED = 7,     /* zswap (or frontswap) took the folio; a refusal only counts in the totals */
	SWAPTRAIL_WRITE_ISSUED = 8,     /* __swap_writepage: the device is to write it */
	SWAPTRAIL_WRITE_END = 9,        /* swap_writepage returned: result, and u.write.backend */
	SWAPTRAIL_WRITE_COMPLETED = 10, /* end of writeback; STATE_DIRTY: the write failed */
	SWAPTRAIL_REMOVED = 11,         /* __remove_mapping; result 1: gone from the cache, to be freed */
	SWAPTRAIL_CACHE_DELETED = 12,   /* left the swap cache, but not by reclaim */
	SWAPTRAIL_SLOT_FREED = 13,      /* entry .. entry + nr_pages - 1 can be reused */
	SWAPTRAIL_SWAP_IN = 14,         /* one pass of do_swap_page returned; result = vm_fault_t */
	SWAPTRAIL_SWAP_READ = 15,       /* a folio is filled from its slot, whatever the backend */
	SWAPTRAIL_ZSWAP_LOADED = 16,    /* ... and it came from zswap; other answers are not recorded */
	SWAPTRAIL_SPLIT = 17,           /* a folio of `result` pages in the swap cache became folios of nr_pages */
	SWAPTRAIL_PAGE_FREED = 18,      /* tracepoint mode only: the page went to the page allocator */
	SWAPTRAIL_SHMEM_SWAP_IN = 19,   /* shmem_swapin_folio returned; result: -errno, or vm_fault_t bits */
	SWAPTRAIL_KIND_END,
	SWAPTRAIL_KIND_ROOM = 32 /* arrays by kind: a new kind leaves their layout as it is */
};

/* Who asked for the reclaim that the current task is doing. */
enum swaptrail_origin {
	SWAPTRAIL_ORIGIN_NONE = 0, /* not inside a reclaim batch */
	SWAPTRAIL_ORIGIN_KSWAPD = 1,
	SWAPTRAIL_ORIGIN_DIRECT = 2,
	SWAPTRAIL_ORIGIN_MEMCG_LIMIT = 3,
	SWAPTRAIL_ORIGIN_PROACTIVE = 4, /* memory.reclaim, or a node's reclaim file */
	SWAPTRAIL_ORIGIN_NODE = 5,      /* node_reclaim (vm.zone_reclaim_mode) */
	SWAPTRAIL_ORIGIN_PAGEOUT = 6,   /* MADV_PAGEOUT, process_madvise */
	SWAPTRAIL_ORIGIN_DAMON = 7,
	SWAPTRAIL_ORIGIN_HIBERNATION = 8,
	SWAPTRAIL_ORIGIN_MEMCG = 9,    /* tracepoint mode: a memcg limit or memory.reclaim */
	SWAPTRAIL_ORIGIN_UNKNOWN = 10, /* in reclaim, but its begin was not seen */
	SWAPTRAIL_ORIGIN_LRU_GEN = 11, /* a command written to debugfs lru_gen */
	SWAPTRAIL_ORIGIN_END
};

/* The folio's state at the moment of the event (bits of `state`). */
enum swaptrail_state {
	SWAPTRAIL_STATE_ANON = 1 << 0, /* else, if SWAPBACKED: shmem */
	SWAPTRAIL_STATE_KSM = 1 << 1,
	SWAPTRAIL_STATE_SWAPBACKED = 1 << 2,
	SWAPTRAIL_STATE_SWAPCACHE = 1 << 3,
	SWAPTRAIL_STATE_DIRTY = 1 << 4,
	SWAPTRAIL_STATE_WRITEBACK = 1 << 5,
	SWAPTRAIL_STATE_MAPPED = 1 << 6,        /* set only by SWAPTRAIL_UNMAPPED */
	SWAPTRAIL_STATE_SWAPOFF = 1 << 7,       /* SLOT_FREED: by the thread that swaps the area off */
	SWAPTRAIL_STATE_OWNER_GUESSED = 1 << 8, /* tracepoint mode: owner by order of rss_stat */
	SWAPTRAIL_STATE_TRIED = 1 << 9,         /* SWAP_IN: FAULT_FLAG_TRIED, so the fault counts as major */
	SWAPTRAIL_STATE_VMA_LOCK = 1 << 10,     /* SWAP_IN: FAULT_FLAG_VMA_LOCK, the pass before mmap_lock */
	SWAPTRAIL_STATE_IN_FAULT = 1 << 11,     /* SHMEM_SWAP_IN: for a page fault; else for read, write, splice */
};
/* The bits above: log2 of how many pages this one stands for, if not all leave records (sample.bpf.h). Not of SLOT_FREED. */
#define SWAPTRAIL_STATE_SAMPLE_SHIFT 12
#define SWAPTRAIL_STATE_SAMPLE (15U << SWAPTRAIL_STATE_SAMPLE_SHIFT)

/* Where swap_writepage put the folio (u.write.backend). */
enum swaptrail_backend {
	SWAPTRAIL_BACKEND_UNKNOWN = 0, /* called outside a reclaim batch: join with the events between */
	SWAPTRAIL_BACKEND_NONE = 1,    /* nowhere: refused, or its slot had no user left */
	SWAPTRAIL_BACKEND_DEVICE = 2,
	SWAPTRAIL_BACKEND_ZSWAP = 3,
	SWAPTRAIL_BACKEND_ZERO = 4, /* zero-filled: recorded, no I/O (Linux 6.12 and later) */
	SWAPTRAIL_BACKEND_END,
	SWAPTRAIL_BACKEND_MASK = 7 /* arrays by backend have 8 places: a mask is a bound the verifier follows */
};

/* `result` of SWAP_IN and, if it is no -errno, of SHMEM_SWAP_IN: vm_fault_t (include/linux/mm_types.h). */
enum swaptrail_fault {
	SWAPTRAIL_FAULT_OOM = 0x1,
	SWAPTRAIL_FAULT_SIGBUS = 0x2,
	SWAPTRAIL_FAULT_MAJOR = 0x4,
	SWAPTRAIL_FAULT_HWPOISON = 0x10,
	SWAPTRAIL_FAULT_HWPOISON_LARGE = 0x20,
	SWAPTRAIL_FAULT_SIGSEGV = 0x40,
	SWAPTRAIL_FAULT_RETRY = 0x400,
};
/* It failed. Without these and without RETRY (then another pass follows) it has brought its page. */
#define SWAPTRAIL_FAULT_FAILED                                                                                         \
	(SWAPTRAIL_FAULT_OOM | SWAPTRAIL_FAULT_SIGBUS | SWAPTRAIL_FAULT_HWPOISON | SWAPTRAIL_FAULT_HWPOISON_LARGE |    \
	 SWAPTRAIL_FAULT_SIGSEGV)
/* ... because the page can't be read. */
#define SWAPTRAIL_FAULT_UNREADABLE (SWAPTRAIL_FAULT_SIGBUS | SWAPTRAIL_FAULT_HWPOISON | SWAPTRAIL_FAULT_HWPOISON_LARGE)
#define SWAPTRAIL_FAULT_NOT_DONE (SWAPTRAIL_FAULT_FAILED | SWAPTRAIL_FAULT_RETRY)

/* What is not known of u.map and u.page. */
#define SWAPTRAIL_NOT_COUNTED 0xffff    /* ptes */
#define SWAPTRAIL_PAGE_UNKNOWN 0xffff   /* first_page */
#define SWAPTRAIL_INODE_UNKNOWN (~0ULL) /* inode */

struct swaptrail_event {
	__u64 time_ns; /* CLOCK_MONOTONIC, read after the ring reservation */
	union {
		__u64 folio;         /* address of its first struct page: identity, never shown to users */
		__u64 reader_cgroup; /* SWAP_IN, SHMEM_SWAP_IN: id of the cgroup (v2) of the thread that waits */
	};
	__u64 entry;    /* swp_entry_t: type << 58 | offset; of the first page; 0 = none
			 * (offset 0 holds the area's header, so 0 is never a real entry) */
	__u64 batch_ns; /* when the task's reclaim batch began (a little before its RECLAIM_BEGIN), 0 outside one */
	__u32 tid;      /* the running thread: the reclaimer, or the one that waits for a page */
	__u32 tgid;
	__u32 lost; /* records of this CPU that found no room before this one, modulo 2^32 */
	__s32 result;
	__u16 nr_pages; /* base pages in the folio (or in the range of slots) */
	__u16 cpu;
	__u16 state; /* enum swaptrail_state */
	__u8 kind;   /* enum swaptrail_kind */
	__u8 origin; /* enum swaptrail_origin */
	union {
		struct {              /* RECLAIM_BEGIN */
			__u64 cgroup; /* id of the cgroup being reclaimed, 0 = the whole node */
			__u32 gfp;
			__s8 priority; /* 12 = lightest ... 0 */
			__u8 may_writepage;
			__u8 may_unmap;
			__u8 may_swap;
			char comm[SWAPTRAIL_COMM_LEN]; /* of the reclaimer */
			__u64 pad;
		} begin;
		struct { /* RECLAIM_END: struct reclaim_stat, in base pages; ~0 = the kernel has no such field */
			__u32 nr_scanned;
			__u32 nr_writeback;
			__u32 nr_immediate;
			__u32 nr_pageout;
			__u32 nr_activate;
			__u32 nr_ref_keep;
			__u32 nr_unmap_fail;
			__u32 nr_demoted;
			__u32 nr_dirty;
			__u32 pad;
		} end;
		/*
		 * UNMAPPED_ONE: where it was mapped. first_page: index in the folio of the page at
		 *   `address`, or SWAPTRAIL_PAGE_UNKNOWN; ptes: entries replaced, or SWAPTRAIL_NOT_COUNTED.
		 * SWAP_IN: `entry` and `address` are those that faulted; ptes: entries filled, 0 = none;
		 *   they begin `first_page` pages before `entry`.
		 * SHMEM_SWAP_IN: `entry` is the one asked for; ptes: pages brought back, from `first_page`
		 *   pages before it on; address: inode number; owner: device (dev_t of the kernel).
		 */
		struct {
			__u64 address; /* user virtual address */
			__u64 value;   /* UNMAPPED_ONE: cgroup id of the folio; else nanoseconds it took */
			__u32 owner;   /* tgid of the mm's owner; 0 = none known */
			__u16 first_page;
			__u16 ptes;
			char comm[SWAPTRAIL_COMM_LEN]; /* UNMAPPED_ONE: of the owner; else of the thread that waits */
		} map;
		struct {              /* every other kind */
			__u64 cgroup; /* id of the cgroup the folio is charged to, 0 = not known */
			__u64 inode;  /* WRITE_BEGIN of a folio without ANON: its file; SWAPTRAIL_INODE_UNKNOWN, or
				       * 0 = of none: a copy that was read in, and that nobody maps */
			union {
				struct {
					__u64 index; /* ... and the page in it */
					__u64 pad;
				};
				char comm[SWAPTRAIL_COMM_LEN]; /* tracepoint mode, WRITE_END and PAGE_FREED: of the reclaimer */
			};
			__u32 backend; /* enum swaptrail_backend. WRITE_END: where it went. WRITE_ISSUED: DEVICE
					* inside swap_writepage of that folio, else UNKNOWN: a write of zswap's */
			__u32 device;  /* with `inode`: dev_t of the kernel, major << 20 | minor */
		} page;
	} u;
};

/* Why a record or a context was not kept (index of swaptrail_totals.dropped). */
enum swaptrail_drop {
	SWAPTRAIL_DROP_RING_FULL = 0, /* the consumer was too slow, or the ring too small */
	SWAPTRAIL_DROP_NO_RING = 1,   /* a CPU that came online after the start */
	SWAPTRAIL_DROP_END
};

/*
 * Exact per-CPU totals, kept in BPF whether or not the record found room.
 * emitted = consumed + sum(dropped) once the programs are detached.
 */
struct swaptrail_totals {
	__u64 emitted[SWAPTRAIL_KIND_ROOM];              /* records attempted */
	__u64 pages[SWAPTRAIL_KIND_ROOM];                /* base pages of those that succeeded */
	__u64 failed_pages[SWAPTRAIL_KIND_ROOM];         /* base pages of those that did not */
	__u64 backend_pages[SWAPTRAIL_BACKEND_MASK + 1]; /* base pages by WRITE_END's backend */
	__u64 dropped[SWAPTRAIL_DROP_END];
	__u64 context_full; /* batches, faults or chosen slots that are not followed: a table was full */
};

#define SWAPTRAIL_STATIC_ASSERT(condition) _Static_assert(condition, "the event ABI changed: see bpf/event.h")
#ifdef __cplusplus
#undef SWAPTRAIL_STATIC_ASSERT
#define SWAPTRAIL_STATIC_ASSERT(condition) static_assert(condition, "the event ABI changed: see bpf/event.h")
#endif

SWAPTRAIL_STATIC_ASSERT(sizeof(struct swaptrail_event) == 96);
SWAPTRAIL_STATIC_ASSERT(sizeof(((struct swaptrail_event *)0)->u) == 40);
SWAPTRAIL_STATIC_ASSERT(sizeof(struct swaptrail_totals) ==
			8 * (3 * SWAPTRAIL_KIND_ROOM + SWAPTRAIL_BACKEND_MASK + 1 + SWAPTRAIL_DROP_END + 1));

#endif /* SWAPTRAIL_BPF_EVENT_H */
