/* SPDX-License-Identifier: GPL-2.0 */
/*
 * swap_in.bpf.h - the way back: faults on swap entries, shared memory that is read again, reads.
 *
 * A fault that has to wait for a device is several passes of do_swap_page (mm/memory.c): the first
 * waits without the lock of the address space and returns VM_FAULT_RETRY, and the fault is handled
 * again. Each pass is one record; trace/ joins them, since only it knows which one was the last.
 */
#ifndef SWAPTRAIL_BPF_SWAP_IN_BPF_H
#define SWAPTRAIL_BPF_SWAP_IN_BPF_H

#include "counted.bpf.h"

/* Is there a hook for the drop of a swap entry that a fault has replaced? Set by daemon/capture/session. */
volatile const bool counts_filled_ptes = false;

/* One pass of do_swap_page. */
struct fault {
	struct swaptrail_place place;
	__u64 begin_ns;
	__u64 entry;
	__u64 address;
	__u64 first_entry; /* of the page table entries that were filled */
	__u32 filled;
	__u32 owner;
	__u32 flags; /* enum fault_flag */
	__u32 mark;  /* of `entry` */
};

TASK_TABLE(faults, struct fault)

/* One run of shmem_swapin_folio. */
struct shmem_swap_in {
	struct swaptrail_place place;
	__u64 begin_ns;
	__u64 entry; /* asked for */
	__u64 inode;
	__u64 fault_type;  /* vm_fault_t *, NULL outside a page fault */
	__u64 first_entry; /* of the folio that was read, or left the swap cache */
	__u32 pages;
	__u32 device;
	__u32 mark; /* of `entry` */
};

TASK_TABLE(shmem_swap_ins, struct shmem_swap_in)

/* ---- private memory ------------------------------------------------------------ */

/* Everything is read here: do_swap_page may return with the mm unlocked and the VMA gone. */
static __always_inline void on_fault_begin(const struct vm_fault *vmf)
{
	__u64 entry = entry_of_pte(READ1(vmf, orig_pte.pte));
	struct task_struct *owner;
	__u32 tid = current_tid();
	struct fault *fault;

	if (!entry) {
		/* left by a fault whose end the kernel skipped: not this one's */
		fault = faults_of(tid);
		if (fault)
			faults_give_back(fault, tid);
		return;
	}
	fault = faults_take(tid);
	if (!fault)
		return;
	fault->begin_ns = bpf_ktime_get_ns();
	fault->entry = entry;
	fault->address = READ1(vmf, address);
	fault->first_entry = 0;
	fault->filled = 0;
	fault->flags = fault_flags(vmf);
	if (counts_only)
		return;
	fault->mark = samples ? slot_mark(entry) : 1;
	owner = READ3(vmf, vma, vm_mm, owner);
	fault->owner = READ1(owner, tgid);
}

/*
 * mm/swapfile.c swap_free (up to 6.9), swap_free_nr (6.10 to 6.19), folio_put_swap (7.0 and later): in
 * do_swap_page, the entries that it will replace in the page table. Calls from elsewhere are not ours.
 */
static __always_inline void on_entries_dropped(__u64 entry, __u32 pages)
{
	struct fault *fault = faults_of(current_tid());

	if (!fault || fault->entry < entry || fault->entry - entry >= pages)
		return;
	fault->first_entry = entry;
	fault->filled = pages;
}

/* `page` NULL: the whole folio. */
static __always_inline void on_folio_entries_dropped(const void *folio, const void *page)
{
	__u64 entry = folio_entry(folio);

	if (page)
		on_entries_dropped(entry + ((__u64)page - (__u64)folio) / bpf_core_type_size(struct page), 1);
	else
		on_entries_dropped(entry, folio_pages(folio, folio_flags(folio)));
}

