#!/usr/bin/env python3
"""Installs swaptraild in a guest of systemd.sh and judges the service from outside of it.

    service_checks.py [CHECK ...]     some of the checks, in the order in which they are below

The oracles are systemctl, bpftool, /proc, /proc/vmstat and the metrics over HTTP. A zram area is on.
"""

import json
import os
import pathlib
import re
import socket
import stat
import subprocess
import sys
import time
import urllib.request

SHARE = pathlib.Path("/share")
UNIT = "swaptraild.service"
SOCKET = pathlib.Path("/run/swaptrail/api.sock")
METRICS = "http://127.0.0.1:9789/metrics"
CGROUP = pathlib.Path("/sys/fs/cgroup/swaptrail-test")
# What the daemon may keep once it runs, and what its child for page tables may (capability.h).
DAEMON_CAPABILITIES = {"CAP_BPF": 39, "CAP_IPC_LOCK": 14}
CHILD_CAPABILITIES = {"CAP_SYS_ADMIN": 21, "CAP_SYS_PTRACE": 19, "CAP_DAC_READ_SEARCH": 2, "CAP_SYS_NICE": 23}
# systemd has programs of its own, of other types, for the devices and addresses of units.
OBSERVING = {"tracing", "kprobe", "raw_tracepoint", "tracepoint", "perf_event"}


def run(*command, check=True, **more):
    done = subprocess.run(command, capture_output=True, text=True, **more)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: {(done.stderr or done.stdout).strip()}")
    return done


def shown(name):
    return run("systemctl", "show", "-P", name, UNIT).stdout.strip()


def programs():
    return {each["id"] for each in json.loads(run("bpftool", "-j", "prog", "show").stdout) if each["type"] in OBSERVING}


def links():
    """bpftool fails on a link that is being made at the moment: then once more."""
    for _ in range(50):
        said = run("bpftool", "-j", "link", "show", check=False)
        if said.returncode == 0:
            return {each["id"] for each in json.loads(said.stdout)
                    if each["type"] in ("tracing", "raw_tracepoint", "perf_event")}
        time.sleep(0.1)
    raise AssertionError(f"bpftool link show: {said.stdout}")


