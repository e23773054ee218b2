#!/usr/bin/env python3
"""Writes the Grafana dashboards of this folder: what they show is below, how they look is in grafana.py.

    generate.py            writes the .json files
    generate.py --check    exits 1, and names the files, if they are not what this script writes

The metrics are described in docs/METRICS.md. Change a panel here and never in the JSON.
"""

import pathlib
import sys

sys.dont_write_bytecode = True
from grafana import (  # noqa: E402
    Dashboard, Row, bars, graph, heatmap, matrix, over_range, quantile, rate, sel, stat, table)

PAGE_BYTES = 4096
MISSING = 'state="missing"'
FREED = 'outcome=~"freed_.+"'


def by(labels, expression):
    return f"sum by ({labels}) ({expression})"


def top(labels, expression, count=10):
    return f"topk({count}, {by(labels, expression)})"


def ratio(part, whole):
    """No line while there is nothing to divide by."""
    return f"{part} / ({whole} > 0)"


def area_share():
    return f"{sel('swap_area_used_bytes')} / {sel('swap_area_size_bytes')}"


# What is pushed out for another cgroup than its own: all cells of the matrix but the diagonal.
PAIRS = by("victim, reclaimer", rate("reclaim_matrix_pages_total"))
DIAGONAL = (f'label_replace({by("victim", rate("reclaim_matrix_pages_total"))}, '
            '"reclaimer", "$1", "victim", "(.*)")')
REGRETTED_SHARE = ratio(by("cgroup", rate("cgroup_regretted_pages_total")),
                        by("cgroup", rate("cgroup_swapped_out_pages_total")))
BY_OTHERS = f"{PAIRS} unless on (victim, reclaimer) {DIAGONAL}"