static __always_inline __u16 fault_state(__u32 flags)
{
	__u16 state = 0;

	if (flags & FAULT_FLAG_TRIED_BIT)
		state |= SWAPTRAIL_STATE_TRIED;
	if (bpf_core_enum_value_exists(enum fault_flag, FAULT_FLAG_VMA_LOCK) &&
	    flags & bpf_core_enum_value(enum fault_flag, FAULT_FLAG_VMA_LOCK))
		state |= SWAPTRAIL_STATE_VMA_LOCK;
	return state;
}

static __always_inline void on_fault_end(int result)
{
	__u32 tid = current_tid();
	struct fault *fault = faults_of(tid);
	bool done = !(result & SWAPTRAIL_FAULT_NOT_DONE);
	struct swaptrail_event *e;
	__u32 filled = 0;

	if (!fault)
		return;
	if (counts_filled_ptes)
		filled = fault->filled;
	else if (done)
		filled = SWAPTRAIL_NOT_COUNTED;
	count_pages(SWAPTRAIL_SWAP_IN, done, filled == SWAPTRAIL_NOT_COUNTED ? 1 : filled);
	if (counts_only) {
		count_in(result, fault->flags & FAULT_FLAG_TRIED_BIT, filled == SWAPTRAIL_NOT_COUNTED ? 1 : filled,
			 fault->begin_ns);
		faults_give_back(fault, tid);
		return;
	}
	e = fault->mark ? begin_event(SWAPTRAIL_SWAP_IN, NULL) : NULL;
	if (e) {
		e->reader_cgroup = bpf_get_current_cgroup_id();
		e->entry = fault->entry;
		e->nr_pages = 1;
		e->result = result;
		e->state = fault_state(fault->flags) | MARK_STATE(fault->mark);
		e->u.map.address = fault->address;
		e->u.map.value = e->time_ns - fault->begin_ns;
		e->u.map.owner = fault->owner;
		e->u.map.ptes = filled;
		if (fault->filled)
			e->u.map.first_page = fault->entry - fault->first_entry;
		bpf_get_current_comm(e->u.map.comm, sizeof(e->u.map.comm));
		end_event(e);
	}
	faults_give_back(fault, tid);
}

/* ---- shared memory ------------------------------------------------------------- */

/*
 * mm/shmem.c shmem_swapin_folio (shmem_swapin_page up to 5.16): a page fault, or read, write, splice.
 * Seven arguments: more than a trampoline of x86-64 passes up to 6.5, so a kprobe serves all kernels.
 */
static __always_inline void on_shmem_swap_in_begin(const struct inode *inode, const __u64 *folio, const __u64 *stack)
{
	__u32 tid = current_tid();
	struct shmem_swap_in *swap_in = shmem_swap_ins_of(tid);
	__u64 value = 0;

	if (swap_in)
		shmem_swap_ins_give_back(swap_in, tid);
	if (is_swapping_off())
		return; /* the swap cache and the slots say what it does */
	/* the file's page holds the entry as a value: include/linux/swapops.h radix_to_swp_entry */
	bpf_probe_read_kernel(&value, sizeof(value), folio);
	if (!(value & 1))
		return;
	swap_in = shmem_swap_ins_take(tid);
	if (!swap_in)
		return;
	swap_in->begin_ns = bpf_ktime_get_ns();
	swap_in->entry = value >> 1;
	swap_in->inode = BPF_CORE_READ(inode, i_ino);
	swap_in->device = BPF_CORE_READ(inode, i_sb, s_dev);
	swap_in->first_entry = 0;
	swap_in->pages = 0;
	swap_in->mark = samples && !counts_only ? slot_mark(swap_in->entry) : 1;
	/* the seventh argument lies above the return address */
	bpf_probe_read_kernel(&swap_in->fault_type, sizeof(swap_in->fault_type), stack + 1);
}

/* A folio that this thread reads, or takes out of the swap cache. */
static __always_inline void note_shmem_folio(__u64 entry, __u32 pages)
{
	struct shmem_swap_in *swap_in = shmem_swap_ins_of(current_tid());

	if (!swap_in || swap_in->entry < entry || swap_in->entry - entry >= pages)
		return;
	swap_in->first_entry = entry;
	swap_in->pages = pages;
}

