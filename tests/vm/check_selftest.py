"""check.py --self-test: damages good cases in many ways, and expects a complaint each time."""
import json
import os
import tempfile

PAGE = 4096
WAIT = 5000000  # ns
LIFE, SUMMARY, RETURNS = 0, 1000, 1001  # where in the lines of the good case


def good_lifecycle(number, outcome):
    t = 1000000 + number * 1000
    stages = {"isolated": t, "slot_allocated": t + 10, "unmapped": t + 20, "write_begin": t + 30,
              "write_issued": t + 40, "write_end": t + 50, "write_completed": t + 60}
    if outcome != "in_flight":
        stages["removed"] = t + 70
    address = "0x%x" % (0x10000 + number * PAGE)
    by = {"pid": 7, "tid": 7, "comm": "workload", "origin": "memcg_limit"}
    return {"type": "lifecycle", "id": number + 1, "pid": 7, "comm": "workload",
            "address": address, "pages": 1, "pfn": None, "swap_type": 0,
            "swap_offset": 100 + number, "generation": 0, "cgroup": "/t", "shmem": False,
            "ksm": False, "mappings": [{"pid": 7, "comm": "workload", "address": address,
                                        "first_page": 0, "ptes": 1}],
            "mapping_count": 1, "reclaimer": by, "freed_by": by, "outcome": outcome,
            "abort_reason": None, "waiting_for": "second_pass" if outcome == "in_flight" else None,
            "backend": "device", "passes": 2, "stages": stages, "complete": True, "object": None, "fallback_from": None,
            "incomplete": None, "overlapped_loss": False}


def good_return(number):
    """Of page `number`: the first eight waited for the device, the others found it in memory."""
    return {"type": "return", "lifecycle": number + 1, "swap_type": 0, "swap_offset": 100 + number,
            "pages": 1, "how": "swapped_in", "after_ns": 1000, "fault_ns": WAIT if number < 8 else 50000,
            "major": number < 8, "pid": 7, "comm": "workload", "address": "0x%x" % (0x10000 + number * PAGE),
            "tid": 7, "owner_pid": 7, "mapped": 1, "passes": 2 if number < 8 else 1, "shmem": False,
            "backend": "device"}


def measures(pid, **values):
    names = ("major", "minor", "waits", "wait_ns", "blkio_ns", "swapin_ns", "sigbus", "swap_kib")
    return "process %d " % pid + " ".join("%s=%d" % (name, values.get(name, 0)) for name in names)


def good_case():
    """Files of a good nvme-anon case, as Python values: 1000 pages, the last still in flight; then ten
    come back."""
    lines = [good_lifecycle(n, "in_flight" if n == 999 else "freed_device") for n in range(1000)]
    rows = [{"counter": c, "kernel_delta": d, "ours": d, "difference": 0, "note": ""} for c, d in
            (("pswpout", 1000), ("pswpin", 3), ("swpout_zero", 0), ("emitted", 9000), ("slots", 990))]
    lines.append({"type": "summary", "events": 9000, "lost_events": 0, "zswap_writeback_pages": 0,
                  "freed_pages": 999, "returned_pages": 10, "away_pages": 989, "read_errors": 0,
                  "reconciliation": rows})
    lines += [good_return(n) for n in range(10)]
    swapped = ["7 0x%x 0 %d" % (0x10000 + n * PAGE, 100 + n) for n in range(1000)]
    return {"name": "nvme-anon", "kernel": "7.3", "lines": lines,
            "oracle": ["# time_ns 9000000", "# pages 1000"] + swapped + [measures(7, swap_kib=4000)],
            "oracle.2": ["# time_ns 9500000"] + swapped[10:] + [measures(
                7, major=8, minor=5, waits=8, wait_ns=8 * WAIT, blkio_ns=7 * WAIT, swap_kib=3960)],
            "truth": {"delayed": 1}, "used": {"used": 990, "swap_cached": 0, "vmswap": 990},
            "mthp": {"64kB/swpout": 0, "64kB/swpin": 0, "64kB/swpout_fallback": 0, "64kB/split": 2},
            "before": {"pswpout": 5, "pswpin": 1, "swpin_zero": 0, "swpout_zero": 2},
            "after": {"pswpout": 1005, "pswpin": 4, "swpin_zero": 0, "swpout_zero": 2}}


def write_lines(folder, name, lines):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write("".join(line + "\n" for line in lines))


