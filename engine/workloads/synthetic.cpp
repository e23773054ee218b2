#include "engine/workloads/synthetic.h"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>
#include <string>

#include "absl/strings/str_cat.h"
#include "engine/machine/workload.h"

namespace swaptrail::engine {
namespace {

constexpr uint64_t kParts = 8;              // phases, and of what forkshared does
constexpr uint64_t kLocalPercent = 95;      // of the accesses of a phase
constexpr uint64_t kChildren = kParts / 2;  // of forkshared: as many forks as exits

// Where a generator stands.
struct Draw {
  WorkloadParameters parameters;
  uint64_t state = 0;   // of splitmix64
  uint64_t index = 0;   // of the next access
  uint64_t parts = 0;   // of kParts that have begun
  uint64_t start = 0;   // phases: first page of what this one works on
  uint64_t stride = 1;  // zipf: from the page of a rank to that of the next

  uint64_t begin_of_part(uint64_t part) const { return part * parameters.accesses / kParts; }
};

// The pages of those patterns that a simulated machine has too, with their writes.
template <Pattern pattern>
Access pick_of_machine(Draw& draw) {
  const WorkloadParameters& parameters = draw.parameters;
  return next_access(pattern, draw.index, parameters.pages, parameters.write_percent, draw.state);
}

template <uint64_t (*page)(Draw&)>
Access pick(Draw& draw) {
  Access access;
  access.page = page(draw);
  access.write = below(draw.state, 100) < draw.parameters.write_percent;
  return access;
}

uint64_t page_of_loop(Draw& draw) {
  const uint64_t frames = draw.parameters.frames;
  return draw.index % (frames + std::max<uint64_t>(1, frames / 16));
}

uint64_t page_of_zipf(Draw& draw) {
  const uint64_t pages = draw.parameters.pages;
  const auto blocks = static_cast<uint64_t>(std::bit_width(pages));
  for (;;) {
    const uint64_t first = uint64_t{1} << below(draw.state, blocks);
    const uint64_t rank = first + below(draw.state, first);
    if (rank <= pages && below(draw.state, rank) < first) return (rank - 1) * draw.stride % pages;
  }
}

uint64_t stride_of_zipf(uint64_t pages) {
  constexpr uint64_t kGoldenRatio = 2654435769;  // its part after the point, of 2^32
  uint64_t stride = std::max<uint64_t>(1, pages * kGoldenRatio >> 32);
  while (std::gcd(stride, pages) != 1) ++stride;
  return stride;
}

uint64_t page_of_phase(Draw& draw) {
  const uint64_t pages = draw.parameters.pages;
  for (; draw.parts < kParts && draw.index >= draw.begin_of_part(draw.parts); ++draw.parts)
    draw.start = below(draw.state, pages);
  if (below(draw.state, 100) >= kLocalPercent) return below(draw.state, pages);
  return (draw.start + below(draw.state, std::max<uint64_t>(1, pages / 4))) % pages;
}

using Pick = Access (*)(Draw&);

class OneProcess : public WorkloadSource {
 public:
  OneProcess(const WorkloadParameters& parameters, Pick pick)
      : parameters_(parameters), pick_(pick), stride_(stride_of_zipf(parameters.pages)) {
    start();
  }
  bool next(WorkloadStep& step) override {
    if (draw_.index == parameters_.accesses) return false;
    const Access access = pick_(draw_);
    ++draw_.index;
    step = {StepKind::kTouch, access.write, 0, 0, access.page};
    return true;
  }
  void rewind() override { start(); }
  uint64_t expected_steps() const override { return parameters_.accesses; }

 private:
  void start() {
    draw_ = {.parameters = parameters_, .state = parameters_.seed, .stride = stride_};
  }

