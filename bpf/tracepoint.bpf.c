// SPDX-License-Identifier: GPL-2.0
/*
 * tracepoint mode: raw tracepoints only, for hosts that refuse tracing programs
 * and have no kprobes. What can be seen: the write of each page with its slot,
 * the bio and its completion, the free, the origin, and, by the order of
 * rss_stat events inside a task, the owner. No tracepoint shows slot
 * allocation, virtual address, clean reclaim, swap-in or slot free.
 */
#include "emit.bpf.h"

#define MAX_BIO_PAGES 512 /* base folios looked at in one bio or request; the rest is counted */
#define MAX_RECLAIMERS 8192

/*
 * What a reclaiming task did last. LRU: a task that reclaims through
 * MADV_PAGEOUT announces no end, so entries of finished tasks must age out.
 */
struct reclaimer {
	__u64 begin_ns;
	__u64 bio_folio; /* the folio of the last swap bio this task queued */
	__u32 owner;     /* of the last swap PTE made: 0 = none since the last write */
	__u32 origin;
	__u32 ptes;
	char comm[SWAPTRAIL_COMM_LEN];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAX_RECLAIMERS);
	__type(key, __u32); /* tid */
	__type(value, struct reclaimer);
} reclaimers SEC(".maps");

struct raw_args {
	__u64 arg[4];
};

static __always_inline struct reclaimer *current_reclaimer(bool create)
{
	__u32 tid = bpf_get_current_pid_tgid();
	struct reclaimer *r = bpf_map_lookup_elem(&reclaimers, &tid);
	struct reclaimer fresh = {};

	if (r || !create)
		return r;
	fresh.begin_ns = bpf_ktime_get_ns();
	if (bpf_map_update_elem(&reclaimers, &tid, &fresh, BPF_ANY)) {
		struct swaptrail_totals *t = this_totals();

		if (t)
			ADD(t->context_full, 1);
	}
	return bpf_map_lookup_elem(&reclaimers, &tid);
}

static __always_inline int on_origin_begin(__u32 origin)
{
	struct reclaimer *r = current_reclaimer(true);

	if (!r)
		return 0;
	r->begin_ns = bpf_ktime_get_ns();
	r->origin = origin;
	return 0;
}

static __always_inline int on_origin_end(void)
{
	__u32 tid = bpf_get_current_pid_tgid();

	bpf_map_delete_elem(&reclaimers, &tid);
	return 0;
}

#define ORIGIN_PROGRAMS(name, origin)                                                                                  \
	SEC("?raw_tp") int tp_##name##_begin(struct raw_args *ctx)                                                     \
	{                                                                                                              \
		return on_origin_begin(origin);                                                                        \
	}                                                                                                              \
	SEC("?raw_tp") int tp_##name##_end(struct raw_args *ctx)                                                       \
	{                                                                                                              \
		return on_origin_end();                                                                                \
	}

ORIGIN_PROGRAMS(direct, SWAPTRAIL_ORIGIN_DIRECT)
ORIGIN_PROGRAMS(memcg, SWAPTRAIL_ORIGIN_MEMCG)
ORIGIN_PROGRAMS(node, SWAPTRAIL_ORIGIN_NODE)

/*
 * kmem:rss_stat. In reclaim it comes once for each page table entry that became
 * a swap entry, and those of a page come right before its write, in the same
 * task.
 */
SEC("?raw_tp") int tp_rss(struct raw_args *ctx)
{
	const struct mm_struct *mm = (const struct mm_struct *)ctx->arg[0];
	struct task_struct *owner;
	struct reclaimer *r;

	if ((int)ctx->arg[1] != MM_SWAPENTS || !(current_flags() & PF_MEMALLOC))
		return 0;
	r = current_reclaimer(true);
	if (!r)
		return 0;
	owner = READ1(mm, owner);
	r->owner = READ1(owner, tgid);
	r->ptes++;
	BPF_CORE_READ_INTO(&r->comm, owner, comm);
	return 0;
}

static __always_inline __u8 origin_of(const struct reclaimer *r)
{
	if (current_flags() & PF_KSWAPD)
		return SWAPTRAIL_ORIGIN_KSWAPD;
	if (r && r->origin)
		return r->origin;
	/* MADV_PAGEOUT, process_madvise and DAMON have no begin tracepoint; everything else has one */
	return SWAPTRAIL_ORIGIN_UNKNOWN;
}