def write_case(case, root):
    folder = os.path.join(root, case["name"])
    os.makedirs(folder, exist_ok=True)
    texts = [line if isinstance(line, str) else json.dumps(line) for line in case["lines"]]
    length = [len(text.encode()) + 1 for text in texts]
    first = next((i for i, text in enumerate(texts) if '"return"' in text), len(texts))
    one, two = case.get("phases", ["1", "2"])
    files = {"daemon.jsonl": texts, "oracle." + one: case["oracle"], "oracle." + two: case["oracle.2"],
             "result": ["done"], "kernel": [case["kernel"]], "marks": ["%s %d" % (one, sum(length[:first])),
                                           "%s %d" % (two, sum(length)), "end %d" % sum(length)]}
    for name, key in (("vmstat.before", "before"), ("vmstat.after", "after"), ("vmstat.end", "after"),
                      ("truth", "truth"), ("used.after", "used"), ("mthp.after", "mthp")):
        files[name] = ["%s %s" % item for item in case[key].items()]
    files["mthp.before"] = ["%s 0" % name for name in case["mthp"]]
    files.update({name + ".json": [json.dumps(value)] for name, value in case.get("json", {}).items()})
    for name, lines in files.items():
        write_lines(folder, name, lines)
    return folder


def set_in(*path_and_value):
    """A damage: sets one value deep inside a case."""
    *path, last, value = path_and_value

    def damage(case):
        for step in path:
            case = case[step]
        case[last] = value
    return damage


def swap_times(first, later):
    def damage(case):
        stages = case["lines"][5]["stages"]
        stages[first], stages[later] = stages[later], stages[first]
    return damage


def lose_reasons(case):
    for line in case["lines"][:2]:
        line.update(complete=False, incomplete="dropped")


