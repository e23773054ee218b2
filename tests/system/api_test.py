"""The API of a running swaptraild, asked by a client that is not ours, while real pages are swapped."""

import concurrent.futures
import grp
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import unittest
import urllib.request

import client
import lab
import swap_test



def promised(name):
    """The methods that the contract has in this file."""
    return set(re.findall(r"^ *rpc (\w+)\(", lab.read(lab.ROOT / "proto/swaptrail/v1" / name), re.M))


METHODS = {
    client.TRACE: promised("trace.proto"),
    client.CONTROL: promised("control.proto"),
    "grpc.health.v1.Health": set(),  # there, but without a description
}
STRANGER = 65534  # nobody
MOST_CONNECTIONS = 256


def resident_kib(pid):
    for line in lab.read(f"/proc/{pid}/status").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise RuntimeError("no VmRSS")


def cpu_seconds(pid):
    """User and system time of a process so far."""
    fields = lab.read(f"/proc/{pid}/stat").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Api(swap_test.Swapping):
    def setUp(self):
        if client.packages()[0] is None:
            self.skipTest(client.packages()[1])
        super().setUp()

    def socket(self):
        return self.folder / "run" / "api.sock"

    def client(self, **environment):
        return client.Client(f"unix:{self.socket()}", **environment)

    def swaptrail(self, *arguments, **options):
        command = [lab.BUILD / "cli" / "swaptrail", *arguments[:1], "--socket", self.socket(),
                   *arguments[1:]]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, **options)

    def assert_refused(self, code, call):
        with self.assertRaises(client.Failed) as caught:
            call()
        self.assertEqual(caught.exception.code, code, caught.exception.details)
        self.assertTrue(caught.exception.details)


