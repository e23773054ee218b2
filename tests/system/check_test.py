"""`swaptrail status --check` of a running swaptraild: each trouble that a host can be brought to."""

import re
import signal
import subprocess
import time
import unittest
import urllib.error
import urllib.request

import lab
import swap_test


def fetch(url):
    """(status, text)"""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""


class Check(swap_test.Swapping):
    def check(self):
        """(exit code, reported problems) once the status, published each second, is newer than now. A busy host that
        preempts skips runs of programs at any time: they are left out."""
        time.sleep(2.5)
        command = [lab.BUILD / "cli" / "swaptrail", "status", "--check", "--socket",
                   self.folder / "run" / "api.sock"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        self.assertIn("TRUST", done.stdout, done.stderr)
        said = [line.removeprefix("swaptrail: ") for line in done.stderr.splitlines()]
        troubles = [line for line in said if not line.endswith(" runs left out by the kernel")]
        return (done.returncode if troubles or not said else 0), troubles

    def missing(self, *flags):
        """What is said of the hooks that this host does not have, which is all that is wrong with a daemon that is well."""
        _, hooks = swap_test.explain(*flags)
        return [f"hook {hook['hook']} is missing" for hook in hooks if hook["state"] == "missing"]

    def test_missing_hooks_and_nothing_else(self):
        with self.daemon("--mode=tracepoint", "--print=none") as daemon:
            self.swap_out_and_in()
            code, troubles = self.check()
            self.assertEqual(daemon.stop(), 0, daemon.stderr())
        self.assertEqual(troubles, self.missing("--mode=tracepoint"))
        self.assertEqual(code, 1)

    def test_all_is_well(self):
        if self.missing():
            self.skipTest("this host has no mode with every hook")
        with self.daemon("--print=none") as daemon:
            self.swap_out_and_in()
            code, troubles = self.check()
            self.assertEqual(daemon.stop(), 0, daemon.stderr())
        self.assertEqual((code, troubles), (0, []))

    def test_nothing_is_observed(self):
        """The daemon answers while its pipeline, the main thread, stands still."""
        address = f"127.0.0.1:{lab.free_port()}"
        with self.daemon("--print=none", f"--web.listen-address={address}") as daemon:
            site = f"http://{address}"
            age = lambda: float(re.search(r"^swaptrail_last_sweep_age_seconds (\S+)$",
                                          fetch(site + "/metrics")[1], re.MULTILINE).group(1))
            self.assertEqual(fetch(site + "/-/ready")[0], 200)
            self.assertLess(age(), 5)
            with lab.stopped_thread(daemon.process.pid):
                time.sleep(11)
                code, troubles = self.check()
                stalled = [trouble for trouble in troubles if trouble.startswith("nothing is observed")]
                self.assertEqual((code, len(stalled)), (1, 1), troubles)
                self.assertGreater(age(), 10)
                self.assertEqual(fetch(site + "/-/ready")[0], 503)
                self.assertEqual(fetch(site + "/-/healthy")[0], 200)
            self.assertTrue(lab.wait_until(lambda: fetch(site + "/-/ready")[0] == 200, 10))
            self.assertLess(age(), 5)
            self.assertEqual(daemon.stop(), 0, daemon.stderr())

    def test_lost_records(self):
        with self.daemon("--print=none", "--ring-size=1") as daemon:
            daemon.send(signal.SIGSTOP)
            with self.workload() as work:
                work.wait_ready()
                daemon.send(signal.SIGCONT)
                work.go_on()
                self.assertEqual(work.end(), 0)
            code, troubles = self.check()
            self.assertEqual(daemon.stop(), 0, daemon.stderr())
        self.assertEqual(code, 1)
        new = [trouble for trouble in troubles if trouble not in self.missing()]
        self.assertEqual(len(new), 1, troubles)
        self.assertRegex(new[0], r"^[1-9]\d* records lost: the ring was full$")


if __name__ == "__main__":
    unittest.main()