# What is done to the good case -> the check that must complain.
DAMAGES = [
    ("a lifecycle is missing", lambda c: c["lines"].pop(5), "oracle"),
    ("another process", set_in("lines", 5, "mappings", 0, "pid", 8), "oracle"),
    ("another address", set_in("lines", 5, "mappings", 0, "address", "0x7000"), "oracle"),
    ("another slot", set_in("lines", 5, "swap_offset", 4711), "oracle"),
    ("another swap area", set_in("lines", 5, "swap_type", 1), "oracle"),
    ("no slot", set_in("lines", 5, "swap_offset", None), "oracle"),
    ("unmapped too late", set_in("lines", 999, "stages", "unmapped", 9999999), "oracle"),
    ("a newer lifecycle with another slot", lambda c: c["lines"].insert(
        0, {**good_lifecycle(1500, "freed_device"), "mappings": c["lines"][5]["mappings"]}),
     "oracle"),
    ("the page is another one of its folio", set_in("lines", 5, "mappings", 0, "first_page", 1),
     "oracle"),
    ("no swapped page in the oracle", lambda c: c["oracle"].__delitem__(slice(2, None)), "oracle"),
    ("written before unmapped", swap_times("unmapped", "write_begin"), "order"),
    ("slot after unmapping", swap_times("slot_allocated", "unmapped"), "order"),
    ("freed before it was written", swap_times("write_completed", "removed"), "order"),
    ("completed before issued", swap_times("write_issued", "write_completed"), "order"),
    ("isolated last", swap_times("isolated", "removed"), "order"),
    ("freed_device that was not removed", lambda c: c["lines"][5]["stages"].pop("removed"),
     "stages"),
    ("freed_clean that was written", set_in("lines", 5, "outcome", "freed_clean"), "stages"),
    ("an id twice", set_in("lines", 5, "id", 5), "stages"),
    ("one device write too few", lambda c: c["lines"][5]["stages"].pop("write_issued"), "totals"),
    ("pswpout off by one", set_in("after", "pswpout", 1006), "totals"),
    ("a zero page that nobody saw", set_in("after", "swpout_zero", 3), "totals"),
    ("a zero page that was none", set_in("lines", 5, "backend", "zero"), "totals"),
    ("pswpin in vmstat is not the daemon's", set_in("after", "pswpin", 5), "reconcile"),
    ("a difference", set_in("lines", 1000, "reconciliation", 1, "difference", 1), "reconcile"),
    ("no row pswpin", lambda c: c["lines"][1000]["reconciliation"].pop(1), "reconcile"),
    ("no row slots", lambda c: c["lines"][1000]["reconciliation"].pop(4), "reconcile"),
    ("slots that are not in use", set_in("lines", 1000, "reconciliation", 4, "difference", 5), "reconcile"),
    ("another number of slots", set_in("lines", 1000, "reconciliation", 4, "kernel_delta", 995), "reconcile"),
    ("slots with any allowance", set_in("lines", 1000, "reconciliation", 4, "allowance", 500), "reconcile"),
    ("no row emitted", lambda c: c["lines"][1000]["reconciliation"].pop(3), "loss"),
    ("events consumed", set_in("lines", 1000, "events", 8999), "loss"),
    ("lost events", set_in("lines", 1000, "lost_events", 1), "loss"),
    ("a loss", lambda c: c["lines"].append({"type": "loss", "cpu": 0, "count": 1}), "loss"),
    ("a loss of runs, and none was skipped", lambda c: c["lines"].append(
        {"type": "loss", "cpu": None, "count": 1, "cause": "skipped_runs"}), "loss"),
    ("complete beside a loss", set_in("lines", 5, "overlapped_loss", True), "stages"),
    ("skipped runs that no loss reports", set_in("lines", 1000, "skipped_runs", 2), "loss"),
    ("a violation", lambda c: c["lines"].append({"type": "violation", "rule": "r"}), "violations"),
    ("two incomplete", lose_reasons, "complete"),
    ("incomplete without a reason", set_in("lines", 5, "complete", False), "complete"),
    ("no summary", lambda c: c["lines"].pop(1000), "lines"),
    ("half a line", lambda c: c["lines"].append('{"type":"lifec'), "lines"),
    ("another origin", lambda c: [line["reclaimer"].update(origin="kswapd")
                                  for line in c["lines"][:1000]], "plausible"),
    ("freed in one pass", lambda c: [line.update(passes=1) for line in c["lines"][:1000]],
     "plausible"),
    ("a major fault is reported as minor", set_in("lines", 1001, "major", False), "faults"),
    ("a minor fault is reported as major", set_in("lines", 1009, "major", True), "faults"),
    ("a fault is reported twice", lambda c: c["lines"].append({**good_return(0), "pages": 0}), "faults"),
    ("a fault is not reported", lambda c: c["lines"].pop(1001), "faults"),
    ("another process waited", set_in("lines", 1001, "pid", 8), "faults"),
    ("more minor faults than there were", lambda c: c["lines"].extend(
        {**good_return(9), "pages": 0, "mapped": 0} for _ in range(5)), "faults"),
    ("a wait is lost", set_in("lines", 1001, "fault_ns", 50000), "waits"),
    ("a wait is reported twice as long", set_in("lines", 1001, "fault_ns", 2 * WAIT), "waits"),
    ("taskstats has more", lambda c: (c.update(kernel="6.1"), c["oracle.2"].append(measures(
        7, major=8, minor=5, waits=8, wait_ns=8 * WAIT, blkio_ns=10 * WAIT, swap_kib=3960))), "waits"),
    ("VmSwap fell further", lambda c: c["oracle.2"].append(measures(
        7, major=8, minor=5, waits=8, wait_ns=8 * WAIT, blkio_ns=7 * WAIT, swap_kib=3956)), "back"),
    ("it came back to another owner", set_in("lines", 1001, "owner_pid", 8), "back"),
    ("another slot came back", set_in("lines", 1001, "swap_offset", 4711), "back"),
    ("another page of the area came back", set_in("lines", 1001, "swap_type", 3), "back"),
    ("it mapped two pages", set_in("lines", 1001, "mapped", 2), "back"),
    ("a page came back and is called away", set_in("lines", 1001, "pages", 0), "slots"),
    ("a page returned twice", lambda c: c["lines"].append({**good_return(0), "mapped": 0}), "once"),
    ("a return to nobody", set_in("lines", 1001, "lifecycle", None), "once"),
    ("a return of what was not freed", set_in("lines", 1001, "lifecycle", 1000), "once"),
    ("freed_pages", set_in("lines", 1000, "freed_pages", 990), "slots"),
    ("returned_pages", set_in("lines", 1000, "returned_pages", 9), "slots"),
    ("away_pages", set_in("lines", 1000, "away_pages", 990), "slots"),
    ("more pages away than VmSwap has", set_in("used", "vmswap", 980), "slots"),
    ("more pages away than slots are used", set_in("used", "used", 980), "slots"),
    ("a large folio went out", set_in("mthp", "64kB/swpout", 1), "mthp"),
    ("a large folio came in", set_in("mthp", "64kB/swpin", 1), "mthp"),
    ("a large folio had no room", set_in("mthp", "64kB/swpout_fallback", 1), "mthp"),
    ("a split that was none", set_in("lines", 5, "fallback_from", 16), "mthp"),
    ("private memory is called shared", set_in("lines", 999, "shmem", True), "owner"),
    ("a page of nobody", set_in("lines", 5, "pid", None), "owner"),
]


