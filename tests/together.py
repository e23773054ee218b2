#!/usr/bin/env python3
"""Runs the tests of GoogleTest programs in a few processes each.

    together.py JOBS PROGRAM...
    together.py --self-test        tests that fail, crash, hang, and are skipped are seen to

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

SHARDS_OF_A_JOB = 4  # of each program: they differ in length
LONGEST_S = 900
SHOWN = 200  # lines of output


def run(program, shard, shards, report, longest_s):
    environment = {**os.environ, "GTEST_TOTAL_SHARDS": str(shards), "GTEST_SHARD_INDEX": str(shard)}
    command = [program, f"--gtest_output=xml:{report}", "--gtest_color=no"]
    with subprocess.Popen(command, cwd=program.parent, env=environment, text=True, errors="replace", stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as process:
        try:
            output, how = process.communicate(timeout=longest_s)[0], ""
        except subprocess.TimeoutExpired:
            process.kill()
            output, how = process.communicate()[0], f"did not end within {longest_s} s"
    try:
        cases = list(xml.parse(report).getroot().iter("testcase"))
    except (OSError, xml.ParseError):
        return output, None, how or f"ended with code {process.returncode} and without a report"
    return output, cases, how or (f"ended with code {process.returncode}" if process.returncode else "")


def reason_of(skipped):
    lines = (skipped.get("message", "") if skipped is not None else "").strip().splitlines()
    return lines[-1] if lines else "no reason"


def reason_of_failure(failure):
    """`file:line: what was expected` of a GoogleTest assertion: all that a summary shows."""
    return ": ".join(filter(None, map(str.strip, failure.get("message", "").splitlines())))


def run_all(jobs, programs, longest_s=LONGEST_S):
    shards = jobs * SHARDS_OF_A_JOB
    parts = [(pathlib.Path(program).resolve(), shard) for program in programs for shard in range(shards)]
    passed, failed, skipped = 0, [], []
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        results = pool.map(lambda part: run(*part, shards, f"{folder}/{part[0].name}.{part[1]}.xml", longest_s), parts)
        for (program, shard), (output, cases, how) in zip(parts, results):
            before = len(failed)
            for case in cases or []:
                name = f"{case.get('classname')}.{case.get('name')}"
                if case.find("failure") is not None:
                    failed.append(f"{name}: {reason_of_failure(case.find('failure'))}")
                elif case.get("result") == "skipped":
                    skipped.append(f"{name}: {reason_of(case.find('skipped'))}")
                elif case.get("status") == "run":
                    passed += 1
            if how and len(failed) == before:
                failed.append(f"{program.name}, part {shard + 1} of {shards}: {how}")
            if len(failed) != before:
                print("\n".join(output.splitlines()[-SHOWN:]), flush=True)
    return passed, failed, skipped


def main(jobs, *programs):
    passed, failed, skipped = run_all(int(jobs), programs)
    for name in failed:
        print(f"FAILED  {name}")
    for name in skipped:
        print(f"skipped {name}")
    print(f"{passed} passed, {len(failed)} failed, {len(skipped)} skipped")
    return 1 if failed or not passed else 0


CASES = '<testsuites><testsuite>%s</testsuite></testsuites>'
PASSED = '<testcase name="a" status="run" result="completed" classname="S"/>'
FAILS = '<testcase name="b" status="run" result="completed" classname="S"><failure message="f.cpp:2&#x0A;Expected: 1"/></testcase>'
SKIPPED = '<testcase name="c" status="run" result="skipped" classname="S"><skipped message="f.cpp:1&#x0A;for root only"/></testcase>'


def self_test():
    """Programs that stand for one of GoogleTest: they write a report, or do not."""
    report = 'out=${1#--gtest_output=xml:}; printf %%s \'%s\' >"$out"'
    programs = {
        report % (CASES % (PASSED + SKIPPED)): (4, [], ["S.c: for root only"] * 4),
        report % (CASES % (PASSED + FAILS)) + "; exit 1": (4, ["S.b: f.cpp:2: Expected: 1"] * 4, []),
        report % (CASES % PASSED) + "; exit 1": (4, 4, []),  # a leak, say
        "exit 139": (0, 4, []),
        "exec sleep 60": (0, 4, []),
    }
    for text, (passed, failed, skipped) in programs.items():
        with tempfile.TemporaryDirectory() as folder:
            program = pathlib.Path(folder, "tests")
            program.write_text(f"#!/bin/sh\n{text}\n")
            program.chmod(0o755)
            found = run_all(1, [program], 2)
        fails = len(found[1]) == failed if isinstance(failed, int) else found[1] == failed
        if found[0] != passed or not fails or found[2] != skipped:
            sys.exit(f"{text}: {found}")
    print("all are seen")
    return 0


if __name__ == "__main__":
    sys.exit(self_test() if sys.argv[1:] == ["--self-test"] else main(*sys.argv[1:]))
