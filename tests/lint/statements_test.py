#!/usr/bin/env python3
"""Each complaint of statements.py can be made, and none is made where it should not."""

import unittest

import statements

TESTS = {("Suite", "DoesThis"), ("Other", "DoesThat")}
HEAD = "| statement | test |\n|---|---|\n"


def complaints(rows):
    return list(statements.check(HEAD + rows, TESTS))


class Statements(unittest.TestCase):
    def test_names_that_there_are(self):
        self.assertEqual(complaints("| it does | `Suite.DoesThis`, `DoesThat` |\n| all | `Other.*` |\n"), [])

    def test_names_that_there_are_not(self):
        for name in ("Suite.DoesThat", "DoesNothing", "Missing.*"):
            self.assertEqual(complaints(f"| it does | `{name}` |\n"), [f"3: there is no test {name}"])

    def test_a_row_without_a_test_says_why(self):
        self.assertEqual(complaints("| it waits | not tested: nothing happens |\n| so | the same |\n"), [])
        for cell in ("", "not tested", "not tested:", "`swap_map`"):
            self.assertEqual(len(complaints(f"| it waits | {cell} |\n")), 1, cell)

    def test_other_tables_are_not_its_affair(self):
        self.assertEqual(complaints("| a | `DoesThis` |\n\n| here | kernel |\n|---|---|\n| x | `Missing` |\n"), [])

    def test_names_in_the_text(self):
        text = "`Suite.DoesThis`, `Other.*`, `Generation::run`, `drop_repeats.py` and `VmAreas`\n"
        self.assertEqual(complaints("| it does | `DoesThis` |\n\n" + text), [])
        for name in ("Suite.Missing", "Missing.*", "SomethingThatNoTestOfOursIsCalled"):
            self.assertEqual(complaints(f"| it does | `DoesThis` |\n\nSee `{name}`.\n"), [f"5: there is no test {name}"])

    def test_a_page_without_tables(self):
        self.assertEqual(list(statements.check("nothing", TESTS)), ["no table of statements"])


if __name__ == "__main__":
    unittest.main()
