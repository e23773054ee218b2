#!/usr/bin/env python3
"""Counts the cases in CTest's JUnit report, with the reason of each skip.

    count.py REPORT    ends with `N passed, N failed, N skipped`; exit code 1 if one failed, or there is none
"""

import sys
import xml.etree.ElementTree as xml


def main(path):
    counts = {"run": 0, "fail": 0, "notrun": 0, "disabled": 0}
    for case in xml.parse(path).getroot().iter("testcase"):
        status = case.get("status")
        counts[status] += 1
        words = (case.findtext("system-out") or "").splitlines()
        if status == "fail":
            # a failed assertion of GoogleTest: its place, and what was expected
            at = next((i for i, line in enumerate(words) if line.endswith(": Failure")), len(words))
            print(": ".join([f"FAILED  {case.get('name')}", *(line.strip() for line in words[at:at + 4])]))
        if status in ("notrun", "disabled"):
            # GTEST_SKIP() << reason comes after the line with the place
            said = [line for line in words if line and not line.startswith(("[", "Note:", "Running"))]
            print(f"skipped {case.get('name')}: {said[-1].strip() if said else 'disabled'}")
    skipped = counts["notrun"] + counts["disabled"]
    print(f"{counts['run']} passed, {counts['fail']} failed, {skipped} skipped")
    return 1 if counts["fail"] or not any(counts.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
