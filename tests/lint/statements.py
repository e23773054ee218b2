#!/usr/bin/env python3
"""Checks the tables of statements in docs/GENERATIONS.md: each test that a row names exists, and each row names one or says
why there is none.

A table is one with the head "| statement | test |". A name is `Suite.Test`, `Suite.*`, or a test of any suite that a row
or the text names. "The same" is the row before.

    statements.py [DOCUMENT [FOLDER_OF_TESTS]]
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEAD = re.compile(r"^\| statement \| test \|$")
TEST = re.compile(r"^TEST(?:_F|_P)?\((\w+), (\w+)\)", re.MULTILINE)
NAMED = re.compile(r"`([A-Z]\w*(?:\.(?:\w+|\*))?)`")
EXCUSED = re.compile(r"not test(?:ed|able)[^:]*: .|the same")


def tests_of(folder):
    """All tests as (suite, name)."""
    found = set()
    for path in folder.rglob("*_test.cpp"):
        found.update(TEST.findall(path.read_text()))
    return found


def rows_of(text):
    """(line number, statement, test) of each row of a table of statements."""
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        if HEAD.match(line):
            inside = True
        elif not line.startswith("|"):
            inside = False
        elif inside and not line.startswith("|---"):
            cells = re.split(r"(?<!\\)\|", line)[1:-1]
            yield number, cells[0].strip(), cells[-1].strip()


def check(text, tests):
    """What is wrong, a line each."""
    suites = {suite for suite, _ in tests}
    names = {name for _, name in tests}
    rows = list(rows_of(text))
    if not rows:
        yield "no table of statements"
    for number, statement, cell in rows:
        named = NAMED.findall(cell)
        if not named and not EXCUSED.search(cell):
            yield f"{number}: '{statement}' names no test, and does not say why"
        for name in named:
            suite, _, test = name.partition(".")
            if test == "*":
                known = suite in suites
            elif test:
                known = (suite, test) in tests
            else:
                known = name in names
            if not known:
                yield f"{number}: there is no test {name}"


def main(document=ROOT / "docs" / "GENERATIONS.md", folder=ROOT / "tests"):
    wrong = list(check(pathlib.Path(document).read_text(), tests_of(pathlib.Path(folder))))
    for line in wrong:
        print(f"{document}:{line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
