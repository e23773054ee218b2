"""Which device a page is said to be on, while swap areas leave holes and change places.

    area_names.py DAEMON SWAPTRAIL MODE

Runs in a guest. True: the swap type of each page, from /proc/self/pagemap, and which device took that
page, known from the order of swapon and swapoff: a new area takes the lowest type that is free.
"""

import ctypes
import json
import mmap
import os
import signal
import struct
import subprocess
import sys
import time
import urllib.request

DAEMON, SWAPTRAIL, MODE = sys.argv[1:4]
PAGES, PAGE = 256, 4096
MADV_PAGEOUT = 21
checks = failures = 0


def check(what, is_so, detail=""):
    global checks, failures
    checks += 1
    if is_so:
        return
    failures += 1
    print(f"FAILED: {what} {detail}", flush=True)


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def ask(*words):
    return json.loads(run(SWAPTRAIL, *words, "-o", "json"))


def swaps():
    with open("/proc/swaps") as file:
        return [line.split()[0] for line in file.read().splitlines()[1:]]


class Pages:
    """Memory of this process that goes out and comes back."""

    def __init__(self):
        self.memory = mmap.mmap(-1, PAGES * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))

    def out(self):
        for page in range(PAGES):
            self.memory[page * PAGE:page * PAGE + 16] = os.urandom(16)
        for _ in range(20):
            self.memory.madvise(MADV_PAGEOUT)
            if len(self.entries()) == PAGES:
                break
            time.sleep(0.05)
        entries = self.entries()
        check("nearly all pages go out", len(entries) > PAGES * 3 / 4, len(entries))
        return entries

    def entries(self):
        """Page number -> (type, offset), of the pages that are in swap."""
        with open("/proc/self/pagemap", "rb") as file:
            file.seek(self.address // PAGE * 8)
            words = struct.unpack(f"{PAGES}Q", file.read(PAGES * 8))
        return {page: (word & 31, word >> 5 & (1 << 50) - 1) for page, word in enumerate(words) if word >> 62 & 1}


def known_areas():
    return {area["path"]: area for area in ask("areas").get("areas", [])}


def check_areas(true_types, used, entries):
    """`true_types`: path -> type; `used`: the path that the pages are on."""
    types = {entry[0] for entry in entries.values()}
    check(f"all pages went to type {true_types[used]}", types == {true_types[used]}, types)
    time.sleep(1.2)
    areas = known_areas()
    check("the areas are those of /proc/swaps", sorted(areas) == sorted(swaps()), sorted(areas))
    for path, number in true_types.items():
        area = areas.get(path, {})
        unknown = area.get("type_unknown", False)
        check(f"{path} has type {number}", unknown or area.get("type", 0) == number, area)
        if path == used:
            check(f"the type of {path} is known", not unknown, area)
        slots = area.get("slots")
        if slots is None:
            continue
        parts = [int(slots.get(name, 0)) for name in ("used", "away", "cached", "unexplained")]
        check("used = away + cached + unexplained", parts[0] == sum(parts[1:]), parts)
        if path == used:
            check("the pages are explained", parts[1] + parts[2] >= len(entries) and abs(parts[3]) <= 300, parts)


def check_page(pages, entries, path):
    address = pages.address + min(entries) * PAGE
    said = ask("page", "--pid", str(os.getpid()), "--addr", hex(address), "--history=1")
    entry = said.get("entry", {})
    check(f"page is on {path}", entry.get("area") == path, said)


def lifecycles(path):
    listed = ask("list", f"--pid={os.getpid()}", "--limit=100000").get("lifecycles", [])
    return sum(1 for one in listed if one.get("entry", {}).get("area") == path
               and one["outcome"].startswith("OUTCOME_FREED"))


def series(path):
    with urllib.request.urlopen("http://127.0.0.1:9789/metrics") as answer:
        text = answer.read().decode()
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
               if line.startswith("swaptrail_swapped_out_pages_total{") and f'path="{path}"' in line)


def start_daemon():
    log = open("/tmp/daemon.err", "w")
    daemon = subprocess.Popen([DAEMON, f"--mode={MODE}", "--print=none", "--allow-no-swap", "--record=/tmp/recording"],
                              stdout=subprocess.DEVNULL, stderr=log)
    for _ in range(1500):
        with open("/tmp/daemon.err") as file:
            if "ready" in file.read():
                return daemon
        if daemon.poll() is not None:
            break
        time.sleep(0.1)
    with open("/tmp/daemon.err") as file:
        sys.exit(f"swaptraild does not start: {file.read()}")


def main():
    if subprocess.run(["modprobe", "brd", "rd_nr=2", f"rd_size={64 << 10}"]).returncode != 0:
        print("no brd")
        return 75
    devices = ["/dev/ram0", "/dev/ram1", "/dev/nvme0n1"]
    for device in devices:
        run("mkswap", "-f", device)
        run("swapon", device)
    run("swapoff", "/dev/ram0")
    daemon = start_daemon()
    pages = Pages()

    # a hole from before the start: /dev/ram1 is type 1, though it is the first line
    first = pages.out()
    check_areas({"/dev/ram1": 1, "/dev/nvme0n1": 2}, "/dev/ram1", first)
    check_page(pages, first, "/dev/ram1")

    # type 1 goes while it is watched; its number is taken by nobody
    run("swapoff", "/dev/ram1")
    check("all pages are back", not pages.entries())
    second = pages.out()
    check_areas({"/dev/nvme0n1": 2}, "/dev/nvme0n1", second)
    check_page(pages, second, "/dev/nvme0n1")

    # what was type 1 comes again as type 0. Alone: newer kernels stay with the area they have begun
    run("swapoff", "/dev/nvme0n1")
    run("swapon", "/dev/ram1")
    third = pages.out()
    check_areas({"/dev/ram1": 0}, "/dev/ram1", third)
    check_page(pages, third, "/dev/ram1")

    # type 0 changes hands: each story keeps its device
    before = lifecycles("/dev/ram1")
    run("swapoff", "/dev/ram1")
    run("swapon", "/dev/ram0")
    fourth = pages.out()
    check_areas({"/dev/ram0": 0}, "/dev/ram0", fourth)
    check_page(pages, fourth, "/dev/ram0")
    out = len(first) + len(third)
    check("older stories keep their device", lifecycles("/dev/ram1") == before >= out, f"{before} of {out}")
    check("newer stories have the new one", lifecycles("/dev/ram0") >= len(fourth), lifecycles("/dev/ram0"))
    check("counters are of one device each", series("/dev/ram0") >= len(fourth) and series("/dev/ram1") >= out,
          f"{series('/dev/ram0')} {series('/dev/ram1')}")
    rows = {row["key"][0]: int(row["pages"]) for row in ask("stats", "--by=device").get("rows", [])}
    check("stats know all three", {"/dev/ram0", "/dev/ram1", "/dev/nvme0n1"} <= set(rows), rows)

    daemon.send_signal(signal.SIGTERM)
    daemon.wait(60)
    with open("/tmp/daemon.err") as file:
        print(file.read().strip().splitlines()[0])
    recording = [f"/tmp/recording/{name}" for name in sorted(os.listdir("/tmp/recording"))]
    known = json.loads(run(SWAPTRAIL, "info", "-o", "json", *recording)) if recording else {}
    text = json.dumps(known)
    check("the recording has all of them", all(device in text for device in devices), text[:2000])
    print(f"{checks - failures} of {checks} checks passed")
    return 1 if failures else 0


sys.exit(main())
