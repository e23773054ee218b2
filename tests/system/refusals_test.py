"""What can't be done is reported in one line that says what to do, with its own exit code."""

import os
import pathlib
import pty
import re
import select
import shutil
import signal
import subprocess
import unittest

import lab

PERMISSION, USAGE, UNSUPPORTED, RUNNING, NO_SWAP, NO_MEMORY = 3, 2, 4, 5, 6, 7
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"]

needs_root = unittest.skipUnless(lab.is_root(), "needs root")
needs_btf = unittest.skipUnless(pathlib.Path("/sys/kernel/btf/vmlinux").exists(),
                                "this kernel has no BTF")
needs_cgroup = unittest.skipUnless(lab.is_root() and lab.memory_cgroup_root(),
                                   "needs root and a cgroup hierarchy that limits memory")


class Refusals(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(lab.scratch())
        # a copy, since `nobody` may not be able to reach the build
        for name in ("daemon/swaptraild", "cli/swaptrail"):
            shutil.copy(lab.BUILD / name, self.folder)

    def run_program(self, *command, before=(), **options):
        program, *flags = command
        if program == "swaptraild":
            flags += ["--run-dir", self.folder / "run"]
        return subprocess.run([*before, self.folder / program, *flags], capture_output=True,
                              text=True, timeout=60, **options)

    def assert_refused(self, done, code, words):
        """One line on stderr, with these words in it; nothing on stdout."""
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)


class Permission(Refusals):
    @needs_root
    @needs_btf
    def test_nobody_may_not_observe(self):
        done = self.run_program("swaptraild", before=NOBODY)
        self.assert_refused(done, PERMISSION, ["permission", "root", "CAP_BPF"])

    @needs_root
    def test_nobody_may_ask_about_other_kernels(self):
        for btf in sorted(lab.KERNELS.glob("*.btf")):
            with self.subTest(kernel=btf.stem):
                copy, symbols = self.folder / "btf", self.folder / "symbols"
                shutil.copy(btf, copy)
                shutil.copy(btf.with_suffix(".symbols"), symbols)
                done = self.run_program("swaptraild", "--explain-attach", "--btf", copy,
                                        "--symbols", symbols, before=NOBODY)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(done.stderr, "")
                self.assertRegex(done.stdout, r"(?m)^write +swap_write(page|out) ")
                # 5.10 passes no struct to a trampoline: docs/KERNELS.md
                hidden = ["entries_dropped"] if btf.stem == "5.10" else []
                self.assertEqual(re.findall(r"(?m)^(\S+) +MISSING", done.stdout), hidden)

    @needs_root
    @needs_btf
    def test_nobody_may_ask_about_this_kernel(self):
        done = self.run_program("swaptraild", "--explain-attach", before=NOBODY)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("raw_tracepoint", done.stdout)


class Files(Refusals):
    def test_garbage(self):
        path = self.folder / "garbage"
        path.write_bytes(bytes(range(256)) * 64)
        self.assert_bad_btf(path)

    def test_empty(self):
        path = self.folder / "empty"
        path.write_bytes(b"")
        self.assert_bad_btf(path)

    def test_truncated(self):
        whole = (lab.KERNELS / "6.12.btf").read_bytes()
        for share in (0.001, 0.1, 0.5, 0.99):
            with self.subTest(share=share):
                path = self.folder / "truncated"
                path.write_bytes(whole[:int(len(whole) * share)])
                self.assert_bad_btf(path)

    def test_missing(self):
        self.assert_bad_btf(self.folder / "missing")

    def assert_bad_btf(self, path):
        done = self.run_program("swaptraild", "--explain-attach", "--btf", path)
        self.assert_refused(done, USAGE, [str(path)])
        done = self.run_program("swaptrail", "doctor", "--btf", path)
        self.assert_refused(done, USAGE, [str(path)])


class Flags(Refusals):
    def test_bad_flags(self):
        for flags in (["--no-such-flag"], ["--mode=magic"], ["--print=xml"], ["--ring-size=3"],
                      ["--ring-size=0"], ["--ring-size=2048"], ["--outcome=eaten"], ["stray"],
                      ["--pid=x"], ["--btf", "/proc/version"], ["--max-folios=1"]):
            with self.subTest(flags=flags):
                self.assert_refused(self.run_program("swaptraild", *flags), USAGE, [])

    def test_help_names_every_exit_code(self):
        done = self.run_program("swaptraild", "--help")
        self.assertEqual(done.returncode, 0)
        for code in range(8):
            self.assertRegex(done.stdout, rf"(?m)^ +{code}  \S")

    def test_help_is_text_for_people(self):
        commands = [["swaptraild"], ["swaptrail"]] + [["swaptrail", name] for name in
                                                      ("replay", "export", "validate", "simulate", "what-if", "list", "top")]
        for command in commands:
            with self.subTest(command=command):
                text = self.run_program(*command, "--help").stdout
                self.assertRegex(text, r"Usage|usage")
                self.assertNotRegex(text, r"[^\n\x20-\x7e]|ENUM|value in \{")

    def test_version(self):
        done = self.run_program("swaptraild", "--version")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"^swaptraild \d+\.\d+\.\d+\n$")


