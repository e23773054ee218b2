"""The way back, checked against oracles that are not ours: a part of check.py.

What a process says of itself (`process` lines of the oracles: getrusage, its own clock, taskstats,
smaps), pagemap, /proc/swaps and the counters of large folios, against the `return` lines.
"""
import json
import os

PAGE = 4096
UNCOUNTED = 0xFFFF  # a mapping's ptes
SLOT_CACHE = 64     # mm/swap_slots.c
# From here on 161 s were seen for one wait, the uptime of the guest. Most likely, not proved: a sleeping task
# may be dequeued late, while another one runs; delayacct_blkio_start (called by __block_task,
# kernel/sched/core.c) then stamps that other one, and the sleeper's delay counts from an older time.
TASKSTATS_UNTIL = (6, 12)
WAIT_NS = 1000000   # measure.h: a longer access has waited for the device
CLOCK = 0.03        # of a wait, two clocks may differ by so much
READ_NS = 4000000   # less than one read of the slow device takes
DELAY_NS = 5000000  # what the slow device takes for a read
ENTRY_NS = 300000   # the way into a fault and out of it beside such a read, on a busy emulated CPU
SHARED = {"shmem", "tmpfs"}          # scenarios with pages that belong to no process
UNMAPS = {"quiet", "nobody", "pidreuse"}  # ... in which pages are unmapped or their owner ends
FAILED = ("read_error", "no_memory")  # such a fault is neither major nor minor
LOSSY = {"onecpu"}                   # ... that lose events
MAY_LOSE = {"full"}                  # ... that may lose a few, where the host is slow
FAILING = {"readerror"}              # ... in which reads fail
LATE = {"attach"}                    # ... in which swaptraild starts late


# ---- phases -----------------------------------------------------------------------------------------

def phase_of(oracle):
    """`oracle.2-a` is of phase 2, `oracle.1.2-r` of phase 1.2."""
    return oracle["name"].split(".", 1)[1].split("-")[0]


def steps(case):
    """Of each process: [(from phase or None, to phase, oracle before or None, oracle after)]."""
    order = {name: index for index, name in enumerate(case.marks)}
    of = {}
    for oracle in sorted((o for o in case.oracles if phase_of(o) in order),
                         key=lambda o: order[phase_of(o)]):
        for pid in oracle["process"]:
            of.setdefault(pid, []).append(oracle)
    for pid, oracles in of.items():
        for before, after in zip([None] + oracles, oracles):
            yield pid, before, after


def returns_between(case, before, after):
    """The returns that swaptraild printed after the phase of one oracle and up to that of another."""
    order = list(case.marks)
    first = order.index(phase_of(before)) if before else -1
    last = order.index(phase_of(after))
    return [r for r in case.lines["return"] if first < r["phase"] <= last]


def growth(pid, before, after, key):
    return after["process"][pid][key] - (before["process"][pid][key] if before and
                                         pid in before["process"] else 0)


def owner(line):
    """Whose memory it is; a line without it says that it is the reader's."""
    return line["owner_pid"] if "owner_pid" in line else line["pid"]


BORDER_PAGES = 64


def skipped_runs(case):
    """Of our programs, by the kernel (docs/ARCHITECTURE.md, Loss)."""
    return sum(summary.get("skipped_runs", 0) for summary in case.lines["summary"])


def mapped(line):
    return line["mapped"] if "mapped" in line else line["pages"] * (line["how"] == "swapped_in")


def step_text(pid, before, after):
    return "process %d, phase %s to %s" % (pid, phase_of(before) if before else "start",
                                           phase_of(after))


# ---- faults and waits ---------------------------------------------------------------------------------

