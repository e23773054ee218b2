#!/usr/bin/env python3
"""Checks the tables of statements in docs/GENERATIONS.md: each test that a row names exists, and each row names one or says
why there is none.

A table is one with the head "| statement | test |". A name is `Suite.Test`, `Suite.*`, or a test of any suite. "The same" is
the row before. In the text around the tables, a test is what is written `Suite.Test`, or has a long name.

    statements.py [DOCUMENT [FOLDER_OF_TESTS]]
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEAD = re.compile(r"^\| statement \| test \|$")
TEST = re.compile(r"^TEST(?:_F|_P)?\((\w+), (\w+)\)", re.MULTILINE)
NAMED = re.compile(r"`([A-Z]\w*(?:\.(?:\w+|\*))?)`")
IN_TEXT = re.compile(r"`([A-Z]\w*\.(?:[A-Z]\w+|\*)|[A-Z][A-Za-z0-9]{24,})`")
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


def is_known(name, tests):
    suite, _, test = name.partition(".")
    if test == "*":
        return any(suite == known for known, _ in tests)
    if test:
        return (suite, test) in tests
    return any(name == known for _, known in tests)


def check(text, tests):
    """What is wrong, a line each."""
    rows = {number: (statement, cell) for number, statement, cell in rows_of(text)}
    if not rows:
        yield "no table of statements"
    for number, line in enumerate(text.splitlines(), 1):
        statement, cell = rows.get(number, ("", ""))
        named = NAMED.findall(cell) if number in rows else IN_TEXT.findall(line)
        if number in rows and not named and not EXCUSED.search(cell):
            yield f"{number}: '{statement}' names no test, and does not say why"
        for name in named:
            if not is_known(name, tests):
                yield f"{number}: there is no test {name}"


def main(document=ROOT / "docs" / "GENERATIONS.md", folder=ROOT / "tests"):
    wrong = list(check(pathlib.Path(document).read_text(), tests_of(pathlib.Path(folder))))
    for line in wrong:
        print(f"{document}:{line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
