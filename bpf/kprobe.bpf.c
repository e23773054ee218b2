// SPDX-License-Identifier: GPL-2.0
/*
 * kprobe mode: for kernels that can't run fentry programs (arm64 before 6.4, no
 * direct ftrace calls). A return probe knows no arguments, so each exit program
 * X comes with X_entry, which keeps them by thread and program.
 */
#include "stages.bpf.h"

#define __VMLINUX_H__ /* pt_regs as the kernel names its fields: see kernel_types.h */
#include <bpf/bpf_tracing.h>

#define MAX_CALLS 65536

struct call_key {
	__u32 tid;
	__u32 program;
};

struct call {
	__u64 args[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_CALLS);
	__type(key, struct call_key);
	__type(value, struct call);
} calls SEC(".maps");

static __always_inline int keep_call(struct pt_regs *regs, __u32 program)
{
	struct call_key key = { .tid = current_tid(), .program = program };
	struct call call = { { PT_REGS_PARM1(regs), PT_REGS_PARM2(regs), PT_REGS_PARM3(regs), PT_REGS_PARM4(regs) } };

	if (bpf_map_update_elem(&calls, &key, &call, BPF_ANY))
		count_context_full();
	return 0;
}

/* Takes the arguments stored for this thread and program; false: the begin was not seen. */
static __always_inline bool take_call(__u32 program, struct call *call)
{
	struct call_key key = { .tid = current_tid(), .program = program };
	struct call *kept = bpf_map_lookup_elem(&calls, &key);

	if (!kept)
		return false;
	*call = *kept;
	bpf_map_delete_elem(&calls, &key);
	return true;
}

#define arg(i) (call.args[i])

#define ENTRY_PROGRAM(name, body)                                                                                      \
	SEC("?kprobe") int name(struct pt_regs *regs)                                                                  \
	{                                                                                                              \
		struct call call __attribute__((unused)) = { { PT_REGS_PARM1(regs), PT_REGS_PARM2(regs),               \
							       PT_REGS_PARM3(regs), PT_REGS_PARM4(regs) } };           \
		body;                                                                                                  \
		return 0;                                                                                              \
	}

/* __LINE__ distinguishes the exit programs in the table of calls. */
#define EXIT_PROGRAM(name, n, body)                                                                                    \
	SEC("?kprobe") int name##_entry(struct pt_regs *regs)                                                          \
	{                                                                                                              \
		return keep_call(regs, __LINE__);                                                                      \
	}                                                                                                              \
	SEC("?kretprobe") int name(struct pt_regs *regs)                                                               \
	{                                                                                                              \
		__u64 ret __attribute__((unused)) = PT_REGS_RC(regs);                                                  \
		struct call call;                                                                                      \
                                                                                                                       \
		if (!take_call(__LINE__, &call))                                                                       \
			return 0;                                                                                      \
		body;                                                                                                  \
		return 0;                                                                                              \
	}

#include "programs.bpf.h"

char LICENSE[] SEC("license") = "GPL";
