"""What a system test needs of the host: a swap file, a limited memory cgroup, a workload, the daemon.

Everything made here is a context manager that undoes itself, also when a test fails.
"""

import contextlib
import ctypes
import errno
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("SWAPTRAIL_BUILD", ROOT / "build" / "release"))
KERNELS = ROOT / "tests" / "data" / "kernels"
MIB = 1 << 20
PAGE = os.sysconf("SC_PAGESIZE")
READY_TIMEOUT_S = 60
STOP_TIMEOUT_S = 60


def read(path):
    return pathlib.Path(path).read_text(errors="replace")


def is_root():
    return os.geteuid() == 0


def swap_areas():
    """What is swapped on: the lines of /proc/swaps."""
    try:
        return read("/proc/swaps").splitlines()[1:]
    except FileNotFoundError:
        return []


def vmstat():
    """/proc/vmstat. The vm events in it are exact whenever it is read."""
    return {name: int(value) for name, value in map(str.split, read("/proc/vmstat").splitlines())}


def settled_vmstat():
    """The same, when nothing has been swapped for a while."""
    last = None
    for _ in range(100):
        now = vmstat()
        key = (now["pswpout"], now["pswpin"], now["nr_writeback"])
        if key == last:
            return now
        last = key
        time.sleep(0.2)
    raise RuntimeError("the host never came to rest")


def bpf_programs():
    """Ids of all BPF programs in the kernel."""
    tool = shutil.which("bpftool", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    shown = subprocess.run([tool, "-j", "prog", "list"], capture_output=True, text=True, check=True)
    return {program["id"] for program in json.loads(shown.stdout)}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, timeout_s, step_s=0.05):
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(step_s)
    return condition()


@contextlib.contextmanager
def scratch(prefix="swaptrail-test-"):
    """A folder on a real disk (a swap file can't be on tmpfs), readable by everybody."""
    path = pathlib.Path(tempfile.mkdtemp(prefix=prefix, dir=os.environ.get("TMPDIR", "/var/tmp")))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path)


@contextlib.contextmanager
def swap_file(folder, mib=256):
    """A swap file that is on. The pages in it must belong to processes that end first."""
    path = folder / "swap"
    with open(path, "wb") as file:  # written in full: a swap file must have no holes
        for _ in range(mib):
            file.write(bytes(MIB))
    path.chmod(0o600)
    subprocess.run(["mkswap", path], check=True, capture_output=True)
    subprocess.run(["swapon", path], check=True, capture_output=True)
    try:
        yield path
    finally:
        subprocess.run(["swapoff", path], check=True)
        path.unlink()


def memory_cgroup_root():
    """(mount point of the hierarchy that limits memory, is it version 2), or None."""
    for line in read("/proc/self/mountinfo").splitlines():
        before, after = line.split(" - ", 1)
        kind, _, options = after.split(" ", 2)
        mount = pathlib.Path(before.split()[4])
        if kind == "cgroup" and "memory" in options.split(","):
            return mount, False
        if kind == "cgroup2" and "memory" in read(mount / "cgroup.controllers").split():
            return mount, True
    return None


@contextlib.contextmanager
def memory_cgroup(limit, name="swaptrail-test"):
    """A cgroup with a memory limit in bytes, swap not limited."""
    root, version2 = memory_cgroup_root()
    path = root / f"{name}-{os.getpid()}"
    if version2 and "memory" not in read(root / "cgroup.subtree_control").split():
        (root / "cgroup.subtree_control").write_text("+memory")
    path.mkdir()
    try:
        (path / ("memory.max" if version2 else "memory.limit_in_bytes")).write_text(str(limit))
        yield path
    finally:
        # a cgroup is busy until the last process in it is gone
        wait_until(lambda: not read(path / "cgroup.procs").split(), 10)
        path.rmdir()


def enter_cgroup(path):
    """For Popen's preexec_fn."""
    return lambda: (path / "cgroup.procs").write_text("0")


