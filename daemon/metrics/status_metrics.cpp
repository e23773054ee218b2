// The state of the observation, the host, the store and the daemon itself.
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <utility>

#include "daemon/metrics/scrape.h"
#include "trace/decode.h"

namespace swaptrail::metrics {
namespace {

// A metric that is one number.
template <auto Number>
void one(const Scrape& scrape, Series& out) {
  out.add(Number(scrape));
}

const char* area_kind(const recording::SwapArea& area) {
  struct stat status {};
  if (area.path.starts_with("/dev/zram")) return "zram";
  if (stat(area.path.c_str(), &status) != 0) return "unknown";
  return S_ISBLK(status.st_mode) ? "device" : "file";
}

// With the labels that identify the area. Its number can be unknown.
template <typename Visit>
void for_areas(const Scrape& scrape, const Visit& visit) {
  for (const recording::SwapArea& area : scrape.areas) {
    const bool known = area.type != host::kTypeNotKnown;
    visit(area, Series::Labels{{"area", known ? std::to_string(area.type) : "unknown"},
                               {"path", label_text(area.path)}});
  }
}

void fill_area_info(const Scrape& scrape, Series& out) {
  for_areas(scrape, [&](const recording::SwapArea& area, Series::Labels labels) {
    labels.push_back({"type", area_kind(area)});
    out.add(std::move(labels), 1.0);
  });
}
void fill_area_size(const Scrape& scrape, Series& out) {
  for_areas(scrape, [&](const recording::SwapArea& area, Series::Labels labels) {
    out.add(std::move(labels), area.bytes);
  });
}
void fill_area_used(const Scrape& scrape, Series& out) {
  for_areas(scrape, [&](const recording::SwapArea& area, Series::Labels labels) {
    if (area.used_bytes != recording::kUsedNotKnown) out.add(std::move(labels), area.used_bytes);
  });
}
void fill_area_priority(const Scrape& scrape, Series& out) {
  for_areas(scrape, [&](const recording::SwapArea& area, Series::Labels labels) {
    out.add(std::move(labels), static_cast<double>(area.priority));
  });
}

// Left out: the row `emitted`, which is about records and is in swaptrail_events_*; and the two sides
// of a level, which is no counter.
template <auto Member, bool Levels>
void fill_reconciliation(const Scrape& scrape, Series& out) {
  for (const report::ReconcileRow& row : scrape.pipeline_status->reconciliation) {
    if (row.counter == "emitted" || (row.is_level && !Levels)) continue;
    out.add({{"counter", text_of(row.counter)}}, static_cast<double>(row.*Member));
  }
}

void fill_hook_attached(const Scrape& scrape, Series& out) {
  const std::string mode(probe::mode_name(scrape.sources.plan.mode.mode));
  for (const probe::HookPlan& hook : scrape.sources.plan.hooks) {
    const bool attached = hook.state == probe::HookState::kChosen;
    out.add({{"hook", hook.hook}, {"target", attached ? hook.target.target : ""}, {"mode", mode}},
            attached ? 1.0 : 0.0);
  }
}

void fill_hook_state(const Scrape& scrape, Series& out) {
  for (const probe::HookPlan& hook : scrape.sources.plan.hooks) {
    out.add({{"hook", hook.hook}, {"state", text_of(probe::hook_state_name(hook.state))}}, 1.0);
  }
}

void fill_mode(const Scrape& scrape, Series& out) {
  const probe::AttachPlan& plan = scrape.sources.plan;
  out.add({{"mode", std::string(probe::mode_name(plan.mode.mode))}, {"kernel", plan.release}}, 1.0);
}

// A program that is attached to several targets has one series.
template <uint64_t capture::ProgramRuns::*Member, bool InSeconds>
void fill_programs(const Scrape& scrape, Series& out) {
  std::map<std::pair<std::string, std::string>, uint64_t> sums;
  for (const capture::ProgramRuns& program : scrape.pipeline_status->programs) {
    sums[{program.program, program.hook}] += program.*Member;
  }
  for (const auto& [names, sum] : sums) {
    const auto value = static_cast<double>(sum);
    out.add({{"program", names.first}, {"hook", names.second}}, InSeconds ? value / 1e9 : value);
  }
}

uint64_t emitted(const Scrape& scrape) {
  const auto& kinds = scrape.pipeline_status->totals.emitted;
  return std::accumulate(std::begin(kinds), std::end(kinds), uint64_t{0});
}

void fill_dropped(const Scrape& scrape, Series& out) {
  const auto& dropped = scrape.pipeline_status->totals.dropped;
  out.add({{"cause", "ring_full"}}, uint64_t{dropped[SWAPTRAIL_DROP_RING_FULL]});
  out.add({{"cause", "no_ring"}}, uint64_t{dropped[SWAPTRAIL_DROP_NO_RING]});
}

void fill_kinds(const Scrape& scrape, Series& out) {
  for (int kind = 1; kind < SWAPTRAIL_KIND_END; ++kind) {
    out.add({{"kind", text_of(kind_name(static_cast<uint8_t>(kind)))}},
            uint64_t{scrape.pipeline_status->totals.emitted[kind]});
  }
}

template <uint64_t pipeline::Fill::*Member>
void fill_tables(const Scrape& scrape, Series& out) {
  const pipeline::PipelineStatus& pipeline_status = *scrape.pipeline_status;
  const pipeline::Fill awaited{scrape.sources.metric_counters.awaited(),
                               scrape.sources.metric_counters.awaited_room()};
  out.add({{"table", "attempts"}}, pipeline_status.attempts.*Member);
  out.add({{"table", "slots"}}, pipeline_status.slots.*Member);
  out.add({{"table", "swapped"}}, pipeline_status.swapped.*Member);
  out.add({{"table", "awaited"}}, awaited.*Member);
}

void fill_build(const Scrape& scrape, Series& out) {
  out.add({{"version", SWAPTRAIL_VERSION}, {"revision", scrape.sources.revision}}, 1.0);
}

template <uint64_t ApiUse::Connections::*Member>
void fill_connections(const Scrape& scrape, Series& out) {
  for (const ApiUse::Connections& some : scrape.api.connections)
    out.add({{"access", some.access}}, some.*Member);
}

void fill_refused(const Scrape& scrape, Series& out) {
  for (const ApiUse::Connections& some : scrape.api.connections) {
    out.add({{"access", some.access}, {"reason", "full"}}, some.refused_full);
    out.add({{"access", some.access}, {"reason", "user"}}, some.refused_user);
  }
}

void fill_http_closed(const Scrape& scrape, Series& out) {
  out.add({{"reason", "full"}}, scrape.http.closed_full);
  out.add({{"reason", "address"}}, scrape.http.closed_address);
}

void fill_http_refused(const Scrape& scrape, Series& out) {
  out.add({{"reason", "malformed"}}, scrape.http.refused_malformed);
  out.add({{"reason", "queue"}}, scrape.http.refused_queue);
  out.add({{"reason", "passwords"}}, scrape.http.refused_passwords);
}

// Of all cgroups. What is beyond has no origin or backend that is known.
template <__u64 swaptrail_counted::*Member>
void fill_counted(const Scrape& scrape, Series& out) {
  std::map<std::array<std::string, 3>, uint64_t> sums;
  for (const capture::CountedRow& row : scrape.pipeline_status->counted) {
    const bool known = !row.beyond;
    sums[{text_of(capture::way_name(row.key.way)),
          origin_text(known ? row.key.origin : uint8_t{SWAPTRAIL_ORIGIN_UNKNOWN}),
          text_of(backend_name(known ? row.key.backend : uint8_t{SWAPTRAIL_BACKEND_UNKNOWN}))}] +=
        row.counts.*Member;
  }
  for (const auto& [names, sum] : sums)
    out.add({{"way", names[0]}, {"origin", names[1]}, {"backend", names[2]}}, sum);
}

void fill_counted_times(const Scrape& scrape, Series& out) {
  std::array<swaptrail_counted, SWAPTRAIL_WAYS> sums{};
  for (const capture::CountedRow& row : scrape.pipeline_status->counted)
    capture::add_counted(row.counts, sums[row.key.way % SWAPTRAIL_WAYS]);
  for (uint8_t way = 0; way < sums.size(); ++way)
    out.add({{"way", text_of(capture::way_name(way))}}, sums[way]);
}

void fill_counted_reads(const Scrape& scrape, Series& out) {
  uint64_t reads = 0;
  for (const capture::CountedRow& row : scrape.pipeline_status->counted) reads += row.counts.major;
  out.add(reads);
}

#define SWAPTRAIL_ONE(what) one<[](const Scrape& scrape) { return what; }>

// clang-format off: this is a table
constexpr Metric kStatusMetrics[] = {
    // swap areas
    {"swaptrail_swap_area_info", kGauge, "", "area,path,type", "32", "",
     "The swap areas of /proc/swaps; area is the number that the kernel gave it, or unknown; type is zram, device or file.",
     fill_area_info},
    {"swaptrail_swap_area_size_bytes", kGauge, "bytes", "area,path", "32", "",
     "Size of the swap area.", fill_area_size},
    {"swaptrail_swap_area_used_bytes", kGauge, "bytes", "area,path", "32", "",
     "How much of the swap area is in use.", fill_area_used},
    {"swaptrail_swap_area_priority", kGauge, "", "area,path", "32", "",
     "Priority of the swap area; higher ones are filled first.", fill_area_priority},

    // how it stands
    {"swaptrail_in_flight_lifecycles", kGauge, "", "", "1", "",
     "Lifecycles that are open: folios on their way out.",
     SWAPTRAIL_ONE(scrape.pipeline_status->attempts.used)},
    {"swaptrail_pages_in_swap", kGauge, "", "", "1", "slot_freed",
     "Base pages followed in swap: freed, and not returned yet. Without the hook that sees slots being freed it is not known.",
     SWAPTRAIL_ONE(scrape.pipeline_status->reconstructor.away_pages)},
    {"swaptrail_reconciliation_kernel_pages_total", kCounter, "pages", "counter", "6", "",
     "What a counter of /proc/vmstat has grown by since the hooks were attached.",
     fill_reconciliation<&report::ReconcileRow::kernel_delta, false>},
    {"swaptrail_reconciliation_observed_pages_total", kCounter, "pages", "counter", "6", "",
     "What was counted for that counter.", fill_reconciliation<&report::ReconcileRow::ours, false>},
    {"swaptrail_reconciliation_difference_pages", kGauge, "pages", "counter", "7", "",
     "Observed less kernel; `slots`: known less used by /proc/swaps.",
     fill_reconciliation<&report::ReconcileRow::difference, true>},
    {"swaptrail_reconciliation_allowance_pages", kGauge, "pages", "counter", "7", "",
     "How much they may differ without an error: what moved while they were read, or what one of them does not show.",
     fill_reconciliation<&report::ReconcileRow::allowance, true>},

    // hooks and programs
    {"swaptrail_hook_attached", kGauge, "", "hook,target,mode", "hooks", "",
     "1: a program is attached for this hook, to this kernel function or tracepoint; 0: none is, and target is empty.",
     fill_hook_attached},
    {"swaptrail_hook_state", kGauge, "", "hook,state", "hooks", "",
     "1 with the state of the hook: chosen, missing (what it would show is not seen), absent (this kernel has nothing to see there) or left_out (--detail=counters does without it).",
     fill_hook_state},
    {"swaptrail_mode_info", kGauge, "", "mode,kernel", "1", "",
     "How the programs are attached, and the kernel's release.", fill_mode},
    {"swaptrail_bpf_program_runs_total", kCounter, "", "program,hook", "programs", "",
     "Runs of a BPF program; 0 while the kernel does not count (kernel.bpf_stats_enabled).",
     fill_programs<&capture::ProgramRuns::runs, false>},
    {"swaptrail_bpf_program_run_seconds_total", kCounter, "seconds", "program,hook", "programs", "",
     "Time spent in a BPF program; 0 while the kernel does not count.",
     fill_programs<&capture::ProgramRuns::run_ns, true>},
    {"swaptrail_bpf_program_skipped_runs_total", kCounter, "", "program,hook", "programs", "",
     "Runs that the kernel left out, because the program was running on that CPU already, as far as it reports them: many kernels do not for kprobes.",
     fill_programs<&capture::ProgramRuns::skipped, false>},

    // events
    {"swaptrail_events_emitted_total", kCounter, "", "", "1", "",
     "Records attempted by the BPF programs, whether or not they found room.",
     SWAPTRAIL_ONE(emitted(scrape))},
    {"swaptrail_events_consumed_total", kCounter, "", "", "1", "",
     "Records received from the rings.", SWAPTRAIL_ONE(scrape.pipeline_status->consumed)},
    {"swaptrail_events_dropped_total", kCounter, "", "cause", "2", "",
     "Records that found no room: their ring was full, or their CPU came online after the start (no_ring).",
     fill_dropped},
    {"swaptrail_events_late_total", kCounter, "", "", "1", "",
     "Events older than one already handed on; they are used all the same.",
     SWAPTRAIL_ONE(scrape.pipeline_status->stream.late)},
    {"swaptrail_events_invalid_total", kCounter, "", "", "1", "",
     "Records that are no event of this ABI; they are left out.",
     SWAPTRAIL_ONE(scrape.pipeline_status->stream.invalid)},
    {"swaptrail_events_total", kCounter, "", "kind", "kinds", "",
     "Records attempted, by their kind.", fill_kinds},
    {"swaptrail_context_full_total", kCounter, "", "", "1", "",
     "Reclaim batches, faults and slots not followed because a table of the programs was full.",
     SWAPTRAIL_ONE(uint64_t{scrape.pipeline_status->totals.context_full})},
    {"swaptrail_last_sweep_age_seconds", kGauge, "seconds", "", "1", "",
     "How long ago the rings were last read. Nothing is observed while it grows.",
     SWAPTRAIL_ONE(scrape.sweep_age_seconds)},
    {"swaptrail_sample_one_in", kGauge, "", "", "1", "",
     "One page in this many is followed now. Above 1, what is counted by lifecycle is an estimate, in which each counts for as many; totals by stage and backend stay exact.",
     SWAPTRAIL_ONE(static_cast<double>(scrape.pipeline_status->sampling.one_in))},
    {"swaptrail_sample_changes_total", kCounter, "", "", "1", "",
     "How often --cpu-limit changed that.",
     SWAPTRAIL_ONE(scrape.pipeline_status->sampling.changes)},
    {"swaptrail_ring_fill_ratio", kGauge, "ratio", "", "1", "",
     "How full the fullest ring was at the last sweep, 0 to 1.",
     SWAPTRAIL_ONE(scrape.pipeline_status->ring_fill)},
    {"swaptrail_table_used", kGauge, "", "table", "4", "", "Places taken in a table of fixed room.",
     fill_tables<&pipeline::Fill::used>},
    {"swaptrail_table_room", kGauge, "", "table", "4", "", "Places in that table.",
     fill_tables<&pipeline::Fill::room>},

    // --detail=counters
    {"swaptrail_counted_pages_total", kCounter, "pages", "way,origin,backend",
     "origins x backends + 1", "",
     "Base pages that were written (way out), or came back to those who faulted (way in, where origin is none and backend unknown); only there with --detail=counters.",
     fill_counted<&swaptrail_counted::pages>},
    {"swaptrail_counted_operations_total", kCounter, "", "way,origin,backend",
     "origins x backends + 1", "",
     "Writes of folios; faults on swapped pages and reads of shared memory; only there with --detail=counters.",
     fill_counted<&swaptrail_counted::operations>},
    {"swaptrail_counted_failed_pages_total", kCounter, "pages", "way,origin,backend",
     "origins x backends + 1", "",
     "Base pages whose write was refused; faults and reads that failed; only there with --detail=counters.",
     fill_counted<&swaptrail_counted::failed>},
    {"swaptrail_counted_reads_total", kCounter, "", "", "1", "",
     "How often a fault had to read swap, as in pgmajfault; only there with --detail=counters.",
     fill_counted_reads},
    {"swaptrail_counted_seconds", kHistogram, "seconds", "way", "2", "",
     "How long writes took, which on a synchronous device includes the device, and faults and reads waited; borders are powers of two of a nanosecond; only there with --detail=counters.",
     fill_counted_times},

    // validation, store, API
    {"swaptrail_validation_compared_total", kCounter, "", "", "1", "",
     "Lifecycles compared with the swap engine's prediction; only there with --validate.",
     SWAPTRAIL_ONE(scrape.pipeline_status->validation.compared)},
    {"swaptrail_validation_agreed_total", kCounter, "", "", "1", "",
     "Those that agreed; only there with --validate.",
     SWAPTRAIL_ONE(scrape.pipeline_status->validation.agreed)},
    {"swaptrail_validation_findings_total", kCounter, "", "", "1", "",
     "Differences found; only there with --validate.",
     SWAPTRAIL_ONE(scrape.pipeline_status->validation.findings)},
    {"swaptrail_recording_stopped", kGauge, "", "", "1", "",
     "1: writes of a recording were refused within ten seconds, or the last flight recording could not be written; what happens meanwhile is not all recorded; only there with --record or --flight.",
     SWAPTRAIL_ONE(scrape.pipeline_status->recording->stopped ? 1.0 : 0.0)},
    {"swaptrail_recording_parts_total", kCounter, "", "", "1", "",
     "Parts of recordings begun; only there with --record or --flight.",
     SWAPTRAIL_ONE(scrape.pipeline_status->recording->parts)},
    {"swaptrail_recording_parts_dropped_total", kCounter, "", "", "1", "",
     "Parts that went, the oldest first, to stay below the limits; only there with --record or --flight.",
     SWAPTRAIL_ONE(scrape.pipeline_status->recording->parts_dropped)},
    {"swaptrail_recording_writes_refused_total", kCounter, "", "", "1", "",
     "Writes of recordings that the disk refused; only there with --record or --flight.",
     SWAPTRAIL_ONE(scrape.pipeline_status->recording->refused)},
    {"swaptrail_flight_recordings_total", kCounter, "", "", "1", "",
     "Flight recordings written; only there with --flight.",
     SWAPTRAIL_ONE(scrape.pipeline_status->recording->triggers)},
    {"swaptrail_flight_triggers_suppressed_total", kCounter, "", "", "1", "",
     "Triggers of flight recordings that had to wait; only there with --flight.",
     SWAPTRAIL_ONE(scrape.pipeline_status->recording->suppressed)},
    {"swaptrail_store_lifecycles", kGauge, "", "", "1", "",
     "Lifecycles held in memory for queries.", SWAPTRAIL_ONE(scrape.store.lifecycles)},
    {"swaptrail_store_bytes", kGauge, "bytes", "", "1", "",
     "Memory taken by the store of lifecycles.", SWAPTRAIL_ONE(scrape.store.bytes)},
    {"swaptrail_store_limit_bytes", kGauge, "bytes", "", "1", "", "The most that it may take.",
     SWAPTRAIL_ONE(scrape.store.max_bytes)},
    {"swaptrail_store_evicted_lifecycles_total", kCounter, "", "", "1", "",
     "Lifecycles that had to go to make room for newer ones.", SWAPTRAIL_ONE(scrape.store.evicted)},
    {"swaptrail_store_unstored_lifecycles_total", kCounter, "", "", "1", "",
     "Lifecycles not stored because queries that ran long held the room.",
     SWAPTRAIL_ONE(scrape.store.unstored)},
    {"swaptrail_api_watchers", kGauge, "", "", "1", "",
     "Clients of the API that watch lifecycles as they close.", SWAPTRAIL_ONE(scrape.api.watchers)},
    {"swaptrail_api_connections", kGauge, "", "access", "3", "",
     "Open connections of gRPC: of root and the control group (full), of other users (reading), by TCP.",
     fill_connections<&ApiUse::Connections::open>},
    {"swaptrail_api_connections_accepted_total", kCounter, "", "access", "3", "",
     "Connections of gRPC since the start.", fill_connections<&ApiUse::Connections::accepted>},
    {"swaptrail_api_connections_refused_total", kCounter, "", "access,reason", "6", "",
     "Connections closed at once: all places were taken (full), or all that one user or address may have (user).",
     fill_refused},
    {"swaptrail_api_connections_closed_total", kCounter, "", "access", "3", "",
     "Connections closed later: they were no HTTP/2 or TLS, or had more calls open or a longer block of headers than permitted.",
     fill_connections<&ApiUse::Connections::closed_over_limits>},
    {"swaptrail_api_connections_throttled_total", kCounter, "", "access", "3", "",
     "How often a connection was read from more slowly than its client sent.",
     fill_connections<&ApiUse::Connections::throttled>},
    {"swaptrail_http_connections", kGauge, "", "", "1", "", "Open connections of HTTP.",
     SWAPTRAIL_ONE(scrape.http.connections)},
    {"swaptrail_http_connections_accepted_total", kCounter, "", "", "1", "",
     "Connections of HTTP since the start.", SWAPTRAIL_ONE(scrape.http.accepted)},
    {"swaptrail_http_connections_closed_total", kCounter, "", "reason", "2", "",
     "Connections not taken, or closed for another: all places were taken (full), or all that one client address may have (address).",
     fill_http_closed},
    {"swaptrail_http_requests_refused_total", kCounter, "", "reason", "3", "",
     "Requests that were no HTTP or more of it than is served (malformed), that found no room before the workers (queue), or whose password found none before its comparison (passwords).",
     fill_http_refused},
    {"swaptrail_http_config_last_reload_successful", kGauge, "", "", "1", "",
     "1: the web configuration and its certificates are used as they are on disk. 0: they can't be, and those before are used.",
     SWAPTRAIL_ONE(scrape.http.config_is_current ? 1.0 : 0.0)},

    // the daemon itself
    {"swaptrail_build_info", kGauge, "", "version,revision", "1", "", "The program's version.",
     fill_build},
    {"swaptrail_start_time_seconds", kGauge, "seconds", "", "1", "",
     "When the hooks were attached, in seconds since 1970.",
     SWAPTRAIL_ONE(scrape.sources.start_seconds)},
    {"swaptrail_scrape_duration_seconds", kGauge, "seconds", "", "1", "",
     "How long the collection before this one took.", SWAPTRAIL_ONE(scrape.previous_seconds)},
    {"process_cpu_seconds_total", kCounter, "seconds", "", "1", "",
     "CPU time of the daemon, user and system.", SWAPTRAIL_ONE(scrape.process.cpu_seconds)},
    {"process_resident_memory_bytes", kGauge, "bytes", "", "1", "",
     "Resident memory of the daemon.", SWAPTRAIL_ONE(scrape.process.resident_bytes)},
    {"process_virtual_memory_bytes", kGauge, "bytes", "", "1", "", "Virtual memory of the daemon.",
     SWAPTRAIL_ONE(scrape.process.virtual_bytes)},
    {"process_open_fds", kGauge, "", "", "1", "", "Open file descriptors of the daemon.",
     SWAPTRAIL_ONE(scrape.process.open_fds)},
    {"process_max_fds", kGauge, "", "", "1", "", "The most that it may open.",
     SWAPTRAIL_ONE(scrape.process.max_fds)},
    {"process_start_time_seconds", kGauge, "seconds", "", "1", "",
     "When the daemon was started, in seconds since 1970.",
     SWAPTRAIL_ONE(scrape.process.start_seconds)},
    {"process_threads", kGauge, "", "", "1", "", "Threads of the daemon.",
     SWAPTRAIL_ONE(scrape.process.threads)},
};
// clang-format on

}  // namespace

std::span<const Metric> status_metrics() { return kStatusMetrics; }

}  // namespace swaptrail::metrics