def check_faults(case, report):
    """Each fault is one line, as major as the kernel counts it."""
    for pid, before, after in steps(case):
        of_pid = [r for r in returns_between(case, before, after)
                  if r["pid"] == pid and r["fault_ns"] is not None and r["how"] not in FAILED]
        in_fault = [r for r in of_pid if r["major"] or not r.get("shmem")]  # else perhaps a read(2)
        major = [r for r in in_fault if r["major"]]
        true_major = growth(pid, before, after, "major")
        true_minor = growth(pid, before, after, "minor")
        report.add("faults", len(in_fault))
        report.add("major_faults", true_major)
        report.add("major_wrong", abs(len(major) - true_major))
        text = step_text(pid, before, after)
        report.require(abs(len(major) - true_major) <= skipped_runs(case), "faults", "%s: %d major "
                       "faults, and %d returns say major" % (text, true_major, len(major)),
                       [r for r in in_fault if not r["major"]])
        report.require(len(in_fault) - len(major) <= true_minor + skipped_runs(case), "faults", "%s: %d minor faults, and "
                       "%d returns of minor ones" % (text, true_minor, len(in_fault) - len(major)))


def near(said, true, waits):
    """swaptraild's clock runs inside that of the process. A CPU that makes waits longer makes the way longer too."""
    entries = max(waits, true / DELAY_NS) * ENTRY_NS
    return true * (1 - CLOCK) - entries <= said <= true * (1 + CLOCK) + WAIT_NS


def knows_its_waits(case, pid):
    """Not the owner of slow-hands: its stack is swapped too, and nobody times that."""
    return pid != case.truth.get("owner_pid")


def check_waits(case, report):
    """On a device that takes 5 ms: the waits of the process, by its own clock and by taskstats."""
    if not case.truth.get("delayed"):
        return
    for pid, before, after in steps(case):
        faults = [r["fault_ns"] for r in returns_between(case, before, after)
                  if r["pid"] == pid and r["fault_ns"]]
        waits = [ns for ns in faults if ns > WAIT_NS]
        said, true = sum(waits), growth(pid, before, after, "wait_ns")
        # One wait may be in both.
        kernel = max(growth(pid, before, after, "blkio_ns"), growth(pid, before, after, "swapin_ns"))
        report.add("wait_ms", true / 1e6)
        report.add("wait_said_ms", said / 1e6)
        text = step_text(pid, before, after)
        count = growth(pid, before, after, "waits")
        if not knows_its_waits(case, pid) or max(true, said) < READ_NS:
            continue  # no read is so short: another process had the CPU
        report.require(near(said, true, count), "waits", "%s: %d waits of %.3f s by its own clock, %d returns "
                       "say %.3f s" % (text, count, true / 1e9, len(waits), said / 1e9))
        if case.kernel >= TASKSTATS_UNTIL:
            continue
        report.require(sum(faults) >= kernel * (1 - CLOCK) - WAIT_NS, "waits", "%s: taskstats %.3f s, returns "
                       "%.3f s" % (text, kernel / 1e9, sum(faults) / 1e9))


# ---- what came back to a process ---------------------------------------------------------------------

def unmapped_ptes(case, pid, from_ns, to_ns):
    """Page table entries of a process that reclaim replaced in a time."""
    count = 0
    for lifecycle in case.lines["lifecycle"]:
        when = lifecycle["stages"].get("unmapped") or 0
        if not from_ns < when <= to_ns or lifecycle["shmem"]:
            continue
        for mapping in lifecycle["mappings"]:
            if mapping["pid"] == pid:
                ptes = mapping["ptes"]
                count += lifecycle["pages"] if ptes == UNCOUNTED else ptes
    return count


def owners(case, line):
    """Of swapoff's returns, which need not say it: whoever mapped the page when it went out."""
    if line["how"] != "swapoff":
        return {owner(line)}
    lifecycle = case.lifecycle(line["lifecycle"])
    return {mapping["pid"] for mapping in lifecycle["mappings"]} if lifecycle else set()


def back_to(case, pid, returns):
    """Page table entries of a process that were filled again."""
    return sum(mapped(r) if r["how"] != "swapoff" else r["pages"] for r in returns
               if pid in owners(case, r) and not r.get("shmem"))


