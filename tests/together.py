#!/usr/bin/env python3
"""Runs the tests of one GoogleTest program in a few processes.

    together.py PROGRAM JOBS

CTest starts the program anew for each test. With sanitizers that takes longer (0.6 s of CPU time) than most tests do. So this is
for tests that need no process of their own.

Prints the output of a part in which something failed, a line for each test that failed or was skipped, and `N passed, N failed, N skipped`.
Exit code 1 if one failed, or nothing was run. A part that crashes or hangs is one failure: its last line of output names the test.
"""

import concurrent.futures
import os
import pathlib
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml

SHARDS_OF_A_JOB = 4  # they differ in length
LONGEST = 900  # s
SHOWN = 200  # lines of output


def run(program, shard, shards, report):
    environment = {**os.environ, "GTEST_TOTAL_SHARDS": str(shards), "GTEST_SHARD_INDEX": str(shard)}
    command = [program, f"--gtest_output=xml:{report}", "--gtest_color=no"]
    with subprocess.Popen(command, cwd=program.parent, env=environment, text=True, errors="replace", stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as process:
        try:
            output, how = process.communicate(timeout=LONGEST)[0], ""
        except subprocess.TimeoutExpired:
            process.kill()
            output, how = process.communicate()[0], f"did not end within {LONGEST} s"
    try:
        cases = list(xml.parse(report).getroot().iter("testcase"))
    except (OSError, xml.ParseError):
        return output, None, how or f"ended with code {process.returncode} and without a report"
    return output, cases, how or (f"ended with code {process.returncode}" if process.returncode else "")


def main(program, jobs):
    program, shards = pathlib.Path(program).resolve(), int(jobs) * SHARDS_OF_A_JOB
    passed, failed, skipped = 0, [], []
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(int(jobs)) as pool:
        parts = pool.map(lambda shard: run(program, shard, shards, f"{folder}/{shard}.xml"), range(shards))
        for shard, (output, cases, how) in enumerate(parts):
            before = len(failed)
            for case in cases or []:
                name = f"{case.get('classname')}.{case.get('name')}"
                if case.find("failure") is not None:
                    failed.append(name)
                elif case.find("skipped") is not None or case.get("result") == "skipped":
                    reason = case.find("skipped")
                    skipped.append(f"{name}: {reason.get('message', '').strip().splitlines()[-1:] if reason is not None else ''}")
                elif case.get("status") == "run":
                    passed += 1
            if how and len(failed) == before:
                failed.append(f"{program.name}, part {shard + 1} of {shards}: {how}")
            if len(failed) != before:
                print("\n".join(output.splitlines()[-SHOWN:]), flush=True)
    for name in failed:
        print(f"FAILED  {name}")
    for name in skipped:
        print(f"skipped {name}")
    print(f"{passed} passed, {len(failed)} failed, {len(skipped)} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
