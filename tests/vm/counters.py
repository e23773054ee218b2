#!/usr/bin/env python3
"""Runs inside a guest: what `swaptraild --detail=counters` counts, against the kernel and the workload.

    counters.py DAEMON SWAPTRAIL KIND      KIND: of the swap area that is on (areas.sh)

Three cgroups: `asked` has pages that MADV_PAGEOUT sends out and that are read back, `zero` has some that are zero-filled,
and `limit` stays above its memory limit. Without readahead each fault that had to read has read one page. So the totals are
those of /proc/vmstat, and those of `asked` and `zero` are what /proc/PID/pagemap and the process itself say. No difference is
allowed.

Prints a line for each comparison; exit code 1 if one differs. Needs root.
"""

import contextlib
import json
import mmap
import os
import pathlib
import resource
import struct
import subprocess
import sys
import time

PAGE = mmap.PAGESIZE
MADV_NOHUGEPAGE = 15
MADV_PAGEOUT = 21
CGROUPS = pathlib.Path("/sys/fs/cgroup")
RUN = "/run/swaptrail-counters"
failed = False


def compare(what, ours, truth):
    global failed
    failed |= ours != truth
    print(f"{'ok ' if ours == truth else 'BAD'} {what}: counted {ours}, in truth {truth}", flush=True)


def agree(what, look):
    """Prints what `look()` yields (name, ours, truth), once all are equal. What differs for 30 s on end does not settle: it is wrong."""
    for _ in range(30):
        time.sleep(1)  # the daemon's next sweep, and the answer that it keeps
        rows = list(look())
        if all(ours == truth for _, ours, truth in rows):
            break
    print(what)
    for row in rows:
        compare(*row)


def vmstat():
    return {name: int(value) for name, value in
            (line.split() for line in pathlib.Path("/proc/vmstat").read_text().splitlines())}


def address_of(memory):
    import ctypes
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


