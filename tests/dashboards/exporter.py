#!/usr/bin/env python3
"""A daemon that isn't there: serves every metric of swaptraild, with made-up values that move.

    exporter.py PORT          on 127.0.0.1, until it is killed

Names, types and labels are those of docs/METRICS.md. The table is also what check.py knows of them.
"""

import http.server
import pathlib
import re
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
LADDER = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0]
AREAS = [{"area": "0", "path": "/dev/nvme0n1p3", "type": "device"}, {"area": "1", "path": "/dev/zram0", "type": "zram"}]

# The values of a label. One that is not here has "some".
VALUES = {
    "access": ["full", "reading", "tcp"],
    "area": [one["area"] for one in AREAS],
    "backend": ["device", "zswap"],
    "cause": ["ring_full", "no_ring"],
    "cgroup": ["/system.slice/db.service", "/user.slice", "other"],
    "change": ["zswap_writeback", "readahead_dropped"],
    "counter": ["pswpout", "pswpin"],
    "hook": ["reclaim_batch", "swap_in"],
    "how": ["slot_freed", "swapoff"],
    "kernel": ["6.1.0-1-amd64"],
    "kind": ["unmapped", "removed"],
    "major": ["true", "false"],
    "mode": ["full"],
    "origin": ["kswapd", "memcg_limit"],
    "outcome": ["freed_device", "freed_clean", "aborted"],
    "path": [one["path"] for one in AREAS],
    "program": ["reclaim_begin", "fault_end_n1"],
    "reason": ["full", "user"],
    "reclaimer": ["/user.slice", "(node)"],
    "revision": ["0123abc"],
    "stage": ["isolated_to_slot", "slot_to_unmapped", "unmapped_to_write", "device_write", "completed_to_removed",
              "isolated_to_removed"],
    "state": ["chosen"],
    "table": ["attempts", "slots", "swapped"],
    "target": ["shrink_folio_list"],
    "version": ["0.1.0"],
    "victim": ["/system.slice/db.service", "/user.slice", "other"],
}
# Where a metric has others.
OTHERS = {
    "swaptrail_aborts_total": {"reason": ["referenced", "no_slot", "write_error"]},
    "swaptrail_cgroups": {"state": ["tracked", "collapsed"]},
    "swaptrail_failed_faults_total": {"how": ["read_error", "no_memory"]},
    "swaptrail_hook_attached": {"hook": ["reclaim_batch"]},
    "swaptrail_http_connections_closed_total": {"reason": ["full", "address"]},
    "swaptrail_http_requests_refused_total": {"reason": ["malformed", "queue", "passwords"]},
    "swaptrail_incomplete_lifecycles_total": {"reason": ["dropped", "not_hooked"]},
}
# How much a counter grows in a second, or what a gauge says, if that is not 1.
SIZES = {
    "swaptrail_swapped_out_pages_total": 500,
    "swaptrail_swapped_in_pages_total": 400,
    "swaptrail_slots_freed_unread_pages_total": 10,
    "swaptrail_failed_faults_total": 0,
    "swaptrail_stay_changes_pages_total": 5,
    "swaptrail_lifecycles_total": 40,
    "swaptrail_lifecycle_pages_total": 40,
    "swaptrail_incomplete_lifecycles_total": 0,
    "swaptrail_aborts_total": 0,
    "swaptrail_stage_latency_seconds": 50,
    "swaptrail_fault_latency_seconds": 80,
    "swaptrail_time_in_swap_seconds": 70,
    "swaptrail_regretted_pages_total": 20,
    "swaptrail_cgroup_swapped_out_pages_total": 300,
    "swaptrail_cgroup_swapped_in_pages_total": 200,
    "swaptrail_cgroup_regretted_pages_total": 10,
    "swaptrail_cgroup_fault_wait_seconds_total": 0.02,
    "swaptrail_cgroup_faults_total": 30,
    "swaptrail_cgroup_reclaimed_pages_total": 150,
    "swaptrail_reclaim_matrix_pages_total": 50,
    "swaptrail_cgroups": 3,
    "swaptrail_swap_area_size_bytes": 1 << 30,
    "swaptrail_swap_area_used_bytes": 1 << 28,
    "swaptrail_swap_area_priority": -2,
    "swaptrail_in_flight_lifecycles": 12,
    "swaptrail_pages_in_swap": 4711,
    "swaptrail_reconciliation_kernel_pages_total": 500,
    "swaptrail_reconciliation_observed_pages_total": 500,
    "swaptrail_reconciliation_difference_pages": 0,
    "swaptrail_reconciliation_allowance_pages": 0,
    "swaptrail_events_emitted_total": 5000,
    "swaptrail_events_consumed_total": 5000,
    "swaptrail_events_dropped_total": 0,
    "swaptrail_events_late_total": 0,
    "swaptrail_events_invalid_total": 0,
    "swaptrail_events_total": 2500,
    "swaptrail_context_full_total": 0,
    "swaptrail_bpf_program_runs_total": 2000,
    "swaptrail_bpf_program_run_seconds_total": 0.001,
    "swaptrail_bpf_program_skipped_runs_total": 0,
    "swaptrail_violations_total": 0,
    "swaptrail_validation_compared_total": 100,
    "swaptrail_validation_agreed_total": 100,
    "swaptrail_validation_findings_total": 0,
    "swaptrail_recording_stopped": 0,
    "swaptrail_recording_parts_total": 3,
    "swaptrail_recording_parts_dropped_total": 0,
    "swaptrail_recording_writes_refused_total": 0,
    "swaptrail_flight_triggers_suppressed_total": 0,
    "swaptrail_store_lifecycles": 100000,
    "swaptrail_store_bytes": 50 << 20,
    "swaptrail_store_limit_bytes": 64 << 20,
    "swaptrail_store_evicted_lifecycles_total": 100,
    "swaptrail_store_unstored_lifecycles_total": 0,
    "swaptrail_last_sweep_age_seconds": 0.01,
    "swaptrail_ring_fill_ratio": 0.02,
    "swaptrail_table_used": 1000,
    "swaptrail_table_room": 1 << 20,
    "swaptrail_api_watchers": 0,
    "swaptrail_api_connections_refused_total": 0,
    "swaptrail_api_connections_closed_total": 0,
    "swaptrail_api_connections_throttled_total": 0,
    "swaptrail_http_connections_closed_total": 0,
    "swaptrail_http_requests_refused_total": 0,
    "swaptrail_start_time_seconds": time.time(),
    "swaptrail_scrape_duration_seconds": 0.002,
    "process_cpu_seconds_total": 0.01,
    "process_resident_memory_bytes": 100 << 20,
    "process_virtual_memory_bytes": 300 << 20,
    "process_open_fds": 60,
    "process_max_fds": 1024,
    "process_start_time_seconds": time.time(),
    "process_threads": 8,
}


