#!/usr/bin/env python3
"""Runs inside a guest: an inventory of millions of slots that were used before swaptraild began.

    many_slots.py DAEMON SWAPTRAIL GIB

One process has GIB GiB in swap, mostly pages of zeroes, for which the kernel takes a slot and writes nothing (Linux 6.12 and later). Another
swaps while page tables are read. Held: each page of the first is found, as /proc/PID/pagemap has it, and no record is lost. Prints what it took.
"""

import contextlib
import ctypes
import json
import mmap
import os
import pathlib
import signal
import sys
import time

import counters
from counters import MADV_NOHUGEPAGE, PAGE, cgroup, compare, number
from holders import RUN, Books, swap_entries
from inventory import swap_on, wait_for

STEP = 64 << 20


def hold(group, length, ready):
    (group / "cgroup.procs").write_text("0")
    (group / "memory.max").write_text(str(256 << 20))
    memory = mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(MADV_NOHUGEPAGE)
    address = counters.address_of(memory)
    for at in range(0, length, STEP):
        ctypes.memset(address + at, 0, min(STEP, length - at))  # a fault for reading would map the zero page
        memory[at:at + 16] = os.urandom(16)
    os.write(ready, str(address).encode())
    signal.pause()


def status_of(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return {line.split(":")[0]: line.split()[1] for line in text.splitlines() if "kB" in line}


def main(program, client, gib):
    length = int(gib) << 30
    counters.prepare(RUN)
    counters.no_readahead()
    counters.RUN = RUN
    books = Books(client)
    with contextlib.ExitStack() as stack:
        groups = {name: stack.enter_context(cgroup(name)) for name in ("much", "busy")}
        there, here = os.pipe()
        began = time.monotonic()
        holder = os.fork()
        if holder == 0:
            hold(groups["much"], length, here)
        os.close(here)
        stack.callback(os.waitpid, holder, 0)
        stack.callback(os.kill, holder, signal.SIGKILL)
        address = int(os.read(there, 100))
        print(f"    {length // PAGE} pages were written in {time.monotonic() - began:.0f} s; VmSwap {status_of(holder)['VmSwap']} kB", flush=True)
        busy = swap_on(groups["busy"], 6000)
        stack.callback(os.waitpid, busy, 0)
        stack.callback(os.kill, busy, signal.SIGKILL)
        stack.enter_context(counters.daemon(program, f"--max-slots={length // PAGE * 2}"))
        found = wait_for(books)
        print("   ", json.dumps(found), flush=True)
        status = books.call("status")
        answer = books.ask("process")
        row = next(row for row in answer["rows"] if row.get("process", {}).get("pid") == holder)
        compare("all were read", found["state"], "INVENTORY_STATE_DONE")
        in_range = swap_entries(holder, address, length)
        print(f"    {in_range} by its page table; the process has some beside", flush=True)
        # what is mapped and has kept its slot is not in the page table
        compare("its pages", number(row, "pages") - number(row, "mapped_pages"), int(status_of(holder)["VmSwap"]) * 1024 // PAGE)
        compare("records lost meanwhile", number(status.get("loss", {}), "dropped_ring_full"), 0)
        slots = sum(number(area, "held") for area in answer["areas"])
        print(f"    {number(status.get('loss', {}), 'emitted')} records meanwhile; {slots} slots in {number(answer, 'table_bytes')} bytes, "
              f"{number(answer, 'table_bytes') / slots:.1f} each; swaptraild has {number(status, 'resident_bytes') >> 20} MiB")
        began = time.monotonic()
        areas = books.call("areas")
        print(f"    swaptrail areas took {time.monotonic() - began:.2f} s")
        compare("pages from before, by area", number(areas["areas"][0], "older_pages") >= number(row, "pages"), True)
    return counters.failed


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