OVERVIEW = Dashboard(
    "overview", "swaptrail / overview",
    "Is swap hurting now, who does it to whom, and on which device.",
    rows=[
        Row("Now", [
            stat("swaptraild", "Daemons that answer, of those selected. Less than all: see the trust dashboard.",
                 f"sum({sel('up', prefix='')})", "answering", red_below=1),
            stat("Swapped out", "Pages a second that reclaim freed after their content was safe in swap.",
                 f"{PAGE_BYTES} * sum({rate('swapped_out_pages_total')})", "out", "Bps"),
            stat("Swapped in", "Pages a second that faults brought back.",
                 f"{PAGE_BYTES} * sum({rate('swapped_in_pages_total')})", "in", "Bps"),
            stat("Regretted", "Share of the swapped-out pages that were needed again within the regret time. "
                 "A quarter or more is thrashing.",
                 ratio(f"sum({rate('regretted_pages_total')})", f"sum({rate('swapped_out_pages_total')})"),
                 "regretted", "percentunit", warn=0.1, bad=0.25),
            stat("Waiting in faults", "Seconds that tasks spent in swap faults, in each second: 1 is a whole task "
                 "that does nothing else.",
                 f"sum({rate('fault_latency_seconds_sum')})", "waiting", "none", warn=0.5, bad=2, decimals=2),
            stat("Swap used", "Of all areas together.",
                 f"sum({sel('swap_area_used_bytes')}) / sum({sel('swap_area_size_bytes')})",
                 "used", "percentunit", warn=0.8, bad=0.95),
        ], height=4),
        Row("Is it hurting?", [
            graph("Pages out and in", "Base pages a second. In about equal to out for long: the memory is too small "
                  "for what runs.",
                  [(f"sum({rate('swapped_out_pages_total')})", "out"),
                   (f"sum({rate('swapped_in_pages_total')})", "in"),
                   (f"sum({rate('regretted_pages_total')})", "regretted")], "pps"),
            graph("Fault latency", "Time in do_swap_page: what a task waits for a page that was swapped out.",
                  [(quantile(0.5, "fault_latency_seconds"), "median"),
                   (quantile(0.99, "fault_latency_seconds"), "99 %")], "s"),
            graph("Where the content went", "Pages out, by backend: a device, zswap, or nowhere because all bytes "
                  "were zero or the copy in swap was still good.",
                  [(by("backend", rate("swapped_out_pages_total")), "{{backend}}")], "pps", stack=True),
            graph("What became of the attempts", "Base pages of closed lifecycles, by outcome. Aborted ones cost time "
                  "and free nothing.",
                  [(by("outcome", rate("lifecycle_pages_total")), "{{outcome}}")], "pps", stack=True),
        ]),
        Row("Who, and whom", [
            graph("Who asked", "Freed pages by the origin of the reclaim: kswapd in the background, direct in the "
                  "allocating task, a cgroup's limit, or a request.",
                  [(by("origin", rate("lifecycle_pages_total", FREED)), "{{origin}}")], "pps", stack=True),
            graph("Reclaimers", "Cgroups on whose behalf pages were pushed out.",
                  [(top("cgroup", rate("cgroup_reclaimed_pages_total"), 5), "{{cgroup}}")], "pps"),
            graph("Victims", "Cgroups that lost the pages.",
                  [(top("cgroup", rate("cgroup_swapped_out_pages_total"), 5), "{{cgroup}}")], "pps"),
            graph("Who waits", "Seconds that threads of a cgroup wait in swap faults, in each second.",
                  [(top("cgroup", rate("cgroup_fault_wait_seconds_total"), 5), "{{cgroup}}")], "none"),
            graph("Who faults", "Faults on pages in swap, by the cgroup of the thread that waits.",
                  [(top("cgroup", rate("cgroup_faults_total"), 5), "{{cgroup}}")], "ops"),
            graph("Faults that fail", "The page could not be read, or there was no memory for it.",
                  [(by("area, path, how", rate("failed_faults_total")), "{{path}} {{how}}")], "ops"),
            graph("What changes in swap", "Pages that zswap moves to the device, and pages that were read ahead and "
                  "dropped unused.",
                  [(by("change", rate("stay_changes_pages_total")), "{{change}}")], "pps"),
        ]),
        Row("Which device", [
            table("Swap areas", "All that are on. The highest priority is filled first.",
                  [("info", by("instance, area, path, type", sel("swap_area_info"))),
                   ("size", by("instance, area, path", sel("swap_area_size_bytes"))),
                   ("used", by("instance, area, path", sel("swap_area_used_bytes"))),
                   ("priority", by("instance, area, path", sel("swap_area_priority")))],
                  hide=["Value #info"], units={"Value #size": "bytes", "Value #used": "bytes"},
                  names={"Value #size": "size", "Value #used": "used", "Value #priority": "priority"}),
            graph("Used", "Share of each area that is taken.", [(area_share(), "{{instance}} {{path}}")],
                  "percentunit", maximum=1),
            graph("Out, by area", "Pages written or stored, by where their slot lies.",
                  [(by("instance, path", rate("swapped_out_pages_total")), "{{instance}} {{path}}")],
                  "pps"),
            graph("In, by area", "Pages brought back by faults.",
                  [(by("instance, path", rate("swapped_in_pages_total")), "{{instance}} {{path}}")],
                  "pps"),
            graph("Why attempts were given up", "Lifecycles a second that freed nothing, by reason.",
                  [(by("reason", rate("aborts_total")), "{{reason}}")], "ops", stack=True),
            graph("Never read again", "Pages whose slot was freed unread: their swap-out was a full success.",
                  [(by("how", rate("slots_freed_unread_pages_total")), "{{how}}")], "pps", stack=True),
        ]),
    ])