def served():
    """Name -> (type, names of labels) of what swaptraild serves: docs/METRICS.md is made from its own table."""
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| [^|]* \| ([^|]*) \|", (ROOT / "docs/METRICS.md").read_text(), re.M)
    return {name: (kind, re.findall(r"`(\w+)`", labels)) for name, kind, labels in rows}


def values(name, label):
    return OTHERS.get(name, {}).get(label) or VALUES.get(label, ["some"])


# Name -> type, labels with values, and the size.
METRICS = {name: (kind, {label: values(name, label) for label in labels}, SIZES.get(name, 1))
           for name, (kind, labels) in served().items()}
METRICS["swaptrail_swap_area_info"] = ("gauge", None, 1)  # its labels go together: see samples()


def label_names(metric):
    """Of a metric, or of the parts of a histogram. None if there is no such metric."""
    for name, (kind, labels, _) in METRICS.items():
        known = set(labels) if labels is not None else set(AREAS[0])
        if kind == "histogram":
            if metric in (f"{name}_sum", f"{name}_count"):
                return known
            if metric == f"{name}_bucket":
                return known | {"le"}
        elif metric == name:
            return known
    return None


def combinations(labels):
    """All label sets, one value of each name with every one of the others."""
    sets = [{}]
    for name, values in labels.items():
        sets = [{**one, name: value} for one in sets for value in values]
    paths = {one["area"]: one["path"] for one in AREAS}
    return [one for one in sets if "path" not in one or one["path"] == paths[one["area"]]]


def line(name, labels, value):
    inside = ",".join(f'{key}="{text}"' for key, text in labels.items())
    return f"{name}{{{inside}}} {value}" if inside else f"{name} {value}"


def histogram(name, labels, count):
    """An eighth of all in the fastest class, and so on."""
    for i, bound in enumerate(LADDER):
        yield line(f"{name}_bucket", {**labels, "le": bound}, int(count * min(1, (i + 1) / 8)))
    yield line(f"{name}_bucket", {**labels, "le": "+Inf"}, count)
    yield line(f"{name}_sum", labels, count * 1e-3)
    yield line(f"{name}_count", labels, count)


def samples(seconds):
    """The text of a scrape, so long after the start."""
    for name, (kind, labels, size) in METRICS.items():
        yield f"# TYPE {name} {kind}"
        for one in AREAS if labels is None else combinations(labels):
            if kind == "histogram":
                yield from histogram(name, one, int(size * seconds))
            else:
                yield line(name, one, size * seconds if kind == "counter" else size)


class Scrape(http.server.BaseHTTPRequestHandler):
    start = time.monotonic()

    def do_GET(self):
        text = "\n".join(samples(time.monotonic() - self.start)) + "\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Scrape).serve_forever()
