// Any bytes as a trace by valgrind's lackey: the steps do not depend on how the bytes come, they are those of a workload,
// and whatever can't be read is told.
#include <memory>
#include <vector>

#include "engine/workloads/lackey.h"
#include "tests/fuzz/fuzzed.h"
#include "tests/scene/text_stream.h"
#include "tests/scene/workload_steps.h"

namespace swaptrail::engine {
namespace {

using fuzz::check;

struct Read {
  std::vector<WorkloadStep> steps;
  absl::Status status;
};

Read read(std::string_view text, size_t piece) {
  TextStream stream(text, piece);
  const auto trace = std::make_unique<LackeyTrace>(stream);
  Read result = {steps_of(*trace), {}};
  result.status = trace->status();
  const LackeyCounters& counters = trace->counters();
  const uint64_t accesses = counters.loads + counters.stores + counters.modifies;
  check(counters.steps == result.steps.size());
  check(counters.steps + counters.folded == accesses + counters.crossings);
  check(!result.status.ok() || accesses != 0);
  check(!result.status.ok() ||
        counters.lines == accesses + counters.instructions + counters.other_lines);
  WorkloadStep more;
  check(!trace->next(more));
  trace->rewind();
  check(steps_of(*trace) == result.steps && trace->status() == result.status);
  return result;
}

}  // namespace
}  // namespace swaptrail::engine

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace swaptrail;
  const std::string_view text = fuzz::text_of(bytes, size);
  const engine::Read whole = engine::read(text, SIZE_MAX);
  fuzz::check(engine::broken_promise(whole.steps).empty());
  const engine::Read pieces = engine::read(text, 1 + size % 7);
  fuzz::check(pieces.steps == whole.steps && pieces.status == whole.status);
  return 0;
}
