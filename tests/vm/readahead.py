#!/usr/bin/env python3
"""Runs inside a guest: `swaptrail readahead`, against swap_ra and swap_ra_hit of /proc/vmstat and what a process did.

    readahead.py DAEMON SWAPTRAIL KIND      KIND: of the swap area that is on (areas.sh): one that is not synchronous

A process sends its memory out and reads all of it in order; and then one page in 64 of it, and ends. First hardly anything that is read ahead is in
vain, then nearly all. Prints a line for each comparison; exit code 1 if one differs. Needs root.
"""

import contextlib
import pathlib
import sys

import counters
from counters import agree, cgroup, compare, number
from holders import RUN, Books, Worker
from swapoff import leave_memory

PAGES = 4096
STRIDE = 64


def check(what, books, group, wanted, shares):
    """wanted: pages that faults asked for themselves. shares: the least and the most of read ahead that is in vain."""
    def look():
        answer = books.call("readahead")
        total = answer["total"]
        ahead = number(total, "read_pages") - number(total, "wanted_pages")
        yield "  read ahead, as the kernel counts", ahead, number(answer, "kernel_read_ahead")
        used, hits = number(total, "used_pages"), number(answer, "kernel_hits")
        # the kernel counts a page when it is looked up: it may be gone again, or of another process, when the fault goes on
        yield "  used is what the kernel found again", abs(used - hits) <= max(4, hits // 100), True
        rows = {row.get("cgroup", {}).get("path", ""): row for row in answer["rows"]}
        own = rows.get(f"/{group.name}", {})
        yield "  all of it is the cgroup's", number(own, "read_pages") >= 0.98 * number(total, "read_pages"), True
        yield f"  at least {wanted} were asked for", number(own, "wanted_pages") + number(own, "used_pages") >= wanted, True
        settled = number(total, "used_pages") + number(total, "dropped_pages")
        share = number(total, "dropped_pages") / max(1, settled)
        yield f"  in vain: {100 * share:.1f} %", shares[0] <= share <= shares[1], True

    agree(what, look)


def main(program, client, _):
    counters.prepare(RUN)
    counters.RUN = RUN
    pathlib.Path("/proc/sys/vm/page-cluster").write_text("3")
    books = Books(client)
    for what, order, wanted, shares in (("all is read in order", "r", PAGES, (0, 0.1)),
                                        (f"one page in {STRIDE} is read", "s", PAGES // STRIDE, (0.5, 1))):
        with contextlib.ExitStack() as stack:
            group = stack.enter_context(cgroup("ahead"))
            worker = Worker(group, PAGES)
            worker.out()
            leave_memory(group)
            stack.enter_context(counters.daemon(program, "--allow-no-swap"))
            worker.do(order)
            if order == "s":
                worker.end()
            check(what, books, group, wanted, shares)
            if order == "r":
                worker.end()
            compare("  the cgroup is empty", (group / "cgroup.procs").read_text(), "")
    return counters.failed


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
