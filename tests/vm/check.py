#!/usr/bin/env python3
"""Checks what swaptraild said against oracles that are not ours.

    check.py FOLDER...      every case below the folders (those of cases.sh): a line each, a table
                            over all kernels, the figures, and `N passed, N failed, N skipped`
    check.py --self-test    damages a good case in many ways, and expects a complaint each time

Exit code 1: something failed. Only the standard library; Python 3.9 and later.

The oracles: /proc/self/pagemap of the processes whose pages were swapped out (oracle.1, oracle.2),
/proc/vmstat, and those of check_back.py for the way back. Sums are made here, line by line; swaptraild's own sums are only compared.
"""
import glob
import json
import os
import subprocess
import sys

from check_back import FAILING, LATE, LOSSY, MAY_LOSE, check_back, lossy, lossy_slots, skipped_pages, skipped_runs, slack

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SWAPTRAIL = os.path.join(os.environ.get("SWAPTRAIL_BUILD", os.path.join(ROOT, "build/release")), "cli/swaptrail")
PAGE = 4096
UNCOUNTED = 0xFFFF  # a mapping's ptes
SAMPLES = 3         # wrong lines shown for each check

# A stage must not come before another: pairs of (earlier, later), checked where both were seen.
ORDER = [
    ("isolated", "slot_allocated"), ("isolated", "unmapped"), ("isolated", "write_begin"),
    ("slot_allocated", "write_begin"), ("unmapped", "write_begin"),
    ("write_begin", "write_issued"), ("write_begin", "write_end"),
    ("write_issued", "write_completed"), ("write_issued", "write_end"),
    ("write_begin", "write_completed"), ("write_completed", "removed"), ("write_end", "removed"),
    ("unmapped", "removed"), ("isolated", "removed"),
]
ANON_ORDER = [("slot_allocated", "unmapped")]  # shmem gets its slot when it is written
# What a complete lifecycle of an outcome must have passed, and what it must not.
MUST = {
    "freed_device": (["isolated", "write_begin", "write_issued", "write_end", "write_completed",
                      "removed"], []),
    "freed_zswap": (["isolated", "write_begin", "write_end", "removed"], ["write_issued"]),
    "freed_zero": (["isolated", "write_begin", "write_end", "removed"], ["write_issued"]),
    "freed_clean": (["isolated", "removed"], ["write_issued"]),
    "aborted": (["isolated"], ["removed"]),
    "in_flight": (["isolated"], ["removed"]),
}
WRITTEN_IN_ONE_PASS = ("zram", "zswap")
ORIGINS = {"pageout": "madv_pageout", "thp": "madv_pageout", "clean": "madv_pageout",
           "reclaim": "proactive"}
ORIGINS.update({name: "memcg_limit" for name in ("anon", "full", "shmem", "zero", "fork", "swapoff")})
# All others: proactive. Scenarios that end with no page in swap that a process maps:
NOTHING_OUT = {"shmem", "tmpfs", "nobody", "crowd"} | LATE | LOSSY
FEW_SLOTS = 64    # that changed hands while swaptraild started, or were refused
MOST_LOST = 0.01  # of the events of a scenario that may lose some