def refuse_capset():
    """For Popen's preexec_fn: capset(2) fails from now on, by a seccomp filter."""
    class Instruction(ctypes.Structure):
        _fields_ = [("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint)]

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.POINTER(Instruction))]

    load_number, jump_if, answer = 0x20, 0x15, 0x06           # linux/bpf_common.h
    refused, allowed = 0x00050000 | errno.EPERM, 0x7FFF0000   # SECCOMP_RET_ERRNO, SECCOMP_RET_ALLOW
    capset = {"x86_64": 126, "aarch64": 91}[os.uname().machine]
    steps = (Instruction * 4)(Instruction(load_number, 0, 0, 0), Instruction(jump_if, 0, 1, capset),
                              Instruction(answer, 0, 0, refused), Instruction(answer, 0, 0, allowed))
    program = Program(4, steps)
    set_seccomp, mode_filter = 22, 2
    if ctypes.CDLL(None, use_errno=True).prctl(set_seccomp, mode_filter, ctypes.byref(program)) != 0:
        raise OSError(ctypes.get_errno(), "no seccomp filter")


@contextlib.contextmanager
def stopped_thread(thread):
    """Only this thread of its process stands still meanwhile; a process's number is that of its main thread."""
    libc = ctypes.CDLL(None, use_errno=True)
    seize, interrupt, detach, any_thread = 0x4206, 0x4207, 17, 0x40000000  # linux/ptrace.h, linux/wait.h

    def ptrace(request):
        if libc.ptrace(request, ctypes.c_int(thread), None, None) != 0:
            raise OSError(ctypes.get_errno(), "ptrace")

    ptrace(seize)
    ptrace(interrupt)
    os.waitpid(thread, any_thread)
    try:
        yield
    finally:
        ptrace(detach)


class Daemon:
    """A running swaptraild. `lines` are the JSON objects it printed, once it has been stopped."""

    def __init__(self, folder, *flags, stdout=None, **popen):
        self.stderr_path = folder / "daemon.err"
        self.stdout_path = folder / "daemon.out"
        stderr = open(self.stderr_path, "w")
        stdout = stdout or open(self.stdout_path, "w")
        # nobody but us, unless a test wants it otherwise
        quiet = [flag + "none" for flag in ("--socket-group=", "--web.listen-address=")
                 if not any(str(given).startswith(flag) for given in flags)]
        command = [BUILD / "daemon" / "swaptraild", "--run-dir", folder / "run", *quiet, *flags]
        self.process = subprocess.Popen(command, stdout=stdout, stderr=stderr, **popen)

    def __enter__(self):
        ended = lambda: self.process.poll() is not None
        if not wait_until(lambda: self.ready_line() or ended(), READY_TIMEOUT_S) or ended():
            self.__exit__()
            raise RuntimeError(f"swaptraild does not start: {self.stderr()}")
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def stderr(self):
        return read(self.stderr_path)

    def ready_line(self):
        found = re.search(r"^swaptraild: ready: .*\n", self.stderr(), re.MULTILINE)
        return found and found.group(0).strip()

    def send(self, number):
        self.process.send_signal(number)

    def stop(self, number=signal.SIGINT):
        """Returns the exit code."""
        self.send(number)
        return self.process.wait(STOP_TIMEOUT_S)

    def lines(self, kind):
        with open(self.stdout_path) as file:
            objects = [json.loads(line) for line in file]
        return [one for one in objects if one["type"] == kind]

    def summary(self):
        (one,) = self.lines("summary")
        return one


class Workload:
    """tests/vm/workload.cpp: pages with known content, touched over and over, checked at the end."""

    def __init__(self, folder, cgroup, mib, rounds=1, scenario="anon"):
        self.oracle = folder / "oracle"
        command = [BUILD / "deploy" / "workload", scenario, "--mib", str(mib)]
        command += ["--rounds", str(rounds), "--oracle", self.oracle]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, preexec_fn=enter_cgroup(cgroup))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        for stream in (self.process.stdin, self.process.stdout):
            stream.close()
        self.process.wait()

    def wait_ready(self):
        if self.process.stdout.readline() != "ready\n":
            raise RuntimeError(f"the workload ended with code {self.process.wait()}")

    def go_on(self):
        """Lets it read its pages back."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.wait_ready()

    def end(self):
        """Returns the exit code: 0 if every page came back unharmed."""
        self.process.stdin.write("\n")
        self.process.stdin.close()
        return self.process.wait(60)

    def swapped_pages(self, phase=1):
        """(tgid, swap type, swap offset) of each page that was swapped out when the phase ended."""
        rows = [line.split() for line in read(f"{self.oracle}.{phase}").splitlines()]
        return {(int(tgid), int(area), int(slot)) for tgid, _, area, slot in
                (row for row in rows if row[0].isdigit())}
