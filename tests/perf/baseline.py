#!/usr/bin/env python3
"""Holds what the code costs against bench/baseline.json: instructions, which do not depend on the machine or its load.

    baseline.py BUILD           each figure; fails if one has grown by more than 3 %, is new, or is gone
    baseline.py BUILD --renew   writes the file anew: in the commit that makes the change, with the reason in its message

BUILD is optimised (release) and has the target `work`. In user space callgrind counts; for the programs in the kernel it is
the length of each, of all its branches. Other compilers make other code, so the file says which it was made with, and
with others nothing is compared (exit code 75). Ends with `N passed, N failed, N skipped`.
"""

import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BASELINE = ROOT / "bench/baseline.json"
RECORDING = ROOT / "tests/data/recordings/6.12-nvme-shmem.swaptrail"
OBJECTS = ("full", "kprobe", "tracepoint")
MOST_GROWTH = 0.03
# What the C library chooses by the processor it finds: the functions that every x86-64 has.
PLAIN = "glibc.cpu.hwcaps=" + ",".join("-" + name for name in (
    "AVX_Fast_Unaligned_Load", "AVX2", "AVX", "AVX2_Usable", "AVX_Usable", "AVX512F", "AVX512VL", "ERMS", "FSRM",
    "BMI1", "BMI2", "LZCNT", "MOVBE", "POPCNT", "SSE4_1", "SSE4_2", "SSSE3", "RTM"))


class Missing(Exception):
    """Nothing can be compared here; the text says why."""


def output(*command, **options):
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, **options).stdout


def made_with(build):
    """The compilers, by their own words."""
    cache = (build / "CMakeCache.txt").read_text()
    def first_line(variable):
        found = re.search(rf"^{variable}:\w+=(.*)$", cache, re.MULTILINE)
        return output(found[1], "--version").splitlines()[0]
    return {"c++": first_line("CMAKE_CXX_COMPILER"), "clang": first_line("BPF_CLANG")}


def counted(function, *command):
    """Instructions below `function`, None: of all; and what the command printed."""
    with tempfile.TemporaryDirectory() as folder:
        toggle = [f"--toggle-collect={function}"] if function else []
        ran = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", *toggle, *map(str, command)],
            # nothing else of this environment: its size moves the stack
            env={"PATH": os.environ["PATH"], "LC_ALL": "C", "TZ": "UTC", "GLIBC_TUNABLES": PLAIN},
            capture_output=True, text=True, check=False)
    found = re.search(r"Collected : (\d+)", ran.stderr)
    if ran.returncode != 0 or not found or int(found[1]) == 0:
        raise SystemExit(f"baseline.py: {' '.join(map(str, command))} counted nothing, code {ran.returncode}:\n{ran.stderr}")
    return int(found[1]), ran.stdout


def work(build, what):
    instructions, printed = counted("*counted*", build / "bench/work", what)
    words = printed.split()
    return {f"{what}, each of {name}": instructions / int(count) for name, count in zip(words[::2], words[1::2])}


def replay(build):
    """Of main(), without the dynamic linker."""
    instructions, printed = counted("main", build / "cli/swaptrail", "replay", RECORDING)
    return {"replay, each line": instructions / printed.count("\n")}


def start(build):
    return {"swaptrail --version, with the dynamic linker": counted(None, build / "cli/swaptrail", "--version")[0]}


def instructions_of(build):
    jobs = int(os.environ.get("SWAPTRAIL_JOBS", "2"))
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        tasks = [pool.submit(work, build, what) for what in ("live", "many", "store")]
        tasks += [pool.submit(replay, build), pool.submit(start, build)]
        return {name: round(count, 1) for task in tasks for name, count in task.result().items()}


def programs_of(build):
    """The length of each program in the objects, in instructions."""
    lengths = {}
    for name in OBJECTS:
        disassembly = output("llvm-objdump", "-d", "--no-show-raw-insn", build / f"bpf/{name}.bpf.o")
        program = None
        for line in disassembly.splitlines():
            if label := re.fullmatch(r"[0-9a-f]+ <(\w+)>:", line):
                if not label[1].startswith("LBB"):  # clang names the targets of jumps, too
                    program = f"{name}: {label[1]}"
                    lengths[program] = 0
            elif program and re.match(r"\s+\d+:\s", line):
                lengths[program] += 1
    return lengths


def complaints(before, now):
    for name in sorted(before.keys() | now.keys()):
        if name not in now:
            yield f"{name}: is not there any more"
        elif name not in before:
            yield f"{name}: is new, {now[name]}"
        elif now[name] > before[name] * (1 + MOST_GROWTH):
            yield f"{name}: {before[name]} -> {now[name]}, {100 * (now[name] / before[name] - 1):+.1f} %"


def compare(baseline, figures):
    passed = failed = 0
    for part, now in figures.items():
        wrong = list(complaints(baseline[part], now))
        for complaint in wrong:
            print(f"FAILED  {complaint}")
        failed += len(wrong)
        passed += len(now) - len([name for name in now if any(text.startswith(name + ":") for text in wrong)])
        if part == "instructions":
            for name, count in now.items():
                print(f"{name}: {count}, {100 * (count / baseline[part].get(name, count) - 1):+.2f} %")
    if failed:
        print("If that is worth it: tests/perf/baseline.py build/release --renew, and say why in the commit.")
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


def main(build, renew):
    for tool in ("valgrind", "llvm-objdump"):
        if not shutil.which(tool):
            raise Missing(f"{tool} is missing")
    baseline = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    compilers = made_with(build)
    if not renew and baseline["made_with"] != compilers:
        raise Missing(f"made with {baseline['made_with']}, and here is {compilers}")
    figures = {"instructions": instructions_of(build), "programs": programs_of(build)}
    if not renew:
        return compare(baseline, figures)
    BASELINE.write_text(json.dumps({"made_with": compilers, **figures}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[2:] not in ([], ["--renew"]):
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    try:
        sys.exit(main(pathlib.Path(sys.argv[1]).resolve(), bool(sys.argv[2:])))
    except Missing as reason:
        print(f"skipped baseline: {reason}")
        print("0 passed, 0 failed, 1 skipped")
        sys.exit(75)
