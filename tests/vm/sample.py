"""A sample of the pages: what stays exact, what is an estimate, and how good.

    sample.py DAEMON SWAPTRAIL [KIND]

Runs in a guest, with swap on zram and on nvme in turn; with KIND, on an area that is there. True: /proc/vmstat, which counts
every page.
"""

import json
import math
import mmap
import os
import signal
import subprocess
import sys
import time

DAEMON, SWAPTRAIL = sys.argv[1:3]
KIND = sys.argv[3] if len(sys.argv) > 3 else None
PAGE, PAGES, LIMIT, ROUNDS, ONE_IN = 4096, 12 << 8, 24 << 20, 6, 16
CGROUP = "/sys/fs/cgroup/sampled"
checks = failures = 0


def check(what, is_so, detail=""):
    global checks, failures
    checks += 1
    if is_so:
        return
    failures += 1
    print(f"FAILED: {what} {detail}", flush=True)


def vmstat():
    with open("/proc/vmstat") as file:
        return {name: int(value) for name, value in map(str.split, file)}


def write_pages():
    """In a child, under a limit: each page gets other content several times, so most go out and come back."""
    pid = os.fork()
    if pid:
        _, status = os.waitpid(pid, 0)
        check("the load runs", status == 0, status)
        return
    with open(CGROUP + "/cgroup.procs", "w") as file:
        file.write(str(os.getpid()))
    memory = mmap.mmap(-1, 4 * PAGES * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_NOHUGEPAGE)
    for turn in range(ROUNDS):
        noise = os.urandom(2048)
        for page in range(4 * PAGES):
            memory[page * PAGE:page * PAGE + 2048] = noise
    os._exit(0)


class Daemon:
    def __init__(self, *arguments):
        self.out = open("/tmp/out", "w+")
        self.log = open("/tmp/log", "w+")
        self.process = subprocess.Popen([DAEMON, *arguments], stdout=self.out, stderr=self.log)
        while "ready" not in open("/tmp/log").read():
            if self.process.poll() is not None:
                sys.exit("swaptraild: " + open("/tmp/log").read())
            time.sleep(0.2)

    def status(self):
        text = subprocess.run([SWAPTRAIL, "status", "-o", "json"], check=True, capture_output=True, text=True).stdout
        return json.loads(text)

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        check("swaptraild ends well", self.process.wait(60) == 0, open("/tmp/log").read())
        return [json.loads(line) for line in open("/tmp/out")]


def settle():
    """Until nothing moves any more."""
    before = None
    while before != (before := {name: vmstat()[name] for name in ("pswpout", "pswpin", "nr_writeback")}):
        time.sleep(1)


def near(what, estimate, truth):
    """Within five standard deviations, if a frame carries some four pages one after the other."""
    allowed = 5 * math.sqrt(4 * (ONE_IN - 1) * truth)
    print(f"  {what}: {estimate} estimated, {truth} in truth ({100 * estimate / truth - 100:+.1f} %)", flush=True)
    check(what, abs(estimate - truth) <= allowed, f"{estimate} of {truth}, allowed {allowed:.0f}")


def rows_agree(rows):
    for row in rows:
        if row["counter"] == "emitted":
            continue
        check("the totals are the kernel's", int(row.get("difference", 0)) == 0, row)
    check("some rows", len(rows) >= 3, rows)
    check("no row about slots that are not followed", not any(row["counter"] == "slots" for row in rows))


def a_sample():
    before = vmstat()
    daemon = Daemon(f"--sample={ONE_IN}", "--print=jsonl")
    write_pages()
    settle()
    after = vmstat()
    status = daemon.status()
    check("the status says so", int(status["sampling"]["one_in"]) == ONE_IN, status.get("sampling"))
    lines = daemon.end()
    summary = next(line for line in lines if line["type"] == "summary")
    lives = [line for line in lines if line["type"] == "lifecycle"]
    backs = [line for line in lines if line["type"] == "return" and line["lifecycle"] is not None]
    rows_agree(summary["reconciliation"])
    for row in summary["reconciliation"]:
        if row["counter"] in ("pswpout", "pswpin"):
            check("we read the same", row["kernel_delta"] == after[row["counter"]] - before[row["counter"]], row)
    check("each lifecycle says how many it stands for", all(life.get("weight") == ONE_IN for life in lives))
    check("so does each return", all(back.get("weight") == ONE_IN for back in backs))
    check("nothing impossible", summary["violations"] == 0, [line for line in lines if line["type"] == "violation"][:3])
    check("nothing lost", summary["losses"] == 0 and summary["lost_events"] == 0, summary["losses"])
    check("each trail is whole", summary["complete_share"] == 1, summary["incomplete"])
    written = sum(life["weight"] * life["pages"] for life in lives if "write_issued" in life["stages"])
    near("pages written", written, after["pswpout"] - before["pswpout"])
    near("pages read", sum(back["weight"] * back["pages"] for back in backs if back["how"] == "swapped_in"),
         after["pswpin"] - before["pswpin"])
    check("the summary counts so too", summary["highest_weight"] == ONE_IN and
          summary["total"]["pages"] == sum(life["weight"] * life["pages"] for life in lives), summary["total"])


def a_limit():
    daemon = Daemon("--cpu-limit=1", "--print=none")
    write_pages()
    settle()
    status = daemon.status()
    sampling = status["sampling"]
    check("the limit takes a smaller sample", int(sampling.get("changes", 0)) >= 1 and int(sampling["one_in"]) > 1, sampling)
    check("the log says so", "--cpu-limit=1: swaptraild used" in open("/tmp/log").read())
    rows_agree(status["reconciliation"])
    daemon.end()


def main():
    if KIND is None:
        ends = [subprocess.run(["bash", "/share/areas.sh", kind, sys.executable, *sys.argv, kind]).returncode
                for kind in ("zram", "nvme")]
        sys.exit(max(ends))
    os.makedirs("/sys/fs/cgroup", exist_ok=True)
    if not os.path.exists("/sys/fs/cgroup/cgroup.procs"):
        subprocess.run(["mount", "-t", "cgroup2", "none", "/sys/fs/cgroup"], check=True)
    subprocess.run(["mount", "-t", "tracefs", "none", "/sys/kernel/tracing"], stderr=subprocess.DEVNULL)
    with open("/sys/fs/cgroup/cgroup.subtree_control", "w") as file:
        file.write("+memory")
    os.mkdir(CGROUP)
    try:
        with open(CGROUP + "/memory.max", "w") as file:
            file.write(str(LIMIT))
        a_sample()
        a_limit()
    finally:
        os.rmdir(CGROUP)
    print(f"{KIND}: {checks - failures} of {checks} checks passed", flush=True)
    sys.exit(1 if failures else 0)


main()