LATENCY = Dashboard(
    "latency", "swaptrail / latency",
    "How long each stage on the way out takes, what faults cost, and how long pages stay in swap.",
    variables=[("stage", "Stage", "stage_latency_seconds_count", False)],
    rows=[
        Row("On the way out", [
            graph("Stages, median", "Half of all lifecycles were faster. isolated_to_removed is the whole way.",
                  [(quantile(0.5, "stage_latency_seconds", "stage"), "{{stage}}")], "s"),
            graph("Stages, 99 %", "One lifecycle in a hundred was slower.",
                  [(quantile(0.99, "stage_latency_seconds", "stage"), "{{stage}}")], "s"),
            heatmap("Stage $stage", "Lifecycles a second in each class of duration, for the stage chosen above.",
                    "stage_latency_seconds", 'stage="$stage"'),
            graph("Stage $stage, by backend", "Median and 99 %, of the stage chosen above.",
                  [(quantile(0.5, "stage_latency_seconds", "backend", 'stage="$stage"'), "{{backend}} median"),
                   (quantile(0.99, "stage_latency_seconds", "backend", 'stage="$stage"'), "{{backend}} 99 %")], "s"),
            graph("Mean write to a device", "From the submission to the completion of a write.",
                  [(ratio(by("backend", rate("stage_latency_seconds_sum", 'stage="device_write"')),
                          by("backend", rate("stage_latency_seconds_count", 'stage="device_write"'))),
                    "{{backend}}")], "s"),
            graph("Where the time goes", "Seconds that lifecycles spent in each stage, in each second.",
                  [(by("stage", rate("stage_latency_seconds_sum", 'stage!="isolated_to_removed"')), "{{stage}}")],
                  "none", stack=True),
        ]),
        Row("Back again: faults", [
            graph("Fault latency, median", "By where the page was. major: the task had to wait for a read.",
                  [(quantile(0.5, "fault_latency_seconds", "backend, major"), "{{backend}}, major {{major}}")], "s"),
            graph("Fault latency, 99 %", "One fault in a hundred was slower.",
                  [(quantile(0.99, "fault_latency_seconds", "backend, major"), "{{backend}}, major {{major}}")], "s"),
            heatmap("Faults", "Swap faults a second in each class of duration.", "fault_latency_seconds"),
            graph("Time spent in faults", "Seconds in swap faults, in each second, of all tasks.",
                  [(by("backend, major", rate("fault_latency_seconds_sum")), "{{backend}}, major {{major}}")],
                  "none", stack=True),
        ]),
        Row("Time in swap", [
            graph("Time in swap", "From the moment a page was freed to the fault that brought it back.",
                  [(quantile(0.1, "time_in_swap_seconds"), "10 %"), (quantile(0.5, "time_in_swap_seconds"), "median"),
                   (quantile(0.9, "time_in_swap_seconds"), "90 %")], "s"),
            heatmap("Returns", "Pages brought back a second, by how long they had been out. What lies below the "
                    "regret time should not have been swapped out.", "time_in_swap_seconds"),
            graph("Regretted, by origin", "Pages that came back within the regret time, by who pushed them out.",
                  [(by("origin", rate("regretted_pages_total")), "{{origin}}")], "pps", stack=True),
            graph("Pages awaited", "Lifecycles that are followed: on their way out, and out.",
                  [(f"sum({sel('in_flight_lifecycles')})", "on their way out"),
                   (f"sum({sel('pages_in_swap')})", "in swap")], "short"),
        ]),
    ])

CGROUPS = Dashboard(
    "cgroups", "swaptrail / cgroups",
    "Which cgroup's reclaim pushes out which cgroup's pages, and what that costs the victim.",
    rows=[
        Row("Who does it to whom", [
            matrix("Victims (rows) and reclaimers (columns)",
                   "Pages over the selected time. (node): reclaim for the whole machine, such as kswapd. "
                   "other: cgroups outside of the largest.",
                   by("victim, reclaimer", over_range("reclaim_matrix_pages_total")), "victim", "reclaimer"),
            graph("Pushed out for others", "Pages that left for the sake of a cgroup that is not their own.",
                  [(f"topk(10, {BY_OTHERS})", "{{victim}} for {{reclaimer}}")], "pps"),
            graph("Reason, by origin", "Pages in the matrix, by the origin of the reclaim.",
                  [(by("origin", rate("reclaim_matrix_pages_total")), "{{origin}}")], "pps", stack=True),
        ]),
        Row("Holders", [
            graph("In swap now", "Used slots charged to each cgroup, in base pages. What was there before swaptraild began counts for "
                  "the cgroup in which its process was then.",
                  [(top("cgroup", sel("cgroup_held_pages")), "{{cgroup}}")], "short", stack=True),
            graph("Where they lie", "Used slots of which it is known who holds them.",
                  [(by("where", sel("swap_area_held_pages")), "{{where}}")], "short", stack=True),
            graph("Not explained", "Used slots of which it is not known who holds them: shared memory that was swapped out before "
                  "swaptraild began, until it comes back, and pages that were in memory too.",
                  [(by("area, path", sel("swap_area_unexplained_pages")), "{{path}}")], "short"),
        ]),
        Row("Victims", [
            graph("Swapped out", "Pages charged to each cgroup that were pushed out.",
                  [(top("cgroup", rate("cgroup_swapped_out_pages_total")), "{{cgroup}}")], "pps"),
            graph("Swapped in", "Pages that its faults brought back.",
                  [(top("cgroup", rate("cgroup_swapped_in_pages_total")), "{{cgroup}}")], "pps"),
            graph("Waiting in faults", "Seconds in swap faults, in each second.",
                  [(top("cgroup", rate("cgroup_fault_wait_seconds_total")), "{{cgroup}}")], "none"),
            bars("Most pages out", "Over the selected time.",
                 top("cgroup", over_range("cgroup_swapped_out_pages_total")), "{{cgroup}}", "short"),
        ]),
        Row("Reclaimers", [
            graph("Pushed out, by reclaimer", "Pages that left on behalf of each cgroup.",
                  [(top("cgroup", rate("cgroup_reclaimed_pages_total")), "{{cgroup}}")], "pps"),
            graph("By reclaimer and origin", "memcg_limit: its own limit. direct: it had to reclaim to allocate. "
                  "proactive: somebody wrote to memory.reclaim.",
                  [(top("cgroup, origin", rate("cgroup_reclaimed_pages_total")), "{{cgroup}} {{origin}}")], "pps"),
            bars("Most pages pushed out", "Over the selected time.",
                 top("cgroup", over_range("cgroup_reclaimed_pages_total")), "{{cgroup}}", "short"),
        ]),
        Row("Regret", [
            graph("Regretted pages", "Came back within the regret time.",
                  [(top("cgroup", rate("cgroup_regretted_pages_total")), "{{cgroup}}")], "pps"),
            graph("Regretted share", "Of the pages that were swapped out. A cgroup that stays above a quarter thrashes: "
                  "its limit is too low for what it uses.",
                  [(f"topk(10, {REGRETTED_SHARE})", "{{cgroup}}")], "percentunit"),
            graph("Cgroups with their own series", "collapsed: cgroups that are part of `other` since there is a limit on labels.",
                  [(by("state", sel("cgroups")), "{{state}}")], "short"),
        ]),
    ])