  const WorkloadParameters parameters_;
  const Pick pick_;
  const uint64_t stride_;
  Draw draw_;
};

class ForkShared : public WorkloadSource {
 public:
  explicit ForkShared(const WorkloadParameters& parameters) : parameters_(parameters) { start(); }
  bool next(WorkloadStep& step) override {
    if (filled_ < parameters_.pages) {
      step = {StepKind::kTouch, true, 0, 0, filled_++};
      return true;
    }
    if (draw_.parts < kParts && draw_.index >= draw_.begin_of_part(draw_.parts + 1)) {
      ++draw_.parts;
      const auto process = static_cast<uint32_t>(draw_.parts);
      step = {.kind = StepKind::kFork, .process = 0, .child = process};
      if (process > kChildren)
        step = {.kind = StepKind::kExit, .process = process - uint32_t{kChildren}};
      return true;
    }
    if (draw_.index == parameters_.accesses) return false;
    const uint32_t process = draw_process();
    const Access access = pick_of_machine<Pattern::kHotCold>(draw_);
    ++draw_.index;
    step = {StepKind::kTouch, access.write, process, 0, access.page};
    return true;
  }
  void rewind() override { start(); }
  uint64_t expected_steps() const override {
    return parameters_.pages + parameters_.accesses + kParts;
  }

 private:
  void start() {
    draw_ = {.parameters = parameters_, .state = parameters_.seed};
    filled_ = 0;
  }
  // Of process 0 and the children that were forked and have not exited.
  uint32_t draw_process() {
    const uint64_t forked = std::min(draw_.parts, kChildren);
    const uint64_t exited = draw_.parts - forked;
    const uint64_t place = below(draw_.state, 1 + forked - exited);
    return static_cast<uint32_t>(place == 0 ? 0 : exited + place);
  }

  const WorkloadParameters parameters_;
  Draw draw_;
  uint64_t filled_ = 0;  // pages that process 0 has written at first
};

template <Pick pick>
std::unique_ptr<WorkloadSource> one_process(const WorkloadParameters& parameters) {
  return std::make_unique<OneProcess>(parameters, pick);
}
std::unique_ptr<WorkloadSource> fork_shared(const WorkloadParameters& parameters) {
  return std::make_unique<ForkShared>(parameters);
}

struct Named {
  std::string_view name;
  std::unique_ptr<WorkloadSource> (*make)(const WorkloadParameters&);
  bool by_frames;  // and not by pages
};
constexpr std::array kWorkloads = {
    Named{"scan", one_process<pick_of_machine<Pattern::kSequential>>, false},
    Named{"loop", one_process<pick<page_of_loop>>, true},
    Named{"zipf", one_process<pick<page_of_zipf>>, false},
    Named{"random", one_process<pick_of_machine<Pattern::kUniform>>, false},
    Named{"hotcold", one_process<pick_of_machine<Pattern::kHotCold>>, false},
    Named{"phases", one_process<pick<page_of_phase>>, false},
    Named{"forkshared", fork_shared, false},
};
constexpr auto kNames = [] {
  std::array<std::string_view, kWorkloads.size()> names{};
  for (size_t at = 0; at < names.size(); ++at) names[at] = kWorkloads[at].name;
  return names;
}();

absl::Status check(const Named& workload, const WorkloadParameters& parameters) {
  const uint64_t size = workload.by_frames ? parameters.frames : parameters.pages;
  if (size == 0 || size > kMostSyntheticPages)
    return absl::InvalidArgumentError(absl::StrCat(
        std::string(workload.name), " over ", size,
        workload.by_frames ? " frames of memory: 1 to " : " pages: 1 to ", kMostSyntheticPages));
  if (parameters.accesses > kMostSyntheticAccesses)
    return absl::InvalidArgumentError(
        absl::StrCat(parameters.accesses, " accesses: at most ", kMostSyntheticAccesses));
  if (parameters.write_percent > 100)
    return absl::InvalidArgumentError(
        absl::StrCat(parameters.write_percent, " percent of writes: at most 100"));
  return absl::OkStatus();
}

}  // namespace

std::span<const std::string_view> workload_names() { return kNames; }

absl::StatusOr<std::unique_ptr<WorkloadSource>> make_workload(
    std::string_view name, const WorkloadParameters& parameters) {
  std::string known;
  for (const Named& one : kWorkloads) {
    if (one.name != name) {
      absl::StrAppend(&known, known.empty() ? "" : ", ", std::string(one.name));
      continue;
    }
    if (absl::Status status = check(one, parameters); !status.ok()) return status;
    return one.make(parameters);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("no workload '", std::string(name), "'; there are ", known));
}

}  // namespace swaptrail::engine
