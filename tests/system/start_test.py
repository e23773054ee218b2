"""What swaptraild refuses before anything is attached, and what it leaves alone: others' files, privileges."""

import contextlib
import os
import pathlib
import re
import resource
import shutil
import signal
import stat
import subprocess
import time
import unittest

import lab
from recording_test import small_disk
from refusals_test import USAGE, Refusals, needs_btf, needs_root



def lines_of(done):
    return done.stderr.splitlines()


def fill(path):
    """The disk that `path` is on, to its last page."""
    with open(path, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


class CheckConfig(Refusals):
    def check(self, *flags, **options):
        command = [self.folder / "swaptraild", "--check-config", *flags]
        return subprocess.run(command, capture_output=True, text=True, timeout=20, **options)

    def config(self, text):
        path = self.folder / "conf"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def test_counters_follow_no_page(self):
        for flag, why in [("--validate", "--validate compares the steps of each page"),
                          (f"--record={self.folder}", "--record writes down what happens to each page"),
                          (f"--flight={self.folder}", "--flight keeps what happens to each page"),
                          ("--sample=16", "--sample chooses pages to follow"),
                          ("--cpu-limit=5", "--cpu-limit chooses pages to follow"),
                          ("--enable-pageout", "--enable-pageout tells what became of each page"),
                          ("--print=text", "--print text or jsonl has a line for each page"),
                          ("--print=jsonl", "--print text or jsonl has a line for each page"),
                          ("--mode=tracepoint", "--mode tracepoint can't count by cgroup")]:
            done = self.check("--run-dir", self.folder / "run", "--detail=counters", flag)
            self.assertEqual(done.returncode, 2, flag)
            self.assertIn(f"{why}: not with --detail=counters\n", done.stderr)
        for flags in (["--detail=counters"], ["--detail=lifecycles", "--sample=16"],
                      [f"--config={self.config('detail = counters')}", "--print=none"]):
            self.assertEqual(self.check("--run-dir", self.folder / "run", *flags).returncode, 0, flags)

    def test_good_options(self):
        done = self.check("--run-dir", self.folder / "run", f"--config={self.config('store = 32 # MiB')}")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "OK\n", ""))
        self.assertFalse((self.folder / "run").exists(), "it makes nothing")

    def test_what_is_installed_is_good(self):
        done = self.check("--run-dir", self.folder / "run", f"--config={lab.ROOT / 'deploy' / 'swaptraild.conf'}")
        self.assertEqual((done.returncode, done.stdout), (0, "OK\n"), done.stderr)

    def test_each_bad_option_is_one_line(self):
        """(flags, words of the line)."""
        link, readable = self.folder / "link", self.folder / "readable"
        link.symlink_to("/var")
        readable.mkdir()
        readable.chmod(0o777)
        fifo = self.folder / "fifo"
        os.mkfifo(fifo)
        file = self.folder / "file"
        file.write_text("x")
        for flags, words in (
                (["--web.listen-address=127.0.0.1:99999"], ["--web.listen-address", "99999"]),
                (["--web.listen-address=127.0.0.1:http!"], ["--web.listen-address", "HOST:PORT"]),
                (["--web.listen-address=nowhere"], ["--web.listen-address"]),
                (["--web.telemetry-path=metrics"], ["--web.telemetry-path", "/metrics"]),
                (["--web.config.file=/dev/zero"], ["--web.config.file", "/dev/zero"]),
                ([f"--web.config.file={fifo}"], ["--web.config.file", str(fifo)]),
                ([f"--web.config.file={self.folder}"], ["--web.config.file", "regular"]),
                (["--control-group=no-such-group"], ["--control-group", "groupadd"]),
                (["--cgroup=system.slice"], ["--cgroup", "/system.slice"]),
                (["--cgroup=/a/../b"], ["--cgroup"]),
                ([f"--record={file}"], ["--record", str(file), "no folder"]),
                ([f"--record={fifo}"], ["--record", "no folder"]),
                ([f"--record={link}"], ["--record", "link"]),
                ([f"--record={link}/"], ["--record", "link"]),
                ([f"--record={readable}"], ["--record", "chmod go-w"]),
                (["--record=/nowhere/at/all"], ["--record", "mkdir"]),
                ([f"--flight={readable}"], ["--flight", "chmod go-w"]),
                (["--flight=/proc/1"], ["--flight"]),
                ([f"--flight={self.folder}/f", "--flight-pressure=all 1 2"], ["--flight-pressure", "some 150000"]),
                ([f"--flight={self.folder}/f", "--flight-pressure=some 3000000 2000000"], ["--flight-pressure"]),
                (["--socket=api.sock"], ["--socket", "must be absolute"]),
                ([f"--socket=/{'x' * 110}"], ["--socket", "may have 107"]),
                ([f"--socket={readable}/api.sock"], ["--socket", "chmod go-w"]),
                (["--listen=0.0.0.0:99999", "--tls-cert=/etc/hostname", "--tls-key=/nowhere", "--tls-no-client-auth"],
                 ["--listen"]),
                (["--config="], ["--config", "no value"]),
                (["--config=/nowhere"], ["--config", "/nowhere"]),
                ([f"--config={fifo}"], ["--config", "regular"]),
                (["--config=/dev/zero"], ["--config", "regular"]),
                ([f"--config={self.folder}"], ["--config", "regular"]),
                (["--cgroup=", "--print=none"], ["--cgroup", "no value"]),
                (["--store=8", "--store=9"], ["--store", "twice"]),
        ):
            with self.subTest(flags=flags):
                done = self.check("--run-dir", self.folder / "run", *flags)
                self.assertEqual(done.returncode, USAGE, done.stderr)
                self.assertEqual(done.stdout, "")
                for word in words:
                    self.assertIn(word, lines_of(done)[0])
                if "--listen" not in words:
                    self.assertEqual(len(lines_of(done)), 1, done.stderr)

    def test_run_dir(self):
        for path, word in (("/nowhere/at/all", "mkdir"), ("run", "begins with /"), ("/etc/hostname", "no folder"),
                           ("/tmp", "chmod go-w"), ("", "no value")):
            with self.subTest(path=path):
                done = self.check("--run-dir", path)
                self.assertEqual((done.returncode, len(lines_of(done))), (USAGE, 1), done.stderr)
                self.assertIn("--run-dir", done.stderr)
                self.assertIn(word, done.stderr)

    def test_an_empty_value_takes_no_flag(self):
        done = self.check("--run-dir=", "--allow-no-swap")
        self.assertEqual(done.returncode, USAGE)
        self.assertEqual(lines_of(done), ["swaptraild: --run-dir has no value: give one, or leave the option out"])

    def test_all_problems_at_once(self):
        done = self.check("--run-dir=/tmp", "--record=/nowhere/at/all", "--cgroup=x", "--control-group=no-such",
                          "--web.listen-address=x", "--web.telemetry-path=x")
        self.assertEqual(done.returncode, USAGE)
        self.assertEqual([line.split()[1] for line in lines_of(done)],
                         ["--run-dir", "--record", "--cgroup", "--control-group", "--web.listen-address",
                          "--web.telemetry-path"])

    def test_config_file_names_its_lines(self):
        """(text, what each line of the answer has)."""
        for text, wanted in (
                ("stroe = 3\nregret = 5\nregret = 6\nstore =\n[web]\n",
                 ["line 1: there is no option 'stroe'", "line 3: regret is there twice, first in line 2",
                  "line 4: store has no value", "line 5: sections"]),
                ("# fine\n\nstore = 1\n", ["--store: ", "line 3"]),
                ("config = /etc/passwd\n", ["line 1: there is no option 'config'"]),
                ("help = true\n", ["line 1: there is no option 'help'"]),
                (b"store = 32\n\x00\x01\x02", ["no text"]),
                (b"\xff\xfe", ["no text"]),
                (os.urandom(100_000), ["no text"]),
                ("x = 1\n" * 1000, ["line 1: "] + ["line"] * 19),
                (" " * (2 << 20), ["larger than 1 MiB"]),
        ):
            with self.subTest(text=text[:40]):
                done = self.check("--run-dir", self.folder / "run", f"--config={self.config(text)}")
                self.assertEqual(done.returncode, USAGE, done.stderr)
                if wanted[0] != "--store: ":
                    self.assertEqual(len(lines_of(done)), len(wanted), done.stderr)
                    for line, words in zip(lines_of(done), wanted):
                        self.assertIn(words, line)
                else:
                    for words in wanted:
                        self.assertIn(words, done.stderr)

    def test_few_descriptors(self):
        few = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        done = self.check("--run-dir", self.folder / "run", preexec_fn=few)
        self.assertEqual((done.returncode, len(lines_of(done))), (USAGE, 1), done.stderr)
        self.assertIn("RLIMIT_NOFILE", done.stderr)

    @needs_root
    @needs_btf
    def test_nothing_is_attached_for_a_bad_option(self):
        before = lab.bpf_programs()
        done = self.run_program("swaptraild", "--allow-no-swap", "--flight=/nowhere/at/all", "--cgroup=x")
        self.assertEqual(done.returncode, USAGE, done.stderr)
        self.assertEqual(len(lines_of(done)), 2, done.stderr)
        self.assertFalse((self.folder / "run").exists())
        self.assertTrue(lab.wait_until(lambda: lab.bpf_programs() <= before, 10))