def swapped(memory):
    """How many of its pages are in swap."""
    with open("/proc/self/pagemap", "rb", buffering=0) as pagemap:
        pagemap.seek(address_of(memory) // PAGE * 8)
        entries = pagemap.read(len(memory) // PAGE * 8)
    return sum(entry >> 62 & 1 for entry, in struct.iter_unpack("<Q", entries))


def touch(memory):
    return sum(memory[at] for at in range(0, len(memory), PAGE))


def memory_of(pages, zero):
    memory = mmap.mmap(-1, pages * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(MADV_NOHUGEPAGE)
    for page in range(pages):
        memory[page * PAGE:(page + 1) * PAGE] = bytes(PAGE) if zero else os.urandom(PAGE // 4) * 4
    return memory


def asked(pages, zero):
    """Pages out, and back. What was there in between, and how many faults had to read."""
    memory = memory_of(pages, zero)
    touch(memory)
    for _ in range(20):  # what is locked for a moment stays
        memory.madvise(MADV_PAGEOUT)
        time.sleep(0.2)
        if swapped(memory) == pages:
            break
    out = swapped(memory)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_majflt
    touch(memory)
    return {"out": out, "major": resource.getrusage(resource.RUSAGE_SELF).ru_majflt - before}


def limit(pages, _):
    memory = memory_of(pages, False)
    for page in range(pages):
        memory[page * PAGE] = page % 256
    return {}


def prepare(run):
    """Cgroups with a memory controller, and the daemon's folder."""
    if not os.path.ismount(CGROUPS):
        subprocess.run(["mount", "-t", "cgroup2", "none", CGROUPS], check=True)
    (CGROUPS / "cgroup.subtree_control").write_text("+memory")
    os.makedirs(run, exist_ok=True)


def no_readahead():
    pathlib.Path("/proc/sys/vm/page-cluster").write_text("0")


def write_on(group, pages, limit, goes_on=lambda: True):
    """In a cgroup with that limit in bytes: writes to its pages again and again, at least once. Each round swaps them out, and in."""
    group.mkdir(exist_ok=True)
    (group / "memory.max").write_text(str(limit))
    (group / "cgroup.procs").write_text("0")
    memory = mmap.mmap(-1, pages * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(MADV_NOHUGEPAGE)
    round_ = 0
    while True:
        round_ += 1
        for page in range(pages):
            memory[page * PAGE] = (page + round_) & 255
        if not goes_on():
            return


@contextlib.contextmanager
def cgroup(name):
    path = CGROUPS / f"counters-{name}"
    path.mkdir()
    try:
        yield path
    finally:
        path.rmdir()


def in_cgroup(path, work, *arguments, **limits):
    """Runs it in a process of that cgroup; its answer."""
    for name, value in limits.items():
        (path / name.replace("_", ".")).write_text(str(value))
    there, here = os.pipe()
    child = os.fork()
    if child == 0:
        (path / "cgroup.procs").write_text("0")
        os.write(here, json.dumps(work(*arguments)).encode())
        os._exit(0)
    os.close(here)
    answer = os.read(there, 65536)
    os.close(there)
    if os.waitpid(child, 0)[1] != 0:
        sys.exit(f"{work.__name__} did not end well")
    return json.loads(answer)


@contextlib.contextmanager
def daemon(program, option="--detail=counters"):
    process = subprocess.Popen([program, option, "--print=summary", f"--run-dir={RUN}",
                                "--web.listen-address=127.0.0.1:9789"], stderr=subprocess.PIPE, text=True)
    try:
        for line in process.stderr:
            print("   ", line.rstrip(), flush=True)
            if "ready" in line:
                break
        else:
            sys.exit("swaptraild did not start")
        yield
    finally:
        process.terminate()
        process.wait()


def number(row, field):
    return int(row.get(field, 0))  # 64 bits are texts in JSON


def metrics():
    import urllib.request
    with urllib.request.urlopen("http://127.0.0.1:9789/metrics", timeout=10) as answer:
        return [line for line in answer.read().decode().splitlines() if line.startswith("swaptrail_counted_")]


def main(program, client, kind):
    prepare(RUN)
    no_readahead()
    with contextlib.ExitStack() as stack:
        groups = {name: stack.enter_context(cgroup(name)) for name in ("asked", "zero", "limit")}
        stack.enter_context(daemon(program))
        before = vmstat()
        truth = {"asked": in_cgroup(groups["asked"], asked, 3000, False),
                 "zero": in_cgroup(groups["zero"], asked, 1000, True)}
        in_cgroup(groups["limit"], limit, 8000, None, memory_max=16 << 20)
        time.sleep(1)  # writes that have only begun
        after = vmstat()
        time.sleep(2.5)  # the status is of each second
        answer = subprocess.run([client, "status", "-o", "json", f"--socket={RUN}/api.sock"],
                                capture_output=True, text=True)
        if answer.returncode != 0:
            sys.exit(answer.stderr)
        status = json.loads(answer.stdout)
        samples = metrics()
        print(subprocess.run([client, "status", f"--socket={RUN}/api.sock"], capture_output=True, text=True).stdout)
    check(status, {name: after.get(name, 0) - before.get(name, 0) for name in after}, truth, samples)
    return failed


def check(status, kernel, truth, samples):
    rows = status.get("counted", [])
    out = [row for row in rows if row["way"] == "WAY_OUT"]
    back = [row for row in rows if row["way"] == "WAY_IN"]

    def pages(some, **fields):
        return sum(number(row, "pages") for row in some if all(row.get(name) == value for name, value in fields.items()))

    def of(some, name):
        return [row for row in some if row.get("cgroup", {}).get("path") == f"/counters-{name}"]

    compare("detail", status.get("detail"), "counters")
    compare("pages written to the device (pswpout)", pages(out, backend="BACKEND_DEVICE"),
            kernel["pswpout"] - kernel.get("zswpwb", 0))
    compare("pages of zeroes (swpout_zero)", pages(out, backend="BACKEND_ZERO"), kernel.get("swpout_zero", 0))
    compare("pages stored in zswap (zswpout)", pages(out, backend="BACKEND_ZSWAP"), kernel.get("zswpout", 0))
    compare("pages that went nowhere", pages(out, backend="BACKEND_NONE") + pages(out, backend="BACKEND_UNKNOWN"), 0)
    compare("faults that read (pswpin, swpin_zero, zswpin)", sum(number(row, "major") for row in back),
            kernel["pswpin"] + kernel.get("swpin_zero", 0) + kernel.get("zswpin", 0))
    for name, known in truth.items():
        compare(f"pages out of {name}", pages(of(out, name)), known["out"])
        compare("... that were asked for", pages(of(out, name), origin="ORIGIN_PAGEOUT"), known["out"])
        compare(f"pages back to {name}", pages(of(back, name)), known["out"])
        compare(f"... and major faults", sum(number(row, "major") for row in of(back, name)), known["major"])
    compare("pages out of limit are for its limit", pages(of(out, "limit")), pages(of(out, "limit"), origin="ORIGIN_MEMCG_LIMIT"))
    compare("limit swapped", pages(of(out, "limit")) > 1000 and pages(of(back, "limit")) > 1000, True)
    compare("writes among the times", sum(number(time, "operations") for row in out for time in row.get("times", [])),
            sum(number(row, "operations") for row in out))
    compare("faults among the times", sum(number(time, "operations") for row in back for time in row.get("times", [])),
            sum(number(row, "operations") for row in back))
    compare("refused or failed", sum(number(row, "failed") for row in rows), 0)
    compare("records", number(status.get("loss", {}), "emitted"), 0)
    compare("rows of the comparison that differ", [row["counter"] for row in status.get("reconciliation", [])
            if abs(int(row.get("difference", 0))) > int(row.get("allowance", 0))], [])
    counted = sum(float(line.split()[-1]) for line in samples
                  if line.startswith("swaptrail_counted_pages_total{") and 'way="out"' in line)
    compare("the metrics' pages out", int(counted), pages(out))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
