#include "daemon/metrics/catalogue.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

namespace swaptrail::metrics {
namespace {

constexpr Type kCounter = Type::kCounter, kGauge = Type::kGauge, kHistogram = Type::kHistogram;
constexpr std::string_view kFromRemovals = "removed|page_freed";

// clang-format off: this is a table
constexpr Metric kMetrics[] = {
    // pages
    {"swaptrail_swapped_out_pages_total", kCounter, "pages", "area,path,backend", "areas x 4",
     kFromRemovals,
     "Base pages that reclaim freed after they were written to a device, taken by zswap, found zero-filled, or were in swap already (clean)."},
    {"swaptrail_swapped_in_pages_total", kCounter, "pages", "area,path,backend", "areas x backends",
     "swap_in", "Base pages brought back by a fault, major or not, by where they lay."},
    {"swaptrail_slots_freed_unread_pages_total", kCounter, "pages", "how", "2", "slot_freed",
     "Base pages whose slot was freed before anybody read them: by their owner (slot_freed) or by swapoff."},
    {"swaptrail_failed_faults_total", kCounter, "", "area,path,how", "areas x 2", "swap_in",
     "Faults that did not get their page: its content could not be read (read_error), or there was no memory for it (no_memory). It is still in swap."},
    {"swaptrail_stay_changes_pages_total", kCounter, "pages", "change", "2", "swap_in",
     "Base pages that stayed in swap, but zswap moved them to the device (zswap_writeback), or they were read ahead, not used and dropped (readahead_dropped)."},
    {"swaptrail_regretted_pages_total", kCounter, "pages", "origin", "origins", "swap_in",
     "Base pages swapped in again sooner than the regret time, by the origin that had pushed them out (unknown: swapped out before they were followed)."},
    {"swaptrail_unattributed_return_pages_total", kCounter, "pages", "", "1", "swap_in|slot_freed",
     "Base pages that came back, or were freed unread, whose lifecycle is not known: swapped out before the hooks were attached, or forgotten for want of room. Their cgroup is other."},

    // lifecycles
    {"swaptrail_lifecycles_total", kCounter, "", "outcome,origin,area,path,backend",
     "outcomes x origins x areas x backends, those that occurred", "",
     "Lifecycles closed: swap-out attempts of one folio."},
    {"swaptrail_lifecycle_pages_total", kCounter, "pages", "outcome,origin,area,path,backend",
     "outcomes x origins x areas x backends, those that occurred", "",
     "Base pages of the lifecycles closed."},
    {"swaptrail_incomplete_lifecycles_total", kCounter, "", "reason", "5", "",
     "Lifecycles of which something was not seen, by the reason."},
    {"swaptrail_aborts_total", kCounter, "", "reason", "10", "",
     "Lifecycles that were given up, by the reason (none: it can not be told). The page stayed in memory, but for slot_gone: then nobody needed it any more."},
    {"swaptrail_violations_total", kCounter, "", "", "1", "",
     "Transitions that the kernel can not make: a bug of swaptrail, of the kernel, or of the observation."},

    // times
    {"swaptrail_stage_latency_seconds", kHistogram, "seconds", "stage,backend", "stages x backends",
     "", "Time between two stages of a swap-out; isolated_to_removed is all of it."},
    {"swaptrail_fault_latency_seconds", kHistogram, "seconds", "backend,major", "backends x 2",
     "swap_in",
     "How long faults on pages in swap took, all passes together, whether or not they brought the page back; major as the kernel counts it."},
    {"swaptrail_time_in_swap_seconds", kHistogram, "seconds", "backend", "backends", "swap_in",
     "Time from the freeing of a page to its fault."},

    // cgroups
    {"swaptrail_cgroup_swapped_out_pages_total", kCounter, "pages", "cgroup", "N + 1",
     kFromRemovals, "Base pages of this cgroup that reclaim freed."},
    {"swaptrail_cgroup_swapped_in_pages_total", kCounter, "pages", "cgroup", "N + 1", "swap_in",
     "Base pages of this cgroup brought back by a fault."},
    {"swaptrail_cgroup_regretted_pages_total", kCounter, "pages", "cgroup", "N + 1", "swap_in",
     "Base pages of this cgroup swapped in again sooner than the regret time."},
    {"swaptrail_cgroup_fault_wait_seconds_total", kCounter, "seconds", "cgroup", "N + 1", "swap_in",
     "Time that threads of this cgroup waited in faults for pages in swap, whosever they were."},
    {"swaptrail_cgroup_faults_total", kCounter, "", "cgroup,major", "2 x (N + 1)", "swap_in",
     "Faults for pages in swap of threads of this cgroup, whosever pages they were."},
    {"swaptrail_cgroup_reclaimed_pages_total", kCounter, "pages", "cgroup,origin",
     "(N + 2) x origins", kFromRemovals,
     "Base pages freed by reclaim on behalf of this cgroup, whosever they were; (node): reclaim of the whole node."},
    {"swaptrail_reclaim_matrix_pages_total", kCounter, "pages", "victim,reclaimer,origin",
     "4 x N, at least 64, + origins", kFromRemovals,
     "Base pages freed, by the cgroup that lost them and the one they were reclaimed for; both are other if one of them has no series, or there is no room for the pair."},
    {"swaptrail_cgroups", kGauge, "", "state", "2", "",
     "Cgroups with series of their own (tracked), and how many were merged into other since the start (collapsed)."},

    // swap areas
    {"swaptrail_swap_area_info", kGauge, "", "area,path,type", "32", "",
     "The swap areas of /proc/swaps; area is the number that the kernel gave it, or unknown; type is zram, device or file."},
    {"swaptrail_swap_area_size_bytes", kGauge, "bytes", "area,path", "32", "",
     "Size of the swap area."},
    {"swaptrail_swap_area_used_bytes", kGauge, "bytes", "area,path", "32", "",
     "How much of the swap area is in use."},
    {"swaptrail_swap_area_priority", kGauge, "", "area,path", "32", "",
     "Priority of the swap area; higher ones are filled first."},

    // how it stands
    {"swaptrail_in_flight_lifecycles", kGauge, "", "", "1", "",
     "Lifecycles that are open: folios on their way out."},
    {"swaptrail_pages_in_swap", kGauge, "", "", "1", "slot_freed",
     "Base pages followed in swap: freed, and not returned yet. Without the hook that sees slots being freed it is not known."},
    {"swaptrail_reconciliation_kernel_pages_total", kCounter, "pages", "counter", "6", "",
     "What a counter of /proc/vmstat has grown by since the hooks were attached."},
    {"swaptrail_reconciliation_observed_pages_total", kCounter, "pages", "counter", "6", "",
     "What was counted for that counter."},
    {"swaptrail_reconciliation_difference_pages", kGauge, "pages", "counter", "7", "",
     "Observed less kernel; `slots`: known less used by /proc/swaps."},
    {"swaptrail_reconciliation_allowance_pages", kGauge, "pages", "counter", "7", "",
     "How much they may differ without an error: what moved while they were read, or what one of them does not show."},

    // hooks and programs
    {"swaptrail_hook_attached", kGauge, "", "hook,target,mode", "hooks", "",
     "1: a program is attached for this hook, to this kernel function or tracepoint; 0: none is, and target is empty."},
    {"swaptrail_hook_state", kGauge, "", "hook,state", "hooks", "",
     "1 with the state of the hook: chosen, missing (what it would show is not seen) or absent (this kernel has nothing to see there)."},
    {"swaptrail_mode_info", kGauge, "", "mode,kernel", "1", "",
     "How the programs are attached, and the kernel's release."},
    {"swaptrail_bpf_program_runs_total", kCounter, "", "program,hook", "programs", "",
     "Runs of a BPF program; 0 while the kernel does not count (kernel.bpf_stats_enabled)."},
    {"swaptrail_bpf_program_run_seconds_total", kCounter, "seconds", "program,hook", "programs", "",
     "Time spent in a BPF program; 0 while the kernel does not count."},
    {"swaptrail_bpf_program_skipped_runs_total", kCounter, "", "program,hook", "programs", "",
     "Runs that the kernel left out, because the program was running on that CPU already."},

    // events
    {"swaptrail_events_emitted_total", kCounter, "", "", "1", "",
     "Records attempted by the BPF programs, whether or not they found room."},
    {"swaptrail_events_consumed_total", kCounter, "", "", "1", "",
     "Records received from the rings."},
    {"swaptrail_events_dropped_total", kCounter, "", "cause", "2", "",
     "Records that found no room: their ring was full, or their CPU came online after the start (no_ring)."},
    {"swaptrail_events_late_total", kCounter, "", "", "1", "",
     "Events older than one already handed on; they are used all the same."},
    {"swaptrail_events_invalid_total", kCounter, "", "", "1", "",
     "Records that are no event of this ABI; they are left out."},
    {"swaptrail_events_total", kCounter, "", "kind", "19", "", "Records attempted, by their kind."},
    {"swaptrail_context_full_total", kCounter, "", "", "1", "",
     "Reclaim batches and faults not followed because the BPF table of tasks was full."},
    {"swaptrail_last_sweep_age_seconds", kGauge, "seconds", "", "1", "",
     "How long ago the rings were last read. Nothing is observed while it grows."},
    {"swaptrail_ring_fill_ratio", kGauge, "ratio", "", "1", "",
     "How full the fullest ring was at the last sweep, 0 to 1."},
    {"swaptrail_table_used", kGauge, "", "table", "4", "",
     "Places taken in a table of fixed room."},
    {"swaptrail_table_room", kGauge, "", "table", "4", "", "Places in that table."},

    // validation, store, API
    {"swaptrail_validation_compared_total", kCounter, "", "", "1", "",
     "Lifecycles compared with the swap engine's prediction; only there with --validate."},
    {"swaptrail_validation_agreed_total", kCounter, "", "", "1", "",
     "Those that agreed; only there with --validate."},
    {"swaptrail_validation_findings_total", kCounter, "", "", "1", "",
     "Differences found; only there with --validate."},
    {"swaptrail_recording_stopped", kGauge, "", "", "1", "",
     "1: writes of a recording were refused within ten seconds, and what happens meanwhile is not all recorded; only there with --record or --flight."},
    {"swaptrail_recording_parts_total", kCounter, "", "", "1", "",
     "Parts of recordings begun; only there with --record or --flight."},
    {"swaptrail_recording_parts_dropped_total", kCounter, "", "", "1", "",
     "Parts that went, the oldest first, to stay below the limits; only there with --record or --flight."},
    {"swaptrail_recording_writes_refused_total", kCounter, "", "", "1", "",
     "Writes of recordings that the disk refused; only there with --record or --flight."},
    {"swaptrail_flight_recordings_total", kCounter, "", "", "1", "",
     "Flight recordings written; only there with --flight."},
    {"swaptrail_flight_triggers_suppressed_total", kCounter, "", "", "1", "",
     "Triggers of flight recordings that had to wait; only there with --flight."},
    {"swaptrail_store_lifecycles", kGauge, "", "", "1", "",
     "Lifecycles held in memory for queries."},
    {"swaptrail_store_bytes", kGauge, "bytes", "", "1", "",
     "Memory taken by the store of lifecycles."},
    {"swaptrail_store_limit_bytes", kGauge, "bytes", "", "1", "", "The most that it may take."},
    {"swaptrail_store_evicted_lifecycles_total", kCounter, "", "", "1", "",
     "Lifecycles that had to go to make room for newer ones."},
    {"swaptrail_store_unstored_lifecycles_total", kCounter, "", "", "1", "",
     "Lifecycles not stored because queries that ran long held the room."},
    {"swaptrail_api_watchers", kGauge, "", "", "1", "",
     "Clients of the API that watch lifecycles as they close."},
    {"swaptrail_api_connections", kGauge, "", "access", "3", "",
     "Open connections of gRPC: of root and the control group (full), of other users (reading), by TCP."},
    {"swaptrail_api_connections_accepted_total", kCounter, "", "access", "3", "",
     "Connections of gRPC since the start."},
    {"swaptrail_api_connections_refused_total", kCounter, "", "access,reason", "6", "",
     "Connections closed at once: all places were taken (full), or all that one user or address may have (user)."},
    {"swaptrail_api_connections_closed_total", kCounter, "", "access", "3", "",
     "Connections closed later: they were no HTTP/2 or TLS, or had more calls open than permitted."},
    {"swaptrail_api_connections_throttled_total", kCounter, "", "access", "3", "",
     "How often a connection was read from more slowly than its client sent."},
    {"swaptrail_http_connections", kGauge, "", "", "1", "", "Open connections of HTTP."},
    {"swaptrail_http_connections_accepted_total", kCounter, "", "", "1", "",
     "Connections of HTTP since the start."},
    {"swaptrail_http_connections_closed_total", kCounter, "", "reason", "2", "",
     "Connections not taken, or closed for another: all places were taken (full), or all that one client address may have (address)."},
    {"swaptrail_http_requests_refused_total", kCounter, "", "reason", "3", "",
     "Requests that were no HTTP or more of it than is served (malformed), that found no room before the workers (queue), or whose password found none before its comparison (passwords)."},
    {"swaptrail_http_config_last_reload_successful", kGauge, "", "", "1", "",
     "1: the web configuration and its certificates are used as they are on disk. 0: they can't be, and those before are used."},

    // the daemon itself
    {"swaptrail_build_info", kGauge, "", "version,revision", "1", "", "The program's version."},
    {"swaptrail_start_time_seconds", kGauge, "seconds", "", "1", "",
     "When the hooks were attached, in seconds since 1970."},
    {"swaptrail_scrape_duration_seconds", kGauge, "seconds", "", "1", "",
     "How long the collection before this one took."},
    {"process_cpu_seconds_total", kCounter, "seconds", "", "1", "",
     "CPU time of the daemon, user and system."},
    {"process_resident_memory_bytes", kGauge, "bytes", "", "1", "",
     "Resident memory of the daemon."},
    {"process_virtual_memory_bytes", kGauge, "bytes", "", "1", "", "Virtual memory of the daemon."},
    {"process_open_fds", kGauge, "", "", "1", "", "Open file descriptors of the daemon."},
    {"process_max_fds", kGauge, "", "", "1", "", "The most that it may open."},
    {"process_start_time_seconds", kGauge, "seconds", "", "1", "",
     "When the daemon was started, in seconds since 1970."},
    {"process_threads", kGauge, "", "", "1", "", "Threads of the daemon."},
};
// clang-format on

constexpr std::string_view kBeginning = R"(# Metrics

This file is made from the table in `daemon/metrics/catalogue.cpp` by the target `metrics_doc`; a test
fails if it is not up to date.

- Served at `/metrics` as text (0.0.4), or as OpenMetrics 1.0 to whoever prefers that in `Accept`.
- Base units. No pid, address or page number in a label.
- A metric that needs a hook which this kernel does not offer is absent, and `swaptrail_hook_state` tells
  why. Where several hooks are named, any one of them will do.
- Series with few and fixed labels are there from the start, at 0, so that `increase()` sees the first event:
  by reason, cause, how, kind, origin (those that the mode of the hooks can tell apart), area (those in use)
  and backend (`device`, `zswap`, `zero`; `clean` too where it is counted). Other series of counters and
  histograms are there once there is something to count: lifecycles by outcome, those of a cgroup.

)";

constexpr std::string_view kEnd = R"(
## Words of the bounds

| word | how many |
|---|---|
| N | cgroups with series of their own: 100, can be set from 1 to 10,000 |
| areas | 34: area `0` to `31`, `other` (beyond), `none` (the lifecycle had no slot) |
| backends | 5: `unknown`, `none`, `device`, `zswap`, `zero` |
| origins | 12: `none`, `kswapd`, `direct`, `memcg_limit`, `proactive`, `node_reclaim`, `madv_pageout`, `damon`, `hibernation`, `memcg`, `unknown`, `lru_gen` |
| outcomes | 7: `freed_device`, `freed_zswap`, `freed_zero`, `freed_clean`, `aborted`, `in_flight`, `unknown` |
| stages | 6: `isolated_to_slot`, `slot_to_unmapped`, `unmapped_to_write`, `device_write`, `completed_to_removed`, `isolated_to_removed` |
| hooks, programs | those of the attach plan: at most 18, and 64 |

A histogram has 27 series more for each set of labels. The borders are 1, 2.5 and 5 of each power of ten:
from 1 us to 100 s, and for `swaptrail_time_in_swap_seconds` from 1 ms to 100,000 s.

## Cgroups

A cgroup gets a row with its first page, as long as there is room; then it has to be busier (pages out,
in, and reclaimed for it, and its faults, in one second) than the idlest that has one, which gives up its row. A cgroup
that was removed gives up its row within a second or two. The counts of a row that is given up are added
to `other`, and its series end; should the cgroup get a row again, its series begin at 0.

The label is the path; a control character in it is shown as `?`, and of cgroups whose labels would be the same one
has a series. A row whose path is not known yet is part of `other`; once it is known the series
begins with what comes from then on, or with everything if no scrape was in between. So every series only
grows, `other` as well, and their sum is exact in every scrape. A cgroup whose path can't be found never
has a series. Pages that are charged to no known cgroup are in `other`.

`swaptrail_table_used{table="awaited"}`: freed folios whose cgroup and origin are kept for when they come
back. When it is full an old one is forgotten: its return is counted, but for `other`, and as
`swaptrail_unattributed_return_pages_total`.
)";