@needs_root
@needs_btf
class Started(Refusals):
    def daemon(self, *flags, **popen):
        return self.enterContext(lab.Daemon(self.folder, "--allow-no-swap", "--print=none", *flags, **popen))

    def status(self, daemon):
        lines = lab.read(f"/proc/{daemon.process.pid}/status").splitlines()
        return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}

    def test_closed_standard_streams(self):
        """What is opened later must not be taken for a standard stream."""
        command = (f"exec {self.folder}/swaptraild --allow-no-swap --print=jsonl --run-dir {self.folder}/run "
                   f"--socket-group=none --web.listen-address=none --record={self.folder}/rec <&- >&- 2>&-")
        process = subprocess.Popen(["sh", "-c", command])
        try:
            pid_file = self.folder / "run" / "swaptraild.pid"
            self.assertTrue(lab.wait_until(lambda: (self.folder / "run" / "api.sock").exists(), 60))
            time.sleep(2)
            self.assertEqual(pid_file.read_text(), f"{process.pid}\n")
            for stream in range(3):
                self.assertEqual(os.readlink(f"/proc/{process.pid}/fd/{stream}"), "/dev/null")
        finally:
            process.send_signal(signal.SIGINT)
            code = process.wait(60)
        self.assertEqual(code, 1, "the exit code reports lost output")
        self.assertEqual(pid_file.read_text(), f"{process.pid}\n")
        (part,) = (self.folder / "rec").glob("*.swaptrail")
        done = self.run_program("swaptrail", "verify", part)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_closed_standard_streams_of_the_command_line(self):
        target = self.folder / "out"
        for closed in (">&-", ">&- 2>&-", "<&- >&- 2>&-"):
            with self.subTest(closed=closed):
                done = subprocess.run(["sh", "-c", f"exec {self.folder}/swaptrail simulate --mib=1 --seed=1 "
                                       f"--record {target} {closed}"], timeout=60)
                self.assertEqual(target.read_bytes()[:8], b"SWTRAIL\n", "the recording has nothing else in it")
                target.unlink()
                self.assertGreaterEqual(done.returncode, 0, "not by a signal")

    def test_modes_do_not_depend_on_the_umask(self):
        for mask in (0, 0o077, 0o777):
            with self.subTest(umask=oct(mask)):
                target = self.folder / f"rec-{mask}"
                run = self.folder / "run"
                shutil.rmtree(run, ignore_errors=True)
                with lab.Daemon(self.folder, "--allow-no-swap", "--print=none", f"--record={target}",
                                preexec_fn=lambda: os.umask(mask)) as daemon:
                    mode = lambda path: oct(stat.S_IMODE(path.stat().st_mode))
                    self.assertEqual(mode(run), "0o755")
                    self.assertEqual(mode(run / "swaptraild.pid"), "0o600")
                    self.assertEqual(mode(run / "api.sock"), "0o600")
                    self.assertEqual(mode(target), "0o700")
                    self.assertEqual({mode(part) for part in target.iterdir()}, {"0o600"})
                    self.assertEqual(daemon.stop(), 0, daemon.stderr())

    def test_pid_file_is_nobody_elses(self):
        """A link, or a file of somebody else, at its place: it is left as it is."""
        run = self.folder / "run"
        run.mkdir()
        victim = self.folder / "victim"
        victim.write_text("precious")
        place = run / "swaptraild.pid"
        for make, word in ((lambda: place.symlink_to(victim), "link"), (lambda: os.link(victim, place), "no file of ours"),
                           (lambda: os.mkfifo(place), "no file of ours"), (lambda: place.mkdir(), "can't be opened")):
            make()
            done = self.run_program("swaptraild", "--allow-no-swap", "--web.listen-address=none")
            self.assertIn(done.returncode, (1, USAGE), done.stderr)
            self.assertIn(word, lines_of(done)[-1])
            self.assertEqual(victim.read_text(), "precious")
            place.rmdir() if place.is_dir() and not place.is_symlink() else place.unlink()

    def test_a_stranger_cannot_hold_the_lock(self):
        self.daemon()
        done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "flock", "-n",
                               self.folder / "run" / "swaptraild.pid", "true"], capture_output=True, text=True)
        self.assertIn("Permission denied", done.stderr)

    def test_privileges_are_given_up(self):
        daemon = self.daemon("--enable-pageout", "--web.listen-address=127.0.0.1:0")
        status = self.status(daemon)
        self.assertEqual(status["NoNewPrivs"], "1")
        self.assertEqual(status["Seccomp"], "2")
        self.assertEqual(int(status["CapBnd"], 16), 0)
        self.assertEqual(int(status["CapAmb"], 16), 0)
        self.assertEqual(int(status["CapInh"], 16), 0)
        self.assertEqual(int(status["CapEff"], 16) & ~(1 << 39 | 1 << 14), 0, "CAP_BPF, CAP_IPC_LOCK")
        for task in pathlib.Path(f"/proc/{daemon.process.pid}/task").iterdir():
            self.assertIn("Seccomp:\t2", lab.read(task / "status"), task.name)
        limits = lab.read(f"/proc/{daemon.process.pid}/limits")
        self.assertRegex(limits, r"Max core file size +0 +0 ")
        self.assertEqual(daemon.stop(), 0, daemon.stderr())

    def test_hangup_is_told_and_survived(self):
        daemon = self.daemon()
        daemon.send(signal.SIGHUP)
        self.assertTrue(lab.wait_until(lambda: "SIGHUP" in daemon.stderr(), 10), daemon.stderr())
        self.assertEqual(daemon.stop(), 0, daemon.stderr())
        self.assertEqual(daemon.stderr().count("SIGHUP"), 1)

    def test_little_address_space(self):
        for mib in (300, 1000):
            with self.subTest(mib=mib):
                little = lambda: resource.setrlimit(resource.RLIMIT_AS, (mib * lab.MIB, mib * lab.MIB))
                done = self.run_program("swaptraild", "--allow-no-swap", preexec_fn=little)
                self.assert_refused(done, USAGE, ["RLIMIT_AS"])

    def test_memory_that_ends_later(self):
        """One line and an exit code, not SIGABRT and a core."""
        daemon = self.daemon("--web.listen-address=127.0.0.1:0")
        size = int(self.status(daemon)["VmSize"].split()[0]) << 10
        resource.prlimit(daemon.process.pid, resource.RLIMIT_AS, (size, size))
        command = [self.folder / "swaptrail", "status", "--socket", self.folder / "run" / "api.sock"]
        asking = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(60)]
        for one in asking:
            one.wait(60)
        if daemon.process.poll() is None:  # it had enough, or refused them
            self.assertEqual(daemon.stop(), 0, daemon.stderr())
        else:
            self.assertIn(daemon.process.returncode, (1, 7), daemon.stderr())
            self.assertRegex(daemon.stderr(), "no memory|no thread|given up")

    def test_a_watchdog_is_fed(self):
        import socket
        path = self.folder / "notify"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(str(path))
            notify.settimeout(20)
            daemon = self.daemon(env={**os.environ, "NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "2000000"})
            heard = set()
            while "WATCHDOG=1" not in heard:
                heard.update(notify.recv(4096).decode().splitlines())
            self.assertIn("READY=1", heard)
            daemon.send(signal.SIGSTOP)
            notify.settimeout(0.2)
            with self.assertRaises(TimeoutError):
                while True:
                    notify.recv(4096)
            notify.settimeout(2)
            with self.assertRaises(TimeoutError):  # who stands still says nothing
                notify.recv(4096)
            daemon.send(signal.SIGCONT)
            self.assertEqual(daemon.stop(), 0, daemon.stderr())


@needs_root
@needs_btf
class Disks(Refusals):
    def daemon(self, *flags, **popen):
        return self.enterContext(lab.Daemon(self.folder, "--allow-no-swap", "--print=none", *flags, **popen))

    def test_flight_on_a_full_disk_leaves_nothing(self):
        disk = self.enterContext(small_disk(self.folder / "disk", 64))
        daemon = self.daemon(f"--flight={disk}")
        ballast = disk / "ballast"
        fill(ballast)
        daemon.send(signal.SIGUSR2)
        self.assertTrue(lab.wait_until(lambda: "flight recording (signal):" in daemon.stderr(), 10))
        self.assertIn("space", daemon.stderr())
        self.assertEqual([path.name for path in disk.iterdir()], ["ballast"])
        trouble = "not all is recorded: the disk refuses writes, 1 in all"
        socket = self.folder / "run" / "api.sock"
        troubled = lambda: trouble in self.run_program("swaptrail", "status", "--check", "--socket", socket).stderr
        self.assertTrue(lab.wait_until(troubled, 5))
        ballast.unlink()
        daemon.send(signal.SIGUSR2)
        self.assertTrue(lab.wait_until(lambda: "(signal): written" in daemon.stderr(), 10), daemon.stderr())
        self.assertTrue(lab.wait_until(lambda: not troubled(), 5), "it is recorded again")
        daemon.stop()
        for part in disk.glob("*"):
            self.assertEqual(self.run_program("swaptrail", "verify", part).returncode, 0, part)

    def test_two_triggers_at_once_do_not_collide(self):
        target = self.folder / "flight"
        daemon = self.daemon(f"--flight={target}")
        for _ in range(5):
            daemon.send(signal.SIGUSR2)
            time.sleep(0.1)
        self.assertTrue(lab.wait_until(lambda: daemon.stderr().count("(signal): written") == 5, 10), daemon.stderr())
        self.assertEqual(daemon.stop(), 0, daemon.stderr())
        numbers = sorted(int(re.search(r"-(\d+)\.swaptrail$", path.name)[1]) for path in target.iterdir())
        self.assertEqual(numbers, list(range(5)))

    def test_a_folder_that_is_moved_away_is_noticed(self):
        target, away = self.folder / "rec", self.folder / "away"
        daemon = self.daemon(f"--record={target}")
        target.rename(away)
        target.write_text("in its place")
        self.assertTrue(lab.wait_until(lambda: "not the folder any more" in daemon.stderr(), 10), daemon.stderr())
        time.sleep(3)
        self.assertEqual(daemon.stderr().count("not the folder any more"), 1, "reported once")
        status = self.run_program("swaptrail", "status", "--socket", self.folder / "run" / "api.sock")
        self.assertRegex(status.stdout, "recording +its folder was MOVED AWAY; to files")
        target.unlink()
        target.mkdir(mode=0o700)
        self.assertTrue(lab.wait_until(lambda: list(target.iterdir()), 10), "it goes on in the new one")
        self.assertEqual(daemon.stop(), 0, daemon.stderr())

    def test_a_disk_that_stays_full_is_told_once(self):
        disk = self.enterContext(small_disk(self.folder / "disk", 64))
        daemon = self.daemon(f"--record={disk}")
        fill(disk / "ballast")
        time.sleep(8)
        self.assertLessEqual(len(daemon.stderr().splitlines()), 5, daemon.stderr())
        daemon.stop()

    def test_nothing_of_others_is_touched(self):
        """A start among files, links and FIFOs of others, seen by strace: what it changes is its own."""
        if not shutil.which("strace"):
            self.skipTest("no strace")
        target, victim = self.folder / "rec", self.folder / "victim"
        target.mkdir(mode=0o700)
        victim.write_text("precious")
        (target / "20000101T000000Z-00000001.swaptrail").symlink_to(victim)
        os.mkfifo(target / "20000101T000000Z-00000002.swaptrail")
        (target / "20000101T000000Z-00000003.swaptrail").write_text("no recording")
        (target / "mine").write_text("mine")
        (target / ".20000101T000000Z-00000004.swaptrail.unfinished").symlink_to(victim)
        before = {path.name: path.lstat().st_ino for path in target.iterdir()}
        log = self.folder / "trace"
        done = subprocess.run(
            ["strace", "-f", "-o", log, "-e", "trace=open,openat,unlink,unlinkat,rename,renameat,renameat2,truncate,"
             "ftruncate,chmod,fchmodat,chown,fchownat,mkdir,mkdirat", "timeout", "-s", "INT", "8",
             self.folder / "swaptraild", "--allow-no-swap", "--print=none", "--run-dir", self.folder / "run",
             "--socket-group=none", "--web.listen-address=none", f"--record={target}", "--record-total=8",
             "--record-files=8"], capture_output=True, text=True, timeout=120)
        self.assertIn("ready", done.stderr)
        after = {path.name: path.lstat().st_ino for path in target.iterdir()}
        self.assertEqual({name: after.get(name) for name in before}, before)
        self.assertEqual(len(after), len(before) + 1)
        self.assertEqual(victim.read_text(), "precious")
        changing = re.compile(r'O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|unlink|rename|truncate|chmod|chown|mkdir')
        allowed = re.compile(r'swaptraild\.pid|\.new\.sock|api\.sock|/run"|\d{8}T\d{6}Z-\d{8}\.swaptrail|/dev/(null|tty)|'
                             r'/proc/self|ftruncate|/sys/kernel/|/rec"|mountinfo|/proc/pressure')
        for line in lab.read(log).splitlines():
            if "resumed>" in line:
                continue  # the line before has what was asked for
            if changing.search(line) and " = -1 " not in line:
                self.assertRegex(line, allowed)
                self.assertNotIn("victim", line)


del Refusals  # its tests are refusals_test's

if __name__ == "__main__":
    unittest.main()
