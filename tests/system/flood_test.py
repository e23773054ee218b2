"""All floods at once, by a group member, a TLS peer and clients of HTTP, while pages are swapped and honest clients ask.

SWAPTRAIL_FLOOD_SECONDS: how long [15]. With more than a minute the host is taken to be idle, and times are held to their
bounds as well: hostile clients, who would have CPUs of their own elsewhere, only get what nobody else wants of these.
"""

import contextlib
import grp
import json
import os
import pathlib
import re
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.request

import flood_clients
import lab
import swap_test

HERE = pathlib.Path(__file__).resolve().parent
SECONDS = float(os.environ.get("SWAPTRAIL_FLOOD_SECONDS", "15"))
REST_S = min(60.0, max(10.0, SECONDS))  # until memory is to be back
MEMBER = 65534
SCRAPERS = 20
MOST_RESIDENT_MIB = 256  # docs/RELIABILITY.md
SLACK_MIB = 8  # a tenth is little of a process as small as this one is with --store=16
MOST_P99_S = 0.1
TIMED = SECONDS > 60
CLIENTS = [*(["nice", "-n", "19"] if TIMED else []), sys.executable, HERE / "flood_clients.py"]


def resident_mib(pid):
    return int(re.search(r"^VmRSS:\s+(\d+) kB$", lab.read(f"/proc/{pid}/status"), re.MULTILINE).group(1)) / 1024


def certificates(folder):
    """(authority, certificate, key), which serve both sides."""
    key, certificate = folder / "key.pem", folder / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-subj", "/CN=localhost", "-days", "2", "-keyout", key, "-out", certificate],
                   check=True, capture_output=True)
    key.chmod(0o600)
    return certificate, certificate, key


@contextlib.contextmanager
def flood(reports, *arguments):
    """Clients in a process of their own."""
    process = subprocess.Popen([*CLIENTS, *map(str, arguments)],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield
        out, _ = process.communicate(timeout=60)
        reports[arguments[0]] = json.loads(out)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


class Honest(threading.Thread):
    """Asks again and again; `times` has the seconds that each answer took."""

    def __init__(self, question, pause_s):
        super().__init__()
        self.question, self.pause_s = question, pause_s
        self.times, self.errors, self.ended = [], [], threading.Event()

    def run(self):
        while not self.ended.is_set():
            began = time.monotonic()
            try:
                self.question()
                self.times.append(time.monotonic() - began)
            except Exception as error:  # every one counts
                self.errors.append(repr(error))
            self.ended.wait(self.pause_s)


def scrape(address):
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        answer.read()


def get_status(path):
    """GetStatus by HTTP/2, over a connection of its own."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(path))
        client.sendall(flood_clients.PREFACE + flood_clients.frame(4, 0, 0) + flood_clients.call(
            1, "GetStatus", flood_clients.frame(0, flood_clients.END_STREAM, 1, flood_clients.EMPTY)))
        answer = b""
        while b"grpc-status" not in answer:
            more = client.recv(1 << 16)
            if not more:
                raise ConnectionError("closed before the answer")
            answer += more


class Flood(swap_test.Swapping):
    def setUp(self):
        super().setUp()
        try:
            self.group = grp.getgrnam("games")  # any that is there
        except KeyError:
            self.skipTest("no group 'games'")

    @contextlib.contextmanager
    def swapping(self):
        """Pages go out and come back all the time."""
        ended = threading.Event()

        def work():
            while not ended.is_set():
                with self.workload(rounds=4) as one:
                    one.wait_ready()
                    one.go_on()
                    one.end()

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def test_memory_is_bounded_and_others_are_served(self):
        ca, cert, key = certificates(self.folder)
        web, tcp = (f"127.0.0.1:{lab.free_port()}" for _ in range(2))
        flags = ["--print=none", "--store=16", "--socket-group=games", f"--web.listen-address={web}",
                 f"--listen={tcp}", f"--tls-cert={cert}", f"--tls-key={key}", f"--tls-client-ca={ca}"]
        path, reports = self.folder / "run" / "api.sock", {}
        with self.daemon(*flags) as daemon, self.swapping():
            honest = [Honest(lambda: scrape(web), 1) for _ in range(SCRAPERS)]
            honest += [Honest(lambda: get_status(path), 0.2)]
            watcher = subprocess.Popen([lab.BUILD / "cli" / "swaptrail", "trace", "-o", "jsonl", f"--socket={path}"],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                for one in honest:
                    one.start()
                time.sleep(10)  # the store is full, and every client has a connection
                start_mib = most_mib = resident_mib(daemon.process.pid)
                with flood(reports, "unix", path, MEMBER, self.group.gr_gid, 64), \
                        flood(reports, "tls", *tcp.split(":"), ca, cert, key, 16), \
                        flood(reports, "http", *web.split(":"), 64):
                    end = time.monotonic() + SECONDS
                    while time.monotonic() < end:
                        most_mib = max(most_mib, resident_mib(daemon.process.pid))
                        time.sleep(0.05)
                time.sleep(REST_S)
                rest_mib = resident_mib(daemon.process.pid)
            finally:
                for one in honest:
                    one.ended.set()
                for one in honest:
                    one.join()
                watched = watcher.poll() is None
                watcher.send_signal(signal.SIGINT)
                watcher.wait()
            began = time.monotonic()
            code = daemon.stop(signal.SIGTERM)
            stop_s = time.monotonic() - began
        self.report(reports, start_mib, most_mib, rest_mib, honest, stop_s)
        self.assertEqual(code, 0, daemon.stderr())
        self.assertTrue(watched, "the watcher's stream has ended")
        self.assertEqual([error for one in honest for error in one.errors], [])
        for kinds in (honest[:SCRAPERS], honest[SCRAPERS:]) if TIMED else ():
            self.assertLess(statistics.quantiles([t for one in kinds for t in one.times], n=100)[98], MOST_P99_S)
        self.assertLess(most_mib, MOST_RESIDENT_MIB)
        self.assertLess(rest_mib, 1.1 * start_mib + SLACK_MIB)
        self.assertLess(stop_s, 2)
        self.assertNotIn("lost", daemon.stderr())

    def report(self, reports, start_mib, most_mib, rest_mib, honest, stop_s):
        for who, counts in reports.items():
            print(f"        {who}: {sum(counts['sent'].values()) / 1e6:.0f} MB sent, "
                  f"{sum(counts['closed'].values())} connections closed")
        for name, kinds in (("scrapes", honest[:SCRAPERS]), ("GetStatus", honest[SCRAPERS:])):
            times = [t for one in kinds for t in one.times]
            print(f"        {name}: {len(times)} answers, median {1000 * statistics.median(times):.1f} ms, "
                  f"p99 {1000 * statistics.quantiles(times, n=100)[98]:.1f} ms, "
                  f"{sum(len(one.errors) for one in kinds)} without: {[e for one in kinds for e in one.errors][:3]}")
        print(f"        resident: {start_mib:.0f} MiB, at most {most_mib:.0f}, {rest_mib:.0f} after {REST_S:.0f} s; "
              f"ends in {stop_s:.2f} s; {SECONDS:.0f} s of floods")


if __name__ == "__main__":
    import unittest
    unittest.main()