class EveryMethod(Api):
    def test_by_reflection(self):
        """All that the proto promises is there, is found by reflection, and can be called."""
        flight = self.folder / "flight"
        flight.mkdir()
        with self.daemon("--print=none", "--enable-pageout", f"--flight={flight}") as daemon:
            ask = self.client()
            services = ask.services()
            for service, methods in METHODS.items():
                self.assertEqual(set(services[service]["methods"]), methods)
            with self.workload() as work:
                work.wait_ready()
                self.check_lists(ask)
                self.check_pages(ask, work)
                self.check_numbers(ask)
                self.check_control(ask, work)
                self.check_command_line(work)
                work.go_on()
                self.assertEqual(work.end(), 0)
            self.check_status(ask, daemon)
            self.assertEqual(daemon.stop(), 0, daemon.stderr())
            self.assertFalse(self.socket().exists())

    def check_lists(self, ask):
        """Page after page gives each lifecycle once, and what a filter lets through."""
        seen, token = [], ""
        while True:
            page = ask.call("ListLifecycles", {"page_size": 1000, "page_token": token,
                                               "order": "LIFECYCLE_ORDER_OLDEST_FIRST"})
            seen += [int(one["id"]) for one in page["lifecycles"]]
            token = page["next_page_token"]
            if not token or len(seen) >= 4000:
                break
        self.assertGreaterEqual(len(seen), 4000)
        self.assertEqual(len(seen), len(set(seen)))
        only = ask.call("ListLifecycles", {"filter": {"outcomes": ["OUTCOME_FREED_DEVICE"]}})
        self.assertEqual({one["outcome"] for one in only["lifecycles"]}, {"OUTCOME_FREED_DEVICE"})
        nothing = ask.call("ListLifecycles", {"filter": {"pids": [1]}})
        self.assertEqual(nothing["lifecycles"], [])
        self.assert_refused("INVALID_ARGUMENT", lambda: ask.call("ListLifecycles", {"page_size": -1}))
        self.assert_refused("INVALID_ARGUMENT",
                            lambda: ask.call("ListLifecycles", {"page_token": "made up"}))

    def check_pages(self, ask, work):
        """ExplainPage says of a page what pagemap says."""
        rows = [line.split() for line in lab.read(f"{work.oracle}.1").splitlines()]
        swapped = [row for row in rows if row[0].isdigit() and row[2] != "-"]
        for pid, address, area, slot in swapped[:3] + swapped[-3:]:
            page = {"pid": int(pid), "address": int(address, 16)}
            answer = ask.call("ExplainPage", {"virtual_page": page})
            self.assertEqual(answer["state"], "PAGE_STATE_SWAPPED", answer)
            self.assertEqual((answer["entry"]["type"], int(answer["entry"]["offset"])),
                             (int(area), int(slot)))
            self.assertTrue(answer["explanation"])
            by_entry = ask.call("ExplainPage", {"entry": answer["entry"]})
            self.assertEqual(by_entry["history"][0]["id"], answer["history"][0]["id"])
        self.assert_refused("NOT_FOUND", lambda: ask.call(
            "ExplainPage", {"virtual_page": {"pid": 4_000_000, "address": 4096}}))

    def check_numbers(self, ask):
        areas = ask.call("GetSwapAreas")["areas"]
        self.assertEqual([one["path"] for one in areas], [str(self.folder / "swap")])
        self.assertEqual(int(areas[0]["size_bytes"]), 255 * lab.MIB + lab.MIB - lab.PAGE)
        everything = ask.call("QueryStats")["rows"][0]
        by_outcome = ask.call("QueryStats", {"group_by": ["STATS_GROUP_OUTCOME"]})
        # pages go on being swapped between the two
        self.assertGreaterEqual(sum(int(row["lifecycles"]) for row in by_outcome["rows"]),
                                int(everything["lifecycles"]))
        self.assertTrue(ask.call("GetCounters", {"group_by": "COUNTER_GROUP_PROCESS"})["rows"])
        self.assertTrue(ask.call("GetMatrix")["cells"])
        self.assertEqual(int(ask.call("ListViolations")["total"]), 0)

    def check_control(self, ask, work):
        written = ask.call("TriggerFlightRecorder", {"reason": "test"}, client.CONTROL)
        self.assertTrue(written["paths"])
        for path in written["paths"]:
            info = subprocess.run([lab.BUILD / "cli" / "swaptrail", "info", path], capture_output=True)
            self.assertEqual(info.returncode, 0, info.stderr)
        # a whole number of pages that the workload has, the last that it touched
        rows = [line.split() for line in lab.read(f"{work.oracle}.1").splitlines()]
        pid = next(int(row[0]) for row in rows if row[0].isdigit())
        first = self.anonymous_range(pid)
        messages = ask.stream("PageOut", {"pid": pid, "address": first, "length_bytes": 2 * lab.MIB},
                              service=client.CONTROL)
        result = messages[-1]["result"]
        self.assertEqual(int(result["advised_bytes"]), 2 * lab.MIB)
        self.assertGreater(int(result["swapped_after_pages"]), 500, result)
        self.assert_refused("INVALID_ARGUMENT", lambda: ask.stream(
            "PageOut", {"pid": pid, "address": 1, "length_bytes": 4096}, service=client.CONTROL))

    def anonymous_range(self, pid):
        """The last 2 MiB of the largest anonymous mapping: what the workload touched last."""
        largest = (0, 0)
        for line in lab.read(f"/proc/{pid}/maps").splitlines():
            words = line.split()
            begin, end = (int(part, 16) for part in words[0].split("-"))
            if len(words) == 5 and words[1].startswith("rw"):
                largest = max(largest, (end - begin, end))
        return largest[1] - 2 * lab.MIB

    def check_command_line(self, work):
        rows = [line.split() for line in lab.read(f"{work.oracle}.1").splitlines()]
        pid, address = next(row[:2] for row in rows if row[0].isdigit() and row[2] != "-")
        for arguments in (["status"], ["list", "--limit", "5"], ["areas"], ["matrix"], ["violations"],
                          ["stats", "--by", "outcome"], ["top", "--batch", "2"],
                          ["page", "--pid", pid, "--addr", address]):
            for shape in ("table", "json", "jsonl"):
                done = self.swaptrail(*arguments, "-o", shape)
                self.assertEqual(done.returncode, 0, f"{arguments}: {done.stderr}")
                self.assertTrue(done.stdout.strip() or arguments == ["violations"], arguments)
                if shape == "json":
                    json.loads(done.stdout)
                if shape == "jsonl":
                    [json.loads(line) for line in done.stdout.splitlines()]

    def check_status(self, ask, daemon):
        time.sleep(1.5)  # the status is published once a second
        status = ask.call("GetStatus")
        self.assertEqual(status["mode"], "tracepoint" if not self.host["tracing"]["ok"] else "full")
        self.assertEqual(status["loss"]["dropped_ring_full"], "0")
        self.assertEqual(status["loss"]["emitted"], status["loss"]["consumed"])
        for row in status["reconciliation"]:
            allowed = int(row["allowance"]) if row["counter"] == "slots" else 0
            self.assertLessEqual(abs(int(row["difference"])), allowed, row)
        self.assertEqual({hook["name"] for hook in status["hooks"] if hook["state"] == "missing"} == set(),
                         "not visible" not in daemon.ready_line())