class Case:
    """The files of one case, read."""

    def __init__(self, folder):
        self.folder = folder
        self.kind, self.scenario = os.path.basename(os.path.abspath(folder)).split("-", 1)
        self.vmstat = {when: read_vmstat(self.path("vmstat." + when))
                       for when in ("before", "after", "end")}
        self.oracles = [read_oracle(path) for path in sorted(glob.glob(self.path("oracle.*")))]
        self.kernel = read_version(self.path("kernel"))
        self.truth = read_numbers(self.path("truth"))
        self.used = read_numbers(self.path("used.after"))
        self.mthp = {when: read_numbers(self.path("mthp." + when)) for when in ("before", "after")}
        self.marks = read_numbers(self.path("marks"))  # in the order of the file
        self.lines = {"lifecycle": [], "return": [], "stay": [], "violation": [], "loss": [],
                      "summary": []}
        self.odd = []
        self.by_id = None
        position = 0
        with open(self.path("daemon.jsonl"), "rb") as lines:
            for line in lines:
                position += len(line)
                self.read_line(line.decode(errors="replace"), position)
        lost = any(summary.get("lost_events") for summary in self.lines["summary"])
        self.loses = self.scenario in LOSSY or (self.scenario in MAY_LOSE and lost)
        # What swaptraild saw is not all that happened: sums of lines can't be those of the kernel.
        self.gaps = self.loses or self.scenario in LATE

    def path(self, name):
        return os.path.join(self.folder, name)

    def read_line(self, line, position):
        try:
            value = json.loads(line)
            value["phase"] = sum(position > mark for mark in self.marks.values())
            self.lines[value["type"]].append(value)
        except (ValueError, KeyError, TypeError):
            self.odd.append(line)

    def lifecycle(self, number):
        """By its id; None if there is none."""
        if self.by_id is None:
            self.by_id = {lifecycle["id"]: lifecycle for lifecycle in self.lines["lifecycle"]}
        return self.by_id.get(number)

    def delta(self, counter):
        """Of a counter of the kernel while swaptraild watched; None if the kernel has none."""
        before, after = self.vmstat["before"], self.vmstat["after"]
        return after[counter] - before[counter] if counter in before else None

    def mthp_delta(self, size, counter):
        """Of a counter of large folios of a size in kB; None if the kernel has none."""
        name = "%skB/%s" % (size, counter)
        before, after = self.mthp["before"], self.mthp["after"]
        return after[name] - before[name] if name in before else None


class Report:
    """What was found: failures with examples, and figures."""

    def __init__(self):
        self.failures = []
        self.figures = {}

    def fail(self, check, text, examples=()):
        self.failures.append((check, text, [shown(e) for e in list(examples)[:SAMPLES]]))

    def add(self, figure, count):
        self.figures[figure] = self.figures.get(figure, 0) + count

    def require(self, condition, check, text, examples=()):
        if not condition:
            self.fail(check, text, examples)


def shown(example):
    return example if isinstance(example, str) else json.dumps(example, separators=(",", ":"))


def read_vmstat(path):
    with open(path, encoding="ascii") as lines:
        return {name: int(value) for name, value in (line.split() for line in lines)}


def read_numbers(path):
    """{key: number or text} of a file of `KEY VALUE` lines; empty if there is none."""
    if not os.path.exists(path):
        return {}
    with open(path, encoding="ascii") as lines:
        pairs = [line.split(maxsplit=1) for line in lines]
    return {key: number(value.strip()) for key, value in pairs}


def read_version(path):
    """(6, 12); newer than all if nobody says."""
    if not os.path.exists(path):
        return (99, 0)
    with open(path, encoding="ascii") as file:
        return tuple(int(part) for part in file.read().split(".")[:2])


def number(text):
    """Pages are whole, though awk divides."""
    try:
        return int(float(text))
    except ValueError:
        return text


def read_oracle(path):
    """{"time_ns": ..., "pages": ..., ..., "swapped": {(tgid, address): (type, offset) or None},
    "process": {tgid: {what it measured: ...}}}"""
    oracle = {"swapped": {}, "process": {}, "name": os.path.basename(path)}
    with open(path, encoding="ascii") as lines:
        for line in lines:
            words = line.split()
            if words[0] == "#":
                oracle[words[1]] = int(words[2]) if words[2].isdigit() else words[2]
            elif words[0] == "process":
                values = (word.split("=") for word in words[2:])
                oracle["process"][int(words[1])] = {key: int(value) for key, value in values}
            else:
                entry = None if words[2] == "-" else (int(words[2]), int(words[3]))
                oracle["swapped"][int(words[0]), int(words[1], 16)] = entry
    return oracle


def count_pages(lifecycles):
    return sum(lifecycle["pages"] for lifecycle in lifecycles)


def share(part, whole):
    return part / whole if whole else 1.0


# ---- runs of programs that the kernel skipped ---------------------------------------------------