class Start(Refusals):
    def setUp(self):
        super().setUp()
        facts = self.run_program("swaptrail", "doctor")
        if facts.returncode == UNSUPPORTED:
            self.skipTest("this host lets no program watch the kernel")

    @needs_root
    @needs_btf
    def test_no_swap(self):
        if lab.swap_areas():
            self.skipTest("swap is on here")
        self.assert_refused(self.run_program("swaptraild"), NO_SWAP, ["swap", "--allow-no-swap"])

    @needs_root
    @needs_btf
    def test_no_swap_allowed(self):
        if lab.swap_areas():
            self.skipTest("swap is on here")
        with lab.Daemon(self.folder, "--allow-no-swap", "--print=jsonl") as daemon:
            self.assertEqual(daemon.stop(), 0, daemon.stderr())
        self.assertEqual(daemon.summary()["total"]["pages"], 0)

    @needs_root
    @needs_btf
    def test_on_a_terminal(self):
        """By hand it shows a line that moves, and the summary at the end; a pipe gets the summary alone."""
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        command = [self.folder / "swaptraild", "--allow-no-swap", "--run-dir", self.folder / "run",
                   "--socket-group=none", "--web.listen-address=none"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs) as process:
            os.close(theirs)
            shown = b""
            try:
                while shown.count(b"pages/s out") < 2:
                    self.assertTrue(select.select([ours], [], [], 60)[0], shown)
                    shown += os.read(ours, 4096)
            finally:
                process.send_signal(signal.SIGINT)
                printed = process.stdout.read().decode()
        self.assertEqual(process.returncode, 0, shown)
        self.assertIn(b"events lost", shown)
        self.assertRegex(printed, r"\A\d+ lifecycles of ")
        self.assertIn("Trust", printed)

    @needs_root
    @needs_btf
    def test_second_instance(self):
        with lab.Daemon(self.folder, "--allow-no-swap") as daemon:
            done = self.run_program("swaptraild", "--allow-no-swap")
            self.assert_refused(done, RUNNING, ["another swaptraild", str(daemon.process.pid)])
        # the lock goes with the process, however it ended
        with lab.Daemon(self.folder, "--allow-no-swap") as daemon:
            self.assertEqual(daemon.stop(), 0)

    @needs_root
    @needs_btf
    def test_capabilities_that_cannot_be_dropped(self):
        """It serves nobody with more than it needs."""
        done = self.run_program("swaptraild", "--allow-no-swap", "--web.listen-address=none",
                                preexec_fn=lab.refuse_capset)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("can't drop the capabilities", done.stderr)
        self.assertNotIn("ready", done.stderr)
        self.assertFalse((self.folder / "run" / "api.sock").exists(), "nobody is served")

    @needs_cgroup
    @needs_btf
    def test_no_memory_for_rings(self):
        """The kernel charges rings to the cgroup of who makes them (to RLIMIT_MEMLOCK before 5.11)."""
        before = lab.bpf_programs()
        with lab.memory_cgroup(96 * lab.MIB) as cgroup:
            done = self.run_program("swaptraild", "--allow-no-swap", "--ring-size=1024",
                                    preexec_fn=lab.enter_cgroup(cgroup))
        # What is not known of this host's swap areas is said before.
        done.stderr = "".join(line for line in done.stderr.splitlines(True) if "types of swap areas" not in line)
        self.assert_refused(done, NO_MEMORY, ["ring", "--ring-size"])
        self.assertTrue(lab.wait_until(lambda: lab.bpf_programs() <= before, 10))


class Doctor(Refusals):
    def doctor(self, *flags, **options):
        return self.run_program("swaptrail", "doctor", *flags, **options)

    @needs_root
    @needs_btf
    def test_this_host(self):
        done = self.doctor()
        if "MISSING" in done.stdout or not lab.swap_areas():
            self.assertIn(done.returncode, (1, UNSUPPORTED))
        else:
            self.assertEqual(done.returncode, 0)
        self.assertEqual(done.stderr, "")

    @needs_root
    @needs_btf
    def test_nobody_has_no_mode(self):
        done = self.doctor(before=NOBODY)
        self.assertEqual(done.returncode, UNSUPPORTED)
        self.assertIn("not full", done.stdout)

    def test_another_kernel_is_whole(self):
        done = self.doctor("--btf", lab.KERNELS / "6.12.btf", "--symbols",
                           lab.KERNELS / "6.12.symbols")
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_missing_hook(self):
        """Without a symbol the function is inlined: its hook is missing, by name."""
        symbols = self.folder / "symbols"
        names = lab.read(lab.KERNELS / "6.12.symbols").splitlines()
        symbols.write_text("\n".join(name for name in names if "do_swap_page" not in name))
        done = self.doctor("--btf", lab.KERNELS / "6.12.btf", "--symbols", symbols)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"(?m)^swap_in +MISSING")

    def test_bad_flags(self):
        for flags in (["--symbols", "/proc/version"], ["-o", "xml"], ["--no-such-flag"]):
            with self.subTest(flags=flags):
                self.assert_refused(self.doctor(*flags), USAGE, [])
