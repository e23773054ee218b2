#!/usr/bin/env python3
"""Runs inside a guest: `swaptrail swapoff-plan`, against what a real swapoff does.

    swapoff.py DAEMON SWAPTRAIL KIND      KIND: of the swap area that is on (areas.sh): one whose reads are slow

What must come back is what page tables and memory.swap.current have. A swapoff that is killed halfway has freed as many slots as pages
came back; one that ends is followed to its end. If the plan says that memory does not suffice, since the cgroup's limit leaves no room, the
swapoff fails, or the OOM killer ends the process.

Prints a line for each comparison; exit code 1 if one differs. Needs root.
"""

import contextlib
import pathlib
import signal
import subprocess
import sys
import time

from counters import PAGE, agree, cgroup, compare, number
import counters
from holders import RUN, Books, Worker, most_in_reserve, near, used_slots


def area_path():
    return pathlib.Path("/proc/swaps").read_text().splitlines()[1].split()[0]


def kernel_held(groups):
    return {name: int((group / "memory.swap.current").read_text()) // PAGE for name, group in groups.items()}


def swapped(workers):
    """VmSwap of all: reclaim takes what else they have too."""
    return sum(int(line.split()[1]) * 1024 // PAGE for worker in workers.values()
               for line in pathlib.Path(f"/proc/{worker.pid}/status").read_text().splitlines() if line.startswith("VmSwap:"))


def check_plan(what, books, workers, groups, area):
    def look():
        plan, held, most = books.call("swapoff-plan", area), kernel_held(groups), most_in_reserve()
        yield near("  to be brought back", number(plan, "need_pages"), swapped(workers), 0, most)
        yield near("  to be brought back, by cgroup", number(plan, "need_pages"), sum(held.values()), 0, most)
        rows = {row.get("cgroup", {}).get("path", ""): number(row, "pages") for row in plan.get("cgroups", [])}
        for name, group in groups.items():
            yield near(f"  of cgroup {name}", rows.get(f"/{group.name}", 0), held[name], -most, 0)
        yield "  verdict", plan.get("verdict"), "SWAPOFF_VERDICT_FITS"
        # slots that a CPU keeps ready are nobody's
        yield "  why not", [reason for reason in plan.get("reasons", []) if most == 0 or not reason.startswith("whose ")], []

    agree(what, look)


def swap_cached(group):
    return next(int(line.split()[1]) for line in (group / "memory.stat").read_text().splitlines() if line.startswith("swapcached "))


def leave_memory(group):
    """What was written asynchronously stays in the swap cache until somebody reclaims it."""
    for _ in range(50):
        if swap_cached(group) == 0:
            return
        with contextlib.suppress(OSError):  # it could not reclaim all of that
            (group / "memory.reclaim").write_text(str(swap_cached(group)))
        time.sleep(0.2)
    sys.exit(f"{swap_cached(group)} bytes stay in the swap cache")


class Watch:
    """`swaptrail swapoff-plan --watch` beside a swapoff."""

    def __init__(self, books, area):
        self.process = subprocess.Popen([books.client, "swapoff-plan", area, "--watch", f"--socket={RUN}/api.sock"], stdout=subprocess.PIPE,
                                        text=True)

    def end(self):
        text = self.process.communicate(timeout=60)[0]
        print("".join(f"    {line}\n" for line in text.splitlines()[-4:]), end="")
        return self.process.returncode, text


def killed_halfway(books, workers, area):
    before = swapped(workers)
    watch = Watch(books, area)
    swapoff = subprocess.Popen(["swapoff", area])
    seen = []
    while not seen or number(seen[-1], "done_pages") < before // 3:
        plan = books.call("swapoff-plan", area)
        if plan.get("progress"):
            seen.append(plan["progress"])
        if swapoff.poll() is not None:
            sys.exit(f"swapoff ended too early: {swapoff.returncode}")
        time.sleep(0.2)
    compare("  it is seen to run, by swapoff", (seen[-1]["running"], seen[-1]["process"].get("comm")), (True, "swapoff"))
    compare("  and how long the rest takes", "left" in seen[-1], True)
    swapoff.send_signal(signal.SIGINT)
    compare("  swapoff fails", swapoff.wait() != 0, True)
    code, text = watch.end()
    if used_slots() == 0:  # it goes on with one process at a time, and may have been with the last one (mm/swapfile.c: unuse_mm)
        compare("  the kernel went on to the end, and who watches it learns that", (code, text.splitlines()[-1]), (0, f"{area} is off"))
        subprocess.run(["swapon", area], check=True)
        return
    compare("  and who watches it learns that", code, 1)

    def look():
        progress = books.call("swapoff-plan", area).get("progress", {})
        yield near("  pages that came back", number(progress, "done_pages"), before - swapped(workers), -1, 1)
        yield "  it runs", progress.get("running", False), False

    agree("a swapoff that is killed", look)


def to_its_end(books, workers, area):
    watch = Watch(books, area)
    compare("  swapoff", subprocess.run(["swapoff", area], check=False).returncode, 0)
    code, text = watch.end()
    compare("  it was followed to its end", (code, text.splitlines()[-1]), (0, f"{area} is off"))
    compare("  nothing is in swap", swapped(workers), 0)
    compare("  no slot is used", used_slots(), 0)
    subprocess.run(["swapon", area], check=True)


def beyond_a_limit(books, workers, groups, area):
    group = groups["one"]
    room = 100
    (group / "memory.max").write_text(str(int((group / "memory.current").read_text()) + room * PAGE))
    plan = books.call("swapoff-plan", area)
    print("   ", plan.get("reasons"))
    row = next(row for row in plan["cgroups"] if row["cgroup"]["path"] == f"/{group.name}")
    compare("  room", number(row, "room_pages") <= room and row["limited_by"] == f"/{group.name}", True)
    compare("  verdict", plan["verdict"], "SWAPOFF_VERDICT_FAILS")
    failed = subprocess.run(["swapoff", area], check=False).returncode != 0
    killed = "oom_kill 0" not in (group / "memory.events").read_text()
    compare("  swapoff fails, or a process is killed", failed or killed, True)
    print(f"    swapoff {'failed' if failed else 'ended'}, and the OOM killer came {'' if killed else 'not '}to the cgroup")
    (group / "memory.max").write_text("max")
    if not failed:
        subprocess.run(["swapon", area], check=True)


def main(program, client, _):
    counters.prepare(RUN)
    counters.no_readahead()
    counters.RUN = RUN
    area = area_path()
    with contextlib.ExitStack() as stack:
        groups = {name: stack.enter_context(cgroup(name)) for name in ("one", "two")}
        stack.enter_context(counters.daemon(program, "--allow-no-swap"))
        books = Books(client)
        workers = {"one": Worker(groups["one"], 1000), "two": Worker(groups["two"], 500)}

        def all_out():
            for worker in workers.values():
                worker.out()
            for group in groups.values():
                leave_memory(group)

        all_out()
        compare("how long it takes is not known yet", books.call("swapoff-plan", area).get("expected"), None)
        check_plan("all is out", books, workers, groups, area)
        killed_halfway(books, workers, area)
        all_out()
        check_plan("all is out again", books, workers, groups, area)
        to_its_end(books, workers, area)
        all_out()
        beyond_a_limit(books, workers, groups, area)
        for worker in workers.values():
            worker.end()
    return counters.failed


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