class Watching(Api):
    def test_fifty_watchers_one_of_them_stopped(self):
        """A reader that stopped loses lifecycles and gets their number; nobody else notices."""
        with self.daemon("--print=none", "--store=8") as daemon:
            others = self.client().start("watchers", "49")
            stopped = self.client().start("watchers", "1")
            for one in (others, stopped):
                self.assertEqual(one.stderr.readline(), "watching\n")
            stopped.send_signal(signal.SIGSTOP)
            try:
                self.swap_out_and_in()
                lab.settled_vmstat()
            finally:
                stopped.send_signal(signal.SIGCONT)
            tallies = [[json.loads(line) for line in one.communicate(timeout=300)[0].splitlines()]
                       for one in (others, stopped)]
            status = self.client().call("GetStatus")
            self.assertEqual(status["loss"]["dropped_ring_full"], "0")
            total = int(status["lifecycles"])
            self.assertEqual(daemon.stop(), 0, daemon.stderr())
        self.assertGreater(total, 10_000)
        self.assertEqual(len(tallies[0]), 49)
        for tally in tallies[0] + tallies[1]:
            self.assertIsNone(tally["error"])
            self.assertEqual(tally["received"] + tally["missed"], total, tally)
        self.assertGreater(tallies[1][0]["missed"], 0)
        print(f"        {total} lifecycles; {sum(t['missed'] for t in tallies[0])} missed by 49 readers, "
              f"{tallies[1][0]['missed']} by the one that was stopped", flush=True)


class Strangers(Api):
    def stranger(self):
        """A client that nobody's processes can run, and the user and group to run it as."""
        packages = self.folder / "node_modules"
        shutil.copytree(client.packages()[0], packages, symlinks=True)
        who = {"user": STRANGER, "group": STRANGER, "extra_groups": []}
        return self.client(NODE_MODULES=str(packages)), who

    def test_a_user_outside_the_group_gets_in_nowhere(self):
        with self.daemon("--print=none", "--socket-group=daemon"):
            found = self.socket().stat()
            self.assertEqual((found.st_mode & 0o777, found.st_uid), (0o660, 0))
            self.assertEqual(found.st_gid, grp.getgrnam("daemon").gr_gid)
            ask, who = self.stranger()
            self.assert_refused("UNAVAILABLE", lambda: ask.call("GetStatus", **who))

    def test_the_group_reads_and_does_not_control(self):
        with self.daemon("--print=none", "--socket-group=nogroup", "--enable-pageout"):
            ask, who = self.stranger()
            self.assertTrue(ask.call("GetStatus", **who)["pageout_enabled"])
            self.assert_refused("PERMISSION_DENIED", lambda: ask.call(
                "PageOut", service=client.CONTROL, **who))
            self.assert_refused("PERMISSION_DENIED", lambda: ask.call(
                "TriggerFlightRecorder", service=client.CONTROL, **who))

    def test_a_thousand_connections_and_garbage(self):
        """Bounded memory, right codes, and an answer for those who ask properly afterwards."""
        with self.daemon("--print=none") as daemon:
            ask = self.client()
            ask.call("GetStatus")
            before = resident_kib(daemon.process.pid)
            crowd = []
            for number in range(1000):
                one = socket.socket(socket.AF_UNIX)
                one.settimeout(5)
                try:
                    one.connect(str(self.socket()))
                    if number % 2:
                        one.send(os.urandom(64))
                except OSError:
                    pass
                crowd.append(one)
            time.sleep(1)
            held = resident_kib(daemon.process.pid)
            for one in crowd:
                one.close()
            self.assertTrue(lab.wait_until(self.answers, 30, 0.5))
            too_long = {"filter": {"comms": ["x"] * 65}}
            self.assert_refused("INVALID_ARGUMENT", lambda: ask.call("ListLifecycles", too_long))
            huge = self.folder / "huge.json"
            huge.write_text(json.dumps({"filter": {"cgroup": "x" * (5 << 20)}}))
            self.assert_refused("RESOURCE_EXHAUSTED", lambda: ask.call_file("ListLifecycles", huge))
            after = resident_kib(daemon.process.pid)
            self.assertLess(held - before, 64 << 10)
            self.assertEqual(daemon.stop(), 0, daemon.stderr())
        print(f"        resident before {before} KiB, with 1000 connections {held} KiB, after {after} KiB",
              flush=True)

    def answers(self):
        try:
            return bool(self.client().call("GetStatus"))
        except client.Failed:
            return False


