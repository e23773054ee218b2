// Workloads drawn by lot: exactly what engine/workloads/synthetic.h says.
#include "engine/workloads/synthetic.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "engine/machine/workload.h"
#include "tests/scene/workload_steps.h"

namespace swaptrail::engine {
namespace {

std::vector<WorkloadStep> made(std::string_view name, const WorkloadParameters& parameters) {
  auto source = make_workload(name, parameters);
  EXPECT_TRUE(source.ok()) << source.status();
  return steps_of(**source);
}

std::vector<uint64_t> page_numbers(const std::vector<WorkloadStep>& steps) {
  std::vector<uint64_t> pages;
  for (const WorkloadStep& step : steps) pages.push_back(step.page);
  return pages;
}

TEST(Synthetic, EachKeepsItsPromisesAndComesAgain) {
  for (const std::string_view name : workload_names()) {
    for (const uint64_t pages : {uint64_t{1}, uint64_t{2}, uint64_t{100}}) {
      for (const uint64_t accesses : {0, 1, 7, 3000}) {
        const WorkloadParameters parameters = {
            .pages = pages, .accesses = accesses, .seed = pages, .frames = pages};
        auto source = make_workload(name, parameters).value();
        const std::vector<WorkloadStep> steps = steps_of(*source);
        EXPECT_EQ(broken_promise(steps), "") << name;
        EXPECT_EQ(steps.size(), source->expected_steps()) << name;
        WorkloadStep more;
        EXPECT_FALSE(source->next(more)) << name;
        source->rewind();
        EXPECT_EQ(steps_of(*source, steps.size() / 2).size(), steps.size() / 2) << name;
        source->rewind();
        EXPECT_TRUE(steps_of(*source) == steps) << name << " was another after rewind()";
      }
    }
  }
}

TEST(Synthetic, SeedAndShareOfWritesMatter) {
  for (const std::string_view name : workload_names()) {
    WorkloadParameters parameters = {.pages = 64, .accesses = 2000, .seed = 1, .frames = 64};
    const std::vector<WorkloadStep> steps = made(name, parameters);
    parameters.seed = 2;
    EXPECT_FALSE(made(name, parameters) == steps) << name;
    const auto writes_of = [&](uint32_t percent) {
      parameters.write_percent = percent;
      const std::vector<WorkloadStep> all = made(name, parameters);
      const auto begin = all.end() - 2000;  // forkshared fills its memory first
      return std::count_if(begin, all.end(), [](const WorkloadStep& step) { return step.write; });
    };
    EXPECT_EQ(writes_of(0), 0) << name;
    EXPECT_NEAR(static_cast<double>(writes_of(30)), 600, 100) << name;
    EXPECT_GE(writes_of(100), 1992) << name;  // but forks and exits
  }
}

TEST(Synthetic, ScanGoesThroughMemory) {
  EXPECT_EQ(page_numbers(made("scan", {.pages = 3, .accesses = 7})),
            (std::vector<uint64_t>{0, 1, 2, 0, 1, 2, 0}));
}

TEST(Synthetic, LoopIsJustOverMemory) {
  const std::vector<uint64_t> pages = page_numbers(made("loop", {.accesses = 500, .frames = 64}));
  EXPECT_EQ(*std::max_element(pages.begin(), pages.end()), 67u);
  EXPECT_EQ(pages[68], 0u);
  EXPECT_EQ(page_numbers(made("loop", {.accesses = 5, .frames = 3})),
            (std::vector<uint64_t>{0, 1, 2, 3, 0}));
}

// The machine's own generator makes the same.
TEST(Synthetic, HotColdAndRandomAreThoseOfTheMachine) {
  for (const auto& [name, pattern] :
       {std::pair{"hotcold", Pattern::kHotCold}, {"random", Pattern::kUniform}}) {
    uint64_t state = 9, index = 0;
    for (const WorkloadStep& step : made(name, {.pages = 50, .accesses = 900, .seed = 9})) {
      const Access access = next_access(pattern, index++, 50, 50, state);
      ASSERT_EQ(step.page, access.page) << name;
      ASSERT_EQ(step.write, access.write) << name;
    }
  }
}

// Written down by hand from the text of the header.
TEST(Synthetic, ZipfByItsDefinition) {
  constexpr uint64_t kPages = 11;  // 4 blocks: 1, 2-3, 4-7, 8-15; floor(11 * 0.618) = 6
  uint64_t state = 5;
  for (const WorkloadStep& step : made("zipf", {.pages = kPages, .accesses = 2000, .seed = 5})) {
    uint64_t rank = 0;
    do {
      const uint64_t block = below(state, 4);
      rank = (uint64_t{1} << block) + below(state, uint64_t{1} << block);
      if (rank <= kPages && below(state, rank) >= uint64_t{1} << block) rank = kPages + 1;
    } while (rank > kPages);
    ASSERT_EQ(step.page, (rank - 1) * 6 % kPages);
    ASSERT_EQ(step.write, below(state, 100) < 50);
  }
}

TEST(Synthetic, ZipfHasSharesOfOneByRank) {
  constexpr uint64_t kPages = 1000, kAccesses = 400'000;
  std::map<uint64_t, uint64_t> counts;
  for (const uint64_t page : page_numbers(made("zipf", {.pages = kPages, .accesses = kAccesses})))
    ++counts[page];
  uint64_t stride = 618;  // floor(1000 * 0.618)
  while (std::gcd(stride, kPages) != 1) ++stride;
  double sum = 0;
  for (uint64_t rank = 1; rank <= kPages; ++rank) sum += 1.0 / static_cast<double>(rank);
  double chi_squared = 0;
  for (uint64_t rank = 1; rank <= kPages; ++rank) {
    const double expected = kAccesses / sum / static_cast<double>(rank);
    const auto count = static_cast<double>(counts[(rank - 1) * stride % kPages]);
    chi_squared += (count - expected) * (count - expected) / expected;
  }
  // 999 degrees of freedom: mean 999, deviation 45.
  EXPECT_NEAR(chi_squared, 999, 5 * 45);
}

TEST(Synthetic, PhasesWorkOnAQuarter) {
  const std::vector<uint64_t> pages =
      page_numbers(made("phases", {.pages = 400, .accesses = 8000}));
  std::set<uint64_t> starts;
  for (size_t phase = 0; phase < 8; ++phase) {
    // The quarter that has most of the accesses, however it lies in the ring.
    const auto begin = pages.begin() + static_cast<ptrdiff_t>(phase * 1000);
    int64_t most = 0;
    uint64_t best = 0;
    for (uint64_t start = 0; start < 400; ++start) {
      const auto inside = [&](uint64_t page) { return (page + 400 - start) % 400 < 100; };
      const int64_t count = std::count_if(begin, begin + 1000, inside);
      if (count > most) best = start;
      most = std::max(most, count);
    }
    EXPECT_NEAR(static_cast<double>(most), 962, 30) << "95 % and a quarter of the rest";
    starts.insert(best);
  }
  EXPECT_GT(starts.size(), 6u);
}

TEST(Synthetic, ForkSharedForksAndExits) {
  const std::vector<WorkloadStep> steps = made("forkshared", {.pages = 4, .accesses = 16});
  EXPECT_EQ(text_of({steps.begin(), steps.begin() + 4}), "w0 w1 w2 w3");
  std::string events;
  size_t accesses = 0;
  for (const WorkloadStep& step : std::vector(steps.begin() + 4, steps.end())) {
    if (step.kind == StepKind::kTouch) {
      ++accesses;
    } else {
      events += text_of({step}) + "@" + std::to_string(accesses) + " ";
    }
  }
  EXPECT_EQ(events, "f0>1@2 f0>2@4 f0>3@6 f0>4@8 x1@10 x2@12 x3@14 x4@16 ");
}

TEST(Synthetic, ForkSharedAsksEachProcessThatIsThere) {
  std::vector<std::set<uint32_t>> by_part(1);
  for (const WorkloadStep& step : made("forkshared", {.pages = 4, .accesses = 4000})) {
    if (step.kind != StepKind::kTouch) {
      by_part.emplace_back();
    } else {
      by_part.back().insert(step.process);
    }
  }
  const std::vector<std::set<uint32_t>> expected = {
      {0}, {0, 1}, {0, 1, 2}, {0, 1, 2, 3}, {0, 1, 2, 3, 4}, {0, 2, 3, 4}, {0, 3, 4}, {0, 4}, {}};
  EXPECT_EQ(by_part, expected);
}

TEST(Synthetic, LargeOnesHaveNoOverflow) {
  for (const std::string_view name : workload_names()) {
    auto source = make_workload(name, {.pages = kMostSyntheticPages,
                                       .accesses = kMostSyntheticAccesses,
                                       .frames = kMostSyntheticPages});
    ASSERT_TRUE(source.ok());
    uint64_t highest = 0;
    for (const uint64_t page : page_numbers(steps_of(**source, 20'000)))
      highest = std::max(highest, page);
    EXPECT_LT(highest, kMostSyntheticPages) << name;
  }
}

TEST(Synthetic, ErrorsNameWhatThereIs) {
  const auto message = [](std::string_view name, const WorkloadParameters& parameters) {
    return std::string(make_workload(name, parameters).status().message());
  };
  EXPECT_EQ(
      message("spiral", {.pages = 1}),
      "no workload 'spiral'; there are scan, loop, zipf, random, hotcold, phases, forkshared");
  EXPECT_EQ(message("scan", {}), "scan over 0 pages: 1 to 268435456");
  EXPECT_EQ(message("loop", {.pages = 5}), "loop over 0 frames of memory: 1 to 268435456");
  EXPECT_EQ(message("zipf", {.pages = kMostSyntheticPages + 1}),
            "zipf over 268435457 pages: 1 to 268435456");
  EXPECT_EQ(message("zipf", {.pages = 1, .write_percent = 101}),
            "101 percent of writes: at most 100");
  EXPECT_EQ(message("zipf", {.pages = 1, .accesses = kMostSyntheticAccesses + 1}),
            "1099511627777 accesses: at most 1099511627776");
}

}  // namespace
}  // namespace swaptrail::engine
