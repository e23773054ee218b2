/* SPDX-License-Identifier: GPL-2.0 */
/*
 * compat.bpf.h - every kernel difference that the programs know, in one place.
 *
 * Two ways to read kernel memory. Tracing programs (fentry, fexit) follow BTF
 * pointers directly: that is checked by the verifier, cheap, and still allowed
 * under lockdown=confidentiality, where bpf_probe_read_kernel() is not. Kprobes
 * and raw tracepoints have no BTF pointers and must probe. SWAPTRAIL_DIRECT
 * selects the first for a whole object; the bodies are the same.
 *
 * What the running kernel looks like comes from its BTF (CO-RE), never from its
 * version number. The few facts that BTF doesn't hold are constants that the
 * daemon sets before load (struct facts).
 */
#ifndef SWAPTRAIL_BPF_COMPAT_BPF_H
#define SWAPTRAIL_BPF_COMPAT_BPF_H

#include "kernel_types.h"

#include <bpf/bpf_helpers.h>

#include <bpf/bpf_core_read.h>

#include "event.h"

#ifdef SWAPTRAIL_DIRECT
#define READ1(p, a) ((p)->a)
#define READ2(p, a, b) ((p)->a->b)
#define READ3(p, a, b, c) ((p)->a->b->c)
#define READ_BITFIELD(p, a) BPF_CORE_READ_BITFIELD(p, a)
#else
#define READ1(p, a) BPF_CORE_READ(p, a)
#define READ2(p, a, b) BPF_CORE_READ(p, a, b)
#define READ3(p, a, b, c) BPF_CORE_READ(p, a, b, c)
#define READ_BITFIELD(p, a) BPF_CORE_READ_BITFIELD_PROBED(p, a)
#endif

/* Set by daemon/capture/session before load; the verifier drops the branches not taken. */
volatile const __u32 abi_version = SWAPTRAIL_ABI_VERSION;
volatile const bool may_probe_read = true;   /* bpf_probe_read_kernel() is permitted */
volatile const bool has_rdonly_cast = false; /* kfunc bpf_rdonly_cast(), 6.2 and later */
volatile const bool tells_backend = true;    /* there is a hook for every way a write can go, except the zero map */
volatile const __u32 cluster_slots = 512;    /* SWAPFILE_CLUSTER: HPAGE_PMD_NR or 256 */
volatile const __u32 page_shift = 12;
/* pte <-> swp_entry_t, arch/.../include/asm/pgtable*.h (__swp_type, __swp_offset) */
volatile const __u32 pte_type_shift = 59;
volatile const __u64 pte_type_mask = 31;
volatile const __u32 pte_offset_shift = 9;
volatile const __u64 pte_offset_mask = (1ULL << 50) - 1;
volatile const __u64 pte_offset_xor = ~0ULL; /* x86-64 keeps the offset inverted (L1TF) */

extern void *bpf_rdonly_cast(void *object, __u32 btf_id) __ksym __weak;

#define SWP_TYPE_SHIFT 58
/* MAX_SWAPFILES is at least 23 in every configuration (include/linux/swap.h);
 * the types above it are migration, poison and marker entries. */
#define SWP_TYPES_AT_LEAST 23
#define SWP_WRITEOK 0x2        /* include/linux/swap.h */
#define PF_MEMALLOC 0x00000800 /* include/linux/sched.h */
#define PF_KSWAPD 0x00020000
#define PF_KTHREAD 0x00200000
#define FAULT_FLAG_TRIED_BIT 0x20 /* include/linux/mm_types.h, mm.h before 5.16: FAULT_FLAG_TRIED */
#define MAPPING_ANON 0x1          /* PAGE_MAPPING_ANON, include/linux/page-flags.h */
#define MAPPING_KSM 0x3
#define TTU_BATCH_FLUSH 0x40 /* include/linux/rmap.h: always set by swap-out, and only there */
#define MM_SWAPENTS 2        /* include/linux/mm_types_task.h */
#define MM_SHMEMPAGES 3

