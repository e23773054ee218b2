#!/usr/bin/env python3
"""A daemon that isn't there: serves every metric of swaptraild, with made-up values that move.

    exporter.py PORT          on 127.0.0.1, until it is killed

The table is also what check.py knows of metrics and their labels.
"""

import http.server
import sys
import time

AREA = {"area": ["0", "1"], "path": ["/dev/nvme0n1p3", "/dev/zram0"], "backend": ["device", "zswap"]}
ORIGIN = {"origin": ["kswapd", "memcg_limit"]}
CGROUP = {"cgroup": ["/system.slice/db.service", "/user.slice", "other"]}
CELL = {"victim": ["/system.slice/db.service", "/user.slice", "other"], "reclaimer": ["/user.slice", "(node)"]}
OUTCOME = {"outcome": ["freed_device", "freed_clean", "aborted"]}
ACCESS = {"access": ["full", "reading", "tcp"]}
PROGRAM = {"program": ["reclaim_begin", "fault_end_n1"], "hook": ["reclaim_batch", "swap_in"]}
STAGES = ["isolated_to_slot", "slot_to_unmapped", "unmapped_to_write", "device_write", "completed_to_removed",
          "isolated_to_removed"]
COUNTER = {"counter": ["pswpout", "pswpin"]}
INFO = {"mode_info": {"mode": ["full"], "kernel": ["6.1.0-1-amd64"]},
        "build_info": {"version": ["0.1.0"], "revision": ["0123abc"]}}
LADDER = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0]