def skip_runs(case):
    """Two runs were skipped: one page's write was not seen, another's mapping neither."""
    write, mapping = case["lines"][20:22]
    write["stages"].pop("write_issued")
    write.update(outcome="unknown", backend=None)
    mapping.update(mappings=[], mapping_count=0)
    for line in write, mapping:
        line.update(complete=False, incomplete="dropped", overlapped_loss=True)
    summary = case["lines"][1000]
    summary.update(skipped_runs=2)
    summary["reconciliation"][0].update(ours=999, difference=-1, allowance=2)
    case["lines"].append({"type": "loss", "cpu": None, "count": 2, "cause": "skipped_runs"})


def hide_mappings(count):
    """Of so many pages, in lifecycles that are reported as lossy."""
    def hide(case):
        for line in case["lines"][100:100 + count]:
            line.update(mappings=[], mapping_count=0, complete=False, incomplete="dropped", overlapped_loss=True,
                        outcome="unknown")
    return hide


def return_unknown(case):
    """Pages came back that are reported as perhaps freed; more than were skipped."""
    for out, back in zip(case["lines"][:4], case["lines"][1001:1005]):
        out.update(complete=False, incomplete="dropped", overlapped_loss=True, outcome="unknown")
        out["stages"].pop("removed")
        back.update(lifecycle=None)
    case["lines"][1000].update(freed_pages=995, returned_pages=6)


def beside_skipped_runs(damage):
    def both(case):
        skip_runs(case)
        damage(case)
    return both


# All of this is still noticed where runs were skipped.
SKIP_DAMAGES = [(name + ", and runs were skipped", beside_skipped_runs(damage), expected)
                for name, damage, expected in DAMAGES if not name.startswith("another origin") and
                expected != "faults" and name not in ("one device write too few", "pswpout off by one",
                             "a zero page that nobody saw", "a zero page that was none",
                             "a difference", "pswpin in vmstat is not the daemon's",
                             "skipped runs that no loss reports", "a return to nobody")] + [
    ("more returns to nobody than were skipped", beside_skipped_runs(
        lambda c: [line.update(lifecycle=None) for line in c["lines"][1001:1004]]), "once"),
    ("a difference that the row does not allow", beside_skipped_runs(
        lambda c: c["lines"][1000]["reconciliation"][0].pop("allowance")), "reconcile"),
    ("more device writes too few than lossy pages", beside_skipped_runs(
        lambda c: [line["stages"].pop("write_issued") for line in c["lines"][10:12]]), "totals"),
    ("pswpout off by more than was skipped", beside_skipped_runs(set_in("after", "pswpout", 1008)),
     "totals"),
    ("a difference of more than was skipped", beside_skipped_runs(
        set_in("lines", 1000, "reconciliation", 1, "difference", 3)), "reconcile"),
    ("more major faults reported as minor than were skipped", beside_skipped_runs(
        lambda c: [line.update(major=False) for line in c["lines"][1001:1004]]), "faults"),
    ("more minor faults than there were and were skipped", beside_skipped_runs(lambda c: c["lines"].extend(
        {**good_return(9), "pages": 0, "mapped": 0} for _ in range(7))), "faults"),
    ("more unseen mappings than the batches that were skipped", beside_skipped_runs(hide_mappings(64)), "oracle"),
    ("another slot in a lossy lifecycle", beside_skipped_runs(
        set_in("lines", 21, "swap_offset", 4711)), "oracle"),
    ("a lossy lifecycle that is called complete", beside_skipped_runs(
        lambda c: c["lines"][20].update(complete=True, incomplete=None, outcome="freed_device")),
     "stages"),
]


# ---- scenarios that know more ---------------------------------------------------------------------------