static __always_inline bool flag_set(__u64 flags, __u64 bit)
{
	return flags >> bit & 1;
}

#define PAGE_FLAG(flags, name) flag_set(flags, bpf_core_enum_value(enum pageflags, PG_##name))

/* Fields of the first page have moved from struct page to struct folio (5.16 and later). */
#define FOLIO_READ(folio, field)                                                                                       \
	(bpf_core_type_exists(struct folio) ? READ1((const struct folio *)(folio), field) :                            \
					      READ1((const struct page *)(folio), field))

/* page->flags became folio->flags (5.16), then a struct (6.18). */
static __always_inline __u64 folio_flags(const void *folio)
{
	if (bpf_core_field_exists(((struct folio___flags *)0)->flags.f))
		return READ1((const struct folio___flags *)folio, flags.f);
	return FOLIO_READ(folio, flags);
}

static __always_inline bool in_swap_cache(__u64 flags)
{
	/* PG_swapcache shares its bit with PG_owner_priv_1 (page-flags.h, PageSwapCache). */
	return PAGE_FLAG(flags, swapbacked) && PAGE_FLAG(flags, swapcache);
}

/* page->private up to 6.5, folio->swap after; of the folio's first page. */
static __always_inline __u64 folio_entry(const void *folio)
{
#ifdef SWAPTRAIL_DIRECT
	/*
	 * folio->swap shares its place with a void pointer, and newer verifiers (6.17) take what is read there for one:
	 * then it can't be calculated with. In struct page it is a number.
	 */
	if (has_rdonly_cast && bpf_core_field_exists(((struct page *)0)->private)) {
		const struct page *page = bpf_rdonly_cast((void *)folio, bpf_core_type_id_kernel(struct page));

		return page->private;
	}
#endif
	if (bpf_core_field_exists(struct folio___entry, swap))
		return READ1((const struct folio___entry *)folio, swap.val);
	return READ1((const struct page *)folio, private);
}

static __always_inline __u64 entry_of(const void *folio, __u64 flags)
{
	return in_swap_cache(flags) ? folio_entry(folio) : 0;
}

/* The file that the folio is a page of. */
static __always_inline const struct inode *folio_inode(const void *folio)
{
	if (bpf_core_type_exists(struct folio))
		return READ2((const struct folio *)folio, mapping, host);
	return READ2((const struct page *)folio, mapping, host);
}

/* The low bits of folio->mapping: what kind of mapping it is. */
static __always_inline __u64 mapping_bits(const void *folio)
{
	__u64 mapping = (__u64)FOLIO_READ(folio, mapping);

#ifdef SWAPTRAIL_DIRECT
	/* The verifier forbids '&' on a pointer, but a difference of two
	 * pointers is a number; struct page is aligned to 8 at least. */
	mapping -= (__u64)folio;
#endif
	return mapping & MAPPING_KSM;
}

/* What the folio's flags say of its state. */
static __always_inline __u16 flag_state(__u64 flags)
{
	__u16 state = 0;

	if (PAGE_FLAG(flags, swapbacked))
		state |= SWAPTRAIL_STATE_SWAPBACKED;
	if (in_swap_cache(flags))
		state |= SWAPTRAIL_STATE_SWAPCACHE;
	if (PAGE_FLAG(flags, dirty))
		state |= SWAPTRAIL_STATE_DIRTY;
	if (PAGE_FLAG(flags, writeback))
		state |= SWAPTRAIL_STATE_WRITEBACK;
	return state;
}

static __always_inline __u16 folio_state(const void *folio, __u64 flags)
{
	__u64 bits = mapping_bits(folio);
	__u16 state = flag_state(flags);

	if (bits & MAPPING_ANON)
		state |= SWAPTRAIL_STATE_ANON;
	if (bits == MAPPING_KSM)
		state |= SWAPTRAIL_STATE_KSM;
	return state;
}

/* 32 bits at `offset` from a folio, even if the BTF type at hand is the smaller struct page. */
static __always_inline __u32 folio_word(const void *folio, __u32 offset)
{
	__u32 value = 0;

	if (may_probe_read)
		bpf_probe_read_kernel(&value, sizeof(value), folio + offset);
	return value;
}

