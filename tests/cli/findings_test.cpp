// What a comparison says in sentences is what its counters say.
#include "cli/compare/findings.h"

#include <gmock/gmock.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "engine/workloads/synthetic.h"

namespace swaptrail::compare {
namespace {

using engine::Comparison;
using testing::HasSubstr;
using testing::Not;

constexpr uint64_t kFrames = 256;

Comparison ran(const std::string& workload, uint64_t pages, uint64_t slots = 8 * kFrames) {
  engine::GenerationOptions options;
  options.frames = kFrames;
  engine::GenerationArea area;
  area.area.pages = slots;
  options.areas.push_back(area);
  const auto names = engine::generation_names();
  auto comparison = Comparison::make({names.begin(), names.end()}, options);
  engine::WorkloadParameters parameters;
  parameters.pages = pages;
  parameters.accesses = 20'000;
  parameters.frames = kFrames;
  const auto source = *engine::make_workload(workload, parameters);
  EXPECT_TRUE(comparison->run(*source, [](uint64_t) { return true; }).ok());
  return *std::move(comparison);
}

const engine::GenerationCounters& counters_of(const Comparison& comparison, std::string_view name) {
  for (const Comparison::Column& column : comparison.columns())
    if (column.name == name) return column.generation->counters();
  std::abort();
}

std::string text(const Comparison& comparison) { return absl::StrJoin(findings(comparison), "\n"); }

TEST(Findings, OnALoopThatIsJustOverTheMemoryTheOldGenerationsAreQueues) {
  const Comparison comparison = ran("loop", 2 * kFrames);
  const uint64_t best = comparison.optimum().counters().reads;
  for (const char* name : {"2.0", "2.6"}) {
    const double times =
        static_cast<double>(counters_of(comparison, name).swapped_in) / static_cast<double>(best);
    EXPECT_GT(times, 4) << name;
    EXPECT_THAT(text(comparison),
                HasSubstr(absl::StrFormat("%s: %.1f times the optimum", name, times)));
  }
  EXPECT_THAT(text(comparison), HasSubstr("what is needed next, at nearly every access: 2.0, "));
}

TEST(Findings, OnAScanOfTwiceTheMemoryLinux20IsHeldAgainstTheOptimum) {
  const Comparison comparison = ran("scan", 2 * kFrames);
  const double times = static_cast<double>(counters_of(comparison, "2.0").swapped_in) /
                       static_cast<double>(comparison.optimum().counters().reads);
  ASSERT_GE(times, 1.5) << "or the example is none";
  const bool is_said =
      text(comparison).find(absl::StrFormat("2.0: %.1f times the optimum", times)) !=
      std::string::npos;
  EXPECT_EQ(is_said, times >= 2) << times;
  EXPECT_THAT(text(comparison), HasSubstr("Nearest to the optimum: "));
}

TEST(Findings, NameTheNearestAndTheFarthest) {
  const Comparison comparison = ran("zipf", 2 * kFrames);
  const auto reads = [](const Comparison::Column& column) {
    return column.generation->counters().swapped_in;
  };
  const auto [least, most] = std::ranges::minmax_element(comparison.columns(), {}, reads);
  EXPECT_THAT(text(comparison), HasSubstr("Nearest to the optimum: " + least->name + ", "));
  EXPECT_THAT(text(comparison), HasSubstr("Farthest: " + most->name + ", "));
  EXPECT_THAT(text(comparison), Not(HasSubstr("like a queue"))) << "most accesses find their page";
}

TEST(Findings, TellHowMuchOfReadaheadWasUsed) {
  const Comparison comparison = ran("random", 4 * kFrames);
  const engine::GenerationCounters& counters = counters_of(comparison, "2.4");
  ASSERT_GT(2 * counters.readahead, counters.swapped_in) << "or the example is none";
  EXPECT_THAT(text(comparison),
              HasSubstr(absl::StrFormat("2.4: of 100 pages that it read, %.0f came by readahead",
                                        100.0 * static_cast<double>(counters.readahead) /
                                            static_cast<double>(counters.swapped_in))));
}

TEST(Findings, WhereAllFitsNoneReadsMoreThanTheOptimum) {
  const Comparison comparison = ran("random", kFrames / 2);
  EXPECT_EQ(comparison.optimum().counters().reads, 0u);
  EXPECT_EQ(text(comparison), "Every generation reads as few pages as the optimum: 0.");
}

TEST(Findings, WhoKilledIsNoMeasure) {
  const Comparison comparison = ran("random", 2 * kFrames, 20);
  const engine::GenerationCounters& counters = counters_of(comparison, "2.0");
  ASSERT_GT(counters.killed, 0u);
  EXPECT_THAT(text(comparison), HasSubstr("2.0: killed 1 process for want of memory"));
  EXPECT_THAT(text(comparison), Not(HasSubstr("Nearest to the optimum: 2.0")));
}

TEST(Findings, AreBounded) {
  for (const std::string_view name : engine::workload_names()) {
    const Comparison comparison = ran(std::string(name), 2 * kFrames);
    EXPECT_LE(findings(comparison).size(), 2 + kMostFindings * comparison.columns().size()) << name;
  }
}

}  // namespace
}  // namespace swaptrail::compare