# If a kernel may preempt our programs, it skips runs of them (docs/ARCHITECTURE.md, Loss). Then they
# count less, and lifecycles of that time are lossy. Nothing else is forgiven: a lifecycle that is
# called complete must be right, and without skipped runs there is nothing to forgive.

SWAP_CLUSTER_MAX = 32  # include/linux/swap.h: folios of a batch


# ---- (a) every page of the oracles -------------------------------------------------------------

def unmap_time(lifecycle):
    """When its page table entries became swap entries, or the nearest time before that."""
    stages = lifecycle["stages"]
    return stages.get("unmapped") or stages.get("slot_allocated") or stages.get("isolated") or 0


def mapped_pages(lifecycle):
    """((tgid, address), index in the folio) of each page that was unmapped."""
    for mapping in lifecycle["mappings"]:
        first, ptes = mapping["first_page"], mapping["ptes"]
        if mapping["address"] is None:
            continue
        if ptes == UNCOUNTED:
            ptes = max(1, lifecycle["pages"] - first)
        for i in range(ptes):
            yield (mapping["pid"], int(mapping["address"], 16) + i * PAGE), first + i


def index_unmaps(case):
    """{(tgid, address): [(time, type, offset, lifecycle)]} of the pages in any oracle."""
    wanted = set().union(*(oracle["swapped"] for oracle in case.oracles))
    unmaps = {}
    for lifecycle in case.lines["lifecycle"]:
        for key, page in mapped_pages(lifecycle):
            if key in wanted:
                offset = lifecycle["swap_offset"]
                unmaps.setdefault(key, []).append(
                    (unmap_time(lifecycle), lifecycle["swap_type"],
                     None if offset is None else offset + page, lifecycle))
    return unmaps


def check_oracle(case, oracle, unmaps, report):
    """The last unmapping of a page before the oracle's time is what made its swap entry, whatever
    became of that lifecycle later. Returns the lifecycles that were matched."""
    matched, missing, wrong = [], [], []
    excused, forgiven = lossy_slots(case), 0
    # A skipped run at the begin of a batch affects all of its folios, and all processes that map
    # them.
    sharers = max((l["mapping_count"] for l in case.lines["lifecycle"]), default=1)
    most_forgiven = skipped_pages(case) * SWAP_CLUSTER_MAX * max(sharers, 1)
    for key, entry in oracle["swapped"].items():
        before = [unmap for unmap in unmaps.get(key, ()) if unmap[0] <= oracle["time_ns"]]
        page = "tgid %d address 0x%x entry %s" % (*key, entry)
        last = max(before, key=lambda unmap: unmap[0]) if before else None
        right = last and (entry is None or entry == last[1:3])
        if not right and entry in excused and forgiven < most_forgiven:
            forgiven += 1  # the run that would have reported this mapping was skipped
            continue
        if not before:
            missing.append(page)
            continue
        lifecycle = last[3]
        if not right:
            wrong.append(page + " but " + shown(lifecycle))
        else:
            matched.append(lifecycle)
    total = len(oracle["swapped"])
    text = "%s: %%d of %d swapped pages %%s" % (oracle["name"], total)
    report.require(not missing, "oracle", text % (len(missing), "have no lifecycle"), missing)
    report.require(not wrong, "oracle", text % (len(wrong), "have another slot"), wrong)
    report.figures["oracle_pages"] = report.figures.get("oracle_pages", 0) + total
    report.figures["oracle_wrong"] = (report.figures.get("oracle_wrong", 0) + len(missing) +
                                      len(wrong))
    return matched


def check_oracles(case, report):
    if case.gaps:
        report.figures.update(oracle_pages=0, oracle_wrong=0)
        return []  # what went out unseen has no lifecycle
    unmaps = index_unmaps(case)
    matched = [check_oracle(case, oracle, unmaps, report) for oracle in case.oracles]
    report.require(case.oracles and (case.oracles[0]["swapped"] or case.scenario in NOTHING_OUT),
                   "oracle", "no page was swapped out: nothing was tested")
    return matched[0] if matched else []