def processes():
    """Of the service, from its cgroup: process id -> /proc/PID/status as a dictionary."""
    path = pathlib.Path("/sys/fs/cgroup") / shown("ControlGroup").lstrip("/") / "cgroup.procs"
    if not shown("ControlGroup") or not path.exists():
        return {}
    result = {}
    for pid in path.read_text().split():
        lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
        result[int(pid)] = {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
    return result


def metrics():
    """Sample, with its labels -> value."""
    with urllib.request.urlopen(METRICS, timeout=30) as answer:
        text = answer.read().decode()
    (SHARE / "metrics").write_text(text)
    return {name: float(value) for name, value in re.findall(r"^([^#\s][^ ]*(?:\{.*\})?) (\S+)", text, re.M)}


def total(samples, metric, *labels):
    return sum(value for name, value in samples.items()
               if re.match(rf"{metric}(\{{|$)", name) and all(label in name for label in labels))


def vmstat():
    pathlib.Path("/proc/sys/vm/stat_refresh").read_text()  # folds the kernel's per-CPU counters
    return {key: int(value) for key, value in map(str.split, pathlib.Path("/proc/vmstat").read_text().splitlines())}


def equal(what, found, wanted):
    assert found == wanted, f"{what} is {found!r}, not {wanted!r}"


def wait_until(seconds, condition):
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            return value
        time.sleep(0.2)
    return value


# ---- the checks, in this order ---------------------------------------------------------------------

def installed():
    run("cp", "-a", f"{SHARE}/stage/.", "/")
    run("systemd-sysusers", *map(str, pathlib.Path("/").glob("usr/**/lib/sysusers.d/swaptrail.conf")))
    run("systemctl", "daemon-reload")
    equal("LoadState", shown("LoadState"), "loaded")
    said = run("systemd-analyze", "verify", shown("FragmentPath"), check=False)
    assert UNIT not in said.stderr, said.stderr.strip()
    assert re.search(r"^swaptrail:", pathlib.Path("/etc/group").read_text(), re.M), "no group swaptrail"


def attached_when_ready():
    """Type=notify: it is `activating` until its programs are attached, and `active` only then."""
    equal("observing programs before the start", programs(), set())
    run("systemctl", "start", "--no-block", UNIT)

    def settled():
        state, attached = shown("ActiveState"), bool(links())  # in this order: state must not be the newer one
        assert state != "active" or attached, "active, and nothing is attached"
        return state in ("active", "failed")

    wait_until(180, settled)
    equal("ActiveState", shown("ActiveState"), "active")
    equal("Type", shown("Type"), "notify")
    assert "mode" in shown("StatusText"), f"the status text is {shown('StatusText')!r}"
    assert len(programs()) >= 10, f"only {len(programs())} programs"


def served():
    assert total(metrics(), "swaptrail_build_info") == 1, "no swaptrail_build_info"
    found = SOCKET.stat()
    assert stat.S_ISSOCK(found.st_mode), "no socket"
    equal("the socket's mode", oct(stat.S_IMODE(found.st_mode)), oct(0o660))
    group = run("getent", "group", "swaptrail").stdout.split(":")[2]
    equal("its owner", (found.st_uid, str(found.st_gid)), (0, group))


def asked_by_group_only():
    command = ["swaptrail", "status"]
    run(*command)
    nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--no-new-privs"]
    run(*nobody, "--groups=swaptrail", *command)
    assert run(*nobody, "--clear-groups", *command, check=False).returncode != 0, "nobody may ask"


def privileges():
    found = processes()
    main = int(shown("MainPID"))
    assert main in found, "no main process"
    for pid, status in found.items():
        allowed = DAEMON_CAPABILITIES if pid == main else CHILD_CAPABILITIES
        for name in ("CapEff", "CapPrm"):
            more = int(status[name], 16) & ~sum(1 << bit for bit in allowed.values())
            assert more == 0, f"process {pid} has in {name} also {more:#x}"
        equal(f"NoNewPrivs of {pid}", status["NoNewPrivs"], "1")
        equal(f"Seccomp of {pid}", status["Seccomp"], "2")
        equal(f"CapAmb of {pid}", int(status["CapAmb"], 16), 0)
    assert int(found[main]["VmLck"].split()[0]) > 0, "its memory is not locked"
    equal("VmSwap", found[main]["VmSwap"].split()[0], "0")
    writable = run("nsenter", "-t", str(main), "-m", "sh", "-c", "for d in /etc /usr /var/log /root /sys/kernel "
                   "/proc/sys/kernel; do [ ! -w $d ] || echo $d; done", check=False).stdout.split()
    equal("writable in its name space", writable, [])


def swapped_pages_counted():
    before, kernel_before = metrics(), vmstat()
    CGROUP.mkdir(exist_ok=True)
    run(SHARE / "workload", "anon", "--mib", "32", "--limit", "16", "--rounds", "2", "--cgroup", CGROUP,
        stdin=subprocess.DEVNULL)
    CGROUP.rmdir()
    time.sleep(3)
    after, kernel_after = metrics(), vmstat()
    for counter in ("pswpout", "pswpin"):
        delta = kernel_after[counter] - kernel_before[counter]
        assert delta > 1000, f"only {delta} pages in {counter}"
        for side in ("kernel", "observed"):
            name = f"swaptrail_reconciliation_{side}_pages_total"
            label = f'counter="{counter}"'
            equal(f"{side}'s {counter}", total(after, name, label) - total(before, name, label), delta)
    for name in ("swapped_out_pages", "swapped_in_pages", "lifecycles", "fault_latency_seconds_count"):
        metric = "swaptrail_" + name + ("" if name.endswith("count") else "_total")
        assert total(after, metric) - total(before, metric) > 1000, f"{metric} has not risen"
    equal("violations", total(after, "swaptrail_violations_total"), 0)


def restarted_after_a_crash():
    old = int(shown("MainPID"))
    run("systemctl", "kill", "-s", "KILL", "--kill-whom=main", UNIT)
    wait_until(180, lambda: shown("ActiveState") == "active" and int(shown("MainPID")) not in (0, old))
    equal("ActiveState", shown("ActiveState"), "active")
    equal("NRestarts", shown("NRestarts"), "1")
    served()


def gone_when_stopped():
    assert programs() and links(), "nothing to take away"
    run("systemctl", "stop", UNIT)
    equal("Result", shown("Result"), "success")
    equal("exit code", shown("ExecMainStatus"), "0")
    assert wait_until(10, lambda: not programs() and not links()), "programs or links are left"
    equal("processes", processes(), {})
    assert not SOCKET.exists(), "the socket is left"
    with socket.socket() as tcp:
        assert tcp.connect_ex(("127.0.0.1", 9789)) != 0, "the port is open"


def bad_option_not_retried():
    run("systemctl", "reset-failed", UNIT, check=False)
    path = pathlib.Path(re.search(r"--config=(\S+)", shown("ExecStart"))[1])
    good = path.read_text()
    path.write_text(good + "no-such-option = 1\n")
    started = run("systemctl", "start", UNIT, check=False)
    path.write_text(good)
    assert started.returncode != 0, "it starts with a bad option"
    time.sleep(8)  # longer than RestartSec
    equal("exit code", shown("ExecMainStatus"), "2")
    equal("ActiveState", shown("ActiveState"), "failed")
    equal("NRestarts", shown("NRestarts"), "0")


CHECKS = [installed, attached_when_ready, served, asked_by_group_only, privileges, swapped_pages_counted,
          restarted_after_a_crash, gone_when_stopped, bad_option_not_retried]


def main():
    wanted = sys.argv[1:] or [check.__name__ for check in CHECKS]
    unknown = set(wanted) - {check.__name__ for check in CHECKS}
    if unknown:
        sys.exit(f"no check is called {', '.join(sorted(unknown))}\n{__doc__}")
    counts = {"ok": 0, "FAILED": 0}
    for check in CHECKS:
        if check.__name__ not in wanted:
            continue
        try:
            check()
            word, why = "ok", ""
        except Exception as error:  # whatever it is: the other checks and the journal are still wanted
            word, why = "FAILED", f": {error}" if isinstance(error, AssertionError) else f": {error!r}"
        counts[word] += 1
        print(f"{word:7} {check.__name__.replace('_', ' ')}{why}", flush=True)
    with open(SHARE / "journal", "w") as journal:
        subprocess.run(["journalctl", "--no-pager", "-u", UNIT], stdout=journal)
    if counts["FAILED"]:
        print(f"the end of the journal:\n{os.linesep.join((SHARE / 'journal').read_text().splitlines()[-25:])}")
    print(f"{counts['ok']} passed, {counts['FAILED']} failed, 0 skipped")
    return 1 if counts["FAILED"] else 0


if __name__ == "__main__":
    sys.exit(main())