def check_smaps(case, report):
    """What a process has in swap (smaps) falls by what the returns say, and grows by what the lifecycles say."""
    if case.gaps or case.scenario in UNMAPS | SHARED or any(l["mapping_count"] > 4 for l in
                                                            case.lines["lifecycle"]):
        return
    for pid, before, after in steps(case):
        if not before or pid not in before["process"]:
            continue
        out = unmapped_ptes(case, pid, before["time_ns"], after["time_ns"])
        back = back_to(case, pid, returns_between(case, before, after))
        fall = -growth(pid, before, after, "swap_kib") * 1024 // PAGE
        report.add("back_pages", max(fall, 0))
        report.add("back_wrong", abs(back - out - fall))
        # While it is swapped out at the same time, some pages are unmapped and still in memory at either
        # border of the phase.
        border = BORDER_PAGES + out // 100 if out else 0
        report.require(abs(back - out - fall) <= border, "back", "%s: its swap fell by %d pages, %d went out, and "
                       "returns report %d that came back" % (step_text(pid, before, after), fall,
                                                              out, back))


def slots_back(case, returns):
    """{(owner, type, offset)} of the pages that returns report."""
    return {(pid, r["swap_type"], r["swap_offset"] + i) for r in returns
            if r["how"] in ("swapped_in", "swapoff") for pid in owners(case, r)
            for i in range(max(r["pages"], mapped(r), 1))}


def check_pagemap(case, report):
    """Each page that pagemap showed in swap, and shows there no more, was reported by a return of its slot
    to its owner."""
    if case.gaps or case.scenario in UNMAPS | SHARED:
        return
    for pid, before, after in steps(case):
        if not before:
            continue
        reported = slots_back(case, returns_between(case, before, after))
        gone = [(key, entry) for key, entry in before["swapped"].items()
                if key[0] == pid and entry and after["swapped"].get(key) != entry]
        missing = ["tgid %d address 0x%x entry %s" % (*key, entry) for key, entry in gone
                   if (pid, *entry) not in reported]
        report.add("pages_back", len(gone))
        report.add("pages_back_wrong", len(missing))
        report.require(not missing, "back", "%s: %d of %d pages that came back have no return of their "
                       "slot to their owner" % (step_text(pid, before, after), len(missing), len(gone)),
                       missing)


# ---- slots: what was freed returns once, or is still away ---------------------------------------------

def lossy(lifecycle):
    return lifecycle["overlapped_loss"] and not lifecycle["complete"]


def skipped_pages(case):
    """The most pages that the skipped runs can have been about, where each is about one folio."""
    largest = max((lifecycle["pages"] for lifecycle in case.lines["lifecycle"]), default=1)
    return skipped_runs(case) * largest


def lossy_slots(case):
    """{(type, offset)} of the pages whose lifecycle may lack something; empty without skipped runs."""
    if not skipped_runs(case):
        return set()
    return {(l["swap_type"], l["swap_offset"] + page) for l in case.lines["lifecycle"]
            if lossy(l) and l["swap_offset"] is not None for page in range(l["pages"])}


def freed(lifecycle):
    return lifecycle["outcome"].startswith("freed")


