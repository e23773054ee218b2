// SPDX-License-Identifier: GPL-2.0
/* full mode: fentry and fexit programs, which read kernel memory through BTF pointers only. */
#define SWAPTRAIL_DIRECT
#include "stages.bpf.h"

#define __VMLINUX_H__ /* pt_regs as the kernel names its fields: see kernel_types.h */
#include <bpf/bpf_tracing.h>

/* libbpf finds the target at run time: see daemon/probe/attach_plan. */
#define arg(i) (ctx[i])

#define ENTRY_PROGRAM(name, call)                                                                                      \
	SEC("?fentry") int name(__u64 *ctx)                                                                            \
	{                                                                                                              \
		call;                                                                                                  \
		return 0;                                                                                              \
	}

#define EXIT_PROGRAM(name, n, call)                                                                                    \
	SEC("?fexit") int name(__u64 *ctx)                                                                             \
	{                                                                                                              \
		__u64 ret __attribute__((unused)) = ctx[n];                                                            \
		call;                                                                                                  \
		return 0;                                                                                              \
	}

#include "programs.bpf.h"

char LICENSE[] SEC("license") = "GPL";