static __always_inline void on_shmem_swap_in_end(int result)
{
	__u32 tid = current_tid();
	struct shmem_swap_in *swap_in = shmem_swap_ins_of(tid);
	struct swaptrail_event *e;
	__u32 fault_type = 0;
	__u32 pages;

	if (!swap_in)
		return;
	pages = result ? 0 : swap_in->pages;
	if (swap_in->fault_type)
		bpf_probe_read_kernel(&fault_type, sizeof(fault_type), (const void *)swap_in->fault_type);
	if (counts_only && !result && !pages)
		pages = 1; /* it came without the swap cache (Linux 6.13 to 6.17), and the hook of the read is left out */
	count_pages(SWAPTRAIL_SHMEM_SWAP_IN, !result, pages);
	if (counts_only) {
		/* -17, EEXIST: somebody else was faster, and it is tried again */
		__u32 how = !result ? 0 : result == -17 ? SWAPTRAIL_FAULT_RETRY : SWAPTRAIL_FAULT_SIGBUS;

		count_in(how | (fault_type & SWAPTRAIL_FAULT_MAJOR), false, pages, swap_in->begin_ns);
		shmem_swap_ins_give_back(swap_in, tid);
		return;
	}
	e = swap_in->mark ? begin_event(SWAPTRAIL_SHMEM_SWAP_IN, NULL) : NULL;
	if (e) {
		e->reader_cgroup = bpf_get_current_cgroup_id();
		e->entry = swap_in->entry;
		e->nr_pages = 1;
		e->result = result ? result : (int)fault_type;
		e->state = (swap_in->fault_type ? SWAPTRAIL_STATE_IN_FAULT : 0) | MARK_STATE(swap_in->mark);
		e->u.map.address = swap_in->inode;
		e->u.map.value = e->time_ns - swap_in->begin_ns;
		e->u.map.owner = swap_in->device;
		e->u.map.ptes = pages;
		if (pages)
			e->u.map.first_page = swap_in->entry - swap_in->first_entry;
		bpf_get_current_comm(e->u.map.comm, sizeof(e->u.map.comm));
		end_event(e);
	}
	shmem_swap_ins_give_back(swap_in, tid);
}

/* ---- reads --------------------------------------------------------------------- */

/*
 * mm/page_io.c swap_read_folio: a new folio is to be filled from its slot. It is charged
 * already (mm/memcontrol.c mem_cgroup_swapin_charge_folio).
 */
static __always_inline void on_swap_read(const void *folio)
{
	__u64 flags = folio_flags(folio);
	__u16 pages = folio_pages(folio, flags);
	__u64 entry = folio_entry(folio); /* the synchronous swap-in up to 6.19 sets it without the swap cache */
	struct swaptrail_event *e;

	count_pages(SWAPTRAIL_SWAP_READ, true, pages);
	note_shmem_folio(entry, pages);
	e = begin_marked_event(SWAPTRAIL_SWAP_READ, folio, flags, pages, samples ? slot_mark(entry) : 1);
	if (!e)
		return;
	e->entry = entry;
	e->u.page.cgroup = folio_cgroup(folio);
	end_event(e);
}

static __always_inline void on_zswap_loaded(const void *folio, bool loaded)
{
	__u64 flags = folio_flags(folio);
	__u16 pages = folio_pages(folio, flags);
	struct swaptrail_event *e;
	__u64 entry;

	count_pages(SWAPTRAIL_ZSWAP_LOADED, loaded, pages);
	if (!loaded)
		return;
	entry = folio_entry(folio);
	e = begin_marked_event(SWAPTRAIL_ZSWAP_LOADED, folio, flags, pages, samples ? slot_mark(entry) : 1);
	if (!e)
		return;
	e->entry = entry;
	end_event(e);
}

#endif /* SWAPTRAIL_BPF_SWAP_IN_BPF_H */
