#!/usr/bin/env python3
"""Tests of the programs on this host's own kernel.

    run.py [NAME...]    all, or those whose name contains one of the words

Prints a line for each test, with the reason of each skip, and last `N passed, N failed, N skipped`.
Exit code 1 if one failed. Most need root, some a memory cgroup that can be limited.
"""

import pathlib
import sys
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent


class Result(unittest.TestResult):
    """One line a test, as it ends."""

    def __init__(self):
        super().__init__()
        self.passed = 0
        self.failed = set()  # names: a test with many failing parts is one test

    def startTest(self, test):
        super().startTest(test)
        self.started = time.monotonic()

    def say(self, word, test, reason=""):
        took = time.monotonic() - getattr(self, "started", time.monotonic())
        name = test.id() if hasattr(test, "id") else str(test)
        print(f"{word:8}{name} ({took:.1f} s){reason}", flush=True)

    def addSuccess(self, test):
        self.passed += 1
        self.say("ok", test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.say("skipped", test, f": {reason}")

    def fail(self, test, name, error):
        self.failed.add(name)
        self.say("FAILED", test, "\n" + self._exc_info_to_string(error, test))

    def addFailure(self, test, error):
        self.fail(test, str(test), error)

    def addError(self, test, error):
        self.fail(test, str(test), error)

    def addSubTest(self, test, part, error):
        if error:
            self.fail(part, str(test), error)


def cases(suite):
    for one in suite:
        yield from cases(one) if isinstance(one, unittest.TestSuite) else [one]


def main(words):
    sys.path.insert(0, str(HERE))
    found = unittest.defaultTestLoader.discover(str(HERE), pattern="*_test.py")
    chosen = [case for case in cases(found) if not words or any(word in case.id() for word in words)]
    result = Result()
    unittest.TestSuite(chosen).run(result)
    failed = len(result.failed)
    print(f"{result.passed} passed, {failed} failed, {len(result.skipped)} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
