#!/usr/bin/env python3
"""The rules of the folders: who may include whom, which namespace is whose, what may be called how, how long things are.

    layering.py [--root DIR]

Prints a line for each broken rule and exits 1 if there is one. Lengths only warn. The folders and
their duties are in docs/ARCHITECTURE.md. layering_test.py shows that each rule can fail.
"""

import argparse
import pathlib
import re
import sys

# Folder -> what its files may include, as regular expressions of the whole name, for "quoted" and
# <angled> alike. The standard library is every angled name without a dot or slash.
STANDARD = r"[a-z_0-9]+"
TYPES = r"trace/(check|lifecycle|decode|kinds)\.h"  # what was observed, without how it was put together
# A library may include what it links, and nothing else (room() in CMakeLists.txt). This has what linking can't check,
# such as the system's headers, and what is linked for others only.
RULES = {
    "bpf": [r"[a-z_]+(\.bpf)?\.h", r"bpf/bpf_[a-z_]+\.h", r"linux/types\.h"],
    "trace": [r"trace/(\w+/)?\w+\.h", r"(zstd|xxhash)\.h", r"bpf/(event|pass)\.h", r"absl/.*", STANDARD],
    "engine": [r"engine/\w+/\w+\.h", TYPES, r"bpf/event\.h", r"absl/.*", STANDARD],
    "validate": [r"(trace|engine|validate)/.*", r"daemon/probe/\w+\.h", r"bpf/event\.h", r"absl/.*", STANDARD],
    "manual": [r"(?!(bpf|cli|daemon|engine|trace|validate)/).*"],
    "daemon": [r"(?!cli/).*"],
    "cli": [r"daemon/(base|probe)/\w+\.h", r"(?!(bpf|daemon)/).*"],
}
# Pure code: the same input gives the same output. No clock, no thread, no log, no file.
IMPURE = re.compile(r"(atomic|barrier|chrono|condition_variable|csignal|ctime|filesystem|fstream|"
                    r"future|iostream|latch|mutex|random|semaphore|shared_mutex|stop_token|thread|"
                    r"absl/(log|synchronization|time|random|flags)/.*)")
# A seeded generator is pure; std::random_device is not, and is looked for by name.
SEEDED = {"engine": {"random"}}
PURE = ("trace", "engine")
# The daemon and the command line read recordings in files: only one file knows how.
SYSTEM = {"trace/recording/file.cpp": r"(fcntl|unistd|sys/stat)\.h"}

NOT_A_NAME = {"manager", "managers", "util", "utils", "utility", "helper", "helpers"}  # of anything
# One dialect: what is wrong, and what to write.
DIALECT = [
    (re.compile(r"^#\s*(ifndef|define)\s+\w+_H_?$"), "#pragma once, not a guard"),
    (re.compile(r"^\s*[\w.>\[\]-]+(\+\+|--);|;\s*[\w.>-]+(\+\+|--)\)"), "++x, not x++, where nobody uses the value"),
    (re.compile(r"\bNULL\b"), "nullptr, not NULL"),
    (re.compile(r"^\s*typedef\b"), "using, not typedef"),
]
TYPE = re.compile(r"^\s*(?:template\s*<[^;{]*>\s*)?(?:typedef\s+)?"
                  r"(?:(?:struct|class|union|enum(?:\s+class)?)\s+(\w+)[^;()=]*\{|using\s+(\w+)\s*=)")
# One folder, one namespace: swaptrail:: and the folder's own name. These share one: the words of trace/ are everybody's,
# the engine's folders are parts of one model, and cli/base/ is what all commands have in common.
NAMESPACES = {"trace": "swaptrail", "cli/base": "swaptrail::cli"}
KERNEL_TYPES = "bpf/kernel_types.h"  # named by the kernel
SOURCE = {".h", ".c", ".cpp"}
MAX_LINES = {".cpp": 400, ".h": 150, ".c": 200}
MAX_FUNCTION = 70


def words(name):
    """snake_case and CamelCase alike, in small letters."""
    return re.findall(r"[a-z0-9]+", re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name).lower())


def without_comments(text):
    """Comments and their text go, lines stay."""
    blank = lambda match: "\n" * match.group(0).count("\n")
    return re.sub(r"//[^\n]*|/\*.*?\*/", blank, text, flags=re.DOTALL)


def sources(root):
    for folder in RULES:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in SOURCE:
                yield folder, path


def includes(text):
    for number, line in enumerate(text.splitlines(), 1):
        found = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if found:
            yield number, found.group(1), found.group(2)