/*
 * A call of its own in objects that follow nothing through BTF types: inlined
 * into a loop, clang would compute the offsets of all three branches ahead of
 * it, including those of fields that the running kernel lacks.
 */
#ifdef SWAPTRAIL_DIRECT
#define MAYBE_CALL __always_inline
#else
#define MAYBE_CALL __noinline
#endif

/*
 * Base pages in the folio. _folio_nr_pages (5.18) was renamed _nr_pages (6.15);
 * before, compound_nr in the first tail page. 0 = can't be read here.
 */
static MAYBE_CALL __u16 folio_pages(const void *folio, __u64 flags)
{
	if (!PAGE_FLAG(flags, head))
		return 1;
	if (has_rdonly_cast) {
		folio = bpf_rdonly_cast((void *)folio, bpf_core_type_id_kernel(struct folio));
		if (bpf_core_field_exists(struct folio___pages, _nr_pages))
			return ((const struct folio___pages *)folio)->_nr_pages;
		return ((const struct folio___pages_old *)folio)->_folio_nr_pages;
	}
	if (bpf_core_field_exists(struct folio___pages, _nr_pages))
		return folio_word(folio, bpf_core_field_offset(struct folio___pages, _nr_pages));
	if (bpf_core_field_exists(struct folio___pages_old, _folio_nr_pages))
		return folio_word(folio, bpf_core_field_offset(struct folio___pages_old, _folio_nr_pages));
	return folio_word(folio,
			  bpf_core_type_size(struct page) + bpf_core_field_offset(struct page___compound, compound_nr));
}

/*
 * Is a page table entry left that maps it? Exact for small folios, and for
 * large ones from 6.10 on. Before that -1: the caller knows only the results of
 * the single mappings.
 */
static __always_inline int folio_mapped(const void *folio, __u64 flags)
{
	if (!PAGE_FLAG(flags, head))
		return FOLIO_READ(folio, _mapcount.counter) >= 0;
	if (bpf_core_field_exists(struct folio___mapcount, _large_mapcount))
		return READ1((const struct folio___mapcount *)folio, _large_mapcount.counter) >= 0;
	return -1;
}

static __always_inline __u64 memcg_cgroup(const struct mem_cgroup *memcg)
{
	return READ3(memcg, css.cgroup, kn, id);
}

/* Up to 7.0 memcg_data is the mem_cgroup; later the obj_cgroup. The place of 'objcg' shows which. */
static __always_inline __u64 memcg_data_cgroup(__u64 data)
{
	bool objcg = bpf_core_field_exists(struct mem_cgroup_per_node___objcg, objcg);

	data &= ~7ULL;
	if (!data)
		return 0;
#ifdef SWAPTRAIL_DIRECT
	if (has_rdonly_cast && objcg) {
		struct obj_cgroup *o = bpf_rdonly_cast((void *)data, bpf_core_type_id_kernel(struct obj_cgroup));

		return o->memcg->css.cgroup->kn->id;
	}
	if (has_rdonly_cast) {
		struct mem_cgroup *m = bpf_rdonly_cast((void *)data, bpf_core_type_id_kernel(struct mem_cgroup));

		return m->css.cgroup->kn->id;
	}
#endif
	if (!may_probe_read)
		return 0;
	if (objcg)
		return BPF_CORE_READ((struct obj_cgroup *)data, memcg, css.cgroup, kn, id);
	return BPF_CORE_READ((struct mem_cgroup *)data, css.cgroup, kn, id);
}

/* Id of the cgroup that the folio is charged to; 0 = none, or it can't be read here. */
static __always_inline __u64 folio_cgroup(const void *folio)
{
	if (bpf_core_field_exists(struct page___memcg, mem_cgroup))
		return READ1((const struct page___memcg *)folio, mem_cgroup->css.cgroup->kn->id);
	if (bpf_core_field_exists(struct page___memcg_data, memcg_data))
		return memcg_data_cgroup(READ1((const struct page___memcg_data *)folio, memcg_data));
	if (bpf_core_field_exists(struct folio, memcg_data))
		return memcg_data_cgroup(READ1((const struct folio *)folio, memcg_data));
	return 0;
}