class Metrics(Api):
    def scrape(self, port):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            return answer.read().decode()

    def value(self, text, name, **labels):
        total = 0.0
        for line in text.splitlines():
            if line.startswith(name + "{") or line.startswith(name + " "):
                if all(f'{label}="{value}"' in line for label, value in labels.items()):
                    total += float(line.rsplit(" ", 1)[1])
        return total

    def test_equal_the_kernel(self):
        """swaptraild reads /proc/vmstat when it starts and once a second: we do before and after that."""
        port = free_port()
        outer = lab.settled_vmstat()["pswpout"]
        with self.daemon("--print=none", f"--web.listen-address=127.0.0.1:{port}") as daemon:
            inner = lab.settled_vmstat()["pswpout"]
            self.swap_out_and_in()
            settled = lab.settled_vmstat()["pswpout"]
            time.sleep(1.5)
            text = self.scrape(port)
            after = lab.vmstat()["pswpout"]
            written = self.value(text, "swaptrail_reconciliation_observed_pages_total", counter="pswpout")
            kernel = self.value(text, "swaptrail_reconciliation_kernel_pages_total", counter="pswpout")
            self.assertGreaterEqual(written, settled - inner)
            self.assertLessEqual(written, after - outer)
            self.assertEqual(kernel, written)
            self.assertEqual(self.value(text, "swaptrail_reconciliation_difference_pages"), 0)
            self.assertEqual(self.value(text, "swaptrail_events_dropped_total"), 0)
            self.assertEqual(daemon.stop(), 0, daemon.stderr())

    def test_twenty_scrapers_at_full_rate(self):
        """They cost the observation nothing; what they cost in CPU is printed."""
        port = free_port()
        with self.daemon("--print=none", f"--web.listen-address=127.0.0.1:{port}") as daemon:
            with concurrent.futures.ThreadPoolExecutor(max_workers=20) as pool:
                stop = threading.Event()
                scrapers = [pool.submit(self.scrape_until, stop, port) for _ in range(20)]
                self.swap_out_and_in()
                stop.set()
                scrapes = sum(one.result() for one in scrapers)
            self.assertGreater(scrapes, 20)
            status = self.client().call("GetStatus")
            self.assertEqual(status["loss"]["dropped_ring_full"], "0")
            idle = cpu_seconds(daemon.process.pid)
            for _ in range(100):
                self.scrape(port)
            cost = (cpu_seconds(daemon.process.pid) - idle) / 100
            self.assertEqual(daemon.stop(), 0, daemon.stderr())
        print(f"        {scrapes} scrapes by 20 while pages were swapped, 0 records dropped; "
              f"{1000 * cost:.1f} ms CPU each", flush=True)

    def scrape_until(self, stop, port):
        count = 0
        while not stop.is_set():
            self.scrape(port)
            count += 1
        return count


if __name__ == "__main__":
    unittest.main()
