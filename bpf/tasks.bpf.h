/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tasks.bpf.h - tables by thread, that cost little to look into.
 *
 * Nearly every run of a program looks for what its thread is doing. A look-up in a hash map costs as much
 * as all the rest of a small program, and one in an array next to nothing. So a thread has its place in an
 * array, by the low bits of its id; only if another thread has that place, it goes to a hash map.
 *
 * Who may have a place is decided by counting: each adds itself, and who is alone after that has it. Two
 * that come at once may both go to the hash map, and never both have the place. (Compare-and-swap would need
 * Linux 5.12.)
 */
#ifndef SWAPTRAIL_BPF_TASKS_BPF_H
#define SWAPTRAIL_BPF_TASKS_BPF_H

#include "emit.bpf.h"
#include "pass.h"

#define BPF_F_MMAPABLE (1U << 10) /* include/uapi/linux/bpf.h */
#define MAX_TASKS 16384           /* without a place of their own */

static __always_inline __u32 current_tid(void)
{
	return bpf_get_current_pid_tgid();
}

static __always_inline void count_context_full(void)
{
	struct swaptrail_totals *t = this_totals();

	if (t)
		ADD(t->context_full, 1);
}

/*
 * TASK_TABLE(name, task): what each thread has in `name`; a `task` begins with struct swaptrail_place.
 *   name_of(tid)          NULL: nothing
 *   name_take(tid)        makes it, or returns what is there; the caller fills it in. NULL: full, and counted
 *   name_give_back(it)    it is no longer the thread's
 */
#define TASK_TABLE(name, task)                                                                                         \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_ARRAY);                                                                      \
		__uint(map_flags, BPF_F_MMAPABLE);                                                                     \
		__uint(max_entries, SWAPTRAIL_PLACES);                                                                 \
		__type(key, __u32);                                                                                    \
		__type(value, task);                                                                                   \
	} name SEC(".maps");                                                                                           \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_HASH);                                                                       \
		__uint(max_entries, MAX_TASKS);                                                                        \
		__type(key, __u32); /* tid */                                                                          \
		__type(value, task);                                                                                   \
	} name##_beside SEC(".maps");                                                                                  \
	__u32 name##_are_beside = 0;                                                                                   \
	static const task name##_nothing = {};                                                                         \
                                                                                                                       \
	static __always_inline task *name##_of(__u32 tid)                                                              \
	{                                                                                                              \
		__u32 at = tid & (SWAPTRAIL_PLACES - 1);                                                               \
		task *it = bpf_map_lookup_elem(&name, &at);                                                            \
                                                                                                                       \
		if (it && it->place.owner == SWAPTRAIL_OWNER(tid))                                                     \
			return it;                                                                                     \
		if (!name##_are_beside)                                                                                \
			return NULL;                                                                                   \
		return bpf_map_lookup_elem(&name##_beside, &tid);                                                      \
	}                                                                                                              \
                                                                                                                       \
	static __always_inline task *name##_take(__u32 tid)                                                            \
	{                                                                                                              \
		__u32 at = tid & (SWAPTRAIL_PLACES - 1);                                                               \
		task *it = name##_of(tid);                                                                             \
                                                                                                                       \
		if (it)                                                                                                \
			return it;                                                                                     \
		it = bpf_map_lookup_elem(&name, &at);                                                                  \
		if (!it)                                                                                               \
			return NULL;                                                                                   \
		ADD(it->place.claims, 1);                                                                              \
		if (*(volatile __u32 *)&it->place.claims == 1) {                                                       \
			it->place.owner = SWAPTRAIL_OWNER(tid);                                                        \
			return it;                                                                                     \
		}                                                                                                      \
		ADD(it->place.claims, -1);                                                                             \
		if (bpf_map_update_elem(&name##_beside, &tid, &name##_nothing, BPF_ANY)) {                             \
			count_context_full();                                                                          \
			return NULL;                                                                                   \
		}                                                                                                      \
		ADD(name##_are_beside, 1);                                                                             \
		return bpf_map_lookup_elem(&name##_beside, &tid);                                                      \
	}                                                                                                              \
                                                                                                                       \
	static __always_inline void name##_give_back(task *it, __u32 tid)                                              \
	{                                                                                                              \
		if (it->place.owner) {                                                                                 \
			it->place.owner = 0;                                                                           \
			ADD(it->place.claims, -1);                                                                     \
		} else if (!bpf_map_delete_elem(&name##_beside, &tid)) {                                               \
			ADD(name##_are_beside, -1);                                                                    \
		}                                                                                                      \
	}

#endif /* SWAPTRAIL_BPF_TASKS_BPF_H */