/* bpf_get_current_task_btf() came with 5.11. */
static __always_inline __u32 current_flags(void)
{
#ifdef SWAPTRAIL_DIRECT
	if (bpf_core_enum_value_exists(enum bpf_func_id___task, BPF_FUNC_get_current_task_btf___task))
		return ((struct task_struct *)bpf_get_current_task_btf())->flags;
#endif
	return BPF_CORE_READ((struct task_struct *)bpf_get_current_task(), flags);
}

/*
 * Is the current task in swapoff? Only swapoff and KSM's switch mark themselves as a memory hog
 * for a while (mm/swapfile.c, sys_swapoff: set_current_oom_origin).
 */
static __always_inline bool is_swapping_off(void)
{
#ifdef SWAPTRAIL_DIRECT
	if (bpf_core_enum_value_exists(enum bpf_func_id___task, BPF_FUNC_get_current_task_btf___task))
		return ((struct task_struct *)bpf_get_current_task_btf())->signal->oom_flag_origin;
#endif
	return BPF_CORE_READ((struct task_struct *)bpf_get_current_task(), signal, oom_flag_origin);
}

/*
 * The page offset of an anonymous page at the VMA's begin, in units of folio->index: vm_pgoff, but
 * from 7.3 on a separate offset if the VMA maps a file.
 */
static __always_inline __u64 anon_pgoff(const struct vm_area_struct *vma)
{
	if (bpf_core_field_exists(struct vm_area_struct___anon_pgoff, __vm_anon_pgoff_lo)) {
		const struct vm_area_struct___anon_pgoff *split = (const void *)vma;

		return (__u64)READ1(split, __vm_anon_pgoff_hi) << 32 | READ1(split, __vm_anon_pgoff_lo);
	}
	return READ1(vma, vm_pgoff);
}

/* The process that owns the mm: its tgid is returned, its name goes to `comm`; needs CONFIG_MEMCG. */
static __always_inline __u32 read_owner(const struct mm_struct *mm, char (*comm)[SWAPTRAIL_COMM_LEN])
{
	struct task_struct *owner = READ1(mm, owner);

#ifdef SWAPTRAIL_DIRECT
	/* two words: a BTF array may be read in pieces up to its end */
	((__u64 *)comm)[0] = *(const __u64 *)&owner->comm[0];
	((__u64 *)comm)[1] = *(const __u64 *)&owner->comm[8];
#else
	BPF_CORE_READ_INTO(comm, owner, comm);
#endif
	return READ1(owner, tgid);
}

/* A non-present page table entry as swp_entry_t; 0 if it is not a swap entry. */
static __always_inline __u64 entry_of_pte(__u64 pte)
{
	__u64 type = pte >> pte_type_shift & pte_type_mask;
	__u64 offset = (pte ^ pte_offset_xor) >> pte_offset_shift & pte_offset_mask;

	return type < SWP_TYPES_AT_LEAST ? type << SWP_TYPE_SHIFT | offset : 0;
}

/* Of one pass of a fault: bits of enum fault_flag. */
static __always_inline __u32 fault_flags(const struct vm_fault *vmf)
{
	if (bpf_core_field_exists(((struct vm_fault___enum *)0)->flags))
		return READ1((const struct vm_fault___enum *)vmf, flags);
	return READ1((const struct vm_fault___word *)vmf, flags);
}

/* Does swap_writepage record zero-filled folios instead of writing them (6.12 and later)? */
static __always_inline bool records_zero_folios(void)
{
	return bpf_core_field_exists(struct swap_info_struct___zeromap, zeromap) ||
	       bpf_core_enum_value_exists(enum vm_event_item, SWPOUT_ZERO);
}

#endif /* SWAPTRAIL_BPF_COMPAT_BPF_H */
