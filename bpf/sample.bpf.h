/* SPDX-License-Identifier: GPL-2.0 */
/*
 * sample.bpf.h - which pages leave records, if not all do.
 *
 * A folio is chosen by its frame when it gets a slot, and its slots are marked. From then on the mark decides:
 * so all of a page's way is recorded, out and back, whatever frames it is in, and also if the rate changes
 * meanwhile. The mark says how many pages the chosen one stands for, and goes with each record.
 * Totals count every page all the same.
 */
#ifndef SWAPTRAIL_BPF_SAMPLE_BPF_H
#define SWAPTRAIL_BPF_SAMPLE_BPF_H

#include "batch.bpf.h"

/* Set by daemon/capture/session before load: are slots marked? If not, every page leaves records. */
volatile const bool samples = false;
/* Random: so each frame is chosen with the same probability, whatever lies in it. */
volatile const __u64 sample_salt = 0;

/* log2 of the rate of now. The daemon writes it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} sample_shift SEC(".maps");

#define BPF_NOEXIST 1 /* include/uapi/linux/bpf.h */
#define MARKS 64      /* slots in a block */

/* 0 = not chosen; else 1 + log2 of how many pages it stands for. */
struct marks {
	union {
		__u8 of[MARKS];
		__u64 eight[MARKS / 8];
	};
};

/* The daemon sets max_entries. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u64); /* entry / MARKS */
	__type(value, struct marks);
} marks SEC(".maps");

static const struct marks no_marks = {};

#define MARK_STATE(mark) (((mark)-1) << SWAPTRAIL_STATE_SAMPLE_SHIFT)

/* The mark that a folio of this frame gets now. */
static __always_inline __u8 frame_mark(const void *folio)
{
	__u32 zero = 0;
	__u32 *now = bpf_map_lookup_elem(&sample_shift, &zero);
	__u64 frame = (__u64)folio;
	__u32 shift;
	__u64 hash;

	if (!now)
		return 0;
#ifdef SWAPTRAIL_DIRECT
	frame -= (__u64)now; /* a number, as in mapping_bits(): the same for a frame each time */
#endif
	shift = *now & 15;
	hash = (frame ^ sample_salt) * 0x9e3779b97f4a7c15ULL;
	if (shift && hash >> (64 - shift))
		return 0;
	return 1 + shift;
}

static __always_inline struct marks *block_of(__u64 entry, bool make)
{
	__u64 block = entry / MARKS;
	struct marks *found = bpf_map_lookup_elem(&marks, &block);

	if (found || !make)
		return found;
	bpf_map_update_elem(&marks, &block, &no_marks, BPF_NOEXIST);
	found = bpf_map_lookup_elem(&marks, &block);
	if (!found)
		count_context_full();
	return found;
}

static __always_inline __u8 slot_mark(__u64 entry)
{
	struct marks *found = block_of(entry, false);

	return found ? found->of[entry % MARKS] : 0;
}

/* Of one slot: returns whether it had a mark. */
static __always_inline bool set_mark(__u64 entry, __u32 mark)
{
	struct marks *found = block_of(entry, mark);
	__u32 had;

	if (!found)
		return false;
	had = found->of[entry % MARKS];
	found->of[entry % MARKS] = mark;
	return had;
}

/* Of eight slots that are all in the range: nobody else changes them meanwhile. */
static __always_inline bool set_eight_marks(__u64 entry, __u32 mark)
{
	struct marks *found = block_of(entry, mark);
	__u64 had;

	if (!found)
		return false;
	had = found->eight[entry / 8 % (MARKS / 8)];
	found->eight[entry / 8 % (MARKS / 8)] = mark * 0x0101010101010101ULL;
	return had;
}

/* Up to a huge page. Short loops, since the verifier goes through each step. */
static MAYBE_CALL bool set_marks(__u64 entry, __u32 pages, __u32 mark)
{
	__u32 had = 0;

	for (int step = 0; step < 7; step++) {
		if (entry % 8 == 0 || !pages)
			break;
		had |= set_mark(entry++, mark);
		pages--;
	}
	for (int step = 0; step < 512 / 8; step++) {
		if (pages < 8)
			break;
		had |= set_eight_marks(entry, mark);
		entry += 8;
		pages -= 8;
	}
	for (int step = 0; step < 7; step++) {
		if (!pages)
			break;
		had |= set_mark(entry++, mark);
		pages--;
	}
	return had;
}

/* Returns whether one of the slots had a mark. */
static __always_inline bool mark_slots(__u64 entry, __u32 pages, __u32 mark)
{
	return pages == 1 ? set_mark(entry, mark) : set_marks(entry, pages, mark);
}

/* Of a folio that is not being removed. */
static __always_inline __u8 mark_of(const void *folio, __u64 flags, const struct batch *batch)
{
	if (!samples)
		return 1;
	if (batch && batch->skipped == (__u64)folio)
		return 0;
	return in_swap_cache(flags) ? slot_mark(folio_entry(folio)) : frame_mark(folio);
}

/* A record about one folio, with its present state; NULL also if the folio is not chosen. */
static __always_inline struct swaptrail_event *begin_marked_event(__u32 kind, const void *folio, __u64 flags,
								  __u16 pages, __u8 mark)
{
	struct swaptrail_event *e;

	if (!mark)
		return NULL;
	e = begin_folio_event(kind, folio, flags, pages);
	if (e)
		e->state |= MARK_STATE(mark);
	return e;
}

/* ... which also names the batch, if there is one. */
static __always_inline struct swaptrail_event *begin_batch_event(__u32 kind, const void *folio, __u64 flags,
								 __u16 pages, const struct batch *batch)
{
	struct swaptrail_event *e = begin_marked_event(kind, folio, flags, pages, mark_of(folio, flags, batch));

	if (e)
		name_batch(e, batch);
	return e;
}

#endif /* SWAPTRAIL_BPF_SAMPLE_BPF_H */
