#!/usr/bin/env python3
"""Runs inside a guest: who holds swap by `swaptrail holders`, against the kernel's own books.

    holders.py DAEMON SWAPTRAIL KIND      KIND: of the swap area that is on (areas.sh)

Processes in cgroups send their memory out, read some of it back, share it, fork and end. After each step, when nothing moves any more:
each process holds as many pages as /proc/PID/pagemap says (those that are back in memory and have kept their slot aside), each
cgroup as many as its memory.swap.current, and all together the used slots of /proc/swaps, but for slots that a CPU keeps ready.
No other difference is allowed.

Prints a line for each comparison; exit code 1 if one differs. Needs root.
"""

import contextlib
import json
import mmap
import os
import pathlib
import signal
import struct
import subprocess
import sys
import time

from counters import PAGE, MADV_NOHUGEPAGE, MADV_PAGEOUT, agree, cgroup, compare, number, touch
import counters

RUN = "/run/swaptrail-holders"
KPF_SWAPCACHE = 13
RESERVE = 64  # SWAP_SLOTS_CACHE_SIZE, of each CPU (mm/swap_slots.c, up to Linux 6.15)


def swap_entries(pid, address, length):
    """How many pages of the range lie in swap, by the page tables."""
    with open(f"/proc/{pid}/pagemap", "rb", buffering=0) as pagemap:
        pagemap.seek(address // PAGE * 8)
        entries = pagemap.read(length // PAGE * 8)
    return sum(entries[at + 7] >> 6 & 1 for at in range(0, len(entries), 8))


class Worker:
    """A process in a cgroup, that does what it is told with its memory."""

    def __init__(self, group, pages, shared=False):
        there, self.orders = os.pipe()
        self.answers, here = os.pipe()
        self.pages = pages
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.orders)
            (group / "cgroup.procs").write_text("0")
            self.serve(there, here, shared)
            os._exit(0)
        os.close(there)
        os.close(here)
        self.address = int(os.read(self.answers, 100))

    def serve(self, there, here, shared):
        if shared:
            descriptor = os.memfd_create("holders")
            os.ftruncate(descriptor, self.pages * PAGE)
            memory = mmap.mmap(descriptor, self.pages * PAGE)
        else:
            memory = mmap.mmap(-1, self.pages * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        memory.madvise(MADV_NOHUGEPAGE)
        for page in range(self.pages):
            memory[page * PAGE:(page + 1) * PAGE] = os.urandom(PAGE // 4) * 4 if page % 8 else bytes(PAGE)
        os.write(here, str(counters.address_of(memory)).encode())
        while order := os.read(there, 1):
            half = memory if order != b"h" else memoryview(memory)[:self.pages // 2 * PAGE]
            if order == b"o":
                memory.madvise(MADV_PAGEOUT)
            elif order in (b"r", b"h"):
                touch(half)
            elif order == b"s":
                for page in range(0, self.pages, 64):
                    _ = memory[page * PAGE]
            elif order == b"w":
                for page in range(self.pages):
                    memory[page * PAGE] = 1
            elif order == b"f":
                child = os.fork()
                if child == 0:
                    signal.pause()
                os.write(here, str(child).encode())
                continue
            os.write(here, b"x")

    def do(self, order):
        os.write(self.orders, order.encode())
        return os.read(self.answers, 100)

    def out(self):
        """All of it, and a few times: what is locked for a moment stays."""
        for _ in range(20):
            self.do("o")
            time.sleep(0.2)
            if self.swapped() == self.pages:
                return

    def swapped(self):
        return swap_entries(self.pid, self.address, self.pages * PAGE)

    def kept(self):
        return kept(self.pid, self.address, self.pages * PAGE)

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


class Books:
    def __init__(self, client):
        self.client = client

    def call(self, *words):
        answer = subprocess.run([self.client, *words, "-o", "json", f"--socket={RUN}/api.sock"], capture_output=True, text=True)
        if answer.returncode != 0:
            sys.exit(answer.stderr)
        return json.loads(answer.stdout)

    def ask(self, by):
        return self.call("holders", f"--by={by}", "--rows=1000")

    def by_pid(self):
        return {row.get("process", {}).get("pid"): row for row in self.ask("process").get("rows", [])}

    def by_cgroup(self):
        return {row.get("cgroup", {}).get("path", ""): number(row, "pages") for row in self.ask("cgroup").get("rows", [])}


def kept(pid, address, length):
    """How many pages of the range are mapped, and in the swap cache: they have kept their slots."""
    with open(f"/proc/{pid}/pagemap", "rb", buffering=0) as pagemap, open("/proc/kpageflags", "rb", buffering=0) as flags:
        pagemap.seek(address // PAGE * 8)
        count = 0
        for entry, in struct.iter_unpack("<Q", pagemap.read(length // PAGE * 8)):
            if entry >> 63:
                flags.seek((entry & (1 << 55) - 1) * 8)
                count += int.from_bytes(flags.read(8), "little") >> KPF_SWAPCACHE & 1
        return count


def used_slots():
    return sum(int(line.split()[3]) * 1024 // PAGE for line in pathlib.Path("/proc/swaps").read_text().splitlines()[1:])


def reserves():
    """Does a CPU keep slots ready?"""
    return any(line.split()[2] in ("free_swap_slot", "free_slot_cache") for line in open("/proc/kallsyms"))


def most_in_reserve():
    """No event says that a slot is in reserve: until it is free it has its last owner."""
    return RESERVE * os.cpu_count() if reserves() else 0


def near(what, ours, truth, least, most):
    """A comparison that allows ours - truth from least to most."""
    return (f"{what} (counted {ours})", truth, truth) if ours != truth and least <= ours - truth <= most else (what, ours, truth)


def processes(books, workers, most):
    """What is mapped and has kept its slot is not in the page tables."""
    by_pid = books.by_pid()
    for name, worker in workers.items():
        row = by_pid.get(worker.pid, {})
        yield near(f"  pages of {name}", number(row, "pages") - number(row, "mapped_pages"), worker.swapped(), 0, most)


def check(what, books, workers, groups):
    most = most_in_reserve()
    held = 0

    def look():
        nonlocal held
        yield from processes(books, workers, most)
        by_cgroup = books.by_cgroup()
        for name, group in groups.items():
            yield f"  pages of cgroup {name}", by_cgroup.get(f"/{group.name}", 0), int((group / "memory.swap.current").read_text()) // PAGE
        answer = books.ask("area")
        held = sum(number(row, "pages") for row in answer.get("rows", []))
        yield "  the areas' rows are all that is held", sum(number(area, "held") for area in answer.get("areas", [])), held
        yield near("  held is what the kernel uses", held, used_slots(), -most, most)
        yield "  slots in reserve are few", sum(number(row, "reserve_pages") for row in answer.get("rows", [])) <= most, True

    agree(what, look)
    return held


def main(program, client, _):
    counters.prepare(RUN)
    counters.no_readahead()
    counters.RUN = RUN
    with contextlib.ExitStack() as stack:
        groups = {name: stack.enter_context(cgroup(name)) for name in ("one", "two", "file")}
        stack.enter_context(counters.daemon(program, "--allow-no-swap"))
        books = Books(client)
        workers = {"one": Worker(groups["one"], 3000), "two": Worker(groups["two"], 2000)}
        check("before anything goes out", books, workers, groups)
        for worker in workers.values():
            worker.out()
        check("all is out", books, workers, groups)
        workers["one"].do("h")
        check("half of one is read back", books, workers, groups)
        workers["one"].out()
        check("and out again", books, workers, groups)
        workers["two"].do("w")
        check("two is written to", books, workers, groups)
        workers["two"].out()
        shared = Worker(groups["file"], 1500, shared=True)
        shared.out()
        check("a file in memory goes out", books, workers, groups)
        objects = [row for row in books.ask("object").get("rows", []) if row.get("object")]
        compare("  pages of the file", sum(number(row, "pages") for row in objects),
                int((groups["file"] / "memory.swap.current").read_text()) // PAGE)
        compare("  one file", len(objects), 1)
        child = int(workers["two"].do("f"))
        workers["two"].end()
        del workers["two"]
        held = check("two forks and is killed: its child has its pages", books, workers, groups)
        compare("  still there", held >= 3000 + 2000, True)
        os.kill(child, signal.SIGKILL)
        workers["one"].end()
        shared.end()
        workers.clear()
        compare("  nothing is held", check("all have ended", books, workers, groups) <= RESERVE * os.cpu_count(), True)
    return counters.failed


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