def out_of_order(lifecycle):
    stages = lifecycle["stages"]
    order = ORDER if lifecycle["shmem"] else ORDER + ANON_ORDER
    return any(first in stages and later in stages and stages[first] > stages[later]
               for first, later in order)


def lacks_stage(lifecycle):
    if not lifecycle["complete"] or lifecycle["outcome"] not in MUST:
        return False
    must, must_not = MUST[lifecycle["outcome"]]
    stages = lifecycle["stages"]
    return any(s not in stages for s in must) or any(s in stages for s in must_not)


def check_stages(case, report):
    lifecycles = case.lines["lifecycle"]
    bad = [lifecycle for lifecycle in lifecycles if out_of_order(lifecycle)]
    report.require(not bad, "order", "%d lifecycles have stages out of order" % len(bad), bad)
    bad = [l for l in lifecycles if l["complete"] and l["overlapped_loss"]]
    report.require(not bad, "stages", "%d complete lifecycles overlap a loss" % len(bad), bad)
    bad = [lifecycle for lifecycle in lifecycles if lacks_stage(lifecycle)]
    report.require(not bad, "stages", "%d complete lifecycles lack a stage of their outcome, or "
                   "have one too many" % len(bad), bad)
    ids = [lifecycle["id"] for lifecycle in lifecycles]
    report.require(len(set(ids)) == len(ids), "stages", "lifecycles share an id")


# ---- (b) totals -----------------------------------------------------------------------------------

def check_total(case, report, counter, ours):
    kernel = case.delta(counter)
    if kernel is None:
        return
    report.figures[counter] = kernel
    report.figures["total_difference"] = (report.figures.get("total_difference", 0) +
                                          abs(ours - kernel))
    forgiven = min(skipped_pages(case), count_pages(filter(lossy, case.lines["lifecycle"])))
    report.require(abs(ours - kernel) <= forgiven, "totals", "%s: the kernel counted %d, the "
                   "lifecycles sum up to %d: %+d" % (counter, kernel, ours, ours - kernel))


def check_totals(case, summary, report):
    if case.gaps:
        return
    lifecycles = case.lines["lifecycle"]
    moved = summary.get("zswap_writeback_pages", 0)
    issued = count_pages(l for l in lifecycles if "write_issued" in l["stages"])
    check_total(case, report, "pswpout", issued + moved)
    check_total(case, report, "zswpwb", moved)
    for counter, backend in (("swpout_zero", "zero"), ("zswpout", "zswap")):
        check_total(case, report, counter, count_pages(
            l for l in lifecycles if l["backend"] == backend and "write_end" in l["stages"]))


def kernel_rows(case):
    """What swaptraild's reconciliation must have, as we read it: {counter: delta}."""
    rows = {"pswpout": case.delta("pswpout"),
            "pswpin": case.delta("pswpin") + (case.delta("swpin_zero") or 0)}
    if case.delta("swpout_zero") is not None:
        rows["swpout_zero"] = case.delta("swpout_zero")
    if case.kind == "zswap":
        deltas = {name: case.delta(name) for name in ("zswpout", "zswpin")}  # not counted in 5.10
        rows.update({name: delta for name, delta in deltas.items() if delta is not None})
    return rows


