#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "daemon/api/answers.h"
#include "daemon/api/convert.h"
#include "daemon/api/values.h"
#include "daemon/host/proc.h"
#include "trace/text.h"
#include "trace/utf8.h"

namespace swaptrail::api {
namespace {

void put_host(const Host& host, v1::GetStatusResponse& response) {
  utsname names{};
  uname(&names);
  response.set_version(SWAPTRAIL_VERSION);
  response.set_kernel_release(utf8(names.release));
  response.set_machine(utf8(names.machine));
  const probe::ModeChoice& mode = host.plan.mode;
  response.set_mode(utf8(std_view(probe::mode_name(mode.mode))));
  if (mode.mode != probe::Mode::kFull) response.set_mode_reason(utf8(mode.reason));
  for (const probe::HookPlan& plan : host.plan.hooks) {
    v1::Hook& hook = *response.add_hooks();
    hook.set_name(utf8(plan.hook));
    hook.set_state(utf8(probe::hook_state_name(plan.state)));
    hook.set_target(utf8(plan.target.target));
    hook.set_reason(utf8(plan.reason));
    hook.set_costs(utf8(plan.costs));
  }
  response.set_resident_bytes(host::resident_bytes());
  response.set_pageout_enabled(host.pageout_enabled);
}

void put_loss(const pipeline::PipelineStatus& pipeline_status, v1::Loss& loss) {
  const swaptrail_totals& totals = pipeline_status.totals;
  loss.set_emitted(
      std::accumulate(std::begin(totals.emitted), std::end(totals.emitted), uint64_t{0}));
  loss.set_consumed(pipeline_status.consumed);
  loss.set_dropped_ring_full(totals.dropped[SWAPTRAIL_DROP_RING_FULL]);
  loss.set_dropped_no_ring(totals.dropped[SWAPTRAIL_DROP_NO_RING]);
  loss.set_context_full(totals.context_full);
  loss.set_late(pipeline_status.stream.late);
  loss.set_ring_fill(pipeline_status.ring_fill);
  loss.set_skipped_runs(pipeline_status.stream.skipped_runs);
  loss.set_lines_left_out(pipeline_status.lines_left_out);
}

void put_duration(uint64_t ns, google::protobuf::Duration& out) {
  out.set_seconds(static_cast<int64_t>(ns / 1'000'000'000));
  out.set_nanos(static_cast<int32_t>(ns % 1'000'000'000));
}

void put_recording(const record::RecordingStatus& recording, v1::GetStatusResponse& response) {
  response.set_flight_recorder(recording.flight);
  v1::RecordingStatus& status = *response.mutable_recording();
  status.set_flight(recording.flight);
  status.set_stopped(recording.stopped);
  status.set_parts(recording.parts);
  status.set_parts_dropped(recording.parts_dropped);
  status.set_flights_written(recording.triggers);
  status.set_triggers_suppressed(recording.suppressed);
  status.set_writes_refused(recording.refused);
  status.set_folder_moved(recording.moved);
}

void put_sampling(const pipeline::Sampling& sampling, const Moment& moment,
                  v1::GetStatusResponse& response) {
  if (!sampling.ever() && sampling.cpu_limit == 0) return;
  v1::SamplingStatus& out = *response.mutable_sampling();
  out.set_one_in(sampling.one_in);
  out.set_asked(sampling.asked);
  out.set_cpu_limit(sampling.cpu_limit);
  out.set_changes(sampling.changes);
  if (sampling.since_ns != 0) *out.mutable_changed() = moment.wall(sampling.since_ns);
  out.set_cpu(sampling.cpu);
}

// The place of a time is its bit width.
void put_times(const swaptrail_counted& counts, v1::Counted& out) {
  for (size_t place = 0; place < SWAPTRAIL_COUNTED_TIMES; ++place) {
    if (counts.times[place] == 0) continue;
    v1::CountedTime& time = *out.add_times();
    if (place + 1 < SWAPTRAIL_COUNTED_TIMES)
      put_duration((uint64_t{1} << place) - 1, *time.mutable_up_to());
    time.set_operations(counts.times[place]);
  }
}

void put_row(const capture::CountedRow& row, Converter& converter, v1::Counted& out) {
  out.set_way(row.key.way == SWAPTRAIL_WAY_OUT ? v1::WAY_OUT : v1::WAY_IN);
  out.set_beyond(row.beyond);
  if (!row.beyond) {
    converter.put_cgroup(row.key.cgroup, *out.mutable_cgroup());
    out.set_origin(origin_to_proto(row.key.origin));
    out.set_backend(backend_to_proto(row.key.backend));
  }
  out.set_operations(row.counts.operations);
  out.set_pages(row.counts.pages);
  out.set_failed(row.counts.failed);
  put_duration(row.counts.wait_ns, *out.mutable_wait());
  out.set_major(row.counts.major);
  put_times(row.counts, out);
}

// Rows that would make the answer too long are added to those of what is beyond.
void put_counted(const std::vector<capture::CountedRow>& counted, Converter& converter,
                 v1::GetStatusResponse& response) {
  std::array<capture::CountedRow, SWAPTRAIL_WAYS> beyond{};
  size_t bytes = 0;
  for (const capture::CountedRow& row : counted) {
    if (row.beyond || bytes > kAnswerBytes) {
      capture::add_counted(row.counts, beyond[row.key.way & 1].counts);
      continue;
    }
    v1::Counted& added = *response.add_counted();
    put_row(row, converter, added);
    bytes += added.ByteSizeLong();
  }
  for (size_t way = 0; way < beyond.size(); ++way) {
    if (capture::is_nothing(beyond[way].counts)) continue;
    beyond[way].beyond = true;
    beyond[way].key.way = static_cast<uint8_t>(way);
    put_row(beyond[way], converter, *response.add_counted());
  }
}

void put_status(const pipeline::PipelineStatus& pipeline_status, const Moment& moment,
                v1::GetStatusResponse& response) {
  if (pipeline_status.start_ns != 0) {
    *response.mutable_started() = moment.wall(pipeline_status.start_ns);
    const uint64_t up_ns = moment.now_ns() - std::min(moment.now_ns(), pipeline_status.start_ns);
    put_duration(up_ns, *response.mutable_uptime());
  }
  put_loss(pipeline_status, *response.mutable_loss());
  for (const report::ReconcileRow& row : pipeline_status.reconciliation) {
    v1::Reconciliation& added = *response.add_reconciliation();
    added.set_counter(utf8(row.counter));
    added.set_kernel(static_cast<uint64_t>(row.kernel_delta));
    added.set_ours(static_cast<uint64_t>(row.ours));
    added.set_difference(row.difference);
    added.set_note(utf8(row.note));
    added.set_allowance(row.allowance);
  }
  put_sampling(pipeline_status.sampling, moment, response);
  if (pipeline_status.recording) put_recording(*pipeline_status.recording, response);
  const validate::ValidationStatus& validation = pipeline_status.validation;
  if (validation.sample == 0) return;
  v1::ValidationStatus& out = *response.mutable_validation();
  out.set_sample(validation.sample);
  out.set_compared(validation.compared);
  out.set_agreed(validation.agreed);
  out.set_findings(validation.findings);
}

v1::InventoryState state_of(inventory::State state) {
  switch (state) {
    case inventory::State::kOff:
      return v1::INVENTORY_STATE_OFF;
    case inventory::State::kReading:
      return v1::INVENTORY_STATE_READING;
    case inventory::State::kDone:
      return v1::INVENTORY_STATE_DONE;
    case inventory::State::kFailed:
      return v1::INVENTORY_STATE_FAILED;
  }
  return v1::INVENTORY_STATE_UNSPECIFIED;
}

void put_inventory(const inventory::Progress& progress, uint64_t slots_found, const Moment& moment,
                   v1::InventoryStatus& out) {
  out.set_state(state_of(progress.state));
  out.set_why(utf8(progress.why));
  out.set_processes(progress.processes);
  out.set_processes_read(progress.processes_read);
  out.set_processes_refused(progress.processes_refused);
  out.set_entries(progress.entries);
  out.set_slots_found(slots_found);
  out.set_parts_read_again(progress.read_again);
  put_duration(progress.used_cpu_ns, *out.mutable_used_cpu());
  if (progress.began_ns == 0) return;
  *out.mutable_began() = moment.wall(progress.began_ns);
  const uint64_t until_ns = progress.ended_ns != 0 ? progress.ended_ns : moment.now_ns();
  put_duration(until_ns - std::min(until_ns, progress.began_ns), *out.mutable_taken());
}

void put_store(const store::Store& store, const Moment& moment, v1::GetStatusResponse& response) {
  const store::StoreStatus status = store.status();
  v1::StoreStatus& out = *response.mutable_store();
  out.set_lifecycles(status.lifecycles);
  out.set_bytes(status.bytes);
  out.set_max_bytes(status.max_bytes);
  out.set_evicted(status.evicted);
  out.set_unstored(status.unstored);
  const uint64_t oldest_ns = store.snapshot().oldest_closed_ns();
  if (oldest_ns != 0) *out.mutable_oldest() = moment.wall(oldest_ns);
  response.set_lifecycles(status.lifecycles + status.evicted + status.unstored);
  response.set_violations(status.violations);
}

}  // namespace

absl::Status answer(const Query& asked, const v1::GetStatusRequest&,
                    v1::GetStatusResponse& response) {
  put_host(asked.host, response);
  const auto newest = asked.host.status_board.newest();
  put_status(*newest, asked.moment, response);
  response.set_detail(newest->counts_only ? "counters" : "lifecycles");
  Converter converter(asked.host, asked.moment, true);
  put_counted(newest->counted, converter, response);
  put_duration(asked.host.status_board.sweep_age_ns(asked.moment.now_ns()),
               *response.mutable_last_sweep_age());
  put_store(asked.host.store, asked.moment, response);
  if (asked.host.inventory != nullptr)
    put_inventory(asked.host.inventory->progress(), newest->slots_found, asked.moment,
                  *response.mutable_inventory());
  response.set_watchers(static_cast<uint32_t>(asked.watchers));
  return absl::OkStatus();
}

}  // namespace swaptrail::api
