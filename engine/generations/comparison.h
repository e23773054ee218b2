// Generations side by side: the same workload, the same memory and swap, and what the optimum would need.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/generations/generation.h"
#include "engine/workloads/optimum.h"
#include "engine/workloads/workload_source.h"

namespace swaptrail::engine {

// The counters of a generation after `steps` steps, of the many that are shown as a curve.
struct Sample {
  uint64_t steps = 0;
  uint64_t swapped_in = 0;
  uint64_t swapped_out = 0;
};

// Reads the workload once, and hands it to all in blocks: they are equal in all but their ways.
class Comparison {
 public:
  // Errors: those of make_generation().
  static absl::StatusOr<Comparison> make(const std::vector<std::string>& names,
                                         const GenerationOptions& options);

  // May be called once. `progress` is called now and then with the steps that are done; false: stop, which is no error. Errors: those of the
  // optimum for steps that are none; Internal, naming the generation, if one broke an invariant.
  absl::Status run(WorkloadSource& source, const std::function<bool(uint64_t steps)>& progress);

  struct Column {
    std::string name;
    std::unique_ptr<Generation> generation;
    std::vector<Sample> samples;  // at most kMostSamples, evenly spread, the last one at the end
  };
  const std::vector<Column>& columns() const { return columns_; }
  const Optimum& optimum() const { return optimum_; }
  const std::vector<Sample>& optimum_samples() const { return optimum_samples_; }
  uint64_t steps() const { return steps_; }

 private:
  Comparison(std::vector<Column> columns, uint64_t frames)
      : columns_(std::move(columns)), optimum_(frames) {}
  absl::Status run_block(const std::vector<WorkloadStep>& block);
  void sample();
  void thin_out();

  std::vector<Column> columns_;
  Optimum optimum_;
  std::vector<Sample> optimum_samples_;
  uint64_t steps_ = 0;
  uint64_t next_sample_ = 0;
  uint64_t sample_every_ = 1;
};

inline constexpr size_t kMostSamples = 256;

}  // namespace swaptrail::engine
