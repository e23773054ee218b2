"""Real swapping on this host: the reports of swaptraild are compared with the kernel's counts."""

import json
import signal
import subprocess
import time
import unittest

import lab

WORK_MIB, LIMIT_MIB, ROUNDS = 96, 48, 2
# Up to here a host can't show a stage without tracing programs: daemon/probe/hook_catalogue, kUnseen.
UNSEEN_BY_TRACEPOINTS = {
    "reclaim_batch", "pageout_request", "slot_allocated", "unmapped_one", "unmapped",
    "zswap_stored", "removed", "cache_deleted", "slot_freed", "swap_in", "swap_read",
    "zswap_loaded", "split"}


def explain(*flags):
    """(the host's facts and mode, its hooks), as swaptraild --explain-attach prints them."""
    command = [lab.BUILD / "daemon" / "swaptraild", "--explain-attach", "--print=jsonl", *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    host, *hooks = [json.loads(line) for line in done.stdout.splitlines()]
    return host, hooks


class Swapping(unittest.TestCase):
    """Makes a swap file and a cgroup for each test."""

    def setUp(self):
        if not lab.is_root():
            self.skipTest("needs root")
        if not lab.memory_cgroup_root():
            self.skipTest("no cgroup hierarchy here limits memory")
        if lab.swap_areas():
            self.skipTest("swap is on here: its counters would not be ours alone")
        self.host = explain()[0]["host"]
        if not self.host["raw_tracepoint"]["ok"]:
            self.skipTest(self.host["raw_tracepoint"]["reason"])
        self.folder = self.enterContext(lab.scratch())
        try:
            self.enterContext(lab.swap_file(self.folder))
        except subprocess.CalledProcessError as error:
            self.skipTest(f"no swap file here: {error.stderr.decode().strip()}")
        self.cgroup = self.enterContext(lab.memory_cgroup(LIMIT_MIB * lab.MIB))

    def daemon(self, *flags, **options):
        return lab.Daemon(self.folder, *flags, **options)

    def workload(self, mib=WORK_MIB, rounds=ROUNDS, scenario="anon"):
        return lab.Workload(self.folder, self.cgroup, mib, rounds, scenario)

    def swap_out_and_in(self, scenario="anon"):
        """Returns the pages that were swapped out between the two phases."""
        with self.workload(scenario=scenario) as work:
            work.wait_ready()
            work.go_on()
            self.assertEqual(work.end(), 0, "a page came back with other content")
            return work.swapped_pages()

    def reconciled(self, summary):
        return {row["counter"]: row for row in summary["reconciliation"]}


class Totals(Swapping):
    """In each mode that the host permits: pages reported = pages counted by the kernel."""

    def follow(self, mode, scenario="anon"):
        with self.daemon(f"--mode={mode}", "--print=jsonl") as daemon:
            self.assertIn(f"mode {mode}", daemon.ready_line())
            before = lab.settled_vmstat()
            swapped = self.swap_out_and_in(scenario)
            after = lab.settled_vmstat()
            self.assertEqual(daemon.stop(), 0, daemon.stderr())
        return daemon, swapped, {name: after[name] - before[name] for name in before}

    def check(self, mode):
        daemon, swapped, delta = self.follow(mode)
        summary, lifecycles = daemon.summary(), daemon.lines("lifecycle")
        self.assertGreater(delta["pswpout"], 10_000, "the workload did not swap")
        written = sum(one["pages"] for one in lifecycles if one["backend"] == "device")
        self.assertEqual(written, delta["pswpout"])
        for row in summary["reconciliation"]:
            self.assertEqual(row["difference"], 0, row)
        self.assertIn("pswpout", self.reconciled(summary))
        self.assertEqual(summary["lost_events"], 0)
        self.assertEqual(summary["violations"], 0, daemon.lines("violation")[:3])
        self.assert_every_page_told(lifecycles, swapped)
        print(f"        {mode}: pswpout {delta['pswpout']}, written in lifecycles {written}; "
              f"{len(swapped)} pages in swap, all reported; {summary['events']} events, 0 lost; "
              f"complete {summary['complete_share']:.4%}", flush=True)
        return lifecycles, summary

    def assert_every_page_told(self, lifecycles, swapped):
        """Every page that pagemap shows in swap has a lifecycle with its process and its slot."""
        self.assertGreater(len(swapped), 1_000)
        reported = {(one["pid"], one["swap_type"], one["swap_offset"] + page)
                for one in lifecycles if one["swap_offset"] is not None
                for page in range(one["pages"])}
        self.assertEqual(len(swapped - reported), 0, sorted(swapped - reported)[:3])

    def test_tracepoint(self):
        lifecycles, _ = self.check("tracepoint")
        for one in lifecycles:
            if one["backend"] == "device":
                self.assertIn("write_issued", one["stages"], one)
            self.assertTrue(set(one["stages"]) <= {"isolated", "unmapped", "write_issued", "write_end",
                                                   "write_completed", "removed"}, one)

    def test_zero_filled_pages(self):
        """No tracepoint distinguishes zero-filled pages from zswap: they are not counted, and not invented."""
        daemon, _, delta = self.follow("tracepoint", "zero")
        if not delta.get("swpout_zero"):
            self.skipTest("this kernel writes zero-filled pages like others")
        written = sum(one["pages"] for one in daemon.lines("lifecycle") if one["backend"] == "device")
        self.assertEqual(written, delta["pswpout"])
        reported = {one["outcome"] for one in daemon.lines("lifecycle") if one["backend"] == "unknown"}
        self.assertLessEqual(reported, {"unknown", "in_flight"})
        for row in daemon.summary()["reconciliation"]:
            self.assertEqual(row["difference"], 0, row)

    def test_unseen_stages_are_named(self):
        _, hooks = explain("--mode=tracepoint")
        missing = {hook["hook"]: hook for hook in hooks if hook["state"] == "missing"}
        self.assertEqual(set(missing) & UNSEEN_BY_TRACEPOINTS, UNSEEN_BY_TRACEPOINTS)
        for hook in missing.values():
            self.assertTrue(hook["reason"] and hook["costs"], hook)
        with self.daemon("--mode=tracepoint") as daemon:
            for name in UNSEEN_BY_TRACEPOINTS:
                self.assertIn(name, daemon.ready_line())
            self.assertEqual(daemon.stop(), 0)

    def test_kprobe(self):
        if not self.host["kprobe"]["ok"]:
            self.skipTest(self.host["kprobe"]["reason"])
        self.check("kprobe")

    def test_full(self):
        if not self.host["tracing"]["ok"]:
            self.skipTest(self.host["tracing"]["reason"])
        lifecycles, summary = self.check("full")
        self.assertGreaterEqual(summary["complete_share"], 0.999)


class Losses(Swapping):
    def test_full_ring(self):
        """A daemon that is stopped for a while: what is lost is counted, and nothing is invented."""
        with self.daemon("--print=jsonl", "--ring-size=1") as daemon:
            daemon.send(signal.SIGSTOP)
            before = lab.settled_vmstat()
            with self.workload() as work:
                work.wait_ready()
                daemon.send(signal.SIGCONT)
                work.go_on()
                self.assertEqual(work.end(), 0)
            written = lab.settled_vmstat()["pswpout"] - before["pswpout"]
            self.assertEqual(daemon.stop(), 0, daemon.stderr())
        summary, losses = daemon.summary(), daemon.lines("loss")
        rows = self.reconciled(summary)
        self.assertGreater(summary["lost_events"], 0, "the rings did not fill")
        # without a CPU: runs of programs that the kernel skipped, of events that never were
        self.assertEqual(summary["lost_events"],
                         sum(loss["count"] for loss in losses if loss["cpu"] is not None))
        self.assertEqual(rows["emitted"]["difference"], 0, rows["emitted"])
        # the totals are counted in the kernel: exact whatever was lost
        self.assertEqual(rows["pswpout"]["difference"], 0, rows["pswpout"])
        self.assertEqual(summary["violations"], 0, daemon.lines("violation")[:3])
        reported = sum(one["pages"] for one in daemon.lines("lifecycle") if one["backend"] == "device")
        self.assertLessEqual(reported, written)
        print(f"        {summary['lost_events']} events lost in {len(losses)} gaps, "
              f"emitted = consumed + dropped; pswpout {written}, written in lifecycles {reported}, "
              f"overlapped {summary['overlapped_loss']['lifecycles']}", flush=True)


class Ending(Swapping):
    """However it ends, no program of ours stays in the kernel."""

    def setUp(self):
        super().setUp()
        self.programs = lab.bpf_programs()

    def assert_detached(self):
        self.assertTrue(lab.wait_until(lambda: lab.bpf_programs() <= self.programs, 10),
                        "programs were left behind")

    def end_while_swapping(self, number):
        with self.daemon("--print=jsonl") as daemon, self.workload(rounds=4) as work:
            self.assertTrue(lab.bpf_programs() - self.programs)
            pswpout = lab.vmstat()["pswpout"]
            self.assertTrue(lab.wait_until(lambda: lab.vmstat()["pswpout"] > pswpout + 2_000, 30))
            code = daemon.stop(number)
            self.assertIsNone(work.process.poll(), "the workload ended too early for this test")
        self.assert_detached()
        return daemon, code

    def test_sigint(self):
        daemon, code = self.end_while_swapping(signal.SIGINT)
        self.assertEqual(code, 0, daemon.stderr())
        self.assertEqual(self.reconciled(daemon.summary())["emitted"]["difference"], 0)

    def test_sigterm(self):
        daemon, code = self.end_while_swapping(signal.SIGTERM)
        self.assertEqual(code, 0, daemon.stderr())
        self.assertEqual(self.reconciled(daemon.summary())["emitted"]["difference"], 0)

    def test_sigkill(self):
        daemon, code = self.end_while_swapping(signal.SIGKILL)
        self.assertEqual(code, -signal.SIGKILL)

    def test_closed_pipe(self):
        """The reader goes away: the observation goes on until it is stopped, and ends in order."""
        with self.daemon("--print=jsonl", stdout=subprocess.PIPE) as daemon, self.workload() as work:
            self.assertTrue(daemon.process.stdout.readline())
            daemon.process.stdout.close()
            work.wait_ready()
            time.sleep(0.3)
            self.assertIsNone(daemon.process.poll(), daemon.stderr())
            self.assertEqual(daemon.stop(), 1)  # something broke: the output
        self.assertNotIn("Broken", daemon.stderr())
        self.assert_detached()

    def test_stopped_reader(self):
        """A reader that stops and keeps its pipe costs lines of the output, and not one event."""
        target = self.folder / "recording"
        with self.daemon("--print=jsonl", f"--record={target}", stdout=subprocess.PIPE) as daemon:
            self.swap_out_and_in()
            lab.settled_vmstat()
            begin = time.monotonic()
            self.assertEqual(daemon.stop(signal.SIGTERM), 1, daemon.stderr())
            self.assertLess(time.monotonic() - begin, 20)
            self.assertRegex(daemon.stderr(), r"\d+ lines were not printed: their reader is too slow")
            daemon.process.stdout.close()
        self.assert_detached()
        (part,) = target.glob("*.swaptrail")
        replayed = subprocess.run([lab.BUILD / "cli" / "swaptrail", "replay", "--print=jsonl", part],
                                  capture_output=True, text=True, check=True)
        summary = json.loads(replayed.stdout.splitlines()[-1])
        self.assertGreater(summary["total"]["lifecycles"], 10_000)
        self.assertEqual(summary["lost_events"], 0)
        for row in summary["reconciliation"]:
            self.assertEqual(row["difference"], 0, row)
