"""Pages written to a stacked device, each reported once. Runs in a guest: see stacked.sh.

    stacked.py DAEMON

True: pswpout of /proc/vmstat, and that this process asks for the reclaim itself.
"""

import json
import mmap
import signal
import subprocess
import sys
import tempfile
import time

DAEMON = sys.argv[1]
PAGES, PAGE = 4096, 4096
MADV_PAGEOUT = 21
failures = 0


def check(what, ours, true):
    global failures
    if ours != true:
        failures += 1
        print(f"FAILED: {what}: {ours}, but it is {true}", flush=True)


def written():
    with open("/proc/vmstat") as file:
        counters = dict(line.split() for line in file)
    return int(counters["pswpout"]), int(counters["nr_writeback"])


def settled():
    while (now := written())[1] != 0:
        time.sleep(0.2)
    return now[0]


output = tempfile.TemporaryFile("w+")  # a pipe that nobody reads would lose lines
daemon = subprocess.Popen([DAEMON, "--mode=tracepoint", "--print=jsonl"], stdout=output,
                          stderr=subprocess.PIPE, text=True)
while "ready" not in (line := daemon.stderr.readline()):
    sys.stdout.write(line)
    if not line:
        sys.exit("swaptraild does not start")
before = settled()
memory = mmap.mmap(-1, PAGES * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for page in range(PAGES):
    memory[page * PAGE] = 1 + page % 255
for _ in range(20):
    memory.madvise(MADV_PAGEOUT)
    after = settled()
    if after - before >= PAGES // 2:
        break
daemon.send_signal(signal.SIGTERM)
check("exit code", daemon.wait(), 0)
output.seek(0)
lines = [json.loads(line) for line in output]

out = after - before
if out == 0:
    sys.exit("nothing was swapped out")
summary = next(line for line in lines if line["type"] == "summary")
lives = [line for line in lines if line["type"] == "lifecycle"]
row = next(row for row in summary["reconciliation"] if row["counter"] == "pswpout")
check("pages written", row["ours"], out)
check("kernel's difference", row["kernel_delta"], out)
check("pages of lifecycles that were written", sum(
    life["pages"] for life in lives if life["stages"].get("write_completed")), out)
check("reclaimers", sorted({life["reclaimer"]["comm"] for life in lives}), ["python3"])
print(f"{out} pages written, {len(lives)} lifecycles, {failures} failures")
sys.exit(failures != 0)