static __always_inline void set_reclaimer(struct swaptrail_event *e, const struct reclaimer *r)
{
	e->origin = origin_of(r);
	e->batch_ns = r ? r->begin_ns : e->time_ns;
}

/* For kinds that have u.page: no event shows that a batch begins. */
static __always_inline void name_reclaimer(struct swaptrail_event *e, const struct reclaimer *r)
{
	set_reclaimer(e, r);
	bpf_get_current_comm(e->u.page.comm, sizeof(e->u.page.comm));
}

static __always_inline void emit_owner(const void *folio, __u64 flags, __u16 pages, const struct reclaimer *r)
{
	struct swaptrail_event *e;

	count_pages(SWAPTRAIL_UNMAPPED_ONE, true, r->ptes);
	e = begin_folio_event(SWAPTRAIL_UNMAPPED_ONE, folio, flags, pages);
	if (!e)
		return;
	e->state |= SWAPTRAIL_STATE_OWNER_GUESSED;
	e->result = 1;
	e->u.map.owner = r->owner;
	e->u.map.ptes = r->ptes;
	e->u.map.value = folio_cgroup(folio);
	__builtin_memcpy(e->u.map.comm, r->comm, sizeof(r->comm));
	set_reclaimer(e, r);
	end_event(e);
}

/* A folio without writeback that no bio was queued for went to zswap or the zero map: no tracepoint shows which. */
static __always_inline __u8 backend_of(const struct reclaimer *r, const void *folio, __u64 flags)
{
	if (PAGE_FLAG(flags, writeback) || (r && r->bio_folio == (__u64)folio))
		return SWAPTRAIL_BACKEND_DEVICE;
	if (!in_swap_cache(flags))
		return SWAPTRAIL_BACKEND_NONE;
	return SWAPTRAIL_BACKEND_UNKNOWN;
}

/* vmscan:mm_vmscan_write_folio (mm_vmscan_writepage up to 5.17): pageout() called the write. */
SEC("?raw_tp") int tp_write(struct raw_args *ctx)
{
	const void *folio = (const void *)ctx->arg[0];
	struct reclaimer *r = current_reclaimer(false);
	struct swaptrail_totals *t = this_totals();
	__u64 flags = folio_flags(folio);
	struct swaptrail_event *e;
	__u8 backend;
	__u16 pages;

	if (!PAGE_FLAG(flags, swapbacked))
		return 0; /* a file page */
	pages = folio_pages(folio, flags);
	backend = backend_of(r, folio, flags);
	if (r && r->owner)
		emit_owner(folio, flags, pages, r);
	count_pages(SWAPTRAIL_WRITE_END, true, pages);
	if (t)
		ADD(t->backend_pages[backend & SWAPTRAIL_BACKEND_MASK], pages);
	e = begin_folio_event(SWAPTRAIL_WRITE_END, folio, flags, pages);
	if (e) {
		e->u.page.backend = backend;
		e->u.page.cgroup = folio_cgroup(folio);
		name_reclaimer(e, r);
		end_event(e);
	}
	if (r) {
		r->owner = 0;
		r->ptes = 0;
		r->bio_folio = 0;
	}
	return 0;
}

/*
 * Addresses of the functions that end a bio of mm/page_io.c: end_swap_bio_write, and those of submit_bio_wait. On a
 * stacked device (dm, md) each layer clones the bio, flags too, and ends its clone by another. 0 = not known.
 */
volatile const __u64 swap_bio_ends[3] = {};

static __always_inline bool is_swap_write(struct bio *bio)
{
	__u64 end = (__u64)READ1(bio, bi_end_io);

	if (!flag_set(READ1(bio, bi_opf), bpf_core_enum_value(enum req_flag_bits, __REQ_SWAP)))
		return false;
	return !swap_bio_ends[0] || end == swap_bio_ends[0] || end == swap_bio_ends[1] || end == swap_bio_ends[2];
}

