#!/usr/bin/env python3
"""Runs inside a guest: a page in each state of its life, and what `swaptrail page` says of it.

    page_states.py DAEMON SWAPTRAIL STALL.bpf.o

The state is made for real, and held where the kernel would pass through it in microseconds: a slow
device holds a page under writeback, a program at try_to_unmap() holds one that has got its slot and
is not unmapped yet. The oracle is /proc/PID/pagemap and /proc/kpageflags, read here.

Prints a line for each state; exit code 1 if one was reported wrongly. Needs root, fentry, null_blk.
"""

import contextlib
import ctypes
import json
import mmap
import os
import pathlib
import struct
import subprocess
import sys
import time

PAGE = mmap.PAGESIZE
MADV_PAGEOUT = 21
KPF_SWAPCACHE = 13
KPF_WRITEBACK = 8
SLOW_NS = 3_000_000_000
RUN = pathlib.Path("/run/swaptrail-states")
CGROUP = pathlib.Path("/sys/fs/cgroup/swaptrail-states")


class Page:
    """One page of a child process that obeys commands, line by line."""

    def __init__(self, content, name="page-victim"):
        self.to, self.back = os.pipe(), os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self.live(content, name)
        os.close(self.to[0])
        os.close(self.back[1])
        self.lines = os.fdopen(self.back[0])
        self.address = int(self.lines.readline())

    def live(self, content, name):
        """The child: its page, and a word for each step."""
        pathlib.Path("/proc/self/comm").write_text(name)
        (CGROUP / "cgroup.procs").write_text("0")
        os.close(self.to[1])
        # apart from all others, so that no neighbour is swapped out or read in with it
        room = mmap.mmap(-1, 16 * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        begin = 8 * PAGE
        room[begin:begin + PAGE] = content
        first = ctypes.addressof(ctypes.c_char.from_buffer(room))
        os.write(self.back[1], f"{first + begin}\n".encode())
        for step in os.fdopen(self.to[0]):
            if step == "out\n":
                room.madvise(MADV_PAGEOUT, begin, PAGE)
            elif step == "read\n":
                assert room[begin + 100] == content[100]
            elif step == "write\n":
                room[begin + 100] = (content[100] + 1) % 256
            elif step == "check\n":
                assert room[begin:begin + PAGE] == content
            os.write(self.back[1], b"done\n")
        os._exit(0)

    def send(self, step):
        os.write(self.to[1], f"{step}\n".encode())

    def do(self, step):
        self.send(step)
        self.wait()

    def wait(self):
        if self.lines.readline() != "done\n":
            raise RuntimeError("the process with the page died")

    def out(self):
        """The kernel drains the lists of one CPU only: a page that waits on another one's stays at first."""
        for _ in range(50):
            self.do("out")
            if self.entry()[1]:
                return
            time.sleep(0.1)
        raise RuntimeError("the page does not go")

    def entry(self):
        """The page table entry: (present, swapped, (type, offset) or frame)."""
        with open(f"/proc/{self.pid}/pagemap", "rb") as pagemap:
            pagemap.seek(self.address // PAGE * 8)
            word, = struct.unpack("Q", pagemap.read(8))
        rest = word & (1 << 55) - 1
        swapped = bool(word >> 62 & 1)
        return bool(word >> 63), swapped, (rest & 31, rest >> 5) if swapped else rest

    def flags(self):
        """KPF bits of its frame."""
        present, _, frame = self.entry()
        if not present:
            return 0
        with open("/proc/kpageflags", "rb") as flags:
            flags.seek(frame * 8)
            return struct.unpack("Q", flags.read(8))[0]

    def begin_out(self):
        """Until it has its slot, and hangs there."""
        for _ in range(50):
            self.send("out")
            deadline = time.monotonic() + 1
            while time.monotonic() < deadline:
                if self.flags() >> KPF_SWAPCACHE & 1:
                    return
                time.sleep(0.02)
            self.wait()
        raise RuntimeError("the page does not go")

    def end(self):
        os.close(self.to[1])
        self.lines.close()
        os.waitpid(self.pid, 0)


@contextlib.contextmanager
def page(content=None, name="page-victim"):
    one = Page(content or os.urandom(PAGE), name)
    try:
        yield one
    finally:
        one.end()


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{command}: {done.stderr or done.stdout}")
    return done.stdout


def swap(call, *arguments):
    """swapon(2) and swapoff(2): the commands would read here and there first, seconds each."""
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, call)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), f"{call} {arguments}")


@contextlib.contextmanager
def swapped_on(device):
    with open(device, "rb+") as disk:
        size = min(disk.seek(0, os.SEEK_END), 64 << 20)
        with open("/tmp/swap", "wb") as header:
            header.truncate(size)
        run("mkswap", "/tmp/swap")
        disk.seek(0)
        disk.write(pathlib.Path("/tmp/swap").read_bytes()[:PAGE])
    swap("swapon", device.encode(), 0)
    try:
        yield
    finally:
        swap("swapoff", device.encode())


