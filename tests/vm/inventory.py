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
import mmap
import os
import pathlib
import signal
import subprocess
import sys
import time

import counters
import holders
from counters import CGROUPS, MADV_NOHUGEPAGE, PAGE, cgroup, compare, number
from holders import RESERVE, RUN, Books, Worker, reserves, settle, swap_entries, used_slots

PAGES = 30000


def swap_on(group, pages):
    """Writes to more memory than its cgroup may have, until it is killed."""
    child = os.fork()
    if child:
        return child
    (group / "memory.max").write_text(str(pages * PAGE // 2))
    (group / "cgroup.procs").write_text("0")
    memory = mmap.mmap(-1, pages * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(MADV_NOHUGEPAGE)
    round_ = 0
    while True:
        round_ += 1
        for page in range(pages):
            memory[page * PAGE] = (page + round_) & 255


def inventory(books):
    answer = subprocess.run([books.client, "status", "-o", "json", f"--socket={RUN}/api.sock"], capture_output=True, text=True)
    if answer.returncode != 0:
        sys.exit(answer.stderr)
    return json.loads(answer.stdout)["inventory"]


def wait_for(books):
    for _ in range(600):
        now = inventory(books)
        if now["state"] != "INVENTORY_STATE_READING":
            return now
        time.sleep(0.2)
    sys.exit("page tables are still being read")


def left_behind(group, worker, kept, most):
    """Slots of pages that were mapped and had kept them, and that nobody has any more since they were written to.

    Linux 5.10 copies such a page, and leaves it in the swap cache (mm/memory.c do_wp_page): then it is all of them. Others free them.
    """
    left = int((group / "memory.swap.current").read_text()) // PAGE - worker.swapped()
    all_or_none = abs(left) <= most or abs(left - kept) <= most
    compare(f"  pages that one has left behind ({left} of {kept}) are all or none", all_or_none, True)
    return left if left > most else 0


def row_of(books, pid):
    return next((row for row in books.ask("process").get("rows", []) if row.get("process", {}).get("pid") == pid), {})


def check(what, books, workers, groups, hidden, most):
    settle()
    print(what)
    for name, worker in workers.items():
        ours, truth = books.pages_of(worker.pid), worker.swapped()
        compare(f"  pages of {name}{f' (counted {ours})' if ours != truth else ''}", truth if 0 <= ours - truth <= most else ours, truth)
    by_cgroup = {row.get("cgroup", {}).get("path", ""): number(row, "pages") for row in books.ask("cgroup").get("rows", [])}
    for name, group in groups.items():
        truth = int((group / "memory.swap.current").read_text()) // PAGE - hidden.get(name, 0)
        ours = by_cgroup.get(f"/{group.name}", 0)
        compare(f"  pages of cgroup {name}{f' (counted {ours})' if ours != truth else ''}", truth if abs(ours - truth) <= most else ours, truth)
    area = books.ask("area")["areas"][0]
    compare("  used is the kernel's", number(area, "used"), used_slots())
    rest, truth = number(area, "unexplained"), sum(hidden.values())
    compare(f"  not explained is what no page table has{f' (counted {rest})' if rest != truth else ''}",
            truth if abs(rest - truth) <= most else rest, truth)
    if truth > most:
        print("   ", area.get("note"))


def main(program, client, _):
    if not os.path.ismount(CGROUPS):
        subprocess.run(["mount", "-t", "cgroup2", "none", CGROUPS], check=True)
    (CGROUPS / "cgroup.subtree_control").write_text("+memory")
    os.makedirs(RUN, exist_ok=True)
    pathlib.Path("/proc/sys/vm/page-cluster").write_text("0")
    counters.RUN = RUN
    books = Books(client)
    most = RESERVE * os.cpu_count() if reserves() else 0
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
        kept = {name: worker.kept() for name, worker in workers.items()}
        file = int((groups["file"] / "memory.swap.current").read_text()) // PAGE
        check("before anything moves", books, workers, groups, {"file": file, **kept}, most)
        two = row_of(books, workers["two"].pid)
        both = workers["two"].swapped()
        compare("  what two and its child have is shared", number(two, "shared_pages"), both)
        compare("  and the child has it too", swap_entries(child, workers["two"].address, 2000 * PAGE), both)
        compare("  all of it was found", number(two, "found_pages"), both)
        workers["one"].do("w")
        workers["one"].out()
        shared.do("w")
        check("one has been out again, and the file was written to", books, workers, groups,
              {"one": left_behind(groups["one"], workers["one"], kept["one"], most)}, most)
        compare("  nothing of one is of before, but slots in reserve", number(row_of(books, workers["one"].pid), "found_pages") <= most, True)
    return counters.failed


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