def check_reconciliation(case, summary, report):
    rows = {row["counter"]: row for row in summary["reconciliation"]}
    for row in rows.values():
        forgiven = 0 if row["counter"] == "emitted" else skipped_pages(case)
        # The row says how much may be missing, how many slots hold nothing, or what the kernel may not
        # count.
        allowed = case.scenario in LATE | FAILING or row["counter"] == "slots"
        forgiven += row.get("allowance", 0) if allowed else 0
        report.require(row["counter"] == "emitted" or abs(row["difference"]) <= row.get("allowance", 0), "reconcile",
                       "the row says that it may not differ so much", [row])
        report.require(abs(row["difference"]) <= forgiven and
                       row["difference"] == row["ours"] - row["kernel_delta"],
                       "reconcile", "swaptraild's row is not 0", [row])
    for counter, delta in kernel_rows(case).items() if case.scenario not in LATE else ():
        row = rows.get(counter)
        if not row:
            report.fail("reconcile", "swaptraild has no row " + counter)
        else:
            report.require(row["kernel_delta"] == delta, "reconcile",
                           "%s: we read %d from vmstat" % (counter, delta), [row])
    check_slots_row(case, rows.get("slots"), report)
    emitted = rows.get("emitted")
    if not emitted:
        report.fail("loss", "no row `emitted`")
        return
    dropped = emitted["ours"] - summary["events"]
    report.figures.update(emitted=emitted["kernel_delta"], dropped=dropped)
    full = [loss for loss in case.lines["loss"] if loss.get("cause") != "skipped_runs"]
    if case.loses:
        lost = sum(loss["count"] for loss in full)
        report.require(lost and lost == summary["lost_events"] == dropped, "loss", "%d events lost, %d "
                       "dropped, losses report %d" % (summary["lost_events"], dropped, lost), full)
        if case.scenario in MAY_LOSE:
            report.require(lost <= MOST_LOST * emitted["kernel_delta"], "loss", "%d of %d events lost" %
                           (lost, emitted["kernel_delta"]), full)
        return
    report.require(emitted["kernel_delta"] == summary["events"] and summary["lost_events"] == 0 and
                   not full, "loss", "%d events emitted, %d consumed, %d lost" %
                   (emitted["kernel_delta"], summary["events"], summary["lost_events"]), full)
    reported = sum(loss["count"] for loss in case.lines["loss"]) - sum(loss["count"] for loss in full)
    report.figures["skipped_runs"] = skipped_runs(case)
    report.require(reported == skipped_runs(case), "loss", "%d program runs were skipped, and losses report "
                   "%d" % (skipped_runs(case), reported), case.lines["loss"])


def check_slots_row(case, row, report):
    """Slots in use: what the row says of the kernel is what /proc/swaps had a moment before."""
    if not row or case.gaps:
        report.require(row or case.gaps, "reconcile", "swaptraild has no row slots")
        return
    report.figures["slots_difference"] = row["difference"]
    report.require(abs(row["kernel_delta"] - case.used["used"]) <= slack(case), "reconcile",
                   "%d slots in use, the row says %d" % (case.used["used"], row["kernel_delta"]), [row])
    report.require(row.get("allowance", 0) <= slack(case) + FEW_SLOTS + skipped_runs(case), "reconcile",
                   "the row allows for more than reserved slots", [row])


# ---- (c) (d) completeness, violations ---------------------------------------------------------------

def check_complete(case, report):
    lifecycles = case.lines["lifecycle"]
    incomplete = [l for l in lifecycles if not l["complete"]]
    silent = [l for l in incomplete if not l["incomplete"] or l["incomplete"] == "none"]
    report.require(not silent, "complete", "%d incomplete lifecycles give no reason" % len(silent),
                   silent)
    # Up to Linux 6.14 no hook shows whether shmem was refused a slot or held by somebody else.
    odd = [l for l in incomplete if not (l["shmem"] and l["outcome"] == "aborted" and
                                         l["incomplete"] == "not_hooked")]
    pages = count_pages(lifecycles)
    report.figures.update(pages=pages, complete_pages=pages - count_pages(odd),
                          lifecycles=len(lifecycles))
    bad = count_pages(l for l in odd if not (skipped_runs(case) and lossy(l)))
    reasons = {}
    for lifecycle in incomplete:
        reason = "%s, %s" % (lifecycle["incomplete"], lifecycle["outcome"])
        reasons[reason] = reasons.get(reason, 0) + 1
    if case.gaps:
        return
    report.require(share(pages - bad, pages) >= 0.999, "complete", "%d of %d pages are in "
                   "incomplete lifecycles: %s" % (bad, pages, reasons), incomplete)


def check_violations(case, report):
    violations = case.lines["violation"]
    report.require(not violations, "violations", "%d violations" % len(violations), violations)
    report.require(not case.odd, "lines", "%d lines are no JSON object that we know" %
                   len(case.odd), case.odd)


