// Filters arrive as the contract has them.
#include <gmock/gmock.h>

#include "absl/time/clock.h"
#include "cli/online/filter.h"
#include "cli/online/quantities.h"
#include "cli/online/words.h"
#include "tests/online/daemon_scene.h"

namespace swaptrail::online {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::vector<std::string> kAll = {"--pid=1,2",
                                       "--pid=3",
                                       "--comm=a b,c",
                                       "--cgroup=/x",
                                       "--area=0,4",
                                       "--outcome=aborted,freed_zero",
                                       "--origin=kswapd",
                                       "--slower-than=device_write:50ms",
                                       "--since=2026-01-31T12:00:00Z",
                                       "--until=2026-01-31T12:00:01.5Z",
                                       "--regretted",
                                       "--incomplete"};

void expect_all(const v1::LifecycleFilter& filter) {
  EXPECT_THAT(filter.pids(), ElementsAre(1, 2, 3));
  EXPECT_THAT(filter.comms(), ElementsAre("a b", "c"));
  EXPECT_EQ(filter.cgroup(), "/x");
  EXPECT_THAT(filter.areas(), ElementsAre(0, 4));
  EXPECT_THAT(filter.outcomes(), ElementsAre(v1::OUTCOME_ABORTED, v1::OUTCOME_FREED_ZERO));
  EXPECT_THAT(filter.origins(), ElementsAre(v1::ORIGIN_KSWAPD));
  EXPECT_EQ(filter.slower_than().span(), v1::LATENCY_SPAN_DEVICE_WRITE);
  EXPECT_EQ(filter.slower_than().longer_than_ns(), 50'000'000);
  EXPECT_EQ(filter.since().seconds(), 1'769'860'800);  // date -d 2026-01-31T12:00:00Z +%s
  EXPECT_EQ(filter.until().seconds(), 1'769'860'801);
  EXPECT_EQ(filter.until().nanos(), 500'000'000);
  EXPECT_TRUE(filter.regretted());
  EXPECT_TRUE(filter.incomplete());
}

class FilterTest : public OnlineTest {
 protected:
  Ended with_all(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), kAll.begin(), kAll.end());
    return asked(arguments);
  }
};

TEST_F(FilterTest, ArrivesFieldByField) {
  EXPECT_EQ(with_all({"list"}).code, 0);
  expect_all(daemon.queries.ListLifecycles.asked.at(0).filter());
  EXPECT_EQ(with_all({"trace", "--for=100ms"}).code, 0);
  expect_all(daemon.watch.asked.at(0).filter());
  EXPECT_EQ(with_all({"stats"}).code, 0);
  expect_all(daemon.queries.QueryStats.asked.at(0).filter());
  EXPECT_EQ(with_all({"matrix"}).code, 0);
  expect_all(daemon.queries.GetMatrix.asked.at(0).filter());
}

TEST_F(FilterTest, NothingGivenIsNothingAsked) {
  EXPECT_EQ(asked({"list"}).code, 0);
  EXPECT_EQ(daemon.queries.ListLifecycles.asked.at(0).filter().ByteSizeLong(), 0);
}

TEST_F(FilterTest, DurationsAreAgo) {
  const absl::Time now = absl::FromUnixSeconds(1'000'000);
  FilterOptions options;
  options.since = "5m";
  options.until = "1500ms";
  const auto filter = filter_of(options, now);
  ASSERT_TRUE(filter.ok());
  EXPECT_EQ(filter->since().seconds(), 999'700);
  EXPECT_EQ(filter->until().seconds(), 999'998);
  EXPECT_EQ(filter->until().nanos(), 500'000'000);
}

TEST_F(FilterTest, BadOnesNameTheOption) {
  for (const char* bad : {"--slower-than=device_write", "--slower-than=x:1s", "--since=yesterday",
                          "--slower-than=fault:0s", "--until=5", "--outcome=lost", "--origin=me",
                          "--pid=-1", "--area=x"}) {
    const Ended ended = asked({"list", bad});
    EXPECT_EQ(ended.code, 2) << bad;
    const std::string option(bad, std::string_view(bad).find('='));
    EXPECT_THAT(ended.err, HasSubstr(option)) << bad;
  }
  EXPECT_EQ(asked({"list", "--since=1m", "--until=2m"}).code, 2);
  EXPECT_TRUE(daemon.queries.ListLifecycles.asked.empty());
}

TEST_F(FilterTest, WordsAreThoseOfTheContract) {
  EXPECT_EQ(word_of(v1::LATENCY_SPAN_ISOLATED_TO_SLOT), "isolated_to_slot");
  EXPECT_EQ(word_of(v1::OUTCOME_UNSPECIFIED), "-");
  EXPECT_EQ(word_of(static_cast<v1::Outcome>(99)), "value 99");
  EXPECT_EQ(value_of<v1::Outcome>("unspecified"), std::nullopt);
  for (const std::string& word : words_of<v1::Origin>())
    EXPECT_EQ(word_of(*value_of<v1::Origin>(word)), word);
}

}  // namespace
}  // namespace swaptrail::online