TRUST = Dashboard(
    "trust", "swaptrail / trust",
    "Can the other dashboards be believed: hooks, loss, reconciliation with the kernel, and what observing costs.",
    rows=[
        Row("In one line", [
            stat("Hooks missing", "Hooks that this kernel has no target for. What they would observe is missing in every number.",
                 f"sum({sel('hook_state', MISSING)}) or vector(0)", "missing", "none", warn=1, bad=3),
            stat("Lost", "Share of the events that found no room.",
                 ratio(f"sum({rate('events_dropped_total')})", f"sum({rate('events_emitted_total')})"),
                 "lost", "percentunit", warn=0.0001, bad=0.01, decimals=2),
            stat("Difference to the kernel", "The largest difference of a counter of ours to the kernel's, in pages, beyond what it may be.",
                 f"max(abs({sel('reconciliation_difference_pages')}) - {sel('reconciliation_allowance_pages')})", "pages", "short", warn=64, bad=4096),
            stat("Violations", "Transitions that the kernel can't make, over the selected time. There should be none.",
                 f"sum({over_range('violations_total')})", "violations", "none", bad=1),
            stat("Complete", "Share of the closed lifecycles of which every stage is certain.",
                 "1 - " + ratio(f"sum({rate('incomplete_lifecycles_total')})", f"sum({rate('lifecycles_total')})"),
                 "complete", "percentunit", red_below=0.99, decimals=2),
            stat("Programs in the kernel", "CPUs that the BPF programs keep busy.",
                 f"sum({rate('bpf_program_run_seconds_total')})", "BPF", "percentunit", warn=0.05, bad=0.2, decimals=2),
        ], height=4),
        Row("Hooks", [
            table("Daemons", "Version, kernel, and how the kernel is hooked.",
                  [("build", by("instance, version, revision", sel("build_info"))),
                   ("mode", by("instance, mode, kernel", sel("mode_info")))],
                  hide=["Value #build", "Value #mode"]),
            table("Hooks", "missing: no kernel function that fits was found. absent: this kernel has no such step.",
                  [("state", by("instance, hook, state", f"{sel('hook_state')} == 1"))], hide=["Value"]),
            table("Targets", "What each hook is attached to.",
                  [("attached", by("instance, hook, target, mode", f"{sel('hook_attached')} == 1"))], hide=["Value"]),
        ]),
        Row("Loss", [
            graph("Events", "Records that the programs wrote or tried to, and those that were read. The same, but for loss.",
                  [(f"sum({rate('events_emitted_total')})", "emitted"),
                   (f"sum({rate('events_consumed_total')})", "consumed")], "ops"),
            graph("Events, by kind", "What the load consists of.",
                  [(by("kind", rate("events_total")), "{{kind}}")], "ops", stack=True),
            graph("Lost or odd events", "ring_full: the daemon was too slow, or --ring-size too small. no_ring: the CPU "
                  "came online later. Late ones are used, invalid ones are not.",
                  [(by("cause", rate("events_dropped_total")), "dropped: {{cause}}"),
                   (f"sum({rate('events_late_total')})", "late"), (f"sum({rate('events_invalid_total')})", "invalid"),
                   (f"sum({rate('context_full_total')})", "table of tasks full"),
                   (f"sum({rate('unattributed_return_pages_total')})", "returned pages not followed")], "ops"),
            graph("Incomplete lifecycles", "By reason.",
                  [(by("reason", rate("incomplete_lifecycles_total")), "{{reason}}")], "ops", stack=True),
        ]),
        Row("Reconciliation", [
            graph("Difference", "Observed less the kernel's own counter, in pages, since the hooks were attached. "
                  "It may move for a moment while pages are on their way; it must not grow.",
                  [(sel("reconciliation_difference_pages"), "{{instance}} {{counter}}")], "short", minimum=None),
            graph("Both sides", "Pages a second as the kernel counts them, and as they were observed.",
                  [(by("counter", rate("reconciliation_kernel_pages_total")), "{{counter}}, kernel"),
                   (by("counter", rate("reconciliation_observed_pages_total")), "{{counter}}, observed")], "pps"),
            graph("Violations, by host", "Impossible transitions a second. `swaptrail violations` lists them.",
                  [(f"sum by (instance) ({rate('violations_total')})", "{{instance}}")], "ops"),
            graph("Validation", "Steps held against the model, with --validate only. Compared and agreed are the same line "
                  "when all is well.",
                  [(f"sum({rate('validation_compared_total')})", "compared"),
                   (f"sum({rate('validation_agreed_total')})", "agreed"),
                   (f"sum({rate('validation_findings_total')})", "findings")], "ops"),
        ]),
        Row("What it costs", [
            graph("Time in each program", "CPUs that each BPF program keeps busy.",
                  [(top("program", rate("bpf_program_run_seconds_total")), "{{program}}")], "percentunit", stack=True),
            graph("Time of one run", "Mean, for each program.",
                  [(ratio(by("program", rate("bpf_program_run_seconds_total")), by("program", rate("bpf_program_runs_total"))),
                    "{{program}}")], "s"),
            graph("Runs", "And those that the kernel left out since the program was running on that CPU already.",
                  [(f"sum({rate('bpf_program_runs_total')})", "runs"),
                   (f"sum({rate('bpf_program_skipped_runs_total')})", "left out")], "ops"),
            graph("The daemon's CPU", "1 is one whole CPU.",
                  [(rate("process_cpu_seconds_total", prefix=""), "{{instance}}")], "percentunit"),
            graph("One page in ... is followed", "Above 1, all that is counted by lifecycle is an estimate.",
                  [(sel("sample_one_in"), "{{instance}}"),
                   (f"increase({sel('sample_changes_total')}[$__rate_interval])", "{{instance}} changes by --cpu-limit")], "short"),
            graph("The daemon's memory", "Resident, and what the stored lifecycles take of their limit.",
                  [(sel("process_resident_memory_bytes", prefix=""), "{{instance}} resident"),
                   (sel("store_bytes"), "{{instance}} store"), (sel("store_limit_bytes"), "{{instance}} store's limit")],
                  "bytes"),
            graph("Descriptors, threads, watchers", "Open files, threads, and clients that watch lifecycles live.",
                  [(sel("process_open_fds", prefix=""), "{{instance}} open files"),
                   (sel("process_threads", prefix=""), "{{instance}} threads"),
                   (sel("api_watchers"), "{{instance}} watchers")], "short"),
        ]),
        Row("With --detail=counters", [
            graph("Counted pages", "Written and brought back: only with --detail=counters, which follows no page.",
                  [(by("way", rate("counted_pages_total")), "{{way}}"),
                   (by("way", rate("counted_failed_pages_total")), "{{way}} failed")], "pps"),
            graph("Counted operations", "Writes, and faults that ended; and those faults that had to read.",
                  [(by("way", rate("counted_operations_total")), "{{way}}"),
                   (f"sum({rate('counted_reads_total')})", "reads")], "ops"),
            graph("Counted times", "How long a write, and a fault, took. The 99th percentile.",
                  [(quantile(0.99, "counted_seconds"), "99 %")], "s"),
        ]),
        Row("Room", [
            graph("Fullest ring", "At the last sweep. At 1, events are lost.",
                  [(f"max by (instance) ({sel('ring_fill_ratio')})", "{{instance}}")], "percentunit", maximum=1),
            graph("Tables", "Taken part of each table of the reconstruction. Full ones make lifecycles incomplete.",
                  [(f"{sel('table_used')} / {sel('table_room')}", "{{instance}} {{table}}")], "percentunit", maximum=1),
            graph("Stored lifecycles", "What queries such as `swaptrail list` can find.",
                  [(sel("store_lifecycles"), "{{instance}}")], "short"),
            graph("Leaving the store", "Evicted for newer ones, which is normal, or not stored at all.",
                  [(f"sum({rate('store_evicted_lifecycles_total')})", "evicted"),
                   (f"sum({rate('store_unstored_lifecycles_total')})", "not stored")], "ops"),
            graph("Recording", "Parts begun and gone, flight recordings written, and triggers that had to wait.",
                  [(f"sum({rate('recording_parts_total')})", "begun"),
                   (f"sum({rate('recording_parts_dropped_total')})", "gone"),
                   (f"sum({rate('flight_recordings_total')})", "flight recordings"),
                   (f"sum({rate('flight_triggers_suppressed_total')})", "had to wait")], "ops"),
            graph("Recording stopped", "1 while the disk refuses what is recorded, and how many writes a second.",
                  [(sel("recording_stopped"), "{{instance}}"),
                   (f"sum({rate('recording_writes_refused_total')})", "refused")], "short"),
            graph("Scrape", "How long the last collection of these metrics took.",
                  [(sel("scrape_duration_seconds"), "{{instance}}")], "s"),
            graph("Attached for", "Time since the hooks were attached. Each fall to 0 is a restart.",
                  [(f"time() - {sel('start_time_seconds')}", "{{instance}}")], "s"),
            graph("Last sweep", "How long ago the rings were last read. Nothing is observed while it grows.",
                  [(sel("last_sweep_age_seconds"), "{{instance}}")], "s"),
        ]),
        Row("Clients", [
            graph("Open connections", "Of gRPC by access, and of HTTP.",
                  [(sel("api_connections"), "{{instance}} gRPC {{access}}"),
                   (sel("http_connections"), "{{instance}} HTTP")], "short"),
            graph("New connections", "A scraper and a dashboard need few.",
                  [(f"sum by (access) ({rate('api_connections_accepted_total')})", "gRPC {{access}}"),
                   (f"sum({rate('http_connections_accepted_total')})", "HTTP")], "ops"),
            graph("Refused and held back", "Connections that found no place or did what none may, clients that are read from more slowly "
                  "than they send, and requests of HTTP that were refused.",
                  [(f"sum by (access, reason) ({rate('api_connections_refused_total')})", "gRPC {{access}}, {{reason}}"),
                   (f"sum by (access) ({rate('api_connections_closed_total')})", "gRPC {{access}}, closed"),
                   (f"sum by (access) ({rate('api_connections_throttled_total')})", "gRPC {{access}}, throttled"),
                   (f"sum by (reason) ({rate('http_connections_closed_total')})", "HTTP, closed: {{reason}}"),
                   (f"sum by (reason) ({rate('http_requests_refused_total')})", "HTTP, refused: {{reason}}")], "ops"),
            graph("Web configuration in use", "0: what is on disk can't be used, and the one before is.",
                  [(sel("http_config_last_reload_successful"), "{{instance}}")], "short", maximum=1),
        ]),
    ])


def main():
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit(__doc__)
    folder = pathlib.Path(__file__).resolve().parent
    stale = []
    for dashboard in (OVERVIEW, LATENCY, CGROUPS, TRUST):
        path, text = folder / f"{dashboard.name}.json", dashboard.json()
        if sys.argv[1:] == []:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(path.name)
    for name in stale:
        print(f"dashboards/{name} is not what dashboards/generate.py writes: run it")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