@contextlib.contextmanager
def slow_disk():
    """A disk in memory whose every request takes seconds; made fast, and then slowed down."""
    run("modprobe", "null_blk", "nr_devices=0")
    # the folder gives the disk its name, on kernels that do not number them
    folder = pathlib.Path("/sys/kernel/config/nullb/nullb0")
    if not folder.parent.exists():
        run("mount", "-t", "configfs", "configfs", "/sys/kernel/config")
    folder.mkdir()
    settings = {"memory_backed": 1, "size": 1, "irqmode": 2, "completion_nsec": SLOW_NS, "queue_mode": 2}
    for name, value in settings.items():
        (folder / name).write_text(str(value))
    (folder / "power").write_text("1")
    try:
        yield "/dev/nullb0"
    finally:
        (folder / "power").write_text("0")
        folder.rmdir()


@contextlib.contextmanager
def daemon(program):
    RUN.mkdir(exist_ok=True)
    log = open("/tmp/daemon.err", "w+")
    process = subprocess.Popen([program, "--print=none", "--run-dir", RUN, "--socket-group=none",
                                "--web.listen-address=none", "--allow-no-swap"], stderr=log)
    try:
        for _ in range(600):
            log.seek(0)
            if "ready" in log.read():
                break
            if process.poll() is not None:
                log.seek(0)
                sys.exit(f"swaptraild does not start: {log.read()}")
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        if process.wait(60) != 0:
            log.seek(0)
            sys.exit(f"swaptraild ended badly: {log.read()}")


@contextlib.contextmanager
def stall(path):
    """stall.bpf.c, loaded and attached by libbpf. Yields the function that releases what it holds."""
    bpf = ctypes.CDLL("libbpf.so.1", use_errno=True)
    names = ("bpf_object__open_file", "bpf_object__find_program_by_name", "bpf_program__attach",
             "bpf_object__find_map_by_name")
    for name in names:
        getattr(bpf, name).restype = ctypes.c_void_p
    opened = ctypes.c_void_p(bpf.bpf_object__open_file(os.fsencode(path), None))
    if not opened or bpf.bpf_object__load(opened) != 0:
        raise OSError(ctypes.get_errno(), "can't load stall.bpf.c")
    program = ctypes.c_void_p(bpf.bpf_object__find_program_by_name(opened, b"stall"))
    link = ctypes.c_void_p(bpf.bpf_program__attach(program))
    if not link:
        raise OSError(ctypes.get_errno(), "can't attach stall.bpf.c")
    variables = bpf.bpf_map__fd(ctypes.c_void_p(bpf.bpf_object__find_map_by_name(opened, b".bss")))

    def release():
        if bpf.bpf_map_update_elem(variables, ctypes.byref(ctypes.c_uint32(0)),
                                   ctypes.byref(ctypes.c_uint32(1)), ctypes.c_uint64(0)) != 0:
            raise OSError(ctypes.get_errno(), "can't release what stall.bpf.c holds")

    try:
        yield release
    finally:
        bpf.bpf_link__destroy(link)
        bpf.bpf_object__close(opened)