def check_once(case, report):
    """No page returns that was not freed, or twice, or to a lifecycle that nobody knows."""
    # If programs were skipped, it may be known that a page was freed, but not what became of its
    # content.
    pages = {l["id"]: l["pages"] for l in case.lines["lifecycle"]
             if freed(l) or (lossy(l) and "removed" in l["stages"])}
    # If programs were skipped, it may be unknown that a page was freed.
    may = {l["id"]: l["pages"] for l in case.lines["lifecycle"] if lossy(l)}
    sums, unknown = {}, []
    for line in case.lines["return"]:
        if line["pages"] and line["lifecycle"] is None:
            unknown.append(line)
        elif line["pages"]:
            sums[line["lifecycle"]] = sums.get(line["lifecycle"], 0) + line["pages"]
    twice = ["lifecycle %d: %d pages freed, %d returned" % (i, pages.get(i, 0), n)
             for i, n in sums.items() if n > pages.get(i, may.get(i, 0))]
    report.require(not twice, "once", "%d lifecycles have more pages returned than freed" % len(twice),
                   twice)
    if not case.gaps:  # but for those whose removal was in a run that was skipped
        # What was open when a run was skipped may have left memory in it: it is reported as unknown, and such pages
        # return too. Only others are pages that nobody reported.
        reported = lossy_slots(case)
        unknown = [r for r in unknown if (r["swap_type"], r["swap_offset"]) not in reported]
        count = sum(r["pages"] for r in unknown)
        report.require(count <= skipped_pages(case), "once", "%d pages returned that nobody saw "
                       "go out, though swaptraild was there first" % count, unknown)
    return sum(pages.values()), sum(sums.values())


def slack(case):
    """Up to Linux 6.14 each CPU keeps up to 64 slots that nobody uses any more, before it frees them
    together (mm/swap_slots.c)."""
    return SLOT_CACHE * case.used.get("cpus", 2) if case.kernel < (6, 15) else 0


def check_slots(case, summary, report):
    gone, returned = check_once(case, report)
    away = gone - returned
    report.figures.update(freed=gone, returned=returned, away=away)
    for name, ours in (("freed_pages", gone), ("returned_pages", returned), ("away_pages", away)):
        report.require(summary.get(name) == ours, "slots", "%s: the lines sum up to %d, the summary "
                       "says %s" % (name, ours, summary.get(name)))
    if case.gaps:
        return
    used = case.used
    # VmSwap counts a page once for each process that maps it, shared memory not at all.
    most = used["used"] if case.scenario in SHARED else min(used["used"], used["vmswap"] + slack(case))
    report.require(away <= most, "slots", "%d pages are said to be away, at most %d are: %s" %
                   (away, most, used))


# ---- large folios ---------------------------------------------------------------------------------------

