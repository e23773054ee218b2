// A sample of the pages: those in it keep the very same trail as among all, and stand for the others without bias.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <string>
#include <vector>

#include "engine/machine/simulation.h"
#include "tests/exhaustive/stride.h"
#include "tests/scene/engine_drawn.h"
#include "tests/scene/engine_replay.h"
#include "tests/scene/sampled_stream.h"

namespace swaptrail::engine {
namespace {

using ::testing::IsEmpty;

constexpr uint64_t kSampleSeeds = 60 / kStride;

// One run, with all pages and with a sample of them.
struct Sampled {
  Replay all{true};
  Replay some;
  SampledStream stream;
  bool ran = false;

  Sampled(const SimulationOptions& options, uint32_t shift, uint64_t salt) : stream(shift, salt) {
    const auto result = simulate(options, all);
    if (!result.ok()) return;
    ran = true;
    all.finish(result->end_ns + 1000);
    for (const swaptrail_event& event : all.events)
      if (const auto taken = stream.take(event)) some.on_event(*taken, 0);
    some.finish(result->end_ns + 1000);
  }
};

std::vector<std::string> trails(const std::vector<Lifecycle>& lifecycles) {
  std::vector<std::string> lines;
  for (const Lifecycle& life : lifecycles) lines.push_back(told(life, life.mapping_count));
  std::sort(lines.begin(), lines.end());
  return lines;
}

// How a page came back, without what only the order of all pages decides.
std::vector<std::string> ways_back(const std::vector<Return>& returns) {
  std::vector<std::string> lines;
  for (const Return& back : returns) {
    if (back.lifecycle_id == 0) continue;
    std::ostringstream line;
    line << back.entry << " at " << back.time_ns << " after " << back.after_ns << " wait "
         << back.fault_ns << " pages " << back.nr_pages << " " << return_name(back.how) << " by "
         << back.tid;
    lines.push_back(line.str());
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

std::vector<std::string> only_in_first(const std::vector<std::string>& first,
                                       const std::vector<std::string>& second) {
  std::vector<std::string> only;
  std::set_difference(first.begin(), first.end(), second.begin(), second.end(),
                      std::back_inserter(only));
  return only;
}

class Sample : public ::testing::TestWithParam<std::string_view> {};
INSTANTIATE_TEST_SUITE_P(Sets, Sample,
                         ::testing::ValuesIn(feature_set_names().begin(),
                                             feature_set_names().end()),
                         set_label);

TEST_P(Sample, AChosenPageKeepsItsWholeTrail) {
  uint64_t compared = 0, back = 0, left_out = 0;
  for (uint64_t seed = 1; seed <= kSampleSeeds; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Sampled run(drawn(GetParam(), seed), 2, seed * 0x51ed270b76a7b3a5u);
    if (!run.ran) continue;
    const std::vector<std::string> all = trails(run.all.kept.lifecycles);
    const std::vector<std::string> some = trails(run.some.kept.lifecycles);
    ASSERT_THAT(only_in_first(some, all), IsEmpty());
    ASSERT_THAT(only_in_first(ways_back(run.some.kept.returns), ways_back(run.all.kept.returns)),
                IsEmpty());
    ASSERT_THAT(run.some.kept.violations, IsEmpty());
    ASSERT_EQ(run.some.counters().unexplained_gaps, 0u);
    ASSERT_EQ(run.some.counters().superseded_slots, 0u);
    for (const Lifecycle& life : run.all.kept.lifecycles) {
      if (!run.stream.chosen().contains({life.folio, life.at(Stage::kSlotAllocated)})) continue;
      ++compared;
      ASSERT_TRUE(std::binary_search(some.begin(), some.end(), told(life, life.mapping_count)))
          << told(life, life.mapping_count);
    }
    for (const Lifecycle& life : run.some.kept.lifecycles) ASSERT_EQ(life.weight(), 4u);
    back += run.some.kept.returns.size();
    left_out += all.size() - some.size();
  }
  EXPECT_GT(compared, 100u / kStride);
  EXPECT_GT(back, 100u / kStride);
  EXPECT_GT(left_out, 3 * compared / 2);
}

// Each page stands for as many as the mark says: over many salts the mean of the estimates is the truth. A bias of 3 % would be seen.
TEST(SampleEstimates, HaveNoBias) {
  struct Estimate {
    double sum = 0, squares = 0;
    uint64_t runs = 0;
    void add(double ratio) {
      sum += ratio;
      squares += ratio * ratio;
      ++runs;
    }
    void expect_one(const char* what) const {
      const double mean = sum / static_cast<double>(runs);
      const double variance = squares / static_cast<double>(runs) - mean * mean;
      const double error = std::sqrt(variance / static_cast<double>(runs));
      EXPECT_LT(error, 0.01 * std::sqrt(double{kStride})) << what << ": too few runs to say";
      EXPECT_NEAR(mean, 1, 4 * error) << what;
    }
  };
  Estimate out, back, freed, waited;
  SimulationOptions options = drawn("6.12", 11);
  Replay all(true);
  const auto result = simulate(options, all);
  ASSERT_TRUE(result.ok());
  all.finish(result->end_ns + 1000);
  const auto sums = [](const Kept& kept) {
    std::array<double, 4> sum{};
    for (const Lifecycle& life : kept.lifecycles) {
      if (life.at(Stage::kSlotAllocated) == 0) continue;
      const auto pages = static_cast<double>(life.nr_pages * life.weight());
      sum[0] += pages;
      if (is_freed(life.outcome)) sum[2] += pages;
    }
    for (const Return& one : kept.returns) {
      if (one.lifecycle_id == 0) continue;
      sum[1] += static_cast<double>(one.nr_pages * one.weight());
      sum[3] += static_cast<double>(one.fault_ns * one.weight());
    }
    return sum;
  };
  const auto truth = sums(all.kept);
  for (double one : truth) ASSERT_GT(one, 0);
  for (uint64_t salt = 1; salt <= 4000 / kStride; ++salt) {
    SampledStream stream(3, salt * 0x9fb21c651e98df25u ^ salt << 40);
    Replay some;
    for (const swaptrail_event& event : all.events)
      if (const auto taken = stream.take(event)) some.on_event(*taken, 0);
    some.finish(result->end_ns + 1000);
    const auto sum = sums(some.kept);
    out.add(sum[0] / truth[0]);
    back.add(sum[1] / truth[1]);
    freed.add(sum[2] / truth[2]);
    waited.add(sum[3] / truth[3]);
  }
  out.expect_one("pages on their way out");
  back.expect_one("pages that came back");
  freed.expect_one("pages freed");
  waited.expect_one("time waited");
}

// The rate changes while pages are in swap: each keeps the weight that it was chosen with.
TEST(SampleEstimates, AChangeOfTheRateCutsNoTrail) {
  for (uint64_t seed = 1; seed <= kSampleSeeds; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Replay all(true), some;
    const auto result = simulate(drawn("6.12", seed), all);
    if (!result.ok()) continue;
    all.finish(result->end_ns + 1000);
    SampledStream stream(0, seed);
    size_t at = 0;
    for (const swaptrail_event& event : all.events) {
      if (++at % 500 == 0) stream.set_shift(static_cast<uint32_t>(at / 500 % 5));
      if (const auto taken = stream.take(event)) some.on_event(*taken, 0);
    }
    some.finish(result->end_ns + 1000);
    ASSERT_THAT(only_in_first(ways_back(some.kept.returns), ways_back(all.kept.returns)),
                IsEmpty());
    ASSERT_THAT(some.kept.violations, IsEmpty());
  }
}

}  // namespace
}  // namespace swaptrail::engine
