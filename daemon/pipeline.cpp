#include "daemon/pipeline.h"

#include <time.h>

#include <utility>

namespace swaptrail {
namespace {

// How long to leave the rings alone. 10 ms at 300,000 events a second and CPU is 3,000 records of
// 104 bytes: 4 % of the smallest sensible ring.
constexpr long kSweepEvery_ns = 10'000'000;
constexpr double kBusy = 0.05;  // of a ring in use: sweep again at once

void sleep_ns(long duration_ns) {
  const timespec duration{0, duration_ns};
  nanosleep(&duration, nullptr);
}

ReconstructorOptions reconstructor_options(const Session& session, const Options& options) {
  ReconstructorOptions result;
  result.visible_kinds = visible_kinds(session.plan());
  result.start_ns = session.start_ns();
  result.max_attempts = options.max_folios;
  return result;
}

Merger::Options merger_options(const Session& session) {
  Merger::Options result;
  result.start_ns = session.start_ns();
  result.max_cpus = session.cpus();
  return result;
}

// a - b for every counter of the ABI, which is an array of u64 (asserted in event.h)
swaptrail_totals subtract(const swaptrail_totals& a, const swaptrail_totals& b) {
  swaptrail_totals result;
  const auto* left = reinterpret_cast<const uint64_t*>(&a);
  const auto* right = reinterpret_cast<const uint64_t*>(&b);
  auto* out = reinterpret_cast<uint64_t*>(&result);
  for (size_t i = 0; i < sizeof(result) / sizeof(uint64_t); i++) out[i] = left[i] - right[i];
  return result;
}

}  // namespace

Pipeline::Pipeline(Session session, const Options& options, Output& output)
    : session_(std::move(session)),
      output_(output),
      merger_(merger_options(session_)),
      reconstructor_(reconstructor_options(session_, options), output) {}

absl::StatusOr<std::unique_ptr<Pipeline>> Pipeline::create(Session session, const Options& options,
                                                           Output& output) {
  std::unique_ptr<Pipeline> pipeline(new Pipeline(std::move(session), options, output));
  output.set_start(pipeline->session_.start_ns());
  auto vmstat = read_vmstat();
  if (!vmstat.ok()) return vmstat.status();
  pipeline->vmstat_begin_ = *std::move(vmstat);
  auto totals = pipeline->session_.totals();
  if (!totals.ok()) return totals.status();
  pipeline->totals_begin_ = *totals;
  return pipeline;
}

// One sweep; true if the rings fill so fast that the next one should come at once.
bool Pipeline::step() {
  const uint64_t complete_until = session_.sweep(merger_);
  merger_.advance(complete_until, reconstructor_);
  output_.flush();
  return session_.fill() > kBusy;
}

absl::Status Pipeline::run(const std::atomic<bool>& stop) {
  while (!stop.load(std::memory_order_relaxed))
    if (!step()) sleep_ns(kSweepEvery_ns);
  return finish();
}

// What was dropped after the last record of a CPU that found room shows in no record.
absl::Status Pipeline::tell_last_losses() {
  auto totals = session_.totals_by_cpu();
  if (!totals.ok()) return totals.status();
  for (uint32_t cpu = 0; cpu < totals->size(); cpu++)
    merger_.flush_losses(cpu,
                         static_cast<uint32_t>((*totals)[cpu].dropped[SWAPTRAIL_DROP_RING_FULL]),
                         monotonic_ns(), reconstructor_);
  return absl::OkStatus();
}

absl::Status Pipeline::finish() {
  auto vmstat = read_vmstat();
  if (!vmstat.ok()) return vmstat.status();
  ReconcileInput input;
  input.visible_kinds = visible_kinds(session_.plan());
  auto totals = session_.totals();
  if (!totals.ok()) return totals.status();
  input.totals = subtract(*totals, totals_begin_);

  session_.detach();
  session_.sweep(merger_);
  merger_.flush(reconstructor_);
  if (absl::Status status = tell_last_losses(); !status.ok()) return status;
  reconstructor_.finish(monotonic_ns());

  // emitted = consumed + dropped is about all records, the page counts about those between the readings
  auto all = session_.totals();
  if (!all.ok()) return all.status();
  for (int kind = 0; kind < SWAPTRAIL_KIND_END; kind++)
    input.totals.emitted[kind] = all->emitted[kind];
  for (int cause = 0; cause < SWAPTRAIL_DROP_END; cause++)
    input.totals.dropped[cause] = all->dropped[cause];
  input.consumed = session_.counters().consumed;
  output_.print_summary(reconstructor_.counters(),
                        reconcile(input, vmstat_begin_.values, vmstat->values));
  return absl::OkStatus();
}

}  // namespace swaptrail