class States:
    def __init__(self, swaptrail):
        self.swaptrail = swaptrail
        self.failed = 0

    def ask(self, one):
        return json.loads(run(self.swaptrail, "page", "--socket", RUN / "api.sock", "-o", "json",
                              "--pid", one.pid, "--addr", hex(one.address)))

    def check(self, name, one, answer, *facts):
        """`facts`: (what, is it so)."""
        wrong = [what for what, so in facts if not so]
        self.failed += bool(wrong)
        words = " ".join(answer.get("explanation", []))
        print(f"{'FAILED' if wrong else 'ok':8}{name}: {words}", flush=True)
        for what in wrong:
            print(f"        {what}: pagemap {one.entry()}, flags {one.flags():#x}, answer {json.dumps(answer)}")

    def agrees(self, one, answer):
        """Whether the state reported agrees with pagemap now."""
        present, swapped, where = one.entry()
        if swapped:
            entry = answer.get("entry", {})
            return (answer["state"] == "PAGE_STATE_SWAPPED"
                    and (entry.get("type", 0), int(entry.get("offset", 0))) == where)
        return answer["state"] == "PAGE_STATE_RESIDENT" and present and int(answer["pfn"]) == where

    def newest(self, answer):
        return (answer.get("history") or [{}])[0]

    def stages(self, answer):
        return {one["stage"] for one in self.newest(answer).get("stages", [])}

    def resident(self):
        with page() as one:
            answer = self.ask(one)
            self.check("resident", one, answer, ("state", self.agrees(one, answer)),
                       ("no history", not answer.get("history")))

    def reserved(self, program):
        """add_to_swap succeeded, and the page is still present."""
        with stall(program) as release, page(name="page-stalled") as one:
            one.begin_out()
            time.sleep(0.3)  # for the record to come
            answer = self.ask(one)
            self.check("slot reserved, not yet unmapped", one, answer,
                       ("present", one.entry()[0]), ("state", self.agrees(one, answer)),
                       ("in the swap cache", one.flags() >> KPF_SWAPCACHE & 1),
                       ("in flight", self.newest(answer).get("outcome") == "OUTCOME_IN_FLIGHT"),
                       ("slot reported", "STAGE_SLOT_ALLOCATED" in self.stages(answer)),
                       ("unmapping to come", "STAGE_UNMAPPED" in answer.get("outstanding", [])))
            release()
            one.wait()
            one.do("check")

    def writing(self):
        with page() as one:
            one.out()
            time.sleep(0.3)
            answer = self.ask(one)
            self.check("under writeback", one, answer, ("state", self.agrees(one, answer)),
                       ("in flight", self.newest(answer).get("outcome") == "OUTCOME_IN_FLIGHT"),
                       ("waits", self.newest(answer).get("waiting_for") == "WAITING_WRITEBACK"),
                       ("completion to come", "STAGE_WRITE_COMPLETED" in answer.get("outstanding", [])))
            time.sleep(SLOW_NS / 1e9 + 1)
            answer = self.ask(one)
            self.check("written, and not freed yet", one, answer, ("state", self.agrees(one, answer)),
                       ("waits", self.newest(answer).get("waiting_for") == "WAITING_SECOND_PASS"))
            one.do("check")

    def swapped(self):
        with page() as one:
            self.out_and_freed(one)
            answer = self.ask(one)
            self.check("swapped", one, answer, ("state", self.agrees(one, answer)),
                       ("device", self.newest(answer).get("outcome") == "OUTCOME_FREED_DEVICE"),
                       ("not back", not self.newest(answer).get("returned")))
            one.do("read")
            answer = self.ask(one)
            self.check("swapped in, still cached", one, answer, ("state", self.agrees(one, answer)),
                       ("in the swap cache", one.flags() >> KPF_SWAPCACHE & 1),
                       ("reported so", "swapcache" in answer.get("frame_flags", [])),
                       ("back", self.newest(answer).get("returned", {}).get("how")
                        == "RETURN_HOW_SWAPPED_IN"))
        with page() as one:
            self.out_and_freed(one)
            one.do("write")
            answer = self.ask(one)
            self.check("swapped in, its slot free", one, answer, ("state", self.agrees(one, answer)),
                       ("not in the swap cache", "swapcache" not in answer.get("frame_flags", [])),
                       ("oracle too", not one.flags() >> KPF_SWAPCACHE & 1))

    def out_and_freed(self, one):
        """Written in one pass, freed in a later one, which the cgroup is asked for."""
        one.out()
        for _ in range(20):
            time.sleep(0.3)
            if self.newest(self.ask(one)).get("outcome", "").startswith("OUTCOME_FREED"):
                return
            with contextlib.suppress(OSError):  # it may find less than that
                (CGROUP / "memory.reclaim").write_text("64K")
        raise RuntimeError("the page was never freed")

    def zero_filled(self):
        with page(bytes(PAGE)) as one:
            one.do("write")
            one.out()
            time.sleep(0.5)
            answer = self.ask(one)
            self.check("not zero-filled after all", one, answer, ("state", self.agrees(one, answer)),
                       ("not zero", self.newest(answer).get("backend") != "BACKEND_ZERO"))
        with page(bytes(PAGE)) as one:
            one.out()
            time.sleep(0.5)
            answer = self.ask(one)
            self.check("zero-filled", one, answer, ("state", self.agrees(one, answer)),
                       ("zero", self.newest(answer).get("backend") == "BACKEND_ZERO"))

    def compressed(self):
        enabled = pathlib.Path("/sys/module/zswap/parameters/enabled")
        if not enabled.exists():
            print("skipped zswap: this kernel has none")
            return
        enabled.write_text("1")
        try:
            with page(b"swaptrail" * 455 + b"!") as one:
                one.out()
                time.sleep(0.5)
                answer = self.ask(one)
                self.check("in zswap", one, answer, ("state", self.agrees(one, answer)),
                           ("zswap", self.newest(answer).get("backend") == "BACKEND_ZSWAP"))
                one.do("check")
        finally:
            enabled.write_text("0")


def main(arguments):
    if len(arguments) != 3:
        sys.exit(__doc__)
    program, swaptrail, stalling = arguments
    states = States(swaptrail)
    CGROUP.mkdir()
    with daemon(program):
        states.resident()
        with swapped_on("/dev/nvme0n1"):
            states.reserved(stalling)
            states.swapped()
            states.zero_filled()
            states.compressed()
        with slow_disk() as device, swapped_on(device):
            states.writing()
    CGROUP.rmdir()
    return 1 if states.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