def errors(case):
    """The first two of the ten accesses that came back failed instead; their pages are still out."""
    for number, line in enumerate(case["lines"][1001:1003]):
        line.update(how="read_error", pages=0, mapped=0, major=False)
        case["oracle.2"].insert(1, case["oracle"][2 + number])
    case["oracle.2"][-1] = measures(7, major=6, minor=5, waits=8, wait_ns=8 * WAIT, sigbus=2,
                                    swap_kib=3968)
    case["truth"]["read_errors"] = 2
    case["lines"][1000].update(read_errors=2, returned_pages=8, away_pages=991)
    case["used"].update(used=992, vmswap=992)
    case["lines"][1000]["reconciliation"][4].update(kernel_delta=992, ours=992)


def refused(case):
    line = good_lifecycle(1500, "aborted")
    line.update(abort_reason="no_slot", stages={"isolated": 1}, mappings=[], mapping_count=0)
    case["lines"].append(line)
    case["truth"] = {"delayed": 1, "swap_fail": 1}


def hands(case):
    """Another process read the first page."""
    case["lines"][1001].update(pid=9)
    case["truth"].update(owner_pid=7, foreign_pages=1)
    case["oracle.2"][-1] = measures(7, major=7, minor=5, waits=7, wait_ns=7 * WAIT, swap_kib=3960)


def quiet(case):
    case["truth"].update(vmswap_pages=989, swapcached_pages=1)
    case["json"] = {"areas": {"areas": [{"owners": [{"pages": "989"}]}]},
                    "flying": {"lifecycles": [{"pages": 1}]}}


def areas(case):
    case["truth"].update(area_0="/dev/a", area_1="/dev/b")
    case["json"] = {"areas": {"areas": [{"type": 1, "path": "/dev/b"}]},
                    "areas2": {"areas": [{"path": "/dev/a"}, {"type": 1, "path": "/dev/b"}]}}


def reused(case):
    case["truth"]["same_pid"] = 1
    case["json"] = {"page": {"state": "PAGE_STATE_RESIDENT"}}


def one_cpu(case):
    """Ten records were lost, long after all lifecycles but the first had ended."""
    case["lines"][1000].update(lost_events=10, events=8990)
    case["lines"].append({"type": "loss", "cpu": 1, "count": 10, "from_ns": 5000000, "to_ns": 6000000})
    case["lines"][0].update(complete=False, incomplete="dropped", overlapped_loss=True)
    case["lines"][0]["stages"]["removed"] = 7000000
    case["truth"]["loss_known"] = 1


def full_rate(case):
    """The same as one_cpu(), where nothing need be lost."""
    one_cpu(case)
    del case["truth"]["loss_known"]
    for line in case["lines"][:1000]:
        line["reclaimer"]["origin"] = "memcg_limit"
    case["before"]["pswpout"] -= 300000  # as many as that scenario must have
    case["lines"][1000]["reconciliation"][0].update(kernel_delta=301000, ours=301000)


def late(case):
    """One page was written before swaptraild had counted."""
    case["lines"][1000]["reconciliation"][0].update(ours=999, difference=-1, allowance=3)


def tmpfs(case):
    for line in case["lines"][:1000]:
        line.update(shmem=True, object={"device": "0:9", "inode": 3, "index": 0})
    for line in case["lines"][1001:]:
        line.update(shmem=True, passes=0, owner_pid=None, major=False, fault_ns=WAIT)
    # A read(2) is no fault, and the reader has no page of the file in VmSwap.
    case["oracle"] = ["# time_ns 9000000", measures(7)]
    case["oracle.2"] = ["# time_ns 9500000", measures(7, waits=10, wait_ns=10 * WAIT, blkio_ns=7 * WAIT)]
    case["phases"] = ["2.1", "2.2"]


GOOD_SCENARIOS = {"broken-readerror": errors, "nvme-swapmax": refused, "slow-hands": hands,
                  "nvme-quiet": quiet, "nvme-areas": areas, "nvme-pidreuse": reused,
                  "nvme-onecpu": one_cpu, "nvme-full": full_rate, "nvme-attach": late, "slow-tmpfs": tmpfs}
