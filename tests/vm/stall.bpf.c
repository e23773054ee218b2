// SPDX-License-Identifier: GPL-2.0
/*
 * Holds reclaim still for a moment, between the slot and the unmapping, so that a test can look at a
 * page in that state: try_to_unmap() of a process called "page-stalled" waits at its begin until the
 * test sets `released`, but not so long that a watchdog of the kernel takes it for a lockup (20 s). A
 * real kernel is never there for longer than microseconds.
 */
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

#define AT_MOST_NS 15000000000ULL
#define ROUNDS (1 << 22)

static const char name[] = "page-stalled";

volatile __u32 released;

struct wait {
	__u64 until_ns;
};

static long wait_a_little(__u32 index, struct wait *wait)
{
	return released || bpf_ktime_get_ns() >= wait->until_ns;
}

static long wait_more(__u32 index, struct wait *wait)
{
	bpf_loop(ROUNDS, wait_a_little, wait, 0);
	return wait_a_little(index, wait);
}

SEC("fentry/try_to_unmap") int stall(void *ctx)
{
	char comm[16] = {};
	struct wait wait;

	bpf_get_current_comm(comm, sizeof(comm));
	for (unsigned int i = 0; i < sizeof(name); i++)
		if (comm[i] != name[i])
			return 0;
	wait.until_ns = bpf_ktime_get_ns() + AT_MOST_NS;
	bpf_loop(64, wait_more, &wait, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
