#!/usr/bin/env python3
"""Runs inside a guest: swaptraild for long, with all that may grow.

    soak.py DAEMON SWAPTRAIL MINUTES

Two processes in cgroups with a limit swap as fast as they can. Five times a second another cgroup comes, swaps, and goes. Two
readers follow every lifecycle, one counts; the metrics are scraped every second or two; everything is recorded, in parts of which the
oldest go; one folio in 16 is compared with the model.

Held: resident memory grows by at most 5 % once the store is full and all tables were used (medians of the second and the last quarter, of 10
minutes or more: while a backlog is read some MiB come and go); no
record is lost or late; the model differs nowhere; the totals are the kernel's within their allowance; the
recordings stay within their bounds, and the daemon's descriptors and threads are as many as before. A kernel that
preempts its own code skips runs of programs: at most one for 100 records, which is said, and explains no other complaint. A short run on a busy host may
lose records; but whatever it loses, nothing is late. Exit code 1 if anything of this does not hold. Needs root.
"""

import json
import mmap
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import time
import urllib.request

from counters import CGROUPS, PAGE, number, prepare, write_on

RUN = "/run/swaptrail-soak"
RECORDINGS = pathlib.Path("/share/soak")
MOST_MIB = 256  # of all recordings
NICE = -5  # as the unit has it
LEAST_SAMPLES = 2  # where the readers get little of the CPUs, the load goes on for that long
failed = False


def check(what, holds, value=""):
    global failed
    failed |= not holds
    print(f"{'ok ' if holds else 'BAD'} {what}{': ' if value != '' else ''}{value}", flush=True)