# ---- the recording, if there is one, in lockstep with the model ----------------------------------------

def validated(recordings):
    """The summary of `swaptrail validate`; None if the model can't follow this mode."""
    done = subprocess.run([SWAPTRAIL, "validate", "--print=jsonl"] + recordings, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode == 2:
        return None
    return json.loads(done.stdout.splitlines()[-1])


def check_model(case, summary, report):
    recordings = sorted(glob.glob(case.path("recording/*.swaptrail")))
    model = validated(recordings) if recordings and os.path.exists(SWAPTRAIL) else None
    if not model:
        return
    # What a skipped run leaves out is reported as a loss, which explains what is missing. But where runs are
    # skipped, programs are preempted, and such a program can report its hook after others reported later ones.
    report.require(model["findings"] <= summary.get("skipped_runs", 0), "model", "%d findings, and %d program runs were skipped" %
                   (model["findings"], summary.get("skipped_runs", 0)), [model["rules"]])
    report.require(model["agreed"] + model["not_compared"] == model["lifecycles"], "model",
                   "only %(agreed)d of %(lifecycles)d lifecycles agree" % model)
    report.figures["model_lifecycles"] = model["lifecycles"]
    report.figures["model_agreed"] = model["agreed"]
    report.figures["slots"] = sum(area["allocations"] for area in model["slots"])
    report.figures["slots_exact"] = sum(area["exact"] for area in model["slots"])


# ---- (e) is it what this workload on this device must give? -------------------------------------------

def mostly(report, lifecycles, condition, text):
    """At least nine in ten of the pages, but for those that a loss overlaps."""
    lifecycles = [l for l in lifecycles if not lossy(l)]
    bad = [l for l in lifecycles if not condition(l)]
    report.require(count_pages(bad) <= 0.1 * count_pages(lifecycles), "plausible",
                   "%d of %d lifecycles: not %s" % (len(bad), len(lifecycles), text), bad)


def check_plausible(case, matched, report):
    lifecycles = case.lines["lifecycle"]
    outcomes = {}
    for lifecycle in lifecycles:
        outcomes.setdefault(lifecycle["outcome"], []).append(lifecycle)
    report.figures["outcomes"] = {name: count_pages(of) for name, of in sorted(outcomes.items())}
    origin = ORIGINS.get(case.scenario, "proactive")
    mostly(report, matched, lambda l: l["reclaimer"]["origin"] == origin, "from " + origin)
    freed = [l for l in lifecycles if l["outcome"].startswith("freed")]
    if case.scenario in ("swapoff", "areas", "pool"):
        pass  # pages go to two areas, or past zswap
    elif case.kind in WRITTEN_IN_ONE_PASS:
        mostly(report, freed, lambda l: l["passes"] == 1, "freed by the pass that wrote it")
    else:
        written = outcomes.get("freed_device", [])
        mostly(report, written, lambda l: l["passes"] > 1, "freed by a later pass")
    zero = count_pages(outcomes.get("freed_zero", []))
    knows_zero = case.delta("swpout_zero") is not None
    report.require(knows_zero or not zero, "plausible", "freed_zero where there is no such thing")
    scenario = SCENARIOS.get(case.scenario)
    if scenario:
        scenario(case, matched, outcomes, report)


def plausible_pageout(case, matched, outcomes, report):
    if case.kind == "zswap":
        mostly(report, matched, lambda l: l["outcome"] == "freed_zswap", "freed_zswap")
    elif case.kind in WRITTEN_IN_ONE_PASS:
        mostly(report, matched, lambda l: l["outcome"] == "freed_device", "freed_device")
    else:
        mostly(report, matched, lambda l: l["outcome"] == "in_flight" and
               l["waiting_for"] == "second_pass", "in_flight, waiting for a second pass")


def plausible_zero(case, matched, outcomes, report):
    if case.delta("swpout_zero") is not None:
        pages = count_pages(outcomes.get("freed_zero", [])) + count_pages(
            l for l in outcomes.get("unknown", []) if lossy(l))
        report.require(pages >= 1000, "plausible", "only %d pages freed_zero" % pages)


def plausible_clean(case, matched, outcomes, report):
    if case.kind not in WRITTEN_IN_ONE_PASS:
        mostly(report, matched, lambda l: l["outcome"] == "freed_clean", "freed_clean")


def plausible_fork(case, matched, outcomes, report):
    mostly(report, matched, lambda l: l["mapping_count"] == 2 and
           len({mapping["pid"] for mapping in l["mappings"]}) == 2, "mapped by two processes")


def plausible_shmem(case, matched, outcomes, report):
    shmem = [l for l in case.lines["lifecycle"] if l["shmem"]]
    report.require(count_pages(shmem) >= 1000, "plausible", "%d shmem pages" % count_pages(shmem))
    if matched:
        mostly(report, matched, lambda l: l["shmem"], "shmem")


def plausible_thp(case, matched, outcomes, report):
    if case.kind != "virtio":  # a rotational disk splits them before 6.14
        mostly(report, matched, lambda l: l["pages"] == 512, "a huge page in one piece")


def plausible_full(case, matched, outcomes, report):
    pages = case.delta("pswpout")
    report.require(pages > 200000, "plausible", "only %d pages written" % pages)


def plausible_swapoff(case, matched, outcomes, report):
    hows = [line for line in case.lines["return"] if line["how"] == "swapoff"]
    report.require(hows, "plausible", "no page was returned by swapoff")


SCENARIOS = {"pageout": plausible_pageout, "zero": plausible_zero, "clean": plausible_clean,
             "fork": plausible_fork, "shmem": plausible_shmem, "thp": plausible_thp,
             "full": plausible_full, "swapoff": plausible_swapoff}


# ---- a case, and all ---------------------------------------------------------------------------------

def check_case(folder):
    report = Report()
    case = Case(folder)
    matched = check_oracles(case, report)
    check_stages(case, report)
    check_violations(case, report)
    check_complete(case, report)
    if len(case.lines["summary"]) != 1:
        report.fail("lines", "%d summaries" % len(case.lines["summary"]))
    else:
        check_totals(case, case.lines["summary"][0], report)
        check_reconciliation(case, case.lines["summary"][0], report)
        check_model(case, case.lines["summary"][0], report)
    check_plausible(case, matched, report)
    check_back(case, report)
    return report


# What check_back.py found, where there is such a figure.
BACK = [
    ("faults", "%(faults)d faults, %(major_faults)d major, %(major_wrong)d wrong"),
    ("wait_ms", "waits %(wait_ms).0f ms, said %(wait_said_ms).0f ms"),
    ("back_pages", "smaps fell by %(back_pages)d, %(back_wrong)d wrong"),
    ("pages_back", "%(pages_back)d pages back, %(pages_back_wrong)d not reported"),
    ("freed", "freed %(freed)d, returned %(returned)d, away %(away)d"),
]


def figures_text(figures):
    parts = ["oracle %d pages, %d wrong" % (figures["oracle_pages"], figures["oracle_wrong"])]
    parts += ["%s %d" % (name, figures[name]) for name in ("pswpout", "swpout_zero", "zswpout")
              if figures.get(name)]
    parts.append("complete %.3f %%" % (100 * share(figures["complete_pages"], figures["pages"])))
    if "emitted" in figures:
        parts.append("%d events, %d dropped" % (figures["emitted"], figures["dropped"]))
    if figures.get("skipped_runs"):
        parts.append("%(skipped_runs)d program runs skipped" % figures)
    parts += [text % figures for name, text in BACK if name in figures]
    parts.append(" ".join("%s=%d" % item for item in figures.get("outcomes", {}).items()))
    return "; ".join(parts)


def check_folder(folder):
    """A finished case: (word, text, figures), word is ok, fail or skip. Prints it."""
    with open(os.path.join(folder, "result"), encoding="utf-8") as file:
        word, _, text = file.read().strip().partition(" ")
    report = Report()
    if word == "done":
        try:
            report = check_case(folder)
            text = figures_text(report.figures)
        except (OSError, ValueError, KeyError, TypeError) as error:
            report.fail("files", "%s: %s" % (type(error).__name__, error))
        word = "fail" if report.failures else "ok"
    print("%-4s %s: %s" % (word, "/".join(folder.rstrip("/").split("/")[-2:]), text))
    for check, what, examples in report.failures:
        print("       %s: %s" % (check, what))
        for example in examples:
            print("         " + example)
    return word, text, report.figures


def print_table(results):
    """Kernels down, cases across."""
    kernels = sorted({kernel for kernel, _ in results},
                     key=lambda kernel: [int(n) if n.isdigit() else 0 for n in kernel.split(".")])
    cases = list(dict.fromkeys(case for _, case in results if case))
    print("\n%-8s " % "kernel" + " ".join("%-13s" % case for case in cases))
    for kernel in kernels:
        words = [results.get((kernel, case), ("-", "", {}))[0] for case in cases]
        print("%-8s " % kernel + " ".join("%-13s" % word for word in words))
    for (kernel, case), (word, text, _) in results.items():
        if word == "skip":
            print("skipped: %s %s: %s" % (kernel, case, text))


def print_figures(results):
    figures = [f for _, _, f in results.values() if f]
    total = {name: sum(f.get(name, 0) for f in figures) for name in
             ("oracle_pages", "oracle_wrong", "total_difference", "pages", "complete_pages",
              "emitted", "dropped", "pswpout", "model_lifecycles", "model_agreed", "slots",
              "slots_exact", "faults", "major_faults", "major_wrong", "pages_back",
              "pages_back_wrong", "back_pages", "back_wrong", "wait_ms", "wait_said_ms")}
    print("\npages checked against pagemap: %(oracle_pages)d, mismatches: %(oracle_wrong)d\n"
          "pages written to devices: %(pswpout)d, differences in totals: %(total_difference)d\n"
          "events: %(emitted)d, dropped: %(dropped)d" % total)
    print("pages in complete lifecycles: %.4f %% of %d" %
          (100 * share(total["complete_pages"], total["pages"]), total["pages"]))
    print("the way back: %(faults)d faults, %(major_wrong)d of %(major_faults)d major ones wrong; "
          "%(pages_back)d pages by pagemap, %(pages_back_wrong)d not reported; smaps fell by %(back_pages)d, "
          "%(back_wrong)d wrong; waits of %(wait_ms).0f ms, reported %(wait_said_ms).0f ms" % total)
    if total["model_lifecycles"]:
        print("lifecycles in lockstep with the model: %(model_agreed)d of %(model_lifecycles)d; "
              "slots foretold: %(slots_exact)d of %(slots)d" % total)
    for (kernel, case), (_, _, f) in results.items():
        if case.endswith("-full") and f:
            print("full rate, %s %s: %d pages written, %d events, %d dropped" %
                  (kernel, case, f["pswpout"], f.get("emitted", 0), f.get("dropped", 0)))


def check_all(roots):
    results = {}
    for root in roots:
        for path in sorted(glob.glob(os.path.join(root, "**", "result"), recursive=True),
                           key=os.path.getmtime):
            folder = os.path.dirname(os.path.abspath(path))
            parts = folder.split("/")
            # A kernel that could not be booted has a result and no cases.
            whole = "-" not in parts[-1]
            key = (parts[-1], "") if whole else (parts[-2], parts[-1])
            results[key] = check_folder(folder)
    if len(results) > 1:
        print_table(results)
    if any(f for _, _, f in results.values()):
        print_figures(results)
    words = [word for word, _, _ in results.values()]
    print("%d passed, %d failed, %d skipped" % tuple(words.count(w) for w in ("ok", "fail", "skip")))
    return 1 if "fail" in words or not words else 0


if __name__ == "__main__":
    if sys.argv[1:] == ["--self-test"]:
        from check_selftest import self_test  # needs this module in turn
        sys.exit(self_test(check_case))
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    sys.exit(check_all(sys.argv[1:]))
