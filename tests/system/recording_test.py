"""Recordings made on this host while it swaps: replayed, killed, starved of disk space."""

import contextlib
import json
import random
import signal
import subprocess
import time
import unittest

import lab
from swap_test import Swapping

KILLS = 30


def swaptrail(*arguments):
    command = [lab.BUILD / "cli" / "swaptrail", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


@contextlib.contextmanager
def small_disk(path, kib):
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k,mode=700", "tmpfs", path], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", path], check=True)


class Recording(Swapping):
    def one_part(self, folder):
        (part,) = sorted(folder.glob("*.swaptrail"))
        return part

    def test_replay_tells_what_live_told(self):
        target = self.folder / "recording"
        with self.daemon("--print=jsonl", f"--record={target}") as daemon:
            self.swap_out_and_in()
            self.assertEqual(daemon.stop(), 0, daemon.stderr())
        part = self.one_part(target)
        self.assertEqual(swaptrail("verify", part).returncode, 0)
        replayed = swaptrail("replay", "--print=jsonl", part)
        self.assertEqual(replayed.returncode, 0, replayed.stderr)
        live = lab.read(daemon.stdout_path)
        self.assertGreater(live.count("\n"), 10_000)
        self.assertEqual(replayed.stdout.splitlines(), live.splitlines())
        events = daemon.summary()["events"]
        self.assertLess(part.stat().st_size / events, 8, "bytes an event")

    def test_rotation_stays_below_its_total(self):
        target = self.folder / "recording"
        flags = ["--record-part=1", "--record-total=8", "--print=none"]
        with self.daemon(f"--record={target}", *flags) as daemon:
            with self.workload(rounds=12) as work:
                work.wait_ready()
                work.go_on()
                self.assertEqual(work.end(), 0)
            time.sleep(1.5)  # a part is changed once a second
            self.assertEqual(daemon.stop(), 0, daemon.stderr())
        parts = sorted(target.glob("*.swaptrail"))
        self.assertGreater(len(parts), 1)
        self.assertLess(sum(part.stat().st_size for part in parts), 10 * lab.MIB)
        for part in parts:
            self.assertEqual(swaptrail("verify", part).returncode, 0, part)

    def test_killed_at_any_moment(self):
        torn = 0
        with self.workload(rounds=100_000) as work:
            for number in range(KILLS):
                target = self.folder / f"killed-{number}"
                with self.daemon("--print=none", f"--record={target}") as daemon:
                    time.sleep(random.uniform(0, 0.4))
                    daemon.send(signal.SIGKILL)
                    daemon.process.wait()
                part = self.one_part(target)
                verdict = swaptrail("verify", part)
                self.assertEqual(verdict.returncode, 1, "an end that was not written must be reported")
                torn += "torn" in verdict.stdout + verdict.stderr
                whole = target / "whole"
                repaired = swaptrail("repair", part, "-o", whole)
                self.assertIn(repaired.returncode, (0, 1), repaired.stderr)
                self.assertEqual(swaptrail("verify", whole).returncode, 0)
                replayed = swaptrail("replay", "--print=jsonl", whole)
                self.assertEqual(replayed.returncode, 0, replayed.stderr)
                json.loads(replayed.stdout.splitlines()[-1])
            work.process.kill()
        print(f"        {KILLS} kills, {torn} with a torn tail", flush=True)

    def test_disk_full_and_room_again(self):
        disk = self.enterContext(small_disk(self.folder / "disk", 700))
        with self.workload(rounds=100_000) as work:
            with self.daemon("--print=jsonl", f"--record={disk}") as daemon:
                ballast = disk / "ballast"
                ballast.write_bytes(bytes(300 << 10))
                full = lambda: "recording stopped" in daemon.stderr()
                self.assertTrue(lab.wait_until(full, 60), daemon.stderr())
                time.sleep(1.5)  # the standing is a second old at most
                status = swaptrail("status", "--socket", self.folder / "run" / "api.sock").stdout
                self.assertRegex(status, "recording +STOPPED; to files, part 1, 0 had to go, [1-9][0-9]* writes refused")
                ballast.unlink()
                again = lambda: "recording goes on" in daemon.stderr()
                self.assertTrue(lab.wait_until(again, 60), daemon.stderr())
                work.process.kill()
                self.assertEqual(daemon.stop(), 0, daemon.stderr())
        rows = self.reconciled(daemon.summary())
        self.assertEqual(rows["emitted"]["difference"], 0, "the observation went on")
        described = json.loads(swaptrail("info", self.one_part(disk), "-o", "json").stdout)
        self.assertGreaterEqual(len(described["gaps"]), 1)

    def test_flight_recorder_writes_when_asked(self):
        target = self.folder / "flight"
        with self.daemon("--print=none", f"--flight={target}") as daemon:
            self.swap_out_and_in()
            self.assertEqual(list(target.glob("*")), [], "nothing is written before its time")
            daemon.send(signal.SIGUSR2)
            written = lambda: "flight recording (signal): written" in daemon.stderr()
            self.assertTrue(lab.wait_until(written, 10), daemon.stderr())
            self.assertEqual(daemon.stop(), 0, daemon.stderr())
        parts = sorted(target.glob("flight-*.swaptrail"))
        self.assertGreaterEqual(len(parts), 1)
        for part in parts:
            self.assertEqual(swaptrail("verify", part).returncode, 0, part)


del Swapping  # its tests are swap_test's

if __name__ == "__main__":
    unittest.main()