def large_counters(case):
    """What the kernel counts of large folios: by base pages, by name."""
    sizes = {name.split("kB/")[0] for name in case.mthp["after"]}
    names = ("swpout", "swpin", "swpout_fallback", "split")
    if sizes:
        return {int(size) * 1024 // PAGE: {name: case.mthp_delta(size, name) for name in names} for size in sizes}
    return {512: {name: case.delta("thp_" + name) for name in ("swpout", "swpout_fallback")}}


def check_mthp(case, report):
    for pages, kernel in large_counters(case).items():
        of_size = [l for l in case.lines["lifecycle"] if l["pages"] == pages]
        fallbacks = sum(l["fallback_from"] == pages for l in case.lines["lifecycle"])
        said = {"swpout": sum("write_issued" in l["stages"] for l in of_size),
                "swpin": sum(r["pages"] == pages and r["how"] == "swapped_in"
                             for r in case.lines["return"]),
                "swpout_fallback": fallbacks,
                # Other code splits folios too: these are the ones that reclaim split on their way
                # to swap.
                "split": fallbacks + sum(l["abort_reason"] == "split" for l in of_size)}
        for name, ours in said.items():
            count = kernel.get(name)
            if count is None or case.gaps:
                continue
            report.add("large_" + name, count)
            report.require(ours <= count if name == "split" else ours == count, "mthp",
                           "%s of %d pages: the kernel counted %d, the lines %d" % (name, pages, count, ours))


# ---- whose it is -----------------------------------------------------------------------------------------

def check_private(case, report):
    """Where there is only private memory, every page belongs to a process and none is shared."""
    if case.gaps or case.scenario in SHARED:
        return
    # But files in a tmpfs, such as an actor's oracle, which are charged to it.
    private = [l for l in case.lines["lifecycle"] if not (l["shmem"] and (l["object"] or {}).get("inode"))]
    odd = [l for l in private if l["shmem"] and not lossy(l)]
    report.require(not odd, "owner", "%d lifecycles of shared memory of no file" % len(odd), odd)
    odd = [l for l in private if freed(l) and not l["pid"] and not lossy(l)]
    report.require(not odd, "owner", "%d pages were freed and belong to no process" %
                   sum(l["pages"] for l in odd), odd)


# ---- what a scenario knows besides ----------------------------------------------------------------------

def read_json(case, name):
    with open(case.path(name + ".json"), encoding="utf-8") as file:
        return json.load(file)


def truth_wait(case, report):
    waits = sum(p["waits"] for o in case.oracles for p in o["process"].values())
    report.require(waits >= 200, "plausible", "only %d waits: nothing was tested" % waits)


def truth_readerror(case, report):
    """Each SIGBUS is one return that says so, and no page came back by it."""
    true = max(p["sigbus"] for o in case.oracles for p in o["process"].values())
    errors = [r for r in case.lines["return"] if r["how"] == "read_error"]
    report.require(true == case.truth["read_errors"], "plausible", "%d SIGBUS" % true)
    report.require(len(errors) == true, "errors", "%d accesses ended in SIGBUS, %d returns report a "
                   "read error" % (true, len(errors)), errors)
    report.require(not any(r["pages"] for r in errors), "errors", "a page came back broken", errors)
    for summary in case.lines["summary"]:
        report.require(summary.get("read_errors") == true, "errors", "the summary says %s" %
                       summary.get("read_errors"))


def truth_swapmax(case, report):
    refused = sum(l["pages"] for l in case.lines["lifecycle"] if l["abort_reason"] == "no_slot")
    report.require(refused == case.truth["swap_fail"], "refused", "memory.swap.events: fail %d; %d "
                   "pages were refused a slot" % (case.truth["swap_fail"], refused))


def truth_thpfull(case, report):
    """There were huge pages, and the area had no room for them."""
    huge = [l for l in case.lines["lifecycle"] if l["pages"] > 1]
    split = sum(case.mthp_delta(size, "split") or 0 for size in {name.split("kB/")[0] for name in case.mthp["after"]})
    report.add("huge_split", split)
    report.require(huge or split or not case.mthp["after"], "plausible", "there was no huge page")


def truth_hands(case, report):
    foreign = [r for r in case.lines["return"]
               if owner(r) == case.truth["owner_pid"] and r["pid"] != case.truth["owner_pid"]]
    count = sum(mapped(r) for r in foreign)
    report.require(count >= case.truth["foreign_pages"], "reader", "others read %d pages of process %d "
                   "and its command line, %d returns say so" %
                   (case.truth["foreign_pages"], case.truth["owner_pid"], count), foreign)


def truth_tmpfs(case, report):
    """The reader brought every page of the file back, and waited for it."""
    for pid, before, after in steps(case):
        if not before or not phase_of(after).endswith(".2"):
            continue
        true = growth(pid, before, after, "waits")  # without readahead, each page is a wait
        shared = [r for r in returns_between(case, before, after)
                  if r["pid"] == pid and r.get("shmem") and r["how"] == "swapped_in"]
        report.add("file_pages_back", true)
        report.require(sum(r["pages"] for r in shared) == true, "file", "%s: %d pages of the file came "
                       "back, returns to this reader report %d" %
                       (step_text(pid, before, after), true, sum(r["pages"] for r in shared)))
    nameless = [l for l in case.lines["lifecycle"] if l["shmem"] and freed(l) and
                not (l.get("object") or {}).get("inode")]
    report.require(not nameless, "file", "%d lifecycles of a file do not say which" % len(nameless),
                   nameless)


def truth_offtouch(case, report):
    report.require(case.truth["swapoff_code"] == 0, "plausible", "swapoff failed")


def truth_offbreak(case, report):
    report.require(case.truth["swapoff_code"] != 0, "plausible", "swapoff was not interrupted")


def truth_onecpu(case, report):
    report.require(case.truth["loss_known"], "loss", "1.5 s after it, no loss was reported")
    # Nothing happens to a private page before it gets its slot, except that its batch begins.
    inside = [l for l in case.lines["lifecycle"] if l["complete"] and any(
        loss["from_ns"] <= max(l["stages"].values()) and
        loss["to_ns"] >= l["stages"].get("slot_allocated", min(l["stages"].values()))
        for loss in case.lines["loss"] if "from_ns" in loss)]
    report.require(not inside, "loss", "%d lifecycles are called complete beside a loss" % len(inside),
                   inside)


def named_areas(case, name):
    """{type: path} by `swaptrail areas`."""
    return {area.get("type", 0): area["path"] for area in read_json(case, name)["areas"]}


def areas_pages(case, name):
    """Pages that `swaptrail areas` says are in swap."""
    return sum(int(owner.get("pages", 0)) for area in read_json(case, name).get("areas", ())
               for owner in area.get("owners", ()))


def truth_areas(case, report):
    names = named_areas(case, "areas")
    report.require(names.get(1) == case.truth["area_1"], "areas", "type 1 is %s, `areas` says %s" %
                   (case.truth["area_1"], names))
    names = named_areas(case, "areas2")
    report.require(names.get(0) == case.truth["area_0"] and names.get(1) == case.truth["area_1"],
                   "areas", "types 0 and 1 are %(area_0)s and %(area_1)s" % case.truth, [names])


def truth_quiet(case, report):
    """Two seconds after the last page moved, all that is said to be in swap is there."""
    said, true = areas_pages(case, "areas"), case.truth["vmswap_pages"]
    report.require(true >= 500, "plausible", "only %d pages in swap" % true)
    report.require(true <= said <= true + slack(case), "quiet", "%d pages in swap, `areas` reports %d" %
                   (true, said))
    flying = sum(l.get("pages", 0) for l in read_json(case, "flying").get("lifecycles", ()))
    cached = case.truth["swapcached_pages"]
    report.require(flying <= cached, "quiet", "%d pages are in the swap cache, `list` has %d in flight" %
                   (cached, flying))


def truth_nobody(case, report):
    report.require(areas_pages(case, "areas") <= case.truth["used_pages"], "quiet", "%d slots in use, `areas` reports %d" %
                   (case.truth["used_pages"], areas_pages(case, "areas")))


def truth_pidreuse(case, report):
    report.require(case.truth["same_pid"], "plausible", "the pid was not reused")
    page = read_json(case, "page") if os.path.getsize(case.path("page.json")) else {}
    report.require(not page.get("history"), "owner", "the story of another process, which is gone",
                   page.get("explanation", ()))


TRUTHS = {"wait": truth_wait, "thpfull": truth_thpfull, "waitahead": lambda c, r: None, "waitcrowd": lambda c, r: None,
          "waitthreads": truth_wait, "readerror": truth_readerror, "swapmax": truth_swapmax,
          "hands": truth_hands, "tmpfs": truth_tmpfs, "offtouch": truth_offtouch,
          "offbreak": truth_offbreak, "onecpu": truth_onecpu, "areas": truth_areas,
          "quiet": truth_quiet, "nobody": truth_nobody, "pidreuse": truth_pidreuse}


def check_back(case, report):
    """All of it."""
    if not case.gaps:
        check_faults(case, report)
        check_waits(case, report)
    check_smaps(case, report)
    check_pagemap(case, report)
    if len(case.lines["summary"]) == 1:
        check_slots(case, case.lines["summary"][0], report)
    check_mthp(case, report)
    check_private(case, report)
    if case.scenario in TRUTHS:
        TRUTHS[case.scenario](case, report)
