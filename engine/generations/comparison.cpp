#include "engine/generations/comparison.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace swaptrail::engine {
namespace {

// So many steps of one generation before the next one's: enough that its tables stay in the processor's caches.
constexpr size_t kBlockSteps = 4096;

// Every second one goes: the curve keeps its shape.
void thin(std::vector<Sample>& samples) {
  size_t kept = 0;
  for (size_t at = 1; at < samples.size(); at += 2) samples[kept++] = samples[at];
  samples.resize(kept);
}

}  // namespace

absl::StatusOr<Comparison> Comparison::make(const std::vector<std::string>& names,
                                            const GenerationOptions& options) {
  std::vector<Column> columns;
  for (const std::string& name : names) {
    auto generation = make_generation(name, options);
    if (!generation.ok()) return generation.status();
    columns.push_back({name, *std::move(generation), {}});
  }
  return Comparison(std::move(columns), options.frames);
}

absl::Status Comparison::run_block(const std::vector<WorkloadStep>& block) {
  for (Column& column : columns_) {
    const absl::Status status = column.generation->run(block);
    if (!status.ok()) return absl::InternalError(absl::StrCat(column.name, ": ", status.message()));
  }
  for (const WorkloadStep& step : block)
    if (absl::Status status = optimum_.step(step); !status.ok()) return status;
  steps_ += block.size();
  return absl::OkStatus();
}

void Comparison::sample() {
  for (Column& column : columns_) {
    const GenerationCounters& counters = column.generation->counters();
    column.samples.push_back({steps_, counters.swapped_in, counters.swapped_out});
  }
  optimum_samples_.push_back({steps_, optimum_.counters().reads, 0});
}

void Comparison::thin_out() {
  for (Column& column : columns_) thin(column.samples);
  thin(optimum_samples_);
  sample_every_ *= 2;
}

absl::Status Comparison::run(WorkloadSource& source,
                             const std::function<bool(uint64_t steps)>& progress) {
  std::vector<WorkloadStep> block;
  block.reserve(kBlockSteps);
  sample_every_ = kBlockSteps;
  next_sample_ = steps_ + sample_every_;
  bool more = true;
  while (more) {
    block.clear();
    WorkloadStep step;
    while (block.size() < kBlockSteps && (more = source.next(step))) block.push_back(step);
    if (absl::Status status = run_block(block); !status.ok()) return status;
    if (steps_ >= next_sample_) {
      sample();
      if (optimum_samples_.size() >= kMostSamples) thin_out();
      next_sample_ = steps_ + sample_every_;
    }
    if (!progress(steps_)) break;
  }
  if (optimum_samples_.empty() || optimum_samples_.back().steps != steps_) sample();
  return absl::OkStatus();
}

}  // namespace swaptrail::engine