# Name -> type, labels with values, and how much a counter grows in a second or what a gauge says.
METRICS = {
    "swaptrail_swapped_out_pages_total": ("counter", AREA, 500),
    "swaptrail_swapped_in_pages_total": ("counter", AREA, 400),
    "swaptrail_slots_freed_unread_pages_total": ("counter", {"how": ["slot_freed", "swapoff"]}, 10),
    "swaptrail_failed_faults_total": ("counter", {"area": ["0", "1"], "path": ["/dev/nvme0n1p3", "/dev/zram0"],
                                                  "how": ["read_error", "no_memory"]}, 0),
    "swaptrail_stay_changes_pages_total": ("counter", {"change": ["zswap_writeback", "readahead_dropped"]}, 5),
    "swaptrail_lifecycles_total": ("counter", {**OUTCOME, **ORIGIN, **AREA}, 40),
    "swaptrail_lifecycle_pages_total": ("counter", {**OUTCOME, **ORIGIN, **AREA}, 40),
    "swaptrail_incomplete_lifecycles_total": ("counter", {"reason": ["dropped", "not_hooked"]}, 0),
    "swaptrail_aborts_total": ("counter", {"reason": ["referenced", "no_slot", "write_error"]}, 0),
    "swaptrail_stage_latency_seconds": ("histogram", {"stage": STAGES, "backend": ["device", "zswap"]}, 50),
    "swaptrail_fault_latency_seconds": ("histogram", {"backend": ["device", "zswap"], "major": ["true", "false"]}, 80),
    "swaptrail_time_in_swap_seconds": ("histogram", {"backend": ["device", "zswap"]}, 70),
    "swaptrail_unattributed_return_pages_total": ("counter", {}, 1),
    "swaptrail_regretted_pages_total": ("counter", ORIGIN, 20),
    "swaptrail_cgroup_swapped_out_pages_total": ("counter", CGROUP, 300),
    "swaptrail_cgroup_swapped_in_pages_total": ("counter", CGROUP, 200),
    "swaptrail_cgroup_regretted_pages_total": ("counter", CGROUP, 10),
    "swaptrail_cgroup_fault_wait_seconds_total": ("counter", CGROUP, 0.02),
    "swaptrail_cgroup_faults_total": ("counter", {**CGROUP, "major": ["true", "false"]}, 30),
    "swaptrail_cgroup_reclaimed_pages_total": ("counter", {**CGROUP, **ORIGIN}, 150),
    "swaptrail_reclaim_matrix_pages_total": ("counter", {**CELL, **ORIGIN}, 50),
    "swaptrail_cgroups": ("gauge", {"state": ["tracked", "collapsed"]}, 3),
    "swaptrail_swap_area_info": ("gauge", None, 1),  # its labels go together: see samples()
    "swaptrail_swap_area_size_bytes": ("gauge", {"area": ["0", "1"], "path": ["/dev/nvme0n1p3", "/dev/zram0"]}, 1 << 30),
    "swaptrail_swap_area_used_bytes": ("gauge", {"area": ["0", "1"], "path": ["/dev/nvme0n1p3", "/dev/zram0"]}, 1 << 28),
    "swaptrail_swap_area_priority": ("gauge", {"area": ["0", "1"], "path": ["/dev/nvme0n1p3", "/dev/zram0"]}, -2),
    "swaptrail_in_flight_lifecycles": ("gauge", {}, 12),
    "swaptrail_pages_in_swap": ("gauge", {}, 4711),
    "swaptrail_reconciliation_kernel_pages_total": ("counter", COUNTER, 500),
    "swaptrail_reconciliation_observed_pages_total": ("counter", COUNTER, 500),
    "swaptrail_reconciliation_difference_pages": ("gauge", COUNTER, 0),
    "swaptrail_reconciliation_allowance_pages": ("gauge", COUNTER, 0),
    "swaptrail_hook_attached": ("gauge", {"hook": ["reclaim_batch"], "target": ["shrink_folio_list"],
                                          "mode": ["full"]}, 1),
    "swaptrail_hook_state": ("gauge", {"hook": ["reclaim_batch", "swap_in"], "state": ["chosen"]}, 1),
    "swaptrail_mode_info": ("gauge", INFO["mode_info"], 1),
    "swaptrail_events_emitted_total": ("counter", {}, 5000),
    "swaptrail_events_consumed_total": ("counter", {}, 5000),
    "swaptrail_events_dropped_total": ("counter", {"cause": ["ring_full", "no_ring"]}, 0),
    "swaptrail_events_late_total": ("counter", {}, 0),
    "swaptrail_events_invalid_total": ("counter", {}, 0),
    "swaptrail_events_total": ("counter", {"kind": ["unmapped", "removed"]}, 2500),
    "swaptrail_context_full_total": ("counter", {}, 0),
    "swaptrail_bpf_program_runs_total": ("counter", PROGRAM, 2000),
    "swaptrail_bpf_program_run_seconds_total": ("counter", PROGRAM, 0.001),
    "swaptrail_bpf_program_skipped_runs_total": ("counter", PROGRAM, 0),
    "swaptrail_violations_total": ("counter", {}, 0),
    "swaptrail_validation_compared_total": ("counter", {}, 100),
    "swaptrail_validation_agreed_total": ("counter", {}, 100),
    "swaptrail_validation_findings_total": ("counter", {}, 0),
    "swaptrail_recording_stopped": ("gauge", {}, 0),
    "swaptrail_recording_parts_total": ("counter", {}, 3),
    "swaptrail_recording_parts_dropped_total": ("counter", {}, 0),
    "swaptrail_recording_writes_refused_total": ("counter", {}, 0),
    "swaptrail_flight_recordings_total": ("counter", {}, 1),
    "swaptrail_flight_triggers_suppressed_total": ("counter", {}, 0),
    "swaptrail_store_lifecycles": ("gauge", {}, 100000),
    "swaptrail_store_bytes": ("gauge", {}, 50 << 20),
    "swaptrail_store_limit_bytes": ("gauge", {}, 64 << 20),
    "swaptrail_store_evicted_lifecycles_total": ("counter", {}, 100),
    "swaptrail_store_unstored_lifecycles_total": ("counter", {}, 0),
    "swaptrail_last_sweep_age_seconds": ("gauge", {}, 0.01),
    "swaptrail_ring_fill_ratio": ("gauge", {}, 0.02),
    "swaptrail_table_used": ("gauge", {"table": ["attempts", "slots", "swapped"]}, 1000),
    "swaptrail_table_room": ("gauge", {"table": ["attempts", "slots", "swapped"]}, 1 << 20),
    "swaptrail_api_watchers": ("gauge", {}, 0),
    "swaptrail_api_connections": ("gauge", ACCESS, 1),
    "swaptrail_api_connections_accepted_total": ("counter", ACCESS, 1),
    "swaptrail_api_connections_refused_total": ("counter", {**ACCESS, "reason": ["full", "user"]}, 0),
    "swaptrail_api_connections_closed_total": ("counter", ACCESS, 0),
    "swaptrail_api_connections_throttled_total": ("counter", ACCESS, 0),
    "swaptrail_http_connections": ("gauge", {}, 1),
    "swaptrail_http_connections_accepted_total": ("counter", {}, 1),
    "swaptrail_http_connections_closed_total": ("counter", {"reason": ["full", "address"]}, 0),
    "swaptrail_http_requests_refused_total": (
        "counter", {"reason": ["malformed", "queue", "passwords"]}, 0),
    "swaptrail_http_config_last_reload_successful": ("gauge", {}, 1),
    "swaptrail_build_info": ("gauge", INFO["build_info"], 1),
    "swaptrail_start_time_seconds": ("gauge", {}, time.time()),
    "swaptrail_scrape_duration_seconds": ("gauge", {}, 0.002),
    "process_cpu_seconds_total": ("counter", {}, 0.01),
    "process_resident_memory_bytes": ("gauge", {}, 100 << 20),
    "process_virtual_memory_bytes": ("gauge", {}, 300 << 20),
    "process_open_fds": ("gauge", {}, 60),
    "process_max_fds": ("gauge", {}, 1024),
    "process_start_time_seconds": ("gauge", {}, time.time()),
    "process_threads": ("gauge", {}, 8),
}
AREAS = [{"area": "0", "path": "/dev/nvme0n1p3", "type": "device"}, {"area": "1", "path": "/dev/zram0", "type": "zram"}]


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