bool is_chosen(absl::string_view hook, const AttachPlan& plan) {
  const HookPlan* found = plan.find(hook);
  return found != nullptr && found->state == HookState::kChosen;
}

// std::string_view and absl::string_view differ here.
absl::string_view view(std::string_view text) { return {text.data(), text.size()}; }

std::string in_code(std::string_view list, std::string_view separator, std::string_view between) {
  if (list.empty()) return "-";
  return absl::StrCat(
      "`",
      absl::StrReplaceAll(view(list), {{view(separator), absl::StrCat("`", view(between), "`")}}),
      "`");
}

}  // namespace

std::span<const Metric> catalogue() { return kMetrics; }

std::string_view type_name(Type type) {
  constexpr std::string_view kNames[] = {"counter", "gauge", "histogram"};
  return kNames[static_cast<size_t>(type)];
}

bool is_visible(const Metric& metric, const AttachPlan& plan) {
  if (metric.hooks.empty()) return true;
  for (const absl::string_view hook : absl::StrSplit(view(metric.hooks), '|')) {
    if (is_chosen(hook, plan)) return true;
  }
  return false;
}

std::string catalogue_text() {
  std::string text(kBeginning);
  absl::StrAppend(&text, "| name | type | unit | labels | series, at most | hook | meaning |\n",
                  "|---|---|---|---|---|---|---|\n");
  for (const Metric& metric : kMetrics) {
    absl::StrAppend(&text, "| `", view(metric.name), "` | ", view(type_name(metric.type)), " | ",
                    metric.unit.empty() ? "-" : view(metric.unit), " | ",
                    in_code(metric.labels, ",", ", "), " | ", view(metric.bound), " | ",
                    in_code(metric.hooks, "|", " or "), " | ", view(metric.help), " |\n");
  }
  return absl::StrCat(text, view(kEnd));
}

}  // namespace swaptrail::metrics
