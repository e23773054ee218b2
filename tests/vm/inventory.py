#!/usr/bin/env python3
"""Runs inside a guest: whose pages were in swap before swaptraild began, against the kernel's own books.

    inventory.py DAEMON SWAPTRAIL KIND      KIND: of the swap area that is on (areas.sh)

Processes in cgroups have sent their memory out before the daemon starts: one has read half of it back, one has forked, one has shared
memory only. Another goes on swapping while page tables are read. Then each process holds as many pages as /proc/PID/pagemap says, each
cgroup as many as its memory.swap.current; and what is not explained of the area is exactly what is in no page table: shared memory, and
pages that are in memory again and have kept their slots (/proc/kpageflags). It comes to nothing when those move.

Prints a line for each comparison; exit code 1 if one differs. Needs root.
"""

import contextlib
import json
import os
import signal
import sys
import time

import counters
from counters import PAGE, agree, cgroup, compare, number, write_on
from holders import RUN, Books, Worker, most_in_reserve, near, processes, swap_entries, used_slots

PAGES = 30000


def swap_on(group, pages):
    """A process that does so until it is killed."""
    child = os.fork()
    if child == 0:
        write_on(group, pages, pages * PAGE // 2)
    return child


def wait_for(books):
    for _ in range(600):
        now = books.call("status")["inventory"]
        if now["state"] != "INVENTORY_STATE_READING":
            return now
        time.sleep(0.2)
    sys.exit("page tables are still being read")


def left_behind(group, worker, kept, most):
    """Slots of pages that were mapped and had kept them, and that nobody has any more since they were written to.

    Linux 5.10 copies such a page, and leaves it in the swap cache (mm/memory.c do_wp_page): then it is all of them. Others free them.
    """
    left = int((group / "memory.swap.current").read_text()) // PAGE - worker.swapped()
    return kept if abs(left - kept) <= most else 0


def check(what, books, workers, groups, hidden, most):
    """hidden: cgroup -> how many of its slots are in no page table."""
    def look():
        yield from processes(books, workers, most)
        by_cgroup, no_table = books.by_cgroup(), {name: slots() for name, slots in hidden.items()}
        for name, group in groups.items():
            truth = int((group / "memory.swap.current").read_text()) // PAGE - no_table.get(name, 0)
            yield near(f"  pages of cgroup {name}", by_cgroup.get(f"/{group.name}", 0), truth, -most, most)
        area = books.ask("area")["areas"][0]
        yield "  used is the kernel's", number(area, "used"), used_slots()
        # A CPU has as many slots again that it has yet to give back (slots_ret, mm/swap_slots.c).
        yield near("  not explained is what no page table has", number(area, "unexplained"), sum(no_table.values()), -most, 2 * most)

    agree(what, look)
    print("   ", books.ask("area")["areas"][0].get("note", ""))


def main(program, client, _):
    counters.prepare(RUN)
    counters.no_readahead()
    counters.RUN = RUN
    books = Books(client)
    most = most_in_reserve()
    with contextlib.ExitStack() as stack:
        groups = {name: stack.enter_context(cgroup(name)) for name in ("one", "two", "file", "busy")}
        workers = {"one": Worker(groups["one"], PAGES), "two": Worker(groups["two"], 2000)}
        shared = Worker(groups["file"], 1500, shared=True)
        for worker in (*workers.values(), shared):
            worker.out()
        workers["one"].do("h")
        child = int(workers["two"].do("f"))
        busy = swap_on(groups.pop("busy"), 6000)
        for end in (lambda: time.sleep(0.5), lambda: os.kill(child, signal.SIGKILL), shared.end,
                    *(worker.end for worker in workers.values())):
            stack.callback(end)
        time.sleep(1)
        stack.enter_context(counters.daemon(program, "--inventory-cpu=50"))
        found = wait_for(books)
        os.kill(busy, signal.SIGKILL)
        os.waitpid(busy, 0)
        print(json.dumps(found))
        compare("  all were read", found["state"], "INVENTORY_STATE_DONE")
        compare("  found is no more than was read", number(found, "slots_found") <= number(found, "entries"), True)
        hidden = {name: worker.kept for name, worker in workers.items()}
        hidden["file"] = lambda: int((groups["file"] / "memory.swap.current").read_text()) // PAGE
        check("before anything moves", books, workers, groups, hidden, most)
        kept = workers["one"].kept()
        two = books.by_pid()[workers["two"].pid]
        both = workers["two"].swapped()
        compare("  what two and its child have is shared", number(two, "shared_pages"), both)
        compare("  the kernel says so too", number(two, "kernel_pages"), both)
        one = next(row for row in books.ask("cgroup")["rows"] if row.get("cgroup", {}).get("path") == f"/{groups['one'].name}")
        compare("  and what one's cgroup has", number(one, "kernel_pages"), int((groups["one"] / "memory.swap.current").read_text()) // PAGE)
        compare("  and the child has it too", swap_entries(child, workers["two"].address, 2000 * PAGE), both)
        page = books.call("page", f"--pid={workers['two'].pid}", f"--addr={workers['two'].address:#x}")
        compare("  its first page", (page["state"], page["slot"]["found"], page["slot"]["process"]["pid"] in (workers["two"].pid, child)),
                ("PAGE_STATE_SWAPPED", True, True))
        compare("  all of it was found", number(two, "found_pages"), both)
        workers["one"].do("w")
        workers["one"].out()
        shared.do("w")
        check("one has been out again, and the file was written to", books, workers, groups,
              {"one": lambda: left_behind(groups["one"], workers["one"], kept, most)}, most)
        slot = books.call("page", f"--pid={workers['one'].pid}", f"--addr={workers['one'].address:#x}")["slot"]
        # One that was in the swap cache before, and has been written again, may still be there: nobody has put it out yet.
        by_one = (slot.get("put_by", {}).get("pid"), slot.get("origin")) == (workers["one"].pid, "ORIGIN_PAGEOUT")
        compare("  the first page of one was put there by one, or is in memory too", by_one or slot.get("cached", False), True)
        compare("  nothing of one is of before, but slots in reserve", number(books.by_pid()[workers["one"].pid], "found_pages") <= most, True)
    return counters.failed


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
