#include "daemon/pipeline/pipeline.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "daemon/base/log.h"
#include "daemon/base/page_bytes.h"
#include "daemon/host/proc.h"
#include "daemon/host/swap_areas.h"
#include "trace/report/readings.h"

namespace swaptrail::pipeline {
namespace {

// How long to leave the rings alone: a sweep that finds little costs some 40 system calls all the same. 25 ms at 100,000
// pages a second and CPU are 2,500 records of 160 bytes: 5 % of the usual ring.
constexpr long kSweepEvery_ns = 25'000'000;
// With --detail=counters nothing is in them.
constexpr long kCountsEvery_ns = 200'000'000;
constexpr double kBusy = 0.05;           // of a ring in use: sweep again at once
constexpr double kMayHaveDropped = 0.5;  // of a ring in use
// Readings of both counters, about 100 us each. An error of the first reading is in every later
// difference.
constexpr int kTriesAtBegin = 64, kTriesEachSecond = 4, kTriesAtEnd = 16;
constexpr uint64_t kPublishEvery_ns = 1'000'000'000;
constexpr uint64_t kHoldersKept_ns = 250'000'000, kAgesKept_ns = 5'000'000'000;

void sleep_ns(long duration_ns) {
  const timespec duration{0, duration_ns};
  nanosleep(&duration, nullptr);
}

// CPU time of the whole process.
uint64_t used_cpu_ns() {
  timespec used{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<uint64_t>(used.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(used.tv_nsec);
}

lifecycles::ReconstructorOptions reconstructor_options(const capture::EventSource& source,
                                                       const PipelineOptions& options) {
  lifecycles::ReconstructorOptions result;
  result.visible_kinds = probe::visible_kinds(source.plan());
  result.start_ns = source.start_ns();
  result.max_attempts = options.max_folios;
  result.max_slots = options.max_slots;
  result.may_miss_silently = source.plan().mode.mode == probe::Mode::kKprobe;
  return result;
}

Merger::Options merger_options(const capture::EventSource& source) {
  Merger::Options result;
  result.start_ns = source.start_ns();
  result.max_cpus = source.cpus();
  return result;
}

std::vector<recording::RecordedHook> recorded_hooks(const probe::AttachPlan& plan) {
  std::vector<recording::RecordedHook> hooks;
  for (const probe::HookPlan& hook : plan.hooks) {
    const std::string state(probe::hook_state_name(hook.state));
    hooks.push_back({hook.hook, state, hook.target.target, hook.reason, hook.costs, hook.kinds});
  }
  return hooks;
}

// What is known of this observation, except its page frames.
recording::RecordingHeader observed_header(const capture::EventSource& source,
                                           const PipelineOptions& options) {
  recording::RecordingHeader header = record::host_header();
  header.mode = std::string(probe::mode_name(source.plan().mode.mode));
  header.mode_reason = source.plan().mode.reason;
  header.cpus = source.cpus();
  header.reconstruction = reconstructor_options(source, options);
  header.hooks = recorded_hooks(source.plan());
  return header;
}

// Null if it is not asked for, or not possible: the reason is printed.
std::unique_ptr<validate::Validation> make_validation(const capture::EventSource& source,
                                                      const PipelineOptions& options,
                                                      const host::AreaWatch& areas,
                                                      lifecycles::LifecycleSink& next) {
  if (options.validate == 0) return nullptr;
  auto made = validate::Validation::create(
      observed_header(source, options),
      {options.validate, [&areas] { return areas.now(); }, base::monotonic_ns}, next);
  if (made.ok()) return *std::move(made);
  base::log_line(absl::StrCat("--validate is off: ", made.status().message(),
                              "; the observation goes on without it"));
  return nullptr;
}

// Null if it can't be kept.
std::unique_ptr<ledger::Ledger> make_ledger(const capture::EventSource& source,
                                            const PipelineOptions& options) {
  if (options.counts_only || !ledger::Ledger::is_possible(probe::visible_kinds(source.plan())))
    return nullptr;
  ledger::Ledger::Options ledger;
  ledger.page_shift = static_cast<uint32_t>(std::countr_zero(base::page_bytes()));
  ledger.start_ns = source.start_ns();
  ledger.max_slots = options.max_slots;
  return std::make_unique<ledger::Ledger>(ledger);
}

std::unique_ptr<readahead::ReadaheadUse> make_readahead(const capture::EventSource& source,
                                                        const PipelineOptions& options) {
  const uint64_t visible = probe::visible_kinds(source.plan());
  if (options.counts_only || !readahead::ReadaheadUse::is_possible(visible)) return nullptr;
  return std::make_unique<readahead::ReadaheadUse>(readahead::ReadaheadUse::Options());
}

// The output first: a terminal waits for it.
std::vector<lifecycles::LifecycleSink*> all_sinks(const PipelineClients& clients) {
  std::vector<lifecycles::LifecycleSink*> sinks{&clients.output};
  sinks.insert(sinks.end(), clients.sinks.begin(), clients.sinks.end());
  return sinks;
}

// Passes on what came until `end_ns`, and counts later events. Losses before them count all the same.
class UntilEnd : public EventSink {
 public:
  UntilEnd(uint64_t end_ns, EventSink& next) : end_ns_(end_ns), next_(next) {}
  void on_event(const swaptrail_event& event, uint64_t sequence) override {
    if (event.time_ns <= end_ns_)
      next_.on_event(event, sequence);
    else
      ++later_;
  }
  void on_loss(const Loss& loss) override { next_.on_loss(loss); }
  uint64_t later() const { return later_; }

 private:
  const uint64_t end_ns_;
  EventSink& next_;
  uint64_t later_ = 0;
};

bool all_emptied(const capture::EventSource& source) {
  for (uint32_t cpu = 0; cpu < source.cpus(); ++cpu)
    if (!source.emptied(cpu)) return false;
  return true;
}

}  // namespace

Pipeline::Pipeline(std::unique_ptr<capture::EventSource> source, const PipelineOptions& options,
                   const PipelineClients& clients)
    : source_(std::move(source)),
      options_(options),
      output_(clients.output),
      areas_(clients.areas),
      status_board_(clients.status_board),
      requests_(clients.requests),
      after_sweep_(clients.after_sweep),
      lifecycles_(all_sinks(clients)),
      merger_(merger_options(*source_)),
      validation_(make_validation(*source_, options, areas_, lifecycles_)),
      reconstructor_(reconstructor_options(*source_, options),
                     validation_ ? validation_->lifecycles() : lifecycles_),
      ledger_(make_ledger(*source_, options)),
      readahead_(make_readahead(*source_, options)),
      sample_rate_(options.sample, options.cpu_limit),
      flight_schedule_(options.flight_every_s * 1'000'000'000),
      sink_(&reconstructor_) {
  if (validation_) {
    validation_->hand_on_to(reconstructor_);
    sink_ = validation_.get();
  }
  if (ledger_) {
    ledger_->hand_on_to(*sink_);
    sink_ = ledger_.get();
  }
  if (readahead_) {
    readahead_->hand_on_to(*sink_);
    sink_ = readahead_.get();
  }
  if (auto vmstat = host::read_vmstat(); vmstat.ok())
    vmstat_at_start_ = std::make_shared<const host::VmstatReading>(*std::move(vmstat));
}

absl::StatusOr<std::unique_ptr<Pipeline>> Pipeline::create(
    std::unique_ptr<capture::EventSource> source, const PipelineOptions& options,
    const PipelineClients& clients) {
  std::unique_ptr<Pipeline> pipeline(new Pipeline(std::move(source), options, clients));
  clients.output.set_start(pipeline->source_->start_ns());
  auto earlier = pipeline->source_->totals();
  if (!earlier.ok()) return earlier.status();
  pipeline->earlier_ = *earlier;
  sleep_ns(kSweepEvery_ns);  // long enough to see whether anything moves
  auto begin = pipeline->read(recording::Reading::Moment::kBegin, kTriesAtBegin);
  if (!begin.ok()) return begin.status();
  pipeline->readings_.push_back(*std::move(begin));
  if (absl::Status status = pipeline->start_recording(options, clients.names); !status.ok())
    return status;
  pipeline->follow_areas();
  pipeline->publish_status(base::monotonic_ns());
  return pipeline;
}

Pipeline::~Pipeline() {
  if (recorder_ && !finished_) recorder_->finish(base::monotonic_ns());
}

absl::Status Pipeline::start_recording(const PipelineOptions& options, const HostNames& names) {
  const bool flight = !options.flight_dir.empty();
  if (!flight && options.record_dir.empty()) return absl::OkStatus();
  record::RecorderOptions recording;
  recording.dir = flight ? options.flight_dir : options.record_dir;
  recording.flight = flight;
  recording.part_bytes = uint64_t{options.part_mib} << 20;
  recording.part_age_ns = options.part_age_s * 1'000'000'000;
  recording.total_bytes = uint64_t{options.total_mib} << 20;
  recording.most_files = options.most_files;
  recording.keep_ns = options.flight_minutes * 60'000'000'000;
  if (flight && options.flight_minutes != 0)  // so that what is too old goes in small steps
    recording.part_age_ns = std::min(recording.part_age_ns, recording.keep_ns / 8);

  recording::RecordingHeader header = observed_header(*source_, options);
  header.page_frames_base = names.page_frames_base();
  auto recorder =
      record::Recorder::create(recording, std::move(header), areas_.now(), names, *sink_);
  if (!recorder.ok()) return recorder.status();
  recorder_ = *std::move(recorder);
  flight_ = flight;
  recorder_->add(readings_.front());
  sink_ = recorder_.get();
  if (options.flight_pressure.empty()) return absl::OkStatus();
  return triggers_.watch_pressure(options.flight_pressure);
}

// They come first in the stream, before everything that needs their names.
void Pipeline::follow_areas() {
  areas_.hand_on_to(*sink_);
  if (!recorder_) return;
  areas_.add_listener([this](const host::AreaInstance& area) { recorder_->on_area(area); });
}

// Reads /proc/vmstat between two readings of the totals, up to `tries` times, until no compared
// value moved between them; otherwise takes the reading in which least moved, and stores how much.
absl::Status Pipeline::read_both(int tries, recording::Reading& reading) {
  uint64_t least = ~uint64_t{0};
  for (int tried = 0; tried < tries && least != 0; ++tried) {
    auto before = source_->totals();
    if (!before.ok()) return before.status();
    auto vmstat = source_->vmstat();
    if (!vmstat.ok()) return vmstat.status();
    auto after = source_->totals();
    if (!after.ok()) return after.status();
    recording::Reading next;
    next.totals = *after;
    report::put_read_widths(*before, next);
    uint64_t moved = 0;
    for (const auto& [name, pages] : next.vmstat) moved += pages;
    if (moved >= least) continue;
    least = moved;
    for (const auto& [name, value] : vmstat->values) next.vmstat.emplace_back(name, value);
    std::sort(next.vmstat.begin(), next.vmstat.end());
    reading.totals = next.totals;
    reading.vmstat = std::move(next.vmstat);
  }
  if (earlier_) report::put_in_flight(*earlier_, source_->cpus(), reading);
  earlier_ = reading.totals;
  return absl::OkStatus();
}

// Reads the kernel's first: the totals after it then include all changes up to it.
absl::Status Pipeline::read_used_slots(recording::Reading& reading) const {
  if (options_.may_sample() || options_.counts_only)
    return absl::OkStatus();  // most slots are not followed: no such row
  const auto swaps = source_->swaps();
  if (!swaps.ok()) return absl::OkStatus();  // a kernel without it has no such row
  report::UsedSlots used;
  for (const host::SeenArea& seen : host::parse_swap_areas(*swaps, 0))
    used.pages += seen.area.used_bytes / base::page_bytes();
  auto totals = source_->totals();
  if (!totals.ok()) return totals.status();
  used.changes = report::slot_changes(*totals);
  used.reserve = uint64_t{source_->plan().reserved_slots} * source_->cpus();
  report::put_used_slots(used, reading);
  return absl::OkStatus();
}

// The kernel's counters and ours, of the same moment as far as possible.
absl::StatusOr<recording::Reading> Pipeline::read(recording::Reading::Moment moment, int tries) {
  recording::Reading result;
  result.moment = moment;
  if (moment != recording::Reading::Moment::kLast) {
    if (absl::Status status = read_both(tries, result); !status.ok()) return status;
    if (absl::Status status = read_used_slots(result); !status.ok()) return status;
  } else {
    auto totals = source_->totals();
    if (!totals.ok()) return totals.status();
    result.totals = *totals;
  }
  result.at_ns = base::monotonic_ns();
  result.consumed = source_->counters().consumed;
  return result;
}

void Pipeline::look_for_triggers() {
  const uint64_t now = base::monotonic_ns();
  const auto due = flight_schedule_.next(triggers_.poll(now), now);
  if (!due) return;
  const absl::Status status = recorder_->trigger(due->reason, now).status();
  std::string line = absl::StrCat("flight recording (", due->reason,
                                  "): ", status.ok() ? "written" : status.message());
  if (due->suppressed > 0) absl::StrAppend(&line, "; ", due->suppressed, " triggers had to wait");
  base::log_line(line);
}

absl::StatusOr<record::FlightFiles> Pipeline::write_flight(const std::string& reason) {
  if (!flight_)
    return absl::FailedPreconditionError(
        "no flight recorder is running; start swaptraild with --flight");
  return recorder_->trigger(reason, base::monotonic_ns());
}

// Both are kept for a while: frequent requests must not hold up the rings.
std::shared_ptr<const SlotHolders> Pipeline::holders() {
  const uint64_t now = base::monotonic_ns();
  if (!holders_ || now - holders_->at_ns >= kHoldersKept_ns)
    holders_ = std::make_shared<SlotHolders>(slot_holders(ledger_.get(), areas_, now));
  return holders_;
}

std::shared_ptr<const ReadaheadNow> Pipeline::readahead() {
  const uint64_t now = base::monotonic_ns();
  if (!readahead_now_ || now - readahead_now_->at_ns >= kHoldersKept_ns)
    readahead_now_ = std::make_shared<ReadaheadNow>(ReadaheadNow{
        now, readahead_ != nullptr, readahead_ ? readahead_->rows() : std::vector<readahead::Row>(),
        vmstat_at_start_});
  return readahead_now_;
}

std::shared_ptr<const std::vector<ledger::HolderAges>> Pipeline::ages() {
  const uint64_t now = base::monotonic_ns();
  if (!ages_ || now - ages_ns_ >= kAgesKept_ns) {
    ages_ = std::make_shared<const std::vector<ledger::HolderAges>>(
        ledger_ ? ledger_->ages(now) : std::vector<ledger::HolderAges>());
    ages_ns_ = now;
  }
  return ages_;
}

// Both readings are current: what is still in the rings is not consumed yet, and shows as such.
void Pipeline::publish_status(uint64_t now_ns) {
  published_ns_ = now_ns;
  auto end = read(recording::Reading::Moment::kEnd, kTriesEachSecond);
  if (!end.ok()) return;  // the previous status stays, and its time shows its age
  recording::Reading last = *end;
  last.moment = recording::Reading::Moment::kLast;
  auto pipeline_status = std::make_shared<PipelineStatus>();
  pipeline_status->at_ns = now_ns;
  pipeline_status->start_ns = source_->start_ns();
  pipeline_status->totals = end->totals;
  pipeline_status->consumed = end->consumed;
  pipeline_status->stream = stream_now(end->totals);
  report::put_stream_counters(pipeline_status->stream, last);
  pipeline_status->reconstructor = reconstructor_.counters();
  pipeline_status->reconciliation =
      trust_rows({readings_.front(), *std::move(end), std::move(last)});
  pipeline_status->programs = source_->program_runs();
  pipeline_status->ring_fill = source_->fill();
  pipeline_status->counts_only = options_.counts_only;
  if (ledger_) pipeline_status->slots_found = ledger_->counters().found;
  if (auto counted = source_->counted(); counted.ok())
    pipeline_status->counted = *std::move(counted);
  else
    return;
  pipeline_status->sampling = sample_rate_.sampling();
  const lifecycles::ReconstructorOptions tables = reconstructor_options(*source_, options_);
  pipeline_status->attempts = {reconstructor_.live_attempts(), tables.max_attempts};
  pipeline_status->slots = {reconstructor_.tracked_slots(), tables.max_slots};
  pipeline_status->swapped = {reconstructor_.swapped_folios(), tables.max_swapped};
  if (validation_) pipeline_status->validation = validation_->status();
  if (recorder_) {
    pipeline_status->recording = recorder_->status(now_ns);
    pipeline_status->recording->suppressed = flight_schedule_.suppressed();
  }
  pipeline_status->lines_left_out = output_.lines_left_out();
  output_.show(*pipeline_status, report::sees_way_back(probe::visible_kinds(source_->plan())));
  status_board_.publish(std::move(pipeline_status));
}

std::vector<report::ReconcileRow> Pipeline::trust_rows(
    const std::vector<recording::Reading>& readings) const {
  const uint64_t kinds = probe::visible_kinds(source_->plan());
  std::vector<report::ReconcileRow> rows = report::reconcile_readings(readings, kinds);
  if (!rows.empty())
    report::add_balance(readings, reconstructor_.counters(), kinds, rows);  // as in a replay
  return rows;
}

report::StreamCounters Pipeline::stream_now(const swaptrail_totals& totals) const {
  report::StreamCounters stream;
  stream.dropped_ring_full = totals.dropped[SWAPTRAIL_DROP_RING_FULL];
  stream.dropped_no_ring = totals.dropped[SWAPTRAIL_DROP_NO_RING];
  stream.context_full = totals.context_full;
  stream.skipped_runs = source_->skipped_runs();
  stream.invalid = source_->counters().invalid;
  stream.late = merger_.counters().late;
  stream.overflow = merger_.counters().overflow;
  return stream;
}

// After a sweep, and before its events are passed on: those that follow a skipped run may be wrong
// because of it.
void Pipeline::report_skipped_runs() {
  if (const auto loss = source_->newly_skipped()) sink_->on_loss(*loss);
}

// Reports drops for lack of room, before events of that time are passed on. A ring that was never half
// full when it was read has dropped nothing since; once a second all rings are checked anyway.
void Pipeline::report_drops() {
  const uint64_t now = base::monotonic_ns();
  if (source_->fill() < kMayHaveDropped && now - drops_read_ns_ < kPublishEvery_ns) return;
  drops_read_ns_ = now;
  report_all_drops().IgnoreError();  // the next one comes soon
}

// Keeps below --cpu-limit, and says so.
void Pipeline::adjust_sample(uint64_t now_ns) {
  const uint32_t before = sample_rate_.sampling().one_in;
  const auto shift = sample_rate_.next(now_ns, used_cpu_ns());
  if (!shift) return;
  const Sampling& now = sample_rate_.sampling();
  if (absl::Status status = source_->set_sample_shift(*shift); !status.ok())
    return base::log_line(absl::StrCat("--cpu-limit: ", status.message()));
  base::log_line(absl::StrFormat(
      "--cpu-limit=%d: swaptraild used %.1f %% of a CPU; one page in %d leaves records now, in %d before",
      now.cpu_limit, now.cpu, now.one_in, before));
}

// One sweep. True if the rings fill so fast that the next sweep should come at once.
bool Pipeline::step() {
  const uint64_t consumed = source_->counters().consumed;
  const uint64_t complete_until = source_->sweep(merger_);
  areas_.poll();
  if (source_->counters().consumed != consumed) report_skipped_runs();
  report_drops();
  const uint64_t emitted = merger_.counters().emitted;
  merger_.advance(complete_until, areas_);
  passed_on_until_ns_ = std::max(passed_on_until_ns_, complete_until);
  const bool due =
      reconstructor_.has_due(complete_until) || (readahead_ && readahead_->has_due(complete_until));
  if (merger_.counters().emitted == emitted && due) areas_.on_time(complete_until);
  if (recorder_) recorder_->tick(base::monotonic_ns());
  if (flight_) look_for_triggers();
  output_.flush();
  output_.drain();
  requests_.answer(*this);
  after_sweep_();
  const uint64_t now_ns = base::monotonic_ns();
  status_board_.note_sweep(now_ns);
  if (now_ns - published_ns_ >= kPublishEvery_ns) {
    adjust_sample(now_ns);
    publish_status(now_ns);
  }
  return source_->fill() > kBusy || !all_emptied(*source_);
}

absl::Status Pipeline::run(const std::atomic<bool>& stop) {
  while (!stop.load(std::memory_order_relaxed))
    if (!step()) sleep_ns(options_.counts_only ? kCountsEvery_ns : kSweepEvery_ns);
  requests_.close();
  return finish();
}

absl::Status Pipeline::report_all_drops() {
  auto totals = source_->totals_by_cpu();
  if (!totals.ok()) return totals.status();
  for (uint32_t cpu = 0; cpu < totals->size(); ++cpu)
    if (source_->emptied(cpu))  // otherwise what is left there may report the same drops
      merger_.report_drops(cpu,
                           static_cast<uint32_t>((*totals)[cpu].dropped[SWAPTRAIL_DROP_RING_FULL]),
                           base::monotonic_ns());
  return absl::OkStatus();
}

// Keeps what was seen until `end_ns`, when every hook was still attached: later, a page whose
// completion was missed only because that hook was detached first would look like a loss. Returns how
// many events came after.
uint64_t Pipeline::drain(uint64_t end_ns) {
  UntilEnd until_end(end_ns, areas_);
  int idle =
      0;  // sweeps that neither took nor passed on anything: the first may only have found out why
  do {
    const uint64_t consumed = source_->counters().consumed, emitted = merger_.counters().emitted;
    const uint64_t complete_until = source_->sweep(merger_);
    areas_.poll();
    report_skipped_runs();
    merger_.advance(complete_until, until_end);
    const bool idled =
        source_->counters().consumed == consumed && merger_.counters().emitted == emitted;
    idle = idled ? idle + 1 : 0;
  } while (!all_emptied(*source_) && idle < 3);
  merger_.flush(until_end);
  return until_end.later();
}

// Finishes the recording and the summary even if something can't be read any more. Then only the rows that
// compare totals with the kernel's are missing.
absl::Status Pipeline::finish() {
  absl::Status status;
  auto end = read(recording::Reading::Moment::kEnd, kTriesAtEnd);
  status.Update(end.status());
  const uint64_t end_ns = base::monotonic_ns();
  source_->detach();
  const uint64_t after_end = drain(end_ns);
  // a CPU's drops after its last record that found room show in no record
  status.Update(report_all_drops());
  merger_.flush(*sink_);
  if (validation_)
    validation_->finish(end_ns);  // the reconstructor's too
  else
    reconstructor_.finish(end_ns);

  auto last = read(recording::Reading::Moment::kLast);
  status.Update(last.status());
  if (last.ok()) {
    report::StreamCounters stream = stream_now(last->totals);
    stream.after_end = after_end;
    report::put_stream_counters(stream, *last);
  }
  for (absl::StatusOr<recording::Reading>* reading : {&end, &last}) {
    if (!reading->ok()) continue;
    if (recorder_) recorder_->add(**reading);
    readings_.push_back(*std::move(*reading));
  }
  if (recorder_) recorder_->finish(end_ns);
  finished_ = true;
  // the report is made only from the readings, so that a replay makes the same one; the validation adds
  // to it
  std::vector<report::ReconcileRow> rows = trust_rows(readings_);
  if (validation_)
    for (const report::ReconcileRow& row : validation_->trust_rows()) rows.push_back(row);
  const report::StreamCounters stream = report::stream_counters_of(readings_);
  if (!options_.counts_only) {
    output_.print_last(reconstructor_.counters(), stream, std::move(rows));
    return status;
  }
  auto counted = source_->counted();
  status.Update(counted.status());
  if (counted.ok()) output_.print_last(*counted, stream, rows);
  return status;
}

}  // namespace swaptrail::pipeline