def fork(work, *arguments):
    child = os.fork()
    if child:
        return child
    try:
        work(*arguments)
    except BaseException as error:  # a child must not go on with what is the parent's
        print(f"{work.__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)


def swap(group, pages, goes_on):
    write_on(group, pages, pages * PAGE // 3 * 2, goes_on)


def come_and_go(goes_on):
    number = 0
    while goes_on():
        number += 1
        group = CGROUPS / f"soak-passing-{number}"
        began = time.monotonic()
        child = fork(swap, group, 1500, lambda: number % 5 == 0 and time.monotonic() < began + 0.1)
        os.waitpid(child, 0)
        for _ in range(50):
            try:
                group.rmdir()
                break
            except OSError:
                time.sleep(0.02)
        time.sleep(max(0.0, began + 0.2 - time.monotonic()))
    (pathlib.Path(RUN) / "groups").write_text(str(number))


def scrape():
    with urllib.request.urlopen("http://127.0.0.1:9789/metrics", timeout=10) as answer:
        return len(answer.read())


class Daemon:
    def __init__(self, program, client):
        self.client = client
        self.errors = open(f"{RUN}/errors", "wb")
        self.process = subprocess.Popen(
            [program, "--print=none", f"--run-dir={RUN}", f"--record={RECORDINGS}", "--record-part=16",
             f"--record-total={MOST_MIB}", "--validate=16", "--web.listen-address=127.0.0.1:9789"], stderr=self.errors,
            preexec_fn=lambda: os.nice(NICE))
        for _ in range(300):
            if "ready" in pathlib.Path(f"{RUN}/errors").read_text(errors="replace"):
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        sys.exit(pathlib.Path(f"{RUN}/errors").read_text(errors="replace"))

    def ask(self, *words):
        answer = subprocess.run([self.client, *words, "-o", "json", f"--socket={RUN}/api.sock"], capture_output=True, text=True)
        if answer.returncode != 0:
            sys.exit(f"{words}: {answer.stderr}")
        return json.loads(answer.stdout)

    def watch(self):
        return subprocess.Popen([self.client, "trace", f"--socket={RUN}/api.sock"], stdout=subprocess.DEVNULL)

    def use(self):
        folder = pathlib.Path(f"/proc/{self.process.pid}")
        status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
        return {"rss": int(status["VmRSS"].split()[0]), "threads": int(status["Threads"]), "swap": int(status["VmSwap"].split()[0]),
                "files": len(os.listdir(folder / "fd")), "disk": sum(file.stat().st_size for file in RECORDINGS.iterdir())}


def preempts():
    """Whether this kernel preempts threads in kernel mode (kernel/sched/core.c: sched_dynamic_show)."""
    mode = pathlib.Path("/sys/kernel/debug/sched/preempt")
    return mode.exists() and any(f"({how})" in mode.read_text() for how in ("lazy", "full"))


def settled(daemon):
    """The last records take until the next sweep."""
    time.sleep(3)
    return daemon.ask("status")


def run(daemon, minutes):
    ended = mmap.mmap(-1, 1)  # shared with the children
    children = [fork(swap, CGROUPS / f"soak-{name}", 16000, lambda: not ended[0]) for name in ("one", "two")]
    children.append(fork(come_and_go, lambda: not ended[0]))
    readers = [daemon.watch(), daemon.watch()]
    began = time.monotonic()
    samples, next_report = [], began + 60
    while time.monotonic() < began + minutes * 60 or len(samples) < LEAST_SAMPLES:
        samples.append(daemon.use())
        scrape()
        if time.monotonic() >= next_report:
            next_report = time.monotonic() + 60
            loss = daemon.ask("status").get("loss", {})
            print(f"    {samples[-1]} records {number(loss, 'emitted')}", flush=True)
            daemon.ask("top", "--by=cgroup", "--batch=1", "--interval=1s")
        time.sleep(1)
    ended[0] = 1
    codes = [os.waitpid(child, 0)[1] for child in children]
    status = settled(daemon)
    for reader in readers:
        reader.send_signal(signal.SIGINT)
        reader.wait()
    check("the load ended well", not any(codes), codes)
    return samples, status


def is_trusted(daemon, status, minutes):
    lost = number(status.get("loss", {}), "dropped_ring_full")
    if lost and minutes < 10:
        print(f"    {lost} records were lost: this host is too busy for the load, so nothing else can be said")
        return
    said = subprocess.run([daemon.client, "status", "--check", f"--socket={RUN}/api.sock"], capture_output=True, text=True)
    complaints = said.stderr.splitlines()
    skipped, emitted = (number(status.get("loss", {}), name) for name in ("skipped_runs", "emitted"))
    if skipped and preempts():
        print(f"    {skipped} runs of programs were skipped: {100 * skipped / emitted:.2f} for 100 records")
        check("skipped runs for 100 records", skipped <= emitted / 100, 100 * skipped / emitted)
        complaints = [one for one in complaints if not one.endswith(f"{skipped} runs left out by the kernel")]
        check("status --check says so", said.returncode == 1)
    check("status --check: nothing else lost, skipped, violated or found, and totals are the kernel's", not complaints, complaints)


def judge(samples, status, minutes):
    later = samples[len(samples) // 4:]
    sizes = [sample["rss"] for sample in later]
    growth = f"{min(sizes)} to {max(sizes)}"
    if minutes >= 10:
        third = len(sizes) // 3
        first, last = statistics.median(sizes[:third]), statistics.median(sizes[-third:])
        check("resident memory grows by at most 5 %, KiB", last <= 1.05 * first, f"{first} to {last}, at most {max(sizes)}")
    else:
        print(f"    resident memory, KiB: {growth}; too short to say whether it grows")
    check("nothing of it swapped", max(sample["swap"] for sample in samples) == 0)
    for name in ("threads", "files"):
        values = [sample[name] for sample in later]
        check(name, max(values) <= min(values) + 8, f"{min(values)} to {max(values)}")
    # beside the one that is being written
    check("recordings, MiB", max(sample["disk"] for sample in samples) <= (MOST_MIB + 32) << 20,
          max(sample["disk"] for sample in samples) >> 20)
    loss, compared = status.get("loss", {}), status.get("validation", {})
    check("records late", number(loss, "late") == 0, number(loss, "late"))
    check("folios compared with the model", number(compared, "compared") > 1000, number(compared, "compared"))
    print(json.dumps({name: status.get(name) for name in ("loss", "validation", "recording", "store", "lifecycles")}, indent=1))


def main(program, client, minutes):
    minutes = float(minutes)
    prepare(RUN)
    RECORDINGS.mkdir(exist_ok=True)
    daemon = Daemon(program, client)
    samples, status = run(daemon, minutes)
    judge(samples, status, minutes)
    is_trusted(daemon, status, minutes)
    daemon.process.terminate()
    check("the daemon ended well", daemon.process.wait() == 0)
    print("cgroups that came and went", (pathlib.Path(RUN) / "groups").read_text())
    print(pathlib.Path(f"{RUN}/errors").read_text(errors="replace"))
    return failed


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