SCENARIO_DAMAGES = [
    ("broken-readerror", "a SIGBUS that nobody reports", lambda c: c["lines"].pop(1001), "errors"),
    ("broken-readerror", "a broken page came back", set_in("lines", 1001, "pages", 1), "errors"),
    ("broken-readerror", "an error is called a return", set_in("lines", 1001, "how", "swapped_in"), "errors"),
    ("broken-readerror", "read_errors", set_in("lines", 1000, "read_errors", 0), "errors"),
    ("nvme-swapmax", "a refusal is not reported", lambda c: c["lines"].pop(), "refused"),
    ("nvme-swapmax", "a refusal too many", set_in("truth", "swap_fail", 0), "refused"),
    ("slow-hands", "the owner is said to have read", set_in("lines", 1001, "pid", 7), "reader"),
    ("slow-hands", "the reader is said to own", set_in("lines", 1001, "owner_pid", 9), "reader"),
    ("nvme-quiet", "too many in swap", set_in("truth", "vmswap_pages", 988), "quiet"),
    ("nvme-quiet", "too few in swap", set_in("truth", "vmswap_pages", 991), "quiet"),
    ("nvme-quiet", "in flight for ever", set_in("json", "flying", "lifecycles", 0, "pages", 5), "quiet"),
    ("nvme-areas", "another's name", set_in("json", "areas", "areas", 0, "path", "/dev/c"), "areas"),
    ("nvme-areas", "by position", set_in("json", "areas2", "areas", 0, "path", "/dev/b"), "areas"),
    ("nvme-pidreuse", "another's history", set_in("json", "page", "history", [{}]), "owner"),
    ("nvme-pidreuse", "the pid was another", set_in("truth", "same_pid", 0), "plausible"),
    ("nvme-onecpu", "reported late", set_in("truth", "loss_known", 0), "loss"),
    ("nvme-onecpu", "called complete", lambda c: c["lines"][0].update(
        complete=True, incomplete=None, overlapped_loss=False), "loss"),
    ("nvme-onecpu", "lost events that no loss reports", set_in("lines", 1000, "lost_events", 11), "loss"),
    ("nvme-full", "called complete", set_in("lines", 0, "complete", True), "stages"),
    ("nvme-full", "lost events that no loss reports", set_in("lines", 1000, "lost_events", 11), "loss"),
    ("nvme-full", "more dropped than lost", set_in("lines", 1000, "events", 8980), "loss"),
    ("nvme-full", "too many lost", lambda c: (
        c["lines"][1000].update(lost_events=100, events=8900), c["lines"][-1].update(count=100)), "loss"),
    ("nvme-full", "a total that is not the kernel's", set_in("after", "pswpout", 1006), "reconcile"),
    ("slow-tmpfs", "a page that nobody read", lambda c: c["lines"].pop(), "file"),
    ("slow-tmpfs", "another reader", set_in("lines", 1001, "pid", 8), "file"),
    ("slow-tmpfs", "a wait in read(2) is lost", set_in("lines", 1001, "fault_ns", None), "waits"),
    ("slow-tmpfs", "a read(2) is reported as a major fault", set_in("lines", 1001, "major", True), "faults"),
    ("slow-tmpfs", "a nameless file", set_in("lines", 5, "object", None), "file"),
    ("nvme-attach", "more than it says may be missing", set_in(
        "lines", 1000, "reconciliation", 0, "difference", -4), "reconcile"),
    ("nvme-attach", "a difference without an allowance", set_in(
        "lines", 1000, "reconciliation", 0, "allowance", 0), "reconcile"),
]


def all_tests():
    """(what, scenario or None, change, the check that must complain or None)."""
    yield from ((name, None, damage, expected) for name, damage, expected in
                [("undamaged", lambda c: None, None), ("skipped runs alone", skip_runs, None),
                 ("a batch whose begin was skipped", beside_skipped_runs(hide_mappings(32)), None),
                 ("returns of what is reported as unknown", beside_skipped_runs(return_unknown), None)] +
                DAMAGES + SKIP_DAMAGES)
    yield from (("undamaged " + name, name, lambda c: None, None) for name in GOOD_SCENARIOS)
    yield from ((text, name, damage, expected) for name, text, damage, expected in SCENARIO_DAMAGES)


def self_test(check_case):
    bad = damages = 0
    for name, scenario, damage, expected in all_tests():
        with tempfile.TemporaryDirectory() as root:
            case = good_case()
            if scenario:
                case["name"] = scenario
                for line in case["lines"][:1000]:
                    line["reclaimer"]["origin"] = "proactive"
                GOOD_SCENARIOS[scenario](case)
            damage(case)
            failures = check_case(write_case(case, root)).failures
        checks = {check for check, _, _ in failures}
        damages += expected is not None
        if (expected in checks) if expected else not checks:
            continue
        bad += 1
        print("self-test: %s: expected a failure of %s, got %s" % (name, expected, failures))
    print("self-test: %d of %d damages noticed" % (damages - bad, damages))
    return 1 if bad else 0
