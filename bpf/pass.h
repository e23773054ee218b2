/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * pass.h - a second record in the rings: what one batch did to one folio, from its slot on.
 *
 * Most folios on their way out go straight through: slot, unmapping, write, removal. Their events are put
 * together in the context of the batch, and submitted once. trace/pass_events makes the single events of it
 * again: they are the same as if each had been a record of its own, except that `cpu` is the CPU on which
 * the pass was submitted.
 *
 * The events of a pass are older than its record. So a batch shows the pass that is open, and the daemon takes
 * from there what has happened so far (daemon/capture/open_passes): it need not wait for a thread that sleeps.
 *
 * The record stays between the programs and the daemon that loads them, so it needs no version.
 */
#ifndef SWAPTRAIL_BPF_PASS_H
#define SWAPTRAIL_BPF_PASS_H

#include "event.h"

/* What can follow SLOT_ALLOCATED in a pass, in the order in which it happens. */
enum swaptrail_part {
	SWAPTRAIL_PART_UNMAPPED_ONE = 0, /* the first mapping; others are records of their own */
	SWAPTRAIL_PART_UNMAPPED,
	SWAPTRAIL_PART_WRITE_BEGIN,
	SWAPTRAIL_PART_ZSWAP_STORED,
	SWAPTRAIL_PART_WRITE_ISSUED,
	SWAPTRAIL_PART_WRITE_COMPLETED,
	SWAPTRAIL_PART_WRITE_END,
	SWAPTRAIL_PART_REMOVED,
	SWAPTRAIL_PARTS
};

/* Fields are those of swaptrail_event. An anonymous folio in the swap cache, all results as hoped for. */
struct swaptrail_pass {
	__u64 begin_ns;     /* of SLOT_ALLOCATED, CLOCK_MONOTONIC */
	__u64 submitted_ns; /* after `lost` was read */
	__u64 folio;        /* 0 = none: it is in its ring */
	__u64 entry;
	__u64 batch_ns;
	__u64 cgroup;
	__u64 address; /* this and owner, first_page, ptes, comm: of UNMAPPED_ONE */
	__u32 tid;
	__u32 tgid;
	__u32 lost;
	__u32 owner;
	__u32 after_ns[SWAPTRAIL_PARTS]; /* 1 + ns since begin_ns; 0 = is not in it */
	__u16 states[SWAPTRAIL_PARTS];
	__u16 state; /* at SLOT_ALLOCATED */
	__u16 nr_pages;
	__u16 cpu;
	__u16 first_page;
	__u16 ptes;
	__u8 origin;
	__u8 backend; /* of WRITE_END */
	__u32 events; /* in it */
	char comm[SWAPTRAIL_COMM_LEN];
};

/*
 * A place in the array of a table by thread (tasks.bpf.h): that of a thread is its id modulo SWAPTRAIL_PLACES.
 * The map NAME_beside has those whose place was taken, by id.
 */
#define SWAPTRAIL_PLACES 1024
#define SWAPTRAIL_OWNER(tid) ((tid) + 1)
struct swaptrail_place {
	__u32 owner; /* SWAPTRAIL_OWNER of the thread; 0 = nobody, or beside the array */
	__u32 claims;
};

/* How a value of the table `batches` begins. */
struct swaptrail_batch {
	struct swaptrail_place place;
	__u64 begin_ns;
	__u64 folio;    /* whose events go into the pass; 0 = none */
	__u32 changing; /* programs that change the pass: what it shows is not whole */
	__u32 passes;   /* of this batch, that are in their rings or were lost */
	struct swaptrail_pass pass;
};

SWAPTRAIL_STATIC_ASSERT(sizeof(struct swaptrail_pass) == 152);

#endif /* SWAPTRAIL_BPF_PASS_H */