/* One folio of a bio; returns its bytes, so that the next one is found behind it. */
static __always_inline __u32 emit_bio_folio(__u32 kind, const void *folio, bool failed)
{
	__u64 flags = folio_flags(folio);
	__u16 pages = folio_pages(folio, flags);
	struct swaptrail_event *e;

	count_pages(kind, !failed, pages);
	e = begin_folio_event(kind, folio, flags, pages);
	if (e) {
		if (failed)
			e->state |= SWAPTRAIL_STATE_DIRTY;
		end_event(e);
	}
	return (__u32)pages << page_shift;
}

/*
 * Walks the folios of a bio (one up to 7.2, up to 32 later) or of a request's
 * chain of bios. Neighbouring folios can share a bio_vec. Returns the last
 * folio seen.
 */
static __always_inline __u64 for_each_folio(struct bio *bio, bool chain, __u32 kind, bool failed)
{
	__u32 vec = 0, offset = 0, vcnt = READ1(bio, bi_vcnt);
	struct bio_vec *vecs = READ1(bio, bi_io_vec);
	__u64 page = 0;
	int i;

	for (i = 0; i < MAX_BIO_PAGES && bio; i++) {
		struct bio_vec *bv = (void *)vecs + vec * bpf_core_type_size(struct bio_vec);
		__u32 length = READ1(bv, bv_len);

		page = (__u64)READ1(bv, bv_page) + (offset >> page_shift) * bpf_core_type_size(struct page);
		offset += emit_bio_folio(kind, (const void *)page, failed || (chain && READ1(bio, bi_status)));
		if (offset < length)
			continue;
		offset = 0;
		if (++vec < vcnt)
			continue;
		vec = 0;
		bio = chain ? READ1(bio, bi_next) : NULL;
		vcnt = READ1(bio, bi_vcnt);
		vecs = READ1(bio, bi_io_vec);
	}
	return page;
}

static __always_inline int on_bio_queued(struct bio *bio)
{
	struct reclaimer *r;
	__u64 folio;

	if (!is_swap_write(bio))
		return 0;
	folio = for_each_folio(bio, false, SWAPTRAIL_WRITE_ISSUED, false);
	r = current_reclaimer(false);
	if (r)
		r->bio_folio = folio;
	return 0;
}

SEC("?raw_tp") int tp_bio_queue_n1(struct raw_args *ctx)
{
	return on_bio_queued((struct bio *)ctx->arg[0]);
}

SEC("?raw_tp") int tp_bio_queue_n2(struct raw_args *ctx)
{
	return on_bio_queued((struct bio *)ctx->arg[1]);
}

/* block:block_bio_complete: devices without requests (zram, md, dm) */
SEC("?raw_tp") int tp_bio_complete_n2(struct raw_args *ctx)
{
	struct bio *bio = (struct bio *)ctx->arg[1];

	if (is_swap_write(bio))
		for_each_folio(bio, false, SWAPTRAIL_WRITE_COMPLETED, READ1(bio, bi_status));
	return 0;
}

/* block:block_rq_complete(rq, error, nr_bytes): the bios are still linked to the request */
SEC("?raw_tp") int tp_rq_complete(struct raw_args *ctx)
{
	struct request *rq = (struct request *)ctx->arg[0];
	struct bio *bio = READ1(rq, bio);

	if (bio && is_swap_write(bio))
		for_each_folio(bio, true, SWAPTRAIL_WRITE_COMPLETED, ctx->arg[1] & 0xff);
	return 0;
}

/*
 * kmem:mm_page_free(page, order), before the flags are cleared. Only pages that
 * a reclaiming task frees: an anonymous page that is freed when its process
 * exits does not end a swap-out.
 */
SEC("?raw_tp") int tp_page_free(struct raw_args *ctx)
{
	const void *folio = (const void *)ctx->arg[0];
	struct reclaimer *r;
	struct swaptrail_event *e;
	__u64 flags;

	if (!(current_flags() & PF_MEMALLOC))
		return 0;
	flags = folio_flags(folio);
	if (!PAGE_FLAG(flags, swapbacked))
		return 0;
	count_pages(SWAPTRAIL_PAGE_FREED, true, 1ULL << (ctx->arg[1] & 15));
	e = begin_folio_event(SWAPTRAIL_PAGE_FREED, folio, flags, 1U << (ctx->arg[1] & 15));
	if (!e)
		return 0;
	r = current_reclaimer(false);
	e->entry = 0; /* cleared by now; the field has another meaning */
	name_reclaimer(e, r);
	end_event(e);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
