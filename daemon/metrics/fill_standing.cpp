// How the observation, the host, the store and the daemon itself stand.
#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

#include "daemon/metrics/scrape.h"
#include "trace/decode.h"

namespace swaptrail::metrics {
namespace {

constexpr const char* kStateNames[] = {"chosen", "missing", "absent"};  // of HookState

// A metric that is one number.
template <auto Number>
void one(const Scrape& scrape, Series& out) {
  out.add(Number(scrape));
}

const char* area_kind(const SwapArea& area) {
  struct stat status {};
  if (area.path.starts_with("/dev/zram")) return "zram";
  if (stat(area.path.c_str(), &status) != 0) return "unknown";
  return S_ISBLK(status.st_mode) ? "device" : "file";
}

// With the labels that say which area it is. Its number can be unknown.
template <typename Visit>
void for_areas(const Scrape& scrape, const Visit& visit) {
  for (const SwapArea& area : scrape.areas) {
    const bool known = area.type != kTypeNotKnown;
    visit(area, Series::Labels{{"area", known ? std::to_string(area.type) : "unknown"},
                               {"path", label_text(area.path)}});
  }
}

void fill_area_info(const Scrape& scrape, Series& out) {
  for_areas(scrape, [&](const SwapArea& area, Series::Labels labels) {
    labels.push_back({"type", area_kind(area)});
    out.add(std::move(labels), 1.0);
  });
}
void fill_area_size(const Scrape& scrape, Series& out) {
  for_areas(scrape, [&](const SwapArea& area, Series::Labels labels) {
    out.add(std::move(labels), area.bytes);
  });
}
void fill_area_used(const Scrape& scrape, Series& out) {
  for_areas(scrape, [&](const SwapArea& area, Series::Labels labels) {
    if (area.used_bytes != kNotTold) out.add(std::move(labels), area.used_bytes);
  });
}
void fill_area_priority(const Scrape& scrape, Series& out) {
  for_areas(scrape, [&](const SwapArea& area, Series::Labels labels) {
    out.add(std::move(labels), static_cast<double>(area.priority));
  });
}

// The row `emitted`, of records and not pages, is in swaptrail_events_*. A level is no counter: its two
// sides are left out.
template <auto Member, bool Levels>
void fill_reconciliation(const Scrape& scrape, Series& out) {
  for (const ReconcileRow& row : scrape.standing->reconciliation) {
    if (row.counter == "emitted" || (row.is_level && !Levels)) continue;
    out.add({{"counter", text_of(row.counter)}}, static_cast<double>(row.*Member));
  }
}

void fill_hook_attached(const Scrape& scrape, Series& out) {
  const std::string mode(mode_name(scrape.sources.plan.mode.mode));
  for (const HookPlan& hook : scrape.sources.plan.hooks) {
    const bool attached = hook.state == HookState::kChosen;
    out.add({{"hook", hook.hook}, {"target", attached ? hook.target.target : ""}, {"mode", mode}},
            attached ? 1.0 : 0.0);
  }
}

void fill_hook_state(const Scrape& scrape, Series& out) {
  for (const HookPlan& hook : scrape.sources.plan.hooks) {
    out.add({{"hook", hook.hook}, {"state", kStateNames[static_cast<size_t>(hook.state)]}}, 1.0);
  }
}

void fill_mode(const Scrape& scrape, Series& out) {
  const AttachPlan& plan = scrape.sources.plan;
  out.add({{"mode", std::string(mode_name(plan.mode.mode))}, {"kernel", plan.release}}, 1.0);
}

// A program that is attached to several targets is one series.
template <uint64_t ProgramRuns::*Member, bool InSeconds>
void fill_programs(const Scrape& scrape, Series& out) {
  std::map<std::pair<std::string, std::string>, uint64_t> sums;
  for (const ProgramRuns& program : scrape.standing->programs) {
    sums[{program.program, program.hook}] += program.*Member;
  }
  for (const auto& [names, sum] : sums) {
    const auto value = static_cast<double>(sum);
    out.add({{"program", names.first}, {"hook", names.second}}, InSeconds ? value / 1e9 : value);
  }
}

uint64_t emitted(const Scrape& scrape) {
  const auto& kinds = scrape.standing->totals.emitted;
  return std::accumulate(std::begin(kinds), std::end(kinds), uint64_t{0});
}

void fill_dropped(const Scrape& scrape, Series& out) {
  const auto& dropped = scrape.standing->totals.dropped;
  out.add({{"cause", "ring_full"}}, uint64_t{dropped[SWAPTRAIL_DROP_RING_FULL]});
  out.add({{"cause", "no_ring"}}, uint64_t{dropped[SWAPTRAIL_DROP_NO_RING]});
}

void fill_kinds(const Scrape& scrape, Series& out) {
  for (int kind = 1; kind < SWAPTRAIL_KIND_END; ++kind) {
    out.add({{"kind", text_of(kind_name(static_cast<uint8_t>(kind)))}},
            uint64_t{scrape.standing->totals.emitted[kind]});
  }
}

template <uint64_t Fill::*Member>
void fill_tables(const Scrape& scrape, Series& out) {
  const Standing& standing = *scrape.standing;
  const Fill awaited{scrape.sources.tally.awaited(), scrape.sources.tally.awaited_room()};
  out.add({{"table", "attempts"}}, standing.attempts.*Member);
  out.add({{"table", "slots"}}, standing.slots.*Member);
  out.add({{"table", "swapped"}}, standing.swapped.*Member);
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

#define SWAPTRAIL_ONE(what) one<[](const Scrape& scrape) { return what; }>

}  // namespace

std::vector<Filler> standing_fillers() {
  return {
      {"swaptrail_swap_area_info", fill_area_info},
      {"swaptrail_swap_area_size_bytes", fill_area_size},
      {"swaptrail_swap_area_used_bytes", fill_area_used},
      {"swaptrail_swap_area_priority", fill_area_priority},
      {"swaptrail_in_flight_lifecycles", SWAPTRAIL_ONE(scrape.standing->attempts.used)},
      {"swaptrail_pages_in_swap", SWAPTRAIL_ONE(scrape.standing->reconstructor.away_pages)},
      {"swaptrail_reconciliation_kernel_pages_total",
       fill_reconciliation<&ReconcileRow::kernel_delta, false>},
      {"swaptrail_reconciliation_observed_pages_total",
       fill_reconciliation<&ReconcileRow::ours, false>},
      {"swaptrail_reconciliation_difference_pages",
       fill_reconciliation<&ReconcileRow::difference, true>},
      {"swaptrail_reconciliation_allowance_pages",
       fill_reconciliation<&ReconcileRow::allowance, true>},
      {"swaptrail_hook_attached", fill_hook_attached},
      {"swaptrail_hook_state", fill_hook_state},
      {"swaptrail_mode_info", fill_mode},
      {"swaptrail_bpf_program_runs_total", fill_programs<&ProgramRuns::runs, false>},
      {"swaptrail_bpf_program_run_seconds_total", fill_programs<&ProgramRuns::run_ns, true>},
      {"swaptrail_bpf_program_skipped_runs_total", fill_programs<&ProgramRuns::skipped, false>},
      {"swaptrail_events_emitted_total", SWAPTRAIL_ONE(emitted(scrape))},
      {"swaptrail_events_consumed_total", SWAPTRAIL_ONE(scrape.standing->consumed)},
      {"swaptrail_events_dropped_total", fill_dropped},
      {"swaptrail_events_late_total", SWAPTRAIL_ONE(scrape.standing->stream.late)},
      {"swaptrail_events_invalid_total", SWAPTRAIL_ONE(scrape.standing->stream.invalid)},
      {"swaptrail_events_total", fill_kinds},
      {"swaptrail_context_full_total",
       SWAPTRAIL_ONE(uint64_t{scrape.standing->totals.context_full})},
      {"swaptrail_last_sweep_age_seconds", SWAPTRAIL_ONE(scrape.sweep_age_seconds)},
      {"swaptrail_ring_fill_ratio", SWAPTRAIL_ONE(scrape.standing->ring_fill)},
      {"swaptrail_table_used", fill_tables<&Fill::used>},
      {"swaptrail_table_room", fill_tables<&Fill::room>},
      {"swaptrail_validation_compared_total", SWAPTRAIL_ONE(scrape.standing->validation.compared)},
      {"swaptrail_validation_agreed_total", SWAPTRAIL_ONE(scrape.standing->validation.agreed)},
      {"swaptrail_validation_findings_total", SWAPTRAIL_ONE(scrape.standing->validation.findings)},
      {"swaptrail_recording_stopped",
       SWAPTRAIL_ONE(scrape.standing->recording->stopped ? 1.0 : 0.0)},
      {"swaptrail_recording_parts_total", SWAPTRAIL_ONE(scrape.standing->recording->parts)},
      {"swaptrail_recording_parts_dropped_total",
       SWAPTRAIL_ONE(scrape.standing->recording->parts_dropped)},
      {"swaptrail_recording_writes_refused_total",
       SWAPTRAIL_ONE(scrape.standing->recording->refused)},
      {"swaptrail_flight_recordings_total", SWAPTRAIL_ONE(scrape.standing->recording->triggers)},
      {"swaptrail_flight_triggers_suppressed_total",
       SWAPTRAIL_ONE(scrape.standing->recording->suppressed)},
      {"swaptrail_store_lifecycles", SWAPTRAIL_ONE(scrape.store.lifecycles)},
      {"swaptrail_store_bytes", SWAPTRAIL_ONE(scrape.store.bytes)},
      {"swaptrail_store_limit_bytes", SWAPTRAIL_ONE(scrape.store.max_bytes)},
      {"swaptrail_store_evicted_lifecycles_total", SWAPTRAIL_ONE(scrape.store.evicted)},
      {"swaptrail_store_unstored_lifecycles_total", SWAPTRAIL_ONE(scrape.store.unstored)},
      {"swaptrail_api_watchers", SWAPTRAIL_ONE(scrape.api.watchers)},
      {"swaptrail_api_connections", fill_connections<&ApiUse::Connections::open>},
      {"swaptrail_api_connections_accepted_total",
       fill_connections<&ApiUse::Connections::accepted>},
      {"swaptrail_api_connections_refused_total", fill_refused},
      {"swaptrail_api_connections_closed_total",
       fill_connections<&ApiUse::Connections::closed_over_limits>},
      {"swaptrail_api_connections_throttled_total",
       fill_connections<&ApiUse::Connections::throttled>},
      {"swaptrail_http_connections", SWAPTRAIL_ONE(scrape.http.connections)},
      {"swaptrail_http_connections_accepted_total", SWAPTRAIL_ONE(scrape.http.accepted)},
      {"swaptrail_http_connections_closed_total", fill_http_closed},
      {"swaptrail_http_requests_refused_total", fill_http_refused},
      {"swaptrail_http_config_last_reload_successful",
       SWAPTRAIL_ONE(scrape.http.config_is_current ? 1.0 : 0.0)},
      {"swaptrail_build_info", fill_build},
      {"swaptrail_start_time_seconds", SWAPTRAIL_ONE(scrape.sources.start_seconds)},
      {"swaptrail_scrape_duration_seconds", SWAPTRAIL_ONE(scrape.previous_seconds)},
      {"process_cpu_seconds_total", SWAPTRAIL_ONE(scrape.process.cpu_seconds)},
      {"process_resident_memory_bytes", SWAPTRAIL_ONE(scrape.process.resident_bytes)},
      {"process_virtual_memory_bytes", SWAPTRAIL_ONE(scrape.process.virtual_bytes)},
      {"process_open_fds", SWAPTRAIL_ONE(scrape.process.open_fds)},
      {"process_max_fds", SWAPTRAIL_ONE(scrape.process.max_fds)},
      {"process_start_time_seconds", SWAPTRAIL_ONE(scrape.process.start_seconds)},
      {"process_threads", SWAPTRAIL_ONE(scrape.process.threads)},
  };
}

}  // namespace swaptrail::metrics