def broken_includes(folder, text, relative=""):
    rules = RULES[folder] + ([SYSTEM[relative]] if relative in SYSTEM else [])
    allowed = re.compile("|".join(f"({rule})" for rule in rules))
    for number, bracket, name in includes(text):
        if not allowed.fullmatch(name) or (folder in PURE and bracket == '"' and "/" not in name):
            yield number, f"{folder}/ must not include {name}"
        elif folder in PURE and IMPURE.fullmatch(name) and name not in SEEDED.get(folder, ()):
            yield number, f"{folder}/ is pure: no {name}"
    if folder in PURE and re.search(r"\brandom_device\b", text):
        yield 1, f"{folder}/ is pure: no random_device"


def broken_names(path, relative, text):
    for word in words(path.name.split(".")[0]):
        if word in NOT_A_NAME:
            yield 1, f"a file is not called '{word}': say what it is"
    if relative == KERNEL_TYPES:
        return
    for number, line in enumerate(text.splitlines(), 1):
        found = TYPE.match(line)
        name = found and (found.group(1) or found.group(2))
        for word in words(name or ""):
            if word in NOT_A_NAME:
                yield number, f"a type is not called '{word}' ({name}): say what it is"


def broken_dialect(path, text):
    """C++ only: bpf/ is C, as kernels write it, and what is included from there has a guard."""
    for number, line in enumerate(text.splitlines(), 1):
        for pattern, better in DIALECT:
            if pattern.search(line):
                yield number, better


def namespace_of(folder, relative):
    """The namespace of a file's folder; what is in it may be in one of its own, inside."""
    if folder == "engine":
        return "swaptrail::engine"
    place = relative.rpartition("/")[0]
    return NAMESPACES.get(place, "swaptrail::" + place.rpartition("/")[2])


def broken_namespace(folder, relative, text):
    """Before its own namespace a file may name what it needs of others."""
    found = None
    for found in re.finditer(r"^namespace (swaptrail[\w:]*) \{", text, re.MULTILINE):
        pass
    wanted = namespace_of(folder, relative)
    if found and not f"{found.group(1)}::".startswith(f"{wanted}::"):
        yield text.count("\n", 0, found.start()) + 1, f"its namespace is {wanted}, not {found.group(1)}"


def broken_folders(root):
    for folder in (*RULES, "proto", "tests", "bench", "deploy"):
        for path in sorted((root / folder).rglob("*")):
            for word in words(path.name.split(".")[0]):
                if word in NOT_A_NAME and path != root / "tests" / "data" and path.suffix not in SOURCE:
                    yield path, 1, f"a file is not called '{word}': say what it is"


def lengths(path, text):
    """Warnings: the file, and functions, which begin at a `{` at a line's end in column 0's block."""
    lines = text.splitlines()
    limit = MAX_LINES[path.suffix]
    if len(lines) > limit:
        yield 1, f"{len(lines)} lines: better at most {limit}"
    begin = None
    for number, line in enumerate(lines, 1):
        if begin is None and re.match(r"^[\w~:].*\)[^;]*\{$|^\{$", line) and "namespace" not in line and "= {" not in line:
            begin = number
        elif begin is not None and line.startswith("}"):
            if number - begin > MAX_FUNCTION:
                yield begin, f"a function of {number - begin} lines: better at most {MAX_FUNCTION}"
            begin = None


def check(root):
    """(broken rules, warnings), as lines of text."""
    broken, warnings = [], []
    for folder, path in sources(root):
        relative = path.relative_to(root).as_posix()
        text = path.read_text()
        code = without_comments(text)
        found = [*broken_includes(folder, code, relative), *broken_names(path, relative, code)]
        if folder != "bpf":
            found += [*broken_dialect(path, code), *broken_namespace(folder, relative, code)]
        for number, what in found:
            broken.append(f"{relative}:{number}: {what}")
        if relative != KERNEL_TYPES:
            warnings += [f"{relative}:{number}: {what}" for number, what in lengths(path, text)]
    for path, number, what in broken_folders(root):
        broken.append(f"{path.relative_to(root).as_posix()}:{number}: {what}")
    return broken, warnings


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    here = pathlib.Path(__file__).resolve()
    parser.add_argument("--root", type=pathlib.Path, default=here.parents[2])
    broken, warnings = check(parser.parse_args().root)
    for line in warnings:
        print(f"warning: {line}")
    for line in broken:
        print(line)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
