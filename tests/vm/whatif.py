#!/usr/bin/env python3
"""Holds what `swaptrail what-if` answers against what a guest counted that really had it. See whatif.sh.

    whatif.py SWAPTRAIL DIR PATTERN... <CASES

CASES are the lines of whatif.sh, NAME DEVICE MORE-MIB PAGE-CLUSTER ZSWAP-MIB RECORD. In DIR are PATTERN-NAME.json, what the
guest counted, and PATTERN-NAME.recording/, what was recorded. A case is asked of the last one before it that was recorded.
"""

import json
import pathlib
import subprocess
import sys

# By section: what is compared, with which counters of /proc/vmstat, and how far the truth may lie outside of the estimate, in
# percent of the truth.
COMPARED = {
    "recorded": ({"written_pages": "pswpout", "read_pages": "pswpin", "major_faults": "pgmajfault"}, 1),
    "memory": ({"written_pages": "pswpout", "read_pages": "pswpin", "major_faults": "pgmajfault"}, 5),
    "zswap": ({"written_pages": "pswpout", "read_pages": "pswpin", "loaded_pages": "zswpin"}, 15),
    "priority": ({"slots_given": "zram writes", "major_faults": "zram reads"}, 20),
    "page_cluster": ({"read_pages": "pswpin", "major_faults": "pgmajfault"}, 5),
}


def question(case, truth):
    """The section that answers a case, and the flag that asks for it."""
    _, device, more, cluster, zswap, _ = case
    if device.startswith("both:"):
        return "priority", f"--priority=/dev/zram0={device.removeprefix('both:')}"
    if zswap != "0":
        ratio = truth["end"]["zswapped"] / truth["end"]["zswap"]
        return "zswap", f"--zswap={zswap}M/{max(1, ratio):.2f}"
    if cluster != "0":
        return "page_cluster", f"--page-cluster={cluster}"
    return "memory", f"--memory={more}M"


def answers(swaptrail, recording, flag, section):
    """The rows as recorded and as estimated. Of readahead the way that this kernel goes with these areas."""
    files = sorted(str(path) for path in recording.glob("*.swaptrail"))
    ran = subprocess.run([swaptrail, "what-if", *files, flag, "--print=jsonl"], capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        sys.exit(f"whatif.py: {swaptrail} ended with {ran.returncode}: {ran.stderr.strip()}")
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    rows = [line for line in lines if line["type"] == "what_if" and line["of"] == section]
    rows = [row for row in rows if row.get("as_here", "yes") == "yes" and row.get("area", "/dev/zram0") == "/dev/zram0"]
    return rows[0], rows[-1], [line["text"] for line in lines if line["type"] == "not_known"]


def distance(low, high, truth):
    """How far the truth lies outside, in percent of it: positive if the estimate is too high."""
    outside = low - truth if truth < low else high - truth if truth > high else 0
    return 100 * outside / max(truth, 1)


def main():
    swaptrail, folder, patterns = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
    cases = [line.split() for line in sys.stdin]
    passed = failed = missing = 0
    print(f"{'case':16} {'of':13} {'counter':11} {'recorded':>9} {'estimate':>17} {'kernel':>8} {'off by':>8}")
    for pattern in patterns:
        base, unknown = None, set()
        for case in cases:
            result = folder / f"{pattern}-{case[0]}.json"
            if not result.exists() or result.stat().st_size == 0:
                print(f"{pattern}-{case[0]}: no result")
                missing += 1
                continue
            truth = json.loads(result.read_text())
            if case[5] == "record":
                base = folder / f"{pattern}-{case[0]}.recording"
            section, flag = question(case, truth) if case[5] != "record" else ("recorded", "--memory=1M")
            recorded, estimate, not_known = answers(swaptrail, base, flag, section if section != "recorded" else "memory")
            if section == "recorded":
                estimate = recorded
            unknown.update(not_known)
            if section == "priority":  # a page each (Documentation/block/stat.rst)
                stat = (folder / f"{pattern}-{case[0]}.zram").read_text().split()
                truth["vmstat"].update({"zram reads": int(stat[0]), "zram writes": int(stat[4])})
            compared, limit = COMPARED[section]
            for key, counter in compared.items():
                low, high, real = estimate[key]["low"], estimate[key]["high"], truth["vmstat"][counter]
                off = distance(low, high, real)
                good = abs(off) <= limit
                passed, failed = passed + good, failed + (not good)
                span = f"{low}..{high}" if low != high else f"{low}"
                print(f"{pattern + '-' + case[0]:16} {section:13} {counter:11} {recorded[key]['high']:9} {span:>17} {real:8} "
                      f"{off:+7.1f}%{'' if good else ' far'}")
        for text in sorted(unknown):
            print(f"  {pattern}, not known: {text}")
    print(f"{passed} passed, {failed} failed, {missing} skipped")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
